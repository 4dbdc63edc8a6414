"""How old the copy is: which runs count, and when it is too old."""

from datetime import timedelta
from typing import Any

import pytest

from tests.test_admin import NOON, make_run
from webapp.coins import health
from webapp.coins.catalog import SpiderEntry
from webapp.coins.models import Verdict

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_copy_that_no_run_has_made_has_no_last_complete_run() -> None:
    assert health.last_complete() is None


@pytest.mark.parametrize(
    ("later", "counts"),
    [
        pytest.param({}, True, id="another complete run"),
        pytest.param({"arguments": {"order": "id_desc", "per_page": 100}}, True, id="of the whole market in its way"),
        pytest.param({"arguments": {"pages": 1}}, False, id="of some pages"),
        pytest.param({"arguments": {"order": "id_asc", "ids": ["bitcoin"]}}, False, id="of some coins"),
        pytest.param({"verdict": Verdict.PARTIAL}, False, id="partial"),
        pytest.param({"verdict": Verdict.RUNNING, "finished_at": None}, False, id="still running"),
        pytest.param({"finished_at": None}, False, id="that says no end"),
        pytest.param({"spider": "gone"}, False, id="of a spider that there is no more"),
    ],
)
def test_the_last_complete_run_is_the_last_of_a_whole_source(later: dict[str, Any], counts: bool) -> None:
    make_run(id="first", finished_at=NOON)
    make_run(**{"id": "later", "started_at": NOON + HOUR, "finished_at": NOON + 2 * HOUR} | later)

    last = health.last_complete()

    assert last is not None
    assert last.pk == ("later" if counts else "first")


def test_of_two_spiders_runs_the_last_to_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SPIDERS", {name: SpiderEntry("", {}) for name in ("quick", "slow")})
    make_run(id="slow", spider="slow", started_at=NOON, finished_at=NOON + 2 * HOUR)
    make_run(id="quick", spider="quick", started_at=NOON + HOUR / 2, finished_at=NOON + HOUR)

    last = health.last_complete()

    assert last is not None
    assert last.pk == "slow"


@pytest.mark.parametrize(
    ("hours", "age", "fresh"),
    [
        pytest.param(0, None, None, id="age does not matter"),
        pytest.param(6, None, False, id="never complete"),
        pytest.param(6, 6 * HOUR, True, id="just fresh"),
        pytest.param(6, 6 * HOUR + timedelta(microseconds=1), False, id="just too old"),
        pytest.param(6, -HOUR, True, id="by a clock that is ahead"),
        pytest.param(10**30, 9_000 * HOUR, True, id="more hours than there are"),
    ],
)
def test_a_copy_is_fresh_up_to_an_age(settings: Any, hours: int, age: timedelta | None, fresh: bool | None) -> None:
    settings.DATA_MAX_AGE_HOURS = hours
    if age is not None:
        make_run(finished_at=NOON - age)

    assert health.is_fresh(NOON) is fresh
