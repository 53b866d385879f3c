"""Anthropic's messages as answers: read whole or event by event, and written for an answer that came otherwise.

`input_tokens` leaves out there what was read from a prompt cache, or written to it; ours has them in.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai.deltas import pieces_of
from greenai.values import Reply, Usage
from greenai.wire import sse
from greenai.wire.fields import count, listed, mapping, text, usage_of
from greenai.wire.sse import Event

__all__ = ["MessagesSeen", "events_of", "message_from", "reply_of"]

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_STOP = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_PLAIN = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))
"""Blocks that a model writes; any other says that the provider ran or looked up something."""


# --- read ---------------------------------------------------------------------------------


def reply_of(message: Mapping[str, Any], model: str, latency_s: float) -> Reply:
    """Read a whole message."""
    blocks = [mapping(block) for block in listed(message.get("content"))]
    said = _text_in(blocks)
    finish = text(message.get("stop_reason"))
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    usage = _usage(mapping(message.get("usage")))
    return Reply(
        model=text(message.get("model")) or model,
        text=said,
        finish_reason=_FINISH.get(finish, finish) or None,
        usage=usage_of(usage),
        latency_s=latency_s,
        body=_completion(message, blocks, said, calls, usage),
        tool_calls=bool(calls),
        reasoning_text=any("thinking" in text(block.get("type")) for block in blocks),
        service_tier=text(mapping(message.get("usage")).get("service_tier")) or None,
    )


def _text_in(blocks: list[Mapping[str, Any]]) -> str:
    return "".join(text(block.get("text")) for block in blocks if block.get("type") == "text")


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": json.dumps(block.get("input"), ensure_ascii=False)}
    return {"id": block.get("id"), "type": "function", "function": function}


def _completion(
    message: Mapping[str, Any],
    blocks: list[Mapping[str, Any]],
    said: str,
    calls: list[dict[str, Any]],
    usage: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the completion that the flow keeps, with the message itself in it."""
    spoken: dict[str, Any] = {"role": "assistant", "content": said or None}
    if calls:
        spoken["tool_calls"] = calls
    if message.get("container") or any(block.get("type") not in _PLAIN for block in blocks):
        spoken["executed_tools"] = True  # under this name the cache knows that something was looked up
    if any(block.get("citations") for block in blocks):
        spoken["citations"] = True
    finish = text(message.get("stop_reason"))
    choice = {"index": 0, "message": spoken, "finish_reason": _FINISH.get(finish, finish) or None, "logprobs": None}
    return {
        "id": message.get("id"),
        "object": "chat.completion",
        "created": 0,
        "model": message.get("model"),
        "choices": [choice],
        "usage": usage,
        "wire": dict(message),
    }


