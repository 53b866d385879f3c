"""What steps the flow: a loop for the sync client, a loop for the async one, and the endings of streams.

The flow is a generator that waits for nothing. Pure steps run inline; `Work` runs in place (sync) or on greenai's own
threads inside the call's one copied context (async), short ones together; a `Call` goes to the provider. A cancellation
waits for the step in progress, hands its result in, and closes the generator there, so that no hold is lost between
being taken and being known. Finalizers only append to a queue; one thread settles.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar

from greenai import hooks
from greenai.background import background
from greenai.cache.flights import led_in
from greenai.steps import Flow, NotBegunError
from greenai.values import Answer, Call, Receipt, Reply, Work
from greenai.waiting import Wait

if TYPE_CHECKING:
    from greenai.provider import Opened

logger = logging.getLogger("greenai")

T = TypeVar("T")


class Sender(Protocol):
    """Sends calls, in four colours: `greenai.provider.Provider`, or a double of it."""

    def send(self, call: Call) -> Reply:
        """Send and wait for the whole reply."""
        ...

    async def asend(self, call: Call) -> Reply:
        """Do what `send` does, awaited."""
        ...

    def open(self, call: Call) -> Opened:
        """Open a stream."""
        ...

    async def aopen(self, call: Call) -> Opened:
        """Do what `open` does, awaited."""
        ...

    def close(self) -> None:
        """Close connections."""

    async def aclose(self) -> None:
        """Do what `close` does, awaited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A call whose stream is open: the flow waits at its `Call` for the reply that the stream will amount to."""

    flow: Flow[Answer]
    call: Call
    opened: Opened
    started: float

    def elapsed(self) -> float:
        """Return the seconds since the stream was asked for."""
        return time.perf_counter() - self.started


# --- sync ---------------------------------------------------------------------------------


def run(flow: Flow[T], provider: Callable[[], Sender]) -> T:
    """Drive a flow to its end, waiting in place."""
    return _sync(flow, lambda: next(flow), lambda call: provider().send(call))


def open_stream(flow: Flow[Answer], provider: Callable[[], Sender]) -> Answer | Live:
    """Drive a flow until its stream is open, or to its end where no stream was needed."""

    def opening(call: Call) -> Reply:
        started = time.perf_counter()
        raise _Opened(Live(flow=flow, call=call, opened=provider().open(call), started=started))

    try:
        return _sync(flow, lambda: next(flow), opening)
    except _Opened as event:
        return event.live


def resume(live: Live, reply: Reply) -> Answer:
    """Hand the finished stream's reply in and drive the flow to its end."""
    reply = replace(reply, tries=live.opened.tries)
    return _sync(live.flow, lambda: live.flow.send(reply), _no_second_call)


def _sync(flow: Flow[T], begin: Callable[[], Call | Work[Any]], send: Callable[[Call], Reply]) -> T:
    try:
        step = begin()
        while True:
            try:
                result = send(step) if isinstance(step, Call) else _work(step)
            except _Opened:
                raise
            except BaseException as error:  # noqa: BLE001  # handed to the flow, which raises it again
                step = flow.throw(error)
            else:
                step = flow.send(result)
    except StopIteration as done:
        result_: T = done.value
        return result_


def _work(work: Work[Any]) -> Any:
    if isinstance(work, Wait) and work.until is not None and _in_loop():
        return None  # what is waited for may be a task of the very loop that would stand still meanwhile
    result = work.run()
    kind: Any = type(result)
    if not _may_be_awaited(kind) or not inspect.isawaitable(result):
        return result
    if not _in_loop():
        return asyncio.run(_awaited(result))
    # A sync client that is called inside a loop, as in a notebook: the awaitable gets a loop on a thread of its own.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="greenai") as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, _awaited(result)).result()


@lru_cache(maxsize=256)
def _may_be_awaited(kind: Any) -> bool:
    return issubclass(kind, (Awaitable, GeneratorType))


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


class _Opened(Exception):  # an event that leaves the loop, not an error
    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live = live


def _no_second_call(call: Call) -> Reply:
    raise AssertionError(f"a stream has one rung, and {call.draft.rung.model} would be a second")


# --- async --------------------------------------------------------------------------------


class Threads:
    """greenai's own threads for what waits, started at first use; a forked child and a reopened client get new ones."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    def submit(self, context: contextvars.Context, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run `work` in `context` on a thread, for the running loop.

        `run_in_executor` would chain a second future to the loop's, with callbacks on both, for each work.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._open().submit(_told, future, context, work)
        return future

    def close(self) -> None:
        """Let the threads end once their work is done; a later use starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.shutdown(wait=False)

    def _open(self) -> ThreadPoolExecutor:
        pool = self._pool
        if pool is None or self._pid != os.getpid():
            # Two threads that meet here make two pools, and the one that is dropped ends its threads: no lock to
            # be found held in a forked child.
            pool = ThreadPoolExecutor(max_workers=self._most, thread_name_prefix="greenai")
            self._pool, self._pid = pool, os.getpid()
        return pool


