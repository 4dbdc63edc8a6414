"""The month's credits within a run: none is spent that the month does not have, and each one may be."""

import asyncio
import random
from typing import Any, cast

import pytest
from scrapy.exceptions import IgnoreRequest

from coincrawl.components import extension
from coincrawl.extensions.credits import Credits
from coincrawl.extensions.pace import Pace
from coincrawl.extensions.stop import Ending, Stop
from coincrawl.spiders.markets import MarketsSpider
from tests.support.spiders import Engine, make_spider
from webapp.crawls.verdict import Verdict

SPENT, FREE = True, False


class Run:
    """A run that has begun to spend; AutoThrottle's delay is a second."""

    def __init__(self, monthly: int, spent: int = 0) -> None:
        self.crawler: Any = make_spider(MarketsSpider).crawler
        self.crawler.engine = cast(Any, Engine(throttle=1))
        self.stop, self.credits = extension(self.crawler, Stop), extension(self.crawler, Credits)
        self.credits.begin(monthly, spent)

    @property
    def spent(self) -> int:
        number: int = self.crawler.stats.get_value("coincrawl/credits", 0)
        return number

    def leaves(self) -> asyncio.Task[bool]:
        """Whether a request leaves, once that is clear."""

        async def leave() -> bool:
            try:
                await self.credits.take()
            except IgnoreRequest:
                return False
            return True

        return asyncio.ensure_future(leave())


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.extensions.credits.CHECK_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("monthly", "before", "answers", "number"),
    [
        pytest.param(0, 9, [SPENT] * 5, 5, id="no limit"),
        pytest.param(5, 0, [SPENT] * 5, 5, id="just enough"),
        pytest.param(5, 2, [SPENT] * 5, 3, id="too few"),
        pytest.param(3, 0, [SPENT, FREE, FREE, SPENT, SPENT, SPENT], 5, id="what costs nothing may be asked again"),
        pytest.param(3, 3, [SPENT], 0, id="none left"),
        pytest.param(3, 4, [SPENT], 0, id="fewer than none left"),
    ],
)
def test_so_many_leave_one_after_the_other(monthly: int, before: int, answers: list[bool], number: int) -> None:
    async def ask() -> int:
        for asked, is_spent in enumerate(answers):
            if not await run.leaves():
                return asked
            run.credits.settle(is_spent)
        return len(answers)

    run = Run(monthly, before)

    assert asyncio.run(ask()) == number
    assert bool(run.stop.ending) == (number < len(answers))


@pytest.mark.parametrize(
    ("answers", "leaves", "ends"),
    [
        pytest.param([SPENT, SPENT], False, True, id="both cost one"),
        pytest.param([SPENT, FREE], True, False, id="one costs none"),
        pytest.param([FREE], True, False, id="the first costs none"),
    ],
)
def test_a_request_that_might_be_one_too_many_waits_for_those_under_way(
    answers: list[bool], leaves: bool, ends: bool
) -> None:
    async def ask() -> bool:
        assert await run.leaves()
        assert await run.leaves()
        third = run.leaves()
        for is_spent in answers:
            await asyncio.sleep(0.01)
            assert not third.done()
            run.credits.settle(is_spent)
        return await third

    run = Run(monthly=2)

    assert asyncio.run(ask()) == leaves
    assert bool(run.stop.ending) == ends


def test_the_end_is_partial_and_says_the_figures() -> None:
    run = Run(monthly=10_000, spent=10_000)

    with pytest.raises(IgnoreRequest):
        asyncio.run(run.credits.take())

    assert extension(run.crawler, Pace).throttle == 0  # what AutoThrottle has queued ends at once
    assert run.stop.ending == Ending(
        Verdict.PARTIAL,
        "the month's 10,000 credits (UTC) are spent, 10,000 of them by earlier runs: wait for the next month or "
        "change the plan",
    )


def test_a_request_that_waits_when_the_run_is_stopped_neither_leaves_nor_ends_the_run() -> None:
    async def ask() -> bool:
        assert await run.leaves()
        second = run.leaves()
        run.stop.begun.set()
        return await second

    run = Run(monthly=1)

    assert not asyncio.run(ask())
    assert run.stop.ending is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_under_way_the_last_credit_is_spent_and_none_more(seed: int) -> None:
    rng = random.Random(seed)
    run = Run(monthly=12, spent=rng.randrange(12))

    async def ask_again_and_again() -> None:
        while await run.leaves():
            await asyncio.sleep(rng.random() / 500)
            run.credits.settle(rng.random() < 0.6)

    async def ask() -> None:
        await asyncio.gather(*(ask_again_and_again() for _ in range(5)))

    asyncio.run(ask())

    assert run.spent == 12 - run.credits.spent_before
    assert run.stop.ending
