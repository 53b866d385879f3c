"""Calls as advisors see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenai.catalog import find
from greenai.nudges import Seen, form_of
from greenai.values import Options, Usage

MODEL = "openai/gpt-5.4-nano"


def user(text: str, system: str | None = None) -> list[dict[str, Any]]:
    before = [] if system is None else [{"role": "system", "content": system}]
    return [*before, {"role": "user", "content": text}]


def seen(text: str = "Sort this: a parcel", *, system: str | None = None, **changes: Any) -> Seen:
    messages = changes.pop("messages", None) or user(text, system)
    model = changes.pop("model", MODEL)
    given: dict[str, Any] = {
        "options": Options(**changes.pop("options", {})),
        "messages": messages,
        "form": form_of(messages),
        "reply": "delivery",
        "model": model,
        "card": find(model),
        "usage": Usage(input_tokens=1000, output_tokens=100),
        "started": 100.0,
        "ended": 101.0,
        "thread": 1,
    }
    return Seen(**{**given, **changes})


def loop(count: int, *, gap_s: float = 0.01, took_s: float = 1.0, **changes: Any) -> Iterator[Seen]:
    """Yield calls of one form, one after another."""
    for n in range(count):
        started = 100.0 + n * (took_s + gap_s)
        yield seen(f"Sort this: parcel {n}", **{"started": started, "ended": started + took_s, **changes})
