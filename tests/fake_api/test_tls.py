"""A fake API that speaks TLS, and hosts that nobody should talk to."""

import contextlib
import socket
import ssl
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from fake_api import FakeAPI, Listener
from fake_api.tls import self_signed
from tests.support.asking import ask_on, connected


def test_a_client_that_trusts_its_certificate_is_answered_over_tls(market, tmp_path):
    certificate, key = self_signed(tmp_path)

    with FakeAPI(market, tls=(certificate, key)) as api, connected(api, trusted=certificate) as connection:
        statuses = [ask_on(connection, "/ping").status for _ in range(2)]

    assert api.url.startswith("https://127.0.0.1:")
    assert (statuses, api.connections) == ([200, 200], 1)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        pytest.param({"host": "api.test"}, "IP address mismatch", id="of another host"),
        pytest.param({"days": -1}, "certificate has expired", id="expired"),
        pytest.param(None, "self-signed certificate", id="unknown"),
    ],
)
def test_a_client_that_does_not_trust_its_certificate_sends_no_request(market, tmp_path, capfd, made, problem):
    certificate, key = self_signed(tmp_path, **made or {})

    with (
        FakeAPI(market, tls=(certificate, key)) as api,
        connected(api, trusted=certificate if made else None) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match=problem),
    ):
        ask_on(connection)

    assert (api.connections, api.requests) == (1, [])
    assert capfd.readouterr().err == ""


def test_closing_the_server_closes_tls_connections_also_those_that_never_shook_hands(market, tmp_path, capfd):
    with contextlib.ExitStack() as clients:
        certificate, key = self_signed(tmp_path)
        with FakeAPI(market, tls=(certificate, key)) as api:
            silent = clients.enter_context(socket.create_connection(("127.0.0.1", urlsplit(api.url).port), timeout=10))
            connection = clients.enter_context(connected(api, certificate))
            ask_on(connection, "/ping")

        assert (connection.sock.recv(1), silent.recv(1)) == (b"", b"")
    assert capfd.readouterr().err == ""


def test_a_listener_hears_every_connection_and_byte_at_once():
    with Listener() as listener:
        address = "127.0.0.1", urlsplit(listener.url).port
        heard = [listener.heard]
        with socket.create_connection(address) as first, socket.create_connection(address):
            first.sendall(b"GET /")
            heard.append(listener.heard)
            first.sendall(b"secret HTTP/1.1")

    assert heard == [[], [b"GET /", b""]]
    assert listener.heard == [b"GET /secret HTTP/1.1", b""]


def test_a_listener_may_answer():
    with Listener(answers=True) as listener, urlopen(f"{listener.url}/page", timeout=10) as response:
        body = response.read()

    assert body == b"[]"
    assert listener.heard[0].startswith(b"GET /page HTTP/1.1\r\n")
