from __future__ import annotations

import pytest

from greenai.errors import SettingsError
from greenai.meters.carbon import grams, zone, zones

SOURCE = (
    ": CodeCarbon 3.3.2 (MIT) codecarbon/data/private_infra/global_energy_mix.json, "
    "figures of Our World in Data (CC BY 4.0)"
)


def test_one_kilowatt_hour_gives_the_intensity_of_the_grid() -> None:
    found, source = grams(3.6e6, "FRA")
    assert found == pytest.approx(56.039)
    assert source == "France grid mix, 2023" + SOURCE


def test_two_letters_three_letters_and_case() -> None:
    assert zone("fr") is zone("FRA") is zone(" fra ")


def test_the_united_kingdom_is_also_uk() -> None:
    assert zone("UK") is zone("uk") is zone("GB") is zone("GBR")
    assert [z.code for z in zones()].count("GBR") == 1


@pytest.mark.parametrize("code", ["EU", "eu", "Europe", "EUROPE", "European Union", "EU-27"])
def test_there_is_no_mean_of_europe(code: str) -> None:
    with pytest.raises(SettingsError) as caught:
        zone(code)
    assert str(caught.value) == (
        f'zone={code!r}: there is no mean of the EU among the grids; name a country, for example "FRA".'
    )


def test_the_world_is_the_default() -> None:
    assert grams(3.6e6)[0] == pytest.approx(480.6)
    assert grams(3.6e6)[1] == f"World grid mix, 2023{SOURCE}, mean of the countries weighted by their generation"


def test_every_grid_has_a_positive_intensity_and_its_source() -> None:
    assert len([z for z in zones() if len(z.code) == 3]) == 212
    for grid in zones():
        assert grid.source.startswith(f"{grid.name} grid mix, {grid.year or 'year not stated'}")
        assert len(grid.source.partition(": ")[2]) > 40
        assert 0 < grid.carbon_intensity_g_per_kwh < 1500
        assert grid.year is None or 2000 < grid.year <= 2026
        assert (grid.water_l_per_kwh is None) == (grid.water_source is None)
        assert grid.water_l_per_kwh is None or 1 < grid.water_l_per_kwh < 20
        assert zone(grid.code) is grid
    iso2 = [z.iso2 for z in zones() if z.iso2]
    assert all(len(code) == 2 for code in iso2)
    assert len(set(iso2)) == len(iso2)


@pytest.mark.parametrize(
    ("code", "intensity", "source"),
    [
        ("US-CA", 179.1, "California, United States grid mix, 2023: EPA eGRID2023, total output emission rate, "),
        ("us-wy", 831.6, "Wyoming, United States grid mix, 2023: EPA eGRID2023, "),
        ("CA-QC", 27.9, "Quebec, Canada grid mix, 2023: generation of 2023 by CodeCarbon 3.3.2 "),
        ("CN-BJ", 555.4, "Beijing, China grid mix, 2023: Ministry of Ecology and Environment of China, "),
        ("SE-SE3", 27.0, "Sweden (bidding zone 3) grid mix, 2025: ENTSO-E generation of the bidding zone "),
        ("gcp:europe-west9", 34.0, "Paris (Google Cloud europe-west9) grid mix, year not stated: cloud.google.com/"),
        ("aws:eu-west-3", 56.039, "France grid mix, 2023, for aws:eu-west-3, Europe (Paris): CodeCarbon 3.3.2 "),
        ("AZURE:FRANCECENTRAL", 56.039, "France grid mix, 2023, for azure:francecentral: CodeCarbon 3.3.2 "),
    ],
)
def test_states_provinces_bidding_zones_and_cloud_regions(code: str, intensity: float, source: str) -> None:
    assert zone(code).carbon_intensity_g_per_kwh == intensity
    assert zone(code).source.startswith(source)


def test_a_states_factor_is_in_grams_and_a_mean_of_states_near_the_countrys() -> None:
    # eGRID states 770.9 lb per MWh for the country: 350 g per kWh.
    states = [z.carbon_intensity_g_per_kwh for z in zones() if z.code.startswith("US-")]
    assert len(states) == 51
    assert 250 < sum(states) / len(states) < 450


def test_water_is_unknown_where_only_the_worlds_mean_was_filled_in() -> None:
    assert zone("FRA").water_l_per_kwh == 3.6737
    assert zone("US-CA").water_l_per_kwh == zone("USA").water_l_per_kwh == 3.1321
    assert zone("AFG").water_l_per_kwh is None


@pytest.mark.parametrize(
    ("code", "close"),
    [
        ("Germny", "DEU"),
        ("virginia", "US-VA, US-WV"),
        ("quebec", "CA-QC"),
        ("aws:eu-west-9", "aws:eu-west-3, aws:eu-west-2, aws:eu-west-1"),
    ],
)
def test_an_unknown_grid_says_what_to_write(code: str, close: str) -> None:
    with pytest.raises(SettingsError) as caught:
        grams(1.0, code)
    assert str(caught.value) == (
        f"zone={code!r} is not one of 433 known grids. Close: {close}. "
        'Set zone to a three-letter or two-letter country code such as "FRA", a state or province such as "US-CA", '
        'a cloud region such as "aws:eu-west-3", or to "WORLD".'
    )
