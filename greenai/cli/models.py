"""`greenai models`: what the catalog knows, and which weights are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai import catalog
from greenai.cli.common import AsJson, SettingsFile, Yes, console, print_json, pull, reported, settings_of
from greenai.errors import UnknownModel
from greenai.units import format_bytes, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.catalog import Card, Range
    from greenai.local.weights import Installed

models = typer.Typer(help="List models, show what is known of one, bring and delete weights. Alone it lists.")

Name = Annotated[str, typer.Argument(help='A model, such as "gpt-5.5" or "smollm2-135m".')]
Provider = Annotated[str | None, typer.Option("--provider", help="Only the models of one provider.")]
All = Annotated[bool, typer.Option("--all", help="Every model of the catalog.")]


@models.callback(invoke_without_command=True)
def _alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@models.command("list")
def list_models(
    *, provider: Provider = None, every: All = False, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """List the models of this machine and the ladder, as `greenai models` does; --all, --provider: the catalog's."""
    with reported(as_json=as_json):
        from greenai.local import weights

        loaded = settings_of(settings)
        here = weights.installed(loaded.weights_dir)
        ladder = [rung.model for rung in loaded.rungs()]
        chosen = _chosen(provider, ladder, every=every)
    if as_json:
        listed = [asdict(installed) | {"path": str(installed.path)} for installed in here]
        print_json({"installed": listed, "ladder": ladder, "models": [_summary(card) for card in chosen]})
        return
    _print_list(chosen, here, ladder)


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
def show(name: Name, *, as_json: AsJson = False) -> None:
    """Show everything that the catalog knows of one model, with sources."""
    with reported(as_json=as_json):
        card = _found(name)
    data = _plain(card)
    if as_json:
        print_json(data)
        return
    _print_card(data)


def _found(name: str) -> Card:
    card = catalog.find(name) or catalog.find(f"local/{name}")
    if card is None:
        close = catalog.suggest(name)
        hint = f"Close names: {', '.join(close)}." if close else "All names: greenai models list --all"
        raise UnknownModel(f"The catalog has no model {name}. {hint}", model=name, suggestions=close)
    return card


def _plain(value: Any) -> Any:
    """Return JSON values: the catalog's mappings are read-only views, which `asdict` cannot copy."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _print_card(data: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for key, value in data.items():
        if value not in (None, "", [], {}):
            table.add_row(Text(key.replace("_", " ")), Text(_shown(value)))
    console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_shown(item)}" for key, item in value.items() if item not in (None, "", {}))
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


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
