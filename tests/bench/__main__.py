"""`python -m tests.bench`: what coincrawl costs, beside others and at size. `make bench` runs it.

Everything takes about half an hour on two cores, and writes docs/benchmarks.md. With --quick it takes two minutes, and
with --only it runs some parts. Then, and without dlt, it writes a page only where --write names one.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import crawls, features, limits, mirror, site, sizes, starting
from tests.bench.crawling import PYTHON_OF_DLT
from tests.bench.databases import Database, databases
from tests.bench.processes import ROOT, Failed
from tests.bench.report import Report, machine
from tests.bench.scale import FULL, QUICK, Scale

PARTS: dict[str, Callable[[Report, list[Database], Scale], None]] = {
    "crawls": crawls.run,
    "sizes": sizes.run,
    "limits": limits.run,
    "start": starting.run,
    "mirror": mirror.run,
    "features": features.run,
    "site": site.run,
}
PAGE = ROOT / "docs/benchmarks.md"


def main() -> None:
    options = parse()
    scale = QUICK if options.quick else FULL
    for number in (signal.SIGINT, signal.SIGTERM):  # so that what is measured, databases and the fake API end, too
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    failed = []
    report = Report(command(options), is_judged=not options.quick)
    report.say("two databases are made")
    with databases() as there:
        report.machine = machine([database.version() for database in there])
        for part in options.only or PARTS:
            try:
                PARTS[part](report, there, scale)
            except Failed as error:
                report.say(str(error))
                failed.append(part)
    if len(options.only or PARTS) > 1:  # each part has shown its own
        report.show_targets()
    if options.quick:
        report.say("These markets are small, and most of it is start-up: whether a target holds, a full run says.")
    if failed:
        sys.exit(f"These parts have failed, and no page is written: {', '.join(failed)}")
    if options.write:
        report.write(options.write)
    elif not (options.quick or options.only):
        if PYTHON_OF_DLT.exists():
            report.write(PAGE)
        else:
            report.say(f"{PAGE.relative_to(ROOT)} stays as it is, with dlt: `make bench-setup` installs it")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small markets and few rounds")
    parser.add_argument("--only", type=chosen, metavar="PART,...", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")
    options = parser.parse_args()
    if options.write and not options.write.parent.is_dir():
        parser.error(f"--write: there is no folder {options.write.parent}")
    return options


def chosen(text: str) -> list[str]:
    names = text.split(",")
    if others := sorted(set(names) - set(PARTS)):
        raise argparse.ArgumentTypeError(f"{others[0]!r} is no part: choose from {', '.join(PARTS)}")
    return names


def command(options: argparse.Namespace) -> str:
    words = ["make bench"]
    if options.quick:
        words.append("QUICK=1")
    if options.only:
        words.append(f"ONLY={','.join(options.only)}")
    return " ".join(words)


if __name__ == "__main__":
    main()
