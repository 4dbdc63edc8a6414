"""A mirror and its sources, end to end: those whose links lead astray, that refuse, that lapse, that are several."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_api import LinkedAPI, Listener, Market, answers
from fake_api.coins import START
from fake_api.linked import ABSENT, FORBIDDEN, NOT_FOUND, ODD_QUERY, throttled
from fake_api.tls import self_signed
from tests.support.crawls import Crawl, last_run
from tests.support.databases import files_of_the_database, tables
from webapp.coins.models import FullCoin
from webapp.crawls.models import RejectedRecord

TOKEN = "T-a/secret+token-of?the&tests"


@pytest.fixture(scope="module")
def market() -> Market:
    """Three pages of 100; not to be changed."""
    return Market(coins=300)


@pytest.fixture
def foreign() -> Iterator[Listener]:
    with Listener(answers=True) as listener:
        yield listener


def source(market: Market, **options: Any) -> LinkedAPI:
    return LinkedAPI(market, token=TOKEN, max_page_size=100, **options)


# Links -----------------------------------------------------------------------------------------------


def elsewhere(after: int, instead: Callable[[str], Any]) -> dict[str, Any]:
    """A hook: another link on that page, made of the usual one."""
    return {"link": lambda page, usual: instead(usual) if page == after else usual}


def for_ever() -> dict[str, Any]:
    numbers = itertools.count()
    return {"link": lambda *_: f"?page=1&turn={next(numbers)}"}


# The options by the foreign host's address, how many pages are asked for (the last one and an empty one once more) and
# coins stored, and the words about it.
ASTRAY: dict[str, tuple[Callable[[str], dict[str, Any]], int, int, str]] = {
    "another host": (
        lambda foreign: elsewhere(1, lambda _: f"{foreign}/api/coins/?page=2".replace("127.0.0.1", "localhost")),
        2,
        100,
        "the link on page 1 leads to another origin and is not followed: http://localhost:",
    ),
    "another port": (
        lambda foreign: elsewhere(2, lambda _: f"{foreign}/api/coins/?page=3"),
        3,
        200,
        "the link on page 2 leads to another origin and is not followed: http://127.0.0.1:",
    ),
    "credentials": (
        lambda _: elsewhere(1, lambda usual: usual.replace("//", f"//user:{TOKEN}@")),
        2,
        100,
        "the link on page 1 has a user or a password in it",
    ),
    "a loop": (
        lambda _: elsewhere(2, lambda _: "?page_size=1000"),
        3,
        200,
        "the link on page 2 leads back to page 1",
    ),
    "a page that is gone": (
        lambda _: elsewhere(2, lambda _: "?page=9&page_size=1000"),
        3,
        200,
        "page 3 is gone, perhaps because the list became shorter: the API answered 404 and said 'Invalid page.'",
    ),
    "the same for ever": (lambda _: for_ever(), 3, 100, "page 2 brought nothing new"),
    "too long": (
        lambda _: elsewhere(2, lambda usual: usual.ljust(2_084, "x")),
        3,
        200,
        "the link on page 2 has 2084 characters, and no more than 2083 are followed",
    ),
    "no text": (lambda _: elsewhere(1, lambda _: {"url": "?page=2"}), 2, 100, 'page 1 has {"url":'),
    "absent though more is counted": (
        lambda _: elsewhere(1, lambda _: ABSENT),
        2,
        100,
        "page 1 has no 'next', and there are 300 records by its 'count'",
    ),
    "an empty page in the middle": (
        lambda _: {"rows": lambda page, usual: [] if page == 2 else usual},
        5,
        200,
        "page 2 was empty and page 3 was not",
    ),
    "more counted than there are": (
        lambda _: {"count": lambda *_: 310},
        4,
        300,
        "the API counts 310 records, and its pages had 300 different ones",
    ),
}


@pytest.mark.parametrize("kind", ASTRAY)
def test_a_chain_that_goes_astray_is_partial_and_says_why(
    kind: str, market: Market, foreign: Listener, crawl: Crawl
) -> None:
    options, pages, coins, words = ASTRAY[kind]

    with source(market, **options(foreign.url)) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    run = last_run()
    assert (done.returncode, run.verdict) == (3, "partial")
    assert words in run.reason
    assert (len(api.requests), FullCoin.objects.count()) == (pages, coins)
    assert foreign.heard == []
    assert TOKEN not in done.stderr + tables()


def test_links_that_a_proxy_made_http_are_followed_over_https(market: Market, crawl: Crawl, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)

    with source(market, tls=certificate, form="http", query=ODD_QUERY) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN, SSL_CERT_FILE=str(certificate[0]))

    assert (done.returncode, FullCoin.objects.count()) == (0, 300)
    assert api.targets[1:] == api.linked


# Answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "answer", "words"),
    [
        ("", {}, "the API answered 401 and said 'Authentication credentials were not provided.': is API_TOKEN set"),
        (TOKEN, FORBIDDEN, "the API answered 403 and said 'You do not have permission to perform this action.': is"),
        (TOKEN, NOT_FOUND, "the API answered 404 and said 'Not found.': is this the address of a list"),
    ],
    ids=["no token", "forbidden", "not found"],
)
def test_a_refusal_ends_the_run_and_says_what_to_check(
    token: str, answer: Any, words: str, market: Market, crawl: Crawl
) -> None:
    with source(market) as api:
        api.fault(answer)
        done = crawl(api, spider="mirror", API_TOKEN=token)

    assert (done.returncode, last_run().verdict) == (1, "failed")
    assert words in last_run().reason
    assert len(api.requests) == 1


def test_a_last_page_that_links_back_is_the_end_where_a_count_agrees(market: Market, crawl: Crawl) -> None:
    with source(market, **elsewhere(3, lambda _: "?page_size=1000")) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    assert (done.returncode, FullCoin.objects.count()) == (0, 300)
    assert "the link on page 3 leads back to page 1, so paging ended there" in last_run().messages


def test_a_rest_is_kept_and_a_lapse_tried_again(market: Market, crawl: Crawl) -> None:
    with source(market) as api:
        api.fault(throttled(1), page=2)
        api.fault(answers.HTML_IN_A_200, page=3)
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    _, told, again, *_ = api.requests
    assert (done.returncode, FullCoin.objects.count()) == (0, 300)
    assert (last_run().throttled, last_run().retries) == (1, 1)
    assert again.time - (told.sent or 0) >= 1


def test_a_record_that_cannot_be_stored_is_rejected_and_the_others_are_not(market: Market, crawl: Crawl) -> None:
    poison = {"bitcoin": "0x10", "ethereum": "Infinity", "tether": "1,5"}
    with source(market, record=lambda coin: coin | {"ath": poison.get(coin["coin_id"], coin["ath"])}) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    rejected = dict(RejectedRecord.objects.values_list("coin_id", "reasons"))
    assert (done.returncode, FullCoin.objects.count()) == (0, 297)
    assert rejected == dict.fromkeys(poison, "ath: a text, not a number")


def test_a_record_without_an_id_may_be_of_any_coin_so_none_is_missing(crawl: Crawl) -> None:
    market, nameless = Market(coins=300), set[str]()
    with source(market, record=lambda coin: {"name": "?"} if coin["coin_id"] in nameless else coin) as api:
        crawl(api, spider="mirror", API_TOKEN=TOKEN)
        nameless.add("bitcoin")
        left = market.ids[0]
        market.remove(left)
        api.forget(left)
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    assert (done.returncode, last_run().missing, last_run().rejected) == (0, 0, 1)
    assert "no coin was marked missing, because some records have no id" in last_run().messages


def test_changes_are_everything_where_no_run_has_seen_all(market: Market, crawl: Crawl) -> None:
    with source(market) as api:
        api.fault(answers.SERVER_ERROR, page=2, times=6)
        broken = crawl(api, spider="mirror", API_TOKEN=TOKEN)
        reason, coins = last_run().reason, FullCoin.objects.count()

        done = crawl(api, "-a", "only=changed", spider="mirror", API_TOKEN=TOKEN)

    assert (broken.returncode, coins) == (3, 100)
    assert "page 2 stayed broken: status 500" in reason
    assert (done.returncode, FullCoin.objects.count()) == (0, 300)
    assert all("changed_since" not in request.params for request in api.requests)
    assert "asked for everything" in last_run().messages


def test_what_changes_while_pages_are_fetched_is_asked_for_again(crawl: Crawl) -> None:
    """It may be on a page that was before: only what the first page knew of counts as known."""
    market = Market(coins=300)
    with source(market) as api:
        api.later(minutes=60)
        market.replace("tether", market.record("tether") | {"name": "Tether 2"})  # on the last page
        crawl(api, spider="mirror", API_TOKEN=TOKEN)

    assert (last_run().verdict, last_run().newest_change) == ("complete", START)


def test_what_one_source_has_proven_is_not_believed_of_another(crawl: Crawl) -> None:
    """It may have fewer coins, and another clock."""
    with source(Market(coins=60)) as home, LinkedAPI(Market(coins=30)) as other:
        other.later(minutes=600)
        other.market.replace("bitcoin", home.market.record("bitcoin") | {"name": "Bitcoin 2"})
        crawl(home, spider="mirror", API_TOKEN=TOKEN)
        smaller = crawl(home, "-a", f"url={other.url}", spider="mirror", API_TOKEN=TOKEN)
        crawl(home, "-a", "only=changed", spider="mirror", API_TOKEN=TOKEN)

    changes = [request.params.get("changed_since") for request in home.requests[1:]]
    assert (smaller.returncode, len(other.requests)) == (0, 1)
    assert "authorization" not in other.requests[0].headers
    assert changes[0] == "2026-02-05T11:50:00.000000Z"


def test_a_source_that_would_make_most_coins_missing_is_not_believed(market: Market, crawl: Crawl) -> None:
    with source(market) as home, source(Market(coins=100, seed=2)) as other:
        crawl(home, spider="mirror", API_TOKEN=TOKEN)
        done = crawl(other, spider="mirror", API_TOKEN=TOKEN)

    assert done.returncode == 3
    assert "stored coins would be missing at once, which is not believed: is this another source" in last_run().reason
    assert last_run().reason in done.stderr
    assert not FullCoin.objects.filter(missing_since__isnull=False).exists()


def test_prices_in_another_currency_are_not_mixed_in(market: Market, crawl: Crawl) -> None:
    with source(market, record=lambda coin: coin | {"vs_currency": "eur"}) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    assert done.returncode == 1
    assert "the source has prices in eur, and VS_CURRENCY is usd" in last_run().reason
    assert not FullCoin.objects.exists()


def test_records_in_another_place_end_the_run_at_its_first_answer(market: Market, crawl: Crawl) -> None:
    with source(market, rows_at=("data", "items")) as api:
        done = crawl(api, spider="mirror", API_TOKEN=TOKEN)

    assert (done.returncode, len(api.requests), last_run().verdict) == (1, 1, "failed")
    words = "no list of records at 'results': rows=\"data.items\" in the spider's pagination would fit"
    assert last_run().reason == words


# The token -------------------------------------------------------------------------------------------


def with_the_token(page: int, usual: Any) -> Any:
    return f"{usual}&token={TOKEN}" if page == 1 else usual


@pytest.mark.parametrize(
    ("options", "fault"),
    [({}, answers.echo), ({"link": with_the_token}, {})],
    ids=["repeated in an error", "repeated in a link"],
)
def test_the_token_is_in_no_log_file_table_or_address(
    options: dict[str, Any], fault: Any, market: Market, crawl: Crawl, tmp_path: Path
) -> None:
    with source(market, **options) as api:
        api.fault(fault)
        done = crawl(
            api,
            *("-L", "DEBUG", "--logfile", str(tmp_path / "log"), "-O", str(tmp_path / "coins.jsonl")),
            spider="mirror",
            API_TOKEN=TOKEN,
        )

    files = "".join(path.read_text() for path in tmp_path.iterdir())
    assert api.requests
    assert all(request.headers["authorization"] == f"Token {TOKEN}" for request in api.requests)
    assert all(TOKEN not in request.target for request in api.requests)
    assert TOKEN not in done.stdout + done.stderr + files + tables()
    assert TOKEN.encode() not in files_of_the_database()


@pytest.mark.parametrize(
    ("token", "status", "requests"), [(TOKEN, 2, 0), ("", 1, 1)], ids=["with a token", "without a token"]
)
def test_a_token_is_for_a_configured_address_alone(
    token: str, status: int, requests: int, market: Market, crawl: Crawl
) -> None:
    """Who may add a schedule may name any address in it."""
    with source(market) as api:
        done = crawl(api, "-a", f"url={api.url}", spider="mirror", MIRROR_URL="", API_TOKEN=token)

    refused = "API_TOKEN is sent to the address in MIRROR_URL alone, and there is none: set MIRROR_URL to the address"
    assert (done.returncode, len(api.requests), refused in done.stderr) == (status, requests, bool(token))
    assert TOKEN not in done.stderr
    assert all("authorization" not in request.headers for request in api.requests)
