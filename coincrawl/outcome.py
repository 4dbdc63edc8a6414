"""What became of a run's batches, in words."""

from collections.abc import Iterator

from webapp.coins.texts import counted
from webapp.crawls.batch import MAX_KEPT
from webapp.crawls.models import CrawlRun


def notes(run: CrawlRun, not_kept: int = 0) -> Iterator[str]:
    """The run's messages about it; `not_kept` rejected records were only counted."""
    if coins := run.went_back + run.stale:
        yield (
            f"{counted(coins, 'coin')} went back in time (an older last_updated): {run.went_back:,} stored, "
            f"{run.stale:,} ignored as stale because newer values had just been stored"
        )
    if not_kept:
        yield (
            f"{counted(not_kept, 'rejected record')} not kept, only counted: a run keeps the first {MAX_KEPT:,}, "
            "so that no source can fill the database with them"
        )
    if run.rounded:
        numbers = ", ".join(f"{count} of {name}" for name, count in sorted(run.rounded.items()))
        yield f"numbers with more digits than SQLite can keep were rounded: {numbers}"
