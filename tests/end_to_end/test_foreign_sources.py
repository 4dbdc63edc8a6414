"""The paginations in docs/new-spider.md: each reads a source of its kind to the end."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scrapy.http import Request, Response

from coincrawl import pagination
from coincrawl.coverage import Coverage
from coincrawl.responses import Rows, judge
from tests.support import pages

NUMBER = 250  # records, in pages of 100

TABLE = pages.rows((pages.ROOT / "docs/new-spider.md").read_text(), "| the source |")
PAGINATIONS = {name: eval(call.strip("`"), vars(pagination)) for name, call in TABLE}


@dataclass
class Source:
    """So many records; a `lost` one is counted, and not sent."""

    ids: list[str] = field(default_factory=lambda: [f"coin-{number:03}" for number in range(NUMBER)])
    lost: set[str] = field(default_factory=set)

    def rows(self, begin: int, size: int) -> list[dict[str, str]]:
        return [{"id": name} for name in self.ids[begin : begin + size] if name not in self.lost]


Answer = tuple[int, dict[str, str], Any]
Ask = Callable[[str], str | None]  # a parameter of the request
HOME = "https://api.example/coins"


def numbered(source: Source, ask: Ask, number: str, size: str, start: int = 1) -> tuple[int, int, list[Any]]:
    """The page that is asked for, how many there are, and its records."""
    page, length = int(ask(number) or start) - start, int(ask(size) or 10)
    return page, -(-len(source.ids) // length), source.rows(page * length, length)


def drf(source: Source, ask: Ask) -> Answer:
    page, pages, rows = numbered(source, ask, "page", "page_size")
    if page >= pages:
        return 404, {}, {"detail": "Invalid page."}
    return 200, {}, {"count": len(source.ids), "next": None, "previous": None, "results": rows}


def drf_offset(source: Source, ask: Ask) -> Answer:
    begin, size = int(ask("offset") or 0), min(int(ask("limit") or 10), 40)  # its max_limit
    return 200, {}, {"count": len(source.ids), "next": None, "results": source.rows(begin, size)}


def json_api_links(source: Source, ask: Ask) -> Answer:
    begin, size = int(ask("page[after]") or 0), int(ask("page[size]") or 10)
    link = f"/coins?page%5Bafter%5D={begin + size}&page%5Bsize%5D={size}"
    links = {"next": {"href": link}} if begin + size < len(source.ids) else {"next": None}
    return 200, {}, {"data": source.rows(begin, size), "links": links, "meta": {"total": len(source.ids)}}


def json_api_numbers(source: Source, ask: Ask) -> Answer:
    _, _, rows = numbered(source, ask, "page[number]", "page[size]")
    return 200, {}, {"data": rows, "meta": {"total": len(source.ids)}}


def odata(source: Source, ask: Ask) -> Answer:
    begin = int(ask("$skiptoken") or 0)
    body = {"@odata.context": "$metadata#Coins", "@odata.count": len(source.ids), "value": source.rows(begin, 100)}
    if begin + 100 < len(source.ids):
        body["@odata.nextLink"] = f"{HOME}?$count=true&$skiptoken={begin + 100}"
    return 200, {}, body


def json_server(source: Source, ask: Ask) -> Answer:
    """It answers for each page behind the last with the last."""
    page, pages, rows = numbered(source, ask, "_page", "_per_page")
    if page >= pages:
        length = int(ask("_per_page") or 10)
        rows = source.rows((pages - 1) * length, length)
    return 200, {}, {"first": 1, "last": pages, "pages": pages, "items": len(source.ids), "data": rows}


def old_json_server(source: Source, ask: Ask) -> Answer:
    _, _, rows = numbered(source, ask, "_page", "_limit")
    return 200, {"X-Total-Count": str(len(source.ids))}, rows


def spring(source: Source, ask: Ask) -> Answer:
    page, pages, rows = numbered(source, ask, "page", "size", start=0)
    return 200, {}, {"content": rows, "totalElements": len(source.ids), "totalPages": pages, "number": page}


def tokens(source: Source, ask: Ask) -> Answer:
    begin, size = int((ask("cursor") or "t0")[1:]), int(ask("limit") or 10)
    token = f"t{begin + size}" if begin + size < len(source.ids) else None
    return 200, {}, {"data": source.rows(begin, size), "meta": {"next_token": token}}


def header(source: Source, ask: Ask) -> Answer:
    page, pages, rows = numbered(source, ask, "page", "per_page")
    link = f'<{HOME}?page={page + 2}&per_page={ask("per_page")}>; rel="next"' if page + 1 < pages else ""
    return 200, {"Link": f'<{HOME}>; rel="first"{", " if link else ""}{link}'}, rows


def one_answer(source: Source, ask: Ask) -> Answer:
    return 200, {}, source.rows(0, NUMBER)


KINDS: dict[str, Callable[[Source, Ask], Answer]] = {
    "numbered pages of Django REST Framework": drf,
    "its limit and offset": drf_offset,
    "JSON:API, with links": json_api_links,
    "JSON:API, with numbers": json_api_numbers,
    "OData (`?$count=true` in its `url`)": odata,
    "json-server 1": json_server,
    "json-server 0.17": old_json_server,
    "Spring Data": spring,
    "a token for the next page": tokens,
    "links in a header, as GitHub's": header,
    "all records in one answer": one_answer,
}
SMALLER = ["pages 1, 2, 3 and 3 more had 40 records, and 100 were asked for"]  # its limit is 40
WITHOUT_COUNT = ("a token for the next page", "links in a header, as GitHub's", "all records in one answer")


def read(kind: str, source: Source, before: int = 0) -> Coverage:
    """Read it to the end, each answer judged as it comes over the wire."""
    how = PAGINATIONS[kind]
    coverage = Coverage(how)
    waiting, asked = [coverage.begin(f"{HOME}?$count=true", before)], 0
    while waiting or (waiting := coverage.unproven()):
        request: Request = waiting.pop(0)
        values = parse_qs(urlsplit(request.url).query)
        status, headers, body = KINDS[kind](source, lambda name: values.get(name, [None])[0])  # noqa: B023 - used at once
        response = Response(request.url, status=status, headers=headers, body=json.dumps(body).encode())
        is_end_404 = how.is_numbered and request.meta["page"] > 1
        rows = judge(response, datetime.now(UTC), rows=how.rows, is_empty=how.is_empty, is_end_404=is_end_404)
        assert isinstance(rows, Rows), rows
        waiting += coverage.add(request, response, rows, [row["id"] for row in rows.rows])
        asked += 1
        assert asked < 50, "asking has no end"
    return coverage


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_of_this_kind_is_read_to_its_end(kind: str) -> None:
    for before in (0, NUMBER):
        coverage = read(kind, Source(), before)

        assert (coverage.doubts(), coverage.notes()) == ([], SMALLER if kind == "its limit and offset" else [])
        assert coverage.answered == {*Source().ids}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_COUNT])
@pytest.mark.parametrize("lost", ["coin-000", "coin-120", "coin-249"])
def test_a_record_that_it_counts_and_does_not_send_is_missed(kind: str, lost: str) -> None:
    coverage = read(kind, Source(lost={lost}))

    assert "the API counts 250 records, and its pages had 249 different ones" in coverage.doubts()


@pytest.mark.parametrize("kind", WITHOUT_COUNT[:2])
def test_a_page_that_is_cut_short_is_missed_where_nothing_is_counted(kind: str) -> None:
    assert read(kind, Source(lost={"coin-020"})).doubts()


def test_every_row_of_the_table_is_tried() -> None:
    assert {*PAGINATIONS} == {*KINDS}
