"""On how few GPUs the same work would have fitted, and what that would have saved.

A load is what one process did on one GPU; it is moved whole or not at all. Loads are put on k GPUs of the same model
and memory by first-fit decreasing, so that in every step between two looks utilisation and memory of loads put together
stay within the bounds. What stays where it was seen may stay as it was seen. No load does more than it was seen to do:
contention, and how a process slows down beside another, are not modelled, and nothing is started later.

Loads that cannot be told apart (utilisation or memory by process is not known) stay together as one. A GPU of which
nothing can be told is left out. Different models of GPU are never taken for the same.

The energy of the work stays as it was seen; what changes is the power at rest. The interval's lower end is with the
released GPUs switched off or given away, its upper end with them left in the machine without a process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from greenai.gpus.energy import PER_J, UNSEEN, Amount, Rest
from greenai.meters.coefficients import coefficients

if TYPE_CHECKING:
    from greenai.gpus.energy import Slice
    from greenai.gpus.values import GpuFacts, GpuLook, Trace

__all__ = ["Bounds", "Fewer", "Group", "Load", "Move", "groups", "loads"]

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far loads that are put together may fill a GPU: utilisation in percent, memory as a part of it in percent."""

    busy_percent: float = 90.0
    memory_percent: float = 95.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Load:
    """What a process, or several that cannot be told apart, did on one GPU: percent and bytes in each step."""

    pids: tuple[int, ...]
    gpu: int
    busy: Numbers
    memory: Numbers

    def held(self) -> Flags:
        """Return whether it was there, by step."""
        return (self.memory > 0) | (self.busy > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A load that would be moved, from one GPU to another, by NVML's index."""

    pids: tuple[int, ...]
    source: int
    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fewer:
    """The same work on `gpus` GPUs: what these and the released ones would have taken; None where it does not fit.

    `low_j` is with the released GPUs switched off, `high_j` with them left on without a process. `why` says what does
    not fit.
    """

    gpus: int
    low_j: float | None = None
    high_j: float | None = None
    moves: tuple[Move, ...] = ()
    released: tuple[int, ...] = ()
    why: str | None = None

    @property
    def fits(self) -> bool:
        """Whether the work fits."""
        return self.why is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """GPUs of one model and memory: what they took, and what the same work would take on fewer, most GPUs first."""

    name: str
    memory_bytes: int | None
    gpus: tuple[int, ...]
    energy: Amount
    fewer: tuple[Fewer, ...] = ()
    left_out: Mapping[int, str] = field(default_factory=dict)

    @property
    def least(self) -> int:
        """The fewest GPUs on which the work fits."""
        return min((one.gpus for one in self.fewer if one.fits), default=len(self.gpus))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "memory_bytes": self.memory_bytes,
            "gpus": list(self.gpus),
            **self.energy.to_dict(),
            "least_gpus": self.least,
            "on_fewer": [_plain(one) for one in self.fewer],
            "left_out": {str(index): why for index, why in self.left_out.items()},
        }


def _plain(one: Fewer) -> dict[str, Any]:
    moves = [{"pids": list(m.pids), "from": m.source, "to": m.target} for m in one.moves]
    return {
        "gpus": one.gpus,
        "fits": one.fits,
        "low_j": one.low_j,
        "high_j": one.high_j,
        "released": list(one.released),
        "moves": moves,
        "why_not": one.why,
    }


# --- loads ----------------------------------------------------------------------------------


def loads(trace: Trace, gpu: int) -> tuple[Load, ...] | str:
    """Return what was done on a GPU, by process where that is known; a sentence where nothing can be told."""
    looks = [one.looks.get(gpu) for one in trace.rounds]
    if any(look is None or look.busy_percent is None for look in looks[1:]):
        return "its utilisation was not known at all times"
    if any(look is None or look.processes is None for look in looks):
        return "its processes were not known at all times"
    whole = [look for look in looks if look is not None]
    listed = [look.processes or () for look in whole]
    apart = _apart(whole)
    if apart:
        return tuple(_own(pid, gpu, whole) for pid in sorted(apart))
    pids = sorted({p.pid for row in listed for p in row})
    busy = [look.busy_percent or 0.0 for look in whole[1:]]
    if not pids and not any(busy):
        return ()
    if any(look.memory_bytes is None for look in whole):
        return "neither its memory nor that of its processes was known at all times"
    there = [bool(before) or bool(after) or b > 0 for before, after, b in zip(listed, listed[1:], busy, strict=False)]
    memory = [max(one.memory_bytes or 0, other.memory_bytes or 0) for one, other in pairwise(whole)]
    filled = np.where(there, np.array(memory, float), 0.0)
    return (Load(pids=tuple(pids) or (UNSEEN,), gpu=gpu, busy=np.array(busy), memory=filled),)


