"""`greenai audit`: what the calls of a log could have been, read where they lie; nothing leaves this machine.

Exit codes: 0 it was audited, lines that could not be read told; 1 it was refused (no such file, a format that nobody
knows, no call of the project, DuckDB not installed); 2 a wrong use of the command; 3 it was audited, and a model that
`--check` asks did not answer; 130 somebody pressed Ctrl-C: with `--work` the same command goes on from there, and what
a check had compared is told.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenai.cli.common import AsJson, SettingsFile, console, plain, print_json, reported, settings_of
from greenai.cli.report import moment_of, write
from greenai.errors import InvalidRequest
from greenai.progress import bar

if TYPE_CHECKING:
    from greenai.audit.audited import Audited
    from greenai.audit.run import Options
    from greenai.cli.audit_check import Checking
    from greenai.settings import Settings

__all__ = ["BY", "audit"]

INTERRUPTED = 130
UNREACHABLE = 3
SAMPLE = 2_000
NEXT = ("--toml try.toml (these settings, only observing)", "--check 100 (the risk)")
BY = ("sufficing", "project", "template", "model", "hour", "waste", "files", "assumptions")


def complete_format(incomplete: str) -> list[str]:
    """Return the formats that begin so, for the shell."""
    from greenai.audit.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def complete_by(incomplete: str) -> list[str]:
    """Return what `--by` accepts, for the shell."""
    return [name for name in BY if name.startswith(incomplete)]


Files = Annotated[
    list[str],
    typer.Argument(help="Logs: JSONL or CSV files (.gz and .zst too), Parquet, SQLite, folders, or patterns."),
]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="The format of all of them; by default it is found.",
        autocompletion=complete_format,
    ),
]
OfProject = Annotated[str | None, typer.Option("--project", help="Only the calls of this project.")]
Since = Annotated[
    str | None, typer.Option(help='Calls from then on: a date ("2026-11-01", UTC), a moment, or a time ago ("30d").')
]
Until = Annotated[str | None, typer.Option(help="Calls before then: a date, a moment, or a time ago.")]
Sample = Annotated[
    int, typer.Option(min=1, help="About so many calls' texts are looked at: more take longer, and narrow intervals.")
]
By = Annotated[
    list[str] | None,
    typer.Option(
        help="Print this part in full: sufficing, project, template, model, hour, waste, files or assumptions.",
        autocompletion=complete_by,
    ),
]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write one HTML file that opens offline and prints.")]
TomlFile = Annotated[
    Path | None, typer.Option("--toml", help="Write settings that try the changes and only observe: greenai.toml.")
]
Work = Annotated[
    Path | None, typer.Option("--work", help="Keep the work in this folder, and go on there after an interruption.")
]
Texts = Annotated[
    bool, typer.Option("--texts", help="Show a prompt of each of the largest templates; otherwise no text is shown.")
]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes that read a large log.")]
GridHoursFile = Annotated[
    Path | None,
    typer.Option(
        "--grid-hours",
        metavar="FILE",
        help="What a kWh emitted by the hour: a CSV file (start,g_per_kwh or hour,g_per_kwh), or Electricity Maps'.",
    ),
]
Check = Annotated[
    int | None,
    typer.Option(
        "--check",
        min=1,
        metavar="N",
        help="Compare cheaper answers with the log: free ones at once, the small model's to N calls with --budget.",
    ),
]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="AMOUNT", help='What --check may take, such as "2Wh" or "0.10 USD".')
]
Judge = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", help="Let this model compare free text of --check, within its budget."),
]
Again = Annotated[
    int,
    typer.Option(
        "--again",
        min=0,
        metavar="K",
        help="Ask the logged model K of the calls of --check again: how alike it answers twice.",
    ),
]


def audit(
    files: Files,
    *,
    format_: Form = None,
    project: OfProject = None,
    since: Since = None,
    until: Until = None,
    sample: Sample = SAMPLE,
    by: By = None,
    html: HtmlFile = None,
    toml: TomlFile = None,
    work: Work = None,
    texts: Texts = False,
    workers: Workers = 2,
    grid_hours: GridHoursFile = None,
    check: Check = None,
    budget: Budget = None,
    judge: Judge = None,
    again: Again = 0,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what the calls of a log could have been: what would have sufficed, what it saves, and the lines to change.

    Reads logs of OpenAI, Anthropic, litellm, Langfuse, LangSmith, Helicone, MLflow, Phoenix, OpenTelemetry, llm and
    greenai itself. Texts of calls are read and not kept. A progress bar with the time left is shown to whoever watches.
    """
    if wrong := [name for name in by or () if name not in BY]:
        raise typer.BadParameter(f"{wrong[0]!r} is none of {', '.join(BY)}.", param_hint="--by")
    for name, given in (("--budget", budget is not None), ("--judge", judge is not None), ("--again", again > 0)):
        if given and check is None:
            raise typer.BadParameter("it is of --check N, which is not given.", param_hint=name)
    with reported(as_json=as_json):
        _free(toml)
        from greenai.audit.run import Narrowed, Options

        loaded = settings_of(settings)
        checking = None if check is None else _checking(check, budget, work, loaded, judge=judge, again=again)
        options = Options(
            format=format_,
            narrowed=Narrowed(
                project=project,
                since=None if since is None else moment_of(since, "--since"),
                until=None if until is None else moment_of(until, "--until"),
            ),
            sample=sample,
            folder=work,
            texts=texts,
            workers=workers,
            ladder=_ladder(loaded),
            zone=loaded.zone,
            grid_hours=grid_hours,
            check=checking,
        )
        audited = _audited(files, options, as_json=as_json)
        _give(audited, checking, by=by, html=html, toml=toml, as_json=as_json)
        if audited.check is not None and (audited.check.interrupted or audited.check.unreachable):
            raise typer.Exit(INTERRUPTED if audited.check.interrupted else UNREACHABLE)


