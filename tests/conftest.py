"""What tests share: the test database under its URL, a fake API, and `crawl`: `scrapy crawl` as a user runs it."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings

from fake_api import FakeAPI, Market
from tests.support.crawls import Api, Crawl, Crawling, Process, crawl_command, run_crawl
from tests.support.databases import Away, administer, cut_all
from tests.support.nodes import ScrapydNode, StartNode
from tests.support.processes import PATIENCE, preloaded


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """On PostgreSQL, no file is imported that has nothing to run there."""
    if connection.vendor == "sqlite" or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text()
    return None if "every_database" in text or "postgresql" in text else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is not marked runs on SQLite; `every_database` and `postgresql` name what runs on PostgreSQL."""
    if connection.vendor == "sqlite":
        elsewhere = {item for item in items if item.get_closest_marker("postgresql")}
    else:
        elsewhere = {item for item in items if not is_for_postgresql(item)}
    config.hook.pytest_deselected(items=list(elsewhere))
    items[:] = [item for item in items if item not in elsewhere]


def is_for_postgresql(item: pytest.Item) -> bool:
    is_for_each = item.get_closest_marker("every_database") and not item.get_closest_marker("sqlite")
    return bool(is_for_each or item.get_closest_marker("postgresql"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """A file for SQLite, because crawls are processes of their own and look into the same database."""
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _cheap_settings() -> Iterator[None]:
    """Hash passwords in no time, and look for a static file when it is asked for, not for all at each new client."""
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS],
        WHITENOISE_AUTOREFRESH=True,
    ):
        yield


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The test database, for a process of its own."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["COINCRAWL_TEST_URL"])._replace(path=f"/{name}"))


@pytest.fixture
def away(database_url: str) -> Away:
    """A context in which the test database cannot be used: locked, or on PostgreSQL unreachable."""

    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def unreachable() -> Iterator[None]:
        name = urlsplit(database_url).path[1:]
        try:
            administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false', cut_all(name))
            yield
        finally:
            administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            connection.close()

    return locked if connection.vendor == "sqlite" else unreachable


@pytest.fixture(scope="session", autouse=True)
def _end_preloaded() -> Iterator[None]:
    yield
    if preloaded.cache_info().currsize:
        preloaded().close()


@pytest.fixture
def admin_client(client: Client) -> Client:
    """A superuser's."""
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.fixture
def api() -> Iterator[FakeAPI]:
    """A market of 600 coins: three pages."""
    with FakeAPI(Market(coins=600)) as fake:
        yield fake


@pytest.fixture
def crawl(database_url: str) -> Crawl:
    """Run `scrapy crawl ...` against an API; the result has returncode, stdout and stderr."""

    def run(api: Api, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_crawl(api, database_url, *arguments, **environment)

    return run


@pytest.fixture
def crawling(database_url: str) -> Crawling:
    """`scrapy crawl ...` against an API while a test does something to it; killed where it does not end."""

    @contextmanager
    def start(api: Api, *arguments: str, **environment: str) -> Iterator[Process]:
        command = crawl_command(api, database_url, *arguments, **environment)
        read, write = os.pipe()
        with (
            open(read) as stderr,
            open(write, "w") as theirs,
            open(os.devnull, "w") as stdout,
            preloaded().program(command["args"][1:], command["cwd"], command["env"], stdout, theirs) as program,
        ):
            theirs.close()  # so that the log ends with the process
            watchdog = threading.Timer(PATIENCE, program.kill)
            watchdog.start()
            try:
                yield Process(program, stderr)
            finally:
                watchdog.cancel()

    return start


@pytest.fixture
def start_node(database_url: str, api: FakeAPI, tmp_path: Path) -> Iterator[StartNode]:
    with ExitStack() as stack:

        def start(name: str = "node", **environment: str) -> ScrapydNode:
            settings = {"BASE_API_URL": api.url} | environment
            return stack.enter_context(ScrapydNode(database_url, tmp_path / name, name, **settings))

        yield start
