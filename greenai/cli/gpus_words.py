"""What `greenai gpus` found as tables and sentences for a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from greenai import units
from greenai.cli.common import plain
from greenai.units import format_bytes, format_duration, significant

if TYPE_CHECKING:
    from rich.console import Console

    from greenai.gpus.energy import Amount
    from greenai.gpus.packing import Fewer, Group
    from greenai.gpus.summary import Gpu, Process, Summary
    from greenai.gpus.values import Trace

__all__ = ["live", "named", "show"]

ROWS = 12
WINDOW = 60
"""Looks of which the live table tells the energy."""

IDLE = "idle: nobody used it"
IN_USE = "at rest while used"
UNTOLD = "not told apart"
NOBODY = "no process shown"


WIDE = 110
"""Columns of a terminal from which on the table of GPUs has room between its columns."""

DIGITS = 3
"""Of energies: the counter is good to 5%, and shares of it are told apart."""


def _energy(energy_j: float | None) -> str:
    return units.format_energy(energy_j, DIGITS)


def _between(low_j: float | None, high_j: float | None) -> str:
    return units.format_interval(low_j, high_j, DIGITS)


def show(found: Summary, out: Console) -> None:
    """Print all of it."""
    for line in _head(found):
        out.print(line, markup=False)
    table = _gpu_table(found)
    if out.width < WIDE:
        table.padding = (0, 0, 0, 1)
    out.print(table)
    out.print(_process_table(found)) if found.processes else None
    out.print(_project_table(found))
    for group in found.groups:
        for line in _fewer_lines(group):
            out.print(_indented(line))
    for note in found.notes:
        out.print(f"Note: {plain(note)}", markup=False, style="dim")


def _indented(line: str) -> Any:
    """Return a line of which what a narrow terminal folds stands as deep as its beginning."""
    from rich.padding import Padding
    from rich.text import Text

    told = line.lstrip(" ")
    return Padding(Text(told), (0, 0, 0, len(line) - len(told)), expand=False)


def _head(found: Summary) -> Iterator[str]:
    total, trace = found.total, found.trace
    said = f"{format_duration(trace.seconds)}, {len(trace.rounds)} looks, {_count(len(trace.cards), 'GPU')}"
    if not total.units:
        yield f"{said}: no energy could be read."
        return
    share = found.idle_share or 0.0
    yield (
        f"{said}: {_energy(total.energy_j)} ({_between(total.low_j, total.high_j)}). "
        f"{share:.0%} of it while nobody used the GPU ({_energy(found.idle.energy_j)})."
    )
    if found.unasked_j:
        yield f"For {_energy(found.unasked_j)} of that greenai kept a model in memory that nobody asked."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(*heads: str, left: Sequence[int] = (0,), folds: Sequence[int] = ()) -> Any:
    """Return an empty table. Where it is too wide, columns on the left fold, and those of `folds`: no figure is cut."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for place, head in enumerate(heads):
        may_fold = place in (*left, *folds)
        table.add_column(head, justify="left" if place in left else "right", no_wrap=not may_fold)
    return table


def _gpu_table(found: Summary) -> Any:
    table = _table("GPU", "busy", "memory", "energy", "idle", "at rest, used", "processes", "at rest", folds=(2, 5, 7))
    for one in found.gpus:
        table.add_row(*_gpu_row(one))
    return table


def _gpu_row(one: Gpu) -> tuple[str, ...]:
    card = one.card
    memory = _of(one.memory_bytes, card.memory_bytes)
    busy = "unreadable" if one.busy is None else f"{one.busy:.0%}"
    if not one.sources:
        return f"{card.index} {plain(card.name)}", busy, memory, "unreadable", "", "", "", ""
    parts = (one.total, one.idle, one.in_use, one.dynamic)
    energies = [_energy(part.energy_j) for part in parts]
    if one.busy is None:
        energies[1:3] = ["unreadable"] * 2
    return f"{card.index} {plain(card.name)}", busy, memory, *energies, _rest(one)


def _rest(one: Gpu) -> str:
    bare, context = one.rest.bare_w, one.rest.context_w
    known = [f"{significant(w, 3)} W" for w in (bare, context) if w is not None]
    return " / ".join(known) or "not seen"


def _of(used: int | None, all_: int | None) -> str:
    if used is None:
        return "unreadable"
    return format_bytes(used) if all_ is None else f"{used / all_:.0%} of {format_bytes(all_)}"


