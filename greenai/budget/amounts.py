"""What is counted: six quantities, each in one unit, and whole small parts of them where they are summed.

Sums are made of integers (microjoules, billionths of a dollar and of a gram, single tokens and calls): what is taken
off again then leaves exactly what was there before, on every store.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, cast, get_args

from greenai.errors import InvalidRequest

__all__ = ["MOST_PARTS", "UNITS", "Amount", "Unit", "amount_from", "from_parts", "parts_of", "whole_parts"]

Unit: TypeAlias = Literal["energy_j", "usd", "tokens", "calls", "reasoning_calls", "carbon_g"]
UNITS: tuple[Unit, ...] = get_args(Unit)

MOST_PARTS = 2**60
"""The largest amount or limit: far above any, and far enough below 2**63 for sums."""

_PARTS: dict[Unit, int] = {
    "energy_j": 10**6, "usd": 10**9, "tokens": 1, "calls": 1, "reasoning_calls": 1, "carbon_g": 10**9,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What one attempt may use, or used. What is not given is 0.

    Attributes:
        energy_j: joules.
        usd: US dollars.
        tokens: input and output tokens.
        calls: calls of a model.
        reasoning_calls: calls of a model that reasons.
        carbon_g: grams of CO2 equivalent.

    Raises:
        InvalidRequest: a value is negative, infinite or no number.
    """

    energy_j: float = 0.0
    usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    reasoning_calls: int = 0
    carbon_g: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise InvalidRequest(
                    f"Amount({field.name}={value!r}) cannot be counted: it must be a finite number, 0 or more. "
                    f"Pass what the call may use or used, or leave {field.name} out."
                )

    def __add__(self, other: Amount) -> Amount:
        return _each(lambda unit: self.of(unit) + other.of(unit))

    def __sub__(self, other: Amount) -> Amount:
        """Return what is left of this; never less than 0."""
        return _each(lambda unit: max(self.of(unit) - other.of(unit), 0))

    def of(self, unit: Unit) -> float:
        """Return one of the six."""
        return cast("float", getattr(self, unit))

    def covers(self, other: Amount) -> bool:
        """Say whether no quantity of `other` is larger than here."""
        return all(self.of(unit) >= other.of(unit) for unit in UNITS)


def _each(make: Callable[[Unit], float]) -> Amount:
    energy_j, usd, tokens, calls, reasoning_calls, carbon_g = (make(unit) for unit in UNITS)
    return Amount(
        energy_j=energy_j,
        usd=usd,
        tokens=cast("int", tokens),
        calls=cast("int", calls),
        reasoning_calls=cast("int", reasoning_calls),
        carbon_g=carbon_g,
    )


def whole_parts(value: float, unit: Unit) -> int:
    """Return a quantity in whole small parts, at least one where there is anything."""
    if value <= 0:
        return 0
    return min(max(round(value * _PARTS[unit]), 1), MOST_PARTS) if value < MOST_PARTS else MOST_PARTS


def parts_of(amount: Amount) -> tuple[int, ...]:
    """Return the six quantities in whole small parts, in the order of `UNITS`."""
    return tuple(whole_parts(amount.of(unit), unit) for unit in UNITS)


def from_parts(parts: int, unit: Unit) -> float:
    """Return whole small parts in the quantity's own unit; counts stay whole."""
    scale = _PARTS[unit]
    return parts if scale == 1 else parts / scale


def amount_from(parts: tuple[int, ...]) -> Amount:
    """Return the amount of which `parts` are the whole small parts."""
    return _each(lambda unit: from_parts(parts[UNITS.index(unit)], unit))