def _apart(looks: Sequence[GpuLook]) -> set[int]:
    """Return the processes where what each did is known, else nothing.

    Who works without ever holding memory, such as a display, is not: its memory is in no figure of its own.
    """
    rows = [look.processes or () for look in looks]
    known = all(p.memory_bytes is not None or not p.held for row in rows for p in row)
    told = all(p.sm_percent is not None for row in rows[1:] for p in row)
    shown = all(any(p.sm_percent for p in look.processes or ()) or not look.busy_percent for look in looks[1:])
    pids = {p.pid for row in rows for p in row}
    return pids if known and told and shown and pids == {p.pid for row in rows for p in row if p.held} else set()


def _own(pid: int, gpu: int, looks: Sequence[GpuLook]) -> Load:
    """Return the load of one process; together those of a GPU show at least the utilisation of the whole.

    Between two looks it is taken to hold the more of what they show.
    """
    shown, held = list[float](), list[int]()
    for look in looks:
        row = look.processes or ()
        mine = [p for p in row if p.pid == pid]
        all_ = sum(p.sm_percent or 0.0 for p in row)
        used = sum(p.sm_percent or 0.0 for p in mine)
        shown.append(used * max((look.busy_percent or 0.0) / all_, 1.0) if all_ else 0.0)
        held.append(sum(p.memory_bytes or 0 for p in mine))
    memory = [max(one, other) for one, other in pairwise(held)]
    return Load(pids=(pid,), gpu=gpu, busy=np.array(shown[1:]), memory=np.array(memory, float))


# --- bins -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Bin:
    """One GPU that is filled: the loads on it."""

    gpu: int
    steps: int
    loads: tuple[Load, ...] = ()

    def with_(self, load: Load) -> _Bin:
        """Return it with one load more."""
        return _Bin(gpu=self.gpu, steps=self.steps, loads=(*self.loads, load))

    def held(self) -> Flags:
        """Return whether any process is there, by step."""
        flags = np.zeros(self.steps, np.bool_)
        for load in self.loads:
            flags |= load.held()
        return flags

    def excess(self, load: Load, bounds: Bounds, memory_bytes: int | None) -> tuple[float, str] | None:
        """Return by how much a load would go over the bounds at worst, as a part of them, and in words; None: it fits.

        A step in which only one of both is there changes nothing.
        """
        if not self.loads:
            return None
        if set(load.pids) & {pid for one in self.loads for pid in one.pids} - {UNSEEN}:
            return math.inf, "it runs on several GPUs at once"
        if memory_bytes is None:
            return math.inf, "how much memory the GPUs have is not known"
        most_bytes = memory_bytes * bounds.memory_percent / 100
        busy = _together(sum(one.busy for one in self.loads), load.busy)
        memory = _together(sum(one.memory for one in self.loads), load.memory)
        if max(busy / bounds.busy_percent, memory / most_bytes) <= 1:
            return None
        if busy / bounds.busy_percent >= memory / most_bytes:
            text = f"utilisation would be {busy:.0f}%, above {bounds.busy_percent:g}%"
            return busy / bounds.busy_percent, text
        part = f"{bounds.memory_percent:g}% of the {memory_bytes / 1e9:.1f} GB of one"
        return memory / most_bytes, f"{memory / 1e9:.1f} GB of memory would be needed, above {part}"


def _named(load: Load) -> str:
    if load.pids == (UNSEEN,):
        return f"work on GPU {load.gpu} of which no process is shown"
    return f"process{'es' * (len(load.pids) > 1)} {', '.join(map(str, load.pids))} of GPU {load.gpu}"


