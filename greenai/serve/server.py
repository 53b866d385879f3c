"""Runs the gateway: time limits for what callers send, and an end that leaves open streams their time.

The only door to uvicorn. Told to end (SIGTERM, Ctrl+C), it takes no new connection, lets what is open go on for the
time of grace, and then cancels the rest, which settle at what was seen.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.errors import MissingExtra, SettingsError
from greenai.serve.keys import is_loopback
from greenai.settings import duration_s

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError:
    raise MissingExtra("serve", "uvicorn", "The gateway (greenai serve)") from None

if TYPE_CHECKING:
    from types import FrameType

    from greenai.serve.asgi import App
    from greenai.settings.serve import ServeTable

__all__ = ["run", "server_of"]

Told: TypeAlias = Callable[[str], object]

HEADER_BYTES = 65_536
COLLECTED_EVERY = (5_000, 10, 10)
"""After how many new objects, and then collections, the collector runs. Python's own is 700, 10, 10."""
KEEP_ALIVE_S = 65
"""Longer than the 60 s for which proxies and clients usually keep a connection, so that none finds it closed."""


def run(app: App, table: ServeTable, *, host: str, port: int, told: Told | None = None) -> None:
    """Serve until the process is told to end. Takes and raises what `server_of` does."""

    def begun(address: str) -> None:
        _spare_collections()
        if told is not None:
            told(address)

    server = server_of(app, table, host=host, port=port, told=begun)
    try:
        listening = _listening(host, port)
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0).lower()}. Choose another with "
            "--port, or 0 for a free one."
        ) from None
    try:
        server.run([listening])
    finally:
        listening.close()


def _spare_collections() -> None:
    """Have the collector look at what calls leave behind, not at each of a program's own objects again and again.

    That took a tenth of the processor time, in pauses of up to 120 ms. It is for a process of our own only.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_EVERY)


def _listening(host: str, port: int) -> socket.socket:
    """Open the socket ourselves: uvicorn writes what is wrong with it into its log, and ends the process."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def server_of(app: App, table: ServeTable, *, host: str, port: int, told: Told | None = None) -> uvicorn.Server:
    """Return the server.

    Args:
        app: what `greenai.serve.app` returned.
        table: the settings of the gateway.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        told: is called with the gateway's address once it listens.

    Raises:
        SettingsError: the address is reached from elsewhere, and no keys are configured.
    """
    if not (table.keys or is_loopback(host)):
        raise SettingsError(
            f"{host} is reached from other machines, and no keys are configured, so nobody could be told apart. Add "
            'for example serve.keys = { SUPPORT_BOT_KEY = "support-bot" } to the settings, or use --host 127.0.0.1.'
        )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_limited(duration_s(table.slowest_request)),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(round(duration_s(table.grace)), 1),
        h11_max_incomplete_event_size=HEADER_BYTES,
        backlog=2048,
    )
    return _Server(config, told)


class _Server(uvicorn.Server):
    """uvicorn's server, which says where it listens."""

    def __init__(self, config: uvicorn.Config, told: Told | None) -> None:
        super().__init__(config)
        self._told = told

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and at a second Ctrl+C at once; the process ends by itself then, with all that it does at its end."""
        del frame
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self._told is not None and self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._told(f"http://{_shown(host)}:{port}")


def _shown(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _limited(within_s: float) -> type[H11Protocol]:
    """Return uvicorn's protocol, with a time within which a request's header has to be whole."""

    class Limited(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(within_s, self._close)

        def data_received(self, data: bytes) -> None:
            before: Any = self.cycle  # None before the first request
            if before is not None and before.response_complete and self._late is None:
                self._late = self.loop.call_later(within_s, self._close)
            super().data_received(data)
            if self.cycle is not before and self._late is not None:
                self._late.cancel()
                self._late = None

        def connection_lost(self, exc: Exception | None) -> None:
            if self._late is not None:
                self._late.cancel()
            super().connection_lost(exc)

        def _close(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return Limited
