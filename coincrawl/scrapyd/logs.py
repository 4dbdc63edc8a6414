"""The logs of jobs: of each spider the newest are kept, for a month."""

from contextlib import suppress
from pathlib import Path
from time import time

KEPT_DAYS = 30


def forget_old_logs(folder: Path, most: int) -> None:
    """Delete logs that are older than KEPT_DAYS, and of each spider all but the newest `most`."""
    oldest = time() - KEPT_DAYS * 86_400
    for spider in folder.glob("coincrawl/*/"):
        logs = sorted(spider.glob("*.log"), key=_changed_at, reverse=True)
        for place, log in enumerate(logs):
            if place >= most or _changed_at(log) < oldest:
                with suppress(OSError):  # it is gone, or another day will do
                    log.unlink()


def _changed_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
