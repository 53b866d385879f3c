"""Helicone's exports of requests: JSONL, JSON or CSV of its export tool or of the API.

Fields of Helicone's export tool (`examples/export/typescript/index.ts`) and of the answer of its API (`POST
/v1/request/query-clickhouse`) as its documentation has them, 2026-11-22; no library on PyPI writes them. Bodies are
there where the export was asked for them (`--include-body`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenai.audit.formats.base import Format, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import arguments, kind_of, messages_of, said, tool_chars
from greenai.audit.formats.fields import count_of, dollars, found, mapping, moment, number, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]

_PROJECT = ("project", "Project", "app", "App", "appname", "AppName")
_FEATURE = ("feature", "Feature", "Helicone-Session-Name")
_COUNTS = {
    "input_tokens": ("prompt_tokens",),
    "output_tokens": ("completion_tokens",),
    "cached_tokens": ("prompt_cache_read_tokens",),
    "reasoning_tokens": ("reasoning_tokens",),
}


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("response_id", "request_created_at") > 0.5:
        return Recognised(score=0.95, reason='records with "response_id" and "request_created_at"')
    if sample.share("request_id", "request_created_at", "response_status") > 0.5:
        return Recognised(score=0.9, reason='records with "request_created_at" and "response_status"')
    return None


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one record."""
    if "request_created_at" not in record:
        raise Unreadable('no "request_created_at"')
    body, reply = mapping(record.get("request_body")), mapping(record.get("response_body"))
    properties = mapping(found(record, ("request_properties", "properties")))
    # Its own codes for what was never answered (timed out, cancelled, threat) are below 0.
    told = number(record.get("response_status"))
    known: dict[str, Any] = {
        **{name: value for name, value in said(reply).items() if value is not None},
        **_counted(record),
        "call_id": text(found(record, ("request_id", "response_id"))),
        "trace_id": text(properties.get("Helicone-Session-Id")),
        "created": moment(record["request_created_at"]),
        "latency_s": _latency(record),
        "project": text(found(properties, _PROJECT)),
        "user": text(found(record, ("request_user_id", "user_id"))),
        "feature": text(found(properties, _FEATURE)),
        "model": text(found(record, ("response_model", "model", "request_model")) or body.get("model")),
        "provider": text(record.get("provider")),
        "kind": kind_of(body, str(found(record, ("request_path", "path")) or reply.get("object") or "")),
        "messages": messages_of(body),
        "arguments": arguments(body),
        "tool_chars": tool_chars(body),
        "cost_usd": dollars(found(record, ("costUSD", "cost_usd", "cost"))),
        "ok": told is None or 0 < told < 400,
        "status": count_of(told),
    }
    return (made(known, where),)


def _counted(record: Mapping[str, Any]) -> dict[str, int]:
    counts = {name: count_of(found(record, columns)) for name, columns in _COUNTS.items()}
    return {name: value for name, value in counts.items() if value is not None}


def _latency(record: Mapping[str, Any]) -> float | None:
    milliseconds = number(found(record, ("latency", "delay_ms")))
    if milliseconds is not None:
        return milliseconds / 1000.0
    begun, ended = moment(record.get("request_created_at")), moment(record.get("response_created_at"))
    return None if begun is None or ended is None else max(ended - begun, 0.0)


FORMAT = Format(
    name="helicone",
    known_by='records with "response_id", "request_created_at" and "response_status"',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("attempt",)),
)
