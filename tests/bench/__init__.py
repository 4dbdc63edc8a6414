"""Measurements: whole crawls beside other methods, the admin's pages, and prices over time. They are no tests.

`python -m tests.bench`, which is `make bench`, runs these parts, and writes docs/benchmarks.md:

    crawls      the whole market by each of `tests.bench.methods`

Each is a module with a function `run`. `results` has the arithmetic, `report` what is said, `processes`, `api` and
`databases` what is measured. `serving` is the fake API's process, and `launch` starts a process and says what it took.

Measurements of prices take minutes to hours, and the room of what they fill:

    python -m tests.bench.prices --database postgres://... --rows 70000000
    python -m tests.bench.history_cost --database postgres://...

Give each a database of its own that is migrated and empty: the first fills it, the second crawls a fake API into it.
Both print what they measure. docs/history.md has the figures of one machine.
"""
