"""Model cards: sizes, siblings, reasoning switches, prices, each with its source and date. Facts only.

The data lie in `models.json`, which `training/catalog/build.py` writes and nobody edits by hand; `schema.json` says
what may stand there. It is parsed at the first look-up. A name is found exactly or not at all: a similar name may
belong to a model of another size. An app's own cards stand beside the catalog's, for the whole process (`register`).
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.catalog import own
from greenai.catalog.families import OWN_NAMES, Family, first, named_by
from greenai.catalog.model import Card, Default, Price, Quality, Range, Rate, Status, Switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenai.settings.cards import CardEntry

__all__ = [
    "VERSION",
    "Card",
    "Default",
    "Family",
    "Price",
    "Quality",
    "Range",
    "Rate",
    "Status",
    "Switch",
    "cards",
    "families",
    "find",
    "register",
    "remedy_for",
    "schema",
    "suggest",
    "switch_of",
]

VERSION = "catalog-2026.11.21"


_lock = Lock()
_own: Mapping[str, Card] = MappingProxyType({})  # by name and alias; replaced whole, so reading needs no lock


def find(name: str) -> Card | None:
    """Return the card with exactly this name or alias, or None; an app's own card comes before the catalog's."""
    own_card = _own.get(name)
    return _named(name) if own_card is None else own_card


def remedy_for(name: str) -> str:
    """Return what to write in the settings for a model that has no card: whose it is, or an example of a size."""
    meant = find(name.removeprefix("endpoint/")) if name.startswith("endpoint/") else None
    if meant is not None:  # any server may call its models as it likes, so the app has to say so
        line = f"cards = [{{ name = {json.dumps(name)}, same_as = {json.dumps(meant.name)} }}]"
        return f"If it is {meant.name} that answers there, write in the settings: {line}."
    line = f"cards = [{{ name = {json.dumps(name)}, total_params_b = 7 }}]"
    said = f"Write in the settings, with its own size in 1e9 parameters: {line}"
    # What stands behind a base_url is called endpoint/... whatever it is named.
    return f"{said}." if name.startswith("endpoint/") else f"{said}, or name the model as the catalog does."


def cards() -> tuple[Card, ...]:
    """Return every card: the app's own, then the catalog's in its order."""
    own_cards = {card.name: card for card in _own.values()}
    return (*own_cards.values(), *(card for card in _all() if card.name not in own_cards))


def families() -> tuple[Family, ...]:
    """Return how reasoning is turned off where a model has no card: the first row that fits counts."""
    return _families()


def switch_of(model: str, base_url: str | None = None) -> Switch:
    """Return how a model's reasoning is turned off: as its card says, else by its provider and its name.

    Args:
        model: `provider/name`, an alias or a bare name; `endpoint/name` is what stands behind a client's `base_url`.
        base_url: where the provider is, if somebody said so.
    """
    provider, slash, name = model.partition("/")
    if provider == "endpoint":
        return _behind(name, named_by(base_url))
    compatible = named_by(base_url, provider)
    card = find(model) if compatible == provider else None
    if card is not None and (card.reasoning.status != "unknown" or _is_stated(card)):
        return card.reasoning
    if not slash:
        return _by_name(model)
    return _by_family(compatible, name) or _switches()["unknown"]


def _behind(name: str, provider: str) -> Switch:
    """Return the switch of what a server was asked for by `name`: as its provider's, else as that of those weights."""
    if provider != "endpoint":
        return switch_of(name if name.startswith(f"{provider}/") else f"{provider}/{name}")
    card = find(f"hosted_vllm/{name}")
    found = card.reasoning if card is not None else switch_of(name) if find(name) is not None else None
    if found is None or found.status == "unknown":
        found = _by_family("endpoint", name)
    return found or switch_of(name)


@lru_cache(maxsize=1024)
def _by_name(name: str) -> Switch:
    """Return the switch of a name without a provider; only a provider's own names are certain."""
    found = (_by_family(provider, name) for provider in OWN_NAMES)
    return next((switch for switch in found if switch is not None), _switches()["unknown"])


