"""Reading what a provider's JSON says, whatever is missing or odd in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["MOST_TOKENS", "count", "listed", "mapping", "text", "usage_of"]

from greenai.values import Usage

MOST_TOKENS = 100_000_000
"""No context window reaches this; a larger figure is a provider's bug and would be charged as energy."""

_NOTHING: Mapping[str, Any] = {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where it is none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else _NOTHING


def listed(value: object) -> list[Any]:
    """Return a JSON array, an empty one where it is none."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a JSON string, an empty one where it is none."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """Return a count of tokens; what is no whole number, negative or absurd becomes None."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


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
