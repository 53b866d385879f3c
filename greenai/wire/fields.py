"""Reading what a provider's JSON says, whatever is missing or odd in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["count", "listed", "mapping", "text", "usage_of"]

from greenai.reported import count
from greenai.values import Usage

_NOTHING: Mapping[str, Any] = {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where it is none."""
    # Asked of its type first: nearly all are dictionaries, and an abstract class takes ten times as long to tell.
    return cast("Mapping[str, Any]", value) if type(value) is dict or isinstance(value, Mapping) else _NOTHING


def listed(value: object) -> list[Any]:
    """Return a JSON array, an empty one where it is none."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a JSON string, an empty one where it is none."""
    return value if isinstance(value, str) else ""


def usage_of(usage: object) -> Usage:
    """Read the usage of a chat completion."""
    said = mapping(usage)
    sent, cached = count(said.get("prompt_tokens")), mapping(said.get("prompt_tokens_details")).get("cached_tokens")
    read = count(cached)
    return Usage(
        input_tokens=sent,
        output_tokens=count(said.get("completion_tokens")),
        cached_tokens=read if read is None or sent is None else min(read, sent),
        reasoning_tokens=count(mapping(said.get("completion_tokens_details")).get("reasoning_tokens")),
    )
