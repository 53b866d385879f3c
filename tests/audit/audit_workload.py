"""The calls that every fixture of a log holds: sent once through each real library by the scripts in `make/`.

Standard library only: the scripts run where greenai is not installed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SMALL, LARGE, VECTORS = "gpt-5.4-nano", "gpt-5.5", "text-embedding-3-small"
SUPPORT, REPORTS = "support", "reports"
SORT = "Name the topic of the message in one word: billing, delivery, returns or other."
STREAM: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Look an order up.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
}


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call: what is sent, and what the loopback says.

    Attributes:
        kind: the API that it is sent to; the words of `messages` are the input of the other two.
        status: the HTTP status; anything above 399 is an error, and nothing was generated.
        called: the arguments of the tool that the answer calls, as JSON; no text then.
    """

    project: str
    model: str
    messages: Sequence[Mapping[str, Any]]
    kind: str = "chat"
    answer: str = ""
    called: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    finish_reason: str = "stop"
    status: int = 200
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def streams(self) -> bool:
        return bool(self.arguments.get("stream"))

    def usage(self) -> dict[str, Any]:
        """Return the usage in openai's JSON shape."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def response(self) -> dict[str, Any]:
        """Return what the Responses API says, without its id and moment."""
        cut = self.finish_reason == "length"
        said = {"type": "output_text", "text": self.answer, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [said]}
        return {
            "object": "response",
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "model": self.model,
            "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, message],
            "error": None,
            "instructions": self.arguments.get("instructions"),
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": {
                "input_tokens": self.input_tokens,
                "input_tokens_details": {"cached_tokens": self.cached_tokens},
                "output_tokens": self.output_tokens,
                "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
                "total_tokens": self.input_tokens + self.output_tokens,
            },
        }

    def message(self) -> dict[str, Any]:
        """Return the assistant's message in openai's JSON shape."""
        said: dict[str, Any] = {"role": "assistant", "content": self.answer, "refusal": None, "annotations": []}
        if self.called is not None:
            function = {"name": "order_status", "arguments": self.called}
            said |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        return said


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a log sums up to. None where its format cannot tell."""

    calls: int
    errors: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    models: Mapping[str, int]
    projects: Mapping[str, int] | None


def totals(asks: Iterable[Ask]) -> Totals:
    """Return the truth of a workload."""
    listed = list(asks)
    return Totals(
        calls=len(listed),
        errors=sum(not ask.ok for ask in listed),
        input_tokens=sum(ask.input_tokens for ask in listed),
        output_tokens=sum(ask.output_tokens for ask in listed),
        cached_tokens=sum(ask.cached_tokens for ask in listed),
        reasoning_tokens=sum(ask.reasoning_tokens for ask in listed),
        models=dict(Counter(ask.model for ask in listed)),
        projects=dict(Counter(ask.project for ask in listed)),
    )


def _said(text: str, system: str | None = None) -> list[Mapping[str, Any]]:
    asked = {"role": "user", "content": text}
    return [asked] if system is None else [{"role": "system", "content": system}, asked]


def _sorted(text: str, topic: str, tokens: int, **more: Any) -> Ask:
    """Return a call of the template that sorts messages."""
    return Ask(
        project=SUPPORT,
        model=SMALL,
        messages=_said(text, SORT),
        answer=topic,
        input_tokens=tokens,
        output_tokens=2,
        arguments={"temperature": 0.0, "max_tokens": 8},
        **more,
    )


def _summed(month: str, tokens: int, **more: Any) -> Ask:
    """Return a call of the template that writes monthly summaries, which reasons."""
    return Ask(
        project=REPORTS,
        model=LARGE,
        messages=_said(f"Summarise the figures of {month} in one sentence."),
        answer=f"In {month} sales rose and returns fell.",
        input_tokens=tokens,
        **more,
    )


def _failed(text: str, status: int, project: str = SUPPORT, model: str = SMALL, **arguments: Any) -> Ask:
    return Ask(project=project, model=model, messages=_said(text), status=status, arguments=arguments)


def _long(chapter: int) -> Ask:
    """Return a call whose answer is cut at its limit."""
    return Ask(
        project=REPORTS,
        model=LARGE,
        messages=_said(f"Write chapter {chapter} of the annual report."),
        answer=f"Chapter {chapter}. " + "The year went on as it had begun, and then some more of it. " * 9,
        input_tokens=15,
        output_tokens=128,
        finish_reason="length",
        arguments={"max_tokens": 128},
    )


def _tooled(order: str) -> Ask:
    return Ask(
        project=SUPPORT,
        model=LARGE,
        messages=_said(f"Where is order {order}?"),
        called=json.dumps({"order": order}),
        input_tokens=71,
        output_tokens=18,
        finish_reason="tool_calls",
        arguments={"tools": [TOOL]},
    )


_REPEATED = _sorted("My parcel has not come.", "delivery", 31)
_UNICODE = Ask(
    project=SUPPORT,
    model=SMALL,
    messages=_said("Übersetze „naïve 日本語 🚲“ ins Englische:\u2028Zeile zwei\u0085Zeile drei"),
    answer='“naïve Japanese 🚲”\nline two\tline three \\ "quoted"',
    input_tokens=29,
    output_tokens=17,
)
_STREAMED = Ask(
    project=REPORTS,
    model=SMALL,
    messages=_said("Give three words for a bicycle."),
    answer="bike, cycle, velocipede",
    input_tokens=13,
    output_tokens=9,
    arguments=STREAM,
)

