"""What a run may still spend of the month's credits."""

import math

from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from coincrawl.components import Component, extension
from coincrawl.extensions.pace import ENDING, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.waiting import CHECK_SECONDS, wait_for_event
from webapp.crawls.verdict import Verdict


class Credits(Component):
    """Lets a request go only while there is a credit for it, and ends the run as partial where there is none.

    An answer with status 200 costs a credit, whatever is in it. A request under way counts as spent until it is known
    whether it was. What was spent is in the stat `coincrawl/credits`.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.monthly = self.spent_before = 0
        self.left = math.inf
        self.under_way = 0

    def begin(self, monthly: int, spent: int) -> None:
        """From now on the month has `monthly` credits (0: there is no limit), and earlier runs have spent `spent`."""
        self.monthly, self.spent_before = monthly, spent
        self.left = monthly - spent if monthly else math.inf

    async def take(self) -> None:
        """Take a credit once there is one; `settle` has to follow. Raises IgnoreRequest if the run ends first."""
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
            extension(self.crawler, Pace).let_go()
            raise IgnoreRequest(ENDING)
        self.under_way += 1

    def settle(self, is_spent: bool) -> None:
        """A request under way is over, and has cost its credit or not."""
        self.under_way -= 1
        if is_spent:
            self.left -= 1
            self.crawler.stats.inc_value("coincrawl/credits")
