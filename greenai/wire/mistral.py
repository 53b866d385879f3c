"""Mistral's chat completions: openai's, with two differences.

A stream's last chunk has the usage in it, and a field that the API does not know is refused: `stream_options` is one.
Content may be a list, in which a model's thoughts stand beside its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai.values import Draft, Reply, text_of
from greenai.wire import Asked, sse
from greenai.wire.chat import Chat, ChatSeen
from greenai.wire.fields import listed, mapping

__all__ = ["DIALECT"]


class MistralChat(Chat):
    """POST …/v1/chat/completions, as Mistral has it."""

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it."""
        path, sent = super().written(path, body, asked, draft)
        if "stream_options" not in body:
            sent.pop("stream_options", None)
        return path, sent

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a completion."""
        reply = super().reply(body, model, latency_s)
        choices = listed(body.get("choices"))
        content = mapping(mapping(choices[0]).get("message")).get("content") if choices else None
        if not isinstance(content, list):
            return reply
        return replace(reply, text=text_of(content), reasoning_text=_thinks(content))

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:
        """Return a reply as the chunks that a live stream would have brought: the last one has the usage."""
        *parts, last, done = super().events(reply, asked)
        yield from parts
        ended = mapping(json.loads(last.removeprefix(b"data: ")))
        yield sse.written({**ended, "usage": self.body(reply).get("usage")})
        yield done

    def seen(self, model: str, asked: Asked) -> ChatSeen:  # noqa: ARG002  # no chunk is only of the usage
        """Return what takes in the chunks of a stream."""
        return MistralSeen(model, hide_usage=False)


class MistralSeen(ChatSeen):
    """What has been seen of a stream, whose pieces may be lists too."""

    def _take(self, delta: Mapping[str, Any], logprobs: object) -> None:
        content = delta.get("content")
        if not isinstance(content, list):
            super()._take(delta, logprobs)
            return
        # Of lists no whole message is put together: such a stream is counted, and not kept.
        self._whole = False
        super()._take({**delta, "content": text_of(content)}, logprobs)
        if _thinks(content):
            self._reasoned = True
            thought = "".join(text_of(mapping(part).get("thinking")) for part in content)
            self._pieces += 1
            self._characters += len(thought)


def _thinks(content: list[Any]) -> bool:
    return any(mapping(part).get("type") == "thinking" for part in content)


DIALECT = MistralChat()
