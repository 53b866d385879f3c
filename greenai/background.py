"""One daemon thread for what must not make a caller wait: settling and closing what finalizers left behind.

The same thread does what has to be done again and again while a call is under way, such as renewing its holds.
"""

from __future__ import annotations

import atexit
import heapq
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from greenai._locks import Lock

__all__ = ["Background", "background"]

logger = logging.getLogger("greenai")


@dataclass(slots=True, eq=False)
class _Repeat:
    """Work that is done every so often, until it is stopped or a time on the monotonic clock has passed."""

    work: Callable[[], object] | None
    every_s: float
    until: float

    def stop(self) -> None:
        """Do it no more. What it would have kept alive is let go at once."""
        self.work = None


@dataclass(slots=True)
class _Repeats:
    """What one thread repeats, the next first. Only that thread touches it, so that it needs no lock."""

    _next: list[tuple[float, int, _Repeat]] = field(default_factory=list[tuple[float, int, _Repeat]])
    _number: Iterator[int] = field(default_factory=count)

    def add(self, repeat: _Repeat) -> None:
        at = time.monotonic() + repeat.every_s
        heapq.heappush(self._next, (at, next(self._number), repeat))

    def wait_s(self) -> float | None:
        return max(self._next[0][0] - time.monotonic(), 0.0) if self._next else None

    def due(self) -> Iterator[Callable[[], object]]:
        now = time.monotonic()
        while self._next and self._next[0][0] <= now:
            repeat = heapq.heappop(self._next)[2]
            work = repeat.work
            if work is not None and now < repeat.until:
                self.add(repeat)
                yield work


class Background:
    """Runs work in order, one piece at a time. What fails is logged and never keeps the next from being done."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._repeats = _Repeats()
        self._pid = 0
        self._lock = Lock()

    def start(self) -> None:
        """Start the thread unless this process has it already."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                # What the queue holds after a fork is the parent's work, and the parent does it.
                self._queue, self._repeats = queue.SimpleQueue(), _Repeats()
                self._pid = os.getpid()
                own = (self._queue, self._repeats)
                threading.Thread(target=self._run, args=own, name="greenai", daemon=True).start()

    def put(self, work: Callable[[], object]) -> None:
        """Append work. A finalizer may call this: `SimpleQueue.put` is reentrant, and no lock of ours is taken."""
        self._queue.put(work)

    def every(self, seconds: float, work: Callable[[], object], until: float = math.inf) -> Callable[[], None]:
        """Do work every so many seconds, until what is returned is called, or `until` on the monotonic clock."""
        self.start()
        repeat = _Repeat(work, seconds, until)
        self.put(partial(self._repeats.add, repeat))
        return repeat.stop

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything queued so far is done; return whether it is."""
        if self._pid != os.getpid():
            return True
        done = threading.Event()
        self.put(done.set)
        return done.wait(timeout_s)

    @staticmethod
    def _run(work_queue: queue.SimpleQueue[Callable[[], object]], repeats: _Repeats) -> None:
        while True:
            with suppress(queue.Empty):
                _done(work_queue.get(timeout=repeats.wait_s()))
            for work in repeats.due():
                _done(work)


def _done(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:  # one that fails must not keep the next from being done
        logger.warning("Work in the background failed.", exc_info=True)


background = Background()
atexit.register(background.drain)
