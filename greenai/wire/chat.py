"""openai's chat completions, as every compatible server speaks them. Nothing of the openai package is needed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from greenai._params import KNOWN
from greenai.deltas import Record, cut, message_of, split
from greenai.reported import energy_j
from greenai.thoughts import thinks
from greenai.values import Draft, Reply, Usage
from greenai.wire import Asked, sse
from greenai.wire.fields import listed, mapping, text, usage_of
from greenai.wire.sse import Event

__all__ = ["DIALECT"]

_OWN = ("model", "messages", "stream")


class Chat:
    """POST …/chat/completions."""

    name = "chat"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:  # noqa: ARG002  # other APIs name the model there
        """Read a request's JSON."""
        known = {key: value for key, value in body.items() if key in KNOWN and key not in _OWN}
        extra = {key: value for key, value in body.items() if key not in KNOWN and key not in _OWN}
        model = body.get("model")
        return Asked(
            model=model if isinstance(model, str) else None,
            messages=[dict(mapping(message)) for message in listed(body.get("messages"))],
            arguments={**known, **({"extra_body": extra} if extra else {})},
            stream=body.get("stream") is True,
        )

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it."""
        arguments = {**draft.arguments}
        extra = {**mapping(arguments.pop("extra_body", None)), **draft.extra}
        messages = list(draft.messages)
        same = messages == asked.messages  # also where one of them is no message
        sent = {"model": draft.rung.name, "messages": body["messages"] if same else messages, **arguments, **extra}
        if body.get("model") is None:  # a deployment is named by its path
            sent.pop("model")
        if "stream" in body:
            sent["stream"] = body["stream"]
        if asked.stream:
            sent["stream_options"] = {**mapping(body.get("stream_options")), "include_usage": True}
        return path, sent

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a completion."""
        choices = listed(body.get("choices"))
        choice = mapping(choices[0]) if choices else {}
        message = mapping(choice.get("message"))
        said, thought = text(message.get("content")), reasoning_in(message)
        return Reply(
            model=text(body.get("model")) or model,
            text=said,
            finish_reason=text(choice.get("finish_reason")) or None,
            usage=_with_thought(usage_of(body.get("usage")), said, thought),
            latency_s=latency_s,
            body=body,
            tool_calls=bool(message.get("tool_calls") or message.get("function_call")),
            reasoning_text=bool(thought) or thinks(said),
            reported_energy_j=energy_j(body),
            service_tier=text(body.get("service_tier")) or None,
        )

    def seen(self, model: str, asked: Asked) -> ChatSeen:
        """Return what takes in the chunks of a stream."""
        wanted = mapping(asked.arguments.get("stream_options")).get("include_usage")
        return ChatSeen(model, hide_usage=not wanted)

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return a reply's completion as JSON."""
        body: dict[str, Any] = dict(reply.body) if reply.body is not None else reply.native.to_dict(mode="json")
        body.pop("greenai", None)
        return body

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:
        """Return a reply as the chunks that a live stream would have brought."""
        body = self.body(reply)
        choice = body["choices"][0]
        head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
        head["object"] = "chat.completion.chunk"

        def chunk(delta: object, logprobs: object = None, finish: str | None = None) -> bytes:
            part = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
            return sse.written({**head, "choices": [part]})

        for piece in split(reply.deltas or cut(choice["message"], choice.get("logprobs"))):
            yield chunk(piece["delta"], piece.get("logprobs"))
        yield chunk({}, finish=reply.finish_reason or "stop")
        wanted = mapping(asked.arguments.get("stream_options")).get("include_usage")
        if wanted and body.get("usage") is not None:
            yield sse.written({**head, "choices": [], "usage": body["usage"]})
        yield sse.DONE

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return an error's JSON."""
        return {"error": {"message": message, "type": code, "param": None, "code": code}}


class ChatSeen:
    """What has been seen of a stream of chunks: enough to settle it, and to store it where nothing is missing."""

    def __init__(self, model: str, *, hide_usage: bool) -> None:
        self._model = model
        self._hide_usage = hide_usage
        self._head: dict[str, Any] = {}
        self._parts: list[str] = []
        self._record = Record()
        self._finish: str | None = None
        self._usage: object = None
        self._pieces = self._characters = 0
        self._whole = True
        self._calls = self._reasoned = False
        self._energy_j: float | None = None

    def add(self, event: Event) -> bool:
        """Take one chunk in; hide the one that only carries the usage, where the app did not ask for it."""
        chunk = event.json()
        if chunk is None:
            return True
        choices, usage = listed(chunk.get("choices")), chunk.get("usage")
        self._energy_j = self._energy_j or energy_j(chunk)
        self._usage = usage or self._usage
        if not choices:
            return not (usage and self._hide_usage)
        if not self._head:
            self._head = {key: value for key, value in chunk.items() if key not in ("choices", "usage")}
        choice = mapping(choices[0])
        if choice.get("index") or len(choices) > 1:
            self._whole = False
        self._take(mapping(choice.get("delta")), choice.get("logprobs"))
        self._finish = text(choice.get("finish_reason")) or self._finish
        return True

    def _take(self, delta: Mapping[str, Any], logprobs: object) -> None:
        said, thought = text(delta.get("content")), reasoning_in(delta)
        if said:
            self._parts.append(said)
        if said or thought:
            self._pieces += 1
            self._characters += len(said) + len(thought)
        self._reasoned = self._reasoned or bool(thought)
        self._calls = self._calls or bool(delta.get("tool_calls") or delta.get("function_call"))
        if logprobs is None and len(delta) == 1 and "content" in delta and said:
            self._record.text(said)  # nearly every chunk of a stream
        else:
            self._record.add(delta, logprobs)

    def reply(self, latency_s: float, *, complete: bool) -> Reply:
        """Return what was seen as a reply; a body only where nothing is missing in it, the usage included."""
        said, usage = "".join(self._parts), usage_of(self._usage)
        ended = complete and self._finish is not None
        whole = ended and self._whole and bool(self._usage)
        if usage.output_tokens is None:
            # A cut stream has no usage. A chunk is at least one token, and a token about four characters.
            tokens = max(self._pieces, self._characters // 4)
            usage = Usage(input_tokens=usage.input_tokens, output_tokens=tokens, estimated=True)
        return Reply(
            model=text(self._head.get("model")) or self._model,
            text=said,
            finish_reason=self._finish,
            usage=usage,
            latency_s=latency_s,
            body=self._body() if whole else None,
            deltas=tuple(self._record.pieces()) if whole else (),
            tool_calls=self._calls,
            reasoning_text=self._reasoned or thinks(said),
            reported_energy_j=self._energy_j,
            complete=ended,
            service_tier=text(self._head.get("service_tier")) or None,
        )

    def _body(self) -> dict[str, Any]:
        message, logprobs = message_of(self._record.pieces())
        choice = {"index": 0, "message": message, "finish_reason": self._finish, "logprobs": logprobs}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}


def reasoning_in(message: Mapping[str, Any]) -> str:
    """Return the reasoning in a message or a piece of one: servers disagree on its name."""
    return text(message.get("reasoning_content")) or text(message.get("reasoning"))


def _with_thought(usage: Usage, said: str, thought: str) -> Usage:
    """Count the reasoning beside an answer, at four characters per token, where a server counted nothing."""
    if not thought or usage.output_tokens:
        return usage
    return replace(usage, output_tokens=-(-(len(said) + len(thought)) // 4), estimated=True)


DIALECT = Chat()
