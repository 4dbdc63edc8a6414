"""How a crawl begins its run, in the database's thread."""

from typing import Any

import pytest

from coincrawl.spiders.markets import MarketsSpider
from coincrawl.start import Before, beginning
from tests.support.spiders import make_spider
from webapp.crawls import recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import JobError
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.django_db]


def test_a_run_whose_beginning_was_lost_goes_on_when_it_is_called_again() -> None:
    spider = make_spider(MarketsSpider)
    call = beginning(spider, spider.settings, "key", 60.0)

    assert (call().run.verdict, call().run.verdict) == (Verdict.RUNNING, Verdict.RUNNING)
    assert CrawlRun.objects.count() == 1


def test_the_key_of_a_run_that_is_over_begins_no_other() -> None:
    spider = make_spider(MarketsSpider)
    recording.finish(recording.begin("markets", {}, "key"), Verdict.COMPLETE)

    with pytest.raises(JobError, match="choose another job id"):
        beginning(spider, spider.settings, "key", 60.0)()


@pytest.mark.parametrize(
    ("planned", "before", "expected", "spent"),
    [(3, 5, 7, 3), (0, 5, 7, 0), (None, 5, 7, 5), (None, None, 7, 7), (None, None, None, 1)],
)
def test_a_run_expects_to_spend_what_is_known_best(
    planned: int | None, before: int | None, expected: int | None, spent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spider, found = make_spider(MarketsSpider), []
    monkeypatch.setattr(MarketsSpider, "planned_calls", planned)
    monkeypatch.setattr(MarketsSpider, "expected_calls", expected)
    monkeypatch.setattr(Before, "read", lambda _: Before(credits=before))

    def note(*_: Any, expected_credits: int, **__: Any) -> None:
        found.append(expected_credits)

    monkeypatch.setattr(recording, "begin", note)

    beginning(spider, spider.settings, "key", 60.0)()

    assert found == [spent]
