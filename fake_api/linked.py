"""A stand-in for an API whose pages are joined by `next` links, as Django REST Framework writes them, or otherwise."""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from fake_api import answers
from fake_api.api import API
from fake_api.coins import START
from fake_api.exchange import Answer, Header, Request
from fake_api.market import Market
from fake_api.records import Record, from_json
from fake_api.server import positive

Keys = str | tuple[str, ...]  # of an object; several: each in the object that is under the one before

ABSENT: Any = object()  # in the place of a value: not even its key is there
HEADER = ("the Link header",)  # in the place of the link's keys
DATES = ("ath_date", "atl_date", "last_updated")
TEXTS = ("id", "symbol", "name", "roi_currency")

# How a link to a target (path and query) at an origin (scheme, host and port) may be written.
FORMS: Mapping[str, Callable[[str, str], str]] = {
    "absolute": lambda origin, target: origin + target,
    "path": lambda _, target: target,
    "query": lambda _, target: target[target.index("?") :],
    "relative": lambda _, target: target.replace("/api", "..", 1),
    "network": lambda origin, target: origin[origin.index("//") :] + target,
    "http": lambda origin, target: f"http{origin[origin.index(':') :]}{target}",  # what knows of no proxy before it
    "capitals": lambda origin, target: origin.upper() + target,
    "fragment": lambda origin, target: f"{origin}{target}#rows",
}
# What somebody might be tempted to write in another way. All is legal in a query but the brackets and the bar.
ODD_QUERY = "odd=%2C%2c,a+b%20c'(d)*~;:@/?%C3%A9=%25&empty=&[]|"


def as_asked(target: str | bytes) -> str:
    """A target with what is not legal in it percent-encoded, and all else as it stands.

    A client must send what is legal as it stands; what it does about the rest is its own affair.
    """
    return quote(target, safe="/?:@!$&'()*+,;=%~")


# What it answers besides pages.


def detail(status: int, words: str, **headers: str) -> Answer:
    """An error as Django REST Framework words it."""
    return answers.error(status, {"detail": words}, **headers)


def throttled(seconds: int) -> Answer:
    words = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    return detail(429, words, **{"retry-after": str(seconds)})


FORBIDDEN = detail(403, "You do not have permission to perform this action.")
NOT_FOUND = detail(404, "Not found.")
INVALID_PAGE = detail(404, "Invalid page.")


# What its records are.


def stored(record: Record) -> Record:
    """CoinGecko's record as it is shown by an API that has stored it as a FullCoin: numbers are texts, except ranks."""
    roi = record.get("roi") or {}
    flat = {name: value for name, value in record.items() if name != "roi"}
    flat |= {f"roi_{name}": roi.get(name) for name in ("times", "currency", "percentage")}
    return {name if name != "id" else "coin_id": _shown(name, value) for name, value in flat.items()}


def _shown(name: str, value: Any) -> Any:
    if value is None or name in TEXTS:
        return value
    if name == "image":
        return value if value.startswith(("http://", "https://")) else None
    if name.startswith("market_cap_rank"):
        return int(value)
    if name in DATES:
        return iso(datetime.fromisoformat(value).astimezone(UTC))
    return plain(Decimal(value))


def plain(number: Decimal) -> str:
    """All digits, and no zero that says nothing."""
    text = f"{number:f}" if number else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class Row:
    """A coin that the source keeps, and the text on the market that it was made from."""

    text: str
    record: Record


