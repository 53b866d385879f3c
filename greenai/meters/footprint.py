"""What a reading means where its electricity is drawn: carbon, water, and the share of making the hardware.

    carbon_g           energy * intensity of the grid                       location-based, the reading's own interval
    market_carbon_g    energy * what the provider's purchases emit          only where the provider published that
    water_ml           energy of the machines * WUE of the site + energy * water of the grid
    embodied_carbon_g  GPU-seconds * kg to make GPU and server / (lifetime * utilisation), in neither carbon figure

All of it is on the reading's own boundary: a reading of GPUs alone gives the carbon of GPUs alone. Pure functions; a
live intensity is passed in. None is unknown, and its source says why.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from greenai.meters import carbon, sites
from greenai.readings import Footprint
from greenai.units import kwh_from_j

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenai.readings import Reading

__all__ = ["Intensity", "Place", "combined", "embodied_factor", "hardware", "of", "place"]

OWN = frozenset(("local", "endpoint", "hosted_vllm"))
"""Providers that are no company's site: this machine, or an address that the app gave."""

SECONDS_PER_YEAR = 365.25 * 86_400
Z90 = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """A live carbon intensity in grams of CO2 equivalent per kWh, for the time `at`; `source` begins with both."""

    g_per_kwh: float
    at: str
    source: str


class Place(NamedTuple):
    """A grid's code, and why it is taken, in words with a citation after ": "; empty where the app said it."""

    zone: str
    why: str = ""


def place(provider: str | None, own_zone: str, stated: Mapping[str, str] | None = None) -> Place:
    """Return the grid of a provider's work: what the app stated, else what is published, else the app's own zone."""
    if provider is None or provider in OWN:
        return Place((stated or {}).get(provider or "", own_zone))
    if stated and provider in stated:
        return Place(stated[provider])
    site = sites.find(provider)
    if site is None:
        return Place(own_zone, f"taken for {provider}, which publishes no place")
    return Place(site.zone, f"assumed for {provider}: {site.source}")


def of(
    reading: Reading,
    zone: str,
    *,
    provider: str | None = None,
    live: Intensity | None = None,
    device_s: float | None = None,
    why: str = "",
) -> Footprint:
    """Return carbon, water and embodied emissions of a reading whose electricity is drawn from the grid `zone`.

    Args:
        reading: energy in joules.
        zone: a grid's code.
        provider: whose site it is, by litellm's name; None for a machine of one's own.
        live: the grid's intensity now, in place of its yearly mean.
        device_s: GPU-seconds used, where known; else they come from the GPUs' energy.
        why: in words, how `zone` is known, for the source.

    Raises:
        SettingsError: no grid has that code.
    """
    facts = _facts(zone, provider, why)
    kwh = None if reading.energy_j is None else kwh_from_j(reading.energy_j)
    intensity, source = (facts.g_per_kwh, facts.carbon_source)
    if live is not None:
        intensity, source = live.g_per_kwh, _noted(live.source, why)
    embodied_g, embodied_source = _embodied(reading, device_s)
    return Footprint(
        zone=facts.zone,
        carbon_g=None if kwh is None else kwh * intensity,
        carbon_low_g=None if reading.low_j is None else kwh_from_j(reading.low_j) * intensity,
        carbon_high_g=None if reading.high_j is None else kwh_from_j(reading.high_j) * intensity,
        carbon_source=source,
        market_carbon_g=None if kwh is None or facts.market is None else kwh * facts.market,
        market_carbon_source=facts.market_source,
        water_ml=_water_ml(reading, facts),
        water_source=facts.water_source,
        embodied_carbon_g=embodied_g,
        embodied_source=embodied_source,
    )


# --- what does not depend on the reading: worked out once for each place --------------------------


class _Facts(NamedTuple):
    zone: str
    g_per_kwh: float
    carbon_source: str
    market: float | None
    market_source: str | None
    site_water: float | None
    grid_water: float | None
    water_source: str


@lru_cache(maxsize=1024)
def _facts(zone: str, provider: str | None, why: str) -> _Facts:
    grid, site = carbon.zone(zone), sites.find(provider)
    market = None if site is None else site.market
    site_water = site.wue_l_per_kwh.value if site is not None else 0.0 if provider in (None, "local") else None
    return _Facts(
        zone=grid.code,
        g_per_kwh=grid.carbon_intensity_g_per_kwh,
        carbon_source=_noted(grid.source, why),
        market=None if market is None else market.g_per_kwh,
        market_source=None if market is None else f"market-based, {market.year}: {market.source}",
        site_water=site_water,
        grid_water=grid.water_l_per_kwh,
        water_source=_water_source(grid, site, site_water, provider),
    )


