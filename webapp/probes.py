"""/healthz and /readyz: whether this process runs, and whether it should get requests. JSON, for machines.

`/healthz` is always 200. `/readyz` is 200 or 503, and says for each check what is wrong. It is public, so its words
give no details away.
"""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from webapp.crawls.monitoring import BEFORE_CHECKS, diagnose

LIMIT = 3.0  # s that the database may take; load balancers wait about as long
METHODS = ("GET", "HEAD")

OK, UNKNOWN = "ok", "unknown"
WORDS = {
    "database": "the database cannot be reached, or fails",
    "migrations": "the database is not migrated",
    "data": "no run was complete for too long",
    "schedule": "the schedule does not run",
    "runs": "runs fail one after the other",
    "rejected": "more records are rejected than before",
    "source": "the source stands still",
    "prices": "prices are not rolled up or archived",
}
HANGS = dict.fromkeys(WORDS, UNKNOWN) | {"database": "the database does not answer"}


class ProbesMiddleware:
    """Answers the probes before other middleware checks the host, the scheme or the session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._probes = {"/healthz": healthz, "/readyz": self._readyz}
        self._check = Check()
        self._one_at_a_time = Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self._probes.get(request.path_info)
        if probe is None:
            return self._get_response(request)
        if request.method in METHODS:
            response = probe()
        else:
            response = JsonResponse({"status": "read-only"}, status=405, headers={"Allow": ", ".join(METHODS)})
        response["Cache-Control"] = "no-store"
        return response

    def _readyz(self) -> HttpResponse:
        """Answers within LIMIT. A check that hangs is not started again: later requests wait for the same one."""
        with self._one_at_a_time:
            if not self._check.is_alive():
                self._check = Check()
                self._check.start()
            check = self._check
        check.join(max(0, check.until - monotonic()))
        is_ready = set(check.results.values()) == {OK}
        status = {"status": "ready" if is_ready else "not ready", "checks": check.results}
        return JsonResponse(status, status=200 if is_ready else 503)


def healthz() -> HttpResponse:
    return JsonResponse({"status": OK})


class Check(Thread):
    """Checks the database in a thread and on a connection of its own, so that it can hang without harm."""

    def __init__(self) -> None:
        super().__init__(name="readyz", daemon=True)
        self.until = monotonic() + LIMIT
        self.results = HANGS

    def run(self) -> None:
        try:
            self.results = results()
        finally:
            connection.close()


def results() -> dict[str, str]:
    """By check: `ok`, or what is wrong in words for everybody."""
    problems = diagnose()
    said = {}
    for check, words in WORDS.items():
        said[check] = words if check in problems else OK
        if check in problems and check in BEFORE_CHECKS:
            return dict.fromkeys(WORDS, UNKNOWN) | said
    return said
