"""Ways to copy the whole market into a database. Each is a program of its own, and gets the same two addresses.

    python -m tests.bench.methods.floor API_URL DATABASE_URL

They ask for the same pages: 250 coins each in the order of ids, in which no coin is lost. What each proves, and what
it loses, is in its docstring.
"""

QUERY = {"vs_currency": "usd", "order": "id_asc", "per_page": "250", "include_rehypothecated": "true"}
PATH = "/coins/markets"
TEXTS = ("id", "symbol", "name", "image", "ath_date", "atl_date", "last_updated")
WHOLE_NUMBERS = ("market_cap_rank", "market_cap_rank_with_rehypothecated")
NUMBERS = (
    "current_price",
    "market_cap",
    "fully_diluted_valuation",
    "total_volume",
    "high_24h",
    "low_24h",
    "price_change_24h",
    "price_change_percentage_24h",
    "market_cap_change_24h",
    "market_cap_change_percentage_24h",
    "circulating_supply",
    "total_supply",
    "max_supply",
    "ath",
    "ath_change_percentage",
    "atl",
    "atl_change_percentage",
)
