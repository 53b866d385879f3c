"""Bring items together that come at about the same time, and do them in one go. Of any engine: it is one function.

    submit ──►  Line (waiting.py)  ──►  run([item, item, …])  ──►  each its own answer, or its own error
                one thread takes          raises? each half is run
                the next batch            again, down to the item

One pass over a model's weights serves every row of a batch, so the energy of a row falls with the batch's size, until
it does not; the size and the window come from a measured profile. Each answer says what its share of the batch was: the
shares are whole numbers and add up to what the batch used.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from greenai.errors import EngineError
from greenai.local.waiting import Line, Place

__all__ = ["Answered", "MicroBatcher", "divide"]

logger = logging.getLogger("greenai")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[R]):
    """What became of an item.

    Attributes:
        result: What the engine returned.
        batch: How many items were done together.
        used: This item's share of what the batch used, in whole units of the meter; None where nobody measured.
        batch_used: What the batch used.
        waited_s: How long it waited for company and for its turn, in seconds.
    """

    result: R
    batch: int
    used: int | None
    batch_used: int | None
    waited_s: float


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[T, R]):
    item: T
    future: Future[Answered[R]]


class MicroBatcher(Generic[T, R]):
    """Does items in batches, in a thread of its own. Safe from any thread and event loop, and after a fork.

    Close it: `close` does what still waits. So does the interpreter at its end.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Sequence[R]],
        *,
        most: int = 8,
        window_s: float = 0.01,
        length: Callable[[T], int] | None = None,
        work: Callable[[T, R | None], float] | None = None,
        meter: Callable[[], int] | None = None,
    ) -> None:
        """Make one; its thread starts with the first item.

        Args:
            run: Does several items and returns as many results in the same order.
            most: How many it does at once at most.
            window_s: How long an item waits for others at most, in seconds, while the engine is free.
            length: How long an item is; those of about one length are done together.
            work: How much an item and its result (None: it failed) took of its batch. None: each the same.
            meter: A total that never falls, such as nanoseconds of core time or microjoules.

        Raises:
            ValueError: `most` is below 1 or `window_s` is negative.
        """
        if most < 1 or not 0 <= window_s < math.inf:
            raise ValueError(f"A batch has at least 1 item and its window 0 s or more, not {most} and {window_s:g} s.")
        self._run, self._length, self._work = run, length or (lambda _: 1), work or (lambda _item, _result: 1.0)
        self._meter = meter
        self._most, self._window_s = most, window_s
        self._closed = False
        self._renew()
        _ALL.add(self)

    def submit(self, item: T, *, within_s: float | None = None, owner: Hashable = None) -> Future[Answered[R]]:
        """Put an item into the line. A future that is cancelled while it waits leaves the line.

        Args:
            item: What to do.
            within_s: How soon it must be done, in seconds: it then goes before its window is over.
            owner: On whose behalf; owners take turns.

        Raises:
            EngineError: This batcher is closed.
        """
        future: Future[Answered[R]] = Future()
        with self._changed:
            if self._closed:
                raise EngineError("This batcher is closed and takes no more items. Make a new one.")
            self._begin()
            now = time.monotonic()
            deadline = math.inf if within_s is None else now + within_s
            place = self._line.add(
                _Waiting(item, future), length=self._length(item), now=now, deadline=deadline, owner=owner
            )
            self._changed.notify()
        future.add_done_callback(partial(self._leave, place))
        return future

    def ask(self, item: T, *, within_s: float | None = None, owner: Hashable = None) -> R:
        """Do an item and return its result; raises what the engine raised for it."""
        future = self.submit(item, within_s=within_s, owner=owner)
        try:
            return future.result().result
        except BaseException:  # Ctrl-C while it waits: nobody wants it any more
            future.cancel()
            raise

    async def ask_async(self, item: T, *, within_s: float | None = None, owner: Hashable = None) -> R:
        """Do the same in an event loop. A task that is cancelled takes its item out of the line."""
        return (await asyncio.wrap_future(self.submit(item, within_s=within_s, owner=owner))).result

    def waiting(self) -> int:
        """Return how many items wait."""
        with self._changed:
            return len(self._line)

    def close(self, *, flush: bool = True) -> None:
        """Take no more items, do those that wait (or cancel them, without `flush`), and end the thread."""
        with self._changed:
            self._closed = True
            dropped = [] if flush else self._line.drain()
            self._changed.notify()
            thread = self._thread
        for place in dropped:
            place.item.future.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        atexit.unregister(self.close)

    def forget_parents_items(self) -> None:
        """Start anew in a forked child; called there by Python. The parent does what it was given."""
        self._renew()

    def _renew(self) -> None:
        self._line: Line[_Waiting[T, R]] = Line(most=self._most, window_s=self._window_s)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def _begin(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._loop, name="greenai-batcher", daemon=True)
            thread.start()  # where the system has no thread left, who asks next tries again
            self._thread = thread
            atexit.register(self.close)

    def _leave(self, place: Place[_Waiting[T, R]], future: Future[Answered[R]]) -> None:
        if future.cancelled():
            with self._changed:
                self._line.remove(place)

    # --- the thread -------------------------------------------------------------------------

    def _loop(self) -> None:
        while batch := self._next():
            try:
                self._do(batch)
            except BaseException as error:  # noqa: BLE001  # handed to whoever waits; the thread goes on
                for place in batch:
                    if not place.item.future.done():
                        place.item.future.set_exception(error)

    def _next(self) -> list[Place[_Waiting[T, R]]]:
        """Wait for the next batch and return it; empty where there will be none any more."""
        with self._changed:
            while True:
                if self._closed and not len(self._line):
                    return []
                now = time.monotonic()
                starts_in = -math.inf if self._closed else self._line.starts_at() - now
                if starts_in > 0:
                    self._changed.wait(None if starts_in == math.inf else starts_in)
                    continue
                taken = self._line.take(now)
                going = [place for place in taken if place.item.future.set_running_or_notify_cancel()]
                if going:
                    return going

    def _do(self, batch: list[Place[_Waiting[T, R]]]) -> None:
        items = [place.item.item for place in batch]
        began, before = time.monotonic(), self._read()
        done = self._outcomes(items)
        used = _between(before, self._read())
        shares: list[int] | list[None] = (
            [None] * len(batch) if used is None else divide(used, self._weights(items, done))
        )
        with self._changed:
            self._line.took(time.monotonic() - began)
        for place, one, share in zip(batch, done, shares, strict=True):
            if isinstance(one, _Failed):
                place.item.future.set_exception(one.error)
            else:
                place.item.future.set_result(
                    Answered(result=one, batch=len(batch), used=share, batch_used=used, waited_s=began - place.came)
                )

    def _outcomes(self, items: list[T]) -> list[R | _Failed]:
        """Run the items; where that fails run each half, so that whoever spoils it is alone in the end."""
        try:
            results = list(self._run(items))
            if len(results) != len(items):
                raise EngineError(f"The engine returned {len(results)} results for {len(items)} items.")
            return [*results]
        except BaseException as error:  # noqa: BLE001  # handed to whoever waits for the item
            if len(items) == 1:
                return [_Failed(_carried(error))]
        half = len(items) // 2
        return self._outcomes(items[:half]) + self._outcomes(items[half:])

    def _weights(self, items: list[T], done: list[R | _Failed]) -> list[float]:
        try:
            pairs = zip(items, done, strict=True)
            return [self._work(item, None if isinstance(one, _Failed) else one) for item, one in pairs]
        except Exception:  # nobody loses an answer by how it is charged
            logger.warning("What the items of a batch took could not be weighed; it is shared equally.", exc_info=True)
            return [1.0] * len(items)

    def _read(self) -> int | None:
        try:
            return None if self._meter is None else self._meter()
        except Exception:  # nobody loses an answer by how it is measured
            logger.warning("The meter of a batch failed; its shares are unknown.", exc_info=True)
            return None


