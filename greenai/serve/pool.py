"""Connections to providers, each a transport of its own: the one that was used last is used next.

The pool of httpx (and httpx2) looks at all of its connections at each request, and at each of them again where it is
idle: at 32 open ones that is a third of a gateway's time, at 200 most of it.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["spread"]

KEEP_S = 30.0
"""How long an idle connection is kept. OpenAI's servers, as most, keep one for longer."""


def spread(http: Any) -> Spread:
    """Return a transport that spreads its connections, made with httpx or httpx2."""
    context = http.create_ssl_context()  # one for all: it takes 20 ms to read the certificates
    limits = http.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_S)

    class Given(_Given, http.AsyncByteStream):  # type: ignore[misc]  # the base is only known at run time
        """A response's content, which gives its connection back."""

    return Spread(lambda: http.AsyncHTTPTransport(verify=context, limits=limits), Given)


class Spread:
    """A transport of many connections; of one event loop."""

    def __init__(self, make: Callable[[], Any], given: Callable[..., Any]) -> None:
        self._make = make
        self._given = given
        self._free: defaultdict[tuple[Any, ...], deque[tuple[float, Any]]] = defaultdict(deque)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request on the connection that was used last."""
        url = request.url
        free = self._free[url.scheme, url.host, url.port]
        transport = free.pop()[1] if free else self._make()

        async def give_back() -> None:
            now = time.monotonic()
            free.append((now, transport))
            while free[0][0] < now - KEEP_S:
                await free.popleft()[1].aclose()

        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            await give_back()
            raise
        response.stream = self._given(response.stream, give_back)
        return response

    async def aclose(self) -> None:
        """Close the connections that are free; one in use is closed by whoever uses it."""
        free, self._free = self._free, defaultdict(deque)
        for transports in free.values():
            for _, transport in transports:
                await transport.aclose()


class _Given:
    def __init__(self, stream: Any, give_back: Callable[[], Any]) -> None:
        self._stream = stream
        self._give_back: Callable[[], Any] | None = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            give_back, self._give_back = self._give_back, None
            if give_back is not None:
                await give_back()
