"""What a provider reports beside an answer: counts of tokens and energy, from JSON or from a library's objects."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["MOST_TOKENS", "count", "energy_j"]

MOST_TOKENS = 100_000_000
"""No context window reaches this; a larger figure is a provider's bug and would be charged as energy."""


def count(value: object) -> int | None:
    """Return a count of tokens; what is no whole number, negative or absurd becomes None."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def energy_j(native: object) -> float | None:
    """Return the energy in joules that the provider itself reports; else None, and never 0 for work that was done.

    The fields are Neuralwatt's: `energy_joules`, or `energy_kwh`, in an object `energy` beside `usage`.
    """
    for holder in (_field(native, "energy"), native):
        for name, to_joules in (("energy_joules", 1.0), ("energy_kwh", 3.6e6)):
            value = _field(holder, name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf:
                return float(value) * to_joules
    return None


def _field(holder: object, name: str) -> object:
    if type(holder) is dict or isinstance(holder, Mapping):
        found: object = holder.get(name)
        return found
    return getattr(holder, name, None)
