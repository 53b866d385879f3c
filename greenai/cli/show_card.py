"""Everything that the catalog has of one model, each figure beside its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from greenai import receipts
from greenai.catalog import Rate, switch_of
from greenai.catalog.own import OwnCard
from greenai.cli.leaderboard import STANDARD, Standing, Use
from greenai.units import format_energy, format_interval, significant

if TYPE_CHECKING:
    from rich.table import Table

    from greenai.catalog import Card, Price, Range, Switch

__all__ = ["as_table", "plain", "rows"]

Row = tuple[str, str, str]
"""What it is, its value, and where that comes from."""

LAW = "left to the law of the estimator, fitted on models of known shape"
BY_ENERGY = "by estimated energy of the standard request"
BY_HAND = "config.json of the model on its hub page, entered by hand"
_STATUS = {
    "off": "can be switched off",
    "lowest": "cannot be switched off; the least effort is sent",
    "always_on": "always on",
    "none": "the model does not reason",
    "unknown": "not established; nothing is sent",
}


def plain(value: Any) -> Any:
    """Return JSON values: the catalog's mappings are read-only views, which `asdict` cannot copy."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Rate):
        return value._asdict()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def as_table(row: Standing) -> Table:
    """Return the card as a table of three columns: what, value, source."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False, title=row.card.name, title_justify="left", title_style="bold")
    table.add_column("what", no_wrap=True, style="bold")
    table.add_column("value", overflow="fold")
    table.add_column("source", overflow="fold")
    for what, value, source in rows(row):
        table.add_row(Text(what), Text(value), Text(source))
    return table


def rows(row: Standing) -> list[Row]:
    """Return what is known of a model, each figure with its source."""
    card = row.card
    return [
        *_identity(card),
        *_shape(card),
        *_use(row),
        *_switch(switch_of(card.name)),
        *_price(card.price),
        *_rest(card),
    ]


def _identity(card: Card) -> Iterator[Row]:
    if card.aliases:
        yield "aliases", ", ".join(card.aliases), ""
    if card.same_as:
        kind = "dated snapshot of" if card.dated else "another host's name of"
        yield "the same as", f"{kind} {card.same_as}", ""
    yield "tier", card.tier, _source(card, "tier", "")
    if len(card.ladder) > 1:
        yield "ladder", " < ".join(card.ladder), _source(card, "ladder", BY_ENERGY)


def _source(card: Card, field: str, otherwise: str) -> str:
    """Return where a field comes from: what the app says of the fields that it states, else `otherwise`."""
    return card.stated_source if isinstance(card, OwnCard) and field in card.stated else otherwise


def _shape(card: Card) -> Iterator[Row]:
    source = f"{card.params_source}, {card.params_date}" if card.params_date else card.params_source
    yield "parameters", _billions(card.total_params_b), source
    yield "active per token", _billions(card.active_params_b), _source(card, "active_params_b", source)
    if card.shared_params_b is not None:
        shared = f"{significant(card.shared_params_b, 4)} B"
        yield "shared by all tokens", shared, _source(card, "shared_params_b", BY_HAND)
    layers = LAW if card.layers is None else _source(card, "layers", BY_HAND)
    yield "layers", "not entered" if card.layers is None else str(card.layers), layers
    kv = card.kv_gb_per_1k_tokens
    cache = "not entered" if kv is None else f"{significant(kv, 4)} GB per 1,000 tokens"
    noted = _source(card, "kv_gb_per_1k_tokens", card.note if card.note and "cache" in card.note else BY_HAND)
    yield "key-value cache", cache, LAW if kv is None else noted
    weight = card.bytes_per_weight
    if weight is not None:
        published = _source(card, "bytes_per_weight", "as the weights are published")
        yield "bytes per weight", significant(weight, 3), published
    if card.hybrid:
        hybrid = _source(card, "hybrid", card.params_source)
        yield "hybrid", "most layers keep a fixed state in place of a cache", hybrid


def _use(row: Standing) -> Iterator[Row]:
    tokens = f"{STANDARD.input_tokens} input and {STANDARD.output_tokens} output tokens"
    thinking = f"{tokens}, {receipts.DEFAULT_THINKING_TOKENS} of thinking more (Dauner and Socher, 2025)"
    for name, use, about in (("reasoning off", row.off, tokens), ("reasoning on", row.on, thinking)):
        if use is not None:
            yield f"energy, {name}", _energy(use), f"{use.energy.method}: {about}"
            yield f"stars, {name}", str(use.stars), use.stars.scale
    if not row.card.quality:
        yield "quality score", "no public score in the catalog", ""
    for score in row.card.quality:
        label = f"{score.score:g} ({score.name})"
        yield f"score, reasoning {score.reasoning}", label, f"{score.source}, {score.date}"


def _energy(use: Use) -> str:
    if use.energy.energy_j is None or use.width is None:
        return "unknown"
    interval = format_interval(use.energy.low_j, use.energy.high_j)
    return f"{format_energy(use.energy.energy_j)} (90%: {interval}; high over low: {significant(use.width)})"


def _switch(switch: Switch) -> Iterator[Row]:
    source = ", ".join(part for part in (switch.source, switch.date) if part)
    yield "reasoning", f"{_STATUS[switch.status]}; by default {switch.default}", source
    if switch.off:
        yield "sent without opt-in", json.dumps(dict(switch.off)), source
    if switch.on:
        yield "sent with opt-in", json.dumps(dict(switch.on)), source
    if switch.note:
        yield "note", switch.note, source


def _price(price: Price | None) -> Iterator[Row]:
    if price is None:
        yield "price", "unknown", ""
        return
    source = ", ".join(part for part in (price.source, price.date) if part)
    cached = "" if price.cached_input is None else f", {price.cached_input:g} cached input"
    thought = "" if price.reasoning_output is None else f", {price.reasoning_output:g} reasoning"
    yield "$ per 1e6 tokens", f"{price.input:g} input{cached}, {price.output:g} output{thought}", source
    for service, rate in price.services.items():
        yield f"$, {service}", f"{rate.input:g} input, {rate.output:g} output", source


def _rest(card: Card) -> Iterator[Row]:
    listed = card.rest_source if isinstance(card, OwnCard) else card.price.source if card.price else ""
    if card.context_tokens is not None:
        yield "context", f"{card.context_tokens:,} tokens", _source(card, "context_tokens", listed)
    if card.capabilities:
        yield "capabilities", ", ".join(sorted(card.capabilities)), _source(card, "capabilities", listed)
    if card.default_system:
        yield "default system message", card.default_system, ""
    if card.defaults:
        yield "default arguments", json.dumps(dict(card.defaults)), ""
    if card.note:
        yield "note", card.note, ""


def _billions(size: Range | None) -> str:
    if size is None:
        return "not stated, so the energy is unknown"
    if size.low == size.high:
        return f"{significant(size.mid, 4)} B"
    return f"{significant(size.mid, 3)} B ({significant(size.low, 3)} to {significant(size.high, 3)} B)"
