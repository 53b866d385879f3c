"""`greenai budget`: what is left of every budget, and when it will be spent at this pace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import AsJson, SettingsFile, console, print_json, reported, settings_of
from greenai.cli.completion import complete_scope
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenai.report.burn import Burn
    from greenai.settings import Settings
    from greenai.spending import Cap

__all__ = ["budget"]

NO_BUDGET = """No budget is configured, so nothing is limited. For one, write into greenai.toml:

    [projects.default.budget]
    energy = "50 Wh/day"
    timezone = "UTC"
"""

BAR = 24

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help='Only this scope: organisation, project/NAME, feature/NAME, or one user or key, such as "user/3f2a9c...".',
        autocompletion=complete_scope,
    ),
]
Plot = Annotated[Path | None, typer.Option(help='Draw the burn-down (.png, .svg, .pdf): pip install "greenai[plot]".')]


def budget(*, scope: Scopes = None, plot: Plot = None, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show what was used, is held and is left of every budget, and when it will be spent at this pace."""
    with reported(as_json=as_json):
        _check_picture(plot)
        loaded = settings_of(settings)
        caps, found = _read(loaded, scope or ())
        if not caps:
            print_json({"budgets": [], "hint": NO_BUDGET}) if as_json else typer.echo(NO_BUDGET)
            return
        if plot is not None and found:
            _draw(loaded, found, plot)
        if as_json:
            print_json(_as_data(loaded, caps, found))
        else:
            _print(loaded, caps, found)
    if plot is not None and found:
        typer.echo(f"Picture: {plot}", err=as_json)


def _check_picture(path: Path | None) -> None:
    if path is None:
        return
    from greenai.cli import plot

    if problem := plot.wrong_ending(path):
        raise typer.BadParameter(problem)
    plot.check(path, what="Drawing the burn-down")


def _read(settings: Settings, scopes: Sequence[str]) -> tuple[Mapping[str, tuple[Cap, ...]], list[Burn]]:
    from greenai import spending
    from greenai.report.burn import burns

    caps = {scope: each for scope, each in spending.caps(settings).items() if each}
    for scope in scopes:
        kind = scope.partition("/")[0]
        if caps and scope not in caps and (kind not in caps or "/" not in scope):
            raise InvalidRequest(f"No budget is configured for the scope {scope!r}. Configured: {', '.join(caps)}.")
    return caps, burns(settings, scopes)


def _as_data(settings: Settings, caps: Mapping[str, tuple[Cap, ...]], found: Sequence[Burn]) -> dict[str, Any]:
    from greenai import spending
    from greenai.report.burn import EACH

    each = {kind: [cap.budget.text for cap in caps[kind]] for kind in EACH if kind in caps}
    return {"place": spending.place(settings), "budgets": [burn.to_dict() for burn in found], "for_each": each}


def _draw(settings: Settings, found: Sequence[Burn], path: Path) -> None:
    from greenai.cli.pictures import draw_burn_down
    from greenai.report.burn import points
    from greenai.store.reading import reading

    with reading(settings.ledger_path) as reader:
        draw_burn_down([(burn, points(reader, burn)) for burn in found], path)


def _print(settings: Settings, caps: Mapping[str, tuple[Cap, ...]], found: Sequence[Burn]) -> None:
    from rich.text import Text

    from greenai import spending
    from greenai.report.burn import EACH, METHOD

    out = console()
    for burn in found:
        head, *lines = told(burn)
        out.print(Text(head, style="bold"))
        for line in lines:
            out.print(Text(f"    {line}"))
        out.print()
    for kind in EACH:
        if kind in caps:
            texts = ", ".join(cap.budget.named for cap in caps[kind])
            out.print(f"Each {kind}: {texts}. See one with: greenai budget --scope {kind}/...", markup=False)
    out.print(f"Counted in {spending.place(settings)}. Forecasts are {METHOD}.", markup=False, style="dim")


def told(burn: Burn) -> tuple[str, ...]:
    """Return a budget in words: whose it is, how much of it is used, what is left until when, and the forecast."""
    from greenai.report import words

    state = burn.state
    said = state.budget.shown
    filled = max(min(round(BAR * state.settled / state.limit), BAR), 0)
    bar = "\N{FULL BLOCK}" * filled + "\N{LIGHT SHADE}" * (BAR - filled)
    ends = "" if state.window_end is None else f"ends {state.window_end:%d %b %H:%M} {state.budget.timezone}; "
    if state.budget.window.kind == "rolling":
        ends = ""
    return (
        f"{words.clean(state.scope)}: {words.clean(state.budget.named)}",
        f"{bar} {state.settled / state.limit:.0%} used",
        f"{said(state.settled)} used, {said(state.held)} held, {said(max(state.left, 0.0))} left",
        f"{ends}{forecast(burn)}",
    )


def forecast(burn: Burn) -> str:
    """Say what becomes of a budget at this pace."""
    state = burn.state
    if state.left <= 0:
        over = f", {state.budget.shown(state.debt)} over" if state.debt else ""
        return f"spent{over}: {burn.when_spent}"
    if burn.why_none:
        return f"no forecast: {burn.why_none}"
    if burn.spent_at is not None:
        zone = None if state.window_end is None else state.window_end.tzinfo
        return f"will be spent at {burn.spent_at.astimezone(zone):%d %b %H:%M}, then: {burn.when_spent}"
    return f"lasts: {state.budget.shown(burn.at_end or 0.0)} used by then"
