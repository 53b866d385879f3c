"""How an exchange's flow reaches a model: the host's own transport, or greenai's provider for another rung."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from greenai.values import Call, Reply
from greenai.wire.elsewhere import AwaitedWhole, Whole, in_chat
from greenai.wire.exchange import Exchange, Packet, Refused

__all__ = ["Native", "Opened", "Sending"]


_ANSWERED = range(200, 300).__contains__  # a redirection is the host library's to follow, as an error is its to raise


class Native:
    """The provider's whole response, kept to be handed on as it was."""

    __slots__ = ("content", "extensions", "headers", "status")

    def __init__(self, response: Any, content: bytes) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.extensions = response.extensions
        self.content = content


class Opened:
    """A stream of the provider that has begun: what a driver wants of one."""

    __slots__ = ("response", "source", "tries")

    def __init__(self, response: Any) -> None:
        self.response = self.source = response
        self.tries = ()


class Sending:
    """The sender of one exchange's flow: the host's own transport, and greenai's own provider for other rungs.

    `begun` says that something was sent, `native` is the host provider's latest whole answer.
    """

    begun = False
    native: Native | None = None

    def __init__(self, http: Any, inner: Any, request: Any, exchange: Exchange) -> None:
        self._http = http
        self._inner = inner
        self._request = request
        self._exchange = exchange

    def __call__(self) -> Sending:
        """Return itself: a driver asks for its provider when it is first needed."""
        return self

    def _sent(self, call: Call) -> Any:
        path, content = self._exchange.sent(call)
        old = self._request
        if content is self._exchange.content:  # nothing was changed: neither the path nor a byte
            return old
        url = old.url if path == old.url.path else old.url.copy_with(path=path)
        headers = self._http.Headers(old.headers)
        headers["content-length"] = str(len(content))
        if "transfer-encoding" in headers:
            del headers["transfer-encoding"]
        # With a stream nothing of a request is made anew, which takes as long as the rest of sending it.
        stream = self._http.ByteStream(content)
        return self._http.Request(old.method, url, headers=headers, stream=stream, extensions=old.extensions)

    def _read(self, native: Native, decoded: bytes, call: Call, started: float) -> Reply:
        if not _ANSWERED(native.status):
            raise Refused(native, Packet(status=native.status, content=decoded))
        self.native = native
        return self._exchange.reply(decoded, call, time.perf_counter() - started, native)

    def _own(self, call: Call) -> bool:
        self.begun = True
        # Nothing but the host's own API gives vectors or verdicts.
        return self._exchange.host.serves(call.draft.rung) or not self._exchange.request.wants_text

    def _elsewhere(self, call: Call) -> Call:
        if self._exchange.speaks_chat:
            return replace(call, transport=replace(call.transport, extra_headers=None))
        return in_chat(call)

    def _events(self, reply: Reply) -> Iterator[bytes]:
        return self._exchange.dialect.events(reply, self._exchange.asked)

    def _decoded(self, native: Native) -> bytes:
        if "content-encoding" not in native.headers:
            return native.content
        content: bytes = self._http.Response(200, headers=native.headers, content=native.content).content
        return content

    # Waiting in place.

    def send(self, call: Call) -> Reply:
        """Send and wait for the whole reply.

        Raises:
            Refused: the provider answered with an error.
        """
        if not self._own(call):
            return self._exchange.session.provider().send(self._elsewhere(call))
        started = time.perf_counter()
        response = self._inner.handle_request(self._sent(call))
        try:
            native = Native(response, b"".join(response.stream))
        finally:
            response.close()
        return self._read(native, self._decoded(native), call, started)

    def open(self, call: Call) -> Any:
        """Open a stream. Raises what `send` raises."""
        if not self._own(call):
            provider, asked = self._exchange.session.provider(), self._elsewhere(call)
            if self._exchange.speaks_chat:
                return provider.open(asked)
            reply = provider.send(asked)
            return Whole(reply, self._events(reply))
        response = self._inner.handle_request(self._sent(call))
        if not _ANSWERED(response.status_code):
            try:
                native = Native(response, b"".join(response.stream))
            finally:
                response.close()
            decoded = self._decoded(native)
            if self._exchange.refuses_usage(native.status, decoded):
                return self.open(call)
            self._read(native, decoded, call, 0.0)
        return Opened(response)

    def close(self) -> None:
        """Close nothing: the connections are the host's."""

    # Awaited.

    async def asend(self, call: Call) -> Reply:
        """Do what `send` does, awaited."""
        if not self._own(call):
            return await self._exchange.session.provider().asend(self._elsewhere(call))
        started = time.perf_counter()
        response = await self._inner.handle_async_request(self._sent(call))
        try:
            native = Native(response, b"".join([part async for part in response.stream]))
        finally:
            await response.aclose()
        return self._read(native, self._decoded(native), call, started)

    async def aopen(self, call: Call) -> Any:
        """Do what `open` does, awaited."""
        if not self._own(call):
            provider, asked = self._exchange.session.provider(), self._elsewhere(call)
            if self._exchange.speaks_chat:
                return await provider.aopen(asked)
            reply = await provider.asend(asked)
            return AwaitedWhole(reply, self._events(reply))
        response = await self._inner.handle_async_request(self._sent(call))
        if not _ANSWERED(response.status_code):
            try:
                native = Native(response, b"".join([part async for part in response.stream]))
            finally:
                await response.aclose()
            decoded = self._decoded(native)
            if self._exchange.refuses_usage(native.status, decoded):
                return await self.aopen(call)
            self._read(native, decoded, call, 0.0)
        return Opened(response)

    async def aclose(self) -> None:
        """Close nothing: the connections are the host's."""
