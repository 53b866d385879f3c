"""What a reading says of itself, and how several add up."""

from __future__ import annotations

import json

import pytest

from greenai.readings import Reading, total

MODELLED = Reading(
    energy_j=3.6, low_j=1.8, high_j=7.2, gpu_energy_j=2.0, evidence="modelled_api", method="physics-1",
    components={"decode": 3.0, "facility": 0.6},
)  # fmt: skip
MEASURED = Reading(
    energy_j=2.0,
    low_j=1.6,
    high_j=2.3,
    gpu_energy_j=0.0,
    evidence="measured",
    method="rapl",
    components={"decode": 2.0},
)
NOTHING = Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence="measured", method="nothing ran")


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (MODELLED, "1 mWh (500 µWh to 2 mWh; modelled_api)"),
        (
            Reading(energy_j=1.224, low_j=0.468, high_j=2.916, evidence="modelled_api", method="physics-1"),
            "340 µWh (130 to 810 µWh; modelled_api)",
        ),
        (NOTHING, "0 Wh (measured)"),
        (Reading(energy_j=3.6, low_j=None, high_j=None, evidence="measured"), "1 mWh (interval unknown; measured)"),
        (Reading.unknown("no usage came"), "unknown (no usage came)"),
    ],
)
def test_a_reading_says_its_figure_and_how_well_it_is_known(reading: Reading, text: str) -> None:
    assert str(reading) == f"{reading}" == text
    assert repr(reading).startswith("Reading(energy_j=")


# --- sums ---------------------------------------------------------------------------------


def test_nothing_adds_up_to_nothing_and_one_reading_stays_as_it_is() -> None:
    assert total([]) == NOTHING
    assert total([MODELLED]) is MODELLED


def test_a_sum_is_as_well_known_as_its_least_known_part() -> None:
    both = total([MEASURED, MODELLED])
    assert both.energy_j == pytest.approx(5.6)
    assert both.gpu_energy_j == pytest.approx(2.0)
    assert (both.evidence, both.method) == ("modelled_api", "rapl + physics-1")
    assert both.components == pytest.approx({"decode": 5.0, "facility": 0.6})


def test_ends_of_intervals_add_up_since_errors_are_common() -> None:
    both = total([MEASURED, MODELLED])
    assert (both.low_j, both.high_j) == (pytest.approx(3.4), pytest.approx(9.5))


def test_readings_add_up_with_plus_and_sum() -> None:
    three = sum([MEASURED, MODELLED, MODELLED])
    assert three == (MEASURED + MODELLED) + MODELLED == total([MEASURED, MODELLED, MODELLED])
    assert three.method == "rapl + physics-1"
    with pytest.raises(TypeError):
        MEASURED + 1.0  # type: ignore[operator]


def test_a_reading_as_plain_values() -> None:
    assert json.loads(json.dumps(MODELLED.to_dict()))["components"] == {"decode": 3.0, "facility": 0.6}


def test_an_unknown_part_makes_the_sum_unknown() -> None:
    assert total([MEASURED, Reading.unknown("no usage came")]) == Reading.unknown("rapl + no usage came")


def test_a_part_without_gpu_energy_leaves_that_sum_unknown() -> None:
    assert total([NOTHING, MODELLED]).gpu_energy_j is None
