"""A call as a row of the audit's store: numbers and digests, no text but names of models, projects and features."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from greenai.audit.formats.fields import count_of, number, text
from greenai.audit.labels import spelling
from greenai.audit.skeleton import LEVELS, hashed, marks
from greenai.cache.keys import cache_key
from greenai.errors import InvalidRequest
from greenai.values import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greenai.audit.values import Logged

__all__ = ["COLUMNS", "MARKS", "asked_of", "before_of", "called_of", "is_json", "offered_of", "row", "table"]

MARKS = tuple(f"mark_{level}" for level in range(LEVELS))
PREFIX_CHARS = 4_096
"""About 1,024 tokens of English: the shortest beginning of a prompt that providers' caches keep."""

COLUMNS: dict[str, str] = {
    "source": "INTEGER", "position": "BIGINT", "part": "INTEGER",
    "created": "DOUBLE", "project": "VARCHAR", "feature": "VARCHAR", "model": "VARCHAR", "provider": "VARCHAR",
    "kind": "VARCHAR", "user_digest": "BIGINT", "trace": "BIGINT", "call": "BIGINT",
    "ok": "BOOLEAN", "status": "INTEGER", "attempt": "INTEGER", "finish_reason": "VARCHAR", "tool_calls": "BOOLEAN",
    "called": "VARCHAR", "used": "BOOLEAN",
    "input_tokens": "BIGINT", "output_tokens": "BIGINT", "cached_tokens": "BIGINT", "reasoning_tokens": "BIGINT",
    "cost_usd": "DOUBLE", "latency_s": "DOUBLE",
    "energy_j": "DOUBLE", "energy_low_j": "DOUBLE", "energy_high_j": "DOUBLE", "evidence": "VARCHAR",
    "exact": "BIGINT", "asked": "BIGINT", "before": "BIGINT", "answer": "BIGINT", "prefix": "BIGINT",
    "prompt_chars": "BIGINT", "answer_chars": "BIGINT", "turns": "INTEGER", "text_only": "BOOLEAN",
    "max_tokens": "BIGINT", "temperature": "DOUBLE", "effort": "VARCHAR", "form": "BOOLEAN", "tools": "INTEGER",
    "offered": "VARCHAR", "choices": "INTEGER", "is_json": "BOOLEAN", "stream": "BOOLEAN", "service_tier": "VARCHAR",
    "batch": "VARCHAR", "span": "BIGINT", "parent": "BIGINT",
    **dict.fromkeys(MARKS, "BIGINT"),
}  # fmt: skip
"""What is kept of a call, with its type. `exact` is the exact cache's key, `asked` the prompt alone, `before`
what of it stands before the last answer in it, which is the `asked` of the call that gave that answer, `answer` the
answer as `labels.spelling` has it, `prefix` the first 1,024 tokens or so, each as 64 bits of a digest. `offered`
are the tools' names with how long their definitions are, `called` the names of those that were called. What tells which
records are one call (once.py) are `batch`, `span` and `parent`."""

NAME_CHARS = 200
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def table(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Turn rows into columns."""
    return dict(zip(COLUMNS, (list(column) for column in zip(*rows, strict=True)), strict=True))


def row(call: Logged, source: int, position: int, part: int) -> tuple[Any, ...]:
    """Return the row of a call, in the order of `COLUMNS`."""
    energy, told = call.energy, call.arguments
    prompt = [(str(one.get("role")), text_of(one.get("content"))) for one in call.messages or ()]
    temperature, limit = told.get("temperature"), next((told[name] for name in _LIMITS if name in told), None)
    marked = marks(call)
    return (
        source, position, part,
        call.created, _name(call.project), _name(call.feature), _name(call.model), _name(call.provider),
        call.kind, _digest(call.user), _digest(call.trace_id), _digest(call.call_id),
        call.ok, call.status, call.attempt, _name(call.finish_reason), call.tool_calls,
        called_of(call), call.used,
        call.input_tokens, call.output_tokens, call.cached_tokens, call.reasoning_tokens,
        call.cost_usd, call.latency_s,
        *((None, None, None, None) if energy is None else _energy(energy)),
        _exact(call), asked_of(call), before_of(call),
        _digest(spelling(call.answer) if call.answer else None), _prefix(call.model, prompt),
        None if call.messages is None else sum(len(said) for _, said in prompt),
        None if call.answer is None else len(call.answer), len(prompt), _text_only(call.messages),
        count_of(limit), number(temperature), _name(told.get("reasoning_effort")), "response_format" in told,
        len(told.get("tools") or ()), offered_of(call), count_of(told.get("n")), is_json(call.answer),
        bool(told.get("stream")), _name(told.get("service_tier")),
        call.batch, _digest(call.span), _digest(call.parent),
        *((None,) * LEVELS if marked is None else marked.levels),
    )  # fmt: skip


def asked_of(call: Logged) -> int | None:
    """Return the digest of a prompt; None where the log keeps none."""
    return None if call.messages is None else _messages(call.messages)


def before_of(call: Logged) -> int | None:
    """Return the digest of the messages before the last answer in a prompt; None where nothing stands there."""
    given = call.messages or ()
    last = max((at for at, one in enumerate(given) if one.get("role") == "assistant"), default=0)
    return _messages(given[:last]) if last else None


def _messages(given: Sequence[Mapping[str, Any]]) -> int:
    return hashed(*(said for one in given for said in (str(one.get("role")), text_of(one.get("content")))))


def offered_of(call: Logged) -> str | None:
    """Return the tools that a call was given, as JSON: how long each one's definition is, by its name."""
    return json.dumps(call.tool_chars, sort_keys=True) if call.tool_chars else None


def called_of(call: Logged) -> str | None:
    """Return the tools that an answer calls, as JSON; None for none, or where their names are not told."""
    return json.dumps(sorted(set(call.called))) if call.called else None


def is_json(answer: str | None) -> bool | None:
    """Say whether an answer is a JSON object or list; None where there is none."""
    said = (answer or "").strip()
    if not said:
        return None
    if not said.startswith(("{", "[")):
        return False
    try:
        json.loads(said)
    except (ValueError, RecursionError):
        return False
    return True


def _energy(energy: Any) -> tuple[Any, ...]:
    return energy.energy_j, energy.low_j, energy.high_j, energy.evidence


def _name(given: object) -> str | None:
    """Return a name as a table can hold it: no half characters, and no more of it than a name has."""
    said = text(given)
    return None if said is None else said[:NAME_CHARS].encode("utf-8", "replace").decode()


def _digest(said: str | None) -> int | None:
    return None if not said else hashed(said)


def _exact(call: Logged) -> int | None:
    """Return what the exact cache would know the request by, as far as the log tells its arguments."""
    if call.messages is None or call.cut:
        return None
    asked = {**call.arguments, "model": call.model, "messages": list(call.messages)}
    try:
        key = cache_key(asked, f"{call.project}\0{call.provider}")
    except InvalidRequest:
        return None
    return int.from_bytes(bytes.fromhex(key[:16]), "big", signed=True)


def _prefix(model: str | None, prompt: Sequence[tuple[str, str]]) -> int | None:
    parts: list[str] = []
    length = 0
    for role, said in prompt:
        parts.append(f"{role}:{said}")
        length += len(said)
        if length >= PREFIX_CHARS:
            return hashed(str(model), "\0".join(parts)[:PREFIX_CHARS])
    return None


def _text_only(messages: Sequence[Mapping[str, Any]] | None) -> bool:
    return all(isinstance(one.get("content"), (str, type(None))) for one in messages or ())
