"""The site from an ASGI server: what it says is what a WSGI server gets, and Django has nothing to warn of."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from rest_framework.authtoken.models import Token

from tests.support.factories import make_coin
from webapp.asgi import application
from webapp.coins.sending import BLOCK

pytestmark = pytest.mark.django_db(transaction=True)  # each request has a thread of its own, and a connection

STYLE = "admin/css/base.css"
SCRIPT = "drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"


def ask(path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, dict[str, str], list[bytes]]:
    """Status, headers and blocks of an answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in headers.items())],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
    }

    async def converse() -> list[dict[str, Any]]:
        communicator = ApplicationCommunicator(application, scope)
        await communicator.send_input({"type": "http.request", "body": body.encode()})
        messages = [await communicator.receive_output(30)]
        while messages[-1]["type"] == "http.response.start" or messages[-1].get("more_body"):
            messages.append(await communicator.receive_output(30))
        await communicator.wait(30)
        return messages

    start, *blocks = asyncio.run(converse())
    said = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], said, [message["body"] for message in blocks if message.get("body")]


@pytest.mark.parametrize("name", [STYLE, SCRIPT])
def test_a_static_file_is_sent_in_blocks(name: str) -> None:
    content = Path(str(finders.find(name))).read_bytes()

    status, headers, sent = ask(f"/static/{name}")

    assert (status, headers["content-length"]) == (200, str(len(content)))
    assert b"".join(sent) == content
    assert {len(block) for block in sent[:-1]} <= {BLOCK}


def test_a_part_of_a_static_file_is_sent() -> None:
    content = Path(str(finders.find(STYLE))).read_bytes()

    status, _, sent = ask(f"/static/{STYLE}", range="bytes=10-19")

    assert (status, b"".join(sent)) == (206, content[10:20])


def test_a_static_file_that_is_not_wanted_has_no_body() -> None:
    date = ask(f"/static/{STYLE}")[1]["last-modified"]

    assert ask(f"/static/{STYLE}", method="HEAD")[::2] == (200, [])
    assert ask(f"/static/{STYLE}", **{"if-modified-since": date})[::2] == (304, [])


def test_a_file_that_is_not_there_is_404() -> None:
    assert ask("/static/admin/css/none.css")[0] == 404


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/api/schema/", "/healthz", "/readyz"])
def test_a_page_is_what_a_wsgi_server_gets(client: Client, path: str) -> None:
    by_wsgi = client.get(path, headers={"Host": "localhost"})

    status, headers, sent = ask(path)

    assert (status, headers["content-type"]) == (by_wsgi.status_code, by_wsgi["Content-Type"])
    assert len(b"".join(sent)) == len(by_wsgi.content)  # a form has a token of its own each time


def test_the_read_api_is_read() -> None:
    make_coin()
    token = Token.objects.create(user=User.objects.create(username="reader"))

    status, _, sent = ask("/api/coins/", authorization=f"Bearer {token.key}", **{"accept-encoding": "gzip"})

    assert status == 200
    assert b'"count":1' in gzip.decompress(b"".join(sent))


def test_an_export_is_sent_in_blocks(client: Client) -> None:
    for number in range(300):
        make_coin(f"{number:0255}")
    client.force_login(User.objects.create_superuser("admin"))
    token = "a" * 32
    cookies = f"csrftoken={token}; {settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    form = f"csrfmiddlewaretoken={token}&format=csv-exact&columns=coin_id"

    status, headers, sent = ask(
        "/admin/coins/fullcoin/export/",
        method="POST",
        body=form,
        cookie=cookies,
        **{"content-type": "application/x-www-form-urlencoded", "content-length": str(len(form))},
    )

    content = b"".join(sent)
    assert (status, headers["content-length"]) == (200, str(len(content)))
    assert content.count(b"\r\n") == 301
    assert len(sent[0]) == BLOCK
