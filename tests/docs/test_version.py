"""The version: in the code, in the changelog, and as a command prints it."""

import re
from importlib.metadata import version

from tests.support.pages import ROOT
from tests.support.processes import python
from webapp import __version__


def test_the_version_is_that_of_the_newest_release() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])


def test_manage_says_its_version_and_that_of_its_frameworks() -> None:
    done = python(["webapp/manage.py", "--version"], {})

    assert done.stdout == f"coincrawl {__version__}, Django {version('Django')}, Scrapy {version('Scrapy')}\n"
