"""Answers without a language model. It decides whether a built-in tool is sure of the answer, and where it may give it.

Through `ask` and `explain` a tool answers whenever it is sure; through `create` only a plain request: one user message
and no argument that constrains the form of the answer (`Request.is_plain`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from greenai.answerers import calc
from greenai.values import FORM_ARGUMENTS, Assessment, Reply, Request, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BUILT_IN", "VERSION", "answer"]

VERSION = f"answerers-1+{calc.VERSION}"

BUILT_IN: tuple[tuple[str, Callable[[str], str | None]], ...] = (("calc", calc.calculate),)
"""Name and function of each built-in answerer, in the order they are asked: text to text, None where not sure."""

_ASSUMED_CURRENT = 0.5


def answer(request: Request, assessment: Assessment) -> Reply | None:
    """Return a reply in openai's shape from the first built-in answerer that is sure, or None.

    The reply's model is `greenai/<answerer>` and its usage is 0 tokens: no model ran.
    """
    if not _may_answer(request) or assessment.volatile >= _ASSUMED_CURRENT:
        return None
    started = time.perf_counter()
    question = request.last_user_text
    for name, answerer in BUILT_IN:
        text = answerer(question)
        if text is not None:
            return _reply(request.call_id, f"greenai/{name}", text, time.perf_counter() - started)
    return None


def _may_answer(request: Request) -> bool:
    if request.floor is not None:  # `escalate` asks for a larger model: the tool has answered already
        return False
    if request.entry == "create":
        return request.is_plain and _is_text(request)
    roles = [message.get("role") for message in request.messages]
    single = roles in (["user"], ["system", "user"], ["developer", "user"])
    return single and not FORM_ARGUMENTS & request.arguments.keys() and _is_text(request)


def _is_text(request: Request) -> bool:
    """A picture or a sound may be what the question is about."""
    content = request.messages[-1].get("content") if request.messages else None
    return isinstance(content, str) or (
        isinstance(content, (list, tuple)) and all(isinstance(p, dict) and p.get("type") == "text" for p in content)
    )


def _reply(call_id: str, model: str, text: str, latency_s: float) -> Reply:
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
