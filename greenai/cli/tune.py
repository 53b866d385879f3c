"""`greenai tune`: find, by measuring, how a model on this machine takes the least energy per token."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.cli.models import complete_installed
from greenai.progress import bar
from greenai.units import format_duration, format_energy, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greenai.local.profiles import Profile, Profiles
    from greenai.progress import Moved
    from greenai.settings import Settings
    from greenai.tune.cells import Cells, Interval
    from greenai.tune.run import Job, Options, Result
    from greenai.tune.search import Outcome, Progress
    from greenai.tune.space import Point

__all__ = ["tune"]

ROWS = 8

Name = Annotated[
    str | None,
    typer.Argument(
        help="A model on this machine, such as local/smollm2-135m, or a GGUF file.", autocompletion=complete_installed
    ),
]
Tokens = Annotated[int, typer.Option(min=16, help="Length of a request: prompt and answer, in tokens.")]
MostBatch = Annotated[int | None, typer.Option(min=1, max=4096, help="The largest batch to look at.")]
P95 = Annotated[float | None, typer.Option(min=0.001, help="Bound on a request's 95th percentile latency, in seconds.")]
Spend = Annotated[str | None, typer.Option("--budget", help='What the search may take, such as "5Wh".')]
Measurements = Annotated[int | None, typer.Option(min=1, help="How many measurements the search may make.")]
Text = Annotated[Path | None, typer.Option(help="A text to measure and judge on, instead of the packaged one.")]
Compiled = Annotated[
    bool | None, typer.Option("--compile/--no-compile", help="Try compilation by torch; by default on a GPU only.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an earlier search of the same options.")]
Plot = Annotated[Path | None, typer.Option(help="Draw what was measured to a .svg, .png or .pdf file.")]
Agreement = Annotated[float, typer.Option(min=0, max=1, help="Part of the tokens that must agree.")]
Perplexity = Annotated[float, typer.Option(min=1, help="Perplexity against the reference's, at most.")]
Listed = Annotated[bool, typer.Option("--list", help="List the profiles of this machine.")]
Forget = Annotated[bool, typer.Option("--forget", help="Delete the model's profiles; without a model, all.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before all profiles are deleted.")]


def tune(
    model: Name = None,
    *,
    tokens: Tokens = 128,
    most_batch: MostBatch = None,
    p95: P95 = None,
    budget: Spend = None,
    measurements: Measurements = None,
    text: Text = None,
    least_agreement: Agreement = 0.85,
    most_perplexity: Perplexity = 1.1,
    compiled: Compiled = None,
    resume: Resume = False,
    plot: Plot = None,
    list_: Listed = False,
    forget: Forget = False,
    yes: Yes = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure how a model on this machine takes the least energy per token, and keep that as a profile.

    Local engines use the profile from then on. The answer may be to leave everything as it is.
    """
    with reported(as_json=as_json):
        if plot is not None:
            _check_picture(plot)
        loaded = settings_of(settings)
        if list_ or forget:
            _kept(loaded, model, forget=forget, yes=yes, as_json=as_json)
            return
        if model is None:
            raise typer.BadParameter("Name a model, such as local/smollm2-135m, or use --list.")
        from greenai.tune.guard import Guard
        from greenai.tune.run import Options

        options = Options(
            tokens=tokens,
            most_batch=most_batch,
            most_p95_s=p95,
            budget_j=None if budget is None else _joules(budget),
            measurements=measurements,
            text=None if text is None else _read(text),
            guard=Guard(least_agreement=least_agreement, most_perplexity=most_perplexity),
            compiled=compiled,
            resume=resume,
        )
        result = _run(model, loaded, options, as_json=as_json)
        problem = _keep(result, loaded)
        if as_json:
            print_json(_plain(result, problem))
        else:
            _print(result, loaded, problem)
        if plot is not None:
            from greenai.cli import tune_picture

            tune_picture.draw(result, plot)
            if not as_json:
                console().print(f"Picture: {plot}", markup=False, soft_wrap=True)


def _check_picture(path: Path) -> None:
    from greenai.cli import plot as picture

    if (problem := picture.wrong_ending(path)) is not None:
        raise typer.BadParameter(problem)
    picture.check(path, what="Drawing what was measured")


