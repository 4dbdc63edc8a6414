"""How complete and how fresh the data is, for the read API and the front page."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.factories import HOUR, MINUTE, NOON, make_run
from tests.support.plans import plan_of
from webapp.crawls.state import State
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_runs_that_run_come_newest_first_and_jobs_that_wait_are_none() -> None:
    make_run(id="older", verdict=Verdict.RUNNING, started_at=NOON - HOUR)
    make_run(id="newer", verdict=Verdict.RUNNING, spider="history", started_at=NOON - MINUTE)
    make_run(id="waiting", verdict=Verdict.PENDING, started_at=None)

    state = State.check()

    assert [run.pk for run in state.running] == ["newer", "older"]
    assert state.last_run is not None
    assert state.last_run.pk == "newer"


def test_what_is_under_way_is_never_found_by_reading_all_runs() -> None:
    make_run()

    with CaptureQueriesContext(connection) as captured:
        State.check()

    under_way = [query["sql"] for query in captured if "CASE WHEN" in query["sql"] and "LIMIT 20" in query["sql"]]
    assert len(under_way) == 1
    assert not any(re.search("SCAN crawls_crawlrun|Seq Scan", line) for line in plan_of(under_way[0]))
