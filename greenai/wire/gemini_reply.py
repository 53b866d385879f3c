"""Google's answers to generateContent: read whole or event by event, and written for one that came otherwise.

`candidatesTokenCount` leaves out there what was reasoned (`thoughtsTokenCount`); our output tokens have it in.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai.deltas import pieces_of
from greenai.values import Reply
from greenai.wire import sse
from greenai.wire.fields import count, listed, mapping, text, usage_of
from greenai.wire.sse import Event

__all__ = ["GeminiSeen", "call_of", "content_from", "events_of", "reply_of"]

_FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
_FILTERED = frozenset(
    (
        "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    )
)  # fmt: skip
_WRITTEN = frozenset(("text", "functionCall", "thought", "thoughtSignature"))
"""What a model writes; any other part is a picture, or says that the provider ran something."""
_FOUND = ("groundingMetadata", "urlContextMetadata", "citationMetadata")


# --- read ---------------------------------------------------------------------------------


def reply_of(body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
    """Read a whole response; a prompt that was blocked has no candidate."""
    candidates = [mapping(candidate) for candidate in listed(body.get("candidates"))]
    candidate: Mapping[str, Any] = candidates[0] if candidates else {}
    parts = _parts(candidate)
    said = "".join(text(part.get("text")) for part in parts if not part.get("thought"))
    calls = [call_of(part) for part in parts if "functionCall" in part]
    usage = _usage(mapping(body.get("usageMetadata")))
    finish = _finish(body, candidate, calls=bool(calls))
    return Reply(
        model=text(body.get("modelVersion")) or model,
        text=said,
        finish_reason=finish,
        usage=usage_of(usage),
        latency_s=latency_s,
        body=_completion(body, candidates, said, calls, usage, finish),
        tool_calls=bool(calls),
        reasoning_text=any(part.get("thought") for part in parts),
    )


def call_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part that calls a function as openai's tool call."""
    call = mapping(part.get("functionCall"))
    function = {"name": call.get("name"), "arguments": json.dumps(call.get("args", {}), ensure_ascii=False)}
    return {"id": call.get("id") or call.get("name"), "type": "function", "function": function}


