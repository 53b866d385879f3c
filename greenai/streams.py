"""openai's streams: relayed chunk by chunk and settled once at their end, or replayed from a stored answer.

What an app gets back is openai's own `Stream` or `AsyncStream` of its own `ChatCompletionChunk`s, with one attribute
more: `greenai`, the receipt. Like shapes.py, this module imports openai.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from openai import AsyncStream, Stream
from openai.types import CompletionUsage

from greenai.background import background
from greenai.deltas import Piece, Record, cut, message_of, split
from greenai.reported import energy_j
from greenai.shapes import (
    ChatCompletionChunk,
    chunk_from,
    http_library,
    no_request,
    read_usage,
    reasoning_of,
    tier_of,
)
from greenai.thoughts import thinks
from greenai.values import Call, Receipt, Reply, Usage

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "EnergyComments",
    "GreenAsyncStream",
    "GreenStream",
    "Seen",
    "areplayed",
    "listening",
    "relay",
    "replay",
    "replayed",
]


# --- what a stream has said ---------------------------------------------------------------

_CONTENT = {"content"}


class Seen:
    """What has been relayed of one stream so far: enough to settle it, and to store it where it is `whole`."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.id = ""
        self.created = 0
        self.parts: list[str] = []
        self.more: dict[str, Any] = {}  # what a chunk says beside its choices
        self.record = Record()
        self.finish_reason: str | None = None
        self.usage: Any = None
        self.pieces = 0  # chunks of text or of reasoning
        self.characters = 0
        self.whole = True  # one choice, and nothing in it that cannot be put together
        self.tool_calls = False
        self.reasoning = False
        self.energy_j: float | None = None
        self.service_tier: str | None = None

    def add(self, chunk: ChatCompletionChunk) -> bool:
        """Take one chunk in, whatever a server put in it; return True where it only carries the usage."""
        usage, choices = getattr(chunk, "usage", None), getattr(chunk, "choices", None)
        self.service_tier = self.service_tier or tier_of(chunk)
        if usage is not None:
            self.usage = usage
            self.energy_j = self.energy_j or energy_j(chunk)
        if not choices or not isinstance(choices, list):
            self.energy_j = self.energy_j or energy_j(chunk)
            return usage is not None
        if not self.id:
            self.id, self.created, self.model = chunk.id, chunk.created, chunk.model or self.model
            self.more["system_fingerprint"] = getattr(chunk, "system_fingerprint", None)
        if getattr(chunk, "model_extra", None):
            self.more |= chunk.model_extra or {}
        choice = choices[0]
        if getattr(choice, "index", 0) or len(choices) > 1:
            self.whole = False
        self._add_delta(getattr(choice, "delta", None), getattr(choice, "logprobs", None))
        finish_reason = getattr(choice, "finish_reason", None)
        if finish_reason is not None:
            self.finish_reason = finish_reason
        return False

    def _add_delta(self, delta: Any, logprobs: Any) -> None:
        text = getattr(delta, "content", None)
        if isinstance(text, str):
            if text:
                self.parts.append(text)
                self._count_piece(text)
        elif text is not None:
            self.whole = False
        if logprobs is None and isinstance(text, str) and getattr(delta, "model_fields_set", None) == _CONTENT:
            self.record.text(text)  # nearly every chunk of a stream
            return
        self._record(delta, logprobs)
        if getattr(delta, "tool_calls", None) or getattr(delta, "function_call", None):
            self.tool_calls = True
        if getattr(delta, "model_extra", None) and reasoning_of(delta):
            self.reasoning = True
            self._count_piece(reasoning_of(delta))

    def _record(self, delta: Any, logprobs: Any) -> None:
        try:
            self.record.add(
                {} if delta is None else delta.to_dict(mode="json", warnings=False),
                None if logprobs is None else logprobs.to_dict(mode="json", warnings=False),
            )
        except (AttributeError, TypeError, ValueError):  # a server's own idea of a chunk
            self.whole = False

    def _count_piece(self, text: str) -> None:
        self.pieces += 1
        self.characters += len(text)

    def reply(self, latency_s: float, *, complete: bool) -> Reply:
        """Return what was seen as a reply; a body only where nothing is missing in it, the usage included."""
        text = "".join(self.parts)
        counted = isinstance(self.usage, CompletionUsage)
        body, deltas = self._whole() if complete and self.whole and self.finish_reason and counted else (None, ())
        usage = read_usage(self.usage)
        if usage.output_tokens is None:
            # A cut stream has no usage. A chunk is at least one token, and a token about four characters: the larger
            # of the two counts is taken, and marked as estimated.
            tokens = max(self.pieces, self.characters // 4)
            usage = Usage(input_tokens=usage.input_tokens, output_tokens=tokens, estimated=True)
        return Reply(
            model=self.model,
            text=text,
            finish_reason=self.finish_reason,
            usage=usage,
            latency_s=latency_s,
            body=body,
            deltas=deltas,
            tool_calls=self.tool_calls,
            reasoning_text=self.reasoning or thinks(text),
            reported_energy_j=self.energy_j,
            complete=complete,
            service_tier=self.service_tier,
        )

    def _whole(self) -> tuple[dict[str, Any] | None, tuple[Piece, ...]]:
        try:
            return self._put_together()
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):  # nothing that could be stored
            return None, ()

    def _put_together(self) -> tuple[dict[str, Any], tuple[Piece, ...]]:
        """Return the whole completion, and what its stream brought where it cannot be told from that."""
        pieces = self.record.pieces()
        message, logprobs = message_of(pieces)
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": logprobs}
        body = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": self.usage.to_dict(mode="json", warnings=False),
            **({"service_tier": self.service_tier} if self.service_tier else {}),
            **{name: value for name, value in self.more.items() if value is not None and name != "energy"},
        }
        return body, () if pieces == cut(message, logprobs) else tuple(pieces)


