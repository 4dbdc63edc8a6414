"""What a row costs in the admin's lists, in calls of functions: this does not depend on the machine, as times do."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import models
from django.test import Client
from django.urls import reverse
from time_machine import TimeMachineFixture

from tests.support.calls import calls_of
from tests.support.factories import HOUR, MINUTE, NOON, make_coin, make_rejected, make_run
from tests.support.prices import make_bar
from webapp.coins.models import FullCoin
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import CrawlRun

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

NUMBERS = {field.name: Decimal("1.5") for field in FullCoin._meta.fields if isinstance(field, models.DecimalField)}


def coin(number: int) -> None:
    key = f"coin-{number:02}"
    make_coin(key, name="A coin", symbol="c", market_cap_rank=number, last_updated=NOON, **NUMBERS)
    for hours in (4, 8):
        make_bar(key, Step.HOUR, time=NOON - hours * HOUR, last_at=NOON - hours * HOUR)


def run(number: int) -> None:
    make_run(started_at=NOON - number * HOUR, finished_at=NOON - number * HOUR + MINUTE, seen=number)


def rejected(number: int) -> None:
    make_rejected(f"coin-{number:02}", run=CrawlRun.objects.first() or make_run())


@pytest.mark.parametrize(
    ("model", "make", "most"),
    [
        pytest.param("coins_fullcoin", coin, 2_100, id="coins"),
        pytest.param("crawls_crawlrun", run, 2_950, id="runs"),
        pytest.param("crawls_rejectedrecord", rejected, 2_000, id="rejected records"),
    ],
)
def test_a_row_of_a_list_costs_few_calls(
    admin_client: Client, time_machine: TimeMachineFixture, model: str, make: Callable[[int], None], most: int
) -> None:
    time_machine.move_to(NOON, tick=False)
    address = reverse(f"admin:{model}_changelist")
    calls = []

    for number in range(1, 21):
        make(number)
        if number in (10, 20):
            admin_client.get(address)  # the first one fills caches
            calls.append(calls_of(lambda: admin_client.get(address)))

    assert (calls[1] - calls[0]) / 10 < most
