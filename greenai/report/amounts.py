"""What is added up of calls, as SQL and as values: energy, what was avoided, carbon, water, money, tokens.

An amount is None where nothing is known of any of its calls, and `..._known` counts the calls that it is known of. Ends
of intervals are added as they are, like `readings.total` does: what makes one figure too high makes the others so too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from greenai.report.exact import shares

__all__ = ["MEASURES", "Amounts", "Group", "added", "columns", "groups"]

MEASURES: Mapping[str, str] = {
    "energy_j": "energy_j",
    "low_j": "CASE WHEN energy_j IS NOT NULL THEN coalesce(low_j, energy_j) END",
    "high_j": "CASE WHEN energy_j IS NOT NULL THEN coalesce(high_j, energy_j) END",
    "avoided_j": "CASE WHEN observed IS NULL THEN avoided_j END",
    "avoided_low_j": "CASE WHEN observed IS NULL THEN coalesce(avoided_low_j, avoided_j) END",
    "avoided_high_j": "CASE WHEN observed IS NULL THEN coalesce(avoided_high_j, avoided_j) END",
    "would_avoid_j": "CASE WHEN observed IS NOT NULL THEN avoided_j END",
    "carbon_g": "carbon_g",
    "carbon_low_g": "CASE WHEN carbon_g IS NOT NULL THEN coalesce(carbon_low_g, carbon_g) END",
    "carbon_high_g": "CASE WHEN carbon_g IS NOT NULL THEN coalesce(carbon_high_g, carbon_g) END",
    "water_ml": "water_ml",
    "cost_usd": "cost_usd",
    "overhead_j": "overhead_j",
}
COUNTS: Mapping[str, str] = {
    "calls": "count(*)",
    "energy_known": "count(energy_j)",
    "carbon_known": "count(carbon_g)",
    "water_known": "count(water_ml)",
    "cost_known": "count(cost_usd)",
    "avoided_known": "count(avoided_j)",
    "used": "coalesce(sum(used), 0)",
    "input_tokens": "sum(input_tokens)",
    "output_tokens": "sum(output_tokens)",
    "reasoning_tokens": "sum(reasoning_tokens)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What a number of calls took, each amount in the unit of its name; None where it is known of no call.

    `used` counts the calls of which somebody said that what they gave was used.
    `avoided_j` leaves out the calls that only observed: what these would have avoided is `would_avoid_j`. `overhead_j`
    is greenai's own; of calls that no model answered it is their whole `energy_j` too.
    """

    calls: int = 0
    energy_known: int = 0
    carbon_known: int = 0
    water_known: int = 0
    cost_known: int = 0
    avoided_known: int = 0
    used: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    energy_j: float | None = None
    low_j: float | None = None
    high_j: float | None = None
    avoided_j: float | None = None
    avoided_low_j: float | None = None
    avoided_high_j: float | None = None
    would_avoid_j: float | None = None
    carbon_g: float | None = None
    carbon_low_g: float | None = None
    carbon_high_g: float | None = None
    water_ml: float | None = None
    cost_usd: float | None = None
    overhead_j: float | None = None

    @property
    def energy_unknown(self) -> int:
        """How many of the calls have an energy that is not known, and that is in no sum."""
        return self.calls - self.energy_known

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "energy_unknown": self.energy_unknown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The calls that have something in common, and what they took. `key` is None for those that lack it."""

    key: tuple[Any, ...]
    amounts: Amounts

    @property
    def name(self) -> str | None:
        """The first part of the key as text."""
        return None if self.key[0] is None else str(self.key[0])


def columns() -> str:
    """Return the columns of a query on calls that adds measures up in whole units; `:name` is the scale of each."""
    sums = [f"sum(CAST(({sql}) * :{name} AS INTEGER)) AS {name}" for name, sql in MEASURES.items()]
    return ", ".join([*(f"{sql} AS {name}" for name, sql in COUNTS.items()), *sums])


def added() -> str:
    """Return the columns of a query that adds the rows of such a query up once more."""
    return ", ".join(f"sum({name}) AS {name}" for name in (*COUNTS, *MEASURES))


def groups(rows: Sequence[Mapping[str, Any]], keys: Sequence[str], scales: Mapping[str, float]) -> tuple[Group, ...]:
    """Return the rows of such a query as groups, whose amounts add up to their total exactly, the largest first."""
    known = {field.name for field in fields(Amounts)}
    made = [{name: value for name, value in row.items() if name in known} for row in rows]
    for name in MEASURES:
        if rows and name in rows[0]:
            for data, amount in zip(made, shares([row[name] for row in rows], scales[name]), strict=True):
                data[name] = amount
    found = [
        Group(key=tuple(row[key] for key in keys), amounts=Amounts(**data))
        for row, data in zip(rows, made, strict=True)
    ]
    return tuple(sorted(found, key=_by_size))


def _by_size(group: Group) -> tuple[float, int, str]:
    amounts = group.amounts
    return -(amounts.energy_j or 0.0), -amounts.calls, str(group.key)
