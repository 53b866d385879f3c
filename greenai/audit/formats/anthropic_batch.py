"""Files of Anthropic's message batches, a line each: requests (`custom_id`, `params`), results (`custom_id`, `result`).

As anthropic 2.12 types them (`types/messages/batch_create_params.py`, `message_batch_individual_response.py`),
2026-11-22. A line of results does not hold what was asked: given with the file of its requests, both become one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenai.audit.formats.base import ASKED, BATCH, Format, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import asked, said
from greenai.audit.formats.fields import mapping, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("custom_id", "params") > 0.5:
        return Recognised(score=0.95, reason='lines with "custom_id" and "params": requests of a batch')
    if sample.share("custom_id", "result") > 0.5:
        return Recognised(score=0.95, reason='lines with "custom_id" and "result": results of a batch')
    return None


def _is_answer(record: Mapping[str, Any]) -> bool:
    """Say whether a line is of a file of results."""
    return "result" in record


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one line: what was cancelled or ran out of time was not answered."""
    if not isinstance(record.get("custom_id"), str):
        raise Unreadable('no "custom_id"')
    request = mapping(record.get("params") or mapping(record.get(ASKED)).get("params"))
    known: dict[str, Any] = (
        {**asked(request), "user": text(mapping(request.get("metadata")).get("user_id"))} if request else {}
    )
    result = mapping(record.get("result"))
    answered = {name: value for name, value in said(mapping(result.get("message"))).items() if value is not None}
    known |= {
        **answered,
        "arguments": {**known.get("arguments", {}), **BATCH},
        "call_id": record["custom_id"],
        "batch": "answered" if _is_answer(record) else "asked",
        "provider": "anthropic",
        "kind": "chat",
        "ok": not _is_answer(record) or result.get("type") == "succeeded",
    }
    return (made(known, where),)


FORMAT = Format(
    name="anthropic-batch",
    known_by='lines with "custom_id" and "params", or "custom_id" and "result"',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("created", "project", "feature", "latency_s", "cost_usd", "status", "attempt", "trace_id")),
)