# In a stream Neuralwatt sends its object `energy` as a comment before the last line, `: energy {...}`, which openai
# drops: its decoder is replaced by one that listens. That class is openai's own business, so without it streams are as
# before.
_COMMENT = ": energy "
_Decoder: Any = getattr(sys.modules.get("openai._streaming"), "SSEDecoder", object)


class EnergyComments(_Decoder):  # type: ignore[misc]  # the base is only known at run time
    """openai's decoder of server-sent events, which keeps the energy that a comment reports."""

    energy_j: float | None = None

    def decode(self, line: str) -> Any:
        """Decode one line."""
        if line.startswith(_COMMENT):
            with suppress(ValueError, RecursionError):
                self.energy_j = energy_j(json.loads(line.removeprefix(_COMMENT)))
        return super().decode(line)


def listening(source: Any) -> EnergyComments | None:
    """Have a stream of openai's that has not begun listen for such comments; None where the source is another."""
    if _Decoder is object or type(getattr(source, "_decoder", None)) is not _Decoder:
        return None
    source._decoder = heard = EnergyComments()  # noqa: SLF001 (see above)
    return heard


# --- live streams -------------------------------------------------------------------------


class Source(Protocol):
    """Where a synchronous stream's chunks come from: a provider's stream or the replay of a stored answer."""

    def __next__(self) -> ChatCompletionChunk: ...
    def close(self) -> None: ...


class AsyncSource(Protocol):
    """The same, awaited."""

    async def __anext__(self) -> ChatCompletionChunk: ...
    async def close(self) -> None: ...


class Ending(Protocol):
    """What a stream calls once when it ends: it settles the call and returns the receipt."""

    def finish(self, reply: Reply) -> Receipt: ...
    async def afinish(self, reply: Reply) -> Receipt: ...
    def abandon(self, reply: Reply) -> None: ...


# A stream that runs longer than this renews its hold, so that it never expires under a live call.
RENEW_EVERY_S = 30.0


