"""All that a trace tells, in one value: by GPU, by process, by project, idle, on fewer, and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenai.gpus import energy, packing, projects
from greenai.gpus.energy import PER_J, UNSEEN, Amount
from greenai.gpus.values import GpusError
from greenai.meters.gpu_looks import BETWEEN
from greenai.units import format_duration

if TYPE_CHECKING:
    from greenai.gpus.energy import Rest, Slice
    from greenai.gpus.packing import Bounds, Group
    from greenai.gpus.projects import Calls
    from greenai.gpus.values import GpuFacts, Trace

__all__ = ["Gpu", "Process", "Summary", "summed"]

MEAN_S = 1.0
"""NVML's utilisation is a mean of this many seconds at most. NVIDIA's NVML documentation, 2026-11-22."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU over the whole time: `idle`, `rest` (at rest in use), `untold` and `dynamic` add up to `total`."""

    card: GpuFacts
    rest: Rest
    total: Amount
    idle: Amount
    in_use: Amount
    untold: Amount
    dynamic: Amount
    busy: float | None
    memory_bytes: int | None
    unread_s: float
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one process took above rest on all GPUs. `guessed` says that it shared one, and how is not known."""

    pid: int
    name: str | None
    model: str | None
    gpus: tuple[int, ...]
    dynamic: Amount
    memory_bytes: int | None
    guessed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the GPUs did. All parts of `gpus` add up to `total` exactly, as do `processes`, and `by_project`."""

    trace: Trace
    slices: tuple[Slice, ...]
    calls: Calls
    gpus: tuple[Gpu, ...]
    processes: tuple[Process, ...]
    by_project: Mapping[str, Amount]
    total: Amount
    idle: Amount
    in_use: Amount
    untold: Amount
    dynamic: Amount
    unasked_j: float
    groups: tuple[Group, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def idle_share(self) -> float | None:
        """The part of all energy that the GPUs drew while nobody used them; None where nothing was drawn or told."""
        return self.idle.units / self.total.units if self.total.units else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; energies in joules."""
        return {
            "began": self.trace.began,
            "seconds": self.trace.seconds,
            "looks": len(self.trace.rounds),
            "synthetic": self.trace.synthetic,
            "total": self.total.to_dict(),
            "idle": self.idle.to_dict(),
            "at_rest_in_use": self.in_use.to_dict(),
            "not_told_apart": self.untold.to_dict(),
            "by_processes": self.dynamic.to_dict(),
            "idle_share": self.idle_share,
            "kept_unasked_j": self.unasked_j,
            "gpus": [_gpu(one) for one in self.gpus],
            "processes": [_process(one) for one in self.processes],
            "projects": [{"project": name, **amount.to_dict()} for name, amount in self.by_project.items()],
            "on_fewer": [group.to_dict() for group in self.groups],
            "notes": list(self.notes),
        }


def _gpu(one: Gpu) -> dict[str, Any]:
    return {
        "index": one.card.index,
        "uuid": one.card.uuid,
        "name": one.card.name,
        "memory_bytes": one.card.memory_bytes,
        "most_memory_used_bytes": one.memory_bytes,
        "divided": one.card.divided,
        "busy": one.busy,
        **one.total.to_dict(),
        "idle_j": one.idle.energy_j,
        "at_rest_in_use_j": one.in_use.energy_j,
        "not_told_apart_j": one.untold.energy_j,
        "by_processes_j": one.dynamic.energy_j,
        "rest_w": {"without_process": one.rest.bare_w, "with_process": one.rest.context_w},
        "unread_s": one.unread_s,
        "sources": list(one.sources),
    }


def _process(one: Process) -> dict[str, Any]:
    return {
        "pid": one.pid or None,
        "name": one.name,
        "model": one.model,
        "gpus": list(one.gpus),
        "most_memory_bytes": one.memory_bytes,
        "guessed": one.guessed,
        **one.dynamic.to_dict(),
    }


def summed(
    trace: Trace,
    calls: Calls = projects.NONE,
    bounds: Bounds | None = None,
    idle_w: float | None = None,
) -> Summary:
    """Return what a trace tells.

    Args:
        trace: what was seen.
        calls: what the ledger has of that time.
        bounds: how far a GPU may be filled.
        idle_w: the watts of a GPU at rest with a process on it, in place of what was seen.

    Raises:
        GpusError: there are fewer than two looks.
    """
    if len(trace.rounds) < 2:
        raise GpusError(
            f"{len(trace.rounds)} look at the GPUs tells of no energy: it takes two. Watch for longer, with --for 10s."
        )
    rest = energy.rests(trace, idle_w)
    found = tuple(energy.slices(trace, rest))
    gpus = tuple(
        _of_gpu(trace, card, [s for s in found if s.gpu == card.index], rest[card.index]) for card in trace.cards
    )
    whole = {name: _plus(getattr(g, name) for g in gpus) for name in ("total", "idle", "in_use", "untold", "dynamic")}
    return Summary(
        trace=trace,
        slices=found,
        calls=calls,
        gpus=gpus,
        processes=_processes(trace, found),
        by_project=projects.by_project(found, trace, calls),
        unasked_j=projects.unasked_j(found, trace, calls),
        groups=packing.groups(trace, found, rest, bounds),
        notes=tuple(_notes(trace, gpus, found)),
        **whole,
    )


def _plus(amounts: Any) -> Amount:
    total = Amount()
    for amount in amounts:
        total.plus(amount)
    return total


def _of_gpu(trace: Trace, card: GpuFacts, found: Sequence[Slice], rest: Rest) -> Gpu:
    parts = {name: Amount() for name in ("total", "idle", "rest", "untold", "dynamic")}
    for one in found:
        for name, amount in parts.items():
            units = getattr(one, name) or 0
            amount.add(units, units * one.low / PER_J, units * one.high / PER_J)
    known = [(s.busy, s.seconds) for s in found if s.busy is not None]
    looks = [look for one in trace.rounds if (look := one.looks.get(card.index)) is not None]
    memory = [look.memory_bytes for look in looks if look.memory_bytes is not None]
    return Gpu(
        card=card,
        rest=rest,
        total=parts["total"],
        idle=parts["idle"],
        in_use=parts["rest"],
        untold=parts["untold"],
        dynamic=parts["dynamic"],
        busy=sum(b * s for b, s in known) / sum(s for _, s in known) if known else None,
        memory_bytes=max(memory, default=None),
        unread_s=trace.seconds - sum(s.seconds for s in found if s.total is not None),
        sources=tuple(sorted({s.source for s in found if s.source is not None})),
    )


def _processes(trace: Trace, found: Sequence[Slice]) -> tuple[Process, ...]:
    amounts: dict[int, Amount] = {}
    places: dict[int, set[int]] = {}
    guessed = set[int]()
    for one in found:
        for pid in {*one.pids, *one.shares}:
            low_j, high_j = one.range_of(pid)
            amounts.setdefault(pid, Amount()).add(one.shares.get(pid, 0), low_j, high_j)
            places.setdefault(pid, set()).add(one.gpu)
        guessed |= set(one.shares) if one.guessed else set()
    memory = _memory(trace)
    rows = [
        Process(
            pid=pid,
            name=known.name if (known := trace.known.get(pid)) else None,
            model=known.model if known else None,
            gpus=tuple(sorted(places[pid])),
            dynamic=amount,
            memory_bytes=memory.get(pid),
            guessed=pid in guessed,
        )
        for pid, amount in amounts.items()
    ]
    return tuple(sorted(rows, key=lambda one: (-one.dynamic.units, one.pid)))


def _memory(trace: Trace) -> dict[int, int]:
    """Return the most memory that each process held, all GPUs together."""
    most: dict[int, int] = {}
    for one in trace.rounds:
        held: dict[int, int] = {}
        for look in one.looks.values():
            for process in look.processes or ():
                if process.memory_bytes is not None:
                    held[process.pid] = held.get(process.pid, 0) + process.memory_bytes
        most |= {pid: max(count, most.get(pid, 0)) for pid, count in held.items()}
    return most


# --- what is to be known of the figures -----------------------------------------------------


def _notes(trace: Trace, gpus: Sequence[Gpu], found: Sequence[Slice]) -> list[str]:
    told = ["This is a synthetic recording: no GPU was measured."] if trace.synthetic else []
    told += trace.problems
    told += [_unread(what, by_gpu) for what, by_gpu in trace.unread().items()]
    told += [
        f"GPU {g.card.index}: for {format_duration(g.unread_s)} neither its counter nor its power could be read; that "
        "time is in no figure."
        for g in gpus
        if g.unread_s > trace.every_s / 2
    ]
    never = [str(g.card.index) for g in gpus if g.rest.at(held=True) is None and g.total.units]
    if never:
        told.append(
            f"GPU {', '.join(never)}: never seen at rest, so its power at rest is in what processes took. Watch for "
            "longer, or state it with --idle-watts."
        )
    if any("power" in g.sources for g in gpus):
        told.append("Energy is integrated from power where a GPU has no counter; the interval is that of the looks.")
    if trace.every_s > MEAN_S and BETWEEN in trace.unread():
        told.append(
            f"Looks are {trace.every_s:g} s apart and utilisation is a mean of the last second at most: work between "
            "them may be missed. Use --every 1s."
        )
    if (gaps := trace.gaps()) > 0:
        told.append(f"{gaps} pause{'s' * (gaps > 1)} between looks took longer than three steps.")
    if any(UNSEEN in one.shares for one in found):
        told.append("Some work belongs to no process that NVML shows here: other users' or another container's.")
    if hidden := [pid for pid, known in trace.known.items() if not known.is_here]:
        told.append(
            f"{len(hidden)} of {len(trace.known)} processes have numbers that are none of this system's: in a "
            "container, run it with --pid=host."
        )
    return told


def _unread(what: str, by_gpu: Mapping[int, str]) -> str:
    reasons = {
        why: [str(i) for i, found in sorted(by_gpu.items()) if found == why] for why in dict.fromkeys(by_gpu.values())
    }
    return "; ".join(f"GPU {', '.join(gpus)}: {what} cannot be read: {why}" for why, gpus in reasons.items()) + "."
