"""What a fake API can answer instead of data."""

import contextlib
import gzip
import http.client
import json
import math
import queue
import threading
import time
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from fake_api import Answer, FakeAPI, answers
from tests.support.asking import AGENT, Reply, ask, ask_on, connected


@pytest.mark.parametrize(
    ("answer", "status", "header", "part"),
    [
        pytest.param(answers.rate_limited(7), 429, {"retry-after": "7"}, b'"error_code":429', id="Retry-After"),
        pytest.param(
            answers.rate_limited_until(datetime(2026, 1, 1, tzinfo=UTC)),
            429,
            {"x-ratelimit-reset": "2026-01-01 00:00:00 +0000"},
            b'"error_code":429',
            id="x-ratelimit-reset",
        ),
        pytest.param(answers.rate_limited("soon"), 429, {"retry-after": "soon"}, b"", id="Retry-After of any text"),
        pytest.param(
            answers.rate_limited("Thu, 01 Jan 2026 00:00:30 GMT", date="Thu, 01 Jan 2026 00:00:00 GMT"),
            429,
            {"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            b'"error_code":429',
            id="Retry-After and Date",
        ),
        pytest.param(
            answers.rate_limited_until("later"), 429, {"x-ratelimit-reset": "later"}, b"", id="reset of any text"
        ),
        pytest.param(
            answers.cloudflare_limited(30),
            429,
            {"retry-after": "30", "content-type": "text/html; charset=UTF-8"},
            b"<title>Access denied | api.coingecko.com used Cloudflare to restrict access</title>",
            id="Cloudflare",
        ),
        pytest.param(answers.RATE_LIMITED, 429, {}, b'"error_code":429', id="429 without a time"),
        pytest.param(answers.RATE_LIMITED_IN_A_200, 200, {}, b'"error_code":429', id="429 in a 200"),
        pytest.param(answers.CREDITS_SPENT, 429, {}, b'"error_code":10006', id="credits spent"),
        pytest.param(answers.KEY_MISSING, 401, {}, b'"error_code":10002', id="key missing"),
        pytest.param(answers.NOT_IN_PLAN, 401, {}, b'"error_code":10005', id="not in the plan"),
        pytest.param(answers.PRO_KEY_AT_PUBLIC_HOST, 400, {}, b'{"error_code":10010,"status":{', id="pro key"),
        pytest.param(answers.DEMO_KEY_AT_PRO_HOST, 400, {}, b'{"error_code":10011,"status":{', id="demo key"),
        pytest.param(answers.SERVER_ERROR, 500, {}, b'"error":"Internal Server Error"', id="500"),
        pytest.param(answers.BAD_GATEWAY, 502, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="502"),
        pytest.param(answers.UNAVAILABLE, 503, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="503"),
        pytest.param(Answer(520), 520, {"server": "cloudflare"}, b"", id="520 without a page"),
        *[
            pytest.param(
                answers.cloudflare_error(status),
                status,
                {"content-type": "text/html; charset=UTF-8"},
                b"<title>",
                id=f"{status} with a page",
            )
            for status in range(520, 531)
        ],
        *[
            pytest.param(
                answers.bare(status),
                status,
                {"content-type": "text/html; charset=UTF-8"},
                b"<title>%d " % status,
                id=f"{status}",
            )
            for status in (408, 418, 425, 451)
        ],
        pytest.param(answers.unavailable(5), 503, {"retry-after": "5"}, b"<title>", id="503 with Retry-After"),
        pytest.param(answers.NO_CONTENT, 204, {}, b"", id="204"),
        pytest.param(answers.PARTIAL_CONTENT, 206, {"content-range": "bytes 0-1/60000"}, b"[]", id="206"),
        pytest.param(answers.NOT_MODIFIED, 304, {}, b"", id="304"),
        pytest.param(answers.FORBIDDEN, 403, {}, b'{"error":"Forbidden"}', id="403"),
        pytest.param(
            answers.BLOCKED,
            403,
            {"content-type": "text/html; charset=UTF-8"},
            b"Cloudflare</title>",
            id="403 from Cloudflare",
        ),
        pytest.param(
            answers.HTML_IN_A_200, 200, {"content-type": "text/html; charset=UTF-8"}, b"<title>", id="HTML in a 200"
        ),
        pytest.param(answers.in_a_200(answers.WRONG_CURRENCY), 200, {}, b'{"error":"invalid', id="error in a 200"),
        pytest.param(answers.EMPTY, 200, {"content-length": "0"}, b"", id="empty"),
        pytest.param(
            answers.redirect("http://other.test/"), 302, {"location": "http://other.test/"}, b"", id="redirect"
        ),
        pytest.param(Answer(headers={"Server": "x"}, body=b"[1]"), 200, {"server": "x"}, b"[1]", id="of one's own"),
    ],
)
def test_a_fault_is_answered_once_in_the_place_of_data(api, answer, status, header, part):
    api.fault(answer)

    reply, next_reply = ask(api), ask(api)

    assert reply.status == api.requests[0].status == status
    assert header.items() <= reply.headers.items()
    assert part in reply.body
    assert (next_reply.status, len(next_reply.json)) == (200, 100)


@pytest.mark.parametrize("name", ["Date", "Server", "ETag", "Content-Type"])
def test_an_answer_can_lack_a_header(api, name):
    api.fault(Answer(headers=answers.JSON | {name: None}))

    without, usual = ask(api), ask(api)

    assert name.lower() in usual.headers
    assert name.lower() not in without.headers


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(answers.CUT_GZIP, EOFError, id="cut"),
        pytest.param(answers.HALF_GZIP, EOFError, id="half"),
        pytest.param(answers.CUT_GZIP_TRAILER, EOFError, id="cut in the trailer"),
        pytest.param(answers.FALSE_GZIP, gzip.BadGzipFile, id="plain"),
        pytest.param(answers.WRONG_CHECKSUM, gzip.BadGzipFile, id="wrong checksum"),
        pytest.param(answers.FLIPPED_BIT, gzip.BadGzipFile, id="flipped bit"),
    ],
)
def test_broken_gzip_does_not_unpack(api, answer, problem):
    api.fault(answer)

    reply = ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    assert reply.headers["content-encoding"] == "gzip"
    assert reply.body == answer.body
    with pytest.raises(problem):
        gzip.decompress(reply.body)


