"""The deadline of a whole call, over HTTP.

An HTTP time-out bounds connecting, or one read; an answer that drips in could take for ever. What is awaited is
simply cancelled at the deadline. What waits in place cannot be, so three things together bound it:

    each phase (connect, write, read)    gets what is left to the deadline as its time-out
    each part that arrives               is not handed on after the deadline
    a read that is blocked then          is ended by one thread, which shuts the socket down
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

import openai

from greenai._locks import Lock
from greenai.shapes import ChatCompletionChunk, http_library, openai_error
from greenai.streams import listening

__all__ = ["AsyncBounded", "Bounded", "bare_timeout", "current", "hooks", "timed_out"]

current: ContextVar[float] = ContextVar("greenai.deadline", default=math.inf)
"""The deadline of the request that this thread is sending, on the monotonic clock: read by the HTTP client's hooks."""

# Zero would mean "do not wait at all" to a socket, which fails with another error than a time-out.
LEAST_S = 0.001

PASSED = "The deadline of the whole call has passed while the answer was read."


def timed_out() -> openai.APITimeoutError:
    """Return openai's error for a time-out."""
    error = openai_error("Request timed out.", status=None, timeout=True)
    assert isinstance(error, openai.APITimeoutError)  # noqa: S101  # for the type checkers
    return error


def bare_timeout() -> Exception:
    """Return what the bare client raises where a stream times out midway: openai 2 lets httpx's error through."""
    if int(openai.__version__.partition(".")[0]) >= 3:
        return timed_out()
    late: Exception = http_library().ReadTimeout(PASSED)
    return late


# --- streams, whoever reads them ----------------------------------------------------------


class Bounded:
    """A stream's source that hands on nothing after the deadline."""

    def __init__(self, source: Any, deadline: float, late: Callable[[], Exception]) -> None:
        self._source = source
        self._iterator: Iterator[ChatCompletionChunk] = iter(source)
        self._deadline = deadline
        self._late = late
        self.response = source.response
        self.heard = listening(source)

    def __iter__(self) -> Bounded:
        return self

    def __next__(self) -> ChatCompletionChunk:
        chunk = next(self._iterator)
        if time.monotonic() > self._deadline:
            self.close()
            raise self._late()
        return chunk

    def close(self) -> None:
        """Close the connection."""
        self._source.close()


class AsyncBounded:
    """The same, awaited: a chunk that has not come at the deadline is not waited for."""

    def __init__(self, source: Any, deadline: float, late: Callable[[], Exception]) -> None:
        self._source = source
        self._iterator: AsyncIterator[ChatCompletionChunk] = aiter(source)
        self._deadline = deadline
        self._late = late
        self.response = source.response
        self.heard = listening(source)

    def __aiter__(self) -> AsyncBounded:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if math.isinf(self._deadline):
            return await anext(self._iterator)
        limit = asyncio.timeout(self._deadline - time.monotonic())
        try:
            async with limit:
                return await anext(self._iterator)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._late() from error

    async def close(self) -> None:
        """Close the connection."""
        await self._source.close()


# --- waiting in place ---------------------------------------------------------------------


class _Left(dict[str, Any]):
    """A request's time-outs, each cut down to what is left when its phase begins."""

    def __init__(self, own: dict[str, Any], deadline: float) -> None:
        super().__init__(own)
        self._deadline = deadline

    def get(self, key: str, default: Any = None) -> Any:
        left_s = max(self._deadline - time.monotonic(), LEAST_S)
        own_s = super().get(key, default)
        return left_s if own_s is None else min(own_s, left_s)


def hooks() -> dict[str, list[Callable[[Any], None]]]:
    """Return the hooks that bound a synchronous HTTP client's requests by the `current` deadline."""

    def shrink(request: Any) -> None:
        deadline = current.get()
        if not math.isinf(deadline):
            request.extensions["greenai.deadline"] = deadline
            request.extensions["timeout"] = _Left(request.extensions.get("timeout", {}), deadline)

    def guard(response: Any) -> None:
        deadline = response.request.extensions.get("greenai.deadline")
        if deadline is not None:
            stream = response.extensions.get("network_stream")
            sock = stream.get_extra_info("socket") if stream is not None else None
            response.stream = _body_class()(response.stream, sock, deadline)

    return {"request": [shrink], "response": [guard]}


@cache
def _body_class() -> type[Any]:
    http = http_library()

    class Body(http.SyncByteStream):  # type: ignore[misc,name-defined]  # httpx or httpx2, by openai's version
        """A response's body until the deadline."""

        def __init__(self, inner: Any, sock: socket.socket | None, deadline: float) -> None:
            self._inner = inner
            self._guard = _Guard(sock, deadline)

        def __iter__(self) -> Iterator[bytes]:
            guard = self._guard
            _watch.add(guard)
            try:
                for part in self._inner:
                    if guard.late():
                        break
                    yield part
            except http.TransportError as error:
                if guard.late():
                    raise http.ReadTimeout(PASSED) from error
                raise
            finally:
                _watch.remove(guard)
            if guard.late():
                raise http.ReadTimeout(PASSED)

        def close(self) -> None:
            # First, so that the connection is never shut down after it went back to the pool.
            _watch.remove(self._guard)
            self._inner.close()

    return Body


class _Guard:
    """One body that is being read."""

    def __init__(self, sock: socket.socket | None, deadline: float) -> None:
        self.deadline = deadline
        self._socket = sock
        self._lock = threading.RLock()  # a finalizer may interrupt its own thread in here

    def late(self) -> bool:
        return time.monotonic() >= self.deadline

    def release(self) -> None:
        with self._lock:
            self._socket = None

    def shut_down(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Past any TLS layer, which another thread is reading from.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Watch:
    """One thread for all bodies. It sleeps until the earliest deadline, and for ever where nothing is being read.

    Adding and removing are single operations on a dictionary, without a lock: a finalizer may do them.
    """

    def __init__(self) -> None:
        self._guards: dict[int, _Guard] = {}
        self._wakes_at = math.inf
        self._news = threading.Event()
        self._starting = Lock()
        self._pid = 0

    def add(self, guard: _Guard) -> None:
        if self._pid != os.getpid():
            self._start()
        self._guards[id(guard)] = guard
        if guard.deadline < self._wakes_at:
            self._news.set()

    def remove(self, guard: _Guard) -> None:
        guard.release()
        self._guards.pop(id(guard), None)

    def _start(self) -> None:
        with self._starting:
            if self._pid == os.getpid():
                return
            # After a fork the guards are the parent's, as are their sockets.
            self._guards, self._news, self._wakes_at = {}, threading.Event(), math.inf
            self._pid = os.getpid()
            threading.Thread(target=self._run, args=(self._news,), name="greenai-deadlines", daemon=True).start()

    def _run(self, news: threading.Event) -> None:
        while True:
            news.clear()
            self._wakes_at = math.inf  # whatever is added from here on sets the event
            now, earliest = time.monotonic(), math.inf
            for key in list(self._guards):
                guard = self._guards.get(key)
                if guard is None:
                    continue
                if guard.deadline <= now:
                    self._guards.pop(key, None)
                    guard.shut_down()
                else:
                    earliest = min(earliest, guard.deadline)
            self._wakes_at = earliest
            news.wait(None if math.isinf(earliest) else max(earliest - time.monotonic(), 0))


_watch = _Watch()
