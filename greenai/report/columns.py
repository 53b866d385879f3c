"""Tables for a terminal, as rich draws them, with the columns that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

__all__ = ["add", "fitted", "pairs", "table"]

LEAST_NAME = 12  # of a name this much stands in one line, and figures give way to it


def pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and figures without headings."""
    made = table(title, ("", ""), right=(1,), headed=False)
    for name, text in rows:
        add(made, name, text)
    return made


def fitted(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    less: Sequence[int],
    names: int = 1,
    total: bool = False,
) -> Table:
    """Return a table without the columns of `less`, in that order, for which there is no room beside the names."""
    widths = _widths(heads, rows, names)
    kept = list(range(len(heads)))
    for column in less:
        # Two blanks and a line between columns, and the edges.
        if sum(widths[n] for n in kept) + 3 * len(kept) - 1 <= width:
            break
        kept.remove(column)
    right = [place for place, column in enumerate(kept) if column >= names]
    made = table(title, [heads[column] for column in kept], right=right, least=LEAST_NAME)
    for number, row in enumerate(rows, 1):
        if total and number == len(rows):
            made.add_section()
        add(made, *(row[column] for column in kept))
    return made


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> list[int]:
    """Return how wide each column has to be: a figure whole, of a name a part."""
    from rich.cells import cell_len

    whole = [
        max(cell_len(line) for cell in cells for line in cell.splitlines() or ("",))
        for cells in zip(heads, *rows, strict=True)
    ]
    return [LEAST_NAME if column < names else width for column, width in enumerate(whole)]


def table(title: str, heads: Sequence[str], *, right: Sequence[int], headed: bool = True, least: int = 0) -> Table:
    """Return an empty table: `right` are its columns of figures, `least` how wide one of words is at least."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_header=headed,
        pad_edge=False,
    )
    for column, head in enumerate(heads):
        if column in right:
            made.add_column(head, justify="right", no_wrap=True)
        else:
            made.add_column(head, overflow="fold", min_width=least)
    return made


def add(to: Table, *cells: str) -> None:
    """Add a row to a table."""
    from rich.text import Text

    to.add_row(*(Text(text) for text in cells))  # Text, not markup: a name may contain brackets
