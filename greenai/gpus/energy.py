"""What the energy of each GPU went to: kept for nobody, at rest while used, and above that by process.

Between two looks a GPU drew what its counter says, or the trapezoid of its power where it has no counter. Then:

- *Nobody's.* While nothing ran, all of it is idle. While the GPU ran for a part of the time, that part of the power at
  rest is drawn in use, the rest of it is idle.
- *By process.* What is above the power at rest goes to the processes by the time in which their kernels ran (SM
  utilisation). Where NVML does not tell that, by the memory they hold, and where not even that, in equal parts: a
  guess, so the interval goes from nothing to all of it. What no process is known for is `UNSEEN`.
- *Rest.* The power at rest is the median of the steps in which nothing ran, once with a process on the GPU and once
  without: a live context keeps the clocks up. A GPU that never rested has none; nothing is taken off then.

Amounts are whole multiples of 2**-20 J (about 1 microjoule), so that floats of parts add up to the float of the total
exactly, in any order, up to gigajoules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from greenai.meters.coefficients import value

if TYPE_CHECKING:
    from greenai.gpus.values import GpuLook, GpuProcess, Trace

__all__ = ["PER_J", "UNSEEN", "Amount", "Rest", "Slice", "Source", "rests", "slices", "split"]

PER_J = 1 << 20
UNSEEN = 0
"""In place of a process's number: work of which NVML shows no process here."""

LEAST_REST_S = 1.0
"""Seconds at rest from which the power at rest is told: ten moves of the counter. Assumption, 2026-11-22."""

Source = Literal["counter", "power"]


@dataclass(slots=True)
class Amount:
    """An energy that grows, with its interval."""

    units: int = 0
    low_j: float = 0.0
    high_j: float = 0.0

    @property
    def energy_j(self) -> float:
        """In joules."""
        return self.units / PER_J

    def add(self, units: int, low_j: float, high_j: float) -> None:
        """Add so many units, with the interval of these in joules."""
        self.units += units
        self.low_j += low_j
        self.high_j += high_j

    def plus(self, other: Amount) -> None:
        """Add another."""
        self.add(other.units, other.low_j, other.high_j)

    def to_dict(self) -> dict[str, float]:
        """Return plain JSON values."""
        return {"energy_j": self.energy_j, "low_j": self.low_j, "high_j": self.high_j}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A GPU's watts while nothing ran on it: with no process there, and with one; None where that was never seen.

    `least_w` is the least that any step showed: the power at rest is not above it.
    """

    bare_w: float | None = None
    context_w: float | None = None
    least_w: float | None = None

    def at(self, *, held: bool) -> float | None:
        """Return the watts with processes on the GPU, or without; one stands for the other where it is not known."""
        first, second = (self.context_w, self.bare_w) if held else (self.bare_w, self.context_w)
        return second if first is None else first


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One GPU between two looks, in units of 2**-20 J. `total` is None where nothing says what it drew.

    `idle + rest + untold + sum(shares)` is `total`: what nobody used, what the GPU takes at rest while it is used, what
    cannot be told apart since its utilisation is not known, and what each process took above that. `low` and `high` are
    factors of the interval, `guessed` says that the shares are no more than a guess.
    """

    gpu: int
    begin_s: float
    end_s: float
    source: Source | None
    total: int | None
    low: float = 1.0
    high: float = 1.0
    busy: float | None = None
    idle: int = 0
    rest: int = 0
    untold: int = 0
    shares: Mapping[int, int]
    guessed: bool = False
    maybe_rest: int = 0
    pids: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end_s - self.begin_s

    @property
    def dynamic(self) -> int:
        """What all processes took."""
        return sum(self.shares.values())

    def range_of(self, pid: int) -> tuple[float, float]:
        """Return the interval of what a process took, in joules."""
        own, all_ = self.shares.get(pid, 0), self.dynamic
        least, most = (0, all_) if self.guessed else (own, own)
        kept = 1 - self.maybe_rest / all_ if all_ else 1.0
        return least * kept * self.low / PER_J, most * self.high / PER_J


def split(total: int, weights: Sequence[float]) -> list[int]:
    """Part a whole number by weights; the parts add up to it, and each is off by less than one."""
    whole = sum(weights)
    if not weights or not whole > 0 or not math.isfinite(whole):
        return split(total, [1.0] * len(weights)) if weights else []
    exact = [total * (w / whole) for w in weights]
    floors = [min(int(part), total) for part in exact]
    left = total - sum(floors)
    order = sorted(range(len(weights)), key=lambda n: (floors[n] - exact[n], n))
    for place in range(abs(left)):
        floors[order[place % len(order)]] += 1 if left > 0 else -1
    return floors


