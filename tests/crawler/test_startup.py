"""What a crawl's process has imported when its first request would leave, and how Django is set up in it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.processes import ROOT

PROGRAM = """
import gc, json, runpy, sys
from contextlib import suppress

with suppress(SystemExit):
    runpy.run_module("scrapy", run_name="__main__", alter_sys=True)
from django.conf import settings

ours = [name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names]
print(json.dumps({"modules": ours, "debug": settings.DEBUG, "frozen": gc.get_freeze_count()}))
"""
# Without Python's own, whose number depends on its version.
MAX_MODULES = 860
NOT_NEEDED = {
    "aiohttp",
    "croniter",
    "csp.middleware",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.views.debug",
    "drf_spectacular",
    "psycopg",  # on SQLite
    "requests",
    "rest_framework",
    "rich",  # draws the table at the end
    "tldextract",
    "twisted.conch",
    "webapp.api",
    "webapp.coins.admin",
    "webapp.coins.exports",
    "webapp.crawls.admin",
    "webapp.urls",
    "whitenoise",
    "xlsxwriter",
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A crawl whose database has no tables, so that it ends before its first request."""
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('empty')}/empty.sqlite3",
        "DJANGO_SETTINGS_MODULE": "webapp.settings",  # as in `make up`
        "DJANGO_DEBUG": "true",
    }
    command = [sys.executable, "-c", PROGRAM, "crawl", "markets"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "markets: failed: The database is not migrated" in done.stderr
    return json.loads(done.stdout)


def test_a_crawl_imports_nothing_that_only_the_site_needs(process: dict[str, Any]) -> None:
    assert NOT_NEEDED.intersection(process["modules"]) == set()


def test_a_crawl_does_not_import_more_and_more(process: dict[str, Any]) -> None:
    assert len(process["modules"]) <= MAX_MODULES


def test_a_crawl_keeps_no_queries_for_debugging(process: dict[str, Any]) -> None:
    assert process["debug"] is False


def test_no_collection_looks_through_what_is_imported(process: dict[str, Any]) -> None:
    assert process["frozen"] > 50_000
