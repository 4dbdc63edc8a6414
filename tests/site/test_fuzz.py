"""Random requests by hand to every address of the admin and of the API, on a database full of hostile values.

No request gets a server error or changes anything by GET. A failure names the request. Another seed tries others.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from random import Random
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote as quoted
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.hostile import IDS, fill
from webapp.coins.models import NamedView

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

REQUESTS = 130  # of a seed
METHODS = ("get", "get", "get", "get", "post", "post", "post", "head", "put", "patch", "delete", "options", "trace")
KEYS = (*map(quoted, IDS), *map(str, range(1, 20)), "theirs", "-1", "abc", "9" * 30)
# Besides those of the pages themselves.
NAMES = (
    *("_popup", "_to_field", "_changelist_filters", "_facets", "_saveasnew", "_selected_action", "action", "all"),
    *("select_across", "index", "post", "o", "p", "q", "e", "columns", "range", "scale", "tick", "step", "move"),
    *(
        "coin_id__regex",
        "pk__in",
        "run__schedule__name",
        "started_at_min",
        "ignored_at_min",
        "reason",
        "changed_at_max",
        "current_price_min",
    ),
    *("fields", "ordering", "limit", "after", "ids", "changed_since", "date", "coin_id", "since", "until", "page"),
)
VALUES = (
    *("", "0", "1", "-1", "-8", "1.2.-3", "abc", "(((", "%", "{0}", "<script>", "a,b", "1h", "7d", "all", "24h", "log"),
    *("9" * 30, "9" * 5_000, "1e400", "1e28", "-1e-28", "NaN", "-Infinity", "1_000", "٣", "\0", "\ud800", "\u202e"),
    *("2026-02-30", "0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-W01"),
    *("a b " * 200, "coin," * 1_000, "//evil.example/", "javascript:alert(1)", "\r\nX: y", "xlsx", "csv-exact", "json"),
    *("retry", "ignore", "export_selected", "delete_selected", "enable", "up coin", "All", "hidden", "id", "-coin_id"),
)
BROKEN = ("%ff%fe=%ff", "%=%zz", "q=%C0%80", "&&&=&", "o=1;p=2", "%00=%00")
PAGES = (
    *("/admin/", "/admin/coins/fullcoin/", "/admin/coins/fullcoin/columns/", "/admin/coins/fullcoin/export/"),
    *("/admin/coins/fullcoin/a_2Fb/change/", "/admin/coins/fullcoin/add/prices/export/", "/admin/crawls/crawlrun/"),
    *("/admin/crawls/crawlrun/columns/change/", "/admin/crawls/crawlrun/export/", "/admin/crawls/rejectedrecord/"),
    *("/admin/crawls/rejectedrecord/reasons/", "/admin/crawls/rejectedrecord/reasons/retry/"),
    *(
        "/admin/crawls/rejectedrecord/reasons/ignore/",
        "/admin/crawls/rejectedrecord/undo/",
        "/admin/crawls/crawlschedule/",
        "/admin/crawls/crawlschedule/add/",
    ),
    *("/admin/auth/user/", "/admin/auth/group/add/", "/admin/authtoken/tokenproxy/add/"),
)

MARKUP = ("<script>alert", "<img src=x", "<b>x", "\" onmouseover='")

Send = Callable[[], HttpResponseBase]


class Undone(Exception):
    """Undoes what a request has done."""


@pytest.fixture
def client() -> Client:
    fill()
    NamedView.objects.create(list="coins.fullcoin", slug="theirs", name="<b>{0}", query="columns=coin")
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    return client


def patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and pattern.name != "logout":
            yield prefix + str(pattern.pattern)


def encoded(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs, errors="surrogatepass")


class Requests:
    def __init__(self, client: Client, seed: int) -> None:
        self.client, self.random = client, Random(seed)
        self.patterns = sorted({*patterns(get_resolver())})
        self.known = [form for page in PAGES for form in self._forms(page)]

    def _forms(self, page: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
        """Methods, addresses and fields of the forms of a page; those of its links are of one more form."""
        shown = self.client.get(page).content.decode()
        links = [urlsplit(urljoin(page, unescape(link))) for link in re.findall(r'href="([^"]*\?[^"]*)"', shown)]
        for link in self.random.sample(links, min(4, len(links))):
            yield "get", link.path, [(name, "1") for name in re.findall(r"(\w+)=", link.query)]
        for form in re.findall(r"(?s)<form\b.*?</form>", shown):
            start, _, inside = form.partition(">")
            address = re.search(r'action="([^"]*)"', start)
            if "logout" not in start:
                fields = re.findall(r'name="([^"]*)"(?:[^>]*? value="([^"]*)")?', inside)
                method = "post" if 'method="post"' in start else "get"
                yield method, urljoin(page, unescape(address[1] if address else "")), fields[:40]

    def any(self) -> tuple[str, Send]:
        """A request, in words and to be sent."""
        choice = self.random.choice
        if self.random.random() < 0.6:
            method, address, fields = choice(self.known)
            pairs = [(name, value if self.random.random() < 0.7 else choice(VALUES)) for name, value in fields]
        else:
            method, address, pairs = choice(METHODS), self._address(), []
        pairs += [(choice(NAMES), choice(VALUES)) for _ in range(choice((0, 1, 1, 3)))]
        sent = encoded(pairs) if self.random.random() < 0.95 else choice(BROKEN)
        query = sent if method in {"get", "head"} else encoded([(choice(NAMES), choice(VALUES))] * choice((0, 1)))
        url = address + (f"{'&' if '?' in address else '?'}{query}" if query else "")
        if method in {"get", "head", "options", "trace"}:
            headers = {"HTTP_X_FORWARDED_FOR": "\r\n", "HTTP_IF_NONE_MATCH": "x" * 9_000} if not pairs else {}
            return f"{method} {url}", lambda: getattr(self.client, method)(url, **headers)
        kind = choice(("application/x-www-form-urlencoded",) * 9 + ("multipart/form-data; boundary=x",))
        return f"{method} {url} {sent}", lambda: self.client.generic(method.upper(), url, sent, kind)

    def _address(self) -> str:
        def key(_: re.Match[str]) -> str:
            return self.random.choice(KEYS)

        pattern = re.sub(r"\^|\\Z|\$$|\(\?!.*?\)/\)|\(\?:.*?\)", "", self.random.choice(self.patterns))
        path = re.sub(r"<[^>]*>|\(\?P.*?\)", key, pattern)
        trailing = self.random.choice(("",) * 9 + ("junk", "/", "/../", "%00", "%ff", "\u202e"))
        return quote(path, safe="/", errors="surrogatepass") + trailing


def contents() -> dict[str, list[tuple[object, ...]]]:
    """All rows but those of sessions."""
    models = [model for model in apps.get_models() if model is not Session]
    return {model.__name__: list(model._default_manager.order_by("pk").values_list()) for model in models}


@pytest.mark.parametrize("seed", range(3))
def test_no_request_gets_a_server_error_or_changes_anything_by_get(client: Client, seed: int) -> None:
    requests, before = Requests(client, seed), contents()
    failed = []

    for _ in range(REQUESTS):
        words, send = requests.any()
        cache.clear()  # which counts the calls of the API
        try:
            with transaction.atomic():
                response = send()
                list(response)  # all of a file
                if response.status_code >= 500:
                    failed.append((words, str(response.status_code)))
                if not words.startswith(("get", "head")):
                    raise Undone
        except Undone:
            pass
        except Exception as error:
            failed.append((words, repr(error)))

    assert failed == []
    assert contents() == before


def test_every_page_of_a_hostile_row_is_whole(client: Client) -> None:
    pages = [
        "/admin/",
        "/admin/crawls/rejectedrecord/reasons/",
        *(f"/admin/coins/fullcoin/{quote(quoted(key))}/{page}/" for key in IDS for page in ("change", "prices/export")),
    ]
    for model in ("crawls/crawlrun", "crawls/rejectedrecord", "crawls/crawlschedule", "crawls/node", "coins/fullcoin"):
        shown = client.get(f"/admin/{model}/?status=All" if model.endswith("record") else f"/admin/{model}/")
        pages += [f"/admin/{model}/export/"] if "Export" in shown.content.decode() else []
        pages += [
            unescape(link) for link in re.findall(rf'href="(/admin/{model}/[^"?]*/change/)', shown.content.decode())
        ]
    wrong: list[tuple[str, str]] = []

    for address in {*pages}:
        response = client.get(address)
        content = response.content.decode()
        if response.status_code != 200 or "</html>" not in content:
            wrong.append((address, str(response.status_code)))
        if any(markup in content for markup in MARKUP):
            wrong.append((address, "runs what it should show"))

    assert len(pages) > 130
    assert wrong == []
