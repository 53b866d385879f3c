"""Turn joules into grams of CO2 equivalent with the yearly mean of an electricity grid. Location-based."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from greenai.errors import SettingsError
from greenai.units import wh_from_j

__all__ = ["Zone", "grams", "zone", "zones"]

WORLD = "WORLD"
_WORLD_MEAN = ", mean of the countries weighted by their generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One grid: `code` is ISO 3166 alpha-3 or WORLD, the intensity is grams of CO2 equivalent per kWh.

    `source` begins with the grid and the year; the citation stands after its first colon.
    """

    code: str
    iso2: str | None
    name: str
    carbon_intensity_g_per_kwh: float
    year: int
    source: str


def grams(energy_j: float, code: str = WORLD) -> tuple[float, str]:
    """Return grams of CO2 equivalent for `energy_j` joules drawn from the grid `code`, and the factor's source.

    Raises:
        SettingsError: no grid has that code.
    """
    grid = zone(code)
    return wh_from_j(energy_j) / 1000 * grid.carbon_intensity_g_per_kwh, grid.source


def zone(code: str) -> Zone:
    """Return the grid with this ISO 3166 alpha-3 or alpha-2 code, or WORLD, in any case.

    Raises:
        SettingsError: no grid has that code.
    """
    found = _index().get(code.strip().upper())
    if found is None:
        raise SettingsError(_unknown(code))
    return found


def zones() -> tuple[Zone, ...]:
    """Return every grid, WORLD first."""
    return tuple(dict.fromkeys(_index().values()))


def _unknown(code: str) -> str:
    names = {z.name.upper(): z.code for z in zones()}
    wanted = code.strip().upper()
    close = [names.get(key, key) for key in get_close_matches(wanted, [*names, *_index()], n=3, cutoff=0.7)]
    hint = f" Close: {', '.join(dict.fromkeys(close))}." if close else ""
    return (
        f"zone={code!r} is not one of {len(zones()) - 1} known grids.{hint} "
        'Set zone to a three-letter or two-letter country code such as "FRA", or to "WORLD".'
    )


@cache
def _index() -> dict[str, Zone]:
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("grid.json").read_text(encoding="utf-8"))
    found: dict[str, Zone] = {}
    for code, (iso2, name, intensity, year) in raw["zones"].items():
        source = f"{name} grid mix, {year}: {raw['source']}{_WORLD_MEAN if code == WORLD else ''}"
        made = Zone(code=code, iso2=iso2, name=name, carbon_intensity_g_per_kwh=intensity, year=year, source=source)
        found[code] = made
        if iso2:
            found[iso2] = made
    return found
