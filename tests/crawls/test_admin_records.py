"""The admin of runs and rejected records: what it shows and finds."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support.admin import keys_in_list, page_of, text_of
from tests.support.factories import NOON, make_rejected, make_run
from tests.support.processes import ROOT
from webapp.crawls.models import RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:crawls_crawlrun_changelist")
REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
STYLE = ROOT / "webapp/static/coincrawl/admin.css"


def test_a_run_tells_how_old_its_newest_data_were(admin_client: Client) -> None:
    run = make_run(newest_update=NOON - timedelta(minutes=5), finished_at=NOON)

    shown = text_of(admin_client, page_of(run))

    assert "Newest update: 2026-02-05 11:55:00 UTC" in shown
    assert "Age of that at the end: 5 minutes" in shown


def test_a_run_shows_its_arguments_verdict_and_lines(admin_client: Client) -> None:
    ids = [f"coin-{number}" for number in range(250)]
    reason = f"page 7 was not answered: {'no ' * 100}"
    run = make_run(
        verdict=Verdict.PARTIAL,
        arguments={"ids": ids},
        finished_at=NOON + timedelta(minutes=75, milliseconds=800),
        reason=reason,
        messages="first\nsecond",
        seen=17190,
        filled={"coin_id": 17190, "name": 17189},
    )

    listed, rows = text_of(admin_client, RUNS), admin_client.get(RUNS).content.decode()
    page = admin_client.get(page_of(run)).content.decode()
    shown = text_of(admin_client, page_of(run))

    assert " 1:15:00 17,190 0 0 0 0 page 7 was not answered: no no" in listed
    assert "no … - markets: ids coin-0, coin-1, coin-2, coin-3, coi…" in listed
    assert f'title="{reason}"><bdi>page 7 was not answered: ' in rows
    assert 'title="2026-02-05 12:00:00 UTC"' in rows
    assert f"Arguments: ids {', '.join(ids)} " in shown
    assert "partial page 7 was not answered: no no" in shown
    assert "first<br>second" in page
    assert "Records in all answers." in shown
    assert "Filled: coin_id 17,190, name 17,189 " in shown


@pytest.mark.parametrize("verdict", [*Verdict])
def test_every_verdict_is_written_out_and_has_its_mark(admin_client: Client, verdict: str) -> None:
    make_run(verdict=verdict)

    page = admin_client.get(RUNS).content.decode()

    assert f'<span class="verdict {verdict}">{verdict}</span>' in page
    assert f".verdict.{verdict}::before {{ content:" in STYLE.read_text()


def test_a_run_and_its_rejected_records_link_to_each_other(admin_client: Client) -> None:
    run = make_run(id="job/1?&", rejected=2)
    make_rejected("mine", run=run)
    make_rejected("dealt with", run=run, status="resolved")
    make_rejected("of another", run=make_run())

    page = admin_client.get(page_of(run)).content.decode()
    href = unescape(re.search(r'href="([^"]*)">2 last seen by this run', page)[1])  # type: ignore[index]  # no match is a failure too
    listed = admin_client.get(href).content.decode()

    assert "2 last seen by this run</a>, 1 of them open" in page
    assert "2 rejected records" in listed
    assert "of another" not in listed
    assert f'<a href="{page_of(run)}"><time datetime="2026-02-05T12:00:00+00:00"' in listed


@pytest.mark.every_database
def test_a_rejected_record_shows_its_first_reasons_in_the_list_and_all_on_its_page(admin_client: Client) -> None:
    reasons = [f"field_{number}: not a number" for number in range(30)]
    record = make_rejected(reasons="\n".join(reasons), run=make_run())

    listed, page = (admin_client.get(address).content.decode() for address in (REJECTED, page_of(record)))

    assert "<br>".join([*reasons[:3], "and 27 more"]) + "</td>" in listed
    assert "<br>".join(reasons) in page


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(
            '{"a": 1.10, "b": [1E-7, 123456789012345678901234567890.0], "c": NaN, "d": -0}',
            '{\n  "a": 1.10,\n  "b": [\n    1E-7,\n    123456789012345678901234567890.0\n  ],\n'
            '  "c": NaN,\n  "d": -0\n}',
            id="every digit as sent",
        ),
        pytest.param(r'{"a": "\ud800\u202e"}', '{\n  "a": "\\ud800\\u202e"\n}', id="escapes stay escapes"),
        pytest.param('{"a": "xxx', '{"a": "xxx', id="cut short"),
        pytest.param("[" * 30_000 + "]" * 30_000, "[" * 30_000 + "]" * 30_000, id="nested too deeply to indent"),
        pytest.param('"' + "x" * 64_000, '"' + "x" * 64_000, id="64 kB"),
        pytest.param('"<script>"', '"<script>"', id="markup"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_raw_record_is_indented_without_changing_it(admin_client: Client, raw: str, text: str) -> None:
    record = make_rejected(raw=raw)

    page = admin_client.get(page_of(record)).content.decode()

    shown = re.search(r'(?s)<pre tabindex="0">(.*?)</pre>', page)
    assert shown is not None
    assert unescape(shown[1]) == text
    assert "<script>" not in shown[1]


def test_a_record_without_an_id_shows(admin_client: Client) -> None:
    make_rejected("")

    listed = text_of(admin_client, REJECTED)

    assert "(no id) Open name: missing 1 7" in listed


def test_runs_are_listed_newest_first_and_those_yet_to_start_before_them(admin_client: Client) -> None:
    for key, start in {"old": NOON, "pending": None, "new": NOON + timedelta(hours=1)}.items():
        make_run(id=key, started_at=start)

    names = keys_in_list(admin_client, RUNS)

    assert names == ["pending", "new", "old"]


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("?verdict=failed", ["failed"], id="verdict"),
        pytest.param("?spider=markets&verdict=complete", ["complete"], id="spider and verdict"),
    ],
)
def test_runs_are_filtered(admin_client: Client, query: str, found: list[str]) -> None:
    for verdict in ("failed", "complete"):
        make_run(id=verdict, verdict=verdict)
    make_run(id="of another", spider="another")

    names = keys_in_list(admin_client, RUNS + query)

    assert names == found


@pytest.mark.every_database
@pytest.mark.parametrize("query", ["?status=Ignored", "?status=All&q=twin", "?status=All&q=dull"])
def test_rejected_records_are_found(admin_client: Client, query: str) -> None:
    make_rejected("other")
    twin = make_rejected("twin", status=RejectedRecord.Status.IGNORED, reasons="name: dull")

    names = keys_in_list(admin_client, REJECTED + query)

    assert names == [str(twin.pk)]


def test_a_list_of_rejected_records_leaves_the_raw_ones_in_the_database(admin_client: Client) -> None:
    make_rejected()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(REJECTED)

    assert not any('"raw"' in query["sql"] for query in captured)
