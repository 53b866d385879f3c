"""The lines of a provider's batch: what is uploaded, and what its files of answers and of errors say. Values only.

    asked     {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {...}}
    answered  {"custom_id": key, "response": {"status_code": 200, "body": {...}}, "error": null}
    failed    the same with another status and body.error, or with `error`: {"code": "batch_expired", "message": ...}

Lines come in any order. The first one with a key counts; one that cannot be read is none, and its request is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenai.bulk.values import Failure
from greenai.reported import count
from greenai.values import Usage
from greenai.wire.fields import listed, mapping, text, usage_of

__all__ = ["ENDED", "ENDPOINT", "Line", "encoded", "missing", "read", "rejected"]

ENDPOINT = "/v1/chat/completions"
ENDED = ("completed", "expired", "cancelled", "failed")

_AGAIN = (408, 409, 429)
"""Statuses below 500 after which the same request may be answered later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one request: a completion with its usage, or a failure."""

    key: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    usage: Usage = field(default_factory=Usage)
    failure: Failure | None = None


def encoded(key: str, body: Mapping[str, Any]) -> bytes:
    """Return the line that asks one request, with its end."""
    line = {"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body}
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half a character, which no UTF-8 holds
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def read(content: bytes) -> Iterator[Line]:
    """Yield what a file of answers or of errors says, each key once."""
    seen: set[str] = set()
    for raw in content.split(b"\n"):  # not splitlines: what a JSON text may hold ends no line
        try:
            said = mapping(json.loads(raw)) if raw.strip() else {}
        except (ValueError, RecursionError):
            continue
        key = text(said.get("custom_id"))
        if key and key not in seen:
            seen.add(key)
            yield _line(key, said)


def _line(key: str, said: Mapping[str, Any]) -> Line:
    response = mapping(said.get("response"))
    status, body = count(response.get("status_code")), mapping(response.get("body"))
    if status == 200 and listed(body.get("choices")):
        return Line(key=key, body=body, usage=usage_of(body.get("usage")))
    error = mapping(said.get("error")) or mapping(body.get("error"))
    return Line(key=key, failure=_failure(error, status))


def _failure(error: Mapping[str, Any], status: int | None) -> Failure:
    final = status is not None and 400 <= status < 500 and status not in _AGAIN
    code = text(error.get("code")) or text(error.get("type")) or "no_answer"
    message = text(error.get("message")) or f"The provider's batch has no answer to this request, with status {status}."
    return Failure(code=code, message=message, status=status, final=final)


def missing(batch_id: str, status: str) -> Failure:
    """Return why a request of an ended batch has no line in its files: it may be asked again."""
    why = {
        "expired": "was over after 24 hours, before it came to this request",
        "cancelled": "was cancelled before it came to this request",
        "failed": "was refused as a whole",
        "lost": "is not at the provider any more",
    }.get(status, "has no line for this request in what it answered")
    return Failure(code=f"batch_{status}", message=f"The provider's batch {batch_id} {why}.", final=False)


def rejected(batch: Mapping[str, Any]) -> tuple[dict[int, Failure], Failure | None]:
    """Return why a batch was refused as a whole: by the number of the line (from 1), and for all others."""
    lines: dict[int, Failure] = {}
    whole: Failure | None = None
    for error in listed(mapping(batch.get("errors")).get("data")):
        said = mapping(error)
        line, code = count(said.get("line")), text(said.get("code")) or "batch_failed"
        message = text(said.get("message")) or "The provider refused the batch without a reason."
        if line:
            lines[line] = Failure(code=code, message=message)
        else:
            whole = whole or Failure(code=code, message=message, final=False)
    return lines, whole
