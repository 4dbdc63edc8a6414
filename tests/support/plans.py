"""What the database would do for a statement if its table were large."""

import re

from django.db import connection


def is_read_as_a_whole(sql: str, table: str) -> bool:
    """Whether it would read or sort all rows of this table. A statement without a condition may end at its LIMIT."""
    if "LIMIT" in sql and not re.search(" WHERE | ORDER BY ", sql):
        return False
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = "\n".join(row[3] for row in cursor.fetchall())
            return bool(re.search(rf"SCAN {table}$|TEMP B-TREE FOR ORDER BY", plan, re.MULTILINE))
        # As they would cost for a large table.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        return bool(re.search(rf"Seq Scan on {table}|(?<!Incremental )Sort  ", plan))
