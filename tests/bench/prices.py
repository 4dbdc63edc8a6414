"""`python -m tests.bench.prices`: how long reads, flushes and roll-ups take with millions of prices on PostgreSQL.

Fills the database if it has no prices, and prints a table. Whole-table figures are those of the tables as they are;
those of an empty one come from the same database with other tables under their names.
"""

import argparse
import os
import sys

import django


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.prices", description=__doc__)
    parser.add_argument("--database", required=True, metavar="URL", help="migrated; it is filled, and written to")
    parser.add_argument("--rows", type=int, default=70_000_000, help="observations (default: 70,000,000)")
    options = parser.parse_args()
    os.environ |= {"DATABASE_URL": options.database, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    django.setup()
    from tests.bench.measuring import measure

    for line in measure(options.rows):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