def _told(future: asyncio.Future[T], context: contextvars.Context, work: Callable[[], T]) -> None:
    """Do work and tell the loop of `future` what came of it."""
    try:
        result = context.run(work)
    except BaseException as error:  # noqa: BLE001  # whoever awaits it gets it
        _tell(future, future.set_exception, error)
    else:
        _tell(future, future.set_result, result)


def _tell(future: asyncio.Future[Any], tell: Callable[[Any], None], what: object) -> None:
    def told() -> None:
        if not future.done():  # nobody waits for it any more where it was cancelled
            tell(what)

    with suppress(RuntimeError):  # the loop was closed: nobody waits there
        future.get_loop().call_soon_threadsafe(told)


class AsyncDriver:
    """Drives flows on an event loop, with greenai's own threads for what waits: never the loop's default executor."""

    def __init__(self, provider: Callable[[], Sender], threads: Threads) -> None:
        self._provider = provider
        self._threads = threads

    async def run(self, flow: Flow[T]) -> T:
        """Drive a flow to its end, awaiting what waits."""
        context = contextvars.copy_context()

        async def send(call: Call) -> Reply:
            return await self._provider().asend(call)

        return await self._drive(flow, context, lambda: next(flow), send)

    async def open_stream(self, flow: Flow[Answer]) -> Answer | Live:
        """Drive a flow until its stream is open, or to its end where no stream was needed."""
        context = contextvars.copy_context()

        async def opening(call: Call) -> Reply:
            started = time.perf_counter()
            opened = await self._provider().aopen(call)
            raise _Opened(Live(flow=flow, call=call, opened=opened, started=started))

        try:
            return await self._drive(flow, context, lambda: next(flow), opening)
        except _Opened as event:
            return event.live

    async def resume(self, live: Live, reply: Reply) -> Answer:
        """Hand the finished stream's reply in and drive the flow to its end."""
        reply = replace(reply, tries=live.opened.tries)

        async def none(call: Call) -> Reply:
            return _no_second_call(call)

        return await self._drive(live.flow, contextvars.copy_context(), lambda: live.flow.send(reply), none)

    async def _drive(
        self,
        flow: Flow[T],
        context: contextvars.Context,
        begin: Callable[[], Call | Work[Any]],
        send: Callable[[Call], Awaitable[Reply]],
    ) -> T:
        try:
            step = context.run(ending, begin)
            while True:
                step = await self._next(flow, context, step, send)
        except _Ended as ended:
            hooks.take_last(context)
            result: T = ended.value
            return result
        except asyncio.CancelledError:
            await self._finish_uncancelled(context, flow.close)
            raise
        except CancelledStep as cancelled:
            await self._finish_uncancelled(context, lambda: _close_before(flow))
            raise asyncio.CancelledError from cancelled

    async def _next(
        self,
        flow: Flow[Any],
        context: contextvars.Context,
        step: Call | Work[Any],
        send: Callable[[Call], Awaitable[Reply]],
    ) -> Call | Work[Any]:
        """Do one step, hand in what came of it and return the step that follows."""
        if _is_short(step):
            step = await self._stayed(flow, context, step)
            if not isinstance(step, _Done):
                return step
        try:
            with led_in(context):  # what is awaited runs in the task's own context, and must not wait for this call
                result = await send(step) if isinstance(step, Call) else await self._work(flow, context, step)
        except (_Opened, asyncio.CancelledError, CancelledStep):
            raise
        except Exception as error:  # noqa: BLE001  # handed to the flow, which raises it again
            return await self._throw(flow, context, error)
        except BaseException as error:  # noqa: BLE001  # closed or interrupted: nothing may be awaited any more
            return context.run(ending, flow.throw, error)
        return context.run(ending, flow.send, result)

    async def _stayed(self, flow: Flow[Any], context: contextvars.Context, work: Work[Any]) -> Call | Work[Any]:
        """Do short works one after the other on one thread; return the step that follows, or the last one, done."""
        stay = _Stay(flow, context, work)
        future = self._threads.submit(context, stay.run)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.done() and isinstance(future.exception(), asyncio.CancelledError):  # the flow's own
                raise
            stay.ends = True
            await quietly(future)
            step = None if future.exception() is not None else future.result()
            if isinstance(step, _Done):
                _advance(flow, context, step.result)
            raise CancelledStep from None
        except Exception:
            raise
        except BaseException:  # closed: nothing may be awaited any more, and the flow may be at work on its thread
            stay.ends = True
            background.start()
            background.put(stay.close)
            raise

    async def _work(self, flow: Flow[Any], context: contextvars.Context, work: Work[Any]) -> Any:
        if isinstance(work, Wait):
            return await _waited(work)  # on no thread: as many may wait as there are calls
        if isinstance(work, _Done):
            return await work.result if inspect.isawaitable(work.result) else work.result
        future = self._threads.submit(context, work.run)
        try:
            result = await asyncio.shield(future)
        except asyncio.CancelledError:
            await quietly(future)
            if not future.cancelled() and future.exception() is None:
                # The result may be a hold: the flow must know it before it is closed.
                _advance(flow, context, future.result())
            raise CancelledStep from None
        return await result if inspect.isawaitable(result) else result

    async def _throw(self, flow: Flow[Any], context: contextvars.Context, error: BaseException) -> Call | Work[Any]:
        """Hand an error in on a thread, since the flow settles where it catches it; return the step that follows."""
        future = self._threads.submit(context, lambda: ending(flow.throw, error))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.done():  # the flow's own, raised again
                raise
            await quietly(future)
            future.exception()  # seen: the cancellation is what the caller gets
            raise CancelledStep from None

    async def elsewhere(self, work: Callable[[], T]) -> T:
        """Run `work`, which waits, on a thread of greenai's own."""
        return await self._threads.submit(contextvars.copy_context(), work)

    async def _finish_uncancelled(self, context: contextvars.Context, work: Callable[[], object]) -> None:
        future = self._threads.submit(context, work)
        await quietly(future)
        error = future.exception()
        if error is not None:
            logger.warning("A cancelled call could not be settled.", exc_info=error)


