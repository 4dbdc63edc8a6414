"""The house's rules: who may import whom, where the environment is read, what the requirements say."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ROOT


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file names in its imports, relative ones left out: those stay at home."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("coincrawl", "webapp", "fake_api")
    for path in sources(folder)
    if "migrations" not in path.parts
}
# What the modules of a package may import of the project; the first that fits counts. What is left is the site as a
# whole: its settings, addresses and commands.
MAY_IMPORT = {
    "fake_api": ("fake_api",),
    "webapp.coins": ("webapp.coins",),
    "webapp.crawls": ("webapp.crawls", "webapp.coins"),
    "webapp.api": ("webapp.api", "webapp.crawls", "webapp.coins"),
    "webapp": ("webapp",),
    "coincrawl": ("coincrawl", "webapp.crawls", "webapp.coins", "webapp.environment", "webapp.settings"),
}


def imports(module: str) -> set[str]:
    """The modules of the project that a module imports anywhere in it, also in a function or for its types alone."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            base = (above + (node.module or "")).rstrip(".")
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_model"):
            label, *_ = ast.literal_eval(node.args[0]).split(".")
            found.add(f"webapp.{label}.models")
    return {name for name in found if name in MODULES} - {module}


def test_imports_run_one_way() -> None:
    upwards = []
    for module in MODULES:
        package = next(package for package in MAY_IMPORT if f"{module}.".startswith(f"{package}."))
        allowed = tuple(f"{one}." for one in MAY_IMPORT[package])
        upwards += [(module, name) for name in imports(module) if not f"{name}.".startswith(allowed)]

    assert upwards == []


def test_no_modules_import_each_other() -> None:
    """Taken off one by one, those that import none of the others, until nothing is left."""
    left = {module: imports(module) for module in MODULES}
    while free := {module for module, needed in left.items() if not needed}:
        left = {module: needed - free for module, needed in left.items() if module not in free}

    assert left == {}


def test_the_site_never_imports_the_engine() -> None:
    engine = {"scrapy", "twisted"}
    found = [path for path in sources("webapp") if engine & {name.partition(".")[0] for name in imported(path)}]

    assert found == []


PURE = ("pagination", "records", "responses", "shape", "coverage", "listing", "meta", "verdict")


def test_pure_modules_load_without_django_and_the_engine() -> None:
    modules = ", ".join([*(f"coincrawl.{name}" for name in PURE), "webapp.crawls.catalog"])
    engine = ("django", "scrapy.core.engine")
    program = f"import sys, {modules}; print([name for name in {engine} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_environment_is_read_in_the_settings_alone() -> None:
    allowed = {"environment.py", "settings.py"}
    allowed |= {"manage.py", "wsgi.py", "asgi.py"}  # they name the settings' module
    others = [path for path in [*sources("webapp"), *sources("coincrawl")] if path.name not in allowed]

    assert [path for path in others if re.search(r"\benviron\b|\bgetenv\b", path.read_text())] == []


@pytest.mark.parametrize("name", ["requirements", "requirements-archive"])
def test_every_requirement_is_pinned_and_has_a_reason(name: str) -> None:
    lines = (ROOT / f"{name}.in").read_text().splitlines()
    wanted = [line for line in lines if not line.startswith(("#", "-c"))]
    pinned = (ROOT / f"{name}.txt").read_text()

    for line in wanted:
        name, _, reason = line.partition("#")
        package = re.split(r"[\[<>=~ ]", name.strip())[0]
        assert reason.strip(), package
        assert re.search(rf"^{package}(\[\w+\])?==", pinned, re.MULTILINE), package


def test_it_is_no_package_and_says_so() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())

    done = subprocess.run([sys.executable, "setup.py"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert configured.keys() == {"tool"}
    assert done.returncode == 1
    assert done.stderr.startswith("coincrawl is no package: it runs from its checkout.")


def test_the_models_and_the_migrations_agree(db: None) -> None:
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_every_variable_of_the_environment_is_described() -> None:
    described = (ROOT / ".env.example").read_text()

    for path in [ROOT / "webapp/environment.py", *sources("webapp"), *sources("coincrawl")]:
        for name in re.findall(r'env\.\w+\(\s*"(\w+)"', path.read_text()):
            assert re.search(rf"^#? ?{name}=", described, re.MULTILINE), name