def _together(there: Any, more: Numbers) -> float:
    """Return the most that both come to in a step in which both are there."""
    both = np.where((there > 0) & (more > 0), there + more, 0.0)
    return float(both.max()) if both.size else 0.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Fleet:
    """GPUs of one model, the busiest first: these are kept. The work on them is that of the last plan."""

    order: tuple[int, ...]
    loads: tuple[Load, ...]
    steps: int
    memory_bytes: int | None
    bounds: Bounds

    def seen(self) -> tuple[_Bin, ...]:
        """Return all GPUs as they were seen."""
        at = {index: tuple(load for load in self.loads if load.gpu == index) for index in self.order}
        return tuple(_Bin(gpu=index, steps=self.steps, loads=at[index]) for index in self.order)

    def less(self, plan: Sequence[_Bin]) -> tuple[_Bin, ...] | str:
        """Return a plan with one GPU less: its loads are moved, or else all are put anew; a sentence: neither fits.

        Put anew, processes that shared a GPU might keep more GPUs awake than before: that saves nothing.
        """
        moved = self._put(plan[:-1], plan[-1].loads)
        if not isinstance(moved, str):
            return moved
        anew = self.anew(len(plan) - 1)
        return moved if isinstance(anew, str) or _awake(anew) > _awake(plan) else anew

    def anew(self, gpus: int) -> tuple[_Bin, ...] | str:
        """Put all loads on the first so many GPUs, or say what does not fit."""
        return self._put([_Bin(gpu=index, steps=self.steps) for index in self.order[:gpus]], self.loads)

    def _put(self, plan: Sequence[_Bin], loads: Sequence[Load]) -> tuple[_Bin, ...] | str:
        bins = list(plan)
        for load in sorted(loads, key=self._size, reverse=True):
            found = [one.excess(load, self.bounds, self.memory_bytes) for one in bins]
            if None in found:
                place = found.index(None)
                bins[place] = bins[place].with_(load)
            else:
                _, why = min((excess for excess in found if excess is not None), key=lambda pair: pair[0])
                return f"{_named(load)}: {why}"
        return tuple(bins)

    def _size(self, load: Load) -> tuple[float, int]:
        most = float(load.busy.max(initial=0.0)) / self.bounds.busy_percent
        held = float(load.memory.max(initial=0.0)) / (self.memory_bytes or 1) * 100 / self.bounds.memory_percent
        return max(most, held), -load.pids[0]


def _awake(plan: Sequence[_Bin]) -> int:
    return sum(int(one.held().sum()) for one in plan)


# --- on fewer -------------------------------------------------------------------------------


def groups(
    trace: Trace, found: Sequence[Slice], rest: Mapping[int, Rest], bounds: Bounds | None = None
) -> tuple[Group, ...]:
    """Return the GPUs of each model, with what the same work would take on fewer of them."""
    kinds: dict[tuple[str, int | None], list[GpuFacts]] = {}
    for card in trace.cards:
        kinds.setdefault((card.name, card.memory_bytes), []).append(card)
    return tuple(_group(trace, found, rest, cards, bounds or Bounds()) for cards in kinds.values())


def _group(
    trace: Trace, found: Sequence[Slice], rest: Mapping[int, Rest], cards: Sequence[GpuFacts], bounds: Bounds
) -> Group:
    told = {card.index: loads(trace, card.index) for card in cards}
    left_out = {index: one for index, one in told.items() if isinstance(one, str)}
    left_out |= {c.index: "multi-instance GPU is on" for c in cards if c.divided}
    unknown = {s.gpu for s in found if s.total is None} - set(left_out)
    left_out |= {c.index: "its energy was not known at all times" for c in cards if c.index in unknown}
    gpus = tuple(card.index for card in cards)
    energy = _energy(found, frozenset(gpus))
    usable = [index for index in gpus if index not in left_out]
    dynamic = {index: sum(s.dynamic for s in found if s.gpu == index) for index in usable}
    seconds = np.array([other.at_s - one.at_s for one, other in trace.steps()], float)
    fleet = _Fleet(
        order=tuple(sorted(usable, key=lambda index: (-dynamic[index], index))),
        loads=tuple(load for index in usable for load in told[index] if isinstance(load, Load)),
        steps=len(seconds),
        memory_bytes=cards[0].memory_bytes,
        bounds=bounds,
    )
    watts = _Watts.of([rest[index] for index in usable])
    fewer = _fewer(fleet, _energy(found, frozenset(usable)), seconds, watts)
    return Group(
        name=cards[0].name, memory_bytes=cards[0].memory_bytes, gpus=gpus, energy=energy, fewer=fewer, left_out=left_out
    )