# Disk and ledgers: some tens of microseconds, unless another process has their lock.
_SHORT = frozenset(("budget", "cache", "history", "record", "reserve", "settle", "store"))
# What follows it tells the app's observers, who are called where the app made its call.
_LAST = "record"


@dataclass(frozen=True, slots=True)
class _Done(Work[Any]):
    """Work that was done on a thread, and whose result is handed in on the loop."""

    result: Any


class _Stay:
    """One flow on one thread: short works, with what it computes between. With `ends` set no further one is begun."""

    def __init__(self, flow: Flow[Any], context: contextvars.Context, work: Work[Any]) -> None:
        self.ends = False
        self._flow = flow
        self._context = context
        self._begins = work
        self._busy = threading.Lock()

    def run(self) -> Call | Work[Any]:
        """Return the first step that is not short, was not begun, or is done but for its result."""
        with self._busy:
            step: Call | Work[Any] = self._begins
            while not self.ends and _is_short(step):
                try:
                    result: Any = step.run()
                except Exception as error:  # noqa: BLE001  # handed to the flow, which raises it again
                    step = ending(self._flow.throw, error)
                    continue
                if step.name == _LAST or inspect.isawaitable(result):
                    return _Done(step.name, step.run, result)
                step = ending(self._flow.send, result)
            return step

    def close(self) -> None:
        """Close the flow as soon as it stands still."""
        with self._busy:
            self._context.copy().run(_close_before, self._flow)


def _is_short(step: Call | Work[Any]) -> TypeGuard[Work[Any]]:
    return isinstance(step, Work) and step.name in _SHORT and not isinstance(step, (Wait, _Done))


class _Ended(Exception):  # a flow's StopIteration, which neither a coroutine nor a future carries
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def ending(move: Callable[..., Call | Work[Any]], *handed: Any) -> Call | Work[Any]:
    """Move a flow on and return its next step; raise `_Ended` with its result where that was the last."""
    try:
        return move(*handed)
    except StopIteration as done:
        raise _Ended(done.value) from None


class CancelledStep(Exception):  # an event, not an error
    """A cancellation whose step has been waited for."""


async def _waited(wait: Wait) -> None:
    until = wait.until
    if until is None:
        await asyncio.sleep(wait.timeout_s)
        return
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
            loop.call_soon_threadsafe(done.set)

    until.add_done_callback(wake)
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), wait.timeout_s)


async def quietly(future: asyncio.Future[Any]) -> None:
    """Wait until the future is done, however often this task is cancelled meanwhile."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue


def _advance(flow: Flow[Any], context: contextvars.Context, result: object) -> None:
    try:
        context.run(flow.send, result)
    except StopIteration:  # a flow that had nothing left to do is closed already
        return
    except Exception:  # the cancelled task must end cancelled
        logger.debug("A cancelled call ended with an error.", exc_info=True)


def _close_before(flow: Flow[Any]) -> None:
    """Close a flow at a step that was not begun."""
    with suppress(NotBegunError, StopIteration):
        flow.throw(NotBegunError())
        flow.close()


# --- streams' endings ---------------------------------------------------------------------


class StreamEnding:
    """Ends one open stream for its call: at exhaustion or `close` in place, at garbage collection on the settler."""

    def __init__(self, live: Live, driver: AsyncDriver | None = None) -> None:
        self._live = live
        self._driver = driver
        background.start()

    def finish(self, reply: Reply) -> Receipt:
        """Settle now and return the receipt."""
        return resume(self._live, reply).receipt

    async def afinish(self, reply: Reply) -> Receipt:
        """Settle now, awaited, and return the receipt."""
        if self._driver is None:
            return self.finish(reply)
        return (await self._driver.resume(self._live, reply)).receipt

    def abandon(self, reply: Reply) -> None:
        """Queue the settlement: called by a finalizer, which may run anywhere and must take no lock of ours."""
        background.put(lambda: resume(self._live, reply))
