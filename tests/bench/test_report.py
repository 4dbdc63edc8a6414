"""The page that a benchmark writes."""

from tests.bench.report import Report
from tests.bench.results import Spread, Table, Target


def test_the_page_has_the_targets_first_and_explains_equal_tables_once() -> None:
    report = Report("make bench")
    report.machine = ["2 cores"]

    report.add(Table("On SQLite", "Crawls.", ["crawl", "CPU"], [["ours", "5"]]), [Target("CPU", Spread.of([5]), 4)])
    report.add(Table("On PostgreSQL", "Crawls.", ["crawl", "CPU"], [["ours", "6"]]))

    page = report.markdown()
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == ["# Benchmarks", "## Targets", "## On SQLite", "## On PostgreSQL"]
    assert "| CPU | 5.00 | at most 4.00 | misses |" in page
    assert page.count("\nCrawls.\n") == 1
    assert "- 2 cores\n" in page
    assert "- `make bench`\n" in page


def test_a_quick_run_does_not_say_which_targets_hold() -> None:
    report = Report("make bench QUICK=1", is_judged=False)

    report.add(Table("On SQLite", "Crawls."), [Target("CPU", Spread.of([5]), 4)])

    assert "| CPU | 5.00 | at most 4.00 |\n" in report.markdown()
