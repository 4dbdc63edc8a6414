"""What contributors rely on: the same linters everywhere, and pinned actions."""

import re
import subprocess

import yaml

from tests.support.pages import ROOT, named


def test_pre_commit_runs_the_linters_of_make_lint() -> None:
    recipes = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/tests", "lint"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == recipes.splitlines()


def test_actions_are_pinned_and_may_only_read() -> None:
    workflows = [*(ROOT / ".github/workflows").glob("*.yml")]

    assert [named(path) for path in workflows] == [".github/workflows/ci.yml"]
    for path in workflows:
        text = path.read_text()
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
        for line in re.findall(r"uses: (.*)", text):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", line)