def _ladder(settings: Settings) -> tuple[str, ...]:
    """Return the models of the ladder that the settings name; none is no error: siblings stand in for it."""
    return tuple(rung.model for rung in settings.ladder or ())


def _checking(
    most: int, budget: str | None, folder: Path | None, settings: Settings, *, judge: str | None, again: int
) -> Checking:
    from greenai.cli.audit_check import Checking

    return Checking(
        most=most, budget=budget, folder=folder, settings=settings, ladder=_ladder(settings), judge=judge, again=again
    )


def _audited(files: list[str], options: Options, *, as_json: bool) -> Audited:
    from greenai.audit.run import audit as run

    try:
        with bar("reading", watched=not as_json and sys.stderr.isatty()) as moved:
            return run(files, options, moved)
    except KeyboardInterrupt:
        kept = options.folder is not None
        line = (
            "Stopped. What was read is kept: the same command goes on from there."
            if kept
            else "Stopped, and nothing was kept. With --work FOLDER the same command goes on where it was stopped."
        )
        console(stderr=True).print(line, markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def _give(
    audited: Audited,
    checking: Checking | None,
    *,
    by: list[str] | None,
    html: Path | None,
    toml: Path | None,
    as_json: bool,
) -> None:
    if html is not None:
        from greenai.audit.page import page

        write(html, page(audited, made=time.time()), "--html")
    if toml is not None:
        from greenai.audit import advice

        write(toml, advice.toml(audited.finding), "--toml")
    if as_json:
        from greenai.audit.to_json import to_json

        data = to_json(audited)
        planned = {} if checking is None else checking.to_dict()
        print_json(data | ({"check": data.get("check", {}) | planned} if planned else {}))
    else:
        _print(
            audited,
            by,
            done=tuple(one for one, given in (("--toml", toml), ("--check", checking)) if given is not None),
        )
        for line in () if checking is None else checking.said(audited.check):
            console().print(plain(line), markup=False, soft_wrap=True)
    for name, path in {"Page": html, "Settings": toml}.items():
        if path is not None:
            typer.echo(f"{name}: {path}", err=as_json)


def _free(path: Path | None) -> None:
    """Refuse to write settings over those that are there, before minutes are spent on it.

    Raises:
        InvalidRequest: there are some.
    """
    if path is not None and path.exists():
        raise InvalidRequest(f"{path} is there already, and is left as it is. Name another file: --toml audit.toml")


def _print(audited: Audited, by: list[str] | None, *, done: tuple[str, ...]) -> None:
    from greenai.audit.terminal import parts, screen

    out = console()
    shown = (
        screen(audited, width=out.width)
        if not by
        else (part for name in by for part in parts(audited, name, width=out.width))
    )
    for part in shown:
        out.print(part, crop=False)  # a line to copy is whole
    if not by and audited.finding.whole.calls:
        left = [said for said in NEXT if said.partition(" ")[0] not in done]
        if left and audited.finding.whole.judged:
            out.print(f"Next: {', '.join(left)}.", markup=False)
        out.print(f"More: --html audit.html, --json, --by {', '.join(BY)}", style="dim", markup=False)