def _joules(text: str) -> float:
    from greenai.budget import Budget
    from greenai.errors import InvalidRequest

    try:
        budget = Budget.parse(text, unit="energy_j")
    except InvalidRequest:
        raise typer.BadParameter(
            f'--budget: {text!r} is no energy. Write an amount and its unit, such as "5Wh".'
        ) from None
    if budget.window.kind != "total" or not budget.limit > 0:
        raise typer.BadParameter(f'--budget: {text!r} is no amount for one search. Write an energy, such as "5Wh".')
    return budget.limit


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--text: {path} cannot be read: {error}") from None
    if not text.strip():
        raise typer.BadParameter(f"--text: {path} is empty. Name a file with some paragraphs of text.")
    return text


# --- the search -----------------------------------------------------------------------------


def _run(model: str, settings: Settings, options: Options, *, as_json: bool) -> Result:
    from greenai.tune.run import job, run

    made, told = job(model, settings, options), console(stderr=True)

    def say(line: str) -> None:
        told.print(line, markup=False, soft_wrap=True)

    if options.resume and not made.journal.exists():
        say("There is nothing to resume: the search begins anew.")
    watched = not as_json and sys.stderr.isatty()
    quiet = None if as_json else partial(_begun, made, say)
    try:
        with bar("measuring", watched=watched) as moved:
            return run(made, quiet if moved is None else partial(_told, moved), partial(say, "Stopping ..."))
    except KeyboardInterrupt:
        say(f"Stopped. What was measured is in {made.journal}; go on with the same options and --resume.")
        raise typer.Exit(130) from None


def _begun(made: Job, say: Callable[[str], object], at: Progress) -> None:
    """Say once what is under way, where nobody sees a bar."""
    if at.done == 0:
        say(f"Measuring {made.name} on {made.device}, {at.expected} times at most. Readings go to {made.journal}.")


def _told(moved: Moved, at: Progress) -> None:
    said = f"{at.done}/{at.expected}"
    if at.done:
        said = f"{said}, {format_energy(at.spent_j)}, {format_duration(at.left_s)} left at most; {at.point}"
    moved(at.stage, done=at.done, total=at.expected, said=said)


def _keep(result: Result, settings: Settings) -> str | None:
    """Keep the profile; return why that failed, or None."""
    if result.profile is None:
        return None
    try:
        _profiles(settings).keep(result.profile)
    except OSError as error:
        return f"The profile could not be kept: {error}. Local engines go on as before."
    return None


def _profiles(settings: Settings) -> Profiles:
    from greenai.local.profiles import Profiles

    return Profiles(settings.state_dir)


# --- what was found -------------------------------------------------------------------------


def _plain(result: Result, problem: str | None) -> dict[str, Any]:
    from greenai.cli.tune_words import verdict
    from greenai.tune.cells import plain

    outcome = result.outcome
    return {
        "model": result.job.name,
        "device": result.job.device,
        "driver": result.job.driver,
        "engine": result.job.engine,
        "tokens": result.job.options.tokens,
        "leave_it": outcome.leave_it,
        "chosen": _point(outcome, outcome.chosen),
        "default": _point(outcome, outcome.default),
        "ratio": None if outcome.ratio is None else dataclasses.asdict(outcome.ratio),
        "pairs": outcome.pairs,
        "default_ruled_out": outcome.ruled_out,
        "verdict": verdict(outcome),
        "ended": outcome.ended,
        "measurements": outcome.measurements,
        "grid": result.job.space.size(),
        "resumed": result.resumed,
        "spent_j": outcome.spent_j,
        "noise": outcome.cells.noise,
        "journal": str(result.job.journal),
        "profile": None if result.profile is None else dataclasses.asdict(result.profile),
        "problem": problem,
        "points": plain(outcome.cells),
    }


def _point(outcome: Outcome, point: Point) -> dict[str, Any]:
    energy = outcome.energy(point)
    return {**point.to_dict(), "energy_j_per_token": None if energy is None else dataclasses.asdict(energy)}


def _print(result: Result, settings: Settings, problem: str | None) -> None:
    out, outcome = console(), result.outcome
    out.print(_table(outcome))
    from greenai.cli.tune_words import found, use

    for line in (*found(result), *(use(result, settings) if problem is None else ())):
        out.print(line, markup=False)
    if problem is not None:
        console(stderr=True).print(problem, markup=False, style="red")


