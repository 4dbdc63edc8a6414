"""How people are notified: a webhook, e-mail, and a ping for a service that notices when it stops. All are optional.

A channel returns once the other side has taken the message, or raises ChannelError. Its address is a secret.
"""

import json
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError

from django.conf import settings
from django.core.mail import EmailMessage

from webapp.coins.texts import printable

TIMEOUT = 10  # seconds without an answer


class ChannelError(Exception):
    """A channel has not taken a message. The words say why, without a secret."""


@dataclass(frozen=True)
class Message:
    check: str
    status: str  # failing or recovered
    since: datetime
    text: str


def set_up() -> Mapping[str, Callable[[Message], None]]:
    """The channels that the settings name."""
    channels = {"webhook": (webhook, settings.ALARM_WEBHOOK_URL), "email": (email, settings.ALARM_EMAILS)}
    return {name: channel for name, (channel, address) in channels.items() if address}


def webhook(message: Message) -> None:
    """JSON, whose `text` is what Slack and Mattermost show."""
    facts = {"text": message.text, "status": message.status, "check": message.check, "since": message.since.isoformat()}
    _ask(settings.ALARM_WEBHOOK_URL, json.dumps(facts).encode())


def email(message: Message) -> None:
    subject = f"coincrawl: {message.check} {'is ' if message.status == 'failing' else ''}{message.status}"
    try:
        EmailMessage(subject, message.text, to=settings.ALARM_EMAILS).send()
    except (OSError, smtplib.SMTPException) as error:
        raise ChannelError(printable(error, 200)) from None


def ping() -> None:
    """Say that nothing is failing, if an address for that is set."""
    if settings.ALARM_PING_URL:
        _ask(settings.ALARM_PING_URL)


class _NoRedirects(request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """Redirects are not followed: a message that is sent elsewhere may be lost."""


def _ask(url: str, json_body: bytes | None = None) -> None:
    """GET, or POST of JSON. Raises ChannelError if it fails, without address and answer: both may have a secret."""
    headers = {"User-Agent": "coincrawl"} | ({"Content-Type": "application/json"} if json_body else {})
    asked = request.Request(url, json_body, headers)  # noqa: S310 - the settings let only http and https in
    try:
        with request.build_opener(_NoRedirects).open(asked, timeout=TIMEOUT):
            pass
    except HTTPError as error:
        error.close()
        raise ChannelError(f"it answered {error.code}") from None
    except URLError as error:
        raise ChannelError(printable(error.reason, 200)) from None
    except (OSError, HTTPException) as error:
        raise ChannelError(f"no answer ({type(error).__name__})") from None


def site_address() -> str:
    """The address of the site: the first host that is not this machine, if there is one."""
    for name in settings.ALLOWED_HOSTS:
        if name not in settings.LOOPBACK:
            return f"{'https' if settings.HTTPS else 'http'}://{name.removeprefix('.')}"
    return f"http://127.0.0.1:{settings.PORT}"
