"""What a request needs of a model, and whether a model has it: tools, pictures, sound, a schema, room for the prompt.

Facts of the request against facts of the card, nothing is guessed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenai.values import Request, Rung, text_of

if TYPE_CHECKING:
    from greenai.catalog import Card

__all__ = ["in_tool_loop", "lacks", "needs_of", "unverifiable"]

_CHARS_PER_TOKEN = 3  # cautious: English takes about 4, so a prompt is rather taken for too long
_REASONING_ARGUMENTS = frozenset(("reasoning_effort", "reasoning", "thinking"))
_PARTS = {
    "image_url": "vision",
    "input_image": "vision",
    "file": "vision",
    "input_file": "vision",
    "input_audio": "audio",
}
_CARDED = frozenset(("tools", "vision", "json_schema", "audio"))


def needs_of(request: Request) -> frozenset[str]:
    """Return the capabilities that the request takes for granted."""
    arguments = request.arguments
    needs = {_PARTS[kind] for kind in _part_kinds(request.messages) if kind in _PARTS}
    if arguments.get("tools") or arguments.get("functions") or in_tool_loop(request.messages):
        needs.add("tools")
    form = arguments.get("response_format")
    if form is not None and not (isinstance(form, Mapping) and form.get("type") in ("text", "json_object")):
        needs.add("json_schema")
    if arguments.get("audio") or "audio" in (arguments.get("modalities") or ()):
        needs.add("audio")
    if arguments.get("web_search_options"):
        needs.add("web_search")
    return frozenset(needs)


def _part_kinds(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    return {
        str(part.get("type"))
        for message in messages
        if isinstance(content := message.get("content"), (list, tuple))
        for part in content
        if isinstance(part, Mapping)
    }


def in_tool_loop(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether tools were called, or answered, in these messages."""
    return any(m.get("role") in ("tool", "function") or m.get("tool_calls") for m in messages)


def lacks(card: Card | None, needs: frozenset[str], request: Request, *, strict: bool) -> str:
    """Return what the model lacks for the request in words, or nothing.

    `strict` is for a substitute of a named model: it must be known to do all that was asked. A model that the
    settings name without a card is taken at the settings' word.
    """
    if card is None:
        return "no card in the catalog" if strict else ""
    missing = sorted((needs if strict else needs & _CARDED) - card.capabilities)
    if missing:
        return "no " + " or ".join(missing)
    tokens = sum(len(text_of(m.get("content"))) for m in request.messages) // _CHARS_PER_TOKEN
    if card.context_tokens is not None and tokens > card.context_tokens:
        return f"room for {card.context_tokens} tokens, and the prompt has about {tokens}"
    if strict and card.reasoning.status == "none" and _asks_for_reasoning(request):
        return "no reasoning, which the call's arguments set"
    return ""


def _asks_for_reasoning(request: Request) -> bool:
    given = {n: v for n in _REASONING_ARGUMENTS if (v := request.arguments.get(n)) is not None}
    return any(v != "none" and not (isinstance(v, Mapping) and v.get("type") == "disabled") for v in given.values())


# --- whose token probabilities can be had ---------------------------------------------------


def unverifiable(request: Request, rung: Rung, card: Card | None) -> str | None:
    """Return why an answer of this rung cannot be held against its own token probabilities; None where it can.

    They are asked for only where they are documented: at OpenAI itself while the model does not reason, and of a model
    on this machine. Any other server may refuse a call for an argument that the app never wrote.
    """
    if request.options.verify == "off":
        return 'verify="off"'
    if request.stream or request.arguments.get("n") not in (None, 1):
        return "a stream and several answers at once cannot be"
    if request.arguments.get("logprobs") is False:
        return "the call asks for no token probabilities"
    if rung.provider == "local" and rung.base_url is None:
        return None
    if rung.site != "openai":
        return f"{rung.model} is not known to return token probabilities"
    return _reasons(request, rung, card)


def _reasons(request: Request, rung: Rung, card: Card | None) -> str | None:
    status = card.reasoning.status if card is not None else "unknown"
    asked = "reasoning" in request.options.opt_in or _asks_for_reasoning(request)
    if status == "none" or (status == "off" and not asked):
        return None
    return f"{rung.model} returns no token probabilities while it reasons"
