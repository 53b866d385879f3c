"""Drives the flow of a gateway's call with two changes of thread: one before the provider is asked, one after.

Short work on the cache and the ledgers, and what the flow computes between, stays on one thread; each change of thread
takes as long as a tenth of the call. What may take longer (a model that is loaded, a function of the app's) changes
threads as it does for every client.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from greenai import drivers
from greenai.cache.flights import led_in
from greenai.drivers import AsyncDriver
from greenai.values import Call, Wait, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from greenai.drivers import Sender, Threads
    from greenai.steps import Flow
    from greenai.values import Reply

__all__ = ["Driver", "Hops"]

_Item: TypeAlias = "tuple[asyncio.Future[Any], Context, Callable[[], Any]]"

_SHORT = frozenset(("budget", "cache", "history", "record", "reserve", "settle", "store"))


class Hops:
    """A few threads for short works: a plain queue to them, and the loop's own way back.

    The standard pool makes two futures with locks, and a chain of callbacks, for each work.
    """

    def __init__(self, most: int = 8) -> None:
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"greenai-hops-{n}", daemon=True) for n in range(most)]
        for thread in self._threads:
            thread.start()

    def submit(self, context: Context, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run `work` in `context` on a thread, for the running loop."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put((future, context, work))
        return future

    def close(self) -> None:
        """Let the threads end, once what was submitted is done."""
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            future, context, work = item
            tell = future.set_result
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001  # whoever awaits it gets it
                tell, result = future.set_exception, error
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(tell, result)
            del item, future, context, work, tell, result  # else they stay until the next one comes


class Driver(AsyncDriver):
    """An `AsyncDriver` that does short works together."""

    def __init__(self, provider: Callable[[], Sender], threads: Threads, hops: Hops) -> None:
        super().__init__(provider, threads)
        self._hops = hops

    async def _next(
        self, flow: Flow[Any], context: Context, step: Call | Work[Any], send: Callable[[Call], Awaitable[Reply]]
    ) -> Call | Work[Any]:
        if not _is_short(step):
            return await super()._next(flow, context, step, send)
        future = self._hops.submit(context, lambda: _together(flow, step))
        with led_in(context):
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                if future.done():  # the flow's own, raised again
                    raise
                await drivers.quietly(future)
                with suppress(BaseException):
                    future.exception()  # seen: the cancellation is what the caller gets
                raise drivers.CancelledStep from None


def _is_short(step: Call | Work[Any]) -> TypeGuard[Work[Any]]:
    return isinstance(step, Work) and not isinstance(step, Wait) and step.name in _SHORT


def _together(flow: Flow[Any], step: Call | Work[Any]) -> Call | Work[Any]:
    """Do one work after the other, and return the step that takes longer."""
    while _is_short(step):
        try:
            result = step.run()
        except Exception as error:  # noqa: BLE001  # handed to the flow, which raises it again
            step = drivers.ending(flow.throw, error)
        else:
            step = drivers.ending(flow.send, result)
    return step
