"""`greenai gpus`: what the GPUs of this machine do, what that takes and for whom, and on how few it would fit."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenai.gpus.projects import Calls
    from greenai.gpus.summary import Summary
    from greenai.gpus.values import Trace
    from greenai.settings import Settings

__all__ = ["gpus"]

MOST_LOOKS = 200_000

ELSEWHERE = (
    "The recording is of another machine, so the calls of its models are not looked up in the ledger here. Name its "
    "ledger in a settings file, and pass that with --settings."
)

For = Annotated[
    str | None,
    typer.Option("--for", help="How long to watch, such as 30s or 10m; 60s by default. Ctrl-C ends it earlier."),
]
Every = Annotated[str | None, typer.Option("--every", help="Time between two looks; 200ms at least, 1s by default.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show a live table, until Ctrl-C where --for is not given.")]
Record = Annotated[Path | None, typer.Option(help="Write every look to this file (JSON lines) as it is made.")]
Replay = Annotated[Path | None, typer.Option(help="Read such a file, of any machine, and watch nothing.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it to a .svg, .png or .pdf file.")]
IdleWatts = Annotated[
    float | None,
    typer.Option("--idle-watts", min=0, help="Watts of a GPU at rest with a process on it, where it never rests."),
]
MostBusy = Annotated[float, typer.Option(min=1, max=100, help="On fewer GPUs: utilisation at most, in percent.")]
MostMemory = Annotated[float, typer.Option(min=1, max=100, help="On fewer GPUs: memory filled at most, in percent.")]


def gpus(
    *,
    seconds: For = None,
    every: Every = None,
    watch: Watch = False,
    record: Record = None,
    replay: Replay = None,
    plot: Plot = None,
    idle_watts: IdleWatts = None,
    most_busy: MostBusy = 90.0,
    most_memory: MostMemory = 95.0,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Watch the GPUs: how busy they are, energy by process and project, what idles, and what fewer would take.

    Needs an NVIDIA GPU with its driver, and the extra `nvidia`. Nothing is changed on a GPU.
    """
    if replay is not None and (record, seconds, every, watch) != (None, None, None, False):
        raise typer.BadParameter("--replay watches nothing, so it goes without --for, --every, --record and --watch.")
    if watch and as_json:
        raise typer.BadParameter("--watch shows a table, so it goes without --json.")
    for_s = None if watch and seconds is None else _seconds(seconds or "60s", "--for")
    every_s = _seconds(every or "1s", "--every")
    with reported(as_json=as_json):
        if plot is not None:
            _check_picture(plot)
        loaded = settings_of(settings)
        if replay is None:
            trace = _watched(loaded, for_s, every_s, record, live=watch, as_json=as_json)
        else:
            trace = _recorded(replay)
        is_ours = settings is not None or trace.machine == _this_machine()
        found = _summed(loaded if is_ours else None, trace, (most_busy, most_memory), idle_watts)
        if not as_json:
            _print(found)
        if plot is not None:
            from greenai.cli import gpus_picture

            gpus_picture.draw(found, plot)
    if as_json:
        print_json(found.to_dict())
    elif plot is not None:
        console().print(f"Picture: {plot}", markup=False, soft_wrap=True)


def _print(found: Summary) -> None:
    from greenai.cli import gpus_words

    gpus_words.show(found, console())


def _seconds(text: str, option: str) -> float:
    from greenai.settings.fields import duration_s

    try:
        found = duration_s(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}.") from None
    if found <= 0:
        raise typer.BadParameter(f"{option} {text}: it must be longer than nothing.")
    return found


def _check_picture(path: Path) -> None:
    from greenai.cli import plot as picture

    if (problem := picture.wrong_ending(path)) is not None:
        raise typer.BadParameter(problem)
    picture.check(path, what="Drawing what the GPUs did")


# --- watching -------------------------------------------------------------------------------


