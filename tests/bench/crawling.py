"""One crawl of the whole market, by one of the methods."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.bench.api import Api
from tests.bench.databases import Database
from tests.bench.processes import ROOT, Usage, environment, measure

OURS, ARTICLE, FLOOR, DLT = "ours", "article", "floor", "dlt"
PYTHON_OF_DLT = ROOT / ".venv-dlt/bin/python"


def crawl(api: Api, database: Database, method: str, url: str, *, status: int = 0, **variables: str) -> Usage:
    """One crawl by a method, to the database at `url`. Raises Failed if it has another exit status."""
    these = environment(DATABASE_URL=url, BASE_API_URL=api.url, **variables)
    return beside(api, database, command(method, api.url, url), these, status)


def beside(api: Api, database: Database, words: Sequence[str], variables: Mapping[str, str], status: int = 0) -> Usage:
    """What a command took, and what the API and the database's server did meanwhile."""
    server, served = database.cpu(), api.cpu
    usage = measure(words, variables, status)
    return replace(usage, server=database.cpu() - server, api=api.cpu - served)


def command(method: str, api: str, url: str) -> list[str]:
    if method == OURS:
        return [sys.executable, "-m", "scrapy", "crawl", "markets"]
    if method == DLT:
        return [str(PYTHON_OF_DLT), "-m", "tests.bench.methods.with_dlt", api, url]
    return [sys.executable, "-m", f"tests.bench.methods.{method}", api, url]