def _table(outcome: Outcome) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "batch", "setting", "J/token", "p95", "memory", "times"):
        is_wide = heading == "setting"
        table.add_column(heading, no_wrap=not is_wide, justify="left" if is_wide or not heading else "right")
    for point in _shown_points(outcome):
        cell = outcome.cells.of[point]
        energy = outcome.energy(point)
        table.add_row(
            _mark(outcome, point),
            str(point.batch),
            str(point.setting),
            cell.status.replace("_", " ") if energy is None else f"{significant(energy.value, 3)} {_share(energy)}",
            "" if energy is None else format_duration(cell.p95_s),
            _memory(outcome.cells, point),
            str(len(cell.logs)),
        )
    return table


def _shown_points(outcome: Outcome) -> list[Point]:
    """Return the best points, the default, and the neighbours of the chosen one."""
    ranked = sorted(outcome.cells.candidates(), key=lambda pair: pair[1].mean)
    first = [point for point, _ in ranked[:ROWS]]
    chosen = outcome.chosen
    beside = [dataclasses.replace(chosen, batch=chosen.batch + step) for step in (-1, 1)]
    more = [p for p in (chosen, outcome.default, *beside) if p in outcome.cells.of and p not in first]
    return [*first, *more]


def _mark(outcome: Outcome, point: Point) -> str:
    if point == outcome.default:
        return "as it is"
    return "chosen" if point == outcome.chosen else ""


def _share(energy: Interval) -> str:
    """Return how far an interval reaches beyond its value, in percent."""
    return f"±{energy.high / energy.value - 1:.0%}"


def _memory(cells: Cells, point: Point) -> str:
    from greenai.units import format_bytes

    held = max((s.memory_bytes for s in cells.of[point].samples), default=0)
    return format_bytes(held) if held else ""


# --- profiles -------------------------------------------------------------------------------


def _kept(settings: Settings, model: str | None, *, forget: bool, yes: bool, as_json: bool) -> None:
    profiles = _profiles(settings)
    if forget:
        count = len(profiles.all())
        if model is None and count and not yes:
            _confirm(count, as_json=as_json)
        named = None if model is None else f"local/{model.removeprefix('local/')}"
        gone = profiles.forget(named)
        if as_json:
            print_json({"forgotten": gone})
        else:
            console().print(f"{gone} profile{'' if gone == 1 else 's'} forgotten.")
        return
    held = profiles.all()
    if as_json:
        print_json({"profiles": [dataclasses.asdict(p) for p in held], "problems": list(profiles.problems)})
        return
    for problem in profiles.problems:
        console(stderr=True).print(problem, markup=False, soft_wrap=True)
    for line in _profile_lines(held) if held else ("No profiles yet. Make one: greenai tune local/smollm2-135m",):
        console().print(line, markup=False, soft_wrap=True)


def _confirm(count: int, *, as_json: bool) -> None:
    from greenai.errors import InvalidRequest

    what = "The only profile" if count == 1 else f"All {count} profiles"
    if not as_json and sys.stdin.isatty():
        typer.confirm(f"Delete {what[0].lower()}{what[1:]}?", err=True, abort=True)
        return
    raise InvalidRequest(f"{what} would be deleted, and nobody was asked. Name a model, or pass --yes.")


def _profile_lines(held: Sequence[Profile]) -> Iterator[str]:
    for p in held:
        threads = "" if p.threads is None else f", {p.threads} thread{'s' if p.threads > 1 else ''}"
        yield f"{p.name} on {f'{p.device} {p.driver}'.strip()}, to {p.sequence_bin} tokens, {p.measured[:10]}:"
        energy = f"{significant(p.energy_j_per_token, 3)} J/token ±{p.high / p.energy_j_per_token - 1:.0%}"
        yield f"  batch {p.batch}, {p.precision}{threads}: {energy}; {_as_it_is(p)}"


def _as_it_is(profile: Profile) -> str:
    held = profile.default_energy_j_per_token
    if profile.leave:
        return "as it is without tuning, and left so"
    return "without tuning it did not run" if held is None else f"{significant(held, 3)} without tuning"
