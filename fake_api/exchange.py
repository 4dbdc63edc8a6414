"""What is said over the wire: a request as the log keeps it, and an answer with all that can become of it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Header = str | list[str] | None  # its value; a list: one header for each; None: not sent, though others would be

JSON: dict[str, Header] = {"content-type": "application/json; charset=utf-8"}
DEMO_KEY, PRO_KEY = "x-cg-demo-api-key", "x-cg-pro-api-key"


@dataclass
class Request:
    """What was asked and how it went. Times are time.monotonic(), which all processes of a machine share."""

    time: float
    method: str
    target: str  # as it came
    path: str  # below the API's own, where it is there
    params: dict[str, str]
    headers: dict[str, str]  # names in lower case
    status: int = 0  # stays 0 where the API answers with no HTTP, or not at all
    sent: float | None = None  # just before the answer's first byte left, so never later than a client had it


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. It is gzipped where the client takes gzip, unless it names a content-encoding itself.

    It is held back until the event `wait` is set, then for `delay` seconds, and no longer than the server is open.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, Header] = field(default_factory=lambda: JSON)
    delay: float = 0.0
    close: bool = False  # no HTTP at all: `body` as it is, mostly nothing, and hang up
    wait: threading.Event | None = None
    chunked: bool = False  # instead of a content-length
    sends: int | None = None  # the body, as it goes over the wire, is cut there: 20 bytes, or all but -5
    pace: float | None = None  # bytes of the body a second
    end: Literal["keep", "close", "reset", "stall"] = "keep"  # the connection then; stall: until the server closes


Reaction = Answer | Mapping[str, object] | Callable[[Request], Answer]
