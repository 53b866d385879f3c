"""`greenai report`: what the ledger's calls took, as tables, JSON, CSV, an HTML page or a picture."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.cli.completion import complete_project
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.report.aggregate import Report
    from greenai.settings import Settings

__all__ = ["EMPTY", "empty", "known", "moment_of", "nothing", "report", "write"]

_BEFORE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])")
_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
MOST_NAMED = 10
_BY = ("outcome", "project", "model", "feature", "evidence")

EMPTY = (
    "There is no call in the ledger yet{where}. Make the first one with:\n\n"
    '    greenai ask "What is 18% of 240?"\n\n'
    'or in Python: from greenai import Client; Client().ask("...")'
)


def complete_by(incomplete: str) -> list[str]:
    """Return what `--by` accepts, for the shell."""
    return [name for name in _BY if name.startswith(incomplete)]


Since = Annotated[
    str | None,
    typer.Option(
        help='Count calls from then on: a date ("2026-11-01", UTC), a moment, or a time ago ("36h", "7d", "4w").'
    ),
]
Days = Annotated[float | None, typer.Option(help="Count the calls of the last so many days.", min=0)]
OfProject = Annotated[
    str | None,
    typer.Option("--project", help="Only the calls that are booked on this project.", autocompletion=complete_project),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        help="Print the parts by this alone: outcome, project, model, feature or evidence.", autocompletion=complete_by
    ),
]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write every part to this CSV file; a dash prints it.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write one HTML file that opens offline.")]
PngFile = Annotated[
    Path | None, typer.Option("--png", help='Draw energy over time (.png, .svg, .pdf): pip install "greenai[plot]".')
]


def report(
    *,
    since: Since = None,
    days: Days = None,
    project: OfProject = None,
    by: By = None,
    csv: CsvFile = None,
    html: HtmlFile = None,
    png: PngFile = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what the calls in the ledger took and avoided: by project, model, outcome, feature, and over time."""
    if wrong := [name for name in by or () if name not in _BY]:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(_BY)}.", param_hint="--by")
    with reported(as_json=as_json):
        if as_json and str(csv) == "-":
            raise InvalidRequest("--json and --csv - would both print. Pass one of them, or --csv FILE.")
        _check_picture(png)
        begin = _begin(since, days)
        loaded = settings_of(settings)
        found = _aggregated(loaded, begin, project)
        some = bool(found.rows.calls)
        if not some:
            known(loaded, project)
        written = _written(found, csv=csv, html=html, png=png if some else None)
        if not some:
            nothing(loaded, found, as_json=as_json, aside=str(csv) == "-")
        elif as_json:
            print_json(found.to_dict())
        elif by or not (csv or html or png):
            _print(found, tuple(by or ()))
    for name, path in written.items():
        typer.echo(f"{name}: {path}", err=as_json or str(csv) == "-")


def _aggregated(settings: Settings, begin: float, project: str | None) -> Report:
    from greenai.report.aggregate import Span, aggregate, none
    from greenai.store.reading import reading

    span = Span(since=begin, project=project)
    with reading(settings.ledger_path) as reader:
        return none(str(settings.ledger_path or ":memory:"), span) if reader is None else aggregate(reader, span)


def known(settings: Settings, project: str | None) -> None:
    """Refuse a project that neither the settings nor the ledger know, where the ledger has calls.

    Raises:
        InvalidRequest: nobody knows it.
    """
    from greenai.store.reading import reading

    with reading(settings.ledger_path) as reader:
        rows = [] if reader is None or project is None else reader.rows("SELECT DISTINCT project FROM calls")
    names = [str(row["project"]) for row in rows]
    if not names or project in (*names, *settings.projects):
        return
    close = get_close_matches(str(project), [*names, *settings.projects], n=1)
    meant = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(sorted(names)[:MOST_NAMED])}."
    raise InvalidRequest(
        f"No call in the ledger ({settings.ledger_path}) is of the project {project!r}, and the settings do not name "
        f"it. {meant}"
    )


def nothing(settings: Settings, found: Report | None, *, as_json: bool, aside: bool = False) -> None:
    """Say that there is nothing to tell yet, and how to make the first call; that is no error.

    `aside`: on standard error, since standard output is a file of figures.
    """
    path = settings.ledger_path
    if found is not None and (found.span.since or found.span.project) and path is not None and path.exists():
        text = (
            f"No call of this span and project is in the ledger{_where(path)}. Take a longer one with --days, leave "
            "--project out, or see all with: greenai report"
        )
    else:
        text = empty(settings)
    if as_json:
        print_json({"rows": {"path": None if path is None else str(path), "calls": 0, "attempts": 0}, "hint": text})
    else:
        console(stderr=aside).print(text, soft_wrap=True, markup=False)


def empty(settings: Settings) -> str:
    """Return that the ledger has no call yet, and how to make the first one."""
    return EMPTY.format(where=_where(settings.ledger_path))


def _where(path: Path | None) -> str:
    if path is None:
        return ": it is kept in memory, each process its own"
    missing = "" if path.parent.is_dir() else f"; the folder {path.parent} does not exist"
    return f" ({path}{missing})"


def _begin(since: str | None, days: float | None) -> float:
    """Return from when on calls are counted, in seconds since 1970.

    Raises:
        InvalidRequest: both were given, or `since` is no moment.
    """
    if since is not None and days is not None:
        raise InvalidRequest("--since and --days say the same in two ways. Pass one of them.")
    if days is not None:
        return time.time() - days * 86_400
    if since is None:
        return 0.0
    return moment_of(since, "--since")


def moment_of(text: str, option: str) -> float:
    """Return the moment that an option names, in seconds since 1970.

    Raises:
        InvalidRequest: it is none.
    """
    if (ago := _BEFORE.fullmatch(text.strip())) is not None:
        return time.time() - float(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidRequest(
            f'{option} {text!r} is no moment. Pass a date such as "2026-11-01", a moment such as "2026-11-01T09:00", '
            'or a time ago such as "36h", "7d" or "4w".'
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _check_picture(png: Path | None) -> None:
    if png is None:
        return
    from greenai.cli import plot

    if problem := plot.wrong_ending(png, "--png"):
        raise typer.BadParameter(problem)
    plot.check(png, "--png", "Drawing the report")


def _written(found: Report, *, csv: Path | None, html: Path | None, png: Path | None) -> Mapping[str, Path]:
    if csv is not None:
        from greenai.report.terminal import as_csv

        if str(csv) == "-":
            typer.echo(as_csv(found), nl=False)
        else:
            write(csv, as_csv(found), "--csv")
    if html is not None:
        from greenai.report.page import page

        write(html, page(found, made=time.time()), "--html")
    if png is not None:
        from greenai.cli.pictures import draw_report

        draw_report(found, png)
    named = {"CSV": csv, "Page": html, "Picture": png}
    return {name: path for name, path in named.items() if path is not None and str(path) != "-"}


def write(path: Path, text: str, option: str) -> None:
    """Write a file that only its owner may read: projects and models are in it."""
    from greenai.store.files import private_file

    try:
        with os.fdopen(private_file(path), "w", encoding="utf-8", errors="replace") as file:
            file.truncate()
            file.write(text)
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be written ({error.strerror}). Name a file in a folder that you may write to: {option} FILE"
        ) from None


def _print(found: Report, by: tuple[str, ...]) -> None:
    from greenai.report.terminal import DEFAULT, tables

    out = console()
    for part in tables(found, by or DEFAULT, width=out.width):
        out.print(part)
