"""The page of a rejected record: what was sent, with the invalid values marked, beside what is stored."""

import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from tests.support.admin import hostile, page_of, text_of
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from webapp.coins.texts import values_of, whole_json
from webapp.crawls.admin.rejected_raw import marked

# Lines that are marked ---------------------------------------------------------------------------


def marks(raw: str, values: dict[str, Any], *wrong: str) -> list[str]:
    html = marked(raw, values, dict.fromkeys(wrong, "wrong"))
    return [unescape(found) for found in re.findall(r"<mark[^>]*>(.*?)</mark>", html)]


ROI = '"roi": {"times": "x", "currency": "usd"}'


@pytest.mark.parametrize(
    ("raw", "values", "wrong", "lines"),
    [
        pytest.param('{"ath": true, "atl": true}', '{"ath": true, "atl": true}', "ath", ['"ath": true,'], id="by name"),
        pytest.param('{"id": 1.0, "n": 1}', '{"coin_id": 1.0}', "coin_id", ['"id": 1.0,'], id="by value"),
        pytest.param('{"id": null, "n": null}', '{"coin_id": null}', "coin_id", ['"id": null,'], id="by ending"),
        pytest.param('{"p": "1.50"}', '{"ath": 1.50}', "ath", ['"p": "1.50"'], id="a number as a text"),
        pytest.param('{"ath": 1, "h": 2}', '{"ath": 2}', "ath", ['"h": 2'], id="the value is elsewhere"),
        pytest.param('{"ath_date": 5}', '{"ath_date": "1970"}', "ath_date", ['"ath_date": 5'], id="converted"),
        pytest.param(f"{{{ROI}}}", '{"roi_times": "x"}', "roi_times", ['"times": "x",'], id="nested"),
        pytest.param('{"roi": "x"}', '{"roi_times": "x"}', "roi_times", ['"roi": "x"'], id="no object on the way"),
        pytest.param('{"n": NaN}', '{"ath": NaN}', "ath", ['"n": NaN'], id="no number"),
        pytest.param('{"a": 7, "b": 7}', '{"ath": 7}', "ath", [], id="uncertain"),
        pytest.param("{}", "{}", "ath", [], id="missing"),
        pytest.param('{"ath": [1, {}]}', '{"ath": [1, {}]}', "ath", ['"ath": [', "]"], id="a list"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', "", "", ['"a": 1,', '"a": 3'], id="a key that appears twice"),
        pytest.param('{"r": {"a": 1, "a": 3}}', "", "", ['"a": 1,', '"a": 3'], id="twice inside"),
        pytest.param('{"ath": tr', '{"ath": true}', "ath", [], id="cut"),
    ],
)
def test_the_line_of_an_invalid_value_is_marked(raw: str, values: str, wrong: str, lines: list[str]) -> None:
    assert marks(raw, values_of(values) or {}, wrong) == lines


def test_what_is_nested_deeply_is_shown_as_it_is() -> None:
    """Indented, 64 kB could become megabytes."""
    raw = '{"ath": ' + "[" * 30 + "]" * 30 + "}"

    assert marked(raw, {}, {"ath": "wrong"}) == f'<pre tabindex="0">{escape(raw)}</pre>'


def test_a_mark_says_what_is_wrong() -> None:
    html = marked('{"a\\"<b>": "<script>"}', {"ath": "<script>"}, {"ath": 'a "text"<i>'})

    assert 'title="ath: a &quot;text&quot;&lt;i&gt;"' in html
    assert "<script>" not in html


# Side by side ------------------------------------------------------------------------------------
every_database = [pytest.mark.every_database, pytest.mark.django_db]
ROW = re.compile(r"(?s)<tr><th scope=\"row\">(.*?)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>")


def rows_of(client: Client, **facts: Any) -> tuple[list[list[str]], dict[str, list[list[str]]]]:
    """The cells of a record's page: of the fields that are shown at once, and by summary of those that are folded."""
    page = client.get(page_of(make_rejected(**facts))).content.decode()
    shown, *folds = page.split("<details><summary>")
    return cells_of(shown), {fold.partition("</summary>")[0]: cells_of(fold) for fold in folds}


def cells_of(html: str) -> list[list[str]]:
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row] for row in ROW.findall(html)]


