"""How people are told: a webhook, e-mail, and a ping for whoever notices that it stops. By settings; none is needed.

A channel returns once the other side has taken the message, or raises ChannelError. What its address holds is a secret.
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
    """A channel has not taken a message: words that say why, and hold no secret."""


@dataclass(frozen=True)
class Message:
    check: str
    status: str  # ill or well
    since: datetime
    text: str


def set_up() -> Mapping[str, Callable[[Message], None]]:
    """The channels that messages go by."""
    channels = {"webhook": (webhook, settings.ALARM_WEBHOOK_URL), "email": (email, settings.ALARM_EMAILS)}
    return {name: channel for name, (channel, address) in channels.items() if address}


def webhook(message: Message) -> None:
    """JSON, whose `text` is what Slack and Mattermost show."""
    facts = {"text": message.text, "status": message.status, "check": message.check, "since": message.since.isoformat()}
    _ask(settings.ALARM_WEBHOOK_URL, json.dumps(facts).encode())


def email(message: Message) -> None:
    subject = f"coincrawl: {message.check} is {message.status}{' again' if message.status == 'well' else ''}"
    try:
        EmailMessage(subject, message.text, to=settings.ALARM_EMAILS).send()
    except (OSError, smtplib.SMTPException) as error:
        raise ChannelError(printable(error, 200)) from None


def ping() -> None:
    """Say that all is well, where anybody wants to know."""
    if settings.ALARM_PING_URL:
        _ask(settings.ALARM_PING_URL)


class _NoRedirects(request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """An address that has moved is for a person to correct: a message that is sent elsewhere may be lost."""


def _ask(url: str, json_body: bytes | None = None) -> None:
    """GET, or POST of JSON; neither address nor answer is in what it raises, for either may repeat a secret."""
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
