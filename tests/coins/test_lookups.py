"""Among: texts as one parameter of a statement."""

import pytest

from tests.support.factories import row
from tests.support.hostile import IDS, TEXTS
from webapp.coins.lookups import Among
from webapp.coins.models import FullCoin

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_any_text_is_found_and_no_other() -> None:
    ids = {*IDS, *filter(None, TEXTS), "NULL", "{a,b}", '"', "\\", "a,b"}
    FullCoin.objects.upsert(row(coin_id) for coin_id in ids)
    some = [*ids][::2]

    found = FullCoin.objects.filter(Among("coin_id", some)).values_list("pk", flat=True)

    assert {*found} == {*some}
    assert FullCoin.objects.exclude(Among("pk", some)).count() == len(ids) - len(some)
    assert not FullCoin.objects.filter(Among("pk", [])).exists()


def test_there_may_be_more_than_a_statement_has_parameters() -> None:
    FullCoin.objects.upsert([row("7"), row("x")])

    found = FullCoin.objects.filter(Among("pk", map(str, range(70_000))))

    assert [coin.pk for coin in found] == ["7"]