@pytest.mark.every_database
@pytest.mark.django_db
def test_invalid_fields_come_first_then_those_that_differ(admin_client: Client) -> None:
    make_coin(name="Bitcoin", current_price=Decimal("1E-18"), market_cap=Decimal(5), last_updated=NOON, ath=Decimal(1))
    sent = {
        "coin_id": "bitcoin",
        "name": "x" * 256,
        "current_price": Decimal("1234567.10"),
        "market_cap": Decimal("5.0"),
        "ath": None,
        "last_updated": "2026-02-05T20:00:00+08:00",
        "market_cap_rank": "1",
    }
    reasons = "name: longer than 255 characters\nmarket_cap_rank: a text, not a number"

    shown, folded = rows_of(admin_client, values=whole_json(sent), reasons=reasons)

    assert shown == [
        ["name", "“Bitcoin”", f"“{'x' * 60} ... 256 characters“{'x' * 256}”", "longer than 255 characters"],
        ["market_cap_rank", "-", "“1”", "a text, not a number"],
        ["current_price", "0.000000000000000001", "1,234,567.1", ""],
        ["ath", "1", "null", ""],
    ]
    agree, not_sent = "3 fields that agree", "22 fields that were not sent"
    assert [*folded] == [agree, not_sent]
    assert folded[agree] == [
        ["coin_id", "“bitcoin”", "“bitcoin”", ""],
        ["market_cap", "5", "5", ""],
        ["last_updated", "2026-02-05 12:00:00 UTC", "“2026-02-05T20:00:00+08:00”", ""],
    ]
    assert ["symbol", "-", "not sent", ""] in folded[not_sent]
    assert {cells[2] for cells in folded[not_sent]} == {"not sent"}


@pytest.mark.every_database
@pytest.mark.django_db
def test_of_a_coin_that_is_not_stored_the_invalid_fields_are_shown(admin_client: Client) -> None:
    record = make_rejected(values='{"coin_id": "bitcoin", "ath": true, "atl": 1}', reasons="ath: true, not a number")

    shown = text_of(admin_client, page_of(record))

    assert "Coin: bitcoin (not stored)" in shown
    assert "The coin is not stored. field stored now sent what is wrong ath - true true, not a number 2 other" in shown
    assert "26 fields that were not sent" in shown


@pytest.mark.every_database
@pytest.mark.django_db
def test_a_record_links_to_its_coin_and_its_run(admin_client: Client) -> None:
    coin, record = make_coin("a/b?", name="<b>Odd</b>"), make_rejected("a/b?", values='{"coin_id": "a/b?"}')

    page = admin_client.get(page_of(record)).content.decode()

    assert f'<a href="{page_of(coin)}"><bdi>&lt;b&gt;Odd&lt;/b&gt;</bdi></a>' in page
    assert f'href="{page_of(record.run)}"' in page


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"raw": "x" * 64_000}, "It cannot be tried again. It is longer than 64 kB"),
        ({"reasons": "record: null, not an object"}, "It cannot be tried again. What was sent has no values that are"),
        (
            {},
            "It cannot be tried again. Version 0.1.0 kept it, without its values: the next crawl that has it again",
        ),
        (
            {"raw": "{}", "spider": "history"},
            "It cannot be tried again. It is of past prices: run `scrapy crawl history",
        ),
    ],
    ids=["cut", "no object", "of version 0.1.0", "past prices"],
)
def test_a_record_without_values_says_why(admin_client: Client, facts: dict[str, str], words: str) -> None:
    record = make_rejected(run=make_run(spider=facts.pop("spider", "markets")), **facts)

    shown = text_of(admin_client, page_of(record))

    assert words in shown
    assert "under the names of the coin's fields" not in shown  # it is not there


ODD_VALUES = {
    "half a character": "\ud800",
    "nul": "a\0b",
    "5,000 letters": "x" * 5_000,
    "huge": Decimal("1E+999999999999999999"),
    "long": Decimal("9" * 5_000),
    "digits by the million": Decimal("1E+5000000"),
    "no number": Decimal("NaN"),
    "endless": Decimal("-Infinity"),
    "truth": True,
    "a list": [{"a": "<script>"}],
    "nothing": None,
}


@pytest.mark.every_database
@pytest.mark.django_db
@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES)
@pytest.mark.parametrize("name", ["coin_id", "name", "ath", "market_cap_rank", "last_updated", "missing_since"])
def test_any_value_is_shown(admin_client: Client, name: str, value: Any) -> None:
    make_coin()
    values = whole_json({"coin_id": "bitcoin", name: value})
    record = make_rejected(values=values, raw=values, reasons=f"{name}: wrong")

    response = admin_client.get(page_of(record))

    assert (response.status_code, len(response.content) < 100_000) == (200, True)
    assert "<mark" in response.content.decode()
    assert "<script>" not in response.content.decode().partition('id="content-main"')[2].partition("</fieldset>")[0]


@pytest.mark.every_database
@pytest.mark.django_db
@hostile
def test_hostile_texts_stay_texts(admin_client: Client, text: str) -> None:
    values = whole_json({"coin_id": text, "name": text, text: text, "ath": text})
    record = make_rejected(text, values=values, raw=values, reasons=f"ath: {text}\n{text}: {text}")

    page = admin_client.get(page_of(record))

    assert page.status_code == 200
    assert f"<bdi>“{text}”</bdi>" in unescape(page.content.decode())
    assert "<script>alert" not in page.content.decode()
