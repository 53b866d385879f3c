"""What the gateway needs of ASGI: a request's headers and content, and responses that no slow reader holds open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.serve.errors import Refusal

if TYPE_CHECKING:
    from greenai.wire.exchange import Packet

__all__ = [
    "App",
    "Headers",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "Writer",
    "address",
    "content_of",
    "gone",
    "headers_of",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
Headers: TypeAlias = Mapping[str, str]


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by names in small letters; of one that came twice the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def address(scope: Scope) -> str | None:
    """Return where a request comes from."""
    client = scope.get("client")
    return None if client is None else str(client[0])


async def content_of(receive: Receive, headers: Headers, most: int, within_s: float) -> bytes:
    """Read a request's content.

    Raises:
        Refusal: it is larger than `most` bytes, came too slowly, or its sender went away.
    """
    said = headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said) > most:
        raise _too_large(int(said), most)
    try:
        async with asyncio.timeout(within_s):
            return await _read(receive, most)
    except TimeoutError:
        message = f"The request's content did not come within {within_s:g} s. Send it at once."
        raise Refusal(408, "request_timeout", message, {"connection": "close"}) from None


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(499, "gone", "The caller went away.")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(size, most)
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(size: int, most: int) -> Refusal:
    return Refusal(
        413,
        "request_too_large",
        f"The request's content has {size} bytes or more, and {most} are the most. Send less, or raise "
        "largest_body in the gateway's settings (the table serve).",
        {"connection": "close"},
    )


async def gone(receive: Receive) -> None:
    """Wait until the caller goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Writer:
    """Writes one response; who takes nothing for `slowest_s` seconds is left."""

    def __init__(self, send: Send, slowest_s: float) -> None:
        self._send = send
        self._slowest_s = slowest_s
        self.begun = self.ended = self.slow = False

    async def whole(
        self, packet: Packet, more: Iterable[tuple[bytes, bytes]] = (), content: bytes | None = None
    ) -> None:
        """Write a whole response."""
        body = packet.content if content is None else content
        await self.begin(packet.status, packet.headers.items(), (*more, (b"content-length", b"%d" % len(body))))
        await self.part(body, more=False)

    async def begin(
        self, status: int, headers: Iterable[tuple[str, str]], more: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Write the head of a response."""
        own = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers if name != "content-length"]
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*own, *more]})

    async def part(self, content: bytes, *, more: bool = True) -> None:
        """Write a part of its content.

        Raises:
            TimeoutError: the reader took nothing for too long.
        """
        self.ended = not more
        try:
            async with asyncio.timeout(self._slowest_s):
                await self._send({"type": "http.response.body", "body": content, "more_body": more})
        except TimeoutError:
            self.slow = True
            raise
