from __future__ import annotations

import pytest

from greenai.meters.stars import SCALE, grade
from greenai.readings import Reading
from greenai.units import j_from_wh


def reading(energy_wh: float, low_wh: float | None = None, high_wh: float | None = None) -> Reading:
    low = None if low_wh is None else j_from_wh(low_wh)
    high = None if high_wh is None else j_from_wh(high_wh)
    return Reading(energy_j=j_from_wh(energy_wh), low_j=low, high_j=high)


@pytest.mark.parametrize(
    ("energy_wh", "stars"),
    [(0, 5), (0.01, 5), (0.0101, 4), (0.1, 4), (0.11, 3), (1, 3), (1.1, 2), (10, 2), (10.1, 1), (1e6, 1)],
)
def test_the_scale_is_frozen(energy_wh: float, stars: int) -> None:
    assert grade(reading(energy_wh)).grade == stars
    assert SCALE == "greenai-stars-1"


def test_the_interval_gives_the_range_of_grades() -> None:
    found = grade(reading(0.05, 0.005, 2.0))
    assert (found.worst, found.grade, found.best) == (2, 4, 5)
    assert str(found) == "★★★★☆ (2 to 5)"


def test_unknown_energy_is_not_rated() -> None:
    assert str(grade(Reading.unknown("no usage"))) == "not rated"
