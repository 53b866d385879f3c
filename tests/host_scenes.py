"""What Anthropic's, Google's and Mistral's servers answer, as far as the tests of their clients need it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from servers import Exchange, Scene, completion_body

MODEL = "claude-haiku-4-5"
USAGE = {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}


def whole(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Scene:
    return lambda exchange: exchange.whole(status, json.dumps(body).encode(), headers)


def events(parts: Iterable[bytes], *, cut_after: int | None = None) -> Scene:
    """A stream of events; `cut_after` so many of them the connection is reset."""

    def play(exchange: Exchange) -> None:
        exchange.begin_stream()
        for n, part in enumerate(parts):
            if n == cut_after:
                exchange.reset()
                return
            exchange.chunk(part)
        exchange.end_stream()

    return play


def either(body: Any, parts: list[bytes]) -> Scene:
    """A whole answer, or a stream where the request asks for one."""

    def play(exchange: Exchange) -> None:
        received = exchange.server.received[-1]
        streams = "stream" in received.path or received.body.get("stream")
        (events(parts) if streams else whole(body))(exchange)

    return play


# --- Anthropic ----------------------------------------------------------------------------


def message(text: str = "Hello there.", **changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
        **changes,
    }


def named(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def message_events(*deltas: dict[str, Any], stop: str = "end_turn", block: dict[str, Any] | None = None) -> list[bytes]:
    """A message of one block, which is a text if nobody says otherwise."""
    given = deltas or tuple({"type": "text_delta", "text": piece} for piece in ("Hello ", "there."))
    begun = {**message(), "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}}
    return [
        named({"type": "message_start", "message": begun}),
        named({"type": "content_block_start", "index": 0, "content_block": block or {"type": "text", "text": ""}}),
        named({"type": "ping"}),
        *(named({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in given),
        named({"type": "content_block_stop", "index": 0}),
        named({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 5}}),
        named({"type": "message_stop"}),
    ]


def anthropic_error(status: int, kind: str = "invalid_request_error", **headers: str) -> Scene:
    return whole({"type": "error", "error": {"type": kind, "message": "no"}}, status=status, headers=headers)


# --- Google -------------------------------------------------------------------------------


def content(*parts: Any, **changes: Any) -> dict[str, Any]:
    given = [{"text": part} if isinstance(part, str) else part for part in parts or ("Hello there.",)]
    return {
        "candidates": [{"content": {"role": "model", "parts": given}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 127,
            "cachedContentTokenCount": 100,
            "candidatesTokenCount": 5,
            "totalTokenCount": 132,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "response-1",
        **changes,
    }


def data(body: Any) -> bytes:
    return f"data: {json.dumps(body)}\r\n\r\n".encode()


def content_events(*pieces: str) -> list[bytes]:
    *before, last = pieces or ("Hello ", "there.")
    begun = [content(piece) for piece in before]
    for body in begun:
        del body["candidates"][0]["finishReason"], body["usageMetadata"]
    return [*map(data, begun), data(content(last))]


def google_error(status: int) -> Scene:
    return whole({"error": {"code": status, "message": "no", "status": "INVALID_ARGUMENT"}}, status=status)


# --- Mistral ------------------------------------------------------------------------------


def chunks(*pieces: str) -> list[bytes]:
    """A stream whose last chunk has the usage in it."""
    body = {name: value for name, value in completion_body().items() if name not in ("choices", "usage")}
    head = {**body, "object": "chat.completion.chunk"}

    def chunk(text: str, finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
        return f"data: {json.dumps({**head, 'choices': [choice], **more})}\n\n".encode()

    usage = completion_body()["usage"]
    given = [chunk(piece) for piece in pieces or ("Hello ", "there.")]
    return [*given, chunk("", "stop", usage=usage), b"data: [DONE]\n\n"]
