"""Measurements: whole crawls beside other methods, the admin's pages, and prices over time. They are no tests.

`python -m tests.bench`, which is `make bench`, runs these parts. If dlt is installed, it writes docs/benchmarks.md:

    crawls      the whole market by each of `tests.bench.methods`
    sizes       what a coin costs in markets of three sizes, and how much memory
    limits      the time under a limit of calls, and with latency
    start       start-up alone
    mirror      the mirror of a large installation
    features    what price history and checking cost
    site        the pages of the admin and the lists of the API, at size

Each is a function `run` of a module. `scale` says how much is measured, `results` has the arithmetic, `report` what is
said, `processes`, `api` and `databases` what is measured. `serving` is the fake API's process, and `launch` starts a
process and says what it took. `python -m tests.bench.admin` asks for the site's pages alone.

Measurements of prices take minutes to hours, and the room of what they fill:

    python -m tests.bench.prices --database postgres://... --rows 70000000
    python -m tests.bench.history_cost --database postgres://...

Give each a database of its own that is migrated and empty: the first fills it, the second crawls a fake API into it.
Both print what they measure. docs/history.md has the figures of one machine.
"""