def _carried(error: BaseException) -> BaseException:
    """Return an error that a future can hand on: those with which loops and tasks end mean something else there."""
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    carried = EngineError(f"The engine ended with {type(error).__name__}: {error}".removesuffix(": "))
    carried.__cause__ = error
    return carried


def _between(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(after - before, 0)


def divide(amount: int, weights: Sequence[float]) -> list[int]:
    """Divide a whole amount by weights, in whole numbers that add up to it exactly; equally where no weight counts."""
    fair = [weight if 0 < weight < math.inf else 0.0 for weight in weights]
    total = math.fsum(fair)
    if not total:
        fair, total = [1.0] * len(weights), float(len(weights))
    shares, given, passed = [], 0, 0.0
    for weight in fair:
        passed += weight
        # What was given up to here is rounded, not each share, so that no error adds up.
        up_to = min(round(amount * (passed / total)), amount)
        shares.append(up_to - given)
        given = up_to
    if shares:
        shares[-1] += amount - given
    return shares


# --- after a fork ---------------------------------------------------------------------------

_ALL: weakref.WeakSet[MicroBatcher[Any, Any]] = weakref.WeakSet()


def _leave_the_parents_items() -> None:
    for batcher in list(_ALL):
        batcher.forget_parents_items()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_the_parents_items)
