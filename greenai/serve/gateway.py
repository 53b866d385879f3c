"""One call of the gateway, top to bottom: who calls, is there room, what is asked, the flow, what goes back.

A caller that goes away cancels the call upstream, which settles at what was seen. A stream that broke in the middle
ends with an event that says so, and without its last line.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from greenai.drivers import AsyncDriver, Live, StreamEnding
from greenai.serve import errors, receipts
from greenai.serve.asgi import Headers, Receive, Scope, Send, Writer, address, content_of, gone, headers_of
from greenai.serve.asking import Asking, opened
from greenai.serve.errors import Refusal
from greenai.serve.gate import Busy, Gate
from greenai.serve.keys import Unknown
from greenai.settings import duration_s
from greenai.values import Answer
from greenai.wire import sse
from greenai.wire.exchange import Host, Packet, Refused
from greenai.wire.relay import AsyncRelay, Tail, chunk_bytes
from greenai.wire.sending import Native, Opened
from greenai.wire.slot import Slot

if TYPE_CHECKING:
    from greenai.serve.keys import Keys
    from greenai.serve.upstream import Upstream
    from greenai.session import Session

__all__ = ["Gateway"]

_IN_BODY = "body"
_GONE = 499
_LOOK_AFTER_S = 0.1
"""From when on it is looked whether the caller is still there: cutting a shorter call off could save nothing."""
_PASSED = ("openai-", "x-ratelimit-", "retry-after", "x-should-retry", "content-encoding")
_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class Gateway:
    """The ASGI app of calls.

    Args:
        session: whose settings, cache, budgets and ledger hold.
        keys: who may call.
        upstream: the connections to providers.
    """

    def __init__(self, session: Session, keys: Keys, upstream: Upstream) -> None:
        table = session.resources.settings.serve
        self.session = session
        self.keys = keys
        self.gate = Gate(table.at_once, table.waiting, duration_s(table.longest_wait))
        self._upstream = upstream
        self._host = Host(provider="openai", base_url=session.config.endpoint)
        self._most_bytes = table.body_bytes
        self._request_s = duration_s(table.slowest_request)
        self._reader_s = duration_s(table.slowest_reader)
        self._pass_keys = table.pass_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        writer, headers = Writer(send, self._reader_s), headers_of(scope)
        try:
            caller = self.keys.caller(headers, address(scope))
            async with self.gate.entered():
                content = await content_of(receive, headers, self._most_bytes, self._request_s)
                asking = opened(
                    self.session, self._host, scope["path"], content, headers, caller, pass_keys=self._pass_keys
                )
                in_body = headers.get(receipts.HEADER) == _IN_BODY
                await _unless_gone(_Turn(asking, self._upstream, writer, in_body=in_body).answered(), writer, receive)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller is told
            await _told(error, writer)


async def _unless_gone(answered: Awaitable[None], writer: Writer, receive: Receive) -> None:
    """Answer, and stop where the caller goes away."""
    watch = _Watch(writer, receive)
    later = asyncio.get_running_loop().call_later(_LOOK_AFTER_S, watch.begin)
    try:
        await answered
    except asyncio.CancelledError:
        if not watch.left:
            raise
        watch.task.uncancel()
    finally:
        later.cancel()
        watch.end()


class _Watch:
    """Cancels the present task where the caller goes away before its answer is whole."""

    def __init__(self, writer: Writer, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # for the type checkers: a coroutine made this
        self.task = task
        self.left = False
        self._writer = writer
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._watching = asyncio.ensure_future(gone(self._receive))
        self._watching.add_done_callback(self._leave)

    def end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def _leave(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and not self._writer.ended:
            self.left = True
            self.task.cancel()


async def _told(error: Exception, writer: Writer) -> None:
    """Tell the caller of an error: as a response, or in a stream as its last event."""
    if isinstance(error, Refusal) and error.status == _GONE:
        return
    if isinstance(error, TimeoutError) and writer.slow:
        raise error  # a reader that takes nothing: its connection is cut
    if isinstance(error, Unknown):
        answer = errors.packet(401, "invalid_api_key", str(error), {"www-authenticate": "Bearer"})
    elif isinstance(error, Busy):
        answer = errors.packet(429, "too_many_requests", str(error), {"retry-after": "1"})
    elif isinstance(error, Refused):
        native: Native = error.response
        answer = Packet(status=native.status, headers=_kept(native.headers), content=native.content)
    else:
        answer = errors.of(error)
    if not writer.begun:
        number = answer.headers.get("x-request-id") or f"req_{uuid.uuid4().hex}"
        await writer.whole(answer, ((b"x-request-id", number.encode("latin-1")),))
    elif not writer.ended:
        await writer.part(b"data: " + answer.content + b"\n\n", more=False)


class _Turn:
    """One request that is answered."""

    def __init__(self, asking: Asking, upstream: Upstream, writer: Writer, *, in_body: bool) -> None:
        self._asking = asking
        self._writer = writer
        self._in_body = in_body
        self._sending = upstream.sending(asking)
        self._driver = AsyncDriver(self._sending, asking.session.resources.threads)

    async def answered(self) -> None:
        left_s = self._asking.request.deadline - time.monotonic()
        async with asyncio.timeout(None if math.isinf(left_s) else max(left_s, 0.0)):
            flow = self._asking.flow()
            if not self._asking.asked.stream:
                await self._whole(await self._driver.run(flow))
                return
            begun = await self._driver.open_stream(flow)
            if isinstance(begun, Answer):
                await self._stored(begun)
            else:
                await self._live(begun)

    async def _whole(self, answer: Answer) -> None:
        data, native = receipts.told(answer.receipt), answer.reply.native
        if isinstance(native, Native):
            packet = Packet(status=native.status, headers=_kept(native.headers), content=native.content)
        else:
            packet = self._asking.given(answer)
        plain = "content-encoding" not in packet.headers
        content = receipts.extended(packet.content, data) if plain else packet.content
        await self._writer.whole(packet, (receipts.header(data), _number(packet.headers, data)), content)

    async def _stored(self, answer: Answer) -> None:
        data = receipts.told(answer.receipt)
        await self._writer.begin(200, _SSE.items(), (receipts.header(data), _number({}, data)))
        parts = list(self._asking.events(answer))
        await self._writer.part(b"".join(self._closed(parts, data, answer.receipt.model)), more=False)

    def _closed(self, parts: list[bytes], data: dict[str, Any], model: str | None) -> list[bytes]:
        """Return the events of a stream with the one that brings the receipt, where it was asked for."""
        if not self._in_body:
            return parts
        last = [parts.pop()] if parts and parts[-1] == sse.DONE else []
        return [*parts, receipts.event(data, self._asking.dialect.name, model or ""), *last]

    async def _live(self, live: Live) -> None:
        slot, opened = Slot(), live.opened
        relay = AsyncRelay(
            Tail(self._asking, live, StreamEnding(live, self._driver), slot), *_source(opened, self._asking)
        )
        came: Mapping[str, str] = opened.response.headers if isinstance(opened, Opened) else {}
        data = receipts.begun(live)
        try:
            head = {**_SSE, **_kept(came)}
            head.pop("content-encoding", None)
            await self._writer.begin(200, head.items(), (receipts.header(data), _number(head, data)))
            held = await self._relayed(relay)
            if self._in_body and slot.receipt is not None:
                told = receipts.told(slot.receipt)
                held = receipts.event(told, self._asking.dialect.name, slot.receipt.model or "") + held
            await self._writer.part(held, more=False)
        finally:
            await relay.aclose()

    async def _relayed(self, relay: AsyncRelay) -> bytes:
        """Hand a stream's bytes on, and return its last line where something is to go before that."""
        held = b""
        events: Any = aiter(relay)  # an asynchronous generator, though its class cannot say so
        async with aclosing(events) as parts:
            async for came in parts:
                part = came
                if self._in_body and part.endswith(sse.DONE):
                    part, held = part.removesuffix(sse.DONE), sse.DONE
                if part:
                    await self._writer.part(part)
        return held


def _source(opened: Any, asking: Asking) -> tuple[AsyncIterator[bytes], Any]:
    source = opened.source
    if isinstance(opened, Opened):
        return source.aiter_bytes(), source.aclose
    return _events(source, done=asking.dialect.name == "chat"), source.close


async def _events(source: Any, *, done: bool) -> AsyncIterator[bytes]:
    async for chunk in source:
        yield chunk_bytes(chunk)
    if done:
        yield sse.DONE


def _kept(headers: Mapping[str, str]) -> Headers:
    """Return those of a provider's headers that mean something to the caller."""
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in ("content-type", "x-request-id") or name.lower().startswith(_PASSED)
    }


def _number(headers: Mapping[str, str], data: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the number of a request: the provider's, which is among its headers already, or the call's."""
    if "x-request-id" in headers:
        return b"x-greenai-call-id", str(data["call_id"]).encode()
    return b"x-request-id", str(data["call_id"]).encode()
