"""What all spiders of CoinGecko's API share: its address, its key, its limits and its errors."""

from collections.abc import Mapping

from coincrawl import responses
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from webapp.crawls.catalog import PLANS

SPENT_CREDITS = 10006
REMEDIES = {
    **responses.REMEDIES,
    # The API's own error codes ...
    10002: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    10005: "COINGECKO_PLAN does not include this",
    SPENT_CREDITS: "the month's credits are spent: wait for the next month or change the plan",
    10010: "a paid key belongs to pro-api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    10011: "a demo key belongs to api.coingecko.com: check COINGECKO_PLAN and BASE_API_URL",
    10012: "this plan has the last 365 days only: give fewer days",
    # ... and statuses that come without one
    responses.REDIRECTED: "redirects are not followed, so check BASE_API_URL",
    400: "check VS_CURRENCY and the spider's arguments",
    401: "is COINGECKO_API_KEY set, and right for COINGECKO_PLAN?",
    403: "is the key right, the plan sufficient, and this address not blocked?",
    404: "check BASE_API_URL and the spider's arguments",
    422: "check VS_CURRENCY and the spider's arguments",
}


class CoinGeckoSpider(PaginatedSpider):
    """3 (keyless) to 500 calls a minute by plan. All spiders share the month's credits."""

    secret = Secret("COINGECKO_API_KEY", is_required=False)
    remedies = REMEDIES
    fatal_codes = (SPENT_CREDITS,)

    @property
    def calls_per_minute(self) -> float:
        return self.settings.getfloat("COINGECKO_CALLS_PER_MINUTE")

    @property
    def monthly_credits(self) -> int:
        return self.settings.getint("COINGECKO_MONTHLY_CREDITS")

    @property
    def url(self) -> str:
        return str(self.settings["BASE_API_URL"])

    def secret_headers(self) -> Mapping[str, str]:
        header = PLANS[self.settings["COINGECKO_PLAN"]].key_header
        return {header: self.credential} if header and self.credential else {}
