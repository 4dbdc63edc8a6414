"""How the admin names the fields of a coin. The read API, exports and messages have the names of the fields."""

from collections.abc import Mapping

# Others have their own name.
LABELS: Mapping[str, str] = {
    "coin_id": "id",
    "current_price": "price",
    "high_24h": "high in 24 h",
    "low_24h": "low in 24 h",
    "price_change_24h": "change in 24 h",
    "price_change_percentage_24h": "change in 24 h, percent",
    "market_cap_rank": "rank by market cap",
    "market_cap_rank_with_rehypothecated": "rank with coins that stand for others",
    "market_cap_change_24h": "market cap change in 24 h",
    "market_cap_change_percentage_24h": "market cap change in 24 h, percent",
    "total_volume": "volume in 24 h",
    "ath": "all-time high",
    "ath_change_percentage": "change since the all-time high",
    "ath_date": "date of the all-time high",
    "atl": "all-time low",
    "atl_change_percentage": "change since the all-time low",
    "atl_date": "date of the all-time low",
    "roi_times": "return on investment, times",
    "roi_currency": "return on investment, currency",
    "roi_percentage": "return on investment, percent",
    "vs_currency": "currency",
    "first_seen_at": "first seen",
    "changed_at": "last changed",
}

# Where there is little room.
HEADINGS: Mapping[str, str] = {
    **LABELS,
    "market_cap_rank": "rank",
    "market_cap_rank_with_rehypothecated": "rank with others",
    "price_change_percentage_24h": "24 h",
    "market_cap_change_percentage_24h": "market cap 24 h",
    "total_volume": "volume",
    "ath_change_percentage": "since high",
    "ath_date": "date of high",
    "atl_change_percentage": "since low",
    "atl_date": "date of low",
    "roi_times": "ROI times",
    "roi_currency": "ROI currency",
    "roi_percentage": "ROI percent",
    "last_updated": "updated",
}
