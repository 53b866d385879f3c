"""OpenAI's own objects: stored completions, responses, and pairs of request and answer as apps log them.

A stored completion is a `chat.completion` with what was asked beside it (openai 2.54,
`types/chat/chat_completion_stored_message.py` and `resources/chat/completions/completions.py`, 2026-11-22); its
messages come from an endpoint of their own, so an export has them only where it was asked for them. A pair is any
object with a request and its answer under one of the usual names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from greenai.audit.formats.base import Format, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import asked, kind_of, said
from greenai.audit.formats.fields import count_of, dollars, found, items, mapping, moment, number, text, truth
from greenai.audit.values import Logged

__all__ = ["FORMAT", "pair"]

_ASKED = ("request", "request_body", "input", "prompt", "body", "kwargs")
_SAID = ("response", "response_body", "output", "completion", "answer", "result")
_FAILED = frozenset(("error", "failed", "failure"))
_OBJECTS = frozenset(("chat.completion", "response", "text_completion"))


def _detect(sample: Sample) -> Recognised | None:
    objects = [record for record in sample.records if record.get("object") in _OBJECTS]
    if objects and len(objects) == len(sample.records):
        return Recognised(score=0.8, reason=f'every record is an object "{objects[0]["object"]}"')
    if sample.share("object", "data") == 1.0:
        return Recognised(score=0.7, reason='lists of objects, as "data" of an answer of the API')
    pairs = [record for record in sample.records if _parts(record) is not None]
    if len(pairs) * 2 > len(sample.records):
        return Recognised(score=0.4, reason="records with a request and its answer in openai's shape")
    if sample.share("messages") > 0.5:
        return Recognised(score=0.3, reason='records with "messages"')
    if sum(_is_counted(record) for record in sample.records) * 2 > len(sample.records):
        return Recognised(score=0.2, reason="records with a model and its tokens, without prompts")
    return None


def _is_counted(record: Mapping[str, Any]) -> bool:
    """Say whether a record without a prompt has a model, and the tokens that it took."""
    parts = (record, mapping(found(record, _ASKED)), mapping(found(record, _SAID)))
    return any(text(part.get("model")) for part in parts) and any(map(_usage, parts))


def _usage(part: Mapping[str, Any]) -> Mapping[str, Any]:
    told = mapping(part.get("usage")) or part
    return told if any(name in told for name in ("prompt_tokens", "input_tokens", "completion_tokens")) else {}


def _parts(record: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any] | None:
    """Return the request and the answer of a record."""
    body = mapping(found(record, _ASKED))
    if not (body.get("messages") or body.get("input") or body.get("prompt")):
        body = record if record.get("messages") else {}
    answer = found(record, _SAID)
    told = answer is not None or any(name in record for name in ("error", "exception", *_SAID[:2]))
    return (body, answer) if body and told else None


def _calls(record: Mapping[str, Any], where: str) -> Iterator[Logged]:
    listed = items(record.get("data")) if record.get("object") == "list" else (record,)
    for part in listed:
        yield _one(cast("Mapping[str, Any]", part), where) if isinstance(part, Mapping) else _refused()


def _refused() -> Logged:
    raise Unreadable("a list of something else than objects")


def _one(record: Mapping[str, Any], where: str) -> Logged:
    if record.get("object") in _OBJECTS:
        return _object(record, where)
    parts = _parts(record)
    if parts is not None:
        return pair(record, *parts, where)
    if items(record.get("messages")) or not _is_counted(record):
        return _conversation(record, where)
    reply = mapping(found(record, _SAID)) or record
    answer = {**reply, "usage": _usage(reply) or _usage(record)}
    return pair(record, mapping(found(record, _ASKED)) or record, answer, where)


def _object(record: Mapping[str, Any], where: str) -> Logged:
    known: dict[str, Any] = {**asked(record), **said(record)}
    if record.get("object") == "response":
        known["kind"] = "responses"
    elif not record.get("messages"):
        known["messages"] = None
    return made(
        {
            **known,
            "created": moment(found(record, ("created", "created_at"))),
            "user": text(found(record, ("user", "input_user"))),
            "ok": not record.get("error"),
        },
        where,
    )


def _conversation(record: Mapping[str, Any], where: str) -> Logged:
    """Read messages of which the last is the answer, as files for fine-tuning are."""
    messages = items(record.get("messages"))
    if not messages:
        raise Unreadable("neither a request with its answer, nor messages, nor a model with its tokens")
    last = mapping(messages[-1])
    answered = last.get("role") == "assistant"
    body = {**record, "messages": messages[:-1] if answered else messages}
    known = _besides(record)
    for part in (asked(body), said(last) if answered else {}):
        known |= {name: value for name, value in part.items() if value is not None}
    return made(known, where)


def pair(record: Mapping[str, Any], body: Mapping[str, Any], answer: Any, where: str) -> Logged:
    """Return the call of a request, its answer, and what stands beside them."""
    reply = mapping(answer)
    spoken = said(reply) if reply else {"answer": text(answer)}
    error = found(record, ("error", "exception")) or reply.get("error")
    status = count_of(found(record, ("status_code", "status")))
    known: dict[str, Any] = {"arguments": {}}
    for part in (_besides(record), asked(body), spoken):
        known |= {name: value for name, value in part.items() if value is not None}
    shape = "embeddings" if reply.get("object") == "list" else reply.get("object")
    known["kind"] = kind_of(body, str(shape or record.get("endpoint") or record.get("url") or ""))
    known["created"] = known.get("created") or moment(found(reply, ("created", "created_at")))
    failed = bool(error) or str(record.get("status")).lower() in _FAILED or (status is not None and status >= 400)
    return made({**known, "ok": not failed, "status": status}, where)


def _besides(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands beside a request: who, when, how long, at what cost."""
    metadata = mapping(record.get("metadata"))
    latency = number(found(record, ("latency_s", "duration_s")))
    milliseconds = number(found(record, ("latency_ms", "duration_ms")))
    known = {
        "call_id": text(found(record, ("call_id", "id", "request_id"))),
        "trace_id": text(found(record, ("trace_id", "session_id", "conversation_id"))),
        "created": moment(found(record, ("created", "created_at", "timestamp", "time", "ts", "date"))),
        "project": text(found(record, ("project", "app")) or metadata.get("project")),
        "user": text(found(record, ("user", "user_id"))),
        "feature": text(record.get("feature") or metadata.get("feature")),
        "provider": text(record.get("provider")),
        "cost_usd": _cost(record),
        "latency_s": latency if latency is not None or milliseconds is None else milliseconds / 1000.0,
        "attempt": count_of(record.get("attempt")),
    }
    return {name: value for name, value in known.items() if value is not None}


def _cost(record: Mapping[str, Any]) -> float | None:
    """Return what a call cost in dollars; None where the log counts in another currency."""
    told = found(record, ("cost_usd",))
    currency = str(found(record, ("currency", "cost_currency")) or "USD").upper()
    return dollars(record.get("cost") if told is None and currency == "USD" else told)


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the calls of one record."""
    if truth(record.get("ignore")):
        return ()
    return _calls(record, where)


FORMAT = Format(
    name="openai",
    known_by='objects "chat.completion" or "response", or records with "request" (or "messages") and "response", or '
    '"model" and "usage"',
    detect=_detect,
    calls=calls,
)
