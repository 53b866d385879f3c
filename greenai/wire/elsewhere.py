"""A call of another API than chat on a rung that is not the host's: asked in chat's words, and given back in its own.

A stream of such a call is one whole answer, written as the events that its API would have sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai.values import Call, Message, Reply
from greenai.wire.fields import listed, mapping

__all__ = ["AwaitedWhole", "Whole", "in_chat"]

_NOT_CHATS = frozenset(("extra_body", "store", "stream_options", "include", "prompt_cache_key"))
_OF_A_MESSAGE = ("role", "content", "name", "tool_calls", "tool_call_id")
_OF_A_CALL = ("id", "type", "function", "custom")
_PARTS = frozenset(("text", "image_url", "input_audio", "file", "refusal"))


class Whole:
    """What a driver wants of an open stream, and the stream itself: a whole answer as events."""

    response = None

    def __init__(self, reply: Reply, events: Iterator[bytes]) -> None:
        self.tries = reply.tries
        self._events = events

    @property
    def source(self) -> Whole:
        """The stream."""
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            yield event

    def close(self) -> None:
        """Close nothing: the answer is there."""


class AwaitedWhole(Whole):
    """The same, closed on a loop."""

    async def close(self) -> None:  # type: ignore[override]
        """Close nothing: the answer is there."""


def in_chat(call: Call) -> Call:
    """Return a call in chat's own fields, whole: what only the app's API or provider knows is left out."""
    draft = call.draft
    said = [message for given in draft.messages if (message := _message(given)) is not None]
    arguments = {name: value for name, value in draft.arguments.items() if name not in _NOT_CHATS}
    transport = replace(call.transport, extra_headers=None)
    return replace(
        call, draft=replace(draft, messages=tuple(said), arguments=arguments), stream=False, transport=transport
    )


def _message(given: Message) -> dict[str, Any] | None:
    message = {name: given[name] for name in _OF_A_MESSAGE if name in given}
    content = message.get("content")
    if isinstance(content, list):
        message["content"] = [part for part in content if mapping(part).get("type") in _PARTS]
    if "tool_calls" in message:
        message["tool_calls"] = [_call(mapping(call)) for call in listed(message["tool_calls"])]
    return message if message.get("content") or message.get("tool_calls") else None


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in _OF_A_CALL if name in given}
