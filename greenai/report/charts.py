"""Charts as inline SVG, drawn here: no script, no font and no picture from elsewhere. Colours come from the page.

Each is drawn twice, for a wide screen and for a phone, in the units of the screen; the page shows one of them. Each has
a title and a description, and the page puts a table with the same figures beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from greenai.report import words
from greenai.report.aggregate import HOUR_S, STAGES
from greenai.units import format_energy, wh_from_j

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.report.aggregate import Report
    from greenai.report.amounts import Amounts

__all__ = ["Step", "energy_over_time", "flow", "steps_of", "svg", "ticks"]

ORDER = ("large", "small", "task_model", "semantic_cache", "cache", "answerer", "lookup_needed", "failed", "refused")
MOST_STEPS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of time: when it begins, what each outcome took in it, and the ends of its interval."""

    begin: float
    by_outcome: dict[str, Amounts]
    energy_j: float
    low_j: float
    high_j: float
    calls: int
    unknown: int


def steps_of(report: Report) -> list[Step]:
    """Return every step from the first call to the last, also those without calls; at most the last 400."""
    found: dict[int, dict[str, Amounts]] = {}
    for group in report.series:
        found.setdefault(int(group.key[0]), {})[str(group.key[1])] = group.amounts
    if not found:
        return []
    first, last = min(found), max(found)
    first = max(first, last - (MOST_STEPS - 1) * report.bucket_s)
    return [_step(begin, found.get(begin, {})) for begin in range(first, last + 1, report.bucket_s)]


def _step(begin: int, by_outcome: dict[str, Amounts]) -> Step:
    amounts = by_outcome.values()
    return Step(
        begin=begin,
        by_outcome=by_outcome,
        energy_j=math.fsum(a.energy_j or 0.0 for a in amounts),
        low_j=math.fsum(a.low_j or 0.0 for a in amounts),
        high_j=math.fsum(a.high_j or 0.0 for a in amounts),
        calls=sum(a.calls for a in amounts),
        unknown=sum(a.energy_unknown for a in amounts),
    )


# --- energy over time -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Where the drawing area is, and how high the highest amount stands in it."""

    width: int
    height: int
    left: int = 62
    right: int = 8
    top: int = 10
    bottom: int = 34
    highest: float = 1.0
    count: int = 1

    def x(self, position: float) -> float:
        return self.left + (self.width - self.left - self.right) * position / self.count

    def y(self, amount: float) -> float:
        inner = self.height - self.top - self.bottom
        return self.top + inner * (1 - amount / self.highest)


def energy_over_time(report: Report, *, width: int, height: int, name: str) -> str:
    """Draw bars stacked by outcome, with the band of the 90% intervals around their sum; empty without calls."""
    steps = steps_of(report)
    if not steps:
        return ""
    marks = ticks(max(end for s in steps for end in (s.high_j, s.energy_j)))
    frame = _Frame(width=width, height=height, highest=marks[-1] or 1.0, count=len(steps))
    hours = report.bucket_s == HOUR_S
    parts = [_grid(frame, marks), _band(frame, steps)]
    parts += [_bar(frame, index, step, hours=hours) for index, step in enumerate(steps)]
    parts += [_edges(frame, steps), _dates(frame, steps, hours=hours)]
    peak = max(steps, key=lambda s: s.energy_j)
    described = (
        f"Stacked bars, one for each {_step_name(report)} (UTC). The most was {format_energy(peak.energy_j)} "
        f"({words.between(peak.low_j, peak.high_j)}) from {words.day(peak.begin, hours=hours)}. "
        "The band shows the sums of the ends of the 90% intervals. The table has every figure."
    )
    return svg("".join(parts), width, height, name, "Energy over time, by what answered", described)


def _step_name(report: Report) -> str:
    return {HOUR_S: "hour", 24 * HOUR_S: "day"}.get(report.bucket_s, "week")


def ticks(highest_j: float) -> list[float]:
    """Return up to five round amounts from 0 to above the highest, in joules that are round in watt-hours."""
    if highest_j <= 0:
        return [0.0, 3600.0]
    raw = wh_from_j(highest_j) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999) * 3600
    return [step * n for n in range(math.ceil(highest_j / step * 0.999) + 1)]


def _grid(frame: _Frame, marks: Sequence[float]) -> str:
    lines = (
        f'<line class="grid" x1="{frame.left}" x2="{frame.width - frame.right}" y1="{frame.y(t):.1f}" '
        f'y2="{frame.y(t):.1f}"/><text class="tick" x="{frame.left - 6}" y="{frame.y(t) + 4:.1f}" '
        f'text-anchor="end">{escape(format_energy(t))}</text>'
        for t in marks
    )
    return "".join(lines)


