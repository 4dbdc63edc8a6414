"""What can be crawled, in plain data that the crawler and the site both read: no Django, no Scrapy.

`SPIDERS` has each spider and its arguments, `PLANS` each of CoinGecko's plans. A new spider, argument or plan is one
entry here; its checks, its help text and the messages about invalid values follow from that.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from webapp.crawls.addresses import publishable
from webapp.crawls.arguments import Argument, address, choice, integer, number, slug, slugs

MAX_PAGE_SIZE = 250  # CoinGecko's; 251 answers 250
MAX_COINS = 250_000  # ten markets of today's size: paging that goes beyond is paging that never ends
MAX_TEXT = 100_000  # bytes of an argument: Linux hands no program one that is longer than 128 kB
ORDERS = tuple(f"{by}_{way}" for by in ("id", "market_cap", "volume") for way in ("asc", "desc"))


class ArgumentError(ValueError):
    """A spider's name or argument is invalid: a sentence that names the valid ones."""


@dataclass(frozen=True)
class SpiderEntry:
    """A spider that can be run: what it crawls, and the arguments that it takes."""

    summary: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    narrowing: tuple[str, ...] = ()  # the arguments that make a run see less than the whole source
    exclusive: tuple[tuple[str, str], ...] = ()  # pairs that cannot be given together
    # By argument, the setting that replaces it. One of the two is required. webapp/settings.py has the setting too, and
    # whether `token` is set, because a job that lacks what it needs is not queued.
    defaults: Mapping[str, str] = field(default_factory=dict)
    # The crawler's setting with the token for the source. It is sent to the address in the settings of `defaults`, and
    # not to one that somebody gives as an argument.
    token: str = ""
    # For a first guess at the calls that a run takes:
    typical_records: int = 0  # in the whole source
    page_size: int = 100
    proof_calls: int = 0  # that a run of the whole source takes besides, to prove that it is whole
    counts_credits: bool = False  # whether COINGECKO_MONTHLY_CREDITS are its
    is_of_coins: bool = True  # whether it stores coins; else it stores their past prices
    required: tuple[str, ...] = ()  # arguments of which at least one is required


SPIDERS: Mapping[str, SpiderEntry] = {
    "markets": SpiderEntry(
        summary="CoinGecko's coin markets",
        arguments={
            "order": choice(*ORDERS),
            "per_page": integer(1, MAX_PAGE_SIZE),
            "pages": integer(1, 1_000),
            "category": slug("one of CoinGecko's category ids, such as layer-1"),
            "ids": slugs("coin ids with commas between them, such as bitcoin,ethereum"),
        },
        narrowing=("pages", "category", "ids"),
        exclusive=(("ids", "pages"), ("ids", "category"), ("ids", "per_page"), ("ids", "order")),
        typical_records=18_600,
        page_size=MAX_PAGE_SIZE,
        proof_calls=2,  # the empty page behind the last, and the list of all ids
        counts_credits=True,
    ),
    "mirror": SpiderEntry(
        summary="the read API of another coincrawl, or one like it",
        arguments={
            "url": address(
                "the address of a list of coins, such as https://coins.example/api/coins/ or with a query such as "
                "?category=layer-1, without user, password and key (http:// for this machine and PLAIN_HTTP_HOSTS only)"
            ),
            "only": choice("changed"),
            "prices": choice("day"),  # also copies the bars of days
        },
        narrowing=("only",),
        defaults={"url": "MIRROR_URL"},
        token="API_TOKEN",  # noqa: S106 - a name
        typical_records=18_600,
        page_size=1_000,
    ),
    "history": SpiderEntry(
        summary="past prices of coins from CoinGecko, one request for each coin",
        arguments={
            "ids": slugs("coin ids with commas between them, such as bitcoin,ethereum"),
            "top": integer(1, MAX_COINS),
            "only": choice("gaps"),
            "days": integer(1, 36_500),
        },
        narrowing=("ids", "top", "only", "days"),
        exclusive=(("ids", "top"),),
        required=("ids", "top", "only"),
        typical_records=250,  # with gaps, after an outage
        page_size=1,
        counts_credits=True,
        is_of_coins=False,
    ),
}


def spiders_like(spider: str) -> list[str]:
    """The spiders that store the same: coins, or their past prices."""
    return [name for name, entry in SPIDERS.items() if entry.is_of_coins == SPIDERS[spider].is_of_coins]


