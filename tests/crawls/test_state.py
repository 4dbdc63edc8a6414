"""How complete and how fresh the data is, for the read API and the front page."""

import pytest

from tests.support.factories import HOUR, MINUTE, NOON, make_run
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
