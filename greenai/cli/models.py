"""`greenai models`: what the catalog knows, and which weights are on this machine."""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from greenai import catalog
from greenai.cli.common import AsJson, SettingsFile, Yes, console, print_json, pull, reported, settings_of
from greenai.cli.completion import beginning, complete_model
from greenai.errors import UnknownModel
from greenai.units import format_bytes, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.catalog import Card, Range
    from greenai.cli.leaderboard import Standing
    from greenai.local.roster import Loaded
    from greenai.local.weights import Installed

models = typer.Typer(help="List models, rank them by energy, show what is known of one, bring and delete weights.")


def complete_known(incomplete: str) -> list[str]:
    """Return the local models whose weights can be brought by name, for the shell."""
    from greenai.local import weights

    return beginning(incomplete, weights.KNOWN)


def complete_installed(incomplete: str) -> list[str]:
    """Return the local models that are on this machine, for the shell."""
    from greenai.errors import GreenAIError
    from greenai.local import weights
    from greenai.settings import load_settings

    try:
        folder = load_settings().weights_dir
    except GreenAIError:  # the command itself will tell; the shell is waiting for names
        folder = None
    return beginning(incomplete, (found.name for found in weights.installed(folder)))


def complete_provider(incomplete: str) -> list[str]:
    """Return the catalog's providers that begin so, for the shell."""
    return beginning(incomplete, (card.provider for card in catalog.cards()))


def complete_order(incomplete: str) -> list[str]:
    """Return what `--sort` accepts, for the shell."""
    from greenai.cli import leaderboard

    return beginning(incomplete, leaderboard.ORDERS)


_NAME = 'A model, such as "gpt-5.5" or "smollm2-135m".'
_LOCAL_NAME = 'A local model, such as "smollm2-135m" or "org/repo:file.gguf" of the model hub.'
Name = Annotated[str, typer.Argument(help=_NAME, autocompletion=complete_model)]
Known = Annotated[str, typer.Argument(help=_LOCAL_NAME, autocompletion=complete_known)]
Here = Annotated[str, typer.Argument(help=_LOCAL_NAME, autocompletion=complete_installed)]
Provider = Annotated[
    str | None,
    typer.Option("--provider", help="Only the models of one provider.", autocompletion=complete_provider),
]
All = Annotated[bool, typer.Option("--all", help="Every model of the catalog, with dated snapshots and every host.")]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        help="Rank the catalog by energy, name, price or quality, with a leaderboard.",
        autocompletion=complete_order,
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=0, help="The most rows; 0 for all, as without it.")]
Scored = Annotated[bool, typer.Option("--scored", help="Only models with a public quality score.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the leaderboard as comma-separated values.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Write the leaderboard as a picture: a file ending in .svg, .png or .pdf.")
]