def _usage(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of a message in openai's names."""
    read = count(said.get("cache_read_input_tokens"))
    parts = (count(said.get("input_tokens")), read, count(said.get("cache_creation_input_tokens")))
    sent = None if parts[0] is None else sum(part or 0 for part in parts)
    written = count(said.get("output_tokens"))
    thought = count(mapping(said.get("output_tokens_details")).get("thinking_tokens"))
    usage: dict[str, Any] = {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": None if sent is None or written is None else sent + written,
        "prompt_tokens_details": {"cached_tokens": read},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    tools = mapping(said.get("server_tool_use"))
    return {**usage, "server_tool_use": dict(tools)} if tools else usage


# --- streamed -----------------------------------------------------------------------------


class MessagesSeen:
    """What has been seen of a stream of events: the message as it stands."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}
        self._ended = False

    def add(self, event: Event) -> bool:
        """Take one event in; the app gets every one."""
        data = event.json()
        if data is None:
            return True
        kind = data.get("type")
        if kind == "content_block_delta":
            block = self._blocks.get(data.get("index", -1))
            if block is not None:
                block.add(mapping(data.get("delta")))
        elif kind == "content_block_start":
            self._blocks[data.get("index", len(self._blocks))] = _Block(mapping(data.get("content_block")))
        elif kind == "message_start":
            self._message = dict(mapping(data.get("message")))
        elif kind == "message_delta":
            self._changed(data)
        self._ended = self._ended or kind == "message_stop"
        return True

    def _changed(self, data: Mapping[str, Any]) -> None:
        usage = {n: value for n, value in mapping(data.get("usage")).items() if value is not None}
        rest = {n: value for n, value in data.items() if n not in ("type", "delta", "usage")}
        before = mapping(self._message.get("usage"))
        self._message |= {**rest, **mapping(data.get("delta")), "usage": {**before, **usage}}

    def reply(self, latency_s: float, *, complete: bool) -> Reply:
        """Return what was seen as a reply; a body only where nothing is missing in it."""
        message = {**self._message, "content": [block.whole() for _, block in sorted(self._blocks.items())]}
        reply = reply_of(message, self._model, latency_s)
        if complete and self._ended and reply.finish_reason:
            return reply
        usage = reply.usage
        # What it counted before it was cut is the beginning. A piece is at least one token of about four characters.
        pieces = sum(block.pieces for block in self._blocks.values())
        characters = sum(block.characters for block in self._blocks.values())
        tokens = max(usage.output_tokens or 0, pieces, characters // 4)
        cut_off: Usage = replace(usage, output_tokens=tokens, estimated=True)
        return replace(reply, usage=cut_off, body=None, complete=False)


_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class _Block:
    """One block of a message, put together from its deltas."""

    def __init__(self, begun: Mapping[str, Any]) -> None:
        self._block = dict(begun)
        self._texts: dict[str, list[str]] = {}
        self.pieces = self.characters = 0

    def add(self, delta: Mapping[str, Any]) -> None:
        kind = text(delta.get("type"))
        if kind == "citations_delta":
            self._block["citations"] = [*listed(self._block.get("citations")), delta.get("citation")]
            return
        name = _TEXTS.get(kind) or ("partial_json" if kind == "input_json_delta" else "")
        more = text(delta.get(name))
        self._texts.setdefault(name, []).append(more)
        if name != "signature":
            self.pieces += 1
            self.characters += len(more)

    def whole(self) -> dict[str, Any]:
        """Return the block as a whole message has it."""
        block = dict(self._block)
        for name, parts in self._texts.items():
            if name == "partial_json":
                block["input"] = _json_of("".join(parts), block.get("input"))
            elif name:
                block[name] = text(block.get(name)) + "".join(parts)
        return block


def _json_of(said: str, otherwise: object) -> object:
    try:
        return json.loads(said) if said else otherwise
    except ValueError:  # cut in the middle
        return otherwise


# --- written ------------------------------------------------------------------------------


def message_from(reply: Reply) -> dict[str, Any]:
    """Return a reply as a message: the one that was kept, under an id of its own, or one made of a completion."""
    body: Mapping[str, Any] = reply.body if reply.body is not None else reply.native.to_dict(mode="json")
    kept = mapping(body.get("wire"))
    if kept:
        return {**kept, "id": f"msg_{uuid.uuid4().hex}"}
    said = mapping(mapping(listed(body.get("choices"))[0]).get("message"))
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text, "citations": None}] if reply.text else []
    blocks += [_use(mapping(call)) for call in listed(said.get("tool_calls"))]
    cached = reply.usage.cached_tokens or 0
    usage = {
        "input_tokens": (reply.usage.input_tokens or 0) - cached,
        "output_tokens": reply.usage.output_tokens or 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
    }
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": blocks,
        "stop_reason": _STOP.get(reply.finish_reason or "", "end_turn"),
        "stop_sequence": None,
        "usage": usage,
    }


def _use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(call.get("function"))
    given = _json_of(text(function.get("arguments")), {})
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


def events_of(message: Mapping[str, Any]) -> Iterator[bytes]:
    """Return a message as the events that a live stream would have brought."""
    usage = dict(mapping(message.get("usage")))
    head = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    yield _event("message_start", message={**head, "usage": {**usage, "output_tokens": min(1, _written(usage))}})
    for index, block in enumerate(listed(message.get("content"))):
        begun, deltas = _pieces(mapping(block))
        yield _event("content_block_start", index=index, content_block=begun)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    ended = {name: message.get(name) for name in ("stop_reason", "stop_sequence")}
    yield _event("message_delta", delta=ended, usage=usage)
    yield _event("message_stop")


def _written(usage: Mapping[str, Any]) -> int:
    return count(usage.get("output_tokens")) or 0


def _pieces(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it begins, and what follows."""
    kind = block.get("type")
    if kind == "tool_use":
        given = json.dumps(block.get("input"), ensure_ascii=False)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": given}]
    if kind not in ("text", "thinking"):
        return dict(block), []
    names = [(delta, name) for delta, name in _TEXTS.items() if isinstance(block.get(name), str)]
    begun = {**block, **dict.fromkeys((name for _, name in names), "")}
    return begun, [{"type": delta, name: part} for delta, name in names for part in _cut(text(block[name]), name)]


def _cut(said: str, name: str) -> Iterator[str]:
    return iter((said,)) if name == "signature" else pieces_of(said)


def _event(kind: str, **data: Any) -> bytes:
    return sse.written({"type": kind, **data}, kind)
