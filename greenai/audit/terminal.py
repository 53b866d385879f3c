"""An audit for a terminal: a first screen that says what was found, and its parts as tables where they are asked for.

Every figure has the number of the assumption that it rests on; those that were used are listed at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.report.columns import add, fitted, table
from greenai.report.words import clean, count

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from greenai.audit.audited import Audited
    from greenai.audit.finding import Change, Finding, Group

__all__ = ["PARTS", "parts", "screen"]

MOST_CHANGES = 5
NEXT_TO_NOTHING = 0.001
MOST_ROWS = 24
WIDTH = 80


class _Notes:
    """Numbers assumptions: those of the first screen in its order, then the others; every part has the same numbers."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding
        known = [assumption.key for assumption in finding.assumptions]
        first = [name for name, _ in wording.taken(finding.whole.was) if name in known]
        order = dict.fromkeys((*first, *(change.assumption for change in _largest(finding)), *known))
        self._numbers = {key: number for number, key in enumerate(order, 1)}
        self._marked: set[str] = set()

    def mark(self, key: str) -> str:
        """Return the mark that stands at a figure."""
        self._marked.add(key)
        return f"[{self._numbers.setdefault(key, len(self._numbers) + 1)}]"

    def listed(self) -> Iterator[str]:
        """Yield what the marks mean."""
        for key in sorted(self._marked, key=self._numbers.__getitem__):
            yield f"[{self._numbers[key]}] {wording.rests_on(self._finding, key)}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}\N{HORIZONTAL ELLIPSIS}"


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False)


def screen(audited: Audited, *, width: int = WIDTH) -> Iterator[RenderableType]:
    """Yield the first screen: as it was, as it could have been, and the changes that save most for a line.

    What figures rest on has a line each; `parts` has it in full.
    """
    finding = audited.finding
    notes = _Notes(finding)
    yield _text(_opening(audited))
    if not finding.whole.calls:
        yield from _unread(audited)
        return
    yield _was_and_could_be(finding, notes)
    yield _text(_avoidable(finding.whole))
    if changes := _largest(finding):
        yield _text("What saves most for a line of change, each as if it were the only one:", style="bold")
    for number, change in enumerate(changes, 1):
        yield from _change(number, change, notes, width)
    yield from _unread(audited)
    yield _text("\n".join(_cut(line, width) for line in notes.listed()), style="dim")


def _largest(finding: Finding) -> list[Change]:
    """Return the first changes, without those that save next to nothing of the energy that is known."""
    was = finding.whole.was.energy_j
    least = 0.0 if was is None else was.mid * NEXT_TO_NOTHING
    known = [change for change in finding.changes if change.saved.energy_j is None or change.saved.energy_j.mid > least]
    return known[:MOST_CHANGES]


def parts(audited: Audited, by: str, *, width: int = WIDTH) -> Iterator[RenderableType]:
    """Yield one part in full, with what its figures rest on."""
    notes = _Notes(audited.finding)
    yield from PARTS[by](audited, notes, width)
    yield _text("\n".join(notes.listed()), style="dim")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)  # Text, not markup: a name may contain brackets


# --- the first screen -----------------------------------------------------------------------


def _opening(audited: Audited) -> str:
    finding = audited.finding
    if not finding.whole.calls:
        return "No call was found in what was read."
    files = count(len(audited.sources), "file")
    span = wording.period(finding.first, finding.last)
    failed = f"; {count(finding.whole.failed)} failed" if finding.whole.failed else ""
    project = "" if audited.project is None else f" of the project {clean(audited.project)}"
    return f"{count(finding.whole.calls, 'call')}{project} in {files}{f', {span}' if span else ''}{failed}."


def _was_and_could_be(finding: Finding, notes: _Notes) -> Table:
    whole, known = finding.whole, {assumption.key for assumption in finding.assumptions}
    made = table("", ("", "as it was", "as it could have been", "saved"), right=())
    amounts = zip(*map(wording.taken, (whole.was, whole.could_be, whole.saved)), strict=True)
    for (name, was), (_, could_be), (_, saved) in amounts:
        label = f"{name} {notes.mark(name)}" if name in known else name
        add(made, label, *(said.replace(" (", "\n(", 1) for said in (was, could_be, saved)))
    return made


def _avoidable(whole: Group) -> str:
    judged = whole.calls - whole.failed - whole.unjudged
    said = (
        f"Of {count(judged)} calls that could be judged, less would have sufficed for {wording.part(whole.avoidable)}"
    )
    if whole.saved_share is not None:
        said += f"; that is {wording.part(whole.saved_share)} of the energy"
    said += ". In brackets: 90% intervals."
    if whole.was.energy_unknown:
        said += f" The energy of {count(whole.was.energy_unknown, 'call')} is unknown and in no sum."
    return said


