"""The pictures of an audit as inline SVG: the flow of calls, and energy against the answers that would be worse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.report.charts import svg, ticks
from greenai.report.words import clean, count, share
from greenai.units import format_energy

if TYPE_CHECKING:
    from greenai.audit.finding import Finding, Group, Sufficed

__all__ = ["Step", "flow", "flows", "pareto", "steps"]

MOST_MODELS = 6
BAR, GAP, LEAST = 12, 6, 18
"""Widths of a node's bar, room between two nodes, and the least height of a node with its label, in pixels."""
HIGH = 300
"""How high all nodes of a side are together, without the room between them."""
LETTER = 6.7
"""About how wide a letter of a label is."""
NEAR = 16
"""Points so near to one another have their numbers in a row."""

_At = Callable[[float, float], tuple[float, float]]


# --- the flow of calls ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    name: str
    kind: str
    calls: float
    top: float
    height: float


def flows(finding: Finding) -> dict[tuple[str, str], float]:
    """Return how many calls went to each model, by what would have sufficed; small models stand together."""
    shown, rest = top_models(finding.models)
    found: dict[tuple[str, str], float] = {}
    for group in shown:
        found |= {(clean(group.name), way): calls for way, calls in ways(group).items()}
    whole, others = ways(finding.whole), f"{len(rest)} more models" if rest else "other models"
    for way, calls in whole.items():
        left = calls - sum(amount for (_, to), amount in found.items() if to == way)
        if left >= 0.5:
            found[others, way] = left
    return {flow: calls for flow, calls in found.items() if calls > 0}


def top_models(models: Sequence[Group]) -> tuple[list[Group], list[Group]]:
    """Part the models into the largest by calls, which are drawn by name, and the rest."""
    ranked = sorted(models, key=lambda group: -group.calls)
    return ranked[:MOST_MODELS], ranked[MOST_MODELS:]


def ways(group: Group) -> dict[str, float]:
    """Return how many calls of a group would have been answered in which way, least energy first."""
    found: dict[str, float] = {row.by: row.calls.mid for row in group.sufficed}
    return {
        **{way: found[way] for way in wording.SUFFICED if way in found},
        "failed": float(group.failed),
        "unjudged": float(group.unjudged),
    }


def flow(finding: Finding, *, width: int, name: str) -> str:
    """Draw calls from the model that answered to what would have sufficed; empty without calls."""
    found = flows(finding)
    if not found:
        return ""
    unit = HIGH / sum(found.values())
    left = _nodes({model: (model, "model") for model, _ in found}, found, 0, unit)
    right = _nodes({way: (wording.SUFFICED[way], way) for way in wording.SUFFICED}, found, 1, unit)
    height = max(node.top + max(node.height, LEAST) for node in (*left.values(), *right.values())) + 4
    drawn = [*_bands(found, left, right, width, unit), *_labelled(left, width, at_left=True)]
    drawn += _labelled(right, width, at_left=False)
    whole = sum(found.values())
    described = "; ".join(f"{node.name}: {share(node.calls, whole)}" for node in right.values())
    title = "Calls by the model that answered, and by what would have sufficed"
    return svg("".join(drawn), width, round(height), name, title, f"What would have sufficed. {described}.")


def _nodes(
    named: dict[str, tuple[str, str]], found: dict[tuple[str, str], float], side: int, unit: float
) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    at = 2.0
    for key, (name, kind) in named.items():
        calls = sum(amount for ends, amount in found.items() if ends[side] == key)
        if not calls:
            continue
        height = calls * unit
        slot = max(height, LEAST)
        nodes[key] = _Node(name=name, kind=kind, calls=calls, top=at + (slot - height) / 2, height=height)
        at += slot + GAP
    return nodes


def _bands(
    found: dict[tuple[str, str], float], left: dict[str, _Node], right: dict[str, _Node], width: int, unit: float
) -> list[str]:
    leaves = {key: node.top for key, node in left.items()}
    comes = {key: node.top for key, node in right.items()}
    begin, end = BAR, width - BAR
    half = (begin + end) / 2
    drawn: list[str] = []
    for way, model in ((way, model) for way in right for model in left if (model, way) in found):
        calls = found[model, way]
        thick = calls * unit
        a, b = leaves[model], comes[way]
        leaves[model], comes[way] = a + thick, b + thick
        path = (
            f"M{begin},{a:.1f}C{half:.0f},{a:.1f} {half:.0f},{b:.1f} {end},{b:.1f}V{b + thick:.1f}"
            f"C{half:.0f},{b + thick:.1f} {half:.0f},{a + thick:.1f} {begin},{a + thick:.1f}Z"
        )
        said = f"{left[model].name}: {count(calls, 'call')}, {right[way].name}"
        drawn.append(f'<path class="flow a-{way}" d="{path}"><title>{escape(said)}</title></path>')
    return drawn


def _labelled(nodes: dict[str, _Node], width: int, *, at_left: bool) -> list[str]:
    x, text_x, anchor = (0, BAR + 5, "start") if at_left else (width - BAR, width - BAR - 5, "end")
    whole = sum(node.calls for node in nodes.values())
    room = int((width / 2 - BAR - 10) / LETTER)
    drawn: list[str] = []
    for node in nodes.values():
        y = node.top + node.height / 2 + 4
        tail = f" {share(node.calls, whole)}"
        said, high = _cut(node.name, room - len(tail)) + tail, max(node.height, 0.5)
        drawn.append(
            f'<rect class="a-{node.kind}" x="{x}" y="{node.top:.1f}" width="{BAR}" height="{high:.1f}"/>'
            f'<text class="label over" x="{text_x}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
        )
    return drawn


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 1)] + "\N{HORIZONTAL ELLIPSIS}"