class _Relay:
    """What the two stream classes share. It never refers to the stream, so that dropping that frees it at once."""

    def __init__(self, seen: Seen, ending: Ending | None, elapsed: Callable[[], float], call: Call | None) -> None:
        self.seen = seen
        self.ending = ending
        self.elapsed = elapsed
        self.hide_usage = call is not None and call.hide_usage_chunk
        self._renew = call.renew if call is not None else None
        self._renew_at = RENEW_EVERY_S
        self.ended = False
        self.close: Callable[[], object] | None = None
        self.heard: EnergyComments | None = None
        self._pid = os.getpid()

    def abandon(self) -> None:
        """Queue closing and settling, and take no lock: a finalizer may run inside httpcore's or the ledger's own."""
        # One that has ended looks no further: it may be freed last, at the interpreter's exit, when modules are gone.
        if self.ended or self._pid != os.getpid():
            return  # a forked child dropped its copy: the call is its parent's
        close, ending = self.close, self.take()
        if ending is not None:
            if close is not None:
                background.put(
                    close
                )  # apart from the settlement, which a close that raises must not keep from happening
            ending.abandon(self.reply(complete=self.seen.finish_reason is not None))

    def relayed(self, chunk: ChatCompletionChunk) -> bool:
        """Count a chunk, renew the hold of a long stream, and say whether the app gets to see the chunk."""
        only_usage = self.seen.add(chunk)
        if self._renew is not None and (elapsed := self.elapsed()) > self._renew_at:
            background.put(self._renew)  # it writes to the ledger, and an event loop may be waiting here
            self._renew_at = elapsed + RENEW_EVERY_S
        return not (only_usage and self.hide_usage)

    def take(self) -> Ending | None:
        """Return the ending the first time, None afterwards."""
        ending, self.ending, self.ended = self.ending, None, True
        _open.discard(self)
        return ending

    def reply(self, *, complete: bool) -> Reply:
        if self.heard is not None:
            self.seen.energy_j = self.seen.energy_j or self.heard.energy_j
        return self.seen.reply(self.elapsed(), complete=complete)


_open: set[_Relay] = set()  # what runs; it also keeps a source alive until the settler closes it


def _end_left_open() -> None:
    for left in _open.copy():
        left.abandon()


atexit.register(_end_left_open)  # before the background is drained, whose hook was registered before this one


