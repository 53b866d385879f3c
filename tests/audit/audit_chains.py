"""Logs of calls that belong together, of which it is known what is sent again: a word is a token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audit_logs import call

from greenai.audit.values import Logged

ASKED, SAID = 50, 150
"""Words of a user's turn, and of an answer."""


def write(path: Path, log: Iterable[Logged]) -> None:
    """Write a log of bare requests and responses, a line each."""
    path.write_text("\n".join(json.dumps(_pair(one)) for one in log), encoding="utf-8")


def _pair(one: Logged) -> dict[str, Any]:
    message = {"role": "assistant", "content": one.answer}
    usage = {"prompt_tokens": one.input_tokens, "completion_tokens": one.output_tokens}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    told = {"session_id": one.trace_id, "latency_ms": None if one.latency_s is None else 1000 * one.latency_s}
    return {
        "request": {"model": one.model, "messages": one.messages},
        "response": {"object": "chat.completion", "created": one.created, "choices": choices, "usage": usage},
        **{name: value for name, value in told.items() if value is not None},
    }


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


def pipeline(
    chains: int,
    *,
    explained: int = 300,
    takes: str = "code",
    gap_s: float = 1.0,
    trace: bool = True,
    first: Mapping[str, Any] | None = None,
) -> Iterator[Logged]:
    """Yield chains of three: an explanation with JSON behind it, a call that takes one field of it, and one that does not.

    Args:
        chains: how many; a minute lies between them.
        explained: words of the explanation, each of nine letters with its blank.
        takes: "code" for that field, "beginning" for the explanation's first 40 words, "all" for the whole answer,
            "nothing".
        gap_s: between the first answer's end and the next call.
        trace: whether the log tells which calls are of one chain; else all are of one project.
        first: fields of the first calls.
    """
    for n in range(chains):
        told: dict[str, Any] = {"trace_id": f"t{n}"} if trace else {}
        why = " ".join(f"w{n:03}{at:04}" for at in range(explained))
        code = f"case{n:04}"
        answer = f'{why}\n{{"code": "{code}", "sure": "yes"}}'
        given = {"code": code, "beginning": " ".join(why.split()[:40]), "all": answer, "nothing": "the next one"}[takes]
        ticket = words(40, f"ticket{n}")
        yield call(
            f"Read this ticket and say why it is urgent, then its code as JSON: {ticket}", at=60 * n, answer=answer,
            output_tokens=explained + 4, latency_s=5.0, **told, **(first or {}),
        )  # fmt: skip
        yield call(
            f"Write one line to the owner of {given} in the queue.", at=60 * n + 5 + gap_s, answer="Please look.",
            output_tokens=3, latency_s=1.0, **told,
        )  # fmt: skip
        yield call(
            f"Sort this ticket into a queue: {ticket}", at=60 * n + 8 + gap_s, answer="two", output_tokens=1, **told
        )
