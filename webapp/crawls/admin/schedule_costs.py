"""What the admin says of a schedule's cost."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin

from webapp.coins.numbers import NOTHING
from webapp.coins.texts import counted
from webapp.crawls.admin.outlook import outlook_of
from webapp.crawls.costs import Cost
from webapp.crawls.models import CrawlSchedule


def price(cost: Cost, number: int) -> str:
    """A number of requests, and whether they cost credits."""
    requests = counted(number, "request")
    return f"{requests}, a credit each" if cost.counts_credits else f"{requests}, no credits"


def price_of_a_run(cost: Cost) -> str:
    basis = "like its last complete run" if cost.is_measured else "estimated: no run has been complete yet"
    return f"{price(cost, cost.calls_a_run)} ({basis})"


def of_cost(description: str, show: Callable[[Cost], str]) -> Callable[[Any, CrawlSchedule], str]:
    """A column of what a schedule costs."""

    @admin.display(description=description)
    def shown(_: Any, schedule: CrawlSchedule) -> str:
        cost = outlook_of(schedule).cost
        return show(cost) if cost else NOTHING

    return shown
