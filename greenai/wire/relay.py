"""Live and stored streams of events, relayed by a transport: byte for byte, and settled once at their end.

The classes here lack their base: `transport` adds httpx's or httpx2's, which differ in nothing but their names.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from greenai import hooks
from greenai.background import background
from greenai.drivers import Live, StreamEnding, quietly
from greenai.values import Receipt, Reply
from greenai.wire.exchange import Exchange
from greenai.wire.frames import Frames
from greenai.wire.slot import Slot
from greenai.wire.sse import Event, Splitter, written

__all__ = ["AsyncRelay", "Bytes", "Relay", "Stored", "Tail", "chunk_bytes"]

logger = logging.getLogger("greenai")

_RENEW_EVERY_S = 60.0


_open: set[Tail] = set()


class Tail:
    """What a live stream needs beside its bytes: what was seen, and the settling of its call, once."""

    def __init__(self, exchange: Exchange, live: Live, ending: StreamEnding, slot: Slot | None) -> None:
        self.seen = exchange.dialect.seen(live.call.draft.rung.name, exchange.asked)
        self._live = live
        self._ending: StreamEnding | None = ending
        self._slot = slot
        self._splitter = Frames() if exchange.asked.framed else Splitter()
        self._renew_at = _RENEW_EVERY_S
        self._pid = os.getpid()
        self._blind = False
        self.source = live.opened.source
        _open.add(self)

    def relayed(self, part: bytes) -> bytes:
        """Take in some bytes and return those that the app gets now."""
        events = self._splitter.feed(part)
        if self._live.call.renew is not None and self._live.elapsed() > self._renew_at:
            background.put(self._live.call.renew)
            self._renew_at = self._live.elapsed() + _RENEW_EVERY_S
        return b"".join([event.raw for event in events if self._shown(event)])

    def _shown(self, event: Event) -> bool:
        if self._blind:
            return True
        try:
            return self.seen.add(event)
        except Exception:  # an event that cannot be read is the app's all the same
            logger.warning("An event of a stream could not be read; its call is settled without.", exc_info=True)
            self._blind = True
            return True

    def rest(self) -> bytes:
        """Return what came after the last whole event."""
        return self._splitter.rest()

    def finish(self, *, complete: bool) -> None:
        """Settle, the first time."""
        ending = self._take()
        if ending is not None:
            with _settling():
                self._told(ending.finish(self._reply(complete=complete)))

    async def afinish(self, *, complete: bool) -> None:
        """Settle, the first time, awaited to its end, also where the reader is cancelled meanwhile."""
        ending = self._take()
        if ending is None:
            return
        with _settling():
            # A task of its own: anyio's scopes cancel again at each await of the one that they cancelled.
            settling = asyncio.ensure_future(ending.afinish(self._reply(complete=complete)))
            try:
                await asyncio.shield(settling)
            finally:
                await quietly(settling)
                if not settling.cancelled() and settling.exception() is None:
                    hooks.keep_last(settling.result())  # the task kept it in a context of its own
                    self._told(settling.result())

    def abandon(self) -> None:
        """Queue the settlement, from a finalizer: no lock is taken."""
        ending = self._take()
        if ending is not None:
            ending.abandon(self._reply(complete=False))

    def _take(self) -> StreamEnding | None:
        ending, self._ending = self._ending, None
        if ending is None:
            return None  # before anything of a module is touched, which is gone late in the interpreter's exit
        _open.discard(self)
        return ending if self._pid == os.getpid() else None  # a forked child has a copy: the call is its parent's

    def _reply(self, *, complete: bool) -> Reply:
        reply: Reply = self.seen.reply(self._live.elapsed(), complete=complete and not self._blind)
        return reply

    def _told(self, receipt: Receipt) -> None:
        if self._slot is not None:
            self._slot.fill(receipt)


@contextmanager
def _settling() -> Generator[None]:
    """Keep a failure of greenai's own from the app, which has had the whole stream."""
    try:
        yield
    except Exception:
        logger.warning("A stream could not be settled; it was delivered.", exc_info=True)


def _end_left_open() -> None:
    for left in _open.copy():
        left.abandon()


atexit.register(_end_left_open)


def chunk_bytes(chunk: Any) -> bytes:
    """Return a chunk of openai's as an event; one that is an event already stays what it is."""
    return chunk if isinstance(chunk, bytes) else written(chunk.to_dict(mode="json"))


# --- the streams of a response ------------------------------------------------------------


class Bytes:
    """Whole content, given as a stream so that the host library reads and closes it as it does any."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class Stored:
    """A stored answer as a stream of events."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


class _Relay:
    def __init__(self, tail: Tail, parts: Any, close: Callable[[], Any]) -> None:
        self._tail = tail
        self._parts = parts
        self._close = close

    def __del__(self) -> None:
        tail: Tail | None = getattr(self, "_tail", None)
        if tail is not None:
            tail.abandon()


class Relay(_Relay):
    """A live stream, relayed."""

    def __iter__(self) -> Iterator[bytes]:
        tail = self._tail
        try:
            for part in self._parts:
                if relayed := tail.relayed(part):
                    yield relayed
        except GeneratorExit:  # closed by its reader: `close` follows, or the finalizer
            raise
        except BaseException:
            tail.finish(complete=False)
            raise
        rest = tail.rest()
        tail.finish(complete=True)
        if rest:
            yield rest

    def close(self) -> None:
        """Close the connection and settle at what was seen."""
        try:
            self._close()
        finally:
            self._tail.finish(complete=True)


class AsyncRelay(_Relay):
    """The same on a loop."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        tail = self._tail
        try:
            async for part in self._parts:
                if relayed := tail.relayed(part):
                    yield relayed
        except GeneratorExit:
            raise
        except BaseException:
            await tail.afinish(complete=False)
            raise
        rest = tail.rest()
        await tail.afinish(complete=True)
        if rest:
            yield rest

    async def aclose(self) -> None:
        """Close the connection and settle at what was seen."""
        try:
            await self._close()
        finally:
            await self._tail.afinish(complete=True)