def _noted(source: str, why: str) -> str:
    """Put a note behind the grid and its year, and the note's citation behind theirs."""
    if not why:
        return source
    head, _, citation = source.partition(": ")
    words, _, cited = why.partition(": ")
    return f"{head}, {words}: {citation}{'; place: ' if cited else ''}{cited}"


def _water_source(grid: carbon.Zone, site: sites.Site | None, site_water: float | None, provider: str | None) -> str:
    if site_water is None:
        return f"unknown: {provider} states no water use"
    if grid.water_l_per_kwh is None:
        return f"unknown: no figure for the water of electricity in {grid.name}"
    made = f"{grid.water_l_per_kwh:g} L per kWh of electricity from {grid.name} ({grid.water_source})"
    if site is None:
        return f"electricity alone, no cooling with water: {made}"
    return f"cooling and electricity: {site_water:g} L per kWh of machines ({site.source}), {made}"


def _water_ml(reading: Reading, facts: _Facts) -> float | None:
    if reading.energy_j is None or facts.site_water is None or facts.grid_water is None:
        return None
    machines_j = reading.energy_j - reading.components.get("facility", 0.0)
    litres = kwh_from_j(machines_j) * facts.site_water + kwh_from_j(reading.energy_j) * facts.grid_water
    return litres * 1000


# --- embodied -------------------------------------------------------------------------------


def _embodied(reading: Reading, device_s: float | None) -> tuple[float | None, str]:
    known = _making()
    if device_s is not None:
        return device_s * known.g_per_gpu_s, known.by_time
    if reading.gpu_energy_j is None:
        return None, "unknown: the accelerators' energy is not known"
    if reading.gpu_energy_j == 0:
        return None, "unknown: no figure for making this machine"
    return reading.gpu_energy_j / known.gpu_watts * known.g_per_gpu_s, known.by_energy


class _Making(NamedTuple):
    g_per_gpu_s: float
    gpu_watts: float
    by_time: str
    by_energy: str


def embodied_factor(*, by_energy: bool = True) -> float:
    """Return the 90% factor each way on embodied emissions: the ranges of what they rest on, in log space."""
    rows = dict(hardware())
    if not by_energy:
        del rows["gpu_watts"]
    gpu, server = rows.pop("gpu_kg"), rows.pop("server_kg")
    spans = [math.log((gpu["high"] + server["high"]) / (gpu["low"] + server["low"]))]
    spans += [math.log(row["high"] / row["low"]) for row in rows.values()]
    return math.exp(math.hypot(*spans) / 2)


@cache
def _making() -> _Making:
    h = {name: row["value"] for name, row in hardware().items()}
    kg, years, share = h["gpu_kg"] + h["server_kg"], h["lifetime_years"], h["utilisation"]
    words = f"{kg:g} kg for a GPU and its part of the server, {years:g} years, {share:.0%} of the time serving"
    cited = "kg of EcoLogits 0.11.3, the rest assumptions"
    by_time, by_energy = (
        f"share of making the hardware, within a factor of {embodied_factor(by_energy=way):.1f}: {words}"
        for way in (False, True)
    )
    return _Making(
        g_per_gpu_s=kg * 1000 / (years * SECONDS_PER_YEAR * share),
        gpu_watts=h["gpu_watts"],
        by_time=f"{by_time}; {cited}",
        by_energy=f"{by_energy}, {h['gpu_watts']:g} W per GPU; W of ML.ENERGY v3, {cited}",
    )


@cache
def hardware() -> dict[str, dict[str, Any]]:
    """Return what embodied emissions rest on: figures with range, unit, source and date."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("hardware.json").read_text(encoding="utf-8"))
    return loaded


# --- several places -----------------------------------------------------------------------


def combined(parts: Sequence[Footprint]) -> Footprint:
    """Add footprints of work in several places; a figure that one part does not know is unknown in the sum.

    Ends of intervals are added as they are, as `readings.total` does.
    """
    if len(parts) == 1:
        return parts[0]
    carbon_g = _sum([p.carbon_g for p in parts])
    return Footprint(
        zone=_joined([p.zone for p in parts]) or "",
        carbon_g=carbon_g,
        carbon_low_g=_sum([p.carbon_low_g for p in parts]),
        carbon_high_g=_sum([p.carbon_high_g for p in parts]),
        carbon_source=_joined([p.carbon_source for p in parts]) or "",
        market_carbon_g=_sum([p.market_carbon_g for p in parts]),
        market_carbon_source=_joined([p.market_carbon_source for p in parts]),
        water_ml=_sum([p.water_ml for p in parts]),
        water_source=_joined([p.water_source for p in parts]),
        embodied_carbon_g=_sum([p.embodied_carbon_g for p in parts]),
        embodied_source=_joined([p.embodied_source for p in parts]),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(_known(values))


def _joined(sources: Sequence[str | None]) -> str | None:
    return " + ".join(dict.fromkeys(s for s in sources if s)) or None