class GreenStream(Stream[ChatCompletionChunk]):
    """openai's `Stream`, relayed: same chunks, same context manager, same `close`.

    `greenai` is None while the stream runs, and the receipt once it is exhausted or closed.
    """

    greenai: Receipt | None

    def __init__(self, source: Source, relay: _Relay, response: Any) -> None:
        # openai's own __init__ wants a client and a live HTTP response; a stored answer has neither.
        self._source = source
        self._relay = relay
        self.response = response
        self.greenai = None
        relay.heard = getattr(source, "heard", None)
        if relay.ending is not None:
            relay.close = source.close
            _open.add(relay)

    def __next__(self) -> ChatCompletionChunk:
        relay = self._relay
        while not relay.ended:
            try:
                chunk = self._source.__next__()
            except StopIteration:
                self._end(complete=relay.seen.finish_reason is not None)
                break
            except BaseException:
                self._end(complete=False)
                raise
            if relay.relayed(chunk):
                return chunk
        raise StopIteration

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and settle the call at what was seen."""
        try:
            self._source.close()
        finally:
            self._end(complete=self._relay.seen.finish_reason is not None)

    def _end(self, *, complete: bool) -> None:
        ending = self._relay.take()
        if ending is not None:
            self.greenai = ending.finish(self._relay.reply(complete=complete))

    def __del__(self) -> None:
        relay: _Relay | None = getattr(self, "_relay", None)
        if relay is not None:
            relay.abandon()


class GreenAsyncStream(AsyncStream[ChatCompletionChunk]):
    """openai's `AsyncStream`, relayed; see `GreenStream`."""

    greenai: Receipt | None

    def __init__(self, source: AsyncSource, relay: _Relay, response: Any) -> None:
        self._source = source
        self._relay = relay
        self.response = response
        self.greenai = None
        relay.heard = getattr(source, "heard", None)
        if relay.ending is not None:
            _open.add(relay)

    async def __anext__(self) -> ChatCompletionChunk:
        relay = self._relay
        while not relay.ended:
            try:
                chunk = await self._source.__anext__()
            except StopAsyncIteration:
                await self._end(complete=relay.seen.finish_reason is not None)
                break
            except GeneratorExit:
                self.__del__()  # the coroutine is closed from outside: nothing may be awaited any more
                raise
            except BaseException:
                await self._end(complete=False)
                raise
            if relay.relayed(chunk):
                return chunk
        raise StopAsyncIteration

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and settle the call at what was seen."""
        try:
            await self._source.close()
        finally:
            await self._end(complete=self._relay.seen.finish_reason is not None)

    async def _end(self, *, complete: bool) -> None:
        ending = self._relay.take()
        if ending is not None:
            self.greenai = await ending.afinish(self._relay.reply(complete=complete))

    def __del__(self) -> None:
        relay: _Relay | None = getattr(self, "_relay", None)
        if relay is not None:
            relay.abandon()


def relay(seen: Seen, ending: Ending, elapsed: Callable[[], float], call: Call) -> _Relay:
    """Return what a stream needs to count what it relays and to settle once."""
    return _Relay(seen, ending, elapsed, call)


# --- stored answers -----------------------------------------------------------------------


class _Replay:
    """A stored answer as a stream's source, in both colours."""

    def __init__(self, chunks: list[ChatCompletionChunk]) -> None:
        self._chunks = iter(chunks)

    def __next__(self) -> ChatCompletionChunk:
        return next(self._chunks)

    async def __anext__(self) -> ChatCompletionChunk:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    def close(self) -> None:
        self._chunks = iter(())


class _AsyncReplay(_Replay):
    async def close(self) -> None:  # type: ignore[override]  # the asynchronous colour of the same source
        super().close()


def replay(reply: Reply, *, with_usage: bool) -> list[ChatCompletionChunk]:
    """Cut a whole answer into the chunks that a live stream would have brought: role, words, finish, usage."""
    body = reply.body or {}
    choice = body["choices"][0]
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"

    def chunk(delta: Any, logprobs: Any = None, finish: str | None = None) -> ChatCompletionChunk:
        part = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return chunk_from({**head, "choices": [part]})

    pieces = split(reply.deltas or cut(choice["message"], choice.get("logprobs")))
    chunks = [chunk(piece["delta"], piece.get("logprobs")) for piece in pieces]
    chunks.append(chunk({}, finish=reply.finish_reason or "stop"))
    if with_usage and body.get("usage") is not None:
        chunks.append(chunk_from({**head, "choices": [], "usage": body["usage"]}))
    return chunks


def replayed(reply: Reply, receipt: Receipt, *, with_usage: bool) -> GreenStream:
    """Return a stored or calculated answer as a synchronous stream that already has its receipt."""
    done = _Relay(Seen(reply.model), None, lambda: 0.0, None)
    stream = GreenStream(_Replay(replay(reply, with_usage=with_usage)), done, _replay_response())
    stream.greenai = receipt
    return stream


def areplayed(reply: Reply, receipt: Receipt, *, with_usage: bool) -> GreenAsyncStream:
    """Return a stored or calculated answer as an asynchronous stream that already has its receipt."""
    done = _Relay(Seen(reply.model), None, lambda: 0.0, None)
    stream = GreenAsyncStream(_AsyncReplay(replay(reply, with_usage=with_usage)), done, _replay_response())
    stream.greenai = receipt
    return stream


def _replay_response() -> Any:
    http = http_library()
    return http.Response(200, request=no_request(), headers={"content-type": "text/event-stream"})
