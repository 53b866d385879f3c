from __future__ import annotations

import pytest

from greenai.errors import SettingsError
from greenai.meters.carbon import grams, zone, zones

SOURCE = (
    ": CodeCarbon @ b05965e codecarbon/data/private_infra/global_energy_mix.json (MIT), "
    "figures of Our World in Data (CC BY 4.0)"
)


def test_one_kilowatt_hour_gives_the_intensity_of_the_grid() -> None:
    found, source = grams(3.6e6, "FRA")
    assert found == pytest.approx(56.039)
    assert source == "France grid mix, 2023" + SOURCE


def test_two_letters_three_letters_and_case() -> None:
    assert zone("fr") is zone("FRA") is zone(" fra ")


def test_the_world_is_the_default() -> None:
    assert grams(3.6e6)[0] == pytest.approx(480.6)
    assert grams(3.6e6)[1] == f"World grid mix, 2023{SOURCE}, mean of the countries weighted by their generation"


def test_every_grid_has_a_positive_intensity_and_a_year() -> None:
    assert len(zones()) == 213
    for grid in zones():
        assert grid.source.partition(": ")[0] == f"{grid.name} grid mix, {grid.year}"
        assert 0 < grid.carbon_intensity_g_per_kwh < 1500
        assert 2000 < grid.year <= 2026
        assert grid.iso2 is None or len(grid.iso2) == 2
    assert len({z.iso2 for z in zones()}) == len(zones())


def test_an_unknown_grid_says_what_to_write() -> None:
    with pytest.raises(SettingsError) as caught:
        grams(1.0, "Germny")
    assert str(caught.value) == (
        "zone='Germny' is not one of 212 known grids. Close: DEU. "
        'Set zone to a three-letter or two-letter country code such as "FRA", or to "WORLD".'
    )
