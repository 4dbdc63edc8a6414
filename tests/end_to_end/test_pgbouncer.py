"""PostgreSQL behind PgBouncer in transaction mode, which gives one session of the server to many clients."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from fake_api import FakeAPI
from tests.support.crawls import crawl_command, last_run
from tests.support.databases import administer
from tests.support.nodes import StartNode, until
from tests.support.processes import ROOT, python
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.skipif(not shutil.which("pgbouncer"), reason="PgBouncer is not installed: apt-get install pgbouncer"),
]
POOL = 3  # sessions of the server


@pytest.fixture
def pooled(database_url: str) -> Iterator[str]:
    """The test database's address behind a PgBouncer, on a socket in a folder of its own."""
    (server,) = parse_qs(urlsplit(database_url).query)["host"]
    owner = os.stat(server)  # the one user who reaches the server's socket
    user = ["-u", pwd.getpwuid(owner.st_uid).pw_name] if os.geteuid() != owner.st_uid else []
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nauth_type = any\npool_mode = transaction\n"
            f"default_pool_size = {POOL}\nignore_startup_parameters = options\n"
        )
        os.chown(folder, owner.st_uid, owner.st_gid)
        with subprocess.Popen(["pgbouncer", "-q", *user, folder / "pgbouncer.ini"]) as process:
            try:
                until(lambda: list(folder.glob(".s.PGSQL.*")) or process.poll() is not None)
                host = str(folder).replace("/", "%2F")
                yield f"postgres://postgres@{host}:6432/{urlsplit(database_url).path[1:]}"
            finally:
                process.terminate()


def sessions(url: str) -> set[tuple[str, ...]]:
    """What each of the server's sessions has for its limits, as any client of PgBouncer finds them."""
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    clients = [psycopg.connect(url, autocommit=False) for _ in range(POOL)]
    try:  # all at once, each in a transaction of its own
        shown = [[client.execute(f"SHOW {name}").fetchall() for name in names] for client in clients]
        return {tuple(rows[0][0] for rows in limits) for limits in shown}
    finally:
        for client in clients:
            client.close()


def test_a_crawl_works_twice_and_leaves_its_limits_in_no_session(pooled: str, api: FakeAPI) -> None:
    verdicts = []
    for _ in range(2):
        done = subprocess.run(**crawl_command(api, pooled), capture_output=True, text=True, timeout=120, check=False)
        verdicts.append((done.returncode, last_run().verdict, last_run().seen))

    assert verdicts == [(0, "complete", 600)] * 2
    assert FullCoin.objects.count() == 600
    assert sessions(pooled) == {("0", "0", "0")}


def test_the_site_works(pooled: str) -> None:
    program = (
        "import django; django.setup()\n"
        "from django.contrib.auth.models import User\n"
        "from django.test import Client\n"
        "client = Client(SERVER_NAME='localhost')\n"
        "client.force_login(User.objects.create_superuser('ada'))\n"
        "pages = ['/admin/', '/admin/coins/fullcoin/', '/admin/crawls/crawlschedule/', '/api/coins/', '/api/health/',"
        " '/api/prices/?date=2026-02-05', '/api/prices/days/']\n"
        "print([client.get(page).status_code for page in pages])\n"
    )
    done = python(["-c", program], {"DATABASE_URL": pooled})
    dumped = python([str(ROOT / "webapp/manage.py"), "dumpdata", "auth.user"], {"DATABASE_URL": pooled})

    assert done.stdout == "[200, 200, 200, 200, 200, 200, 200]\n", done.stderr
    assert '"username": "ada"' in dumped.stdout


def test_scrapyd_runs_a_job(pooled: str, start_node: StartNode) -> None:
    node = start_node(DATABASE_URL=pooled)

    key = node.schedule()

    until(lambda: CrawlRun.objects.filter(pk=key, verdict="complete").exists())


def test_what_the_crawler_and_scrapyd_do_has_limits(pooled: str, database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    administer(f"""ALTER DATABASE "{name}" SET datestyle = 'German, DMY'""")
    program = (
        "import coincrawl.settings\n"
        "from coincrawl.database import Worker\n"
        "from django.db import connection, transaction\n"
        "def shown(name):\n"
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute(f'SHOW {name}')\n"
        "        return cursor.fetchone()[0]\n"
        "def both():\n"
        "    with transaction.atomic():\n"
        "        first, second = shown('lock_timeout'), shown('idle_in_transaction_session_timeout')\n"
        "    return first, second, shown('statement_timeout'), shown('datestyle')\n"
        "worker = Worker()\n"
        "print(worker.submit(both).result())\n"
        "worker.disconnect().result()\n"
        "worker.shut()\n"
    )
    done = python(["-c", program], {"DATABASE_URL": pooled})
    administer(f"""ALTER DATABASE "{name}" RESET datestyle""")

    assert done.stdout == "('3s', '1min', '20s', 'ISO, DMY')\n", done.stderr
