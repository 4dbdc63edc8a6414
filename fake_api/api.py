"""An API that a test can tell what to answer instead. A subclass says what it demands and what it answers."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO
from urllib.parse import parse_qsl, urlsplit

from fake_api import answers
from fake_api.exchange import Answer, Reaction, Request
from fake_api.wire import Server

MAX_URL = 8_190  # bytes


@dataclass
class Fault:
    """What to answer instead, to which requests, how often."""

    answer: Reaction
    path: str | None
    page: int | None
    ids: str | None
    times: float
    after: int

    def takes(self, path: str, params: Mapping[str, str]) -> bool:
        """Whether this request is the fault's to answer; counts down."""
        if (
            self.times <= 0
            or self.path not in (None, path)
            or (self.page is not None and params.get("page", "1") != str(self.page))
            or (self.ids is not None and self.ids not in params.get("ids", "").split(","))
        ):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class SlidingWindow:
    """Lets through as many calls as that within any span of so many seconds. Refused calls count as well."""

    def __init__(self, calls: int, seconds: float) -> None:
        self._calls, self._seconds = calls, seconds
        self._times: deque[float] = deque(maxlen=calls + 1)  # of the latest call and those that decide about it

    def wait(self, now: float) -> float:
        """Counts a call; 0 where it is let through, otherwise the seconds until the next would be."""
        self._times.append(now)
        if len(self._times) <= self._calls or self._times[0] <= now - self._seconds:
            return 0
        return self._times[1] + self._seconds - now


class API:
    """An API at `url` while the context lasts; `requests` is the log. A subclass says what it demands and answers.

    calls_per_minute: how many calls, failed ones included, a sliding `window` of seconds may hold.
    latency: seconds for which every answer is held back.
    log: a text file that gets one JSON line per request.
    tls: a certificate and its key, e.g. tls.self_signed(folder), to speak https.
    """

    base = ""  # the path of `url`

    def __init__(
        self,
        *,
        calls_per_minute: int | None = None,
        window: float = 60.0,
        latency: float = 0.0,
        port: int = 0,
        log: TextIO | None = None,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._latency, self._port, self._log, self._tls = latency, port, log, tls
        self._faults: list[Fault] = []
        self._limit = SlidingWindow(calls_per_minute, window) if calls_per_minute else None
        self._news = threading.Condition()  # guards the log, the faults and the calls

    def __enter__(self) -> Self:
        self._server = Server(self._port, self.answer, self._tls)
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.server_address[1]}{self.base}"
        # The interval is how long closing takes.
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def connections(self) -> int:
        """How many have been opened so far."""
        return self._server.connections

    def fault(
        self,
        answer: Reaction,
        *,
        path: str | None = None,
        page: int | None = None,
        ids: str | None = None,
        times: float = 1,
        after: int = 0,
    ) -> None:
        """Answer the next `times` matching requests (math.inf: all) with this, once `after` of them have passed.

        The answer is an Answer, a function that makes one from the Request, or parameters that take the place of the
        request's own: {"page": 1} gives page 1, whatever page was asked for. A request matches with this path, page
        and this id among its ids; None matches any. Where several faults match, the oldest answers and the others do
        not count the request.
        """
        with self._news:
            self._faults.append(Fault(answer, path, page, ids, times, after))

    def usual(self, request: Request, **how: Any) -> Answer:
        """What a request is answered without a fault, sent in another way: a fault of `lambda request:
        api.usual(request, delay=1)` only slows down."""
        return replace(self._serve(request), **how)

    def wait_for(self, requests: int, timeout: float = 30.0) -> None:
        """Return when so many requests are in the log."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.requests) >= requests, timeout):
                raise TimeoutError(f"{len(self.requests)} of {requests} requests came within {timeout} s")

    def answer(self, method: str, target: str, headers: dict[str, str]) -> tuple[Request, Answer]:
        """One request, which by then is in the log, and its answer."""
        now = time.monotonic()
        url = urlsplit(target)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(now, method, target, url.path.removeprefix(self.base), params, headers)
        with self._news:
            wait = self._limit.wait(now) if self._limit else 0
            fault = next((fault.answer for fault in self._faults if fault.takes(request.path, params)), {})
        if isinstance(fault, Answer):
            answer = fault
        elif callable(fault):
            answer = fault(request)
        elif len(target) > MAX_URL:
            answer = answers.URL_TOO_LONG
        elif refusal := self._refusal(headers):
            answer = refusal
        elif wait:
            answer = self._throttled(math.ceil(wait))
        else:
            answer = self._serve(replace(request, params=params | {name: str(fault[name]) for name in fault}))
        answer = replace(answer, delay=answer.delay + self._latency)
        request.status = 0 if answer.close else answer.status
        with self._news:
            self.requests.append(request)
            if self._log:
                entry = asdict(request)
                del entry["sent"]  # nothing has been yet
                print(json.dumps(entry), file=self._log, flush=True)
            self._news.notify_all()
        return request, answer

    # What a subclass says.

    def _refusal(self, headers: Mapping[str, str]) -> Answer | None:
        """What a client with these headers is answered, whatever it asks; None where it may ask."""
        raise NotImplementedError

    def _throttled(self, seconds: int) -> Answer:
        raise NotImplementedError

    def _serve(self, request: Request) -> Answer:
        raise NotImplementedError
