"""What the API can answer besides data. Bodies and headers have the shapes that CoinGecko and its front have sent.

Give one to `FakeAPI.fault()`. Those that a test needs to time are functions, the others constants.
"""

import gzip
import json
import math
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from http.client import responses
from typing import Any

from fake_api.exchange import DEMO_KEY, JSON, PRO_KEY, Answer, Header, Request

HTML: dict[str, Header] = {"content-type": "text/html; charset=UTF-8"}


def data(text: str, **headers: Header) -> Answer:
    return Answer(body=text.encode(), headers=JSON | headers)


def error(status: int, body: Any, **headers: Header) -> Answer:
    text = json.dumps(body, separators=(",", ":"))
    return Answer(status, text.encode(), JSON | {"cache-control": "no-cache"} | headers)


def status_error(status: int, code: int, message: str) -> Answer:
    return error(status, {"status": {"error_code": code, "error_message": message}})


def page_of_html(status: int, title: str, text: str, **headers: Header) -> Answer:
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{text}</h1></body></html>\n"
    return Answer(status, body.encode(), HTML | headers)


# Too many calls, in every form seen.
_EXCEEDED = {
    "status": {
        "error_code": 429,
        "error_message": "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing "
        "to subscribe to our API plans for higher rate limits.",
    }
}


def rate_limited(retry_after: int | str = 30, **headers: Header) -> Answer:
    """429 with Retry-After: seconds, an HTTP date, or any text; `date=None` sends no Date to reckon a date from."""
    return error(429, _EXCEEDED, **{"retry-after": str(retry_after)} | headers)


def rate_limited_until(moment: datetime | str, **headers: Header) -> Answer:
    """429 that names the moment, or says that text, in x-ratelimit-reset instead."""
    text = moment if isinstance(moment, str) else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S %z}"
    return error(429, _EXCEEDED, **{"x-ratelimit-reset": text} | headers)


def cloudflare_limited(retry_after: int = 30) -> Answer:
    """429 from the front: a page of HTML."""
    title = "Access denied | api.coingecko.com used Cloudflare to restrict access"
    return page_of_html(429, title, "Error 1015: You are being rate limited", **{"retry-after": str(retry_after)})


RATE_LIMITED = error(429, _EXCEEDED)  # names no time
RATE_LIMITED_IN_A_200 = error(200, _EXCEEDED)
CREDITS_SPENT = status_error(429, 10006, "You've reached 10,000 calls limit. Please upgrade your API plan.")

# Keys and clients.
NO_USER_AGENT = status_error(
    403,
    403,
    "Please add a descriptive User-Agent to your request. For higher rate limits & stable integration, please "
    "subscribe to our API plans: https://www.coingecko.com/en/api/pricing .",
)
KEY_MISSING = status_error(401, 10002, "API Key Missing. Please use the right authentication method.")
NOT_IN_PLAN = status_error(401, 10005, "This request is limited to PRO API subscribers.")
ENTERPRISE_ONLY = status_error(
    401,
    10005,
    "interval=5m is exclusive to Enterprise plan customers only. Please contact api@coingecko.com.",
)
FORBIDDEN = error(403, {"error": "Forbidden"})
BLOCKED = page_of_html(403, "Attention Required! | Cloudflare", "Sorry, you have been blocked")


def beyond_the_plan(moment: datetime) -> Answer:
    """401 to more than 365 days without a paid plan. Unlike the others, it has its status in an error, and a time."""
    message = (
        "Your request exceeds the allowed time range. Public API users are limited to querying historical data within "
        "the past 365 days. Upgrade to a paid plan to enjoy full historical data access: "
        "https://www.coingecko.com/en/api/pricing. "
    )
    timestamp = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return error(401, {"error": {"status": {"timestamp": timestamp, "error_code": 10012, "error_message": message}}})


def _wrong_host(code: int, key: str, wrong: str, right: str) -> Answer:
    message = f"If you are using {key} API key, please change your root URL from {wrong} to {right}"
    return error(400, {"error_code": code, "status": {"error_message": message}})


PRO_KEY_AT_PUBLIC_HOST = _wrong_host(10010, "Pro", "api.coingecko.com", "pro-api.coingecko.com")
DEMO_KEY_AT_PRO_HOST = _wrong_host(10011, "Demo", "pro-api.coingecko.com", "api.coingecko.com")

# Requests that make no sense.
NO_CURRENCY = error(422, {"error": "Missing parameter vs_currency"})
WRONG_CURRENCY = error(400, {"error": "invalid vs_currency"})
NO_DAYS = error(422, {"error": "Missing parameter days"})
WRONG_DAYS = error(400, {"error": "invalid days"})
NO_SUCH_COIN = error(404, {"error": "coin not found"})
NO_SUCH_CATEGORY = error(404, {"error": "category not found"})
NO_SUCH_PATH = error(404, {"error": "Incorrect path. Please check https://docs.coingecko.com/"})
URL_TOO_LONG = page_of_html(414, "414 Request-URI Too Large", "414 Request-URI Too Large")

# The server's own trouble.
SERVER_ERROR = error(500, {"status": 500, "error": "Internal Server Error"})
BAD_GATEWAY = page_of_html(502, "api.coingecko.com | 502: Bad gateway", "Bad gateway")
UNAVAILABLE = page_of_html(503, "503 Service Temporarily Unavailable", "503 Service Temporarily Unavailable")


def cloudflare_error(status: int) -> Answer:
    """520 to 530: the front has trouble with the server behind it."""
    return page_of_html(status, f"api.coingecko.com | {status}: Origin error", f"Error code {status}")


