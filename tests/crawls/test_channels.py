"""How people are told: what is sent, which answers count, and which settings can be."""

import socket
import threading
from contextlib import closing
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.factories import NOON
from tests.support.processes import python
from tests.support.receivers import MailServer, Receiver
from tests.support.settings import BOTH_SETTINGS, assert_one_sentence, setting
from webapp.crawls import channels

SECRET = "/hooks/secret-token"
MESSAGE = channels.Message("runs", "failing", NOON, "runs is failing, <b>Größe</b> 🚀 " + "x" * 1_000)


@pytest.fixture(autouse=True)
def _no_channels(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But those of a test, and no proxy before them."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    settings.ALARM_WEBHOOK_URL = settings.ALARM_PING_URL = ""
    settings.ALARM_EMAILS = []


def send_mail_to(server: MailServer, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.ALARM_EMAILS = ["ada@coins.example", "grace@coins.example"]


def test_a_webhook_gets_the_text_and_what_a_program_wants_to_know(settings: Any) -> None:
    with Receiver() as receiver:
        settings.ALARM_WEBHOOK_URL = f"{receiver.url}{SECRET}?thread=1"
        channels.webhook(MESSAGE)

    assert receiver.got[0][:2] == ("POST", f"{SECRET}?thread=1")
    assert receiver.messages == [
        {"text": MESSAGE.text, "status": "failing", "check": "runs", "since": "2026-02-05T12:00:00+00:00"}
    ]


def test_mail_goes_to_all(settings: Any) -> None:
    with MailServer() as server:
        send_mail_to(server, settings)
        channels.email(MESSAGE)

    mail = message_from_bytes(server.got[0])
    assert (mail["Subject"], mail["From"]) == ("coincrawl: runs is failing", "coincrawl@localhost")
    assert mail["To"] == "ada@coins.example, grace@coins.example"
    assert mail.get_payload(decode=True).decode().strip() == MESSAGE.text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "answer",
    [b"", b"what?\r\n", b"HTTP/1.1 600 \xff\r\n\r\n", b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 500 " + b"x" * 70_000],
    ids=["none", "not HTTP", "an odd one", "half a one", "a long one"],
)
def test_no_answer_but_a_good_one_is_one_and_its_address_is_not_told(settings: Any, answer: bytes) -> None:
    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.recv(65_536)
            client.sendall(answer)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        settings.ALARM_WEBHOOK_URL = f"http://127.0.0.1:{server.getsockname()[1]}{SECRET}"
        thread = threading.Thread(target=serve, args=[server])
        thread.start()
        with pytest.raises(channels.ChannelError) as error:
            channels.webhook(MESSAGE)
        thread.join()

    assert SECRET not in str(error.value)
    assert str(error.value).isprintable()


# manage.py watch ---------------------------------------------------------------------------------
@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "soon"])
def test_how_often_it_looks_is_a_number_of_seconds(every: str) -> None:
    with pytest.raises(CommandError, match=r"must be a number of seconds|invalid float value"):
        call_command("watch", "--every", every)


def test_a_test_message_goes_through_each_channel(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with Receiver() as receiver, MailServer() as server:
        send_mail_to(server, settings)
        settings.ALARM_WEBHOOK_URL, settings.ALARM_PING_URL = receiver.url, f"{receiver.url}/ping"
        call_command("watch", "--test")

    assert capsys.readouterr().out.splitlines() == ["webhook: sent", "email: sent", "ping: sent"]
    assert receiver.said == ["test recovered"]
    assert b"this is a test message" in server.got[0]
    assert receiver.got[1][:2] == ("GET", "/ping")


def test_a_test_says_what_fails(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with Receiver() as receiver, MailServer() as server:
        send_mail_to(server, settings)
        settings.ALARM_WEBHOOK_URL = receiver.url
        receiver.statuses = [403]
        with pytest.raises(CommandError, match=r"Not sent by webhook\."):
            call_command("watch", "--test")

    assert capsys.readouterr().out.splitlines() == ["webhook: failed (it answered 403)", "email: sent"]


def test_a_test_without_a_channel_names_the_settings() -> None:
    with pytest.raises(CommandError, match="set ALARM_WEBHOOK_URL, ALARM_EMAILS or ALARM_PING_URL"):
        call_command("watch", "--test")


# Settings ----------------------------------------------------------------------------------------
NO_ADDRESS = "must be http://host/path or https://host/path, without user and password."


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"ALARM_WEBHOOK_URL": "ftp://coins.example/hidden"}, f"ALARM_WEBHOOK_URL {NO_ADDRESS}"),
        ({"ALARM_WEBHOOK_URL": "https://ada:hidden@coins.example/"}, f"ALARM_WEBHOOK_URL {NO_ADDRESS}"),
        ({"ALARM_PING_URL": "file:///hidden"}, f"ALARM_PING_URL {NO_ADDRESS}"),
        ({"ALARM_EMAILS": "ada@coins.example, hidden"}, "ALARM_EMAILS must be e-mail addresses with commas between"),
        ({"EMAIL_USE_TLS": "true", "EMAIL_USE_SSL": "true"}, "EMAIL_USE_TLS (on port 587, say) and EMAIL_USE_SSL"),
    ],
    ids=["no web address", "a password in it", "a file", "no e-mail address", "TLS in two ways"],
)
def test_a_channel_that_cannot_be_is_one_sentence(environment: dict[str, str], sentence: str) -> None:
    assert_one_sentence(python(BOTH_SETTINGS, environment), sentence)


def test_addresses_and_passwords_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://[2001:db8::1]:8443/hooks/x?y=1\n")

    assert setting("ALARM_WEBHOOK_URL", {"ALARM_WEBHOOK_URL_FILE": str(tmp_path / "url")}).endswith("/hooks/x?y=1")
    assert setting("EMAIL_HOST_PASSWORD", {"EMAIL_HOST_PASSWORD_FILE": str(tmp_path / "url")})


@pytest.mark.parametrize(
    ("environment", "port"),
    [({}, 25), ({"EMAIL_USE_TLS": "true"}, 587), ({"EMAIL_USE_SSL": "true"}, 465), ({"EMAIL_PORT": "2525"}, 2525)],
    ids=["plain", "STARTTLS", "TLS", "as said"],
)
def test_the_port_for_mail_follows_from_its_encryption(environment: dict[str, str], port: int) -> None:
    assert setting("EMAIL_PORT", environment) == port
