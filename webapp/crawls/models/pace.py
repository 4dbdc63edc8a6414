"""SourcePace: when a source may be asked next, which outlives the runs that ask it."""

from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from django.db import models
from django.db.models.functions import Now

from webapp.crawls.addresses import origin

MAX_REST = timedelta(days=1)  # that a source may ask for; a longer one would end the copy, so it is not believed


class Wait(NamedTuple):
    """How many seconds a source is not to be asked."""

    turn: float = 0.0  # until the next turn by its calls per minute
    rest: float = 0.0  # until the end of a rest that it has asked for


class SourcePaceQuerySet(models.QuerySet["SourcePace"]):
    def wait(self, url: str, key: str) -> Wait:
        """How long a run has to wait before it asks the source at `url` with this key ("": none)."""
        dates = self.filter(pk=_digest(url, key)).values_list("next_turn", "rest_until", Now())
        for next_turn, rest_until, now in dates:
            # A rest that is too long was written before the clock was set back.
            rest = rest_until - now if rest_until - now <= MAX_REST else timedelta()
            return Wait(*(max(0.0, left.total_seconds()) for left in (next_turn - now, rest)))
        return Wait()

    def keep(self, url: str, key: str, wait: Wait) -> None:
        """Store what `wait` returns from now on, in one statement. A rest is a day at most."""
        row = self.model(
            digest=_digest(url, key),
            source=_source(url),
            next_turn=Now() + timedelta(seconds=wait.turn),
            rest_until=Now() + min(timedelta(seconds=wait.rest), MAX_REST),
        )
        dates = ["next_turn", "rest_until"]
        self.bulk_create([row], update_conflicts=True, unique_fields=["digest"], update_fields=dates)


class SourcePace(models.Model):
    """From when on a source takes calls with one key, by the database's clock. All runs with this key share it."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="Of the source and the key together.")
    source = models.TextField(help_text="Scheme, host and port.")
    next_turn = models.DateTimeField(help_text="All turns before this are taken.")
    rest_until = models.DateTimeField(help_text="The source asked for no requests before this.")

    objects = SourcePaceQuerySet.as_manager()

    class Meta:
        verbose_name = "pace of a source"
        verbose_name_plural = "paces of sources"

    def __str__(self) -> str:
        return self.source


def _source(url: str) -> str:
    scheme, host, port = origin(url)
    return f"{scheme}://{host}:{port}"


def _digest(url: str, key: str) -> str:
    return sha256(f"{_source(url)} {key}".encode()).hexdigest()
