"""How the pages are written: links that lead somewhere, lines that fit, a README that is short."""

import re
from pathlib import Path

import pytest

from tests.support.pages import PAGES, README, named, prose

MAX_README = 150  # lines
MAX_LINE = 100  # characters of prose; a table's row, a link or code cannot be broken


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MAX_README


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            other = page.parent / path if path else page
            assert other.is_file(), target
            assert not anchor or anchor in anchors(other), target


def test_the_readme_leads_to_every_page() -> None:
    targets = set(re.findall(r"\]\(([^)#\s]+)", README.read_text()))

    assert {named(page) for page in PAGES} - {"README.md", "docs/contributing.md"} <= targets


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_of_prose_fit(page: Path) -> None:
    lines = [line for line in prose(page.read_text()).splitlines() if not line.startswith("|")]

    assert [line for line in lines if len(line) > MAX_LINE and " " in line.strip()] == []
