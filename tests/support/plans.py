"""What the database would do for a statement if its table were large."""

import re

from django.db import connection


def is_read_as_a_whole(sql: str, table: str) -> bool:
    """Whether it would read or sort all rows of this table. A statement without a condition may end at its LIMIT."""
    if "LIMIT" in sql and not re.search(" WHERE | ORDER BY ", sql):
        return False
    whole = rf"SCAN {table}$|TEMP B-TREE FOR ORDER BY|Seq Scan on {table}|(?<!Incremental )Sort  "
    return any(re.search(whole, line) for line in plan_of(sql))


def plan_of(sql: str) -> list[str]:
    """Its lines. On PostgreSQL, as if the table were large: it costs more to read and sort all of it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            return [row[3] for row in cursor.fetchall()]
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        return [row[0] for row in cursor.fetchall()]
