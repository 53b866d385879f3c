"""Calls become replies here, in four colours: whole or streamed, waiting or awaited.

Which path a rung takes is decided in one place (`_direct`): OpenAI itself, every `base_url` and the engine on
this machine go through the openai package, everything else through litellm. Importing this package imports
openai; the client does so at the first call that leaves the process.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from greenai.around import ours
from greenai.provider import deadline, litellm_path, retry
from greenai.provider.openai_path import Connection, OpenAIPath, checked, remaining, wire
from greenai.shapes import read
from greenai.values import Call, Reply, Rung, Try

__all__ = ["Connection", "Opened", "Provider"]

_TRY = "x-stainless-retry-count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A stream that has begun: its source of chunks, the HTTP response where there is one, and the failed tries."""

    source: Any
    response: Any
    tries: tuple[Try, ...]


class Provider:
    """Sends calls for one client. Safe from any thread and any event loop."""

    def __init__(self, connection: Connection, *, max_retries: int) -> None:
        self._openai = OpenAIPath(connection)
        self._base_url = connection.base_url
        self._max_retries = max_retries
        self._budget = retry.RetryBudget()

    def send(self, call: Call) -> Reply:
        """Send and wait for the whole reply.

        Raises:
            openai.OpenAIError: what the bare openai client raises for the same failure.
            MissingKey: no API key was found for this provider.
        """
        started = time.perf_counter()
        native, tries = self._retried(call, self._send_once)
        return replace(read(native, call.draft.rung.name, time.perf_counter() - started), tries=tries)

    async def asend(self, call: Call) -> Reply:
        """Do what `send` does, awaited, with the deadline over everything."""
        started = time.perf_counter()
        native, tries = await self._aretried(call, self._asend_once)
        return replace(read(native, call.draft.rung.name, time.perf_counter() - started), tries=tries)

    def open(self, call: Call) -> Opened:
        """Open a stream: return once the provider has accepted the request. Raises what `send` raises."""
        source, tries = self._retried(call, self._open_once)
        bounded = deadline.Bounded(source, call.deadline, self._late(call))
        return Opened(source=bounded, response=bounded.response, tries=tries)

    async def aopen(self, call: Call) -> Opened:
        """Do what `open` does, awaited."""
        source, tries = await self._aretried(call, self._aopen_once)
        bounded = deadline.AsyncBounded(source, call.deadline, self._late(call))
        return Opened(source=bounded, response=bounded.response, tries=tries)

    def close(self) -> None:
        """Close connections. A later call opens new ones."""
        self._openai.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop and the synchronous ones."""
        await self._openai.aclose()
        self._openai.close()

    def _direct(self, rung: Rung) -> bool:
        return rung.provider in ("openai", "local", "endpoint") or rung.base_url is not None

    def _late(self, call: Call) -> Callable[[], Exception]:
        return deadline.bare_timeout if self._direct(call.draft.rung) else deadline.timed_out

    def _retried(self, call: Call, send: Callable[[Call], Any]) -> tuple[Any, tuple[Try, ...]]:
        token = deadline.current.set(call.deadline)
        try:
            with ours():
                return retry.run(
                    self._numbering(call, send),
                    max_retries=self._max_retries,
                    deadline=call.deadline,
                    budget=self._budget,
                )
        finally:
            deadline.current.reset(token)

    async def _aretried(self, call: Call, send: Callable[[Call], Any]) -> tuple[Any, tuple[Try, ...]]:
        with ours():
            send_next = self._numbering(call, send)
        return await retry.arun(send_next, max_retries=self._max_retries, deadline=call.deadline, budget=self._budget)

    def _numbering(self, call: Call, send: Callable[[Call], Any]) -> Callable[[], Any]:
        """Return what sends a call, and says from the second time on which try it is, as openai's client does."""
        tries = itertools.count()

        def send_next() -> Any:
            number = next(tries)
            return send(_numbered(call, number) if number and self._direct(call.draft.rung) else call)

        return send_next

    def _send_once(self, call: Call) -> Any:
        if not self._direct(call.draft.rung):
            return litellm_path.send(call)
        client = self._openai.client(call.draft.rung)
        return checked(client.chat.completions.create(**wire(call), timeout=remaining(call)))

    async def _asend_once(self, call: Call) -> Any:
        async def send() -> Any:
            if not self._direct(call.draft.rung):
                return await litellm_path.asend(call)
            client = self._openai.aclient(call.draft.rung)
            return checked(await client.chat.completions.create(**wire(call), timeout=remaining(call)))

        return await _before(call.deadline, send)

    def _open_once(self, call: Call) -> Any:
        if not self._direct(call.draft.rung):
            return litellm_path.open_stream(call)
        client = self._openai.client(call.draft.rung)
        return client.chat.completions.create(**wire(call), timeout=remaining(call))

    async def _aopen_once(self, call: Call) -> Any:
        async def send() -> Any:
            if not self._direct(call.draft.rung):
                return await litellm_path.aopen_stream(call)
            client = self._openai.aclient(call.draft.rung)
            return await client.chat.completions.create(**wire(call), timeout=remaining(call))

        return await _before(call.deadline, send)


def _numbered(call: Call, number: int) -> Call:
    given = call.transport.extra_headers or {}
    if any(name.lower() == _TRY for name in given):
        return call
    return replace(call, transport=replace(call.transport, extra_headers={**given, _TRY: str(number)}))


async def _before(moment: float, send: Callable[[], Any]) -> Any:
    limit = asyncio.timeout(None if math.isinf(moment) else moment - time.monotonic())
    try:
        async with limit:
            return await send()
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise deadline.timed_out() from error
