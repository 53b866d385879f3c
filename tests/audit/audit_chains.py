"""Logs of calls that belong together, of which it is known what is sent again: a word is a token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit_logs import call

from greenai.audit.values import Logged

ASKED, SAID = 50, 150
"""Words of a user's turn, and of an answer."""


def words(count: int, of: str) -> str:
    """Return different words; the same for the same text."""
    return " ".join(f"{of}-{n}" for n in range(count))


def conversation(
    turns: int, *, name: str = "c", at: float = 0.0, cached: float | None = 0.0, **told: Any
) -> Iterator[Logged]:
    """Yield a conversation that sends all of its turns again.

    Args:
        turns: how many calls.
        name: makes its words its own.
        at: when it begins; a minute lies between calls.
        cached: the share of each prompt that the provider's cache served; None where the log does not say.
        told: fields of all calls.
    """
    messages: list[Mapping[str, Any]] = []
    for turn in range(turns):
        messages.append({"role": "user", "content": words(ASKED, f"{name}u{turn}")})
        answer = words(SAID, f"{name}a{turn}")
        sent = (turn + 1) * ASKED + turn * SAID
        yield call(
            "", at=at + 60 * turn, messages=tuple(messages), answer=answer, input_tokens=sent, output_tokens=SAID,
            cached_tokens=None if cached is None else int(cached * sent), **told,
        )  # fmt: skip
        messages.append({"role": "assistant", "content": answer})


def older(turns: int, kept: int) -> int:
    """Return the tokens between the first prompt and the last `kept` messages, of all calls of a conversation."""
    return sum(max((turn - kept // 2 - 1) * (ASKED + SAID) - ASKED, 0) for turn in range(1, turns + 1))
