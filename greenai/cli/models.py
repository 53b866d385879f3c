"""`greenai models`: what the catalog knows, and which weights are on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from greenai import catalog
from greenai.cli.common import AsJson, SettingsFile, Yes, console, print_json, pull, reported, settings_of
from greenai.errors import UnknownModel
from greenai.units import format_bytes, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.catalog import Card, Range
    from greenai.cli.leaderboard import Standing
    from greenai.local.weights import Installed

models = typer.Typer(help="List models, rank them by energy, show what is known of one, bring and delete weights.")

Name = Annotated[str, typer.Argument(help='A model, such as "gpt-5.5" or "smollm2-135m".')]
Provider = Annotated[str | None, typer.Option("--provider", help="Only the models of one provider.")]
All = Annotated[bool, typer.Option("--all", help="Every model of the catalog, with dated snapshots and every host.")]
Sort = Annotated[
    str | None, typer.Option("--sort", help="Rank the catalog by energy, name, price or quality, with a leaderboard.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=0, help="The most rows; 0 for all. The default is 40.")]
Scored = Annotated[bool, typer.Option("--scored", help="Only models with a public quality score.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print the leaderboard as comma-separated values.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Write the leaderboard as a picture: a file ending in .svg, .png or .pdf.")
]

ROWS = 40
"""Rows of a leaderboard on a terminal or in a picture, unless --limit says otherwise."""


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
    ranking = sort is not None or plot is not None or scored or as_csv or limit is not None
    order = sort or "energy"
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        if ranking:
            _rank(order, limit, plot, provider=provider, every=every, scored=scored, form=_form(as_json, as_csv))
            return
        from greenai.local import weights

        here = weights.installed(loaded.weights_dir)
        ladder = [rung.model for rung in loaded.rungs()]
        picked = _chosen(provider, ladder, every=every)
    if as_json:
        listed = [asdict(installed) | {"path": str(installed.path)} for installed in here]
        print_json({"installed": listed, "ladder": ladder, "models": [_summary(card) for card in picked]})
        return
    _print_list(picked, here, ladder)


Form = Literal["text", "json", "csv"]


def _form(as_json: bool, as_csv: bool) -> Form:
    return "json" if as_json else "csv" if as_csv else "text"


def _rank(
    order: str,
    limit: int | None,
    plot: Path | None,
    *,
    provider: str | None,
    every: bool,
    scored: bool,
    form: Form,
) -> None:
    """Print the leaderboard, and draw it where a picture is asked for."""
    from greenai.cli import leaderboard
    from greenai.cli import plot as picture

    if order not in leaderboard.ORDERS:
        raise typer.BadParameter(f"--sort {order}: use one of {', '.join(leaderboard.ORDERS)}.")
    if plot is not None:
        picture.check(plot)
    picked = leaderboard.chosen(provider=provider, every=every, scored=scored)
    if not picked:
        raise UnknownModel(_nobody(provider), model=provider or "")
    rows = leaderboard.ranked(leaderboard.standings(picked), order)
    most = (ROWS if form == "text" or plot is not None else 0) if limit is None else limit
    shown = rows[: most or None]
    if plot is not None:
        picture.draw(shown, plot)
    if form == "json":
        print_json(leaderboard.as_json(shown))
    elif form == "csv":
        typer.echo(leaderboard.as_csv(shown), nl=False)
    else:
        _print_leaderboard(shown, len(rows), plot)


def _nobody(provider: str | None) -> str:
    if provider is None:
        return "No model of the catalog has a public quality score."
    known = sorted({card.provider for card in catalog.cards()})
    if provider in known:
        return f"No model of {provider} has a public quality score. Leave out --scored."
    return f"The catalog has no provider {provider}. It has {', '.join(known)}."


def _print_leaderboard(rows: Sequence[Standing], total: int, plot: Path | None) -> None:
    from greenai.cli import leaderboard

    out = console()
    out.print(leaderboard.as_table(rows))
    for line in leaderboard.notes(rows):
        out.print(line, markup=False)
    if len(rows) < total:
        out.print(f"{len(rows)} of {total} models; --limit 0 shows all, --all other hosts and dated snapshots too.")
    if plot is not None:
        out.print(f"Picture: {plot}", markup=False, soft_wrap=True)


def _chosen(provider: str | None, ladder: Sequence[str], *, every: bool) -> list[Card]:
    cards = catalog.cards()
    if provider is not None:
        return [card for card in cards if card.provider == provider]
    return [card for card in cards if every or card.provider == "local" or card.name in ladder]


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
        table.add_column(heading, no_wrap=True)
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
def schema() -> None:
    """Print the JSON Schema of the catalog; `$defs` has `card` and `own_card`, an entry of the setting `cards`."""
    print_json(catalog.schema())


@models.command("pull")
def pull_model(name: Name, *, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Bring the weights of a local model to this machine; an unfinished download is continued."""
    with reported(as_json=as_json):
        path = pull(name, settings_of(settings).weights_dir)
    if as_json:
        print_json({"model": f"local/{name.removeprefix('local/')}", "path": str(path), "bytes": path.stat().st_size})
        return
    console().print(f"{name}: {format_bytes(path.stat().st_size)} in {path}", markup=False, soft_wrap=True)


@models.command("rm")
def remove_model(name: Name, *, settings: SettingsFile = None, yes: Yes = False, as_json: AsJson = False) -> None:
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