@lru_cache(maxsize=1024)
def _by_family(provider: str, name: str) -> Switch | None:
    family = first(_families(), provider, name)
    return None if family is None else _switches()[family.switch]


def _is_stated(card: Card) -> bool:
    return isinstance(card, own.OwnCard) and "reasoning" in card.stated


def register(entries: Iterable[CardEntry]) -> None:
    """Add an app's own cards for the whole process; a second, equal definition changes nothing.

    Raises:
        SettingsError: a name is taken, a sibling or a switch is unknown, or there is nothing to replace.
    """
    global _own  # noqa: PLW0603 (one table for the process, as the catalog itself is)
    entries = tuple(entries)
    if entries:
        with _lock:
            _own = MappingProxyType(own.added(entries, _own, _index(), _switches()))


def suggest(name: str, n: int = 3) -> tuple[str, ...]:
    """Return up to `n` names that look like `name`: for the text of an error, never to choose a model."""
    close = get_close_matches(name.lower(), {**_positions(), **_own}, n=3 * n, cutoff=0.6)
    return tuple(dict.fromkeys(card.name for key in close if (card := find(key)) is not None))[:n]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of models.json; `$defs` has one card, and one entry of the setting `cards`."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
    return loaded


# --- the file: parsed at the first look-up; a card is made when it is asked for, as most never are ---------


@cache
def _file() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
    return parsed


@cache
def _switches() -> dict[str, Switch]:
    return {key: _switch(row) for key, row in _file()["switches"].items()}


@cache
def _families() -> tuple[Family, ...]:
    rows: list[dict[str, Any]] = _file()["families"]
    return tuple(_family(row) for row in rows)


def _family(row: Mapping[str, Any]) -> Family:
    made = dict(row)
    made["providers"] = tuple(row["providers"])
    return Family(**made)


@cache
def _positions() -> dict[str, int]:
    rows = _file()["cards"]
    return {key: position for position, row in enumerate(rows) for key in (row["name"], *row["aliases"])}


@lru_cache(maxsize=4096)
def _named(name: str) -> Card | None:
    position = _positions().get(name)
    return None if position is None else _shipped(position)


@cache
def _shipped(position: int) -> Card:
    return _card(_file()["cards"][position], _switches())


@cache
def _all() -> tuple[Card, ...]:
    return tuple(_shipped(position) for position in range(len(_file()["cards"])))


@cache
def _index() -> dict[str, Card]:
    return {key: card for card in _all() for key in (card.name, *card.aliases)}


def _switch(row: Mapping[str, Any]) -> Switch:
    made = dict(row)
    made["off"], made["on"] = MappingProxyType(row.get("off", {})), MappingProxyType(row.get("on", {}))
    return Switch(**made)


def _price(row: Mapping[str, Any]) -> Price:
    made = dict(row)
    for key in ("services", "long"):
        made[key] = MappingProxyType({service: Rate(*rate) for service, rate in row.get(key, {}).items()})
    return Price(**made)


def _card(row: Mapping[str, Any], switches: Mapping[str, Switch]) -> Card:
    made = dict(row)  # the parsed file stays as it is: two threads may make the same card
    made["reasoning"] = switches[row["reasoning"]]
    for key in ("total_params_b", "active_params_b"):
        if row.get(key):
            made[key] = Range(**dict(zip(("low", "mid", "high"), row[key], strict=True)))
    if row.get("price"):
        made["price"] = _price(row["price"])
    made["quality"] = tuple(Quality(**score) for score in row.get("quality", ()))
    made["aliases"], made["ladder"] = tuple(row["aliases"]), tuple(row["ladder"])
    made["capabilities"] = frozenset(row["capabilities"])
    made["defaults"] = MappingProxyType(row.get("defaults", {}))
    return Card(**made)
