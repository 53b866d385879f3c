"""`greenai why`: the whole story of one call; without one, the last calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.cli.completion import complete_call
from greenai.cli.report import empty, nothing
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["why"]

_LAST = 20
_RECENT = "SELECT call_id, created, project, outcome, model, energy_j FROM calls ORDER BY created DESC LIMIT ?"


Call = Annotated[
    str | None,
    typer.Argument(
        help="The call_id of a receipt, or how it begins. Without it, the last calls are listed.",
        autocompletion=complete_call,
    ),
]


def why(call: Call = None, *, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Tell the story of one call: what was asked for, how it was decided, every attempt, and what it took."""
    from greenai.report.call import tell
    from greenai.store.reading import reading

    with reported(as_json=as_json):
        loaded = settings_of(settings)
        with reading(loaded.ledger_path) as reader:
            if reader is None and call is not None:
                raise InvalidRequest(f"There is no call {call!r}. {' '.join(empty(loaded).split())}")
            told = None if reader is None or call is None else tell(reader, call)
            last = [] if reader is None or call is not None else reader.rows(_RECENT, (_LAST,))
        if told is not None:
            print_json(told) if as_json else _print(told)
        elif last:
            print_json({"calls": last}) if as_json else _print_last(last)
        else:
            nothing(loaded, None, as_json=as_json)


def _print(told: Mapping[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from greenai.report.call import rows

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for label, text in rows(told):
        table.add_row(Text(label), Text(text))
    console().print(table)


def _print_last(last: Sequence[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from greenai.report import words
    from greenai.units import format_energy

    table = Table(title="the last calls", title_justify="left", title_style="bold", box=box.SIMPLE, pad_edge=False)
    for head in ("call", "when (UTC)", "answered by", "energy"):
        table.add_column(head, justify="right" if head == "energy" else "left", overflow="fold")
    for row in last:
        cells = (row["call_id"][:12], words.moment(row["created"])[5:16], words.clean(row["model"] or row["outcome"]))
        table.add_row(*(Text(cell) for cell in (*map(words.clean, cells), format_energy(row["energy_j"]))))
    console().print(table)
