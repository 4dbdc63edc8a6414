"""Measurements of prices over time at size, and of what they cost a crawl.

They take minutes to hours, and the room of what they fill. So they are run by hand, and are no tests:

    python -m tests.bench.prices --database postgres://... --rows 70000000
    python -m tests.bench.history_cost --database postgres://...

Give each a database of its own that is migrated and empty: the first fills it, the second crawls a fake API into it.
Both print what they measure. docs/history.md has the figures of one machine.
"""
