"""A project's last week beside its own weeks before: what changed, in figures and neutral lines.

A project is compared with itself. Projects are put beside each other only where `team_ranking` is switched on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from greenai.report.aggregate import Rates, Span, aggregate
from greenai.report.amounts import Amounts, Group
from greenai.store.reading import LedgerReader
from greenai.units import format_energy, significant

__all__ = ["Digest", "Standing", "Week", "digest", "lines"]

WEEK_S = 7 * 86_400.0
WEEKS = 4
MOST_UNUSED = 3
LEAST_CALLS = 20
"""A week with fewer calls, or a feature, says too little about a habit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What the calls of seven days took. `features` are (name, calls, of these used), the least used first."""

    since: float
    until: float
    amounts: Amounts
    rates: Rates
    outcomes: tuple[tuple[str, int], ...] = ()
    features: tuple[tuple[str, int, int], ...] = ()

    @property
    def energy_per_call_j(self) -> float | None:
        """The mean over the calls whose energy is known, in joules."""
        known = self.amounts.energy_known
        return None if not known or self.amounts.energy_j is None else self.amounts.energy_j / known


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A project among the others: by the energy of a call, in joules; None is unknown and stands last."""

    project: str
    calls: int
    energy_per_call_j: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The last seven days of a project, or of all (None), and the weeks before, the latest first."""

    project: str | None
    week: Week
    before: tuple[Week, ...]
    ranking: tuple[Standing, ...] | None = None

    @property
    def usual_per_call_j(self) -> float | None:
        """The mean energy of a call over the weeks before, in joules."""
        known = sum(week.amounts.energy_known for week in self.before)
        energy = [week.amounts.energy_j for week in self.before if week.amounts.energy_j is not None]
        return sum(energy) / known if known and energy else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "project": self.project,
            "week": _plain(self.week),
            "before": [_plain(week) for week in self.before],
            "energy_per_call_j": self.week.energy_per_call_j,
            "usual_per_call_j": self.usual_per_call_j,
            "ranking": None if self.ranking is None else [asdict(one) for one in self.ranking],
            "lines": list(lines(self)),
        }


def _plain(week: Week) -> dict[str, Any]:
    return {
        "since": week.since,
        "until": week.until,
        **week.amounts.to_dict(),
        "rates": asdict(week.rates),
        "outcomes": dict(week.outcomes),
        "features": [{"feature": name, "calls": calls, "used": used} for name, calls, used in week.features],
    }


def digest(
    reader: LedgerReader,
    project: str | None = None,
    *,
    now: float | None = None,
    weeks: int = WEEKS,
    ranking: bool = False,
) -> Digest:
    """Read the last seven days of a project, and as many of the weeks before.

    Args:
        reader: the ledger.
        project: whose calls; None for all of them.
        now: the end of the last week in seconds since 1970; by default the present.
        weeks: how many weeks before it is compared with.
        ranking: also put the projects beside each other, over the last week.
    """
    end = time.time() if now is None else now
    week, *before = (_week(reader, project, end - n * WEEK_S) for n in range(weeks + 1))
    standings = _ranking(reader, end) if ranking else None
    return Digest(project=project, week=week, before=tuple(before), ranking=standings)


def _week(reader: LedgerReader, project: str | None, until: float) -> Week:
    span = Span(since=until - WEEK_S, until=until, project=project)
    found = aggregate(reader, span)
    return Week(
        since=span.since,
        until=span.until,
        amounts=found.total,
        rates=found.rates,
        outcomes=tuple((str(group.name), group.amounts.calls) for group in found.by_outcome),
        features=tuple((f.feature, f.amounts.calls, f.amounts.used) for f in found.features if f.amounts.calls),
    )


def _ranking(reader: LedgerReader, until: float) -> tuple[Standing, ...]:
    found = aggregate(reader, Span(since=until - WEEK_S, until=until)).by_project
    standings = [_standing(group) for group in found]
    return tuple(sorted(standings, key=lambda s: (s.energy_per_call_j is None, s.energy_per_call_j or 0.0, s.project)))


def _standing(group: Group) -> Standing:
    known, energy_j = group.amounts.energy_known, group.amounts.energy_j
    mean = energy_j / known if known and energy_j is not None else None
    return Standing(project=str(group.name), calls=group.amounts.calls, energy_per_call_j=mean)


# --- in words -------------------------------------------------------------------------------


def lines(found: Digest) -> tuple[str, ...]:
    """Return what the digest says, a line for each thing that is known."""
    week = found.week
    if not week.amounts.calls:
        return ("No call in the last seven days.",)
    return (
        _energy(found),
        *_compared(found),
        *_avoided(week),
        *_rates(week.rates, [before.rates for before in found.before]),
        *_unused(week),
    )


def _energy(found: Digest) -> str:
    amounts = found.week.amounts
    took = "an unknown energy" if amounts.energy_j is None else format_energy(amounts.energy_j)
    mean = found.week.energy_per_call_j
    each = "" if mean is None else f", {format_energy(mean)} each"
    cost = "" if not amounts.cost_usd else f", at a cost of {significant(amounts.cost_usd)} US dollars"
    return f"{_calls(amounts.calls)} in the last seven days took {took}{each}{cost}."


def _compared(found: Digest) -> tuple[str, ...]:
    mean, usual = found.week.energy_per_call_j, found.usual_per_call_j
    before = sum(week.amounts.calls for week in found.before)
    if mean is None or not usual or min(before, found.week.amounts.calls) < LEAST_CALLS:
        return ()
    change = mean / usual - 1
    more = "as much as" if abs(change) < 0.005 else f"{abs(change):.0%} {'more' if change > 0 else 'less'} than"
    return (f"A call took {more} in the {len(found.before)} weeks before ({format_energy(usual)}, {_calls(before)}).",)


def _avoided(week: Week) -> tuple[str, ...]:
    avoided = week.amounts.avoided_j
    return () if not avoided else (f"{format_energy(avoided)} were avoided against what was asked for.",)


def _rates(now: Rates, before: Sequence[Rates]) -> tuple[str, ...]:
    named = (
        ("used an opt-in to an expensive mode", "opted_in", "calls"),
        ("were asked again one rung up", "escalated", "calls"),
        ("asked the same again within five minutes", "asked_again", "asked"),
    )
    return tuple(
        f"{getattr(now, part):,} of {getattr(now, whole):,} calls {words}{_usually(before, part, whole)}."
        for words, part, whole in named
        if getattr(now, part)
    )


def _usually(before: Sequence[Rates], part: str, whole: str) -> str:
    parts, wholes = (sum(getattr(rates, name) for rates in before) for name in (part, whole))
    return "" if wholes < LEAST_CALLS else f"; before, {parts / wholes:.1%} did"


def _unused(week: Week) -> tuple[str, ...]:
    unread = [one for one in week.features if one[1] >= LEAST_CALLS and one[2] * 2 < one[1]]
    return tuple(
        f"The feature {name} generated {calls:,} times, and {used:,} of these were used."
        for name, calls, used in unread[:MOST_UNUSED]
    )


def _calls(count: int) -> str:
    return f"{count:,} {'call' if count == 1 else 'calls'}"