@models.callback(invoke_without_command=True)
def _alone(
    context: typer.Context,
    *,
    provider: Provider = None,
    every: All = False,
    sort: Sort = None,
    limit: Limit = None,
    scored: Scored = False,
    plot: Plot = None,
    settings: SettingsFile = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    if context.invoked_subcommand is None:
        list_models(
            provider=provider,
            every=every,
            sort=sort,
            limit=limit,
            scored=scored,
            plot=plot,
            settings=settings,
            as_csv=as_csv,
            as_json=as_json,
        )


@models.command("list")
def list_models(
    *,
    provider: Provider = None,
    every: All = False,
    sort: Sort = None,
    limit: Limit = None,
    scored: Scored = False,
    plot: Plot = None,
    settings: SettingsFile = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """List the models of this machine and the ladder, as `greenai models` does; --sort: the catalog's leaderboard."""
    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json: choose one of them.")
    ranking = sort is not None or plot is not None or scored or as_csv or limit is not None
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        ladder = [rung.model for rung in loaded.rungs()]
        own = [*ladder, *(card.name for card in loaded.cards)]
        if ranking:
            picked = _ranked(own, provider=provider, every=every, scored=scored)
            chosen = provider is not None or every or scored
            _rank(picked, sort or "energy", limit, plot, form=_form(as_json, as_csv), note="" if chosen else _FIRST)
            return
        from greenai.local import weights

        here = weights.installed(loaded.weights_dir)
        picked = _chosen(provider, ladder, every=every)
    if as_json:
        listed = [asdict(installed) | {"path": str(installed.path)} for installed in here]
        print_json({"installed": listed, "ladder": ladder, "models": [_summary(card) for card in picked]})
        return
    _print_list(picked, here, ladder)


Form = Literal["text", "json", "csv"]


def _form(as_json: bool, as_csv: bool) -> Form:
    return "json" if as_json else "csv" if as_csv else "text"


def _ranked(own: Sequence[str], *, provider: str | None, every: bool, scored: bool) -> list[Card]:
    """Return the cards of the leaderboard; `own` are the ladder and the app's own cards.

    Raises:
        UnknownModel: there is none.
    """
    from greenai.cli import leaderboard

    if provider is None and not every and not scored:
        return leaderboard.first(own)
    picked = leaderboard.chosen(provider=provider, every=every, scored=scored)
    if not picked:
        raise UnknownModel(_nobody(provider), model=provider or "")
    return picked


def _rank(picked: Sequence[Card], order: str, limit: int | None, plot: Path | None, *, form: Form, note: str) -> None:
    """Print the leaderboard, and draw it where a picture is asked for; `note` says which models were picked."""
    from greenai.cli import leaderboard
    from greenai.cli import plot as picture

    if order not in leaderboard.ORDERS:
        raise typer.BadParameter(f"--sort {order}: use one of {', '.join(leaderboard.ORDERS)}.")
    if plot is not None:
        if (problem := picture.wrong_ending(plot)) is not None:
            raise typer.BadParameter(problem)
        picture.check(plot)
    rows = leaderboard.ranked(leaderboard.standings(picked), order)
    shown = rows[: limit or None]
    if plot is not None:
        picture.draw(shown, plot)
    if form == "json":
        print_json(leaderboard.as_json(shown))
    elif form == "csv":
        typer.echo(leaderboard.as_csv(shown), nl=False)
    else:
        _print_leaderboard(shown, order, plot, note)


def _nobody(provider: str | None) -> str:
    """Say why there is no model to show."""
    if provider is None:
        return "No model of the catalog has a public quality score."
    known = sorted({card.provider for card in catalog.cards()})
    if provider in known:
        return f"No model of {provider} has a public quality score. Leave out --scored."
    close = get_close_matches(provider.lower(), known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"It has {', '.join(known)}."
    return f"The catalog has no provider {provider}. {hint}"


def _print_leaderboard(rows: Sequence[Standing], order: str, plot: Path | None, note: str) -> None:
    from greenai.cli import leaderboard

    out = console()
    out.print(leaderboard.as_table(rows, out.width, order))
    for line in leaderboard.notes(rows):
        out.print(line, markup=False)
    total = len(catalog.cards())
    if len(rows) < total:
        out.print(f"{len(rows)} of the catalog's {total:,} models{note}.", markup=False)
    if plot is not None:
        out.print(f"Picture: {plot}", markup=False, soft_wrap=True)


_FIRST = (
    ": of those with a public score, the ladder's, local ones and cards of your own. With --all it ranks every one, "
    "dated snapshots and other hosts among them"
)


def _chosen(provider: str | None, ladder: Sequence[str], *, every: bool) -> list[Card]:
    """Return the cards of the list.

    Raises:
        UnknownModel: the catalog has no such provider.
    """
    cards = catalog.cards()
    if provider is None:
        return [card for card in cards if every or card.provider == "local" or card.name in ladder]
    picked = [card for card in cards if card.provider == provider]
    if not picked:
        raise UnknownModel(_nobody(provider), model=provider)
    return picked


def _summary(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "tier": card.tier,
        "dated": card.dated,
        "active_params_b": asdict(card.active_params_b) if card.active_params_b else None,
        "context_tokens": card.context_tokens,
        "capabilities": sorted(card.capabilities),
        "reasoning": card.reasoning.status,
    }


def _print_list(cards: Sequence[Card], here: Sequence[Installed], ladder: Sequence[str]) -> None:
    from rich import box
    from rich.table import Table

    names = {f"local/{installed.name}" for installed in here}
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("model", "tier", "active parameters", "context", "reasoning", "here"):
        table.add_column(heading, no_wrap=heading in {"tier", "context", "here"}, overflow="fold")
    for card in cards:
        place = "yes" if card.name in names else "no" if card.provider == "local" else ""
        context = "" if card.context_tokens is None else f"{card.context_tokens:,}"
        table.add_row(
            card.name, card.tier, _billions(card.active_params_b), context, _REASONING[card.reasoning.status], place
        )
    out = console()
    out.print(table)
    for installed in here:
        if catalog.find(f"local/{installed.name}") is None:
            out.print(f"local/{installed.name}: {format_bytes(installed.size_bytes)}", markup=False)
    out.print(f"ladder: {' < '.join(ladder)}", markup=False)
    out.print(f"{len(catalog.cards())} models in the catalog: greenai models list --all, or --provider openai")


_REASONING = {"off": "can be off", "lowest": "low at least", "always_on": "always", "none": "none", "unknown": "?"}


def _billions(size: Range | None) -> str:
    if size is None:
        return "unknown"
    if size.low == size.high:
        return f"{significant(size.mid, 3)} B"
    return f"{significant(size.low)} to {significant(size.high)} B"


@models.command()
def show(name: Name, *, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show every figure that the catalog has of one model with its source, and what a standard request takes on it."""
    with reported(as_json=as_json):
        settings_of(settings)
        card = _found(name)
    from greenai.cli import leaderboard, show_card

    row = leaderboard.standing(card)
    if as_json:
        print_json(show_card.plain(card) | {"standard_request": leaderboard.as_dict(row)})
        return
    out = console()
    out.print(show_card.as_table(row))


def _found(name: str) -> Card:
    card = catalog.find(name) or catalog.find(f"local/{name}")
    if card is None:
        close = catalog.suggest(name)
        hint = f"Close names: {', '.join(close)}." if close else "All names: greenai models list --all"
        raise UnknownModel(f"The catalog has no model {name}. {hint}", model=name, suggestions=close)
    return card


@models.command()
def schema(*, _as_json: AsJson = False) -> None:
    """Print the JSON Schema of the catalog; `$defs` has `card` and `own_card`, an entry of the setting `cards`."""
    print_json(catalog.schema())


@models.command("pull")
def pull_model(name: Known, *, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Bring the weights of a local model to this machine; an unfinished download is continued."""
    with reported(as_json=as_json):
        path = pull(name, settings_of(settings).weights_dir)
    if as_json:
        print_json({"model": f"local/{name.removeprefix('local/')}", "path": str(path), "bytes": path.stat().st_size})
        return
    console().print(f"{name}: {format_bytes(path.stat().st_size)} in {path}", markup=False, soft_wrap=True)


@models.command("ps")
def running_models(*, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the models in memory, of every app of this user: process, memory, idle since, when unloaded and why."""
    from greenai.local import roster

    with reported(as_json=as_json):
        found = roster.here(roster.running_dir(settings_of(settings).state_dir))
    if as_json:
        print_json({"running": [asdict(one) for one in found]})
    elif not found:
        console().print("No model is in memory.")
    else:
        _print_running(found)


ROOM_FOR_APP = 100
"""Columns of a terminal from which on the app is told too; in narrower ones names and reasons share what is left."""


def _print_running(found: Sequence[Loaded]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=box.SIMPLE, pad_edge=False)
    headings = ["model", "process", "of app", "memory", "idle since", "unloaded at", "why"]
    spare = max(out.width - 80, 0) // 2
    most = {"model": 18 + spare, "why": 14 + spare} if out.width < ROOM_FOR_APP else {}
    if most:
        headings.remove("of app")
    for heading in headings:
        table.add_column(heading.replace(" ", "\n") if most else heading, max_width=most.get(heading), overflow="fold")
    for one in found:
        cells = {
            "model": one.model,
            "process": str(one.pid),
            "of app": str(one.app_pid),
            "memory": "unknown" if one.memory_bytes is None else format_bytes(one.memory_bytes),
            "idle since": _clock(one.idle_since),
            "unloaded at": "never" if one.unload_at is None else _clock(one.unload_at),
            "why": one.why,
        }
        table.add_row(*(Text(cells[heading]) for heading in headings))
    out.print(table)
    out.print("Idle since the end of the last answer; each further one begins the stay anew.", markup=False)


def _clock(moment: float) -> str:
    from greenai.settings.schedule import local_time

    return f"{local_time(moment):%H:%M:%S}"


@models.command("rm")
def remove_model(name: Here, *, settings: SettingsFile = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete the weights of a local model from this machine."""
    with reported(as_json=as_json):
        from greenai.local import weights

        bare = name.removeprefix("local/")
        loaded = settings_of(settings)
        path = weights.path_of(bare, loaded.weights_dir)
        if path is not None and not yes and not as_json:
            typer.confirm(f"Delete {path}?", abort=True, err=True)
        freed = weights.remove(bare, loaded.weights_dir)
    if as_json:
        print_json({"model": f"local/{bare}", "freed_bytes": freed})
        return
    console().print(f"{bare}: {format_bytes(freed)} freed" if freed else f"{bare} is not here; nothing was deleted.")
