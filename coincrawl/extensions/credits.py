"""The month's credits, and what a run may still spend of them."""

import math

from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from coincrawl.components import Component, extension
from coincrawl.extensions.pace import ENDING, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.waiting import CHECK_SECONDS, wait_for_event
from webapp.crawls.verdict import Verdict


class Credits(Component):
    """Lets a request go only if there is a credit for it. Without one, the run ends as partial.

    Each answer with status 200 costs a credit, also if it is unusable. A request under way counts as spent until its
    answer comes. The stat `coincrawl/credits` has the credits that the run has spent.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.monthly = self.spent_before = 0
        self.left = math.inf
        self.under_way = 0

    def begin(self, monthly: int, spent: int) -> None:
        """Set the credits of the month (0 for no limit), and how many of them earlier runs have `spent`."""
        self.monthly, self.spent_before = monthly, spent
        self.left = monthly - spent if monthly else math.inf

    async def take(self) -> None:
        """Take a credit, or wait for one. `settle` must follow. Raises IgnoreRequest if the run ends first."""
        stop = extension(self.crawler, Stop)
        while self.under_way and self.under_way >= self.left and not stop.begun.is_set():
            await wait_for_event(stop.begun, CHECK_SECONDS)
        if self.left <= 0 and not stop.begun.is_set():
            stop.end(
                Verdict.PARTIAL,
                f"the month's {self.monthly:,} credits (UTC) are spent, {self.spent_before:,} of them by earlier runs: "
                "wait for the next month or change the plan",
            )
        if stop.begun.is_set():
            extension(self.crawler, Pace).drop_throttle()
            raise IgnoreRequest(ENDING)
        self.under_way += 1

    def settle(self, is_spent: bool) -> None:
        """A request under way is over. `is_spent` says whether it has cost its credit."""
        self.under_way -= 1
        if is_spent:
            self.left -= 1
            self.crawler.stats.inc_value("coincrawl/credits")
