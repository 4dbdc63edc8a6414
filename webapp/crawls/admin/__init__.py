"""The admin of the work: runs, rejected records, schedules and nodes."""

from . import coins, nodes, rejected, runs, schedules  # noqa: F401 - each registers what it shows
