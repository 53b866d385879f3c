"""What a kWh emits where it is drawn: the yearly mean of a grid, location-based, and the water its making takes.

Facts only. A grid is a country, a state or province, a bidding zone or a cloud provider's region; the data lie in
`grid.json`, which `training/energy/grid.py` writes. What a reading makes of them is in `footprint.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from greenai.errors import SettingsError
from greenai.units import kwh_from_j

__all__ = ["WORLD", "Zone", "grams", "zone", "zones"]

WORLD = "WORLD"
_WORLD_MEAN = ", mean of the countries weighted by their generation"
_ALSO = {"UK": "GBR"}  # reserved in ISO 3166 for the United Kingdom, which has GB
_EUROPE = frozenset(("EU", "EU27", "EU-27", "EUR", "EUROPE", "EUROPEAN UNION"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One grid: the intensity is grams of CO2 equivalent per kWh, the water litres per kWh.

    `code` is ISO 3166 ("FRA", "US-CA"), a bidding zone ("SE-SE3"), a cloud's region ("aws:eu-west-3") or WORLD.
    `grid` is the code of the grid that a cloud's region draws from, else `code` again. `year` is None where the source
    states none. `source` begins with the grid and the year; the citation stands after its first ": ".
    `water_l_per_kwh` is None where no figure for that country is known.
    """

    code: str
    grid: str
    iso2: str | None
    name: str
    carbon_intensity_g_per_kwh: float
    year: int | None
    source: str
    water_l_per_kwh: float | None = None
    water_source: str | None = None


def grams(energy_j: float, code: str = WORLD) -> tuple[float, str]:
    """Return grams of CO2 equivalent for `energy_j` joules drawn from the grid `code`, and the factor's source.

    Raises:
        SettingsError: no grid has that code.
    """
    grid = zone(code)
    return kwh_from_j(energy_j) * grid.carbon_intensity_g_per_kwh, grid.source


def zone(code: str) -> Zone:
    """Return the grid with this code, in any case; countries also by ISO 3166 alpha-2, and GBR as UK.

    Raises:
        SettingsError: no grid has that code.
    """
    found = _index().get(code) or _index().get(code.strip().upper())
    if found is None:
        raise SettingsError(_unknown(code))
    return found


def zones() -> tuple[Zone, ...]:
    """Return every grid, WORLD first."""
    return tuple(dict.fromkeys(_index().values()))


def _unknown(code: str) -> str:
    names = {name: z.code for z in reversed(zones()) for name in (z.name.upper(), z.name.upper().partition(",")[0])}
    wanted = code.strip().upper()
    if wanted in _EUROPE:
        return f'zone={code!r}: there is no mean of the EU among the grids; name a country, for example "FRA".'
    close = [
        names.get(key) or _index()[key].code for key in get_close_matches(wanted, [*names, *_index()], n=3, cutoff=0.7)
    ]
    hint = f" Close: {', '.join(dict.fromkeys(close))}." if close else ""
    return (
        f"zone={code!r} is not one of {len(zones()) - 1} known grids.{hint} "
        'Set zone to a three-letter or two-letter country code such as "FRA", a state or province such as "US-CA", '
        'a cloud region such as "aws:eu-west-3", or to "WORLD".'
    )


@cache
def _index() -> dict[str, Zone]:
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("grid.json").read_text(encoding="utf-8"))
    found: dict[str, Zone] = {}
    for code, row in raw["zones"].items():
        made = _zone(code, row, raw)
        found[code.upper()] = made
        if made.iso2:
            found[made.iso2] = made
    found |= {other: found[code] for other, code in _ALSO.items()}
    for code, (grid, place, source) in raw["regions"].items():
        found[code.upper()] = _region(code, found[grid], place, source)
    return found


def _zone(code: str, row: list[Any], raw: dict[str, Any]) -> Zone:
    iso2, name, intensity, year, key, water = row
    citation = raw["sources"][key] + (_WORLD_MEAN if code == WORLD else "")
    return Zone(
        code=code,
        grid=code,
        iso2=iso2,
        name=name,
        carbon_intensity_g_per_kwh=intensity,
        year=year,
        source=f"{name} grid mix, {year or 'year not stated'}: {citation}",
        water_l_per_kwh=water,
        water_source=None if water is None else raw["water_source"],
    )


def _region(code: str, grid: Zone, place: str, source: str) -> Zone:
    head, _, citation = grid.source.partition(": ")
    where = f"{code}, {place}" if place else code
    return replace(grid, code=code, iso2=None, source=f"{head}, for {where}: {citation}; {source}")
