"""An audit for a terminal: a first screen that says what was found, and its parts as tables where they are asked for.

Every figure has the number of the assumption that it rests on; those that were used are listed at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.report.columns import fitted
from greenai.report.words import clean, count

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from greenai.audit.audited import Audited
    from greenai.audit.finding import Change, Finding, Group

__all__ = ["PARTS", "parts", "screen"]

MOST_CHANGES = 4
NEXT_TO_NOTHING = 0.001
MOST_ROWS = 24
NAME_CHARS = 60
REACHED = 0.5
"""Where no change saves this share of what could have been saved, that is told."""
WIDTH, WIDE = 80, 110


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

    def brief(self) -> str:
        """Return what the marks mean in a few words each."""
        marked = sorted(self._marked, key=self._numbers.__getitem__)
        said = "; ".join(f"[{self._numbers[key]}] {wording.in_short(self._finding, key)}" for key in marked)
        return f"{said}. In full: --by assumptions." if said else ""


def _wrapped(text: str, width: int, indent: str = "   ") -> list[str]:
    return wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _figures(width: int, *said: str) -> tuple[str, ...]:
    """Return figures with their intervals below them, where there is no room beside them."""
    return said if width >= WIDE else tuple(one.replace(" (", "\n(", 1) for one in said)


def screen(audited: Audited, *, width: int = WIDTH) -> Iterator[RenderableType]:
    """Yield the first screen: as it was, as it could have been, and the changes that save most for a line.

    What figures rest on is told in a few words; `parts` has it in full.
    """
    finding = audited.finding
    notes = _Notes(finding)
    yield _text(_opening(audited))
    if not finding.whole.calls:
        yield from _unread(audited)
        return
    yield _text("\n".join(_was_and_could_be(finding, notes)))
    yield _text("\n".join(_wrapped(_avoidable(finding), width, "")))
    if changes := _largest(finding):
        yield _text("What saves most for a line of change, each as if it were the only one:", style="bold")
    for number, change in enumerate(changes, 1):
        yield from _change(number, change, notes, width)
    yield from _unread(audited)
    yield _text("\n".join(_wrapped(notes.brief(), width, "")), style="dim")


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


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)  # Text, not markup: a name may contain brackets


# --- the first screen -----------------------------------------------------------------------


def _opening(audited: Audited) -> str:
    finding = audited.finding
    if not finding.whole.calls:
        return wording.none_found(audited)
    files = count(sum(source.left_out is None for source in audited.sources), "file")
    span = wording.period(finding.first, finding.last)
    failed = f"; {count(finding.whole.failed)} failed" if finding.whole.failed else ""
    project = "" if audited.project is None else f" of the project {clean(audited.project)}"
    twice = f"; {count(audited.twice)} more stand there again" if audited.twice else ""
    folded = f"; {count(audited.folded, 'span')} around them left out" if audited.folded else ""
    said = f"{count(finding.whole.calls, 'call')}{project} in {files}{f', {span}' if span else ''}"
    return f"{said}{failed}{twice}{folded}."


def _was_and_could_be(finding: Finding, notes: _Notes) -> Iterator[str]:
    whole, known = finding.whole, {assumption.key for assumption in finding.assumptions}
    rows = [("", "as it was", "as it could have been" if whole.judged else "")]
    for (name, was), (_, could_be) in zip(*map(wording.taken, (whole.was, whole.could_be)), strict=True):
        label = f"{name} {notes.mark(name)}" if name in known else name
        rows.append((label, was, could_be if whole.judged else ""))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for label, was, could_be in rows:
        yield f"  {label:<{first}}  {was:<{second}}  {could_be}".rstrip()


def _avoidable(finding: Finding) -> str:
    whole = finding.whole
    said = wording.unjudgeable(whole)
    if not said:
        said = f"Of {count(whole.judged, 'call')} that could be judged, less would have sufficed for "
        said += wording.part(whole.avoidable)
        if whole.saved_share is not None:
            said += f"; that is {wording.part(whole.saved_share)} of the energy"
        said += "."
    said += " In brackets: 90% intervals."
    if whole.was.energy_unknown:
        said += f" The energy of {count(whole.was.energy_unknown, 'call')} is unknown and in no sum."
    if _reaches_less(finding):
        said += " No change below reaches half of that: it is known how many calls those are, not which."
    return said


def _reaches_less(finding: Finding) -> bool:
    """Say whether even the largest change saves far less than could have been saved."""
    could, reached = finding.whole.saved.energy_j, [change.saved.energy_j for change in _largest(finding)]
    most = max((span.mid for span in reached if span is not None), default=0.0)
    return could is not None and could.mid > 0 and most < REACHED * could.mid


def _change(number: int, change: Change, notes: _Notes, width: int) -> Iterator[RenderableType]:
    energy, cost = change.saved.energy_j, change.saved.cost_usd
    amount = wording.energy(energy) if energy is not None else wording.cost(cost)
    worse = "" if change.risk is None else f"; worse: {wording.risk(change.risk)}"
    yield _text("\n".join(_wrapped(f"{number}. {clean(change.what)}", width)))
    said = f"   saves {amount}{worse} {notes.mark(change.assumption)}"
    yield _text("\n".join(_wrapped(said, width)))
    where = "" if change.place == "code" else f"   # {change.place}"
    lines = [f"     {clean(line)}" for line in change.lines]
    yield _code("\n".join([lines[0] + where, *lines[1:]] if lines else []))


def _code(lines: str) -> RenderableType:
    """Return lines as they are typed: a long one is not broken, so that it can be copied."""
    from rich.console import Group as Several
    from rich.text import Text

    return Several(Text(lines, style="cyan", no_wrap=True, overflow="ignore"))  # printed by itself, it would be joined


def _unread(audited: Audited) -> Iterator[RenderableType]:
    if said := wording.unread(audited.sources, 1):
        yield _text("\n".join(said), style="yellow")
    if lacks := wording.lacking(audited.sources):
        yield _text(f"The log does not say: {', '.join(lacks)}. What that costs: --by files.", style="dim")


# --- its parts ------------------------------------------------------------------------------


def _sufficing(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
    every = audited.finding.whole.sufficed
    if why := wording.unjudgeable(audited.finding.whole):
        yield _text("\n".join(_wrapped(why, width, "")))
        return
    rows = [
        (
            f"{wording.sufficed(row)} {notes.mark(row.assumption)}",
            *_figures(width, wording.part(row.share), wording.energy(row.was.energy_j),
            wording.energy(row.could_be.energy_j), wording.risk(row.risk).replace(", ", "\n")),
        )
        for row in every
        if row.share.high > 0
    ]  # fmt: skip
    heads = ("what would have sufficed", "of the calls", "energy was", "could be", "worse answers")
    title = "what would have sufficed, for how many of the calls, and their energy"
    yield fitted(title, heads, rows, width, less=(4, 2))
    if none := [wording.SUFFICED[row.by] for row in every if row.share.high <= 0]:
        yield _text(f"No call: {'; '.join(none)}.", style="dim")
    yield from _in_full(notes)


def _in_full(notes: _Notes) -> Iterator[RenderableType]:
    yield _text("\n".join(notes.listed()), style="dim")


def _groups(title: str, head: str, of: Callable[[Finding], tuple[Group, ...]], none: str = "was found") -> _Part:
    def part(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
        if not of(audited.finding):
            yield _text(f"No call {none}: nothing to part by {head}.")
            return
        shown, rest = top_groups(of(audited.finding))
        rows = [
            (
                wording.group(group, NAME_CHARS), count(group.calls),
                *_figures(width, wording.avoidable(group), wording.energy(group.was.energy_j),
                wording.energy(wording.judged(group, group.saved).energy_j)),
            )
            for group in shown
        ]  # fmt: skip
        heads = (head, "calls", "less sufficed", "energy was", "energy saved")
        yield fitted(title, heads, rows, width, less=(3, 2))
        more = [f"and {count(len(rest))} more in --json"] if rest else []
        more += wording.in_no_group(audited.finding.whole, of(audited.finding))
        if more:
            yield _text("\n".join(_wrapped("; ".join(more), width, "")), style="dim")
        for key in dict.fromkeys(row.assumption for group in shown for row in group.sufficed if row.calls.mid):
            notes.mark(key)
        said = f"less sufficed: the share of the calls that could be judged, not of the energy. {notes.brief()}"
        yield _text("\n".join(_wrapped(said, width, "")), style="dim")

    return part


def top_groups(groups: tuple[Group, ...]) -> tuple[list[Group], list[Group]]:
    """Part groups into those that a terminal has room for and the rest."""
    return (list(groups[:MOST_ROWS]), list(groups[MOST_ROWS:]))


_by_hour = _groups("by hour of the day (UTC)", "hour", lambda finding: finding.hours, none="has a time in the log")


def _hours(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
    yield from _by_hour(audited, notes, width)
    finding = audited.finding
    if finding.grid_hours is not None and finding.hours:
        rows = [(group.name, wording.mass(group.was.carbon_g), wording.g_per_kwh(group.was)) for group in finding.hours]
        yield fitted("carbon by hour of the day (UTC)", ("hour", "carbon was", "g per kWh"), rows, width, less=())
    if (found := finding.waiting) is not None:
        said = f"{' '.join(wording.waiting(finding))} {notes.mark(found.assumption)}"
        yield _text("\n".join(_wrapped(said, width, "")))
        yield _text("\n".join(_wrapped(wording.rests_on(finding, found.assumption), width, "")), style="dim")


def _wastes(audited: Audited, notes: _Notes, width: int) -> Iterator[RenderableType]:
    if not audited.finding.wastes:
        yield _text("Nothing was found that was taken for nothing.")
        return
    rows = [
        (
            f"{wording.WASTED[waste.kind]} {notes.mark(waste.assumption)}", count(waste.calls),
            *_figures(width, wording.energy(waste.saved.energy_j), wording.cost(waste.saved.cost_usd)),
        )
        for waste in audited.finding.wastes
    ]  # fmt: skip
    heads = ("taken for nothing", "calls", "energy", "cost")
    yield fitted("taken for nothing, whatever answers, most energy first; parts overlap", heads, rows, width, less=(3,))
    for waste in audited.finding.wastes:
        worse = "" if waste.risk is None else f"; worse without it: {wording.risk(waste.risk)}"
        said = f"{wording.WASTED[waste.kind]}: {clean(waste.detail)}{worse}"
        yield _text("\n".join(_wrapped(said, width)), style="dim")
    yield from _in_full(notes)


def _files(audited: Audited, _notes: _Notes, _width: int) -> Iterator[RenderableType]:
    yield _text("\n".join((*wording.sources(audited.sources), *wording.twice(audited.twice, audited.folded))))
    if said := wording.unread(audited.sources, MOST_ROWS):
        yield _text("\n".join(said), style="yellow")
    if said := wording.unsaid(audited.sources, MOST_ROWS):
        yield _text("The log does not say:\n" + "\n".join(f"  {line}" for line in said), style="dim")


def _assumptions(audited: Audited, notes: _Notes, _width: int) -> Iterator[RenderableType]:
    if not audited.finding.assumptions:
        yield _text("No figure rests on an assumption: nothing was found.")
        return
    for assumption in audited.finding.assumptions:
        notes.mark(assumption.key)
    yield _text("what the figures rest on", style="bold")
    yield from _in_full(notes)


_Part = Callable[["Audited", _Notes, int], "Iterator[RenderableType]"]
PARTS: Mapping[str, _Part] = {
    "sufficing": _sufficing,
    "project": _groups("by project, most energy first", "project", lambda finding: finding.projects),
    "template": _groups(
        "by template, most energy first (#1 has the most calls)",
        "template",
        lambda finding: finding.templates,
        none="has a prompt in the log",
    ),
    "model": _groups("by model, most energy first", "model", lambda finding: finding.models),
    "hour": _hours,
    "waste": _wastes,
    "files": _files,
    "assumptions": _assumptions,
}
