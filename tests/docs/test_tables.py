"""The tables of the pages say what the code says."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from drf_spectacular.generators import SchemaGenerator
from scrapy.settings import default_settings

from coincrawl import crawl_settings
from coincrawl.verdict import EXIT_STATUS
from tests.support.pages import README, ROOT, rows
from webapp.crawls.catalog import ORDERS, PLANS, SPIDERS
from webapp.crawls.monitoring import BEFORE_CHECKS, CHECKS

DOCS = ROOT / "docs"


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("page", [README, DOCS / "crawling.md"], ids=lambda page: page.name)
def test_the_verdicts_have_these_exit_statuses(page: Path) -> None:
    table = rows(page.read_text(), "| verdict |")

    assert {cells[0]: cells[1] for cells in table if cells[0]} == {
        verdict.value: str(status) for verdict, status in EXIT_STATUS.items()
    }


def test_the_arguments_of_a_crawl_are_the_catalogs() -> None:
    table = {
        code(name)[0]: code(values) for name, values, _ in rows((DOCS / "crawling.md").read_text(), "| argument |")
    }

    assert [*table] == [*SPIDERS["markets"].arguments]
    assert sorted(table["order"]) == sorted(ORDERS)


def test_the_plans_are_the_catalogs() -> None:
    table = rows((DOCS / "settings.md").read_text(), "| `COINGECKO_PLAN` |")

    assert [(code(name)[0], a_minute, a_month) for name, a_minute, a_month in table] == [
        (name, str(plan.calls_per_minute), f"{plan.credits_per_month:,}" if plan.credits_per_month else "any number")
        for name, plan in PLANS.items()
    ]


def test_the_checks_are_those_that_are_made() -> None:
    table = rows((DOCS / "monitoring.md").read_text(), "| check |")

    assert [name for cells in table for name in code(cells[0])] == [*BEFORE_CHECKS, *CHECKS]


@pytest.mark.parametrize(
    ("address", "path", "of_pages"),
    [
        ("/api/coins/", "/api/coins/", {"after", "page", "page_size"}),
        ("/api/coins/<id>/prices/", "/api/coins/{coin_id}/prices/", {"coin_id", "page_size"}),
        ("/api/prices/", "/api/prices/", {"page_size"}),
    ],
)
def test_the_parameters_of_the_api_are_the_schemas(address: str, path: str, of_pages: set[str]) -> None:
    table = rows((DOCS / "api.md").read_text(), f"| parameters of `{address}` |")
    schema = SchemaGenerator().get_schema(request=None, public=True)

    parameters = {parameter["name"] for parameter in schema["paths"][path]["get"]["parameters"]}
    assert {name for cells in table for name in code(cells[0])} == parameters - of_pages


def test_the_permissions_exist(db: None) -> None:
    table = rows((DOCS / "admin.md").read_text(), "| permission |")
    names = [name for cells in table for name in code(" ".join(cells))]

    for name in names:
        app, _, codename = name.partition(".")
        assert Permission.objects.filter(content_type__app_label=app, codename=codename).exists(), name


def test_the_architecture_names_what_is_switched_off_in_scrapy() -> None:
    table = rows((DOCS / "architecture.md").read_text(), "| setting |")
    switches = {
        name for name, value in vars(crawl_settings).items() if value is False and name in vars(default_settings)
    }

    assert switches <= {name for cells in table for name in code(cells[0])}
