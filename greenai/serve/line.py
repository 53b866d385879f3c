"""One connection to a provider: HTTP/1.1 over asyncio. The only door to h11, by which httpx and uvicorn speak it too.

    ask ──> Response ──> stream, the bytes as they come ──> aclose: it is free again, or closed

What goes wrong is raised as httpx (or httpx2) names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

__all__ = ["Line", "Outgoing", "Place", "Response", "connected"]

HEADER_BYTES = 100 * 1024
MOST_UNREAD = 1 << 20
"""How many bytes lie here unread before the provider is told to wait."""
EYEBALLS_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a connection leads."""

    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request; of its times to wait, in seconds, None is for ever."""

    place: Place
    target: bytes
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    content: bytes = field(repr=False)
    connect_s: float | None
    wait_s: float | None


async def connected(http: Any, place: Place, context: Callable[[], ssl.SSLContext], within_s: float | None) -> Line:
    """Open a connection.

    Raises:
        httpx.ConnectTimeout: it took too long.
        httpx.ConnectError: nobody answers there, or not as whom they should be.
    """
    tls: dict[str, Any] = {"ssl": context(), "server_hostname": place.host} if place.is_tls else {}
    opening: Any = asyncio.get_running_loop().create_connection(
        lambda: Line(http), place.host, place.port, happy_eyeballs_delay=EYEBALLS_S, **tls
    )
    try:
        async with asyncio.timeout(within_s):
            return (await opening)[1]  # type: ignore[no-any-return]
    except TimeoutError as error:
        raise http.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise http.ConnectError(str(error)) from error


class Line(asyncio.Protocol):
    """One connection, which takes one request at a time."""

    def __init__(self, http: Any) -> None:
        self._http = http
        self._speech = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=HEADER_BYTES)
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._came: list[bytes] = []
        self._unread = 0
        self._turn: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._is_full = self._is_over = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what writes."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came until somebody reads it."""
        self._came.append(data)
        self._unread += len(data)
        if self._unread > MOST_UNREAD:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note that nothing more comes."""
        self._is_over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more comes, and why."""
        self._is_over, self._is_full, self._failure = True, False, exc
        self._wake()

    def pause_writing(self) -> None:
        """Note that the provider is slower than what is written."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    async def _change(self, within_s: float | None) -> None:
        """Wait until something comes, or may be written."""
        turn = self._turn = self._loop.create_future()
        timer = None if within_s is None else self._loop.call_later(within_s, self._give_up, turn)
        try:
            await turn
        finally:
            self._turn = None
            if timer is not None:
                timer.cancel()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            turn.set_exception(self._http.ReadTimeout("The provider did not answer in time."))

    # One request.

    @property
    def is_free(self) -> bool:
        """Whether it takes another request: its last answer was read to the end, and nobody closed it since."""
        return not (self._is_over or self._came or self._transport.is_closing()) and self._speech.our_state is h11.IDLE

    async def ask(self, asked: Outgoing) -> Response:
        """Send a request, and wait for the head of its response.

        Raises:
            httpx.ReadTimeout: it took too long.
            httpx.TransportError: the connection broke, or what came is no HTTP.
        """
        self._transport.write(self._written(asked))
        while self._is_full and not (self._came or self._is_over):
            await self._change(asked.wait_s)
        while type(event := self._next()) is not h11.Response:
            if event is h11.NEED_DATA:
                await self._fed(asked.wait_s)
        return Response(self, self._http, event, asked.wait_s)

    def _written(self, asked: Outgoing) -> bytes:
        speech = self._speech
        length = b"%d" % len(asked.content)
        try:
            head = h11.Request(
                method=b"POST", target=asked.target, headers=[*asked.headers, (b"content-length", length)]
            )
            parts = (speech.send(head), speech.send(h11.Data(data=asked.content)), speech.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as error:
            raise self._http.LocalProtocolError(str(error)) from error
        return b"".join(part for part in parts if part)

    def _next(self) -> Any:
        try:
            return self._speech.next_event()
        except h11.RemoteProtocolError as error:
            raise self._http.RemoteProtocolError(str(error)) from error

    async def _fed(self, within_s: float | None) -> None:
        """Take in what came, or that nothing more comes."""
        while not (self._came or self._is_over):
            await self._change(within_s)
        if self._came:
            self._speech.receive_data(self._came[0] if len(self._came) == 1 else b"".join(self._came))
            self._came.clear()
            if self._unread > MOST_UNREAD and not self._is_over:
                self._transport.resume_reading()
            self._unread = 0
        elif self._failure is not None:
            raise self._http.ReadError(str(self._failure)) from self._failure
        elif self._speech.their_state is h11.SEND_RESPONSE:
            raise self._http.RemoteProtocolError("Server disconnected without sending a response.")
        else:
            self._speech.receive_data(b"")

    async def parts(self, within_s: float | None) -> AsyncGenerator[bytes]:
        """Give the content of a response; what came together goes on together."""
        held: list[bytes] = []
        while True:
            event = self._next()
            if type(event) is h11.Data:
                held.append(event.data)
                continue
            if held:
                yield b"".join(held)
                held.clear()
            if type(event) is h11.EndOfMessage:
                return
            await self._fed(within_s)

    def end(self) -> None:
        """End a request: what was not read to its end is cut off."""
        if self._speech.our_state is h11.DONE and self._speech.their_state is h11.DONE:
            self._speech.start_next_cycle()
        else:
            self.close()

    def close(self) -> None:
        """Close it."""
        self._transport.close()


class Response:
    """The answer to one request, as far as the gateway reads of httpx's."""

    def __init__(self, line: Line, http: Any, head: h11.Response, wait_s: float | None) -> None:
        self.status_code = head.status_code
        self.headers: Mapping[str, str] = _joined(head.headers)
        self.extensions: Mapping[str, Any] = {}
        self.stream = line.parts(wait_s)
        self._line = line
        self._http = http
        self.when_over: Callable[[], None] | None = None

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the content, decoded where it is not plain."""
        if "content-encoding" not in self.headers:
            return self.stream
        response: Any = self._http.Response(200, headers=self.headers, content=self.stream)
        decoded: AsyncIterator[bytes] = response.aiter_bytes()
        return decoded

    async def aclose(self) -> None:
        """Give the connection back, the first time."""
        over, self.when_over = self.when_over, None
        if over is None:
            return
        try:
            await self.stream.aclose()
        finally:
            self._line.end()
            over()


def _joined(headers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
