"""Whether a reply can be delivered: by its form, and where it is verified, by how sure the model was of each token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from greenai.values import PENDING, Reply, Request

__all__ = ["UNSURE_BELOW", "suffices", "unsure"]

UNSURE_BELOW = -0.6
"""Mean log-probability of an answer's tokens below which it is not trusted: 55% for each token that was taken.

Chosen on 132 answers of SmolLM2-135M (benchmarks/verified_answers.py); docs/routing.md says how little it proves.
"""

_LENGTH_ARGUMENTS = frozenset(("max_tokens", "max_completion_tokens"))
_REFUSAL = re.compile(
    r"\W*(?:i'?m sorry|i am sorry|sorry|i apologi[sz]e|unfortunately)?\W*(?:but )?(?:as an ai[^,.]{0,40}, ?)?"
    r"i(?: am|'m)? ?(?:can'?t|cannot|can not|not able to|unable to|won'?t) "
    r"(?:help|assist|answer|do that|comply|provide|fulfil|fulfill|complete)\b",
    re.IGNORECASE,
)
_REFUSAL_CHARS = 300  # a longer text that begins so has said something else too


def suffices(reply: Reply, request: Request, *, limited: bool = False) -> tuple[bool, str]:
    """Tell whether `reply` can be delivered, and in words why not. It judges form, never whether the text is true.

    `limited` says that its length was limited on purpose, though not by the app.
    """
    why = _insufficient(reply, request, limited=limited)
    return why is None, why or "the reply is complete"


def unsure(reply: Reply) -> str | None:
    """Return why the model itself seems unsure of its answer, in words; None where it is not, or does not tell."""
    tokens = reply.token_logprobs
    if not tokens or reply.tool_calls:
        return None
    mean = sum(tokens) / len(tokens)
    if mean >= UNSURE_BELOW:
        return None
    return f"the model was unsure of it (mean token log-probability {mean:.2f}, below {UNSURE_BELOW:.2f})"


def _insufficient(reply: Reply, request: Request, *, limited: bool) -> str | None:
    if not reply.complete:
        return "the reply was cut"
    if reply.tool_calls or reply.finish_reason == PENDING or not request.wants_text:
        return None
    capped = limited or any(request.arguments.get(name) is not None for name in _LENGTH_ARGUMENTS)
    faults = (
        (_refused(reply), "the model refused"),
        (reply.finish_reason == "length" and not capped, "the reply reached the model's length limit"),
        (not reply.text.strip(), "the reply is empty"),
        (_wants_json(request) and not _is_json(reply.text), "the reply is not the JSON that response_format asks for"),
    )
    return next((why for fault, why in faults if fault), None)


def _refused(reply: Reply) -> bool:
    message = _message(reply)
    declared = message.get("refusal") if isinstance(message, Mapping) else getattr(message, "refusal", None)
    if declared or reply.finish_reason == "content_filter":
        return True
    text = reply.text.replace("\u2019", "'")
    return len(text) <= _REFUSAL_CHARS and _REFUSAL.match(text) is not None


def _message(reply: Reply) -> Any:
    if reply.body is not None:
        listed = reply.body.get("choices")
        return listed[0].get("message") if listed else None
    choices = getattr(reply.native, "choices", None)
    return getattr(choices[0], "message", None) if choices else None


def _wants_json(request: Request) -> bool:
    form = request.arguments.get("response_format")
    single = request.arguments.get("n") in (None, 1)
    return single and isinstance(form, Mapping) and form.get("type") in ("json_object", "json_schema")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
