"""Lines as SVG: pure functions."""

import pytest

from webapp.coins.admin.svg import Point, path, scaled, sparkline


def test_a_path_goes_from_left_to_right_and_from_bottom_to_top() -> None:
    assert path([Point(0, 0), Point(0.5, 1), Point(1, 0.25)], 100, 20) == "M0.0 20.0L50.0 0.0L100.0 15.0"


@pytest.mark.parametrize(
    ("values", "places"),
    [
        pytest.param([3, 1, 2], [1, 0, 0.5], id="from the least to the greatest"),
        pytest.param([-4, 0], [0, 1], id="negative"),
        pytest.param([7, 7], [0.5, 0.5], id="equal"),
        pytest.param([0], [0.5], id="one"),
    ],
)
def test_values_are_scaled_from_zero_to_one(values: list[float], places: list[float]) -> None:
    assert scaled(values) == places


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        pytest.param([1, 5, 2], "up", id="up"),
        pytest.param([2, 5, 1], "down", id="down"),
        pytest.param([2, 5, 2], "level", id="level"),
    ],
)
def test_a_sparkline_says_whether_it_ends_above_its_beginning(values: list[float], direction: str) -> None:
    drawn = sparkline([0, 1, 2], values, "<words>")

    assert f'class="spark {direction}"' in drawn
    assert drawn.count("&lt;words&gt;") == 2


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_are_no_line(values: list[float]) -> None:
    assert sparkline(values, values, "words") == ""
