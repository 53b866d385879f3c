"""Scripted APIs of Anthropic, Google and Mistral below httpx and httpx2, for the pages of their clients."""

from __future__ import annotations

import importlib.util
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import host_scenes as scenes
from servers import completion_body

if TYPE_CHECKING:
    import pytest

ANTHROPIC, GOOGLE, MISTRAL = "api.anthropic.com", "generativelanguage.googleapis.com", "api.mistral.ai"
WORDS = ("The capital of France", " is Paris.")


def set_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer what goes to these providers from a script."""
    for name in ("httpx", "httpx2"):
        if importlib.util.find_spec(name) is not None:
            _set(monkeypatch, import_module(name))


def _set(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    plain, awaited = library.HTTPTransport.handle_request, library.AsyncHTTPTransport.handle_async_request

    def handle_request(self: Any, request: Any) -> Any:
        if request.url.host not in (ANTHROPIC, GOOGLE, MISTRAL):
            return plain(self, request)
        return _answered(library, request, request.read())

    async def handle_async_request(self: Any, request: Any) -> Any:
        if request.url.host not in (ANTHROPIC, GOOGLE, MISTRAL):
            return await awaited(self, request)
        return _answered(library, request, await request.aread())

    monkeypatch.setattr(library.HTTPTransport, "handle_request", handle_request)
    monkeypatch.setattr(library.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _answered(library: Any, request: Any, content: bytes) -> Any:
    asked, host = json.loads(content), request.url.host
    text = "".join(WORDS)
    if "stream" in request.url.path or asked.get("stream"):
        deltas = [{"type": "text_delta", "text": piece} for piece in WORDS]
        events = {
            ANTHROPIC: lambda: scenes.message_events(*deltas),
            GOOGLE: lambda: scenes.content_events(*WORDS),
            MISTRAL: lambda: scenes.chunks(*WORDS),
        }[host]()
        headers = {"content-type": "text/event-stream"}
        return library.Response(200, content=b"".join(events), headers=headers, request=request)
    body = {
        ANTHROPIC: lambda: scenes.message(text, model=asked["model"]),
        GOOGLE: lambda: scenes.content(text),
        MISTRAL: lambda: completion_body(text, model=asked["model"]),
    }[host]()
    return library.Response(200, json=body, request=request)
