"""How cleaned records become coins: the same for a crawl, and for a rejected record that is tried again."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from webapp.coins.cleaning import Cleaner
from webapp.coins.models import FullCoin
from webapp.coins.prices.missing import note_absences
from webapp.coins.prices.observing import observe
from webapp.coins.upsert import Upserted


@cache
def cleaner(*, reports_missing: bool) -> Cleaner:
    """Of records of coins. If the source reports missing coins, a record may say since when it has no market."""
    missing_since = [FullCoin._meta.get_field("missing_since")] if reports_missing else []
    return Cleaner([*FullCoin.api_fields(), *missing_since])


def store_coins(
    rows: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, datetime],
    now: datetime,
    changed_at: datetime,
    *,
    seen: Collection[str] = (),
    are_prices_new: bool = True,
) -> Upserted:
    """Upsert rows by coin id, observe their prices, and note which coins are on the market.

    `missing` are those of the rows whose source says since when they have no market. `seen` are further coins that are
    on the market. Call it in the transaction that has asked for `changed_at` by `FullCoin.objects.next_change`.
    """
    result = FullCoin.objects.upsert(rows.values(), now, changed_at)
    if settings.PRICE_HISTORY and are_prices_new and (result.created or result.updated):
        observe(now, changed_at)
    came_back = FullCoin.objects.mark_seen({*rows, *seen} - missing.keys(), changed_at)
    if settings.PRICE_HISTORY and came_back:
        note_absences(came_back, now)
    FullCoin.objects.mark_missing_since(missing, changed_at)
    return result
