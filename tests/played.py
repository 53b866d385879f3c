"""Providers behind an app's own HTTP client, played: for documentation, whose code is what an app would write."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

LIBRARIES = ("httpx", "httpx2")
TEXT = "The capital of France is Paris."


def play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer what would leave this machine; what stays on it is sent."""
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is not None:
            _play(monkeypatch, importlib.import_module(name))


def _play(monkeypatch: pytest.MonkeyPatch, http: Any) -> None:
    send, asend = http.HTTPTransport.handle_request, http.AsyncHTTPTransport.handle_async_request

    def handle(transport: Any, request: Any) -> Any:
        return _played(http, request, request.read()) or send(transport, request)

    async def ahandle(transport: Any, request: Any) -> Any:
        return _played(http, request, await request.aread()) or await asend(transport, request)

    monkeypatch.setattr(http.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(http.AsyncHTTPTransport, "handle_async_request", ahandle)


def _played(http: Any, request: Any, content: bytes) -> Any:
    found = next((scene for ending, scene in SCENES.items() if request.url.path.endswith(ending)), None)
    if found is None or request.url.host in ("127.0.0.1", "localhost"):
        return None
    asked = json.loads(content) if content.startswith(b"{") else {}
    headers = {"x-request-id": "req_1"}
    return http.Response(200, json=found(asked), headers=headers, request=request)


def _completion(asked: Mapping[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}
    usage = {"prompt_tokens": 14, "completion_tokens": 8, "total_tokens": 22}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"]}
    return {**head, "choices": [choice], "usage": usage}


def _response(asked: Mapping[str, Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": TEXT, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {
        "input_tokens": 14,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 8,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 22,
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": asked["model"], "status": "completed"}
    forms = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": asked.get("store", True)}
    return {**head, **forms, "output": [item], "usage": usage}


def _vectors(asked: Mapping[str, Any]) -> dict[str, Any]:
    given = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    numbers = [0.25, -0.5, 0.75]
    one = base64.b64encode(struct.pack("<3f", *numbers)).decode()
    vector: Any = one if asked.get("encoding_format") == "base64" else numbers
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, _ in enumerate(given)]
    usage = {"prompt_tokens": 6 * len(given), "total_tokens": 6 * len(given)}
    return {"object": "list", "model": asked["model"], "data": data, "usage": usage}


def _batch(asked: Mapping[str, Any]) -> dict[str, Any]:
    head = {"id": "batch_1", "object": "batch", "input_file_id": "file-1", "completion_window": "24h", "created_at": 1}
    head |= {"endpoint": "/v1/chat/completions", "request_counts": {"total": 1, "completed": 1, "failed": 0}}
    if asked:
        return {**head, "status": "validating"}
    usage = {
        "input_tokens": 14,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 8,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 22,
    }
    return {**head, "status": "completed", "output_file_id": "file-2", "model": "gpt-4.1-mini", "usage": usage}


def _file(_: Mapping[str, Any]) -> dict[str, Any]:
    head = {"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "asked.jsonl"}
    return {**head, "purpose": "batch", "status": "processed"}


SCENES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "/chat/completions": _completion,
    "/responses": _response,
    "/embeddings": _vectors,
    "/files": _file,
    "/batches": _batch,
    "/batches/batch_1": _batch,
}
