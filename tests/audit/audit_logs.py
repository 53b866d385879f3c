"""Logs made for tests: calls a line each, with what is the same in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from greenai.audit.values import Logged

START = 1_790_000_000.0
LARGE, SMALL = "openai/gpt-5.5", "openai/gpt-5.4-nano"


def call(text: str, *, at: float = 0.0, system: str | None = None, **told: Any) -> Logged:
    """Return a call of a large model, `at` seconds after the start of the log."""
    own = () if system is None else ({"role": "system", "content": system},)
    usual: dict[str, Any] = {
        "where": f"calls.jsonl:{at:g}", "created": START + at, "model": LARGE, "answer": "an answer",
        "input_tokens": 100, "output_tokens": 50, "arguments": {"temperature": 0},
        "messages": (*own, {"role": "user", "content": text}),
    }  # fmt: skip
    return Logged(**{**usual, **told})


def reads(log: Sequence[Logged]) -> Callable[[Sequence[int]], Sequence[Logged | None]]:
    """Return what reads the texts of a log's calls."""
    return lambda rows: [log[row] for row in rows]