WORKLOAD: tuple[Ask, ...] = (
    _REPEATED,
    _sorted("I was charged twice in 2026.", "billing", 33),
    _sorted("The jacket does not fit.", "returns", 30),
    _sorted("When are you open on Sunday?", "other", 32),
    _REPEATED,
    _sorted("Order 1047 is late.", "delivery", 33),
    _sorted("Order 2213 is late.", "delivery", 33),
    _sorted("The invoice shows 40 € too much.", "billing", 35),
    _REPEATED,
    _failed("Too many at once, one.", 429),
    _failed("Too many at once, two.", 429),
    _failed("A prompt that the server takes amiss.", 400, temperature=3.0),
    _failed("A model that stands still.", 500, project=REPORTS, model=LARGE),
    _failed("A stream that never begins.", 503, project=REPORTS, **STREAM),
    _STREAMED,
    _STREAMED,
    Ask(
        project=REPORTS,
        model=LARGE,
        messages=_said("Stream a sum: 17 + 25?"),
        answer="42",
        input_tokens=14,
        output_tokens=66,
        reasoning_tokens=64,
        arguments={**STREAM, "reasoning_effort": "low"},
    ),
    _tooled("A-17"),
    _tooled("B-99"),
    Ask(
        project=SUPPORT,
        model=LARGE,
        messages=[
            {"role": "user", "content": "Where is order A-17?"},
            {"role": "assistant", "content": None, "tool_calls": _tooled("A-17").message()["tool_calls"]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"state": "sent"}'},
        ],
        answer="Order A-17 is on its way.",
        input_tokens=98,
        output_tokens=10,
        arguments={"tools": [TOOL]},
    ),
    _summed("January", 12, output_tokens=411, reasoning_tokens=384, arguments={"reasoning_effort": "medium"}),
    _summed("February", 12, output_tokens=283, reasoning_tokens=256, arguments={"reasoning_effort": "medium"}),
    _summed("March", 12, output_tokens=92, reasoning_tokens=64, arguments={"reasoning_effort": "low"}),
    _summed("April", 12, output_tokens=14),
    _summed("May", 1290, output_tokens=14, cached_tokens=1024),
    _summed("June", 1291, output_tokens=14, cached_tokens=1280),
    _summed("July", 1290, output_tokens=270, cached_tokens=1024, reasoning_tokens=256),
    _UNICODE,
    _UNICODE,
    _long(1),
    _long(2),
    Ask(
        project=REPORTS,
        model=SMALL,
        messages=_said("Give the capital of France as JSON."),
        answer='{"capital": "Paris"}',
        input_tokens=16,
        output_tokens=8,
        arguments={"response_format": {"type": "json_object"}},
    ),
    Ask(
        project=SUPPORT,
        model=SMALL,
        messages=[
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hello, how can I help?"},
            {"role": "user", "content": "What is 18% of 240?"},
        ],
        answer="43.2",
        input_tokens=27,
        output_tokens=4,
    ),
    Ask(
        project=SUPPORT,
        model=SMALL,
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is 7 times 8?"}]}],
        answer="56",
        input_tokens=14,
        output_tokens=2,
    ),
    _sorted("Where can I send it back?", "returns", 31),
    _sorted("Where can I send these shoes back?", "returns", 33),
    _sorted("Who are you?", "other", 28),
    _sorted("Refund me 12.50 EUR now!", "billing", 34),
    _STREAMED,
    _REPEATED,
)


def _responded(text: str, answer: str, **more: Any) -> Ask:
    """Return a call of the Responses API."""
    told: dict[str, Any] = {"project": REPORTS, "model": LARGE, **more}
    return Ask(kind="responses", messages=_said(text), answer=answer, **told)


def _embedded(text: str, tokens: int) -> Ask:
    return Ask(kind="embeddings", project=SUPPORT, model=VECTORS, messages=_said(text), input_tokens=tokens)


OTHERS: tuple[Ask, ...] = (
    _responded("Name a river in Spain.", "Ebro", project=SUPPORT, model=SMALL, input_tokens=11, output_tokens=3),
    _responded("Name a river in Spain.", "Ebro", project=SUPPORT, model=SMALL, input_tokens=11, output_tokens=3),
    _responded(
        "Plan the third quarter.",
        "First sort, then plan.",
        input_tokens=1410,
        cached_tokens=1280,
        output_tokens=520,
        reasoning_tokens=512,
        arguments={"reasoning": {"effort": "medium"}, "instructions": "You plan in one sentence."},
    ),
    _responded(
        "Write the foreword.",
        "It began with",
        input_tokens=9,
        output_tokens=16,
        finish_reason="length",
        arguments={"max_output_tokens": 16},
    ),
    _responded("A response that the server refuses.", "", status=429),
    _embedded("Where is my parcel?", 6),
    _embedded("The invoice is wrong.", 5),
)
"""Calls of the other two APIs, for the libraries that log them."""
