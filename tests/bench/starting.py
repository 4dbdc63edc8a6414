"""What starting takes, without any work."""

import sys
from collections import defaultdict

from tests.bench.api import Api
from tests.bench.databases import Database
from tests.bench.processes import Usage, environment, measure
from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target, in_turn, megabytes, ratios
from tests.bench.scale import Scale

BARE = "import scrapy, django.setup()"
LIST, WRONG, ONE = "scrapy list", "scrapy crawl, wrong argument", "scrapy crawl, one coin"
WRONG_ARGUMENTS = 2  # the exit status
EXPLANATION = f"""
Commands in turn, with SQLite. *{BARE}* imports Scrapy, and sets up Django with the same models, by the apps
`webapp.coins`, `webapp.crawls`, `auth` and `contenttypes` alone. A command may take less: at its end, Python need not
look through what was imported. *{WRONG}* ends when it has read its arguments; *{ONE}* is a whole run, with its record,
its proof and its summary.
"""


def run(report: Report, databases: list[Database], scale: Scale) -> None:
    crawl = [sys.executable, "-m", "scrapy", "crawl", "markets"]
    commands = {
        BARE: [sys.executable, "-m", "tests.bench.bare"],
        LIST: [sys.executable, "-m", "scrapy", "list"],
        WRONG: [*crawl, "-a", "nonsense=1"],
        ONE: crawl,
    }
    taken: dict[str, dict[int, Usage]] = defaultdict(dict)
    with Api(1) as api:
        variables = environment(BASE_API_URL=api.url, DATABASE_URL=databases[0].new("start", migrated=True))
        for number in range(scale.start_rounds):
            report.say(f"Start-up, round {number + 1}")
            for name in in_turn([*commands], number):
                status = WRONG_ARGUMENTS if name == WRONG else 0
                taken[name][number] = measure(commands[name], variables, status)
    cpu = {name: {number: usage.cpu for number, usage in taken[name].items()} for name in commands}
    table = Table("Start-up", EXPLANATION, ["command", "CPU, s", "to bare", "time, s", "memory, MB"])
    for name in commands:
        usages = taken[name].values()
        table.rows.append(
            [
                name,
                Spread.of(cpu[name].values()).text(2),
                "" if name == BARE else ratios(cpu[name], cpu[BARE]).text(2),
                Spread.of(usage.wall for usage in usages).text(2),
                Spread.of(megabytes(usage.memory) for usage in usages).text(0),
            ]
        )
    bare = f"to that of {BARE}"
    report.add(table, [Target(f"CPU of {name}, {bare}", ratios(cpu[name], cpu[BARE]), 1.2) for name in (LIST, WRONG)])
