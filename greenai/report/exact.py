"""Sums whose parts add up: amounts as whole multiples of a power of two, chosen so that the total just fits.

A database adds floats in whatever order it meets them, so two ways to part the same rows give totals that differ in
their last digits. Whole numbers have no order. `scale_of` chooses the unit, SQL rounds each row down to it, and
`shares` turns the parts back into floats whose plain sum is the total, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["divided", "scale_of", "shares"]

# SQLite's integers have 63 bits, floats 53 of precision: 60 leave room, and the part that a float cannot hold is 8.
BITS = 60
SPARE = 8


def scale_of(total: float | None) -> float:
    """Return how many units one whole is, for amounts that add up to `total`: a power of two."""
    if not total or not math.isfinite(total):
        return 1.0
    return math.ldexp(1.0, BITS - math.frexp(total)[1])


def shares(parts: Sequence[int | None], scale: float) -> list[float | None]:
    """Return parts, in units of `scale`, as floats that add up to the float of their sum exactly; unknown stays so.

    What the parts lose where they are rounded down to a float is given to those that lost most, a unit each.
    """
    known = {index: part for index, part in enumerate(parts) if part is not None}
    floors = {index: part >> SPARE for index, part in known.items()}
    left = (sum(known.values()) >> SPARE) - sum(floors.values())
    most_lost = sorted(known, key=lambda index: known[index] & ((1 << SPARE) - 1), reverse=True)
    for index in most_lost[:left]:
        floors[index] += 1
    return [None if index not in floors else (floors[index] << SPARE) / scale for index in range(len(parts))]


def divided(amount: int, weights: Sequence[float]) -> list[int]:
    """Return whole parts of an amount, in proportion to weights above 0, that add up to it."""
    total, passed, given, parts = math.fsum(weights), 0.0, 0, list[int]()
    for weight in weights:
        passed += weight
        # What was given up to here is rounded, not each part, so that no error adds up.
        up_to = round(amount * min(passed / total, 1.0))
        parts.append(up_to - given)
        given = up_to
    parts[-1] += amount - given
    return parts
