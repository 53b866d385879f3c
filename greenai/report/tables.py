"""Tables of a report as HTML: headings, cells, a total, and a bar behind each part's share. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["Cell", "Table", "bar", "cell", "html"]

Cell = str
"""A cell's HTML; `cell` makes one of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: its caption for a screen reader, its headings, rows of cells whose first one names the row, a total.

    `texts` are the columns that hold words; `notes`, one for each row or none, stand below it over its whole width.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None = None
    texts: frozenset[int] = field(default_factory=frozenset[int])
    notes: Sequence[str] = ()


def cell(text: object) -> Cell:
    """Return text as a cell."""
    return escape(str(text))


def bar(text: str, part: float | None, whole: float | None) -> Cell:
    """Return a name with a bar below it, as long as its share, in steps of a hundredth."""
    percent = 0 if not part or not whole else max(round(100 * part / whole), 1)
    drawn = f'<span class="bar w{percent}" aria-hidden="true"></span>' if percent else ""
    return f"{escape(text)}{drawn}"


def html(table: Table, css_class: str = "") -> str:
    """Return a table in a frame that scrolls by itself where it is too wide, also by keyboard."""
    heads = "".join(
        f'<th scope="col"{_text(table, column)}>{escape(head)}</th>' for column, head in enumerate(table.heads)
    )
    rows = "".join(f"<tr>{_row(table, row)}</tr>{_note(table, number)}" for number, row in enumerate(table.rows))
    foot = "" if table.total is None else f"<tfoot><tr>{_row(table, table.total)}</tr></tfoot>"
    named = f' class="{css_class}"' if css_class else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}"><table{named}>'
        f"<caption>{escape(table.caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>{foot}"
        "</table></div>"
    )


def _row(table: Table, cells: Sequence[Cell]) -> str:
    first, *others = cells
    rest = "".join(f"<td{_text(table, column)}>{text}</td>" for column, text in enumerate(others, 1))
    return f'<th scope="row">{first}</th>{rest}'


def _note(table: Table, number: int) -> str:
    if not table.notes or not table.notes[number]:
        return ""
    return f'<tr class="rests"><td colspan="{len(table.heads)}"><div>{escape(table.notes[number])}</div></td></tr>'


def _text(table: Table, column: int) -> str:
    return ' class="text"' if column in table.texts else ""