def _process_table(found: Summary) -> Any:
    table = _table("process", "GPU", "memory", "above rest", "share", "interval", left=(0,))
    for one in found.processes[:ROWS]:
        table.add_row(
            named(one),
            ", ".join(map(str, one.gpus)),
            "unreadable" if one.memory_bytes is None else format_bytes(one.memory_bytes),
            _energy(one.dynamic.energy_j),
            _part(one.dynamic, found.total),
            _between(one.dynamic.low_j, one.dynamic.high_j) + (", guessed" if one.guessed else ""),
        )
    if len(found.processes) > ROWS:
        table.add_row(f"{len(found.processes) - ROWS} more", "", "", "", "", "")
    return table


def named(one: Process) -> str:
    """Return a process's number, program and model."""
    if not one.pid:
        return NOBODY
    told = [str(one.pid), plain(one.name or "")]
    return " ".join(part for part in told if part) + (f" ({plain(one.model)})" if one.model else "")


def _part(amount: Amount, total: Amount) -> str:
    return f"{amount.units / total.units:.1%}" if total.units else ""


def _project_table(found: Summary) -> Any:
    table = _table("what for", "energy", "share", "interval")
    rows: list[tuple[str, Amount]] = [(plain(name), amount) for name, amount in found.by_project.items()]
    rows += [(IN_USE, found.in_use), (UNTOLD, found.untold), (IDLE, found.idle)]
    for name, amount in rows:
        if amount.units or name == IDLE:
            told = _between(amount.low_j, amount.high_j)
            table.add_row(name, _energy(amount.energy_j), _part(amount, found.total), told)
    total = found.total
    table.add_row("all", _energy(total.energy_j), "", _between(total.low_j, total.high_j))
    return table


# --- on fewer -------------------------------------------------------------------------------


def _fewer_lines(group: Group) -> Iterator[str]:
    for index, why in group.left_out.items():
        yield f"On fewer: GPU {index} ({plain(group.name)}) is left out, since {why}."
    if len(group.fewer) < 2:
        if len(group.gpus) == 1 and not group.left_out:
            yield f"On fewer: there is one {plain(group.name)}, and models of GPU are not taken for each other."
        return
    seen = group.fewer[0]
    yield f"The same work on fewer of {len(group.fewer)} {plain(group.name)}, seen {_energy(seen.low_j)}:"
    for one in group.fewer[1:]:
        yield f"  on {one.gpus}: {_said(one, seen)}"
        if not one.fits:
            break
    yield (
        "  Lower figure: released GPUs switched off; upper: left on without a process. No process does more than it "
        "was seen to; how they slow each other down is not modelled."
    )


def _said(one: Fewer, seen: Fewer) -> str:
    if not one.fits or one.low_j is None or one.high_j is None or not seen.high_j:
        return f"does not fit: {one.why}."
    saved = sorted(1 - energy / seen.high_j for energy in (one.low_j, one.high_j))
    freed = f"GPU {', '.join(map(str, one.released))} released"
    moves = "; ".join(f"{', '.join(map(str, m.pids))} from GPU {m.source} to {m.target}" for m in one.moves[:4])
    more = f" and {len(one.moves) - 4} more" if len(one.moves) > 4 else ""
    part = f"{saved[0]:.0%} to {saved[1]:.0%} less"
    return f"{_between(one.low_j, one.high_j)}, {part}; {freed}{'; ' if moves else ''}{moves}{more}."


# --- live -----------------------------------------------------------------------------------


def live(trace: Trace) -> Any:
    """Return a table of the latest look, and of the energy in the looks before."""
    from rich.console import Group

    from greenai.gpus.summary import summed

    window = dataclasses.replace(trace, rounds=trace.rounds[-WINDOW:])
    table = _table("GPU", "busy", "power", "memory", "processes", left=(0, 4))
    looks = trace.rounds[-1].looks if trace.rounds else {}
    for card in trace.cards:
        look = looks.get(card.index)
        if look is None:
            continue
        busy = "unreadable" if look.busy_percent is None else f"{look.busy_percent:.0f}%"
        watts = "unreadable" if look.watts is None else f"{look.watts:.0f} W"
        listed = "unreadable" if look.processes is None else ", ".join(_short(p.pid, trace) for p in look.processes)
        table.add_row(
            f"{card.index} {plain(card.name)}", busy, watts, _of(look.memory_bytes, card.memory_bytes), listed
        )
    if len(window.rounds) < 2:
        return table
    found = summed(window)
    share = "" if found.idle_share is None else f", {found.idle_share:.0%} of it idle"
    last = f"Last {format_duration(window.seconds)}: {_energy(found.total.energy_j)}{share}. Ctrl-C to end."
    return Group(table, last)


def _short(pid: int, trace: Trace) -> str:
    known = trace.known.get(pid)
    return str(pid) if known is None or not known.name else f"{pid} {plain(known.name)}"
