"""`python -m tests.bench.methods.with_dlt API_URL DATABASE_URL`: dlt's source of REST APIs, as its docs have it.

It merges by the id: by an upsert on PostgreSQL, and by deleting and inserting on SQLite, where it has no upsert. Its
numbers are floats, so digits are lost. It proves nothing: what a page did not have is not missed. Between normalizing
and loading it keeps all coins in files, in the folder that DLT_DATA_DIR names.
"""

import os
import sys

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # it would send its use to its makers

import dlt
from dlt.sources.rest_api import rest_api_source

from tests.bench.methods import NUMBERS, PATH, QUERY


def main() -> None:
    api, database = sys.argv[1:]
    to_sqlite = database.startswith("sqlite")
    source = rest_api_source(
        {
            "client": {
                "base_url": api,
                "paginator": {"type": "page_number", "base_page": 1, "total_path": None, "stop_after_empty_page": True},
            },
            "resources": [
                {
                    "name": "coins",
                    "primary_key": "id",
                    # It would take a column for one of integers by its first value, and fail at a greater one.
                    "columns": {name: {"data_type": "double"} for name in NUMBERS},
                    "write_disposition": {
                        "disposition": "merge",
                        "strategy": "delete-insert" if to_sqlite else "upsert",
                    },
                    "endpoint": {"path": PATH, "params": QUERY},
                }
            ],
        }
    )
    # It wants a host and a password. The host in the query, the folder of a socket, counts for more; none is asked for.
    url = database.replace("postgres:@/", "postgres:none@localhost/")
    destination = dlt.destinations.sqlalchemy(url) if to_sqlite else dlt.destinations.postgres(url)
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="bench")
    pipeline.run(source).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
