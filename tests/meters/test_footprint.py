"""What a reading means where its electricity is drawn."""

from __future__ import annotations

import timeit

import pytest

from greenai.errors import SettingsError
from greenai.meters import carbon, sites
from greenai.meters.footprint import Intensity, combined, embodied_factor, of, place
from greenai.readings import Footprint, Reading

KWH = 3.6e6


def modelled(energy_j: float = 1.2 * KWH, facility_j: float = 0.2 * KWH, gpu_j: float = 0.6 * KWH) -> Reading:
    return Reading(
        energy_j=energy_j,
        low_j=energy_j / 2,
        high_j=energy_j * 3,
        gpu_energy_j=gpu_j,
        evidence="modelled_api",
        method="physics-1",
        components={"facility": facility_j},
    )


CORE = Reading(energy_j=KWH, low_j=KWH / 2, high_j=2 * KWH, gpu_energy_j=0.0, evidence="modelled_known_deployment")


# --- carbon -------------------------------------------------------------------------------


def test_carbon_is_energy_times_intensity_with_the_readings_own_interval() -> None:
    found = of(modelled(), "FRA")
    assert found.zone == "FRA"
    assert found.carbon_g == pytest.approx(1.2 * 56.039)
    assert found.carbon_low_g == pytest.approx(0.6 * 56.039)
    assert found.carbon_high_g == pytest.approx(3.6 * 56.039)
    assert found.carbon_source == carbon.zone("FRA").source


def test_market_based_carbon_stands_apart_and_only_where_it_is_published() -> None:
    google, openai = of(modelled(), "USA", provider="gemini"), of(modelled(), "USA", provider="openai")
    assert google.carbon_g == openai.carbon_g == pytest.approx(1.2 * 369.473)
    assert google.market_carbon_g == pytest.approx(1.2 * 95.8)
    assert (google.market_carbon_source or "").startswith("market-based, 2025: 0.023 g CO2e of scope 2")
    assert openai.market_carbon_g is None
    assert openai.market_carbon_source is None


def test_a_live_intensity_takes_the_place_of_the_yearly_mean() -> None:
    live = Intensity(g_per_kwh=20.0, at="2026-11-21T09:00Z", source="France live, 2026-11-21T09:00Z: somebody")
    found = of(modelled(), "FRA", provider="openai", live=live, why="assumed for openai: someone")
    assert found.carbon_g == pytest.approx(24.0)
    assert found.carbon_high_g == pytest.approx(72.0)
    assert found.carbon_source == "France live, 2026-11-21T09:00Z, assumed for openai: somebody; place: someone"


def test_what_is_unknown_stays_unknown() -> None:
    found = of(Reading.unknown("no card"), "FRA", provider="openai")
    assert (found.carbon_g, found.carbon_low_g, found.carbon_high_g) == (None, None, None)
    assert (found.water_ml, found.embodied_carbon_g) == (None, None)
    assert found.embodied_source == "unknown: the accelerators' energy is not known"


def test_an_unknown_grid_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"^zone='nowhere' is not one of "):
        of(modelled(), "nowhere")


# --- water --------------------------------------------------------------------------------


def test_water_is_cooling_of_the_machines_and_making_the_electricity() -> None:
    # 1 kWh of machines at 0.569 L, and 1.2 kWh of electricity at 3.1321 L.
    found = of(modelled(), "US-CA", provider="openai")
    assert found.water_ml == pytest.approx(569 + 1.2 * 3132.1)
    assert (found.water_source or "").startswith(
        "cooling and electricity: 0.569 L per kWh of machines (EcoLogits 0.11.3, ecologits/tracers/utils.py, "
        "PROVIDER_CONFIG_MAP), 3.1321 L per kWh of electricity from California, United States ("
    )


def test_this_machine_has_no_cooling_with_water() -> None:
    found = of(CORE, "FRA", provider="local")
    assert found.water_ml == pytest.approx(3673.7)
    assert (found.water_source or "").startswith("electricity alone, no cooling with water: 3.6737 L per kWh ")


@pytest.mark.parametrize(
    ("zone", "provider", "source"),
    [
        ("FRA", "hosted_vllm", "unknown: hosted_vllm states no water use"),
        ("AFG", "local", "unknown: no figure for the water of electricity in Afghanistan"),
    ],
)
def test_water_is_unknown_where_one_half_is(zone: str, provider: str, source: str) -> None:
    found = of(CORE, zone, provider=provider)
    assert found.water_ml is None
    assert found.water_source == source


# --- embodied -----------------------------------------------------------------------------