# --- energy against worse answers -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All calls, once this way of answering is used too: their energy, and the share of answers that is worse."""

    way: str
    energy_j: float
    worse: float
    low: float
    high: float


def steps(finding: Finding) -> list[Step]:
    """Return the ways of answering that save energy, each added to those before it: the least risk per joule first.

    A way whose risk is not known is left out. Ends of intervals are added up as they are.
    """
    was = finding.whole.was.energy_j
    if was is None:
        return []
    known = [row for row in finding.whole.sufficed if row.risk is not None and _saved(row) > 0]
    at = Step(way="", energy_j=was.mid, worse=0.0, low=0.0, high=0.0)
    found = [at]
    for row in sorted(known, key=lambda row: _worse(row)[0] / _saved(row)):
        mid, low, high = _worse(row)
        at = Step(
            way=row.by,
            energy_j=at.energy_j - _saved(row),
            worse=at.worse + mid,
            low=at.low + low,
            high=at.high + high,
        )
        found.append(at)
    return found if len(found) > 1 else []


def _saved(row: Sufficed) -> float:
    was, could_be = row.was.energy_j, row.could_be.energy_j
    return 0.0 if was is None or could_be is None else was.mid - could_be.mid


def _worse(row: Sufficed) -> tuple[float, float, float]:
    """Return the share of all judged calls whose answer is worse in this way, and the ends of its interval."""
    if row.risk is None:
        return 0.0, 0.0, 0.0
    worse = row.risk.share
    return row.share.mid * worse.mid, row.share.low * worse.low, row.share.high * worse.high


def pareto(finding: Finding, *, width: int, height: int, name: str) -> str:
    """Draw energy from left to right and worse answers upwards, a point for each way that is added; or nothing."""
    found = steps(finding)
    if not found:
        return ""
    left, right, head, foot = 52, 26, 18, 34
    x_ticks = ticks(found[0].energy_j)
    most = max(0.01, *(step.high for step in found))  # below that, all ticks would read alike
    wide, high = width - left - right, height - head - foot

    def at(energy_j: float, worse: float) -> tuple[float, float]:
        return left + wide * max(energy_j, 0.0) / x_ticks[-1], head + high * (1 - worse / most)

    drawn = [_grid(left, head, width - right, height - foot, most), *_energies(x_ticks, at, height, width)]
    line = " ".join("{:.1f},{:.1f}".format(*at(step.energy_j, step.worse)) for step in found)
    drawn.append(f'<polyline class="front" points="{line}"/>')
    drawn += [_point(step, at) for step in found]
    drawn += _numbered(found, at, width)
    last = found[-1]
    described = (
        f"From {format_energy(found[0].energy_j)} to {format_energy(last.energy_j)}, where {share(last.worse, 1)} "
        f"({share(last.low, 1)} to {share(last.high, 1)}) of the answers would be worse. The table has every step."
    )
    return svg("".join(drawn), width, height, name, "Energy against answers that would be worse", described)


def _grid(left: int, head: int, right: int, foot: int, most: float) -> str:
    lines = ""
    for quarter in range(5):
        y = foot - (foot - head) * quarter / 4
        lines += (
            f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/><text class="tick" '
            f'x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(share(most * quarter / 4, 1))}</text>'
        )
    return lines


def _energies(amounts: Sequence[float], at: _At, height: int, width: int) -> list[str]:
    every = 1 if width > 400 else 2
    return [
        f'<text class="tick" x="{at(amount, 0)[0]:.1f}" y="{height - 12}" '
        f'text-anchor="{"end" if at(amount, 0)[0] > width - 30 else "middle"}">{escape(format_energy(amount))}</text>'
        for amount in amounts[::every]
    ]


def _numbered(found: Sequence[Step], at: _At, width: int) -> list[str]:
    """Return a number for each point, inside of the picture; points that lie on one another have theirs in a row."""
    rows: list[tuple[float, float, list[int]]] = []
    for number, step in enumerate(found):
        x, y = at(step.energy_j, step.worse)
        if rows and abs(x - rows[-1][0]) < NEAR and abs(y - rows[-1][1]) < NEAR:
            rows[-1][2].append(number)
        else:
            rows.append((x, y, [number]))
    drawn: list[str] = []
    for x, y, numbers in rows:
        said = ", ".join(map(str, numbers))
        fits = x + 8 + LETTER * len(said) <= width
        place = f'x="{x + 8:.1f}" y="{y - 8:.1f}"' if fits else f'x="{width}" y="{y - 8:.1f}" text-anchor="end"'
        drawn.append(f'<text class="tick over" {place}>{said}</text>')
    return drawn


def _point(step: Step, at: _At) -> str:
    x, y = at(step.energy_j, step.worse)
    _, low = at(step.energy_j, step.low)
    _, high = at(step.energy_j, step.high)
    name = wording.SUFFICED.get(step.way, "as it was")
    said = f"{name}: {format_energy(step.energy_j)}, {share(step.worse, 1)} worse"
    kind = step.way or "model"
    return (
        f'<g><title>{escape(said)}</title><line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" '
        f'y2="{high:.1f}"/><circle class="a-{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/></g>'
    )
