"""Pages that name the next one, by a link or a token: which link is followed, and what ends a chain."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from scrapy.http import Request, Response

from coincrawl.pagination import NextLink, PageNumber, PagingError
from coincrawl.responses import Rows

URL = "https://api.example/coins?order=id_asc"


HERE = "https://api.example/v1/coins/?page=1"


def following(
    body: dict[str, Any],
    url: str = HERE,
    pagination: NextLink | None = None,
    headers: dict[str, str | list[str]] | None = None,
    page: int = 1,
) -> list[str]:
    """The addresses to ask for after a page with this body; where it does not say otherwise, it has one row."""
    request = Request(url, meta={"page": page, "empty": 0, "verbatim_url": True})
    response = Response(url, headers=headers or {})
    rows = body.get("results", ["row"])
    requests = (pagination or NextLink()).next(request, response, Rows(rows, body))
    assert [request.meta["page"] for request in requests] == [page + 1] * len(requests)
    return [request.url for request in requests]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("next", {"next": "?page=2"}),
        ("links.next", {"links": {"next": "?page=2"}}),
        ("links.next", {"links.next": "?page=2"}),
        ("pagination.next", {"next": "?page=9", "pagination": {"next": "?page=2"}}),
        ("@odata.nextLink", {"@odata.nextLink": "?page=2"}),
        ("a.b.c.d", {"a.b": {"c": {"d": "?page=2"}}}),
    ],
)
def test_a_link_is_at_its_path(path: str, body: dict[str, Any]) -> None:
    assert following(body, pagination=NextLink(link=path)) == ["https://api.example/v1/coins/?page=2"]


@pytest.mark.parametrize("link", ["?page=2", {"href": "?page=2", "title": "The next page"}], ids=["text", "object"])
def test_a_link_may_be_an_object_with_an_address(link: Any) -> None:
    assert following({"links": {"next": link}}, pagination=NextLink(link="links.next")) == [f"{HERE[:-1]}2"]


@pytest.mark.parametrize("token", ["d2ViMw==", Decimal(2), "a&b=c"], ids=["text", "number", "odd"])
def test_a_token_asks_for_the_next_page(token: Any) -> None:
    pagination = NextLink(token="meta.next_token", size=5)
    first = pagination.first(URL)

    (second,) = pagination.next(first, Response(first.url), Rows(["row"], {"meta": {"next_token": token}}))
    (third,) = pagination.next(second, Response(second.url), Rows(["row"], {"meta": {"next_token": "t3"}}))

    assert second.url == f"{first.url}&{urlencode({'cursor': str(token)})}"
    assert third.url == f"{URL}&page_size=5&cursor=t3"


@pytest.mark.parametrize("token", [None, False, "", Decimal(0), "0"], ids=repr)
@pytest.mark.parametrize("page", [1, 7])
def test_no_token_ends_the_chain(token: Any, page: int) -> None:
    assert following({"next_token": token}, pagination=NextLink(token="next_token"), page=page) == []


@pytest.mark.parametrize("token", [True, [], {}, ["a"], Decimal("1.5"), Decimal("NaN")], ids=repr)
def test_a_token_of_a_wrong_type_is_named(token: Any) -> None:
    with pytest.raises(PagingError, match=r"page 1 has .* as its 'next_token', which is not a token"):
        following({"next_token": token}, pagination=NextLink(token="next_token"))


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("\ud800", "the token on page 1 cannot be sent"),
        ("a" * 3_000, "with the token on page 1 the address has 30"),
        ("a***", "the token on page 1 has the key in it"),
    ],
)
def test_a_token_that_no_address_can_have_is_named(token: str, words: str) -> None:
    with pytest.raises(PagingError, match=re.escape(words)) as raised:
        following({"next_token": token}, pagination=NextLink(token="next_token"))

    assert str(raised.value).isprintable()


def test_a_number_is_sent_as_such() -> None:
    (url,) = following({"next_token": Decimal("1E+3")}, pagination=NextLink(token="next_token"))

    assert url == f"{HERE}&cursor=1000"


def test_a_first_page_without_the_tokens_key_is_not_taken_for_all() -> None:
    with pytest.raises(PagingError, match=r"page 1 has no 'meta\.token', and no count says that it is all"):
        following({"next_token": "a"}, pagination=NextLink(token="meta.token"))


@pytest.mark.parametrize(
    "header",
    [
        '<https://api.example/v1/coins/?page=2>; rel="next"',
        "<?page=2>;rel=next",
        '<?page=1>; rel="prev", <?page=2>; rel="next"; title="on, and <on>; rel=no"',
        '</a,b;c>; rel="prev", <?page=2>; title="x"; REL="last Next"',
        ["<?page=1>; rel=prev", "<?page=2>; rel=next"],
    ],
    ids=["quoted", "bare", "among others", "several relations", "several headers"],
)
def test_a_link_may_be_in_a_header(header: str | list[str]) -> None:
    pagination = NextLink(header="Link", rows="")

    assert following({}, pagination=pagination, headers={"Link": header}) == ["https://api.example/v1/coins/?page=2"]


@pytest.mark.parametrize(
    "header",
    [
        "<?page=1>; rel=prev",
        "<?page=2>",
        "<?page=2>; rel=nextish",
        '<?page=2>; title="; rel=next"',
        '<?page=2>; title="rel=next"',
        '<?page=2>; rel=next; anchor="#another"',
        "",
    ],
)
def test_a_header_without_a_next_link_ends_the_chain(header: str) -> None:
    assert following({}, pagination=NextLink(header="Link", rows=""), headers={"Link": header}, page=2) == []


@pytest.mark.parametrize(
    "header",
    ["?page=2; rel=next", '<?page=2>; rel="next', "<?page=2>;;rel=next", "<?page=2; rel=next", "<?page=2>, next"],
)
def test_a_header_that_cannot_be_read_is_named(header: str) -> None:
    with pytest.raises(PagingError, match="the Link header cannot be read: "):
        following({}, pagination=NextLink(header="Link", rows=""), headers={"Link": header}, page=2)


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://api.example/v1/coins/?page=2", "https://api.example/v1/coins/?page=2"),
        ("?page=2", "https://api.example/v1/coins/?page=2"),
        ("/v2/x?page=2", "https://api.example/v2/x?page=2"),
        ("page2", "https://api.example/v1/coins/page2"),
        ("../page2", "https://api.example/v1/page2"),
        ("//api.example/x", "https://api.example/x"),
        (" ?page=2\n", "https://api.example/v1/coins/?page=2"),
        ("?page=2#rows", "https://api.example/v1/coins/?page=2"),
        ("HTTPS://API.example:443/x", "https://API.example:443/x"),
        ("http://api.example/x?y=http://evil", "https://api.example/x?y=http://evil"),
        ("http://api.example:80/x", "https://api.example/x"),
        ("http://API.EXAMPLE:443/x", "https://api.example/x"),
    ],
)
def test_a_link_is_seen_from_its_page(link: str, address: str) -> None:
    assert following({"next": link}) == [address]


def test_a_proxys_port_is_kept_where_it_has_lost_https() -> None:
    assert following({"next": "http://api.example/x"}, "https://api.example:8443/") == ["https://api.example:8443/x"]


@pytest.mark.parametrize("query", ["c=%2C%2c+%20&empty=&x", "c=[1]'(a)*|\"{}^`", "c=%zz%&c=c", "b=2&a=1&page_size=7"])
def test_a_link_is_used_as_it_stands(query: str) -> None:
    link = f"https://api.example/v1/coins/?{query}"

    assert following({"next": link}, pagination=NextLink(size=100)) == [link]


def test_what_no_request_line_can_hold_is_encoded() -> None:
    assert following({"next": "?c=a b\u00e9'%"}) == ["https://api.example/v1/coins/?c=a%20b%C3%A9'%"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "//evil.example/",
        "https://api.example.evil.example/",
        "https://api.example:8443/",
        "https://api.example:0/",
        "http://api.example:8080/",
        "ftp://api.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:application/json,[]",
        "wss://api.example/",
    ],
)
def test_a_link_to_another_origin_is_refused_with_what_to_do(link: str) -> None:
    with pytest.raises(
        PagingError, match=r"the link on page 1 leads to another origin and is not followed: .*If it is"
    ):
        following({"next": link})


def test_a_link_from_http_to_https_is_refused_too() -> None:
    with pytest.raises(PagingError, match="another origin"):
        following({"next": "https://127.0.0.1/"}, "http://127.0.0.1/")


@pytest.mark.parametrize("link", ["https://user@api.example/", "https://user:word@api.example/", "//:@api.example/"])
def test_a_link_with_a_user_or_a_password_is_refused(link: str) -> None:
    with pytest.raises(PagingError, match="has a user or a password in it") as raised:
        following({"next": link})

    assert "word@" not in str(raised.value)


@pytest.mark.parametrize(
    "link", ["https://api.example:port/", "https://[api.example/", "?\ud800", "?a\r\nHost: evil", "?\0", "?\x7f"]
)
def test_a_link_that_is_no_address_is_refused(link: str) -> None:
    with pytest.raises(PagingError, match="the link on page 1 is not an address") as raised:
        following({"next": link})

    assert str(raised.value).isprintable()


@pytest.mark.parametrize("link", [5, 0, Decimal("1.5"), True, ["?page=2"], {"url": "?page=2"}, {"href": 5}], ids=repr)
def test_a_link_of_a_wrong_type_is_named(link: Any) -> None:
    with pytest.raises(PagingError, match=r"page 1 has .* as its 'next', which is not an address"):
        following({"next": link})


@pytest.mark.parametrize(
    "body", [{"next": None}, {"next": False}, {"next": ""}, {}], ids=["null", "false", "empty", "absent"]
)
@pytest.mark.parametrize("page", [1, 7])
def test_null_false_empty_and_absent_end_the_chain(body: dict[str, Any], page: int) -> None:
    assert following(body | {"count": Decimal(1)}, page=page) == []


def test_no_link_on_the_first_page_although_there_is_more_is_named() -> None:
    with pytest.raises(PagingError, match=r"page 1 has no 'links\.next', and there are 600 records by its 'count'"):
        following({"next": "?page=2", "count": Decimal(600)}, pagination=NextLink(link="links.next"))
    with pytest.raises(PagingError, match=r"page 1 has no 'links\.next', and no count says that it is all"):
        following({"next": "?page=2"}, pagination=NextLink(link="links.next"))


@pytest.mark.parametrize(
    ("body", "pagination", "is_all"),
    [
        ({"count": Decimal(1)}, NextLink(), True),
        ({"count": Decimal(2)}, NextLink(size=5), False),
        ({}, NextLink(), False),
        ({}, NextLink(size=1_000), False),
        ({}, NextLink(header="Link", rows="", size=1_000), False),
    ],
    ids=["counted", "counted more", "neither", "fewer than asked for", "no header"],
)
def test_a_first_page_without_a_link_is_all_where_something_says_so(
    body: dict[str, Any], pagination: NextLink, is_all: bool
) -> None:
    if is_all:
        assert following(body, pagination=pagination) == []
    else:
        with pytest.raises(PagingError, match=r"page 1 has no .*: is the pagination's link the right one\?"):
            following(body, pagination=pagination)


def test_a_link_with_the_key_in_it_is_refused() -> None:
    with pytest.raises(PagingError, match="the link on page 1 has the key in it"):
        following({"next": "?page=2&token=***"})


@pytest.mark.parametrize(("length", "is_followed"), [(2_083, True), (2_084, False), (100_000, False)])
def test_a_link_has_a_longest_length(length: int, is_followed: bool) -> None:
    link = "https://api.example/?".ljust(length, "x")

    if is_followed:
        assert following({"next": link}) == [link]
    else:
        with pytest.raises(PagingError, match=f"the link on page 1 has {length} characters, and no more than 2083"):
            following({"next": link})


def test_an_empty_page_with_a_link_is_followed() -> None:
    assert following({"next": "?page=2", "results": []}) == ["https://api.example/v1/coins/?page=2"]


def test_a_chain_of_empty_pages_has_an_end() -> None:
    pagination = NextLink()
    request = pagination.first(HERE)
    for page in range(2, 11):
        (request,) = pagination.next(request, Response(request.url), Rows([], {"next": f"?page={page}"}))

    with pytest.raises(PagingError, match="10 pages in a row were empty up to page 10"):
        pagination.next(request, Response(request.url), Rows([], {"next": "?page=11"}))


def test_records_end_a_row_of_empty_pages() -> None:
    pagination = NextLink(max_empty=2)
    request = pagination.first(HERE)

    for rows in ([], ["row"], [], ["row"]):
        (request,) = pagination.next(request, Response(request.url), Rows(rows, {"next": "?x"}))

    assert request.meta["page"] == 5


@pytest.mark.parametrize("pagination", [PageNumber(size=5), NextLink()], ids=["numbers", "links"])
def test_a_page_that_is_asked_for_again_is_filtered_from_nothing_and_used_as_it_stands(pagination: Any) -> None:
    again = pagination.again(HERE, 3, f"{HERE}&b=2&a=1")

    assert again.dont_filter
    assert again.meta["page"] == 3
    assert pagination.is_numbered or (again.url, again.meta["verbatim_url"]) == (f"{HERE}&b=2&a=1", True)


def test_a_page_that_is_empty_again_begins_a_row_of_its_own() -> None:
    pagination = NextLink(max_empty=2)

    assert pagination.next(pagination.again(HERE, 3, HERE), Response(HERE), Rows([], {"next": "?page=4"}))


def test_nothing_leads_on_from_a_page_without_an_answer() -> None:
    assert NextLink().next(NextLink().first(HERE), None, None) == []


@pytest.mark.parametrize(
    ("options", "address"),
    [({}, HERE), ({"size": 100}, f"{HERE}&page_size=100"), ({"size": 100, "size_parameter": ""}, HERE)],
    ids=["the API's own", "asked for", "not to be asked for"],
)
def test_the_first_page_may_be_asked_for_a_size(options: dict[str, Any], address: str) -> None:
    assert NextLink(**options).first(HERE).url == address


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (Decimal(600), 600),
        (Decimal(0), 0),
        ("600", 600),
        (Decimal(999_999_999), 999_999_999),
        ("999999999", 999_999_999),
        (None, None),
    ],
    ids=repr,
)
def test_a_count_is_believed_where_it_is_a_number(count: Any, expected: int | None) -> None:
    assert NextLink().count(Response(HERE), Rows([], {"count": count})) == expected


@pytest.mark.parametrize(
    "count",
    [[], True, "many", "", "²", "9" * 10, Decimal(10**9), *map(Decimal, ("-1", "1.5", "NaN", "Infinity", "1e999999"))],
    ids=repr,
)
def test_a_count_that_is_no_number_of_records_is_named(count: Any) -> None:
    answer = Rows(["row"], {"count": count, "next": "?page=2"})

    with pytest.raises(PagingError, match=r"the API counts .* records, which is not a valid number"):
        NextLink().count(Response(HERE), answer)

    assert NextLink().expected(Response(HERE), answer) is None
    assert following(dict(answer.envelope)) == ["https://api.example/v1/coins/?page=2"]


@pytest.mark.parametrize(
    ("pagination", "envelope", "is_empty"),
    [
        (NextLink(), {"count": Decimal(0), "next": "?page=2"}, True),
        (NextLink(), {"count": Decimal(9), "next": None}, True),
        (NextLink(), {"count": Decimal(9)}, True),
        (NextLink(), {"count": Decimal(9), "next": "?page=2"}, False),
        (NextLink(header="Link"), {"count": Decimal(9)}, False),
        (NextLink(header="Link"), {"count": Decimal(0)}, True),
        (NextLink(token="token"), {"next": None, "token": "a"}, False),
        (NextLink(token="token"), {"next": "?page=2", "token": None}, True),
        (NextLink(token="token"), {"token": Decimal(0)}, True),
        (NextLink(link="links.next"), {"links": {"next": {"href": None}}}, True),
        (NextLink(link="links.next"), {"links": {"next": {"href": "?page=2"}}}, False),
        (PageNumber(size=5), {}, True),
    ],
)
def test_a_null_means_no_records_where_nothing_speaks_of_any(
    pagination: NextLink | PageNumber, envelope: dict[str, Any], is_empty: bool
) -> None:
    assert pagination.is_empty(envelope) is is_empty


def test_an_empty_page_says_nothing_of_how_many_to_expect() -> None:
    assert NextLink().expected(Response(HERE), Rows([], {"count": Decimal(601)})) is None
    assert NextLink().expected(Response(HERE), None) is None


def test_the_count_says_how_many_pages_to_expect() -> None:
    answer = Rows(["row"] * 100, {"count": Decimal(601)})

    assert NextLink().expected(Response(HERE), answer) == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"max_length": 0},
        {"max_empty": 0},
        {"max_pages": 0},
        {"link": ""},
        {"token": "a", "parameter": ""},
    ],
    ids=str,
)
def test_a_wrong_configuration_of_links_fails_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must (be at least 1|say where)"):
        NextLink(**wrong)
