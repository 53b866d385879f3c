"""Connections to providers, on one event loop. The only door to aiohttp.

    ask ──> Response ──> stream, the bytes as they come ──> aclose: its connection is free again, or closed

Certificates are read as httpx (or httpx2) reads them, and what goes wrong is raised as it names it: that is what the
rest of a call knows.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from greenai.errors import MissingExtra

try:
    import aiohttp
except ImportError:
    raise MissingExtra("serve", "aiohttp", "The gateway (greenai serve)") from None

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Outgoing", "Pool", "Response"]

KEEP_S = 30.0
"""How long an idle connection is kept. OpenAI's servers, as most, keep one for longer."""
AT_ONCE_S = 1.0
"""Within what time a request that met a connection's end is sent once more: some round trips, and few tokens."""
HEADER_BYTES = 100 * 1024
"""How long a line of a response's head may be, as with httpx; aiohttp's own is 8190."""
LARGE_BYTES = 1 << 20
"""From how much content on aiohttp warns of what is handed over in one piece."""
ADDED_BY_ITSELF = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

_NAMES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "ConnectTimeout"),
    (aiohttp.ServerTimeoutError, "ReadTimeout"),
    (aiohttp.ClientProxyConnectionError, "ProxyError"),
    (aiohttp.ClientHttpProxyError, "ProxyError"),
    (aiohttp.ClientConnectorError, "ConnectError"),  # of addresses and of certificates too
    (aiohttp.ClientConnectorCertificateError, "ConnectError"),
    (aiohttp.ServerDisconnectedError, "RemoteProtocolError"),
    (aiohttp.ClientPayloadError, "RemoteProtocolError"),
    (aiohttp.ClientResponseError, "RemoteProtocolError"),
    (aiohttp.InvalidURL, "UnsupportedProtocol"),
    (aiohttp.NonHttpUrlClientError, "UnsupportedProtocol"),
    (aiohttp.ClientConnectionError, "ReadError"),
    (ValueError, "LocalProtocolError"),  # a header with a line break in it
)
"""What httpx calls what aiohttp raises; the first that fits."""
_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
FAILURES = (aiohttp.ClientError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request; of its times to wait, in seconds, None is for ever."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    connect_s: float | None
    wait_s: float | None
    is_near: bool = False
    """Whether it goes to this machine, before which no proxy stands."""


class Pool:
    """Connections of one event loop, which is running.

    Args:
        http: httpx or httpx2, whose certificates and errors these are.
    """

    def __init__(self, http: Any) -> None:
        self._http = http
        self._proxies = getproxies()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=ADDED_BY_ITSELF,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            trace_configs=[_watch()],
        )

    async def handle_async_request(self, asked: Outgoing) -> Response:
        """Send a request, and wait for the head of its response.

        Raises:
            httpx.ConnectError: nobody answers there, or not as whom they should be.
            httpx.TimeoutException: it took too long.
            httpx.TransportError: the connection broke, or what came is no HTTP.
        """
        was_used: list[bool] = []
        begun = time.monotonic()
        try:
            try:
                return await self._answered(asked, was_used)
            except _BROKEN:
                # Closed as it lay idle, which was not seen here yet. Later, a model may have been at work for a while.
                if not was_used or time.monotonic() - begun > AT_ONCE_S:
                    raise
                return await self._answered(asked, was_used)
        except FAILURES as error:
            raise _renamed(self._http, error) from error

    async def _answered(self, asked: Outgoing, was_used: list[bool]) -> Response:
        response = await self._session.post(
            asked.url,
            data=asked.content if len(asked.content) < LARGE_BYTES else BytesIO(asked.content),  # goes out in pieces
            headers=asked.headers,
            allow_redirects=False,
            proxy=None if asked.is_near else self._proxy(asked.url),
            ssl=self._context if asked.url.startswith("https:") else True,
            timeout=aiohttp.ClientTimeout(total=None, connect=asked.connect_s, sock_read=asked.wait_s),
            trace_request_ctx=was_used,
        )
        return Response(self._http, response)

    def _proxy(self, url: str) -> str | None:
        """Return the environment's proxy for an address.

        With `trust_env`, aiohttp looks for it at each request on a thread, and for a password in ~/.netrc on another,
        which it refuses to send beside a key.
        """
        if not self._proxies:
            return None
        parts = urlsplit(url)
        found = self._proxies.get(parts.scheme) or self._proxies.get("all")
        return None if found is None or proxy_bypass(parts.netloc.rpartition("@")[2]) else found

    @cached_property
    def _context(self) -> SSLContext:
        context: SSLContext = self._http.create_ssl_context()  # which reads certificates for 20 ms
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class Response:
    """The answer to one request, as far as the gateway reads of httpx's."""

    def __init__(self, http: Any, response: aiohttp.ClientResponse) -> None:
        self.status_code = response.status
        self.headers: Mapping[str, str] = _joined(response.raw_headers)
        self.extensions: Mapping[str, Any] = {}
        self.stream = self._parts()
        self._http = http
        self._response = response

    async def _parts(self) -> AsyncGenerator[bytes]:
        try:
            async for part in self._response.content.iter_any():
                yield part
        except FAILURES as error:
            raise _renamed(self._http, error) from error

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Give the content, decoded where it is not plain."""
        if "content-encoding" not in self.headers:
            return self.stream
        response: Any = self._http.Response(200, headers=self.headers, content=self.stream)
        decoded: AsyncIterator[bytes] = response.aiter_bytes()
        return decoded

    async def aclose(self) -> None:
        """Give the connection back where everything was read, else close it."""
        try:
            await self.stream.aclose()
        finally:
            self._response.close()


def _watch() -> aiohttp.TraceConfig:
    """Return what notes that a request got a connection that was used before."""

    async def note(_session: object, context: Any, _: object) -> None:
        context.trace_request_ctx.append(True)

    made = aiohttp.TraceConfig()
    made.on_connection_reuseconn.append(note)
    return made


def _renamed(http: Any, error: Exception) -> Exception:
    name = next((name for kind, name in _NAMES if isinstance(error, kind)), "TransportError")
    renamed: Exception = getattr(http, name)(str(error))
    return renamed


def _joined(headers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
