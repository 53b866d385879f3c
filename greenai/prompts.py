"""How many tokens a request is, before anybody counts them: from its characters and its pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from greenai.meters.coefficients import value
from greenai.values import text_of

if TYPE_CHECKING:
    from greenai.values import Request

__all__ = ["CHARACTERS_PER_TOKEN", "input_tokens_estimate"]

# A rough count where a provider reports none: English text runs at about four characters per token with the
# byte-pair vocabularies in use (OpenAI, "What are tokens and how to count them?"); the usage is marked estimated.
CHARACTERS_PER_TOKEN = 4.0

# What a model reads besides the messages' texts: of a message, and of the arguments.
_CALLED = frozenset(("tool_calls", "function_call"))
_READ = frozenset(("tools", "functions", "response_format"))


def input_tokens_estimate(request: Request) -> int:
    """Estimate the prompt's tokens from its characters, those of tools included, and what its pictures are worth."""
    characters = pictures = 0
    for message in request.messages:
        content = message.get("content")
        characters += len(text_of(content))
        if not isinstance(content, str):
            pictures += _pictures(content)
        if not _CALLED.isdisjoint(message):
            characters += sum(_json_characters(message.get(name)) for name in _CALLED)
    if not _READ.isdisjoint(request.arguments):
        characters += sum(_json_characters(request.arguments.get(name)) for name in _READ)
    return max(round(characters / CHARACTERS_PER_TOKEN), 1) + round(pictures * value("image_tokens"))


def _json_characters(value: object) -> int:
    if not value:
        return 0
    try:
        return len(json.dumps(value, default=str))
    except (TypeError, ValueError, RecursionError):  # it holds itself: or what is no JSON: it cannot be sent either
        return 0


def _pictures(content: object) -> int:
    if not isinstance(content, (list, tuple)):
        return 0
    return sum(1 for part in content if isinstance(part, Mapping) and part.get("type") in ("image_url", "input_image"))