def _bar(frame: _Frame, index: int, step: Step, *, hours: bool) -> str:
    wide = frame.x(1) - frame.x(0)
    gap = min(wide * 0.15, 3)
    x, width = frame.x(index) + gap / 2, max(wide - gap, 0.5)
    below, parts = 0.0, []
    for outcome in (*ORDER, *(o for o in step.by_outcome if o not in ORDER)):
        amount = step.by_outcome[outcome].energy_j if outcome in step.by_outcome else None
        if not amount:
            continue
        top, bottom = frame.y(below + amount), frame.y(below)
        below += amount
        if bottom - top >= 0.05:
            kind = outcome if outcome in ORDER else "other"
            size = f'x="{x:.1f}" y="{top:.2f}" width="{width:.1f}" height="{bottom - top:.2f}"'
            parts.append(f'<rect class="k-{kind}" {size}/>')
    said = f"{words.day(step.begin, hours=hours)}: {format_energy(step.energy_j)}, {words.count(step.calls, 'call')}"
    if step.unknown:
        said += f", {words.count(step.unknown)} of unknown energy"
        at = frame.height - frame.bottom + 5
        parts.append(f'<circle class="unknown" cx="{x + width / 2:.1f}" cy="{at}" r="{min(2.5, width / 2):.1f}"/>')
    return f"<g><title>{escape(said)}</title>{''.join(parts)}</g>"


def _outline(frame: _Frame, amounts: Sequence[float]) -> list[str]:
    """Return a line of steps over the amounts."""
    return [f"{frame.x(i + side):.1f},{frame.y(amount):.1f}" for i, amount in enumerate(amounts) for side in (0, 1)]


def _band(frame: _Frame, steps: Sequence[Step]) -> str:
    upper = _outline(frame, [s.high_j for s in steps])
    lower = _outline(frame, [s.low_j for s in steps])
    return f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'


def _edges(frame: _Frame, steps: Sequence[Step]) -> str:
    ends = ([s.high_j for s in steps], [s.low_j for s in steps])
    return "".join(f'<polyline class="edge" points="{" ".join(_outline(frame, end))}"/>' for end in ends)


def _dates(frame: _Frame, steps: Sequence[Step], *, hours: bool) -> str:
    """Label as many steps as there is room for."""
    room = 84 if hours else 58
    every = max(math.ceil(len(steps) * room / (frame.width - frame.left - frame.right)), 1)
    labels = (
        f'<text class="tick" x="{frame.x(i + 0.5):.1f}" y="{frame.height - 10}" text-anchor="middle">'
        f"{escape(words.day(step.begin, hours=hours))}</text>"
        for i, step in enumerate(steps)
        if i % every == 0 and frame.x(i + 0.5) + room / 2 <= frame.width + 8
    )
    return "".join(labels)


# --- flow of calls --------------------------------------------------------------------------

ROW, BAR = 60, 24
ROOMY = 400  # from this width on, a stage says its energy too


def flow(report: Report, *, width: int, name: str) -> str:
    """Draw how many calls reached each stage and how many it answered; the rest runs on to the next. Empty without any.

    The bar of a stage is as long as the calls that reached it are many; what it answered leaves at its right end.
    """
    found = {group.name: group.amounts for group in report.by_stage}
    stages = [stage for stage in STAGES if stage in found or stage not in ("reasoning", "failed")]
    if not report.answerable:
        return ""
    reached, parts = report.answerable, []
    room = width - 2
    for index, stage in enumerate(stages):
        ended = found[stage].calls if stage in found else 0
        parts.append(_stage(stage, reached, ended, report.answerable, index * ROW, room, found.get(stage)))
        reached -= ended
    described = "; ".join(
        f"{words.STAGES[stage]}: {words.count(found[stage].calls if stage in found else 0)}" for stage in stages
    )
    title = "How calls were answered, from the cache to reasoning"
    return svg("".join(parts), width, len(stages) * ROW, name, title, f"Calls that ended at each stage. {described}.")


def _stage(stage: str, reached: int, ended: int, total: int, top: int, room: int, amounts: Amounts | None) -> str:
    unit = room / total
    on, end = (reached - ended) * unit, ended * unit
    y = top + 18
    text = f"{words.STAGES[stage]}: {words.count(ended)} of {words.count(reached)}"
    if amounts is not None and room > ROOMY:
        text += f" calls, {words.energy(amounts)}"
    runs = on >= 0.05
    parts = (
        _rect("run", 1, y, on, ROW) if runs else "",
        _rect("reach", 1, y, on, BAR) if runs else "",
        _rect(f"s-{stage}", 1 + on, y, end, BAR) if ended else "",
    )
    return f'{"".join(parts)}<text class="label" x="2" y="{top + 13}">{escape(text)}</text>'


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


# --- the frame of a drawing -----------------------------------------------------------------


def svg(inner: str, width: int, height: int, name: str, title: str, described: str) -> str:
    """Return a drawing with its title and description, which a screen reader says in its place."""
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="{name}-t {name}-d" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(described)}</desc>{inner}</svg>'
    )
