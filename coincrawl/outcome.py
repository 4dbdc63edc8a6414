"""What became of a run's batches, in words."""

from collections.abc import Iterator

from webapp.coins.models import CrawlRun
from webapp.coins.models.batch import MOST_KEPT


def notes(run: CrawlRun, not_kept: int = 0) -> Iterator[str]:
    """The run's messages about it; `not_kept` rejected records were only counted."""
    if coins := run.went_back + run.stale:
        yield (
            f"{coins} coins went back in time (their last_updated is older than before): {run.went_back} were "
            f"stored, {run.stale} were ignored as stale because newer values had just been stored"
        )
    if not_kept:
        yield (
            f"{not_kept:,} rejected records were counted and not kept: a run keeps the first {MOST_KEPT:,}, "
            "so that no source can fill the database with them"
        )
    if run.rounded:
        numbers = ", ".join(f"{count} of {name}" for name, count in sorted(run.rounded.items()))
        yield f"numbers with more digits than SQLite can keep were rounded: {numbers}"
