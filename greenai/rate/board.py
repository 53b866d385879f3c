"""All ratings as one page: Markdown, and HTML that needs nothing from elsewhere.

Ratings of different boundaries and modes stand in tables of their own: their figures do not compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from greenai.rate.merge import Merged
from greenai.rate.record import Record
from greenai.rate.scale import BOARD, SOURCE
from greenai.rate.view import View, view

__all__ = ["as_html", "as_markdown", "tables"]

HEADINGS = (
    "model",
    "per 1,000 queries",
    "90% interval",
    "prompts",
    "stars",
    "public board",
    "device",
    "date",
    "record",
)
NOTE = (
    "Stars are on greenai's frozen scale for energy per response; there are none where the interval spans two bands. "
    f"The public board's stars stand beside them for ratings made as it makes its own: {SOURCE}. The board itself: "
    f"{BOARD}. These ratings are their makers' own and no part of it."
)
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 2rem auto; max-width: 84rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid #c5cbd3; vertical-align: top;
  overflow-wrap: anywhere; }
th { white-space: nowrap; } td:first-child, td:nth-child(7), td:nth-child(9) { min-width: 9rem; }
td.figure { font-variant-numeric: tabular-nums; white-space: nowrap; }
p, li { max-width: 48rem; } .muted { color: #4b5563; }
"""


def tables(records: Iterable[Record]) -> list[tuple[str, list[View]]]:
    """Return the ratings by what they have in common, least energy first."""
    groups: dict[tuple[str, str, str], list[View]] = {}
    for seen in map(view, records):
        groups.setdefault(seen.kind, []).append(seen)
    return [
        (
            "; ".join(filter(None, (rows[0].boundary_words, rows[0].mode_words, rows[0].work))),
            sorted(rows, key=lambda v: (v.wh, v.model, v.date)),
        )
        for _, rows in sorted(groups.items(), key=lambda item: (item[0][0] != "gpu", *item[0][1:]))
    ]


def _cells(seen: View) -> tuple[str, ...]:
    model = f"{seen.model} ({seen.quantisation})" if seen.quantisation else seen.model
    grade = seen.grade_words if seen.grade is None else f"{'★' * seen.grade}{'☆' * (5 - seen.grade)} {seen.grade}"
    return (model, seen.energy, seen.interval, seen.prompts, grade, seen.public, seen.device, seen.date, seen.check)


# --- Markdown -------------------------------------------------------------------------------


def as_markdown(merged: Merged) -> str:
    """Return the leaderboard as Markdown."""
    lines = ["# Energy ratings", "", NOTE]
    for title, rows in tables(merged.shown):
        lines += ["", f"## {_escaped(title)}", "", _row(HEADINGS), _row("---" for _ in HEADINGS)]
        lines += [_row(map(_escaped, _cells(seen))) for seen in rows]
    if not merged.shown:
        lines += ["", "No ratings yet."]
    if merged.apart:
        lines += ["", "## Kept apart", ""]
        lines += [f"- {_escaped(str(a.record.id)[:32])}: {_escaped(a.why)}" for a in merged.apart]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Return text that is shown as it is: no markup, and no address, person or formula that a reader makes of it."""
    return re.sub(r"([\\`*_\[\]<>|#!&~@$]|:(?=//)|(?<=\bwww)\.)", r"\\\1", text, flags=re.IGNORECASE)


# --- HTML -----------------------------------------------------------------------------------


def as_html(merged: Merged) -> str:
    """Return the leaderboard as a page that needs nothing else."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Energy ratings</title>',
        f"<style>{_STYLE}</style></head><body><h1>Energy ratings</h1>",
    ]
    for title, rows in tables(merged.shown):
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in HEADINGS)
        body = "".join(f"<tr>{''.join(_cell(n, c) for n, c in enumerate(_cells(seen)))}</tr>\n" for seen in rows)
        parts.append(f"<h2>{escape(title)}</h2><div class=wide><table><thead><tr>{head}</tr></thead>")
        parts.append(f"<tbody>{body}</tbody></table></div>")
    if not merged.shown:
        parts.append("<p>No ratings yet.</p>")
    if merged.apart:
        items = "".join(f"<li>{escape(a.record.id[:32])}: {escape(a.why)}</li>" for a in merged.apart)
        parts.append(f"<h2>Kept apart</h2><ul>{items}</ul>")
    parts.append(f'<p class="muted">{escape(NOTE)}</p></body></html>\n')
    return "\n".join(parts)


def _cell(number: int, said: str) -> str:
    kind = ' class="figure"' if number in {1, 2, 3, 4, 7} else ""
    return f"<td{kind}>{escape(said)}</td>"