def test_embodied_carbon_follows_the_time_of_the_gpus_and_is_in_no_other_figure() -> None:
    by_time = of(modelled(), "FRA", device_s=100.0)
    # 985 kg over half of four years.
    assert by_time.embodied_carbon_g == pytest.approx(100 * 985_000 / (4 * 365.25 * 86_400 / 2))
    assert by_time.carbon_g == of(modelled(), "FRA").carbon_g
    assert by_time.embodied_source == (
        "share of making the hardware, within a factor of 2.6: 985 kg for a GPU and its part of the server, 4 years, "
        "50% of the time serving; kg of EcoLogits 0.11.3, the rest assumptions"
    )


def test_without_a_time_it_follows_from_the_gpus_energy() -> None:
    found = of(modelled(gpu_j=570.0), "FRA")
    assert found.embodied_carbon_g == pytest.approx(of(modelled(), "FRA", device_s=1.0).embodied_carbon_g)
    assert (found.embodied_source or "").startswith("share of making the hardware, within a factor of 2.9: 985 kg ")
    assert "570 W per GPU; W of ML.ENERGY v3" in (found.embodied_source or "")


def test_making_this_machine_is_unknown_not_zero() -> None:
    found = of(CORE, "FRA", provider="local")
    assert found.embodied_carbon_g is None
    assert found.embodied_source == "unknown: no figure for making this machine"


def test_the_factor_without_the_power_is_smaller() -> None:
    assert 1 < embodied_factor(by_energy=False) < embodied_factor() < 4


# --- places -------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", [None, "local", "endpoint", "hosted_vllm"])
def test_work_at_an_address_of_ones_own_is_in_the_apps_zone(provider: str | None) -> None:
    assert place(provider, "FRA") == ("FRA", "")


def test_a_published_place_comes_before_the_apps_zone_and_the_source_says_it_is_assumed() -> None:
    found = place("openai", "FRA")
    site = sites.find("openai")
    assert site is not None
    assert found == ("USA", f"assumed for openai: {site.source}")
    said = of(modelled(), found.zone, provider="openai", why=found.why).carbon_source
    assert said.startswith("United States grid mix, 2023, assumed for openai: CodeCarbon 3.3.2 ")
    assert said.endswith(f"; place: {site.source}")


def test_what_the_app_states_comes_first() -> None:
    stated = {"openai": "US-VA", "hosted_vllm": "SE-SE3"}
    assert place("openai", "FRA", stated) == ("US-VA", "")
    assert place("hosted_vllm", "FRA", stated) == ("SE-SE3", "")
    assert place("local", "FRA", stated) == ("FRA", "")


def test_a_provider_that_publishes_no_place_gets_the_apps_zone_and_the_source_says_so() -> None:
    found = place("groq", "WORLD")
    assert found == ("WORLD", "taken for groq, which publishes no place")
    said = of(modelled(), found.zone, provider="groq", why=found.why).carbon_source
    assert said.startswith("World grid mix, 2023, taken for groq, which publishes no place: CodeCarbon 3.3.2 ")


# --- sums ---------------------------------------------------------------------------------


def test_one_footprint_is_its_own_sum() -> None:
    only = of(modelled(), "FRA")
    assert combined([only]) is only


def test_the_sum_of_two_places() -> None:
    small, large = of(modelled(KWH, 0.0), "FRA", provider="mistral"), of(modelled(KWH, 0.0), "USA", provider="openai")
    found = combined([small, large])
    assert found.zone == "FRA + USA"
    assert found.carbon_g == pytest.approx(56.039 + 369.473)
    assert found.carbon_low_g == pytest.approx(425.512 / 2)
    assert found.carbon_high_g == pytest.approx(425.512 * 3)
    assert found.water_ml == pytest.approx((small.water_ml or 0) + (large.water_ml or 0))
    assert found.carbon_source == f"{small.carbon_source} + {large.carbon_source}"
    assert found.market_carbon_g is None


def test_one_unknown_part_makes_the_sum_unknown() -> None:
    known, unknown = of(modelled(), "FRA"), of(Reading.unknown("no card"), "USA")
    found = combined([known, unknown])
    assert (found.carbon_g, found.carbon_low_g, found.carbon_high_g, found.water_ml) == (None, None, None, None)
    assert isinstance(found, Footprint)


def test_it_costs_microseconds() -> None:
    reading = modelled()
    of(reading, "FRA", provider="openai")
    best_s = min(timeit.repeat(lambda: of(reading, "FRA", provider="openai"), number=200, repeat=20)) / 200
    assert best_s < 20e-6