class LinkedAPI(API):
    """An installation that keeps a copy of `market`; `url` is the first page of the coins in its read API.

        with LinkedAPI(Market(coins=600), token="secret", page_size=200) as api:
            api.market.remove("bitcoin")      # which stays listed, with missing_since
            api.later(minutes=60)
            ...                               # crawl api.url
            assert api.targets[1:] == api.linked

    At each request it has taken over what has changed on the market, whose records must be sound. What changes, comes
    or goes has its `changed_at` from the source's clock, which is the market's and moves with `later` besides.

    token, word: what the Authorization header has to say; without a token anybody may ask.
    page_size, max_page_size: unless asked otherwise, and at most; where more is asked for, the API is `strict` and
        refuses, or cuts it.
    keyset: links name the id that their page comes after, so that nobody loses a row where others come and go; without
        it a page's number is all they say.
    rows_at, link_at, count_at: the keys under which these stand; () for the rows: the page is nothing but a list;
        HEADER for the link: in one Link header of several; ABSENT for the count: there is none.
    form: how links are written, one of FORMS; query: added to each, as it stands; end: what the last page has instead.

    Four hooks give any JSON value, or ABSENT, in the place of the usual: `link(page, usual)`, `count(page, usual)` and
    `rows(page, usual)`, where page is the number in the request, 1 where it has none, and `record(usual)`.
    """

    base = "/api/coins/"

    def __init__(
        self,
        market: Market | None = None,
        *,
        token: str = "",
        word: str = "Token",
        page_size: int = 100,
        max_page_size: int = 1_000,
        strict: bool = False,
        keyset: bool = True,
        rows_at: Keys = "results",
        link_at: Keys = "next",
        count_at: Keys = "count",
        form: str = "absolute",
        query: str = "",
        end: Any = None,
        link: Callable[[int, Any], Any] = lambda _, usual: usual,
        count: Callable[[int, int], Any] = lambda _, usual: usual,
        rows: Callable[[int, list[Any]], Any] = lambda _, usual: usual,
        record: Callable[[Record], Any] = lambda usual: usual,
        **server: Any,
    ) -> None:
        super().__init__(**server)
        self.market = market or Market()
        self.linked: list[str] = []  # where the usual links of all answers led, as_asked
        self._minutes = 0
        self._copy: dict[str, Row] = {}
        self._authorization, self._word = f"{word} {token}" if token else "", word
        self._page_size, self._max_page_size, self._strict, self._keyset = page_size, max_page_size, strict, keyset
        self._rows_at, self._link_at, self._count_at = rows_at, link_at, count_at
        self._form, self._query, self._end = FORMS[form], query, end
        self._link, self._count, self._rows, self._record = link, count, rows, record
        self._take_over()

    @property
    def now(self) -> datetime:
        """The source's clock."""
        return START + timedelta(minutes=self.market.minutes + self._minutes)

    @property
    def records(self) -> dict[str, Record]:
        """What it keeps, by id in the order of ids."""
        self._take_over()
        with self._news:
            return {coin_id: self._copy[coin_id].record for coin_id in sorted(self._copy)}

    @property
    def targets(self) -> list[str]:
        """What was asked for, as_asked."""
        return [as_asked(request.target.encode("latin-1")) for request in self.requests]

    # What a test may do, besides all that it may do to the market.

    def later(self, minutes: int) -> None:
        """Time goes by, and the market stands still."""
        self._take_over()
        self._minutes += minutes

    def forget(self, coin_id: str) -> None:
        """Keep the coin no longer, as if it had never been there."""
        if coin_id in self.market.ids:
            self.market.remove(coin_id)
        with self._news:
            del self._copy[coin_id]

    # What it answers.

    def _refusal(self, headers: Mapping[str, str]) -> Answer | None:
        sent = headers.get("authorization", "")
        if not self._authorization or sent == self._authorization:
            return None
        words = "Invalid token." if sent else "Authentication credentials were not provided."
        return detail(401, words, **{"www-authenticate": self._word})

    def _throttled(self, seconds: int) -> Answer:
        return throttled(seconds)

    def _serve(self, request: Request) -> Answer:
        if request.path == self.base.removesuffix("/"):
            return answers.redirect(self.base, 301)
        if request.path:
            return NOT_FOUND
        params = request.params
        size = positive(params.get("page_size"), self._page_size)
        if size > self._max_page_size and self._strict:
            return answers.error(400, {"page_size": [f"Ensure this value is at most {self._max_page_size}."]})
        size = min(size, self._max_page_size)
        records = self.records
        if since := params.get("changed_since"):
            try:
                moment = datetime.fromisoformat(since)
                records = {i: r for i, r in records.items() if datetime.fromisoformat(r["changed_at"]) >= moment}
            except (ValueError, TypeError):  # no date, or one without an offset
                return answers.error(400, {"changed_since": ["Enter a valid date/time."]})
        page, ids, after = positive(params.get("page", "1"), 0), list(records), params.get("after")
        start = bisect_right(ids, after) if after else (page - 1) * size
        if not page or (not after and start >= max(len(ids), 1)):
            return INVALID_PAGE
        here, end = ids[start : start + size], start + size
        targets = {"first": self._target(params, 1)}
        if page > 1:
            targets["previous"] = self._target(params, page - 1)
        if end < len(ids):
            targets["next"] = self._target(params, page + 1, after=here[-1])
        rows = self._rows(page, [self._record(records[coin_id]) for coin_id in here])
        return self._page(request, page, rows, targets, self._count(page, len(ids)))

    def _target(self, params: Mapping[str, str], page: int, after: str = "") -> str:
        kept = {name: params[name] for name in ("changed_since", "page_size") if name in params}
        asked = kept | {"page": str(page)} | ({"after": after} if after and self._keyset else {})
        return f"{self.base}?{urlencode(asked)}{'&' if self._query else ''}{self._query}"

    def _page(self, request: Request, page: int, rows: Any, targets: Mapping[str, str], count: Any) -> Answer:
        origin = f"http{'s' if self._tls else ''}://{request.headers['host']}"
        links = {name: self._form(origin, target) for name, target in targets.items()}
        usual = links.get("next", self._end)
        link = self._link(page, usual)
        if "next" in links and link == usual:
            with self._news:
                self.linked.append(as_asked(targets["next"]))
        body: dict[str, Any] = {}
        _put(body, self._count_at, count)
        headers: dict[str, Header] = {}
        if self._link_at == HEADER:
            several = [f'<{links["first"]}&ids=a,b>; rel="first", <{origin}/api/?page=1,2>; rel="up"']
            if isinstance(link, str):
                several.append(f'<{link}>; title="rel=next, not last"; rel="next"')
            headers["link"] = [*several, f'<{origin}/api/coins?page=1,000>; rel="last"']
        else:
            _put(body, self._link_at, link)
            _put(body, "previous", links.get("previous"))
        _put(body, self._rows_at, rows)
        return Answer(body=json.dumps(body if self._rows_at else rows).encode(), headers=answers.JSON | headers)

    def _take_over(self) -> None:
        """What a crawl of the market would do to the copy."""
        now, texts = iso(self.now), self.market.texts()
        with self._news:
            for coin_id, text in texts.items():
                known = self._copy.get(coin_id)
                if known and known.text == text and not known.record["missing_since"]:
                    continue
                bookkeeping = {
                    "vs_currency": "usd",
                    "first_seen_at": known.record["first_seen_at"] if known else now,
                    "changed_at": now,
                    "missing_since": None,
                }
                self._copy[coin_id] = Row(text, stored(from_json(text)) | bookkeeping)
            for coin_id in self._copy.keys() - texts.keys():
                row = self._copy[coin_id]
                if not row.record["missing_since"]:
                    row.record = row.record | {"missing_since": now, "changed_at": now}


def _put(body: dict[str, Any], keys: Keys, value: Any) -> None:
    if value is ABSENT or keys in (ABSENT, ()):
        return
    *objects, key = (keys,) if isinstance(keys, str) else keys
    for name in objects:
        body = body.setdefault(name, {})
    body[key] = value
