"""Connections to providers: the one that was used last is used next.

The pool of httpx (and httpx2) looks at all of its connections at each request, and at each of them again where it is
idle: at 32 open ones that is a third of a gateway's time, at 200 most of it. What it puts between a request and its
connection took a fifth of what was left; see line.py.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from greenai.serve.line import Line, Outgoing, Place, Response, connected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ssl import SSLContext

__all__ = ["Spread"]

KEEP_S = 30.0
"""How long an idle connection is kept. OpenAI's servers, as most, keep one for longer."""
MOST_PLACES = 256
"""How many addresses are remembered in parts: a ladder has few, and a path may be a caller's own."""


class Spread:
    """A transport of many connections; of one event loop.

    Args:
        http: httpx or httpx2, whose certificates, addresses and errors these are.
    """

    def __init__(self, http: Any) -> None:
        self._http = http
        self._context: Callable[[], SSLContext] = cache(partial(_context, http))  # one for all, at first use
        self._free: defaultdict[Place, deque[tuple[float, Line]]] = defaultdict(deque)
        self._places: dict[str, tuple[Place, bytes, bytes]] = {}

    def request(
        self, url: str, headers: Mapping[str, str], content: bytes, connect_s: float, wait_s: float | None
    ) -> Outgoing:
        """Return a request that may be sent."""
        place, host, target = self._places.get(url) or self._place(url)
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return Outgoing(
            place=place,
            target=target,
            headers=[(b"host", host), *named],
            content=content,
            connect_s=connect_s,
            wait_s=wait_s,
        )

    def _place(self, url: str) -> tuple[Place, bytes, bytes]:
        read = self._http.URL(url)
        is_tls = read.scheme == "https"
        place = Place(host=read.raw_host.decode("ascii"), port=read.port or (443 if is_tls else 80), is_tls=is_tls)
        found = place, read.netloc, read.raw_path
        if len(self._places) < MOST_PLACES:
            self._places[url] = found
        return found

    async def handle_async_request(self, asked: Outgoing) -> Response:
        """Send a request on the connection that was used last. Raises what `connected` and `Line.ask` raise."""
        free = self._free[asked.place]
        while free:
            line = free.pop()[1]
            if line.is_free:
                break
            line.close()
        else:
            line = await connected(self._http, asked.place, self._context, asked.connect_s)
        try:
            response = await line.ask(asked)
        except BaseException:
            line.close()
            raise
        response.when_over = partial(self._give_back, free, line)
        return response

    @staticmethod
    def _give_back(free: deque[tuple[float, Line]], line: Line) -> None:
        now = time.monotonic()
        if line.is_free:
            free.append((now, line))
        while free and free[0][0] < now - KEEP_S:
            free.popleft()[1].close()

    async def aclose(self) -> None:
        """Close the connections that are free; one in use is closed by whoever uses it."""
        free, self._free = self._free, defaultdict(deque)
        for lines in free.values():
            for _, line in lines:
                line.close()


def _context(http: Any) -> SSLContext:
    context: SSLContext = http.create_ssl_context()  # which reads certificates for 20 ms
    context.set_alpn_protocols(["http/1.1"])
    return context
