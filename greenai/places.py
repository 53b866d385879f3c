"""Where work draws its electricity: this machine's grid and the providers', and what energy means there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from greenai.meters import footprint
from greenai.readings import Footprint, Reading

__all__ = ["Site", "drawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the work runs: this machine's grid and watts per busy core (None: the default), and the providers' grids.

    `live` returns a grid's intensity now, or None where the yearly mean has to serve; it never waits.
    """

    zone: str
    watts_per_core: float | None = None
    provider_zones: Mapping[str, str] = field(default_factory=dict)
    live: Callable[[str], footprint.Intensity | None] | None = None


def drawn(provider: str, energy: Reading, site: Site) -> Footprint:
    """Return what energy means that one provider used."""
    place = footprint.place(provider, site.zone, site.provider_zones)
    live = None if site.live is None else site.live(place.zone)
    return footprint.of(energy, place.zone, provider=provider, live=live, why=place.why)
