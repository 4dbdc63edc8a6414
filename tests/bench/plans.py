"""What PostgreSQL's planner makes of the statements that are executed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

Plan = dict[str, Any]
BIG = re.compile(r"coins_price(bar|_\w+)?")  # tables of prices, and partitions of one
DEAR = 10_000  # the cost of reading a table of 80 MB: for a smaller one, the planner may read all of it
# As after an import, before autovacuum has come.
FORGET = """
    SELECT pg_clear_relation_stats('public', tablename), pg_clear_attribute_stats('public', tablename, attname, false)
    FROM pg_stats WHERE tablename ~ '^coins_price(bar|_.*)?$'
"""


@contextmanager
def full_scans() -> Iterator[list[str]]:
    """The statements meanwhile that read a whole table of prices, or a whole index of one: their beginning."""
    found: list[str] = []

    def explain(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if not many and BIG.search(sql):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
                [[plan]] = cursor.fetchone()
            scans = [node for node in nodes(plan["Plan"]) if is_full_scan(node)]
            found.extend(
                f"{scan['Node Type']} of {scan['Relation Name']}: {' '.join(sql.split())[:60]}" for scan in scans
            )
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(explain):
        yield found


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def is_full_scan(node: Plan) -> bool:
    kind = node["Node Type"]
    is_whole = kind.endswith("Seq Scan") or ("Index" in kind and "Index Cond" not in node)
    return is_whole and node["Total Cost"] > DEAR and BIG.fullmatch(node.get("Relation Name", "")) is not None


@contextmanager
def without_statistics() -> Iterator[None]:
    """As if the tables of prices had never been analyzed. Nothing that is done meanwhile is kept."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(FORGET)
        yield
        transaction.set_rollback(True)
