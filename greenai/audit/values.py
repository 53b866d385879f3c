"""What a log tells: one call, the file it stands in, and what could not be read of it.

Every format becomes a `Logged`. What a log does not say is None: nothing is guessed, no absent count is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from greenai.readings import Reading

__all__ = ["Kind", "Logged", "Malformed", "Missing", "Source"]

Kind = Literal["chat", "responses", "embeddings", "completion", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One call as its log tells it; None where the log does not say.

    Attributes:
        where: the file's name with the line or the row, such as `calls.jsonl:123`.
        created: when it was asked, in seconds since 1970.
        messages: what was asked, in openai's shape; None where the log keeps no prompts.
        cut: whether the log has only parts of what a user asked: it is then known to be no repeat.
        answer: the text that came back.
        tool_calls: whether the answer calls tools.
        called: the names of the tools that the answer calls, where the log tells them.
        arguments: openai's names of arguments, without messages and model; `tools` are their names.
        tool_chars: how long each tool's definition is as JSON, in characters, by its name.
        input_tokens: all tokens of the prompt, cached ones among them.
        output_tokens: all tokens that were generated, reasoning among them.
        ok: whether it was answered.
        status: the HTTP status, where the log has it.
        attempt: 1 for the first try of a call, where the log tells retries apart.
        used: whether somebody used what came back, where the app tells that: of greenai's own ledger only.
        energy: of greenai's own ledger only.
        batch: whether it is a line of a batch's requests or of its answers, which are one call together.
        span: the id of the span that this is, where calls stand in spans, and of the one around it, the `parent`.
    """

    where: str
    call_id: str | None = None
    trace_id: str | None = None
    created: float | None = None
    project: str | None = None
    user: str | None = None
    feature: str | None = None
    model: str | None = None
    provider: str | None = None
    kind: Kind = "chat"
    messages: tuple[Mapping[str, Any], ...] | None = None
    cut: bool = False
    answer: str | None = None
    tool_calls: bool = False
    called: tuple[str, ...] | None = None
    finish_reason: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tool_chars: Mapping[str, int] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    ok: bool = True
    status: int | None = None
    attempt: int | None = None
    used: bool | None = None
    energy: Reading | None = None
    batch: Literal["asked", "answered"] | None = None
    span: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A line or row that could not be read: where it stands and why, never what it holds."""

    where: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A field that no call of a file has, and what the finding cannot say without it."""

    field: str
    costs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a log: how it was read, and what was not.

    Attributes:
        format: the format's name, with `reason` why it was chosen and `version` where the file tells one.
        rows: the calls that were read from it.
        skipped: rows that are no call to a model, such as spans of other work.
        malformed: the first 20 that could not be read; `malformed_count` counts all.
        missing: what no call of it tells.
        left_out: why nothing was read of a file that a folder or a pattern has; None where it was read.
    """

    path: str
    format: str
    reason: str
    version: str | None = None
    size_bytes: int = 0
    rows: int = 0
    skipped: int = 0
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    missing: tuple[Missing, ...] = ()
    left_out: str | None = None