def unavailable(retry_after: int | str) -> Answer:
    return replace(UNAVAILABLE, headers=HTML | {"retry-after": str(retry_after)})


# Statuses that one does not expect.


def bare(status: int) -> Answer:
    """A page of HTML that says no more than its status, e.g. 408, 418, 425 or 451."""
    title = f"{status} {responses[status]}"
    return page_of_html(status, title, title)


def in_a_200(answer: Answer) -> Answer:
    """The same under a status that says that all is well."""
    return replace(answer, status=200)


NO_CONTENT = Answer(204, headers={"content-length": None})
PARTIAL_CONTENT = Answer(206, b"[]", JSON | {"content-range": "bytes 0-1/60000"})
NOT_MODIFIED = Answer(304, headers={"content-length": None})
HTML_IN_A_200 = page_of_html(200, "CoinGecko", "Crypto prices")


def redirect(url: str, status: int = 302) -> Answer:
    return Answer(status, headers=HTML | {"location": url})


# Answers that are broken on the way.
EMPTY = Answer()
CUT_JSON = Answer(body=b'[{"id":"bitcoin","symbol":"btc","name":"Bit')
HUNG_UP = Answer(close=True)
HANGS = Answer(delay=math.inf, close=True)  # until the client gives up or the server closes
RESET = Answer(close=True, end="reset")  # RST where HUNG_UP says a polite FIN
GARBAGE = Answer(body=b"\x15\x03\x01\x00\x02\x02\x46 no HTTP\r\n\r\n", close=True)

# What has come of these parses, and looks like the page past the end.
_MORE_TO_COME = Answer(body=b"[]" + b" " * 10_000, headers=JSON | {"content-encoding": None})
CUT_BODY = replace(_MORE_TO_COME, sends=2, end="close")
CUT_CHUNKS = replace(_MORE_TO_COME, sends=-5, end="close", chunked=True)  # lacks but the last chunk, the empty one
RESET_BODY = replace(_MORE_TO_COME, sends=2, end="reset")
STALLS = replace(_MORE_TO_COME, sends=2, end="stall")  # until the client gives up or the server closes


def trickles(per_second: float) -> Answer:
    """A sound answer, so many bytes a second: 10,002 of them."""
    return replace(_MORE_TO_COME, pace=per_second)


# Answers that repeat what they were asked with.


def secret(request: Request) -> str:
    """The key or token that came with a request."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    return request.headers.get(DEMO_KEY) or request.headers.get(PRO_KEY) or token


def echo(request: Request) -> Answer:
    """401 that quotes the key."""
    return error(401, {"error": f"Invalid API key: {secret(request)}"})


# Answers that are not packed as they should be. Where one unpacks, it parses: to take it would be a silent mistake.
_RECORD = b'[{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":60000}]'
_ZIPPED = gzip.compress(_RECORD, mtime=0)  # ends with a checksum of 4 bytes and a length of 4


def packed(body: bytes, coding: str = "gzip") -> Answer:
    """These bytes as they are, under this content-encoding, whatever the client takes."""
    return Answer(body=body, headers=JSON | {"content-encoding": coding})


CUT_GZIP = packed(gzip.compress(b"[]" * 1_000, mtime=0)[:-12])
HALF_GZIP = packed(_ZIPPED[: len(_ZIPPED) // 2])
CUT_GZIP_TRAILER = packed(_ZIPPED[:-4])  # the data is whole
WRONG_CHECKSUM = packed(_ZIPPED[:-8] + bytes(4) + _ZIPPED[-4:])  # the data is whole
FLIPPED_BIT = packed(gzip.compress(_RECORD, compresslevel=0, mtime=0).replace(b"60000", b"70000"))  # only it can tell
FALSE_GZIP = packed(b"[]")  # says gzip and is plain
DOUBLE_GZIP = packed(gzip.compress(_ZIPPED, mtime=0), "gzip, gzip")
DEFLATE = packed(zlib.compress(_RECORD), "deflate")
BROTLI = packed(b"\x8b\x00\x80[]\x03", "br")
ZSTD = packed(b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00[]", "zstd")
UNKNOWN_CODING = packed(b"[]", "nonsense")

# Answers that are too much, or not the text they should be.


def oversized(mebibytes: int) -> Answer:
    """An empty list with so many MiB of spaces in it, not packed."""
    return Answer(body=b"[" + b" " * (mebibytes << 20) + b"]", headers=JSON | {"content-encoding": None})


def gzip_bomb(mebibytes: int) -> Answer:
    """The same, packed to less than a hundredth."""
    packer, spaces = zlib.compressobj(level=1, wbits=31), b" " * (1 << 20)
    pieces = [b"[", *[spaces] * mebibytes, b"]"]
    return packed(b"".join(map(packer.compress, pieces)) + packer.flush())


def nested(depth: int) -> Answer:
    return Answer(body=b"[" * depth + b"]" * depth)


def nested_record(coin_id: str, depth: int, field: str = "roi") -> str:
    """Text for Market.replace()."""
    return f'{{"id":"{coin_id}","symbol":"x","name":"Nested","{field}":{"[" * depth}{"]" * depth}}}'


UNBALANCED = Answer(body=b"[" * 200_000)
BLANK = Answer(body=b" " * 1_000)
WITH_BOM = Answer(body=b"\xef\xbb\xbf" + _RECORD)
UTF_16 = Answer(body=_RECORD.decode().encode("utf-16"))
LATIN_1 = Answer(body=_RECORD.replace(b"Bitcoin", b"Bitco\xefn"))
