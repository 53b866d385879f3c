"""Scenes of the Responses API and of embeddings, for the scripted server: JSON and events in the API's shape."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import openai

from tests.servers import Exchange, Scene, raw

HTTP: Any = importlib.import_module(
    next(kind.__module__.partition(".")[0] for kind in openai.DefaultHttpxClient.__mro__ if kind.__name__ == "Client")
)
"""The HTTP library that the installed openai is built on: httpx, or httpx2."""

USAGE: Any = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 19,
}


def said(text: str, *annotations: Mapping[str, Any], item_id: str = "msg_1") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}
    return {"id": item_id, "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def refused(text: str) -> dict[str, Any]:
    return {**said(""), "content": [{"type": "refusal", "refusal": text}]}


def called(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = {"call_id": "call_1", "name": name, "arguments": json.dumps(arguments)}
    return {"id": "fc_1", "type": "function_call", "status": "completed", **given}


def reasoned(summary: str = "", *, encrypted: str | None = None) -> dict[str, Any]:
    parts = [{"type": "summary_text", "text": summary}] if summary else []
    return {"id": "rs_1", "type": "reasoning", "summary": parts, "encrypted_content": encrypted}


def response(*output: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": "completed",
        "background": False,
        "completed_at": 1_760_000_001,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": "gpt-5.5-2026-04-23",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "none", "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": USAGE,
        "user": None,
        **changes,
    }


def whole(*output: Mapping[str, Any], **changes: Any) -> Scene:
    return raw(json.dumps(response(*output, **changes)).encode())


def text_events(*pieces: str, **changes: Any) -> list[dict[str, Any]]:
    """Return the events of a streamed text, written out as the API sends them."""
    text, place = "".join(pieces), {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    done = response(said(text), **changes)
    begun = {**done, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": begun}),
        ("in_progress", {"response": begun}),
        ("output_item.added", {"output_index": 0, "item": {**said(""), "status": "in_progress", "content": []}}),
        ("content_part.added", {**place, "part": empty}),
        *(("output_text.delta", {**place, "delta": piece, "logprobs": []}) for piece in pieces),
        ("output_text.done", {**place, "text": text, "logprobs": []}),
        ("content_part.done", {**place, "part": {**empty, "text": text}}),
        ("output_item.done", {"output_index": 0, "item": said(text)}),
        ("completed", {"response": done}),
    ]
    return [{"type": f"response.{kind}", **data, "sequence_number": n} for n, (kind, data) in enumerate(kinds)]


def streamed(events: Sequence[Mapping[str, Any]], *, cut: bool = False) -> Scene:
    def play(exchange: Exchange) -> None:
        exchange.begin_stream()
        for event in events:
            exchange.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        if cut:
            exchange.reset()
        else:
            exchange.end_stream()

    return play


def vectors(count: int = 1, *, base64: bool = True, tokens: int = 5, **changes: Any) -> Scene:
    """Play vectors of three numbers each."""
    one: Any = "AACAPwAAAEAAAEBA" if base64 else [1.0, 2.0, 3.0]
    data = [{"object": "embedding", "index": index, "embedding": one} for index in range(count)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage, **changes}
    return raw(json.dumps(body).encode())
