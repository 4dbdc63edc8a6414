"""People who do the same in the same moment: nobody gets an error page, and no row exists twice."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.support.admin import page_of
from tests.support.factories import make_coin, make_rejected
from tests.support.racing import at_once
from webapp.coins.models import ChosenColumns, CoinReview, FullCoin, NamedView
from webapp.crawls.models import RejectedRecord

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]

PEOPLE = 6


@pytest.fixture
def clients() -> list[Client]:
    """Of one person, who may have several windows: some rows exist once for each person."""
    user, found = User.objects.create_superuser("admin"), [Client() for _ in range(PEOPLE)]
    for client in found:
        client.force_login(user)
    return found


def posting(address: str, *forms: dict[str, object]) -> Callable[[list[Client]], list[int]]:
    """The statuses of what each client gets for its form."""

    def post(clients: list[Client]) -> list[int]:
        data = [forms[place % len(forms)] if forms else {} for place in range(len(clients))]
        pairs = zip(clients, data, strict=True)
        return at_once(*(lambda c=c, d=d: c.post(address, d).status_code for c, d in pairs))

    return post


def test_several_people_review_a_coin(clients: list[Client]) -> None:
    for number in range(3):
        coin = make_coin(f"coin-{number}")
        address = page_of(coin).replace("/change/", "/review/")

        statuses = posting(address, {"note": "one"}, {"note": "two", "hidden": "on"})(clients)

        assert statuses == [302] * PEOPLE
        assert CoinReview.objects.values_list("note", "hidden").get(pk=coin.pk) in [("one", False), ("two", True)]
        assert LogEntry.objects.filter(object_id=coin.pk).count() == PEOPLE


def test_columns_are_chosen_in_several_windows(clients: list[Client]) -> None:
    address = reverse("admin:coins_fullcoin_columns")

    statuses = posting(address, {"save": "", "shown": ["coin", "ath"]}, {"save": "", "shown": ["coin"]})(clients)

    assert statuses == [302] * PEOPLE
    assert ChosenColumns.objects.values_list("columns", flat=True).get() in [["coin", "ath"], ["coin"]]


def test_views_are_saved_under_one_name(clients: list[Client]) -> None:
    statuses = posting(reverse("admin:coins_fullcoin_views"), {"name": "Mine", "query": "q=a"})(clients)

    assert sorted(statuses) == [302] + [400] * (PEOPLE - 1)
    assert NamedView.objects.count() == 1


def test_a_view_is_deleted_by_several_people(clients: list[Client]) -> None:
    NamedView.objects.create(list="coins.fullcoin", slug="mine", name="Mine")

    statuses = posting(reverse("admin:coins_fullcoin_view_delete", args=["mine"]))(clients)

    assert {*statuses} <= {302, 404}
    assert not NamedView.objects.exists()


def test_a_record_is_tried_again_once(clients: list[Client]) -> None:
    record = make_rejected(values='{"coin_id": "bitcoin", "name": "Bitcoin"}')

    statuses = posting(page_of(record).replace("/change/", "/retry/"), {})(clients)

    assert statuses == [302] * PEOPLE
    assert FullCoin.objects.get().name == "Bitcoin"
    assert RejectedRecord.objects.get().status == RejectedRecord.Status.RESOLVED
    assert LogEntry.objects.count() == 1
