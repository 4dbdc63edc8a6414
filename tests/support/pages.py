"""The README and the pages of docs/, as tests read them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str = r"\w*") -> list[str]:
    """The code in a page's fences, as it is to be copied."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)


def block(text: str, after: str) -> str:
    """The first block of code after these words."""
    return blocks(text[text.index(after) :])[0]


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", prose(text))


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first line begins so, without its head."""
    table = text[text.index(heading) :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command in a page's blocks of shell, without variables before it and comments behind it."""
    for line in "".join(blocks(text, "sh")).splitlines():
        for command in re.sub(r"(^|\s)# .*", "", line).split(" && "):
            words = shlex.split(command)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words:
                yield words