def _change(number: int, change: Change, notes: _Notes, width: int) -> Iterator[RenderableType]:
    energy, cost = change.saved.energy_j, change.saved.cost_usd
    amount = wording.energy(energy) if energy is not None else wording.cost(cost)
    worse = "" if change.risk is None else f"; worse: {wording.risk(change.risk)}"
    yield _text("\n".join(_wrapped(f"{number}. {clean(change.what)}", width)))
    yield _text(f"   saves {amount}{worse} {notes.mark(change.assumption)}")
    where = "" if change.place == "code" else f"   # {change.place}"
    lines = [f"     {clean(line)}" for line in change.lines]
    yield _text("\n".join([lines[0] + where, *lines[1:]] if lines else []), style="cyan")


def _unread(audited: Audited, *, most: int = 1) -> Iterator[RenderableType]:
    if said := wording.unread(audited.sources, most):
        yield _text("\n".join(said), style="yellow")
    if said := wording.unsaid(audited.sources, most):
        yield _text("The log does not say:\n" + "\n".join(f"  {line}" for line in said), style="dim")


# --- its parts ------------------------------------------------------------------------------


def _sufficing(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
    rows = [
        (
            wording.SUFFICED[row.by], wording.part(row.share), wording.energy(row.was.energy_j),
            wording.energy(row.could_be.energy_j), wording.risk(row.risk), notes.mark(row.assumption),
        )
        for row in audited.finding.whole.sufficed
    ]  # fmt: skip
    heads = ("what would have sufficed", "of the calls", "energy was", "could be", "worse answers", "")
    yield fitted("calls by what would have sufficed", heads, rows, width, less=(4, 2))


def _groups(title: str, head: str, of: Callable[[Finding], tuple[Group, ...]]) -> _Part:
    def part(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
        shown, rest = top_groups(of(audited.finding))
        rows = [
            (
                clean(group.name), count(group.calls), wording.part(group.avoidable),
                wording.energy(group.was.energy_j), wording.energy(group.saved.energy_j), _marks(group, notes),
            )
            for group in shown
        ]  # fmt: skip
        heads = (head, "calls", "less sufficed", "energy was", "saved", "")
        yield fitted(title, heads, rows, width, less=(3, 2))
        if rest:
            yield _text(f"and {count(len(rest))} more: --json has all", style="dim")

    return part


def top_groups(groups: tuple[Group, ...]) -> tuple[list[Group], list[Group]]:
    """Part groups into those that a terminal has room for and the rest."""
    return (list(groups[:MOST_ROWS]), list(groups[MOST_ROWS:]))


def _marks(group: Group, notes: _Notes) -> str:
    marks = {notes.mark(row.assumption) for row in group.sufficed if row.calls.mid}
    return "".join(sorted(marks, key=lambda mark: int(mark[1:-1])))


def _wastes(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
    rows = [
        (
            wording.WASTED[waste.kind], f"{count(waste.calls)} of {count(waste.of)}",
            wording.energy(waste.saved.energy_j), wording.cost(waste.saved.cost_usd), notes.mark(waste.assumption),
        )
        for waste in audited.finding.wastes
    ]  # fmt: skip
    heads = ("taken for nothing", "calls", "energy", "cost", "")
    yield fitted("taken for nothing, whatever answers; parts overlap", heads, rows, width, less=(3,))
    for waste in audited.finding.wastes:
        yield _text(f"{wording.WASTED[waste.kind]}: {clean(waste.detail)}", style="dim")


def _files(audited: Audited, _notes: _Notes, _width: int) -> Iterator[RenderableType]:
    yield _text("\n".join(wording.sources(audited.sources)))
    yield from _unread(audited, most=MOST_ROWS)


def _assumptions(audited: Audited, notes: _Notes, _width: int) -> Iterator[RenderableType]:
    for assumption in audited.finding.assumptions:
        notes.mark(assumption.key)
    yield _text("what the figures rest on", style="bold")


_Part = Callable[["Audited", _Notes, int], "Iterator[RenderableType]"]
PARTS: Mapping[str, _Part] = {
    "sufficing": _sufficing,
    "project": _groups("by project", "project", lambda finding: finding.projects),
    "template": _groups("by template, the largest first", "template", lambda finding: finding.templates),
    "model": _groups("by model", "model", lambda finding: finding.models),
    "hour": _groups("by hour of the day (UTC)", "hour", lambda finding: finding.hours),
    "waste": _wastes,
    "files": _files,
    "assumptions": _assumptions,
}
