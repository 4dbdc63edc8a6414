"""`manage.py archive`: what it says, and how it ends."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tests.support.databases import migrated
from tests.support.factories import DAY, MINUTE, NOON, row
from tests.support.prices import flush
from tests.support.processes import python
from webapp.coins.models import ArchivedDay, Price

pytestmark = pytest.mark.django_db

FILE = "year=2026/month=02/2026-02-05.parquet"


@pytest.fixture
def archive(tmp_path: Path, settings: Settings) -> Path:
    settings.ARCHIVE_URL = str(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("archive", *arguments, stdout=output)
    return output.getvalue()


def test_it_names_each_day_that_it_writes(archive: Path) -> None:
    flush(row("a", minutes=-1440), row("b"), row("c"), at=NOON)

    assert run() == (
        f"2026-02-04: 1 observation in year=2026/month=02/2026-02-04.parquet\n2026-02-05: 2 observations in {FILE}\n"
    )
    assert run() == "No finished day waits for the archive.\n"


def test_a_damaged_day_does_not_keep_others_from_the_archive(archive: Path) -> None:
    flush(row("a", minutes=-1440), at=NOON)
    run()
    (archive / "year=2026/month=02/2026-02-04.parquet").write_bytes(b"PAR1")
    flush(row("b", minutes=-1439), row("c"), at=NOON + MINUTE)

    with pytest.raises(CommandError, match=r"^year=2026/month=02/2026-02-04.parquet is damaged .*\. Restore it"):
        run()

    assert (archive / FILE).exists()
    with pytest.raises(CommandError, match=rf"^{FILE} is not damaged: `manage.py archive` adds"):
        run("--rewrite", "2026-02-05")
    assert run("--rewrite", "2026-02-04") == "2026-02-04: 2 observations in year=2026/month=02/2026-02-04.parquet\n"
    assert run() == "No finished day waits for the archive.\n"


def test_a_day_without_observations_is_named(archive: Path) -> None:
    flush(row("a"), at=NOON)
    Price.objects.all().delete()

    assert run() == "2026-02-05: nothing to archive: its observations were deleted before\n"


def test_a_day_is_put_back(archive: Path) -> None:
    flush(row("a"), row("b"), at=NOON)
    run()
    Price.objects.all().delete()

    assert run("--restore", "2026-02-05") == "2026-02-05: 2 observations are in the database\n"
    assert Price.objects.count() == 2
    assert ArchivedDay.objects.get().restored_at is not None


def test_a_day_that_is_lost_is_named(archive: Path) -> None:
    flush(row("a"), at=NOON)
    run()
    (archive / FILE).unlink()
    Price.objects.all().delete()

    assert run("--rewrite", "2026-02-05").startswith("2026-02-05: its file is gone, and the database has no")
    assert run("--verify") == "The archive has no files yet.\n"


def test_another_currency_than_the_databases_is_rejected(archive: Path, settings: Settings) -> None:
    flush(row("a"), at=NOON)
    settings.VS_CURRENCY = "eur"

    with pytest.raises(CommandError, match=r"^The database holds prices in usd: set VS_CURRENCY=usd\.$"):
        run()


def test_an_archive_without_files_is_verified(archive: Path) -> None:
    assert run("--verify") == "The archive has no files yet.\n"


def test_all_files_are_verified(archive: Path) -> None:
    flush(*(row(f"{days}", minutes=-1440 * days) for days in range(4)), at=NOON)
    Price.objects.filter(time__lt=NOON - 2 * DAY).delete()
    run()
    before = run("--verify")
    for day in ("03", "04"):
        with (archive / f"year=2026/month=02/2026-02-{day}.parquet").open("ab") as file:
            file.write(b"PAR1")
    (archive / FILE).unlink()

    with pytest.raises(CommandError) as error:
        run("--verify")

    assert before == "Read 3 files: each is as it was written.\n"
    assert [line.partition(" ")[0] for line in str(error.value).splitlines()] == [
        f"year=2026/month=02/2026-02-{day}.parquet" for day in ("03", "04", "05")
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--restore", "2026-02-05"], f"{FILE} is not in the archive"),
        (["--rewrite", "2026-02-05"], "There are no observations of 2026-02-05 to archive."),
        (["--rewrite", "2999-01-01"], "2999-01-01 is not over yet."),
        (["--restore", "5 February"], "5 February is no day, such as 2026-02-05"),
        (["--restore", "2026-02-05", "--rewrite", "2026-02-05"], "not allowed with"),
    ],
    ids=["no file", "no observations", "not over", "no day", "two things"],
)
def test_what_cannot_be_done_is_a_sentence(archive: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)


def test_without_an_address_it_asks_for_one(settings: Settings) -> None:
    with pytest.raises(CommandError, match="name a folder or an address in ARCHIVE_URL"):
        run()


@pytest.mark.parametrize("missing", ["pyarrow", "fsspec"])
def test_without_its_packages_it_names_make_archive_setup(missing: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules['{missing}'] = None; sys.argv = ['manage.py', 'archive']\n"
        "import runpy; runpy.run_path('webapp/manage.py', run_name='__main__')"
    )
    url = f"sqlite:///{migrated(tmp_path / 'coins.sqlite3')}"

    done = python(["-c", program], {"DATABASE_URL": url, "ARCHIVE_URL": str(tmp_path)})

    assert done.returncode == 1
    needed = f"CommandError: The archive needs {missing}, which is not installed: run `make archive-setup`.\n"
    assert done.stderr == needed
