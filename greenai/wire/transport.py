"""The transport that stands in a host library's HTTP client: model calls pass the flow, all else goes straight on.

It is made for httpx and for httpx2 alike, whichever the host library was built on. What the provider answers reaches
the host library byte for byte; of a stream, only a usage chunk that the app did not ask for is left out.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable
from functools import cache, lru_cache
from importlib import import_module
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from greenai import drivers
from greenai.drivers import StreamEnding
from greenai.errors import GreenAIError
from greenai.values import Answer
from greenai.wire import dialect_of, frames, relay
from greenai.wire.besides import apassed, passed
from greenai.wire.exchange import Exchange, Host, Packet, Refused, opened_exchange
from greenai.wire.relay import Tail, chunk_bytes
from greenai.wire.sending import Native, Opened, Sending
from greenai.wire.slot import Slot, current
from greenai.wire.sse import DONE

if TYPE_CHECKING:
    from greenai.session import Session

__all__ = ["bare", "green", "is_green"]

logger = logging.getLogger("greenai")

_SSE = {"content-type": "text/event-stream; charset=utf-8"}
_FRAMES = {"content-type": frames.MEDIA_TYPE}
_UNSENT = object()
_GENERATED = re.compile(r":(?:streamG|g)enerateContent$|:(?:streamR|r)awPredict$|/invoke(?:-with-response-stream)?$")
_STREAMED = re.compile(r"(?:^|&)alt=\w+")


def green(transport: Any, session: Session, host: Host, *, asynchronous: bool, library: str = "httpx") -> Any:
    """Return a transport that takes model calls through a session's flow, and sends them with `transport`.

    Args:
        transport: the one that sends.
        session: whose settings, cache, budgets and ledger hold.
        host: whose requests pass it.
        asynchronous: which colour it has.
        library: the HTTP library of the client that it is for, `httpx` or `httpx2`.
    """
    made = _library(library)
    return (made.AsyncGreen if asynchronous else made.Green)(transport, session, host)


def is_green(transport: object) -> bool:
    """Say whether a transport is one of these."""
    return getattr(transport, "greenai_inner", None) is not None


def bare(transport: Any) -> Any:
    """Return the transport under this one, or the transport itself."""
    inner = getattr(transport, "greenai_inner", None)
    return transport if inner is None else inner


@cache
def _library(name: str) -> Any:
    """Make the classes over one HTTP library: httpx, or httpx2, whose interface is the same."""
    http = import_module(name)
    sync, awaited = http.SyncByteStream, http.AsyncByteStream
    made = SimpleNamespace(
        http=http,
        Bytes=type("Bytes", (relay.Bytes, sync, awaited), {}),
        Stored=type("Stored", (relay.Stored, sync, awaited), {}),
        Relay=type("Relay", (relay.Relay, sync), {}),
        AsyncRelay=type("AsyncRelay", (relay.AsyncRelay, awaited), {}),
    )
    made.Green = type("Green", (_Green, http.BaseTransport), {"made_over": made})
    made.AsyncGreen = type("AsyncGreen", (_AsyncGreen, http.AsyncBaseTransport), {"made_over": made})
    return made


def _place(url: Any) -> str:
    """Return where a request goes; a whole answer and a stream of it come from the same place."""
    return _placed(url.scheme, url.netloc, url.path, url.query)


@lru_cache(maxsize=1024)
def _placed(scheme: str, server: bytes, path: str, query: bytes) -> str:
    path, told = _GENERATED.sub("", path), _STREAMED.sub("", query.decode("ascii", "replace"))
    return f"{scheme}://{server.decode('ascii', 'replace')}{path}?{told}"


class _Transport:
    """What both colours are: responses made of what came of an exchange."""

    made_over: Any
    """The HTTP library, and the classes that were made over it."""

    def __init__(self, inner: Any, session: Session, host: Host) -> None:
        self.greenai_inner = inner
        self.greenai_session: Session | None = session  # None: it only passes on
        self.greenai_host = host

    def exchange_of(self, request: Any, content: Callable[[], bytes]) -> Exchange | None:
        if self.greenai_session is None:
            return None
        timeout = (request.extensions.get("timeout") or {}).get("read")
        return opened_exchange(
            self.greenai_session,
            self.greenai_host,
            request.method,
            request.url.path,
            content,
            dict(request.headers.items()),  # by names in small letters
            timeout if isinstance(timeout, (int, float)) and timeout > 0 else None,
            _place(request.url),
        )

    def sending(self, request: Any, exchange: Exchange) -> Sending:
        return Sending(self.made_over.http, self.greenai_inner, request, exchange)

    def answered(self, exchange: Exchange, answer: Answer, slot: Slot | None) -> Any:
        if slot is not None:
            slot.fill(answer.receipt)
        if exchange.asked.stream:
            return self.begun(exchange, self.made_over.Stored(exchange.events(answer)))
        native = answer.reply.native
        return self.whole(native) if isinstance(native, Native) else self._made(exchange.given(answer))

    def refused(self, exchange: Exchange, error: GreenAIError, slot: Slot | None) -> Any:
        if slot is not None:
            slot.refuse(error)
        return self._made(exchange.refusal(error))

    def saved(self, exchange: Exchange, sending: Sending, error: Exception, slot: Slot | None) -> Any:
        """Return what the app gets where its call failed: None for the error itself, `_UNSENT` for a call without us.

        A failure of greenai's own must cost nobody the call, nor an answer that is there already.
        """
        if sending.native is not None:
            logger.warning("A call could not be settled; its answer is delivered.", exc_info=error)
            return self.whole(sending.native)
        if isinstance(error, GreenAIError):
            return self.refused(exchange, error, slot)
        if sending.begun:
            return None
        logger.warning("A call could not be taken through greenai; it is sent as it is.", exc_info=error)
        return _UNSENT

    def whole(self, native: Native) -> Any:
        stream = self.made_over.Bytes(native.content)
        return self._response(native.status, headers=native.headers, stream=stream, extensions=native.extensions)

    def begun(self, exchange: Exchange, stream: Any) -> Any:
        return self._response(200, headers=_FRAMES if exchange.asked.framed else _SSE, stream=stream)

    def live(self, exchange: Exchange, opened: Any, relayed: Any) -> Any:
        if not isinstance(opened, Opened):
            return self.begun(exchange, relayed)
        gone = (b"content-encoding", b"content-length")  # it is relayed unpacked, and a usage chunk may be left out
        came = opened.response
        headers = [(name, value) for name, value in came.headers.raw if name.lower() not in gone]
        return self._response(came.status_code, headers=headers, stream=relayed, extensions=came.extensions)

    def _made(self, packet: Packet) -> Any:
        stream = self.made_over.Bytes(packet.content)
        return self._response(packet.status, headers=dict(packet.headers), stream=stream)

    def _response(self, *args: Any, **kwargs: Any) -> Any:
        return self.made_over.http.Response(*args, **kwargs)


async def _chunks(exchange: Exchange, source: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for chunk in source:
        yield chunk_bytes(chunk)
    if exchange.speaks_chat:
        yield DONE


class _Green(_Transport):
    def handle_request(self, request: Any) -> Any:
        exchange = self.exchange_of(request, request.read)
        if exchange is None:
            return passed(self, request)
        slot, sending = current(), self.sending(request, exchange)
        try:
            return self._exchanged(exchange, sending, slot)
        except Refused as error:
            return self.whole(error.response)
        except Exception as error:
            saved = self.saved(exchange, sending, error, slot)
            if saved is None:
                raise
            return self.greenai_inner.handle_request(request) if saved is _UNSENT else saved

    def _exchanged(self, exchange: Exchange, sending: Sending, slot: Slot | None) -> Any:
        flow = exchange.flow()
        if not exchange.asked.stream:
            return self.answered(exchange, drivers.run(flow, sending), slot)
        opened = drivers.open_stream(flow, sending)
        if isinstance(opened, Answer):
            return self.answered(exchange, opened, slot)
        tail = Tail(exchange, opened, StreamEnding(opened), slot)
        source = opened.opened.source
        ended = (DONE,) if exchange.speaks_chat else ()  # which whoever reads the chunks has taken out
        parts = source.iter_bytes() if isinstance(opened.opened, Opened) else chain(map(chunk_bytes, source), ended)
        return self.live(exchange, opened.opened, self.made_over.Relay(tail, parts, source.close))

    def close(self) -> None:
        self.greenai_inner.close()


class _AsyncGreen(_Transport):
    _told = False

    def is_driven(self) -> bool:
        """Say whether asyncio runs here, which drives the flow; on another library's loop calls pass as they are."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if not self._told:
                self._told = True
                logger.warning(
                    "greenai takes awaited calls on asyncio's loop only; on this one they are sent as they are."
                )
            return False
        return True

    async def handle_async_request(self, request: Any) -> Any:
        if dialect_of(request.method, request.url.path) is None:  # an upload is one, and stays a stream
            return await apassed(self, request)
        if not self.is_driven():
            return await self.greenai_inner.handle_async_request(request)
        content = await request.aread()
        exchange = self.exchange_of(request, lambda: content)
        if exchange is None:
            return await self.greenai_inner.handle_async_request(request)
        slot, sending = current(), self.sending(request, exchange)
        try:
            return await self._exchanged(exchange, sending, slot)
        except Refused as error:
            return self.whole(error.response)
        except Exception as error:
            saved = self.saved(exchange, sending, error, slot)
            if saved is None:
                raise
            return await self.greenai_inner.handle_async_request(request) if saved is _UNSENT else saved

    async def _exchanged(self, exchange: Exchange, sending: Sending, slot: Slot | None) -> Any:
        flow = exchange.flow()
        driver = drivers.AsyncDriver(sending, exchange.session.resources.threads)
        if not exchange.asked.stream:
            return self.answered(exchange, await driver.run(flow), slot)
        opened = await driver.open_stream(flow)
        if isinstance(opened, Answer):
            return self.answered(exchange, opened, slot)
        tail = Tail(exchange, opened, StreamEnding(opened, driver), slot)
        source = opened.opened.source
        if isinstance(opened.opened, Opened):
            return self.live(
                exchange, opened.opened, self.made_over.AsyncRelay(tail, source.aiter_bytes(), source.aclose)
            )
        return self.live(
            exchange, opened.opened, self.made_over.AsyncRelay(tail, _chunks(exchange, source), source.close)
        )

    async def aclose(self) -> None:
        await self.greenai_inner.aclose()