@dataclass(frozen=True, slots=True)
class _Step:
    """One GPU between two looks, before anything is told apart."""

    begin_s: float
    end_s: float
    before: GpuLook
    after: GpuLook

    @property
    def seconds(self) -> float:
        return self.end_s - self.begin_s

    @property
    def is_held(self) -> bool:
        return any(p.held for p in self.after.processes or ())

    @property
    def busy(self) -> float | None:
        """The part of the time in which anything ran, 0 to 1."""
        if self.after.busy_percent is not None:
            return self.after.busy_percent / 100
        used = [p.sm_percent for p in self.after.processes or ()]
        known = [percent for percent in used if percent is not None]
        return None if not used or len(known) < len(used) else min(sum(known) / 100, 1.0)

    def drawn(self) -> tuple[Source, float, float, float] | None:
        """Return where the energy comes from, joules, and factors of the interval; None where nothing tells."""
        error = value("nvml_error")
        first, last = self.before.counter_mj, self.after.counter_mj
        if first is not None and last is not None and last >= first:  # it starts anew with the driver
            return "counter", (last - first) / 1e3, 1 - error, 1 + error
        ends = (self.before.watts, self.after.watts)
        if ends[0] is None or ends[1] is None:
            return None
        mean_w = (ends[0] + ends[1]) / 2
        if not mean_w:
            return "power", 0.0, 1.0, 1.0
        low, high = (end / mean_w for end in sorted((ends[0], ends[1])))
        return "power", mean_w * self.seconds, low * (1 - error), high * (1 + error)

    def is_at_rest(self) -> bool:
        return self.busy == 0 and self.before.busy_percent in {0, None}


def _steps(trace: Trace, gpu: int) -> Iterator[_Step]:
    for one, other in trace.steps():
        before, after = one.looks.get(gpu), other.looks.get(gpu)
        if before is not None and after is not None and other.at_s > one.at_s:
            yield _Step(one.at_s, other.at_s, before, after)


def rests(trace: Trace, stated_w: float | None = None) -> dict[int, Rest]:
    """Return each GPU's power at rest as it was seen; `stated_w` replaces what it is with a process there."""
    return {card.index: _rest(list(_steps(trace, card.index)), stated_w) for card in trace.cards}


def _rest(steps: Sequence[_Step], stated_w: float | None) -> Rest:
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    least_w = math.inf
    for step in steps:
        drawn = step.drawn()
        if drawn is None:
            continue
        watts = drawn[1] / step.seconds
        least_w = min(least_w, watts)
        if step.is_at_rest():
            found[step.is_held].append((watts, step.seconds))
    told = {held: _median(rows) for held, rows in found.items()}
    bare_w, context_w = told[False], told[True] if stated_w is None else stated_w
    return Rest(bare_w=bare_w, context_w=context_w, least_w=None if math.isinf(least_w) else least_w)


def _median(rows: Sequence[tuple[float, float]]) -> float | None:
    return median(w for w, _ in rows) if sum(s for _, s in rows) >= LEAST_REST_S else None


def slices(trace: Trace, rest: Mapping[int, Rest]) -> Iterator[Slice]:
    """Yield every GPU between each two looks, with what its energy went to."""
    for card in trace.cards:
        for step in _steps(trace, card.index):
            yield _slice(card.index, step, rest[card.index])


def _slice(gpu: int, step: _Step, rest: Rest) -> Slice:
    drawn, busy = step.drawn(), step.busy
    pids = tuple(p.pid for p in step.after.processes or () if p.held)
    if drawn is None:
        return Slice(gpu=gpu, begin_s=step.begin_s, end_s=step.end_s, source=None, total=None, busy=busy, shares={},
                     pids=pids)  # fmt: skip
    source, energy_j, low, high = drawn
    total = round(energy_j * PER_J)
    rest_w = rest.at(held=step.is_held)
    resting = 0 if rest_w is None else min(round(rest_w * step.seconds * PER_J), total)
    idle, used, untold = _at_rest(total, resting, busy, known=rest_w is not None)
    dynamic = total - idle - used - untold
    shares, guessed = _shared(dynamic, step.after.processes)
    least = 0 if rest.least_w is None else min(round(rest.least_w * step.seconds * PER_J), dynamic)
    return Slice(
        gpu=gpu,
        begin_s=step.begin_s,
        end_s=step.end_s,
        source=source,
        total=total,
        low=low,
        high=high,
        busy=busy,
        idle=idle,
        rest=used,
        untold=untold,
        shares=shares,
        guessed=guessed,
        maybe_rest=least if rest_w is None else 0,
        pids=pids,
    )


def _at_rest(total: int, resting: int, busy: float | None, *, known: bool) -> tuple[int, int, int]:
    """Return what was idle, what was drawn at rest in use, and what cannot be told apart."""
    if busy is None:
        return 0, 0, resting
    if busy == 0:
        return total, 0, 0
    idle = round(resting * (1 - busy)) if known else 0
    return idle, resting - idle, 0


def _shared(dynamic: int, processes: Sequence[GpuProcess] | None) -> tuple[dict[int, int], bool]:
    """Return what each process took, and whether that is a guess."""
    if not dynamic:
        return {}, False
    if not processes:
        return {UNSEEN: dynamic}, False
    weights, guessed = _weights(processes)
    parts = split(dynamic, weights)
    return {p.pid: part for p, part in zip(processes, parts, strict=True) if part}, guessed


def _weights(processes: Sequence[GpuProcess]) -> tuple[list[float], bool]:
    used = [p.sm_percent for p in processes]
    known = [percent for percent in used if percent is not None]
    if len(known) == len(used) and sum(known) > 0:
        return known, False
    alone = len(processes) == 1
    memory = [float(p.memory_bytes) for p in processes if p.memory_bytes is not None]
    whole = len(memory) == len(processes) and sum(memory) > 0
    return (memory if whole else [1.0] * len(processes)), not alone
