"""Finds the series of coins, and makes those that are not there yet."""

from collections.abc import Sequence

from webapp.coins.models import PriceSeries
from webapp.coins.models.coin import in_statements


def keys_of(coin_ids: Sequence[str]) -> dict[str, int]:
    """The keys of the series of these coins, by id. New ones are made: hold the lock of changes."""
    found: dict[str, int] = {}
    for some in in_statements(coin_ids):
        found |= PriceSeries.objects.filter(coin_id__in=some).values_list("coin_id", "pk")
    # Only those that are not known: on PostgreSQL, each row that is ignored would take a key, too.
    new = PriceSeries.objects.bulk_create(
        PriceSeries(coin_id=coin_id) for coin_id in sorted(set(coin_ids) - found.keys())
    )
    return found | {one.coin_id: one.pk for one in new}


def key_of(coin_id: str) -> int | None:
    """The key of a coin's series; None if it has never had a price."""
    return PriceSeries.objects.filter(coin_id=coin_id).values_list("pk", flat=True).first()
