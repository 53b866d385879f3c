"""Cards of an app's own, made from the entries of the setting `cards`.

They hold for the whole process, as the catalog does: every look-up of a name sees them, from whichever client. So
two definitions of one name cannot stand beside each other, and the second is refused.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from greenai.catalog.model import Card, Price, Range, Switch
from greenai.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from greenai.settings.cards import CardEntry, SizeEntry

__all__ = ["OwnCard", "added"]


_NO_SHAPE: dict[str, Any] = {"layers": None, "kv_gb_per_1k_tokens": None, "shared_params_b": None, "hybrid": False}


_NO_FIELDS = frozenset(("name", "replace", "same_as", "source", "date"))
"""What an entry says of the card itself, and not of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCard(Card):
    """A card of an app's own, or one of the catalog with what the app states in place.

    Attributes:
        stated: the fields that the app states.
        stated_source: where it has them from, with the date.
        rest_source: what the catalog has for context and capabilities; empty where it has nothing.
    """

    stated: frozenset[str] = frozenset()
    stated_source: str = ""
    rest_source: str = ""


def added(
    entries: Iterable[CardEntry], own: Mapping[str, Card], shipped: Mapping[str, Card], switches: Mapping[str, Switch]
) -> dict[str, Card]:
    """Return the index of own cards with `entries` among them; `own` and `shipped` are indices by name and alias.

    Raises:
        SettingsError: a name is taken, a sibling or a switch is unknown, or there is nothing to replace.
    """
    index = dict(own)
    fresh: list[tuple[CardEntry, Card]] = []
    for entry in entries:
        card = card_of(entry, shipped, switches)
        _refuse_conflict(card, entry, index, shipped)
        index.update(dict.fromkeys((card.name, *card.aliases), card))
        fresh.append((entry, card))
    for entry, card in fresh:
        for sibling in card.ladder:
            if sibling not in index and sibling not in shipped:
                raise SettingsError(
                    f"{entry.place}: the ladder of {card.name} names {sibling}, which no card describes."
                )
    return index


def card_of(entry: CardEntry, shipped: Mapping[str, Card], switches: Mapping[str, Switch]) -> Card:
    """Return the card that an entry describes; with `replace` the catalog's card with the stated fields in place."""
    if entry.same_as is not None:
        return _same(entry, entry.same_as, shipped, switches)
    if not entry.replace:
        stated = _fields(entry, switches)
        fields: dict[str, Any] = {"aliases": (), "ladder": (entry.name,), **stated, **_origin(entry, stated)}
        card = OwnCard(name=entry.name, provider=entry.name.partition("/")[0], **fields)
        return dataclasses.replace(card, active_params_b=card.active_params_b or card.total_params_b)
    base = shipped.get(entry.name)
    if base is None or base.name != entry.name:
        meant = base.name if base else next(iter(get_close_matches(entry.name, shipped, n=1)), None)
        hint = f"Did you mean {meant}?" if meant else "Leave out `replace` to add it."
        raise SettingsError(
            f"{entry.place}: {entry.name} has replace = true, and the catalog has no such model. {hint}"
        )
    return _over(base, entry, switches, aliases=tuple(dict.fromkeys((*base.aliases, *entry.aliases))))


def _same(entry: CardEntry, name: str, shipped: Mapping[str, Card], switches: Mapping[str, Switch]) -> Card:
    """Return the catalog's card of a model, by the name that an address of the app's own has for it."""
    base = shipped.get(name)
    if base is None:
        close = get_close_matches(name, shipped, n=1)
        hint = f"Did you mean {close[0]}?" if close else "`greenai models list --all` lists what it has."
        raise SettingsError(f"{entry.place}: {entry.name} has same_as = {name!r}, which the catalog has not. {hint}")
    own = {"name": entry.name, "provider": entry.name.partition("/")[0], "aliases": entry.aliases, "same_as": base.name}
    return _over(base, entry, switches, ladder=entry.ladder or (entry.name,), **own)


def _over(base: Card, entry: CardEntry, switches: Mapping[str, Switch], **own: Any) -> Card:
    """Return a card of the catalog with what the entry states in place."""
    changes = _fields(entry, switches)
    if "total_params_b" in changes and "active_params_b" not in changes:
        changes["active_params_b"] = changes["total_params_b"]
    if "total_params_b" in changes:
        changes = {**_NO_SHAPE, **changes}  # the base's layers and cache are those of a model of another size
    changes |= {**_origin(entry, changes, base), **own}
    kept = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    card = OwnCard(**{**kept, **changes})
    if card.total_params_b and card.active_params_b and card.active_params_b.mid > card.total_params_b.mid:
        raise SettingsError(
            f"{entry.place}: {entry.name} would have {card.active_params_b.mid:g}e9 active parameters of "
            f"{card.total_params_b.mid:g}e9. State total_params_b too."
        )
    return card


def _origin(entry: CardEntry, stated: Mapping[str, Any], base: Card | None = None) -> dict[str, Any]:
    """Return who said what, as fields of an own card."""
    rest = base.price.source if base is not None and base.price is not None else ""
    source = ", ".join(part for part in (entry.source, entry.date) if part)
    return {"stated": frozenset(stated), "stated_source": source, "rest_source": rest}


def _fields(entry: CardEntry, switches: Mapping[str, Switch]) -> dict[str, Any]:
    """Return what the entry states, as fields of a card."""
    stated = {key: getattr(entry, key) for key in entry.model_fields_set - _NO_FIELDS}
    for key in ("total_params_b", "active_params_b"):
        if stated.get(key) is not None:
            stated[key] = _range(stated[key])
    if "total_params_b" in stated or not (entry.replace or entry.same_as):
        stated |= {"params_source": entry.source, "params_date": entry.date or ""}
        total, active = stated.get("total_params_b"), stated.get("active_params_b")
        stated["moe"] = bool(total and active and active.mid < total.mid)
    if entry.price is not None:
        stated["price"] = Price(**dict(entry.price), source=entry.source, date=entry.date or "")
    if "deployment" in stated:
        known = {} if entry.deployment is None else entry.deployment.model_dump(exclude_none=True)
        stated["deployment"] = MappingProxyType(known)
    if "reasoning" in stated:
        stated["reasoning"] = _switch(entry, switches)
    return stated


def _range(size: SizeEntry) -> Range:
    return Range(low=size.low, mid=size.mid, high=size.high)


def _switch(entry: CardEntry, switches: Mapping[str, Switch]) -> Switch:
    if entry.reasoning not in switches:
        close = get_close_matches(entry.reasoning, switches, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known switches: {', '.join(sorted(switches))}."
        raise SettingsError(
            f"{entry.place}: {entry.name} has reasoning = {entry.reasoning!r}, which is no switch. {hint}"
        )
    return switches[entry.reasoning]


def _refuse_conflict(card: Card, entry: CardEntry, own: Mapping[str, Card], shipped: Mapping[str, Card]) -> None:
    for name in (card.name, *card.aliases):
        before = own.get(name)
        if before is not None and before != card:
            raise SettingsError(
                f"{entry.place}: {name} is defined twice with different values; own cards hold for the whole process. "
                "Keep one definition."
            )
        taken = shipped.get(name)
        if taken is not None and not (entry.replace and taken.name == card.name):
            raise SettingsError(
                f"{entry.place}: {name} is a name of the catalog's model {taken.name}. Choose another name, or set "
                f"replace = true on a card named {taken.name} to change what is known of it."
            )
