"""Scrapy's settings for every command. Crawls of our own spiders have more of them: see crawl_settings.py."""

import os

import django

from webapp.crawls.addresses import is_source
from webapp.crawls.catalog import PLANS
from webapp.environment import env
from webapp.settings import COINGECKO_MONTHLY_CREDITS, COINGECKO_PLAN, MIRROR_URL, PLAIN_HTTP_HOSTS, VS_CURRENCY

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup()  # items are made from a Django model

from webapp.coins.models import FullCoin  # noqa: E402 - a model can be imported once Django is set up

BOT_NAME = "coincrawl"
SPIDER_MODULES = ["coincrawl.spiders"]
NEWSPIDER_MODULE = "coincrawl.spiders"
COMMANDS_MODULE = "coincrawl.commands"  # `crawl` with a summary and an exit status; tools that begin no run
RECORD_RUNS = True  # those tools switch it off

# The source --------------------------------------------------------------------------------------
COINGECKO_API_KEY = env.one_word("COINGECKO_API_KEY")
COINGECKO_PLAN = COINGECKO_PLAN
BASE_API_URL = (env.str("BASE_API_URL", default="") or PLANS[COINGECKO_PLAN].url).rstrip("/")
if "?" in BASE_API_URL or not is_source(BASE_API_URL, PLAIN_HTTP_HOSTS):
    raise SystemExit(
        "BASE_API_URL must be https://host/path or https://host:port/path, without user, password and query "
        "(http:// for this machine and PLAIN_HTTP_HOSTS only): a key belongs in COINGECKO_API_KEY."
    )
COINGECKO_CALLS_PER_MINUTE = env.number("COINGECKO_CALLS_PER_MINUTE", PLANS[COINGECKO_PLAN].calls_per_minute)
COINGECKO_MONTHLY_CREDITS = COINGECKO_MONTHLY_CREDITS
# The other source: a read API that is mirrored
MIRROR_URL = MIRROR_URL
API_TOKEN = env.one_word("API_TOKEN")
MIRROR_CALLS_PER_MINUTE = env.number("MIRROR_CALLS_PER_MINUTE", 120)  # well below the 300 that our own read API takes
VS_CURRENCY = VS_CURRENCY
# Fields of FullCoin that may be absent or empty: no run is partial because of them.
OPTIONAL_FIELDS = [name.strip() for name in env.list("OPTIONAL_FIELDS", default=[])]
if strange := sorted({*OPTIONAL_FIELDS}.difference(field.name for field in FullCoin.api_fields())):
    raise SystemExit(
        f"OPTIONAL_FIELDS must be names of a coin's fields with commas between them, and not {strange[0]!r}."
    )
# An empty User-Agent is answered with 403, and so may be one that says nothing.
USER_AGENT = "coincrawl (a Scrapy project that keeps a copy of the coin market)"
RETRY_BACKOFF_BASE = env.number("RETRY_BACKOFF_BASE", 2)  # s: about 2, 4, 8, 16, 32

# Safety: nobody is let in, and nothing is asked that cannot prove who it is ---------------------------
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False  # would run code sent over HTTP
DOWNLOAD_VERIFY_CERTIFICATES = True

# Output ------------------------------------------------------------------------------------------------
LOG_LEVEL = "INFO"
LOG_VERSIONS: list[str] = []  # `scrapy version -v` has them
