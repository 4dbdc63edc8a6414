"""What comes of measurements: ratios, tables, and whether a target holds."""

import pytest

from tests.bench.results import Spread, Table, Target, in_turn, ratios, wrapped


def test_a_spread_has_the_median_and_both_ends() -> None:
    assert Spread.of([3, 1, 2, 10]) == Spread(2.5, 1, 10)


def test_a_spread_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param([1.26], "1.3 s", id="one"),
        pytest.param([1.26, 1.31], "1.3 s", id="equal as they are written"),
        pytest.param([1.0, 2.0, 1234.0], "2.0 s (1.0 to 1,234.0)", id="different"),
    ],
)
def test_a_spread_is_written_with_its_ends_where_they_differ(values: list[float], text: str) -> None:
    assert Spread.of(values).text(1, " s") == text


def test_ratios_are_those_of_rounds() -> None:
    """In the second round, everything took twice as long."""
    ours, theirs = {0: 1.0, 1: 2.0, 2: 1.5}, {0: 2.0, 1: 4.0, 2: 2.0}

    assert ratios(ours, theirs) == Spread(0.5, 0.5, 0.75)


def test_rounds_that_only_one_of_them_has_are_no_ratios() -> None:
    assert ratios({0: 1.0, 1: 9.0}, {0: 2.0}) == Spread(0.5, 0.5, 0.5)


def test_another_one_begins_each_round() -> None:
    assert [in_turn(["a", "b", "c"], number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.parametrize(("measured", "verdict"), [(0.79, "holds"), (0.8, "holds"), (0.81, "misses")])
def test_a_target_holds_where_the_median_is_at_most_that(measured: float, verdict: str) -> None:
    target = Target("CPU", Spread(measured, 0, 2), 0.8)

    assert target.cells == ["CPU", f"{measured:.2f} (0.00 to 2.00)", "at most 0.80", verdict]


def test_a_table_is_markdown_with_numbers_to_the_right() -> None:
    table = Table("Start-up", "What it takes.", ["command", "CPU"], [["list", "1.0"], ["crawl", "2.0"]])

    assert table.markdown() == (
        "## Start-up\n\nWhat it takes.\n\n| command | CPU |\n| --- | ---: |\n| list | 1.0 |\n| crawl | 2.0 |\n"
    )


def test_what_has_no_columns_is_prose_alone() -> None:
    assert Table("The methods", "What each is.").markdown() == "## The methods\n\nWhat each is.\n"


def test_prose_is_wrapped_and_keeps_its_paragraphs() -> None:
    text = wrapped("word " * 30 + "\n\nand\nmore")

    assert text.splitlines() == [" ".join(["word"] * 20), " ".join(["word"] * 10), "", "and more"]
