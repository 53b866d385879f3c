"""What is published of a provider's data centres: where they are, power and water usage effectiveness. Facts only.

The data lie in `sites.json`, which `training/energy/sites.py` writes. A provider without a row has published nothing:
its PUE is then a stated default, everything else is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Market", "Site", "Span", "find", "providers", "pue"]


class Span(NamedTuple):
    """A figure with the ends of its range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What a provider's electricity emits by what it bought, in grams of CO2 equivalent per kWh: market-based."""

    g_per_kwh: float
    year: int
    source: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One provider's data centres. `zone` is a grid's code, `wue_l_per_kwh` litres of cooling per kWh of machines."""

    provider: str
    zone: str
    pue: Span
    wue_l_per_kwh: Span
    source: str
    date: str
    market: Market | None = None


def find(provider: str | None) -> Site | None:
    """Return what is published of a provider, by litellm's name of it, or None."""
    return None if provider is None else _load()[1].get(provider)


def providers() -> tuple[str, ...]:
    """Return the names of those that have published something."""
    return tuple(_load()[1])


def pue(provider: str | None = None) -> Span:
    """Return facility over machine energy of a provider's sites: value, low, high; the default where none is stated."""
    site = find(provider)
    return _load()[0] if site is None else site.pue


def _span(row: dict[str, Any]) -> Span:
    return Span(row["value"], row["low"], row["high"])


@cache
def _load() -> tuple[Span, dict[str, Site]]:
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("sites.json").read_text(encoding="utf-8"))
    sites = {
        provider: Site(
            provider=provider,
            zone=row["zone"],
            pue=_span(row["pue"]),
            wue_l_per_kwh=_span(row["wue_l_per_kwh"]),
            source=row["source"],
            date=row["date"],
            market=Market(**row["market"]) if row["market"] else None,
        )
        for provider, row in raw["providers"].items()
    }
    return _span(raw["default_pue"]), sites