@pytest.mark.parametrize(
    ("answer", "price"),
    [(answers.CUT_GZIP_TRAILER, 60_000), (answers.WRONG_CHECKSUM, 60_000), (answers.FLIPPED_BIT, 70_000)],
)
def test_broken_gzip_may_hold_data_that_parse_if_the_checksum_is_ignored(api, answer, price):
    api.fault(answer)

    reply = ask(api)

    assert json.loads(zlib.decompressobj(wbits=-15).decompress(reply.body[10:]))[0]["current_price"] == price


@pytest.mark.parametrize(
    ("answer", "coding", "unpack"),
    [
        pytest.param(
            answers.DOUBLE_GZIP, "gzip, gzip", lambda body: gzip.decompress(gzip.decompress(body)), id="gzip twice"
        ),
        pytest.param(answers.DEFLATE, "deflate", zlib.decompress, id="deflate"),
        pytest.param(answers.BROTLI, "br", lambda body: body[3:-1], id="brotli"),
        pytest.param(answers.ZSTD, "zstd", lambda body: body[-2:], id="zstd"),
        pytest.param(answers.UNKNOWN_CODING, "nonsense", bytes, id="nonsense"),
    ],
)
def test_an_answer_can_be_packed_in_a_way_that_was_not_asked_for(api, answer, coding, unpack):
    api.fault(answer)

    reply = ask(api)

    assert reply.headers["content-encoding"] == coding
    assert isinstance(json.loads(unpack(reply.body)), list)


@pytest.mark.parametrize(("answer", "wire"), [(answers.oversized(3), 3 << 20), (answers.gzip_bomb(3), 3 << 13)])
def test_a_body_can_be_too_large(api, answer, wire):
    api.fault(answer)

    reply = ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    body = gzip.decompress(reply.body) if "content-encoding" in reply.headers else reply.body
    assert (json.loads(body), len(body)) == ([], (3 << 20) + 2)
    assert wire * 0.5 < len(reply.body) < wire * 1.1


