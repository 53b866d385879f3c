"""Whose calls it was: what greenai's engines took, by the projects of the calls that were in progress meanwhile.

A process is greenai's where it was one of its engines when it was seen; everything else is "not through greenai". The
ledger says when the calls of a model were in progress, and for which project. Between two looks an engine's energy goes
to the projects by the time that their calls were in progress; with calls of several projects at once that is a guess,
and the interval goes from what each had alone to all of it. What an engine took while no call was in progress is
`KEPT`: a model that was loaded, or kept in memory unasked.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.gpus.energy import PER_J, Amount, split

if TYPE_CHECKING:
    from greenai.gpus.energy import Slice
    from greenai.gpus.values import Trace
    from greenai.store.reading import LedgerReader

__all__ = ["KEPT", "OUTSIDE", "Calls", "Owner", "Span", "by_project", "calls_of", "ordered", "owners", "unasked_j"]

OUTSIDE = "not through greenai"
KEPT = "greenai, no call in progress"

LAG_S = 1.2
"""Seconds for which NVML still shows what has ended: its utilisation is a mean of up to 1 s; 0.2 s more for its lag is
an assumption. NVIDIA's NVML documentation, 2026-11-22."""

LONGEST_CALL_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Part of a slice's energy above rest, in units of 2**-20 J, that one project's calls took."""

    project: str
    pid: int
    units: int
    low_j: float
    high_j: float


@dataclass(frozen=True, slots=True)
class Span:
    """A time, in seconds since 1970, and whose it was. `reach` is the latest end of it and all that began before."""

    begin: float
    end: float
    project: str
    reach: float = math.inf

    def within(self, begin: float, end: float) -> float:
        """Return how many seconds of it lie within another one."""
        return max(min(self.end, end) - max(self.begin, begin), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the ledger knows of a span of time: each model's calls, and when it was in memory and nobody asked it."""

    calls: Mapping[str, Sequence[Span]]
    unasked: Mapping[str, Sequence[Span]]
    found: int = 0


NONE = Calls(calls={}, unasked={})


def calls_of(reader: LedgerReader | None, trace: Trace) -> Calls:
    """Read what the ledger has on the time of a trace; nothing where there is no ledger."""
    models = {one.model for one in trace.known.values() if one.model is not None}
    if reader is None or not models:
        return NONE
    span = {"since": trace.began - LAG_S, "until": trace.began + trace.seconds, "longest": LONGEST_CALL_S}
    rows = reader.rows(
        "SELECT project, model, created, latency_s FROM attempts WHERE latency_s IS NOT NULL "
        "AND created < :until AND created > :since - :longest AND created + latency_s > :since ORDER BY created",
        span,
    )
    idle = reader.rows(
        "SELECT model, began, seconds FROM idle WHERE kind = 'warm' AND began < :until "
        "AND began > :since - :longest AND began + seconds > :since ORDER BY began",
        span,
    )
    calls: dict[str, list[Span]] = {}
    for row in rows:
        if (name := str(row["model"])) in models:
            begin = float(row["created"])
            calls.setdefault(name, []).append(Span(begin, begin + float(row["latency_s"]), str(row["project"])))
    unasked: dict[str, list[Span]] = {}
    for row in idle:
        begin = float(row["began"])
        unasked.setdefault(str(row["model"]), []).append(Span(begin, begin + float(row["seconds"]), KEPT))
    return Calls(
        calls={name: ordered(found) for name, found in calls.items()},
        unasked={name: ordered(found) for name, found in unasked.items()},
        found=sum(len(found) for found in calls.values()),
    )


def owners(one: Slice, trace: Trace, calls: Calls) -> Iterable[Owner]:
    """Yield what each project's calls took of a slice; the parts add up to what its processes took."""
    for pid, units in one.shares.items():
        low_j, high_j = one.range_of(pid)
        known = trace.known.get(pid)
        model = None if known is None else known.model
        if model is None:
            yield Owner(project=OUTSIDE, pid=pid, units=units, low_j=low_j, high_j=high_j)
            continue
        weights = _in_progress(calls.calls.get(model, ()), trace.began + one.begin_s, trace.began + one.end_s)
        alone = len(weights) == 1
        for (project, _), part in zip(weights, split(units, [w for _, w in weights]), strict=True):
            yield Owner(project=project, pid=pid, units=part, low_j=low_j if alone else 0.0, high_j=high_j)


def _in_progress(spans: Sequence[Span], begin: float, end: float) -> list[tuple[str, float]]:
    """Return the projects with calls then and for how long; before that, those whose calls have just ended."""
    for since in (begin, begin - LAG_S):
        found: dict[str, float] = {}
        for span in _near(spans, since, end):
            if (seconds := span.within(since, end)) > 0:
                found[span.project] = found.get(span.project, 0.0) + seconds
        if found:
            return sorted(found.items())
    return [(KEPT, 1.0)]


def _near(spans: Sequence[Span], begin: float, end: float) -> Sequence[Span]:
    """Return the spans, of those in the order of their begin, that may reach into a time."""
    last = bisect_left(spans, end, key=lambda span: span.begin)
    # Where no span from here on backwards can last until `begin`, none before it can: `reach` is their latest end.
    first = bisect_right(spans, begin, hi=last, key=lambda span: span.reach)
    return spans[first:last]


def ordered(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return spans in the order of their begin, each with the latest end of it and those before."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.begin):
        reach = max(span.end, found[-1].reach) if found else span.end
        found.append(Span(span.begin, span.end, span.project, reach))
    return tuple(found)


def by_project(found: Iterable[Slice], trace: Trace, calls: Calls) -> dict[str, Amount]:
    """Return what each project took above the GPUs' power at rest, the most first."""
    amounts: dict[str, Amount] = {}
    for one in found:
        for owner in owners(one, trace, calls):
            amounts.setdefault(owner.project, Amount()).add(owner.units, owner.low_j, owner.high_j)
    return dict(sorted(amounts.items(), key=lambda pair: (-pair[1].units, pair[0])))


def unasked_j(found: Iterable[Slice], trace: Trace, calls: Calls) -> float:
    """Return the idle energy of the GPUs in the time for which greenai kept a model on them that nobody asked."""
    total = 0.0
    for one in found:
        models = {known.model for pid in one.pids if (known := trace.known.get(pid)) is not None}
        begin, end = trace.began + one.begin_s, trace.began + one.end_s
        named = [calls.unasked.get(model, ()) for model in models if model is not None]
        spans = [span for found_ in named for span in _near(found_, begin, end)]
        seconds = max((span.within(begin, end) for span in spans), default=0.0)
        total += one.idle / PER_J * min(seconds / one.seconds, 1.0)
    return total
