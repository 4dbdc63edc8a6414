"""Dates as all other pages write them: 2026-02-05 12:00:00 UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