def test_json_can_be_nested_too_deep(api, market):
    api.fault(answers.nested(3))
    api.fault(answers.nested(100_000))
    api.fault(answers.UNBALANCED)
    market.replace("bitcoin", answers.nested_record("bitcoin", 3))

    shallow, deep, unbalanced, coin = ask(api), ask(api), ask(api), ask(api, ids="bitcoin")

    assert (shallow.json, coin.json[0]["id"], coin.json[0]["roi"]) == ([[[]]], "bitcoin", [[[]]])
    for reply in (deep, unbalanced):
        with pytest.raises(RecursionError):
            _ = reply.json


@pytest.mark.parametrize(
    ("answer", "encoding"),
    [(answers.WITH_BOM, "utf-8-sig"), (answers.UTF_16, "utf-16"), (answers.LATIN_1, "latin-1")],
)
def test_json_can_be_no_plain_utf_8(api, answer, encoding):
    api.fault(answer)

    reply = ask(api)

    assert json.loads(reply.body.decode(encoding))[0]["id"] == "bitcoin"
    with pytest.raises(ValueError, match=r"BOM|utf-8"):
        json.loads(reply.body.decode())


@pytest.mark.parametrize("answer", [answers.CUT_JSON, answers.BLANK, answers.EMPTY, answers.HTML_IN_A_200])
def test_a_body_can_be_no_json(api, answer):
    api.fault(answer)

    with pytest.raises(json.JSONDecodeError):
        _ = ask(api).json


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(answers.HUNG_UP, http.client.RemoteDisconnected, id="hung up"),
        pytest.param(answers.RESET, ConnectionResetError, id="reset"),
        pytest.param(answers.GARBAGE, http.client.BadStatusLine, id="no HTTP"),
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_connection_can_end_without_an_answer_at_its_first_request_and_later(api, answer, error, after):
    api.fault(answer, after=after)

    with connected(api) as connection:
        for _ in range(after):
            ask_on(connection)
        with pytest.raises(error) as caught:
            ask_on(connection)

    assert caught.type is error  # a polite end is a ConnectionResetError, too
    assert [request.status for request in api.requests] == [200] * after + [0]
    assert api.connections == 1


@pytest.mark.parametrize("answer", [answers.CUT_BODY, answers.CUT_CHUNKS])
def test_what_comes_of_a_cut_body_parses(api, answer):
    api.fault(answer)

    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(api, headers=AGENT | {"accept-encoding": "gzip"})

    assert json.loads(caught.value.partial) == []


def test_a_connection_can_be_reset_amid_a_body(api):
    api.fault(answers.RESET_BODY)

    with pytest.raises(ConnectionResetError):
        ask(api)


def test_a_chunked_answer_is_one_like_any_other(api):
    api.fault(Answer(body=b"[1]", chunked=True), times=2)
    api.fault(Answer(chunked=True))

    with connected(api) as connection:
        plain, empty = ask_on(connection), ask_on(connection, headers={"accept-encoding": "gzip"})
        last = ask_on(connection)

    assert plain.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in plain.headers
    assert (plain.body, gzip.decompress(empty.body), last.body) == (b"[1]", b"[1]", b"")


def test_a_sound_answer_may_end_its_connection_unannounced(api):
    api.fault(Answer(body=b"[]", end="close"))

    with connected(api) as connection:
        ask_on(connection)

        assert connection.sock.recv(1) == b""


def test_a_body_can_stall_until_the_server_closes(market):
    with contextlib.ExitStack() as clients:
        with FakeAPI(market) as api:
            api.fault(answers.STALLS)
            connection = clients.enter_context(connected(api))
            connection.request("GET", "/api/v3/coins/markets", headers=AGENT)
            response = connection.getresponse()
            first = response.read(2)
            connection.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.sock.recv(1)

        assert (first, connection.sock.recv(1)) == (b"[]", b"")


