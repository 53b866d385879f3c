"""Grades: our frozen scale, the public board's dated bands, and no stars over two bands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratings import content

from greenai.rate.scale import BANDS, EDITION, Class, Conditions, class_of, of_record, own, public

AS_THE_BOARD = Conditions(
    boundary="gpu", device="NVIDIA H100 80GB HBM3", batch=1, prompts=1000, prompt_tokens=369.1, output_tokens=10,
    precision="bfloat16", engine="torch",
)  # fmt: skip
ENERGY = st.floats(min_value=1e-6, max_value=1e7)


@pytest.mark.parametrize(
    ("wh", "stars"),
    [(10.0, 5), (10.0001, 4), (100.0, 4), (100.1, 3), (1000.0, 3), (1001.0, 2), (10_000.0, 2), (10_001.0, 1)],
)
def test_our_scale_at_its_boundaries(wh: float, stars: int) -> None:
    """Wh per 1,000 queries: 0.01 Wh per response is 10."""
    assert own(wh, wh, wh).grade == stars


@pytest.mark.parametrize(
    ("model_class", "wh", "stars"),
    # Rows of the board of February 2025, with the stars that it gave.
    [
        ("A", 1.313333, 5), ("A", 6.393343, 5), ("A", 7.279517, 4), ("A", 9.863832, 4), ("A", 15.875393, 3),
        ("A", 17.376263, 3), ("A", 17.817499, 2), ("A", 23.000635, 2), ("A", 26.102442, 1), ("A", 28.741175, 1),
        ("B", 54.556478, 5), ("B", 56.079427, 5), ("B", 615.390413, 1),
        ("C", 1648.505252, 5), ("C", 1869.55316, 5), ("C", 3426.381777, 1),
    ],
)  # fmt: skip
def test_the_boards_stars_of_its_own_rows(model_class: Class, wh: float, stars: int) -> None:
    assert BANDS[model_class].stars(wh) == stars
    assert public(wh, wh, wh, model_class, AS_THE_BOARD).stars == stars


def test_outside_the_boards_range_the_nearest_band_counts() -> None:
    assert [BANDS["A"].stars(wh) for wh in (0.0, 1e6)] == [5, 1]


@given(st.lists(ENERGY, min_size=3, max_size=3))
def test_there_are_no_stars_where_the_interval_spans_two_bands(figures: list[float]) -> None:
    low, value, high = sorted(figures)
    grade = own(value, low, high)
    spans = own(low, low, low).grade != own(high, high, high).grade
    assert (grade.grade is None) == spans
    for name, bands in BANDS.items():
        found = public(value, low, high, name, AS_THE_BOARD)
        assert (found.stars is None) == (bands.stars(low) != bands.stars(high))


def test_without_an_interval_nothing_is_graded() -> None:
    assert own(2.0, None, None).grade is None
    found = public(2.0, None, None, "A", AS_THE_BOARD)
    assert (found.stars, found.why_not) == (None, ("there is no interval",))


def test_what_differs_from_the_boards_method_is_said_and_has_no_stars_of_it() -> None:
    found = public(
        2.0, 2.0, 2.0, None,
        Conditions(
            boundary="cpu", device="AMD EPYC", batch=4, prompts=50, prompt_tokens=480.0, output_tokens=9.5,
            precision="Q4_1", engine="llama",
        ),
    )  # fmt: skip
    assert (found.stars, found.edition) == (None, EDITION)
    assert found.why_not == (
        "CPU energy, not a GPU's",
        "measured on AMD EPYC, not on an H100 80GB",
        "batch 4, not 1",
        "50 prompts, not 1,000",
        "prompts of 480 tokens on average, not 369",
        "answers of other lengths than 10 tokens",
        "weights in Q4_1, not in 16 bits",
        "run by llama, not by transformers",
        "the model's number of parameters is not known",
    )


def test_classes_by_parameters() -> None:
    assert [class_of(size) for size in (None, 0.1, 20.0, 20.1, 66.0, 66.1)] == [None, "A", "A", "B", "B", "C"]


def as_the_board(**more: Any) -> dict[str, Any]:
    """The content of a record of which nothing differs: 17.4 Wh, class A, 3 stars."""
    plain = {
        "model": {"name": "m", "quantisation": "bfloat16", "params_b": 8.0},
        "device": {"name": "NVIDIA H100 80GB HBM3"},
        "prompts": {"count": 1000, "mean_tokens": 369.1},
        "output_tokens": {"mean": 10.0},
        "boundary": "gpu",
        "engine": "torch",
    }
    return content(wh=17.4, low=17.3, high=17.5, **{**plain, **more})


def test_the_boards_stars_are_taken_from_what_was_measured() -> None:
    assert of_record(as_the_board()).stars == 3
    claimed = {"edition": EDITION, "stars": 5, "model_class": "A"}
    assert of_record(as_the_board(public_board=claimed)).stars == 3
    assert of_record(as_the_board(public_board=claimed, boundary="cpu")).stars is None


def test_a_class_that_is_not_the_sizes_does_not_count() -> None:
    known = of_record(as_the_board(**{"class": "C"}))
    assert (known.model_class, known.stars) == ("A", 3)
    nameless = {"name": "m", "quantisation": "bfloat16"}
    assert of_record(as_the_board(model=nameless, **{"class": "B"})).stars == 5
    assert of_record(as_the_board(model=nameless, **{"class": "D"})).why_not == (
        "the model's number of parameters is not known",
    )


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"task": "image"}, "another task than text_generation"),
        ({"device": {"name": "NVIDIA H100 NVL"}}, "measured on NVIDIA H100 NVL, not on an H100 80GB"),
        ({"mode": {"reasoning": "on", "batch": 1}}, "answers of other lengths than 10 tokens"),
        ({"mode": {"reasoning": "off", "batch": [1]}}, "batch [1], not 1"),
        ({"prompts": {"count": 1000}}, "prompts of an unknown number of tokens on average, not 369"),
        ({"prompts": {"count": "1000", "mean_tokens": 369}}, "1000 prompts, not 1,000"),
        ({"output_tokens": None}, "answers of other lengths than 10 tokens"),
        ({"engine": None}, "run by an unknown engine, not by transformers"),
    ],
)
def test_each_difference_takes_the_boards_stars(more: dict[str, Any], why: str) -> None:
    found = of_record(as_the_board(**more))
    assert (found.stars, found.why_not) == (None, (why,))


@given(st.lists(ENERGY, min_size=3, max_size=3), st.booleans())
def test_stars_are_only_given_where_the_interval_lies_in_their_band(figures: list[float], none: bool) -> None:
    low, value, high = sorted(figures)
    grade = own(value, None if none else low, None if none else high).grade
    assert grade is None or grade == own(low, low, low).grade == own(high, high, high).grade