def _energy(found: Sequence[Slice], gpus: frozenset[int]) -> Amount:
    amount = Amount()
    for one in found:
        if one.gpu in gpus and one.total is not None:
            whole = one.total / PER_J
            amount.add(one.total, whole * one.low, whole * one.high)
    return amount


def _fewer(fleet: _Fleet, energy: Amount, seconds: Numbers, watts: _Watts) -> tuple[Fewer, ...]:
    """Return n, n - 1, ... 1 GPUs. Each plan comes from the one before, so that it never takes more than that."""
    if not fleet.order:
        return ()
    seen = plan = fleet.seen()
    rows = [Fewer(gpus=len(plan), low_j=energy.energy_j, high_j=energy.energy_j)]
    for gpus in range(len(fleet.order) - 1, 0, -1):
        found = fleet.less(plan) if rows[-1].fits else fleet.anew(gpus)
        if isinstance(found, str) or not rows[-1].fits:
            # First-fit decreasing that fails on some GPUs fails on fewer.
            why = found if isinstance(found, str) else rows[-1].why
            rows.append(Fewer(gpus=gpus, released=fleet.order[gpus:], why=why))
        else:
            plan = found
            rows.append(_priced(fleet, plan, seen, energy.energy_j, seconds, watts))
    return tuple(rows)


def _priced(
    fleet: _Fleet, plan: Sequence[_Bin], seen: Sequence[_Bin], energy_j: float, seconds: Numbers, watts: _Watts
) -> Fewer:
    released = fleet.order[len(plan) :]
    fewer_s = _held_s(seen, seconds) - _held_s(plan, seconds)
    left_on_j, off_j = watts.saved(max(fewer_s, 0.0), float(seconds.sum()) * len(released))
    moves = [Move(pids=load.pids, source=load.gpu, target=b.gpu) for b in plan for load in b.loads if load.gpu != b.gpu]
    return Fewer(
        gpus=len(plan),
        low_j=max(energy_j - off_j, 0.0),
        high_j=max(energy_j - left_on_j, 0.0),
        moves=tuple(moves),
        released=released,
    )


def _held_s(plan: Sequence[_Bin], seconds: Numbers) -> float:
    """Return for how long there is a process on a GPU, all GPUs together."""
    return float(sum(seconds[one.held()].sum() for one in plan))


@dataclass(frozen=True, slots=True)
class _Watts:
    """Watts at rest of GPUs of one model: with a process, and without, from the least to the most that it may be."""

    context_w: float
    least_bare_w: float
    most_bare_w: float

    @classmethod
    def of(cls, rest: Sequence[Rest]) -> _Watts:
        """Return the means of those that are known; else what is assumed of a context, in physics.json."""
        bare, context, least = (
            [watts for one in rest if (watts := getattr(one, name)) is not None]
            for name in ("bare_w", "context_w", "least_w")
        )
        bare_w = sum(bare) / len(bare) if bare else None
        context_w = max(sum(context, 0.0) / max(len(context), 1), bare_w or 0.0)
        if bare_w is not None:
            return cls(context_w, bare_w, bare_w)
        if not context:  # never at rest: at most the least that was seen, and maybe nothing
            return cls(0.0, 0.0, 0.0) if not least else cls(min(least), 0.0, min(least))
        told = coefficients()["context_watts"]
        return cls(context_w, max(context_w - told["high"], 0.0), max(context_w - told["low"], 0.0))

    def saved(self, fewer_s: float, free_s: float) -> tuple[float, float]:
        """Return what is saved, in joules: with the released GPUs left on, at least, and with them off, at most.

        Processes hold a GPU `fewer_s` less, and GPUs are released for `free_s`, all seconds together.
        """
        left_on = (self.context_w - self.most_bare_w) * fewer_s
        off = [(self.context_w - bare) * fewer_s + bare * free_s for bare in (self.least_bare_w, self.most_bare_w)]
        return min(left_on, *off), max(off)
