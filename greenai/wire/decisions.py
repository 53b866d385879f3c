"""openai's decision endpoint: POST …/decisions, probabilities of answers to questions about some input.

No text is written, so nothing is classified and no nudge touches the request; the tokens are counted and held against
budgets. A verdict is read and not sampled, and who asks does not change it: it is kept for a day, unless a question of
it is about now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenai._params import KNOWN
from greenai.values import Reply
from greenai.wire import Asked
from greenai.wire.embeddings import Verbatim
from greenai.wire.fields import listed, mapping, text, usage_of
from greenai.wire.responses import chat_usage
from greenai.wire.responses_items import messages_of

__all__ = ["DIALECT"]

_READ = frozenset(("model", "input"))


class Decisions(Verbatim):
    """POST …/decisions."""

    name = "decisions"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:  # noqa: ARG002  # other APIs name the model there
        """Read a request's JSON.

        Raises:
            ValueError: no model is named.
        """
        model = text(body.get("model"))
        if not model or model == "auto":
            raise ValueError("no model is named")
        known = {name: value for name, value in body.items() if name in KNOWN - _READ}
        extra = {name: value for name, value in body.items() if name not in KNOWN and name not in _READ}
        return Asked(
            model=model,
            messages=messages_of(None, body.get("input")),
            arguments={**known, **({"extra_body": extra} if extra else {})},
            exact=True,
        )

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read the answers: they are no text."""
        answers = listed(body.get("answers"))
        declined = any(mapping(answer).get("type") == "refusal" for answer in answers)
        named, usage = text(body.get("model")) or model, chat_usage(body.get("usage"))
        message = {"role": "assistant", "content": None, "refusal": "declined" if declined else None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return Reply(
            model=named,
            text="",
            finish_reason="stop",
            usage=usage_of(usage),
            latency_s=latency_s,
            body={"object": "chat.completion", "model": named, "choices": [choice], "usage": usage, "wire": dict(body)},
            complete=bool(answers),
        )


DIALECT = Decisions()
