"""Every page of the admin and every list of the read API, with a large database."""

import json
import subprocess
import sys
from typing import Any

from tests.bench.databases import Database
from tests.bench.processes import ROOT, Failed, environment
from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target
from tests.bench.scale import Scale

# Names of lists in tests.bench.pages, which needs Django.
THOUSAND, PACKED_THOUSAND, UNCHANGED = "1,000 coins", "1,000 coins, packed", "1,000 coins, not changed"
EXPLANATION = """
{coins:,} coins, prices of {days} days and {runs:,} runs. `python -m tests.bench.admin` asks for each page eight times
in one process, without a network; the times are of the last seven, and the CPU is that of the process. *Packed* is with
gzip, as most clients ask for it; *not changed* is with the ETag in `If-None-Match`, and answered with 304.
"""


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    for database in databases:
        pages = measure(report, database, scale)
        text = EXPLANATION.format(coins=scale.site_coins, days=scale.site_days, runs=scale.site_runs)
        columns = ["page", "time, ms", "CPU, ms", "queries", "answer, kB"]
        table = Table(f"Pages of the admin and lists of the API, on {database.name}", text, columns)
        for page in pages:
            time, cpu = (Spread.of(page[name]).text(1) for name in ("milliseconds", "cpu"))
            table.rows.append([page["name"], time, cpu, str(page["queries"]), f"{page['bytes'] / 1e3:,.0f}"])
        times = {page["name"]: dict(enumerate(page["milliseconds"])) for page in pages}
        where = f"on {database.name}"
        limits = {THOUSAND: 100, PACKED_THOUSAND: 100, UNCHANGED: 10}
        report.add(
            table,
            [
                Target(f"{name} by the API, {where}", Spread.of(times[name].values()), limit, " ms", 1)
                for name, limit in limits.items()
            ],
        )


def measure(report: Report, database: Database, scale: Scale) -> list[dict[str, Any]]:
    report.say(f"{database.name}: filling with {scale.site_coins:,} coins and {scale.site_runs:,} runs, then each page")
    command = [sys.executable, "-m", "tests.bench.admin", "--json", "--database", database.new("site", migrated=True)]
    command += [f"--coins={scale.site_coins}", f"--days={scale.site_days}", f"--runs={scale.site_runs}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failed(f"This command has failed: {' '.join(command)}")
    pages = [json.loads(line) for line in done.stdout.splitlines()]
    if wrong := [page for page in pages if page["status"] not in {200, 304}]:
        raise Failed(f"{wrong[0]['address']} answered {wrong[0]['status']}.")
    return pages