# What a job may set for itself: how much it logs, and how soon it ends. Other settings could break what a run promises.
JOB_SETTINGS: Mapping[str, Argument] = {
    "LOG_LEVEL": choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "DOWNLOAD_TIMEOUT": number(1, 600),
    "CLOSESPIDER_TIMEOUT": number(1, 1_000_000),
}


def parse_arguments(spider: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of arguments that are given as texts or as values already, in the catalog's order.

    Raises ArgumentError if the spider or an argument is invalid, and says what would be valid.
    """
    if spider not in SPIDERS:
        raise ArgumentError(f"There is no spider {spider!r}. Spiders: {', '.join(SPIDERS)}.")
    try:
        texts = as_texts(given)
    except (AttributeError, TypeError):
        raise ArgumentError("The arguments must be names with their values.") from None
    entry = SPIDERS[spider]
    for name in texts:
        if name not in entry.arguments:
            known = ", ".join(entry.arguments) or "none"
            raise ArgumentError(f"{spider} has no argument {name!r}. Its arguments: {known}.")
    for one, other in entry.exclusive:
        if one in texts and other in texts:
            raise ArgumentError(f"{one} and {other} cannot be given together: leave one out.")
    if entry.required and not any(name in texts for name in entry.required):
        *others, last = entry.required
        raise ArgumentError(f"{spider} needs -a {'=..., '.join(others)}=... or {last}=...")
    return _parse(entry.arguments, texts)


def check_source(spider: str, given: Collection[str], setting: Callable[[str], Any]) -> None:
    """Raises ArgumentError if there is no address to ask, or a token without its own address.

    `setting` returns the value of the setting with this name.
    """
    entry = SPIDERS[spider]
    for name, default in entry.defaults.items():
        if entry.token and setting(entry.token) and not setting(default):
            raise ArgumentError(
                f"{entry.token} is sent to the address in {default} alone, and there is none: "
                f"set {default} to the address that the token is for, or leave {entry.token} out."
            )
        if name not in given and not setting(default):
            raise ArgumentError(f"{spider} needs -a {name}=..., or {default} in the environment.")


def parse_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of Scrapy's settings for a single job. Raises ArgumentError as `parse_arguments` does."""
    for name in given:
        if name not in JOB_SETTINGS:
            raise ArgumentError(f"A job cannot set {name!r}. It can set {', '.join(JOB_SETTINGS)}.")
    return _parse(JOB_SETTINGS, as_texts(given))


def _parse(arguments: Mapping[str, Argument], texts: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, argument in arguments.items():
        if name in texts:
            if len(texts[name].encode("utf-8", "surrogatepass")) > MAX_TEXT:
                raise ArgumentError(f"{name} is too long: {MAX_TEXT:,} bytes are the most.")
            try:
                values[name] = argument.parse(texts[name])
            except ValueError:
                shown = publishable(texts[name])  # without a password
                raise ArgumentError(f"{name}={shown} is not valid: {name} is {argument.allowed}.") from None
    return values


def as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as the texts that they were parsed from. Raises TypeError if a list has anything but texts."""
    return {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()}


def typical_calls(spider: str, arguments: Mapping[str, Any]) -> int:
    """About how many calls a run takes, if no complete run tells."""
    entry = SPIDERS[spider]
    size = arguments.get("per_page", entry.page_size)
    if "ids" in arguments:
        return ceil(len(arguments["ids"]) / size)
    if "top" in arguments:
        return ceil(arguments["top"] / size)
    is_whole = not set(arguments) & set(entry.narrowing)
    whole = ceil(entry.typical_records / size) + (entry.proof_calls if is_whole else 0)
    return arguments.get("pages") or max(1, whole)


@dataclass(frozen=True)
class Plan:
    """A way to be CoinGecko's customer: https://www.coingecko.com/en/api/pricing, read in mid-2026."""

    calls_per_minute: int
    credits_per_month: int | None  # a credit is an answer with status 200; None: not counted
    url: str = "https://pro-api.coingecko.com/api/v3"
    key_header: str | None = "x-cg-pro-api-key"


PLANS: Mapping[str, Plan] = {
    # Not documented, and by IP address: 3 a minute are safe, of 6 half are rejected.
    "keyless": Plan(3, None, "https://api.coingecko.com/api/v3", None),
    "demo": Plan(30, 10_000, "https://api.coingecko.com/api/v3", "x-cg-demo-api-key"),
    "basic": Plan(250, 100_000),
    "analyst": Plan(500, 500_000),
    "lite": Plan(500, 2_000_000),
    "enterprise": Plan(500, None),  # by contract: COINGECKO_CALLS_PER_MINUTE says how many
}
