"""`manage.py dumpdata` and `loaddata`: what comes back is what was there."""

import json
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from tests.support.everything import fill, rows
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

APPS = ["coins", "crawls"]


@pytest.fixture
def tables() -> list[str]:
    return [model._meta.label for app in APPS for model in apps.get_app_config(app).get_models()]


@pytest.mark.parametrize("name", ["coins.json", "coins.jsonl", "coins.json.gz"])
def test_every_row_of_every_table_comes_back_with_every_value(name: str, tables: list[str], tmp_path: Path) -> None:
    fill("default")
    odd = "\ud800" if connection.vendor == "sqlite" else "🚀"  # half a character, which PostgreSQL refuses
    texts = {"reason": " spaces ", "messages": "one\ntwo\u2028\x85", "arguments": {"ids": [odd]}}
    CrawlRun.objects.filter(verdict=Verdict.COMPLETE).update(**texts)
    before = rows("default")
    file = tmp_path / name

    call_command("dumpdata", *APPS, format=name.split(".")[1], output=str(file), verbosity=0)
    for table in tables:
        apps.get_model(table)._base_manager.all().delete()
    emptied = rows("default")
    call_command("loaddata", str(file), verbosity=0)

    assert rows("default") == before
    assert all(before[table] and not emptied[table] for table in tables)


def test_json_lines_are_a_line_for_each_row(tables: list[str], tmp_path: Path) -> None:
    fill("default")
    file = tmp_path / "coins.jsonl"

    call_command("dumpdata", *APPS, format="jsonl", output=str(file), verbosity=0)

    lines = file.read_text().splitlines()  # which also ends a line at U+2028
    assert len(lines) == sum(len(rows("default")[table]) for table in tables)
    assert {json.loads(line)["model"] for line in lines} == {table.lower() for table in tables}
