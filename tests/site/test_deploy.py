"""deploy/: what can be checked of an installation in containers without starting any.

The commands and their health checks are run from a folder that has just the files of the image.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from coincrawl.scrapyd.launcher import MAX_STOP_SECONDS
from coincrawl.scrapyd.settings import LOGS_DIR
from tests.support.nodes import free_port
from tests.support.processes import PATIENCE, ROOT, read_until

COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name in SERVICES if name != "db")
# The instructions of the Dockerfile, each with its arguments in one line.
DOCKERFILE = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n\s*", "", (ROOT / "deploy/Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
PASSWORD = "p@ss/w%rd#ä"  # a URL would need most of it encoded
PORTS = {"web": "8000", "scrapyd": "6800"}
READY = {
    "web": ["Listening at:"],
    "scrapyd": ["coincrawl.scrapyd.launcher", "Site starting on"],  # with our parts in it
    "watch": ["Checking every"],
}
# A user who can do nothing against the files' modes, as in a container without capabilities.
UNPRIVILEGED = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def of(instruction: str) -> list[str]:
    return [arguments for name, arguments in DOCKERFILE if name == instruction]


def copied() -> list[tuple[list[str], str]]:
    """What COPY copies, and where to."""
    return [(sources, target) for *sources, target in map(str.split, of("COPY"))]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the image; the last pattern that matches decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            if re.match(f"{pattern}(/|$)", path):
                ignored = not line.startswith("!")
    return ignored


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# The image -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [source for sources, _ in copied() for source in sources])
def test_files_that_are_copied_exist_and_are_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not is_ignored(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "deploy/secrets/settings",
        "tests/conftest.py",
        "var/coincrawl.sqlite3",
        "var/secret_key",
        "webapp/coins/__pycache__/apps.cpython-313.pyc",
    ],
)
def test_secrets_tests_and_leftovers_do_not_get_into_the_image(path: str) -> None:
    assert is_ignored(path)


def test_the_image_installs_before_it_copies_the_code_and_runs_as_a_user_without_rights_under_an_init() -> None:
    user, entrypoint = of("USER"), of("ENTRYPOINT")
    order = [name for name, arguments in DOCKERFILE if (name == "RUN" and "pip" in arguments) or name == "COPY"]

    assert re.fullmatch(r"python:3\.\d+-slim-\w+", of("FROM")[0])
    assert order[:3] == ["COPY", "RUN", "COPY"]
    assert copied()[0][0] == ["requirements.txt", "requirements-archive.txt"]
    assert [tuple(map(int, one.split(":"))) for one in user] == [(10001, 10001)]
    assert json.loads(entrypoint[0])[0] == "tini"
    assert re.search(r"apt-get install .*\btini\b", of("RUN")[0])


@pytest.mark.parametrize(
    ("archive", "installed"), [("", ["requirements.txt"]), ("1", ["requirements.txt", "requirements-archive.txt"])]
)
def test_the_image_has_what_the_archive_needs_on_demand(archive: str, installed: list[str]) -> None:
    (install,) = (command for command in of("RUN") if "pip install" in command)

    done = subprocess.run(
        ["sh", "-c", f'pip() {{ echo "$@"; }}; {install}'],
        env={"ARCHIVE": archive},
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.findall(r"--requirement (\S+)", done.stdout) == installed
    assert SERVICES["migrate"]["build"]["args"] == {"ARCHIVE": "${ARCHIVE:-}"}
    assert of("ARG") == ["ARCHIVE="]


# The services -------------------------------------------------------------------------------------


def test_each_line_of_the_procfile_has_a_service() -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()

    assert set(SERVICES) == {line.partition(":")[0] for line in lines} | {"db", "migrate"}


def test_every_image_is_pinned() -> None:
    builds = {service["image"] for service in SERVICES.values() if "build" in service}
    foreign = {service["image"] for service in SERVICES.values()} - builds

    assert builds == {"coincrawl:local"}
    assert all(re.search(r":\d+(\.\d+)*-\w+$", image) for image in foreign)


def test_only_the_site_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"web": ["${PUBLISH:-127.0.0.1:8000}:8000"]}
    assert not any("network_mode" in service for service in SERVICES.values())


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["depends_on"]["db"] == {"condition": "service_healthy"}
    if name != "migrate":
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_restarts_and_its_log_is_limited(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    # The watcher is monitored by its pings.
    assert ("healthcheck" in service) == (name not in ("migrate", "watch"))


def test_a_stop_waits_for_the_crawls() -> None:
    assert seconds(SERVICES["scrapyd"]["stop_grace_period"]) > MAX_STOP_SECONDS


def test_data_and_logs_are_in_volumes() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    [workdir] = of("WORKDIR")

    assert mounts == ["database:/var/lib/postgresql", f"logs:{workdir}/{LOGS_DIR}"]
    assert set(COMPOSE["volumes"]) == {"database", "logs"}
    assert any(f"{LOGS_DIR}" in run and "--owner 10001" in run for run in of("RUN"))


# Secrets ------------------------------------------------------------------------------------------


def test_secrets_are_files_that_git_does_not_see() -> None:
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}

    assert all(Path(file).parent == Path("secrets") for file in files)
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_secrets_that_it_reads_and_no_others(name: str) -> None:
    service = SERVICES[name]
    files = {variable: path for variable, path in service["environment"].items() if variable.endswith("_FILE")}
    code = "".join((ROOT / "webapp" / module).read_text() for module in ("environment.py", "settings.py"))
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', code))

    assert {Path(path).name for path in files.values()} == set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert {Path(path).parent for path in files.values()} == {Path("/run/secrets")}
    if name == "db":
        assert set(files) == {"POSTGRES_PASSWORD_FILE"}
    else:
        assert {variable if variable == "ENV_FILE" else variable.removesuffix("_FILE") for variable in files} <= read


# The processes ------------------------------------------------------------------------------------


class Image:
    """The files of the image, read-only, and what compose adds: secrets in files and free ports."""

    def __init__(self, folder: Path) -> None:
        self.app, self.secrets, self.home = folder / "app", folder / "secrets", folder / "home"
        for path in (self.app / LOGS_DIR, self.secrets, self.home):
            path.mkdir(parents=True)
        for sources, target in copied():
            for source in sources:
                if (ROOT / source).is_dir():
                    ignore = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(ROOT / source, self.app / target, ignore=ignore, dirs_exist_ok=True)
                else:
                    (self.app / target).mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, self.app / target)
        for path in (self.app, *self.app.rglob("*")):
            if path != self.app / LOGS_DIR:
                path.chmod(path.stat().st_mode & ~0o222)
        (self.secrets / "database_password").write_text(f"{PASSWORD}\n")
        (self.secrets / "settings").write_text("DJANGO_SECRET_KEY=of the tests alone\n")
        self.database = f"sqlite:///{folder / 'coins.sqlite3'}"
        self.ports = {standard: str(free_port()) for standard in PORTS.values()}

    def files(self) -> set[Path]:
        return {path.relative_to(self.app) for path in (*self.app.rglob("*"), *self.home.rglob("*"))}

    def command(self, name: str, words: list[str], **environment: str) -> dict[str, Any]:
        """Arguments for subprocess.run and subprocess.Popen: the words as the service runs them."""
        for standard, port in self.ports.items():
            words = [word.replace(standard, port) for word in words]
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        env |= dict(pair.split("=") for one in of("ENV") for pair in one.split())
        for variable, value in SERVICES[name]["environment"].items():
            env[variable] = value.replace("/run/secrets", str(self.secrets))
        env |= {"HOME": str(self.home), "SCRAPYD_HTTP_PORT": self.ports[PORTS["scrapyd"]], **environment}
        return {"args": [*UNPRIVILEGED, *words], "cwd": self.app, "env": env, "text": True}

    def run(self, name: str, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        command = self.command(name, words, **environment)
        return subprocess.run(**command, capture_output=True, timeout=PATIENCE, check=False)

    def is_healthy(self, name: str) -> bool:
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(name, words).returncode == 0

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[str]]:
        command = self.command(name, SERVICES[name]["command"], DATABASE_URL=self.database)
        with subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            watchdog = threading.Timer(PATIENCE, process.kill)
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                process.kill()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def migrated(image: Image) -> Image:
    done = image.run("migrate", SERVICES["migrate"]["command"], DATABASE_URL=image.database)
    assert done.returncode == 0, done.stderr
    assert "The whole market: markets" in done.stdout
    return image


@pytest.mark.parametrize("name", READY)
def test_a_service_runs_from_the_image_s_files_and_writes_none(name: str, migrated: Image) -> None:
    before = migrated.files()

    with migrated.running(name) as process:
        read_until(process, *READY[name])
        is_healthy = "healthcheck" not in SERVICES[name] or migrated.is_healthy(name)
        meanwhile = migrated.files()
        process.terminate()
        process.communicate(timeout=PATIENCE)

    assert is_healthy
    assert process.returncode in (0, -15)
    assert meanwhile == migrated.files() == before


@pytest.mark.parametrize("name", PORTS)
def test_a_service_that_does_not_run_is_not_healthy(name: str, image: Image) -> None:
    assert not image.is_healthy(name)


def test_the_password_of_the_database_is_read_from_its_file(image: Image) -> None:
    program = "import json, webapp.settings as s; print(json.dumps(s.DATABASES['default']))"

    done = image.run("web", ["python", "-c", program])

    database = json.loads(done.stdout)
    assert (database["USER"], database["HOST"], database["PORT"]) == ("coincrawl", "db", 5432)
    assert database["PASSWORD"] == PASSWORD
    assert database["NAME"] == SERVICES["db"]["environment"]["POSTGRES_DB"]
    assert database["USER"] == SERVICES["db"]["environment"]["POSTGRES_USER"]
