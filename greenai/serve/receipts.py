"""A receipt as the gateway gives it: one header in ASCII, and a field `greenai` of the JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from greenai.wire import sse

if TYPE_CHECKING:
    from greenai.drivers import Live
    from greenai.values import Receipt

__all__ = ["HEADER", "begun", "compact", "event", "extended", "header", "told"]

HEADER = "x-greenai-receipt"


def told(receipt: Receipt) -> dict[str, Any]:
    """Return what a receipt says, in short: energy in joules with its 90% interval, None where it is unknown."""
    energy = receipt.energy
    return {
        "call_id": receipt.call_id,
        "outcome": receipt.outcome,
        "model": receipt.model,
        "energy_j": energy.energy_j,
        "low_j": energy.low_j,
        "high_j": energy.high_j,
        "evidence": energy.evidence,
        "cost_usd": receipt.cost_usd,
    }


def begun(live: Live) -> dict[str, Any]:
    """Return what is known of a stream before its first piece: its receipt is written at its end."""
    rung = live.call.draft.rung
    return {"call_id": live.call.attempt_id.partition(".")[0], "outcome": None, "model": rung.model}


def compact(data: dict[str, Any]) -> bytes:
    """Return JSON in ASCII on one line, as a header needs it."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def header(data: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the header."""
    return HEADER.encode(), compact(data)


def extended(content: bytes, data: dict[str, Any]) -> bytes:
    """Return a JSON object with the field `greenai`; its own bytes stay as they are. What is no object is left."""
    trimmed = content.rstrip()
    if not trimmed.startswith(b"{") or not trimmed.endswith(b"}"):
        return content
    head = trimmed[:-1].rstrip()
    return head + (b"" if head.endswith(b"{") else b",") + b'"greenai":' + compact(data) + b"}"


def event(data: dict[str, Any], api: str, model: str) -> bytes:
    """Return the event that brings a receipt at the end of a stream: of chat completions a chunk without choices."""
    if api == "chat":
        return sse.written(
            {
                "id": data["call_id"],
                "object": "chat.completion.chunk",
                "created": 0,
                "model": model,
                "choices": [],
                "greenai": data,
            }
        )
    return sse.written({"type": "greenai.receipt", "greenai": data}, "greenai.receipt")
