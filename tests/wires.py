"""A scripted api.openai.com below httpx and httpx2: what the pages of host libraries call, on no network."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from servers import USAGE, chunk_body, completion_body, event

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

HOST = "api.openai.com"


def set_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer what goes to OpenAI from a script; a key is there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-pages")
    for name in ("httpx", "httpx2"):
        if importlib.util.find_spec(name) is not None:
            _set(monkeypatch, import_module(name))


def _set(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    plain, awaited = library.HTTPTransport.handle_request, library.AsyncHTTPTransport.handle_async_request

    def handle_request(self: Any, request: Any) -> Any:
        return _answered(library, request, request.read()) if request.url.host == HOST else plain(self, request)

    async def handle_async_request(self: Any, request: Any) -> Any:
        if request.url.host != HOST:
            return await awaited(self, request)
        return _answered(library, request, await request.aread())

    monkeypatch.setattr(library.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(library.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _answered(library: Any, request: Any, content: bytes) -> Any:
    assert request.url.path == "/v1/chat/completions", request.url
    body = json.loads(content)
    if not body.get("stream"):
        return library.Response(200, json=completion_body(**_said(body), model=body["model"]), request=request)
    words = [chunk_body({"content": f"{word} "}, model=body["model"]) for word in _text(body).split()]
    ended = [chunk_body({}, "stop", model=body["model"]), chunk_body(usage=USAGE, model=body["model"])]
    events = b"".join(map(event, [*words, *ended])) + b"data: [DONE]\n\n"
    return library.Response(200, content=events, headers={"content-type": "text/event-stream"}, request=request)


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a completion says: where tools are offered and none was called yet, a call of the first."""
    if not body.get("tools") or any(message["role"] == "tool" for message in body["messages"]):
        return {"text": _text(body)}
    function = body["tools"][0]["function"]
    city = "Rome" if "Italy" in str(body["messages"]) else "Paris"
    arguments = dict.fromkeys(function["parameters"]["properties"], city)
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": function["name"], "arguments": json.dumps(arguments)},
    }
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}]}


def _text(body: Mapping[str, Any]) -> str:
    country, city = ("Italy", "Rome") if "Italy" in str(body["messages"]) else ("France", "Paris")
    return f"The capital of {country} is {city}."