def test_a_body_can_trickle(api):
    api.fault(answers.trickles(per_second=50_000))

    reply = ask(api)

    assert (reply.json, len(reply.body)) == ([], 10_002)
    assert time.monotonic() - api.requests[0].sent >= 0.2


@pytest.mark.parametrize("answer", [answers.HANGS, answers.trickles(per_second=1), Answer(wait=threading.Event())])
def test_an_answer_that_takes_for_ever_ends_when_the_server_closes(market, answer):
    errors = (http.client.RemoteDisconnected, http.client.IncompleteRead)
    with FakeAPI(market) as api:
        api.fault(answer)
        client = threading.Thread(target=pytest.raises, args=[errors, ask, api])
        client.start()
        api.wait_for(requests=1)

    client.join(timeout=5)
    assert not client.is_alive()


def test_an_answer_can_wait_until_the_test_has_acted(api, market):
    gate = threading.Event()
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    api.fault(lambda _: Answer(body=market.text("tether").encode(), wait=gate))
    threading.Thread(target=lambda: replies.put(ask(api))).start()
    api.wait_for(requests=1)

    unsent, acted = api.requests[0].sent, time.monotonic()
    gate.set()

    assert replies.get(timeout=10).json["id"] == "tether"
    assert unsent is None
    assert api.requests[0].sent >= acted


@pytest.mark.parametrize(("plan", "header"), [("demo", "x-cg-demo-api-key"), ("pro", "x-cg-pro-api-key")])
def test_an_answer_can_repeat_the_key_it_was_asked_with(market, plan, header):
    with FakeAPI(market, plan=plan, key="se/cret") as api:
        api.fault(answers.echo)
        reply = ask(api, headers=AGENT | {header: "se/cret"})

    assert (reply.status, reply.json) == (401, {"error": "Invalid API key: se/cret"})
    assert api.requests[0].status == 401


def test_an_answer_can_be_made_of_the_request(api):
    api.fault(lambda request: answers.redirect(f"http://other.test{request.path}?page={request.params['page']}"))

    reply = ask(api, page=3)

    assert (reply.status, reply.headers["location"]) == (302, "http://other.test/coins/markets?page=3")


def test_faults_go_to_the_requests_they_are_for(api):
    api.fault(answers.SERVER_ERROR, page=2)
    api.fault(answers.BAD_GATEWAY, ids="tether")
    api.fault(answers.UNAVAILABLE, path="/coins/list")
    api.fault(answers.EMPTY, path=None, page=9)

    asked: list[dict[str, Any]] = [{"page": 1}, {"page": 2}, {"ids": "bitcoin"}, {"ids": "bitcoin,tether"}]
    statuses = [ask(api, **params).status for params in asked]

    assert statuses == [200, 500, 200, 502]
    assert ask(api, "/coins/list").status == 503
    assert ask(api, "/ping", page=9).body == b""


def test_faults_for_the_same_requests_come_one_after_the_other(api):
    api.fault(answers.SERVER_ERROR, times=2, after=1)
    api.fault(answers.BAD_GATEWAY, after=1)
    api.fault(answers.UNAVAILABLE, page=1, times=math.inf, after=1)

    statuses = [ask(api).status for _ in range(6)]

    assert statuses == [200, 500, 500, 502, 503, 503]


def test_a_page_can_be_answered_with_another(api):
    api.fault({"page": 1}, page=2)

    first, repeated, second = (ask(api, order="id_asc", page=page).ids for page in (1, 2, 2))

    assert repeated == first != second
    assert [request.params["page"] for request in api.requests] == ["1", "2", "2"]


def test_every_page_can_be_answered_with_the_first(api):
    api.fault({"page": 1}, times=math.inf)

    pages = [ask(api, order="id_asc", page=page).body for page in (1, 2, 99)]

    assert pages[0] == pages[1] == pages[2] != b"[]"


def test_the_usual_answer_can_be_sent_in_another_way(api):
    usual = ask(api, vs_currency="usd")
    api.fault(lambda request: api.usual(request, status=203))

    changed = ask(api, vs_currency="usd")

    assert (usual.status, changed.status) == (200, 203)
    assert changed.body == usual.body
