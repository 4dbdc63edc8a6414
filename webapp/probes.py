"""/healthz and /readyz: whether this process answers, and whether it should be sent requests. In JSON, for machines.

`/healthz` is 200 wherever a request gets this far. `/readyz` is 200 or 503 and says by check what is wrong, in words
that give nothing away: anybody may ask. Why the database fails stands in the log.
"""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from webapp.crawls.monitoring import BEFORE_CHECKS, diagnose

LIMIT = 3.0  # seconds that the database may take; balancers have about as much patience
METHODS = ("GET", "HEAD")

OK, UNKNOWN = "ok", "unknown"
WORDS = {
    "database": "the database cannot be reached, or fails",
    "migrations": "the database is not migrated",
    "data": "the copy is too old",
    "schedule": "the schedule does not run",
    "runs": "runs fail one after the other",
    "rejected": "more records are rejected than before",
    "source": "the source stands still",
}
HANGS = dict.fromkeys(WORDS, UNKNOWN) | {"database": "the database does not answer"}


class ProbesMiddleware:
    """Answers the probes before anything asks for the request's host, scheme or session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._probes = {"/healthz": healthz, "/readyz": self._readyz}
        self._look = Look()
        self._one_at_a_time = Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self._probes.get(request.path_info)
        if probe is None:
            return self._get_response(request)
        if request.method in METHODS:
            response = probe()
        else:
            response = JsonResponse({"status": "only read"}, status=405, headers={"Allow": ", ".join(METHODS)})
        response["Cache-Control"] = "no-store"
        return response

    def _readyz(self) -> HttpResponse:
        """A look that hangs is the only one: no request waits for it for longer than LIMIT, and none begins another."""
        with self._one_at_a_time:
            if not self._look.is_alive():
                self._look = Look()
                self._look.start()
            look = self._look
        look.join(max(0, look.until - monotonic()))
        is_ready = set(look.checks.values()) == {OK}
        status = {"status": "ready" if is_ready else "not ready", "checks": look.checks}
        return JsonResponse(status, status=200 if is_ready else 503)


def healthz() -> HttpResponse:
    return JsonResponse({"status": OK})


class Look(Thread):
    """One look at the database, in a thread and on a connection of its own: what hangs or breaks there stays there."""

    def __init__(self) -> None:
        super().__init__(name="readyz", daemon=True)
        self.until = monotonic() + LIMIT
        self.checks = HANGS

    def run(self) -> None:
        try:
            self.checks = checks()
        finally:
            connection.close()


def checks() -> dict[str, str]:
    """`ok`, or what is wrong in words for everybody, by check."""
    problems = diagnose()
    said = {}
    for check, words in WORDS.items():
        said[check] = words if check in problems else OK
        if check in problems and check in BEFORE_CHECKS:
            return dict.fromkeys(WORDS, UNKNOWN) | said
    return said
