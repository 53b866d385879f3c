"""What the flow changed of a request: a dialect writes that, and nothing else, over the app's own JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from greenai.values import Draft
from greenai.wire import Asked
from greenai.wire.fields import mapping

__all__ = ["GONE", "Changes", "changes", "put"]

GONE: Final = object()
"""In place of a value: the field was taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Fields that differ from what the app wrote: openai's own, and those that are the provider's."""

    arguments: Mapping[str, Any]
    own: Mapping[str, Any]
    messages: bool


def changes(asked: Asked, draft: Draft) -> Changes:
    """Return what a draft has otherwise than the request that it was made of."""
    before, after = dict(asked.arguments), dict(draft.arguments)
    own_before = mapping(before.pop("extra_body", None))
    own_after = {**mapping(after.pop("extra_body", None)), **draft.extra}
    return Changes(
        arguments=_differing(before, after),
        own=_differing(own_before, own_after),
        messages=list(draft.messages) != asked.messages,
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    gone = {name: GONE for name in before if name not in after}
    return gone | {n: value for n, value in after.items() if n not in before or before[n] != value}


def put(place: dict[str, Any], name: str, value: object) -> None:
    """Write a changed field, or take it out."""
    if value is GONE:
        place.pop(name, None)
    else:
        place[name] = value
