"""Files of OpenAI's batches: lines of requests (`custom_id`, `body`), lines of answers (`custom_id`, `response`).

As the openai package 2.54 documents them (`types/batch.py`, `resources/files.py`) and greenai writes them, 2026-11-22.
A line of answers does not hold what was asked: given with the file of its requests, both become one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenai.audit.formats.base import ASKED, BATCH, Format, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import asked, kind_of, said
from greenai.audit.formats.fields import count_of, mapping, moment, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("custom_id", "body") > 0.5:
        return Recognised(score=0.95, reason='lines with "custom_id" and "body": requests of a batch')
    if sample.share("custom_id", "response") > 0.5:
        return Recognised(score=0.95, reason='lines with "custom_id" and "response": answers of a batch')
    return None


def _is_answer(record: Mapping[str, Any]) -> bool:
    """Say whether a line is of a file of answers."""
    return "response" in record or "error" in record


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one line."""
    if not isinstance(record.get("custom_id"), str):
        raise Unreadable('no "custom_id"')
    known: dict[str, Any] = {"arguments": BATCH}
    request = mapping(record.get("body") or mapping(record.get(ASKED)).get("body"))
    url = str(record.get("url") or mapping(record.get(ASKED)).get("url") or "")
    if request:
        known = {**asked(request), "kind": kind_of(request, url)}
        known["arguments"] = {**known["arguments"], **BATCH}
    if not _is_answer(record):
        return (made({**known, "call_id": record["custom_id"], "batch": "asked"}, where),)
    response = mapping(record.get("response"))
    body, status = mapping(response.get("body")), count_of(response.get("status_code"))
    answered = {name: value for name, value in said(body).items() if value is not None}
    kind = kind_of(request, str(body.get("object") or url)) if body else known.get("kind", "chat")
    known = {**known, **answered, "kind": kind}
    return (
        made(
            {
                **known,
                "call_id": text(record["custom_id"]),
                "batch": "answered",
                "created": moment(body.get("created") or body.get("created_at")),
                "ok": not record.get("error") and (status is None or status < 400),
                "status": status,
            },
            where,
        ),
    )


FORMAT = Format(
    name="openai-batch",
    known_by='lines with "custom_id" and "body", or "custom_id" and "response"',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("latency_s", "cost_usd", "attempt", "trace_id")),
)
