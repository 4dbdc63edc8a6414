"""Scrapy's settings for all commands. Crawls of a PaginatedSpider also use crawl_settings.py."""

import gc
import os

import django
from django.conf import settings as django_settings

from webapp.crawls.catalog import PLANS
from webapp.environment import env
from webapp.settings import COINGECKO_MONTHLY_CREDITS, COINGECKO_PLAN, MIRROR_URL, VS_CURRENCY, base_api_url

if not django_settings.configured:  # also where the environment names the site's, as it does in `make up`
    os.environ["DJANGO_SETTINGS_MODULE"] = "coincrawl.django_settings"
django.setup()  # items are made from a Django model

from webapp.coins.models import FullCoin  # noqa: E402 - models can be imported only after django.setup()

gc.freeze()  # what is imported stays: no collection has to look through it, not even at the end

BOT_NAME = "coincrawl"
SPIDER_MODULES = ["coincrawl.spiders"]
NEWSPIDER_MODULE = "coincrawl.spiders"
COMMANDS_MODULE = "coincrawl.commands"  # `crawl` with a summary and an exit status

# The sources -------------------------------------------------------------------------------------
COINGECKO_API_KEY = env.one_word("COINGECKO_API_KEY")
COINGECKO_PLAN = COINGECKO_PLAN
BASE_API_URL = base_api_url()
COINGECKO_CALLS_PER_MINUTE = env.number("COINGECKO_CALLS_PER_MINUTE", PLANS[COINGECKO_PLAN].calls_per_minute)
COINGECKO_MONTHLY_CREDITS = COINGECKO_MONTHLY_CREDITS
# The read API that is mirrored
MIRROR_URL = MIRROR_URL
API_TOKEN = env.one_word("API_TOKEN")
MIRROR_CALLS_PER_MINUTE = env.number("MIRROR_CALLS_PER_MINUTE", 120)  # coincrawl's own read API allows 300
VS_CURRENCY = VS_CURRENCY
# Fields of FullCoin that may be absent or empty without making a run partial
OPTIONAL_FIELDS = [name.strip() for name in env.list("OPTIONAL_FIELDS", default=[])]
if strange := sorted({*OPTIONAL_FIELDS}.difference(field.name for field in FullCoin.api_fields())):
    raise SystemExit(
        f"OPTIONAL_FIELDS must be names of a coin's fields with commas between them, and not {strange[0]!r}."
    )
# CoinGecko answers 403 to an empty User-Agent.
USER_AGENT = "coincrawl (a Scrapy project that keeps a copy of the coin market)"
RETRY_BACKOFF_BASE = env.number("RETRY_BACKOFF_BASE", 2)  # s: about 2, 4, 8, 16, 32

# Safety: no access from outside, and no source without a valid certificate ----------------------------
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False  # would run code sent over HTTP
DOWNLOAD_VERIFY_CERTIFICATES = True

# Output ------------------------------------------------------------------------------------------------
LOG_LEVEL = "INFO"
LOG_VERSIONS: list[str] = []  # `scrapy version -v` has them
