"""What a run has proven. Pure."""

from enum import StrEnum


class Verdict(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SKIPPED = "skipped"
