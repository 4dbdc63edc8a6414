"""What the pages say to type: commands, arguments and variables that there are."""

import re
import shlex
import subprocess
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import resolve
from scrapy.cmdline import _get_commands_dict
from scrapy.commands import ScrapyCommand
from scrapy.settings import default_settings
from scrapy.utils.project import get_project_settings

from coincrawl import crawl_settings
from tests.support.pages import PAGES, README, ROOT, block, blocks, commands, inline_code, named
from webapp.crawls.catalog import parse_arguments

MAKEFILE = (ROOT / "Makefile").read_text()
VARIABLES = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
# Programs that others bring, and what reads and writes files.
FOREIGN = {
    ".",
    "cd",
    "chmod",
    "cp",
    "createdb",
    "docker",
    "dropdb",
    "mkdir",
    "mv",
    "pg_dump",
    "pg_restore",
    "pre-commit",
    "psql",
    "rm",
    "scrapyd-client",
    "uv",
}
# Of the tests, of the example of a new spider, and of no program: NAME stands for any of them.
OTHER_VARIABLES = {"TEST_DATABASE", "LISTINGS_API_KEY", "NAME"}


def check(words: list[str]) -> None:
    """Fails where a command has a part that does not exist."""
    program, *given = words
    if "webapp/manage.py" in words:
        check_manage(*words[words.index("webapp/manage.py") + 1 :])
    elif program == "make":
        assert {f"\n{name}:" for name in given if "=" not in name} <= set(re.findall(r"\n[a-z-]+:", MAKEFILE))
    elif program == "scrapy":
        check_scrapy(*given)
    elif program == "curl":
        check_address(next(word for word in given if word.startswith("http")))
    elif program in {"python", "python3"} and given[0] == "-c":
        compile(given[1], "-c", "exec")
    elif program in {"python", "python3"}:
        assert given[0] == "-m"
        assert find_spec(given[1])
        assert given[1] != "scrapyd" or given[2:] == ["--pidfile="]  # a second one could not start beside the file
    else:
        assert program in FOREIGN


def check_manage(name: str, *given: str) -> None:
    if name != "--version":
        command = load_command_class(get_commands()[name], name)
        command.create_parser("manage.py", name, allow_abbrev=False).parse_args(given)


def check_scrapy(name: str, *given: str) -> None:
    arguments = dict(given[at + 1].split("=", 1) for at, word in enumerate(given) if word == "-a")
    assert name in scrapy_commands()
    if name == "crawl":
        parse_arguments(given[0], arguments)


def scrapy_commands() -> dict[str, ScrapyCommand]:
    return _get_commands_dict(get_project_settings(), inproject=True)


def check_address(address: str) -> None:
    url = urlsplit(address)
    services = ConfigParser()
    services.read(ROOT / "scrapy.cfg")
    assert url.path[1:] in services["services"] if url.port == 6800 else resolve(url.path)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_exists(page: Path) -> None:
    for words in commands(page.read_text()):
        check(words)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_in_a_sentence_exists(page: Path) -> None:
    for code in inline_code(page.read_text()):
        if re.match(r"(make|scrapy crawl|python webapp/manage.py) [a-z]", code):
            check(shlex.split(code.replace("...", "")))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_variable_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join([*inline_code(text), *blocks(text, "(?:ini|sh)")])
    names = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", code))

    known = {*VARIABLES, *OTHER_VARIABLES, *vars(default_settings), *vars(crawl_settings)}
    assert {name for name in names if not {name, name.removesuffix("_FILE")} & known} == set()


def test_without_make_the_lines_are_those_that_make_runs() -> None:
    recipes = subprocess.run(
        ["make", "--dry-run", "--always-make", "PYTHON=python3", "crawl", "up"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ours = re.sub(r"\.venv/bin/| --quiet| --disable-pip-version-check| --verbosity 0|exec env PATH=\S+ ", "", recipes)

    lines = block(README.read_text(), "### Without `make`").splitlines()
    commands = [command for line in lines for command in line.split(" && ")]
    commands.remove(". .venv/bin/activate")  # what `.venv/bin/` before each command does in the Makefile

    assert len(lines) == 3
    assert set(commands) <= set(ours.splitlines())
    assert "python webapp/manage.py up" in ours.splitlines()
    assert "`python webapp/manage.py up` is `make up`" in README.read_text()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_file_exists(page: Path) -> None:
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    paths = [code for code in inline_code(page.read_text()) if re.fullmatch(rf"({folders})/[\w./-]*", code)]

    missing = [path for path in paths if not path.startswith("var/") and not (ROOT / path).exists()]
    assert missing == (["coincrawl/spiders/listings.py"] if page.name == "new-spider.md" else [])