def _watched(
    settings: Settings, seconds: float | None, every_s: float, record: Path | None, *, live: bool, as_json: bool
) -> Trace:
    """Watch for so many seconds, or with None until Ctrl-C."""
    from greenai.gpus import sampler
    from greenai.gpus.recording import Recorder
    from greenai.gpus.values import GpusError

    if seconds is not None and seconds / every_s > MOST_LOOKS:
        raise GpusError(
            f"--for {seconds:g}s with --every {every_s:g}s are {seconds / every_s:.0f} looks, above {MOST_LOOKS}. "
            f"Use --every {math.ceil(seconds / MOST_LOOKS * 10) / 10:g}s or more."
        )
    made = sampler.opened(every_s, lambda: _engines(settings))
    recorder = None if record is None else Recorder(record)
    try:
        with _live() if live else _bar(seconds, watched=not as_json and sys.stderr.isatty()) as told:
            begun = told or (None if as_json or seconds is None else _said_once(seconds, every_s))
            return made.watch(seconds, lambda trace: _each(trace, recorder, begun))
    except KeyboardInterrupt:
        console(stderr=True).print("Stopped before there were two looks: nothing to tell.", markup=False)
        raise typer.Exit(130) from None
    finally:
        if recorder is not None:
            recorder.close()


def _each(trace: Trace, recorder: Callable[[Trace], object] | None, told: Callable[[Trace], object] | None) -> None:
    for one in (recorder, told):
        if one is not None:
            one(trace)


def _said_once(seconds: float, every_s: float) -> Callable[[Trace], object]:
    """Return what tells a log, which has no bar, that the first look was made and for how long more are."""

    def told(trace: Trace) -> None:
        if len(trace.rounds) == 1:
            line = f"Watching for {format_duration(seconds)}, a look every {format_duration(every_s)}."
            console(stderr=True).print(f"{line} Ctrl-C ends it earlier.", markup=False)

    return told


def _engines(settings: Settings) -> dict[int, str]:
    """Return the processes of greenai's engines on this machine, with their models."""
    from greenai.local.roster import here, running_dir

    return {one.pid: one.model for one in here(running_dir(settings.state_dir))}


@contextmanager
def _live() -> Generator[Callable[[Trace], object] | None]:
    """Show the latest look as a table on standard error."""
    from rich.live import Live

    from greenai.cli.gpus_words import live

    with Live(console=console(stderr=True), auto_refresh=False, transient=True) as shown:
        yield lambda trace: shown.update(live(trace), refresh=True)


@contextmanager
def _bar(seconds: float | None, *, watched: bool) -> Generator[Callable[[Trace], object] | None]:
    """Show a bar on standard error while somebody watches."""
    if not watched or seconds is None:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("watching", total=seconds, said="")

        def told(trace: Trace) -> None:
            left = format_duration(max(seconds - trace.seconds, 0.0))
            bar.update(task, completed=trace.seconds, said=f"{len(trace.rounds)} looks, {left} left; Ctrl-C to end")

        yield told


def _recorded(path: Path) -> Trace:
    from greenai.gpus.recording import read
    from greenai.gpus.values import GpusError

    trace = read(path)
    if (looks := len(trace.rounds)) < 2:
        raise GpusError(
            f"--replay: {path} has {looks} look{'' if looks == 1 else 's'} at the GPUs, and energy takes two. "
            "Record for longer, with: greenai gpus --for 10s --record FILE"
        )
    return trace


# --- what was seen --------------------------------------------------------------------------


def _this_machine() -> str:
    from greenai.gpus.sampler import this_machine

    return this_machine()


def _summed(settings: Settings | None, trace: Trace, bounds: tuple[float, float], idle_w: float | None) -> Summary:
    """Sum a trace up; `settings` None: it is of another machine, whose calls are not in the ledger here."""
    from greenai.gpus.packing import Bounds
    from greenai.gpus.summary import summed

    most_busy, most_memory = bounds
    calls, problem = _calls(settings, trace)
    found = summed(trace, calls, Bounds(busy_percent=most_busy, memory_percent=most_memory), idle_w)
    models = any(known.model is not None for known in trace.known.values())
    if settings is None and models and not trace.synthetic:
        problem = ELSEWHERE
    return found if problem is None else dataclasses.replace(found, notes=(*found.notes, problem))


def _calls(settings: Settings | None, trace: Trace) -> tuple[Calls, str | None]:
    """Return what the ledger has of the time, or why it cannot be read: that costs no more than the projects."""
    from greenai.errors import LedgerError
    from greenai.gpus.projects import NONE, calls_of
    from greenai.store.reading import reading

    try:
        with reading(None if settings is None else settings.ledger_path) as reader:
            return calls_of(reader, trace), None
    except LedgerError as error:
        return NONE, f"Calls are not looked up. {error}"