def _parts(candidate: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [mapping(part) for part in listed(mapping(candidate.get("content")).get("parts"))]


def _finish(body: Mapping[str, Any], candidate: Mapping[str, Any], *, calls: bool) -> str | None:
    reason = text(candidate.get("finishReason"))
    if reason in _FILTERED or mapping(body.get("promptFeedback")).get("blockReason"):
        return "content_filter"
    if reason == "STOP" and calls:
        return "tool_calls"
    return _FINISH.get(reason, reason.lower()) or None


def _completion(
    body: Mapping[str, Any],
    candidates: list[Mapping[str, Any]],
    said: str,
    calls: list[dict[str, Any]],
    usage: Mapping[str, Any],
    finish: str | None,
) -> dict[str, Any]:
    """Return the completion that the flow keeps, with the response itself in it."""
    spoken: dict[str, Any] = {"role": "assistant", "content": said or None}
    if calls:
        spoken["tool_calls"] = calls
    if any(not part.keys() <= _WRITTEN for candidate in candidates for part in _parts(candidate)):
        spoken["executed_tools"] = True  # under this name the cache knows that this is more than a text
    if any(candidate.get(name) for candidate in candidates for name in _FOUND):
        spoken["citations"] = True
    choice = {"index": 0, "message": spoken, "finish_reason": finish, "logprobs": None}
    return {
        "id": body.get("responseId"),
        "object": "chat.completion",
        "created": 0,
        "model": body.get("modelVersion"),
        "choices": [choice] * max(len(candidates), 1),
        "usage": usage,
        "wire": dict(body),
    }


def _usage(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of a response in openai's names."""
    sent = _sum(said.get("promptTokenCount"), said.get("toolUsePromptTokenCount"))
    thought = count(said.get("thoughtsTokenCount"))
    written = _sum(said.get("candidatesTokenCount"), thought)
    return {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": count(said.get("totalTokenCount")),
        "prompt_tokens_details": {"cached_tokens": count(said.get("cachedContentTokenCount"))},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _sum(*counts: object) -> int | None:
    known = [number for value in counts if (number := count(value)) is not None]
    return sum(known) if known else None


# --- streamed -----------------------------------------------------------------------------


class GeminiSeen:
    """What has been seen of a stream of responses, put together as one."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._body: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []
        self._texts: list[str] = []  # of the last part, while it grows
        self._pieces = self._characters = 0
        self._several = False

    def add(self, event: Event) -> bool:
        """Take one response in; the app gets every one."""
        body = event.json()
        if body is None:
            return True
        self._body |= {name: value for name, value in body.items() if name != "candidates"}
        for candidate in map(mapping, listed(body.get("candidates"))):
            if candidate.get("index"):
                self._several = True
                continue
            self._candidate |= {name: value for name, value in candidate.items() if name != "content"}
            for part in _parts(candidate):
                self._take(part)
        return True

    def _take(self, part: Mapping[str, Any]) -> None:
        more = text(part.get("text"))
        self._pieces += 1
        self._characters += len(more)
        if self._goes_on(part):
            self._texts.append(more)
            return
        self._close()
        self._parts.append(dict(part))
        if part.keys() <= {"text", "thought"}:
            self._texts = [more]

    def _goes_on(self, part: Mapping[str, Any]) -> bool:
        same = bool(self._texts) and part.keys() == self._parts[-1].keys()
        return same and part.get("thought") == self._parts[-1].get("thought")

    def _close(self) -> None:
        if self._texts:
            self._parts[-1]["text"] = "".join(self._texts)
            self._texts = []

    def reply(self, latency_s: float, *, complete: bool) -> Reply:
        """Return what was seen as a reply; a body only where nothing is missing in it."""
        self._close()
        content = {"role": "model", "parts": self._parts}
        candidates = [{**self._candidate, "content": content}] if self._candidate or self._parts else []
        reply = reply_of({**self._body, "candidates": candidates}, self._model, latency_s)
        if complete and reply.finish_reason is not None:
            return replace(reply, body=None) if self._several else reply
        # A piece is at least one token of about four characters.
        tokens = max(reply.usage.output_tokens or 0, self._pieces, self._characters // 4)
        return replace(
            reply, usage=replace(reply.usage, output_tokens=tokens, estimated=True), body=None, complete=False
        )


# --- written ------------------------------------------------------------------------------


def content_from(reply: Reply) -> dict[str, Any]:
    """Return a reply as a response: the one that was kept, under an id of its own, or one made of a completion."""
    body: Mapping[str, Any] = reply.body if reply.body is not None else reply.native.to_dict(mode="json")
    kept = mapping(body.get("wire"))
    if kept:
        return {**kept, "responseId": uuid.uuid4().hex}
    said = mapping(mapping(listed(body.get("choices"))[0]).get("message"))
    parts: list[dict[str, Any]] = [{"text": reply.text}] if reply.text else []
    parts += [{"functionCall": _called(mapping(call))} for call in listed(said.get("tool_calls"))]
    ended = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}.get(reply.finish_reason or "", "STOP")
    usage = reply.usage
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": ended, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": usage.input_tokens or 0,
            "candidatesTokenCount": (usage.output_tokens or 0) - (usage.reasoning_tokens or 0),
            "totalTokenCount": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        },
        "modelVersion": reply.model,
        "responseId": uuid.uuid4().hex,
    }


def _called(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    try:
        given = json.loads(text(function.get("arguments")) or "{}")
    except ValueError:
        given = {}
    return {"id": call.get("id"), "name": function.get("name"), "args": given}


def events_of(body: Mapping[str, Any]) -> Iterator[bytes]:
    """Return a response as the events that a live stream would have brought: text in pieces, the end with the last."""
    head = {name: value for name, value in body.items() if name not in ("candidates", "usageMetadata")}
    candidates = [mapping(candidate) for candidate in listed(body.get("candidates"))]
    if len(candidates) != 1:
        yield sse.written(body)
        return
    rest = {name: value for name, value in candidates[0].items() if name not in ("content", "finishReason")}
    pieces = [piece for part in _parts(candidates[0]) for piece in _cut(part)]
    for piece in pieces[:-1]:
        yield sse.written({"candidates": [{"content": {"role": "model", "parts": [piece]}, **rest}], **head})
    last = {"content": {"role": "model", "parts": pieces[-1:]}, **candidates[0], **rest}
    last["content"] = {"role": "model", "parts": pieces[-1:]}
    yield sse.written({"candidates": [last], "usageMetadata": body.get("usageMetadata"), **head})


def _cut(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not part.keys() <= {"text", "thought"} or not text(part.get("text")):
        return [part]
    return [{**part, "text": piece} for piece in pieces_of(text(part["text"]))]
