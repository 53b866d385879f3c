"""Grade a reading on a fixed scale, so that a grade never changes because another model was added."""

from __future__ import annotations

from greenai.readings import Reading, Stars
from greenai.units import wh_from_j

__all__ = ["SCALE", "grade"]

SCALE = "greenai-stars-1"
"""5 stars up to 0.01 Wh per response, 4 up to 0.1, 3 up to 1, 2 up to 10, 1 above. Frozen: a change is a new scale."""

_LIMITS_WH = ((0.01, 5), (0.1, 4), (1.0, 3), (10.0, 2))


def grade(reading: Reading) -> Stars:
    """Return the grade of the median energy, with the worst and best grade that the interval touches."""
    if reading.energy_j is None:
        return Stars(grade=None, worst=None, best=None, scale=SCALE)
    low_j = reading.energy_j if reading.low_j is None else reading.low_j
    high_j = reading.energy_j if reading.high_j is None else reading.high_j
    return Stars(grade=_stars(reading.energy_j), worst=_stars(high_j), best=_stars(low_j), scale=SCALE)


def _stars(energy_j: float) -> int:
    energy_wh = wh_from_j(energy_j)
    return next((stars for limit_wh, stars in _LIMITS_WH if energy_wh <= limit_wh), 1)
