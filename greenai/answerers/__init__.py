"""Answers without a language model. It decides whether a built-in tool is sure of the answer, and where it may give it.

Through `ask` and `explain` a tool answers whenever it is sure; through `create` only a plain request: one user message
and no argument that constrains the form of the answer (`Request.is_plain`). What holds only for now, such as the time
of day, is answered through `ask` alone: the clock of a server is not that of an app's user.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from greenai.answerers.registry import Registry
from greenai.answerers.tools import BUILT_IN, built_in
from greenai.answerers.tools import VERSION as TOOLS_VERSION
from greenai.answerers.wording import Answered, Clock, local_now
from greenai.values import FORM_ARGUMENTS, Reply, Request, Usage

__all__ = [
    "BUILT_IN",
    "OVERRIDE",
    "VERSION",
    "Answered",
    "Found",
    "Registry",
    "answer",
    "built_in",
    "local_now",
    "may_answer",
    "may_answer_registered",
    "reply_of",
]

VERSION = f"answerers-2+{TOOLS_VERSION}"

OVERRIDE = "To have a model answer instead: client.with_options(substitute=False)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A reply that no model gave, and why it is right, in words."""

    reply: Reply
    reasons: tuple[str, ...]


def answer(request: Request, clock: Clock = local_now) -> Found | None:
    """Return a reply in openai's shape from the first built-in answerer that is sure, or None.

    The reply's model is `greenai/<answerer>` and its usage is 0 tokens: no model ran. What the classifier thinks plays
    no part: a tool understands the whole question or keeps silent.
    """
    if not may_answer(request):
        return None
    started = time.perf_counter()
    found = built_in(request.last_user_text, clock)
    if found is None or (found[1].live and request.entry != "ask"):
        return None
    name, answered = found
    model = f"greenai/{name}"
    reply = reply_of(request.call_id, model, answered.text, time.perf_counter() - started)
    return Found(reply=reply, reasons=_reasons(model, answered))


def _reasons(model: str, answered: Answered) -> tuple[str, ...]:
    now = " The answer holds for now and is not stored." if answered.live else ""
    return (
        f"{model} understands the whole question and answered it; no model was asked.{now}",
        f"Working: {answered.working}",
        OVERRIDE,
    )


def may_answer(request: Request) -> bool:
    """Say whether a built-in tool may answer this request; see the module."""
    if request.floor is not None:  # `escalate` asks for a larger model: the tool has answered already
        return False
    if request.entry == "create":
        return request.is_plain and _is_text(request)
    roles = [message.get("role") for message in request.messages]
    single = roles in (["user"], ["system", "user"], ["developer", "user"])
    return single and not FORM_ARGUMENTS & request.arguments.keys() and _is_text(request)


def may_answer_registered(request: Request) -> bool:
    """Say whether what the project registered may answer: one question, beside the app's own system prompt at most."""
    roles = [message.get("role") for message in request.messages]
    single = roles in (["user"], ["system", "user"], ["developer", "user"])
    return single and request.floor is None and not FORM_ARGUMENTS & request.arguments.keys() and _is_text(request)


def _is_text(request: Request) -> bool:
    """A picture or a sound may be what the question is about."""
    content = request.messages[-1].get("content") if request.messages else None
    return isinstance(content, str) or (
        isinstance(content, (list, tuple)) and all(isinstance(p, dict) and p.get("type") == "text" for p in content)
    )


def reply_of(call_id: str, model: str, text: str, latency_s: float) -> Reply:
    """Return a text in openai's shape; its usage is 0 tokens."""
    body: dict[str, Any] = {
        "id": f"chatcmpl-{call_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
    usage = Usage(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0)
    return Reply(model=model, text=text, finish_reason="stop", usage=usage, latency_s=latency_s, body=body)
