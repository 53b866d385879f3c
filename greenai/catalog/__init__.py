"""Model cards: sizes, siblings, reasoning switches, prices, each with its source and date. Facts only.

The data lie in `models.json`, which `training/catalog/build.py` writes and nobody edits by hand. It is parsed at
the first look-up. A name is found exactly or not at all: a similar name may belong to a model of another size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.values import Tier

__all__ = ["VERSION", "Card", "Price", "Range", "Rate", "Switch", "cards", "find", "suggest"]

VERSION = "catalog-2026.11.21"

Default = Literal["on", "off", "none", "unknown"]
Status = Literal["off", "lowest", "always_on", "none", "unknown"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A size that is known (`low == high`) or assumed to lie between two values; `mid` is the median guess."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """How a model's reasoning is turned off, and on.

    `default` is what happens when nothing is sent. `status` is the least that can be had: `off`, `lowest` (the
    smallest effort that the model accepts, `off` holds it), `always_on` (nothing can be sent), `none` (the model
    does not reason) or `unknown`. `off` and `on` hold the provider's native fields; empty means send nothing.
    """

    default: Default = "unknown"
    status: Status = "unknown"
    off: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    on: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    source: str = ""
    date: str = ""
    note: str | None = None


class Rate(NamedTuple):
    """US dollars per million tokens; `cached_input` is None where no discount is listed."""

    input: float
    cached_input: float | None
    output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """List prices in US dollars per million tokens; `cached_input` is None where no discount is listed.

    Attributes:
        reasoning_output: of a reasoning token, where it differs from `output`.
        services: rates of `batch`, `flex` and `priority`, where they are listed.
        long_from_tokens: prompts of more tokens than this are charged by `long`, the answer included.
        long: rates of such prompts by service, `standard` among them.
    """

    input: float
    cached_input: float | None
    output: float
    source: str
    date: str
    reasoning_output: float | None = None
    services: Mapping[str, Rate] = field(default_factory=lambda: _NOTHING)
    long_from_tokens: int | None = None
    long: Mapping[str, Rate] = field(default_factory=lambda: _NOTHING)

    def rate(self, service: str = "standard", input_tokens: int = 0) -> Rate | None:
        """Return the rate of a service for a prompt of so many tokens; None where it is not listed."""
        if self.long_from_tokens is not None and input_tokens > self.long_from_tokens:
            return self.long.get(service)
        if service == "standard":
            return Rate(self.input, self.cached_input, self.output)
        return self.services.get(service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of one model.

    Attributes:
        name: `provider/name`, as litellm spells it.
        aliases: other exact spellings, the bare name among them.
        dated: True for a snapshot that names its date; such a name is a pin.
        ladder: siblings at the same provider, this model among them, least estimated energy first.
        total_params_b: parameters in 1e9; None where not even a range is stated.
        active_params_b: parameters used per token, in 1e9.
        kv_gb_per_1k_tokens: key-value cache in GB per 1,000 tokens at 16 bits.
        bytes_per_weight: as the weights are usually served; None where unknown.
        hybrid: most layers keep a fixed state in place of a growing cache (Mamba and its kin).
        capabilities: of `tools`, `vision`, `json_schema`, `audio`.
        default_system: system message for a call without one; None leaves it to the model's template.
        defaults: arguments for a call that does not give them.
    """

    name: str
    provider: str
    aliases: tuple[str, ...] = ()
    dated: bool = False
    tier: Tier = "large"
    ladder: tuple[str, ...] = ()
    total_params_b: Range | None = None
    active_params_b: Range | None = None
    params_source: str = ""
    params_date: str = ""
    layers: int | None = None
    kv_gb_per_1k_tokens: float | None = None
    bytes_per_weight: float | None = None
    hybrid: bool = False
    moe: bool = False
    context_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    reasoning: Switch = Switch()
    price: Price | None = None
    default_system: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    note: str | None = None


def find(name: str) -> Card | None:
    """Return the card with exactly this name or alias, or None."""
    return _index().get(name)


def cards() -> tuple[Card, ...]:
    """Return every card, in the catalog's order."""
    return _load()


def suggest(name: str, n: int = 3) -> tuple[str, ...]:
    """Return up to `n` names that look like `name`: for the text of an error, never to choose a model."""
    close = get_close_matches(name.lower(), _index(), n=3 * n, cutoff=0.6)
    return tuple(dict.fromkeys(_index()[key].name for key in close))[:n]


@cache
def _index() -> dict[str, Card]:
    return {key: card for card in _load() for key in (card.name, *card.aliases)}


@cache
def _load() -> tuple[Card, ...]:
    raw = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
    switches = {key: _switch(row) for key, row in raw["switches"].items()}
    return tuple(_card(row, switches) for row in raw["cards"])


def _switch(row: dict[str, Any]) -> Switch:
    row["off"], row["on"] = MappingProxyType(row.get("off", {})), MappingProxyType(row.get("on", {}))
    return Switch(**row)


def _price(row: dict[str, Any]) -> Price:
    for key in ("services", "long"):
        row[key] = MappingProxyType({service: Rate(*rate) for service, rate in row.get(key, {}).items()})
    return Price(**row)


def _card(row: dict[str, Any], switches: Mapping[str, Switch]) -> Card:
    row["reasoning"] = switches[row["reasoning"]]
    for key in ("total_params_b", "active_params_b"):
        if row.get(key):
            row[key] = Range(**dict(zip(("low", "mid", "high"), row[key], strict=True)))
    if row.get("price"):
        row["price"] = _price(row["price"])
    row["aliases"], row["ladder"] = tuple(row["aliases"]), tuple(row["ladder"])
    row["capabilities"] = frozenset(row["capabilities"])
    row["defaults"] = MappingProxyType(row.get("defaults", {}))
    return Card(**row)
