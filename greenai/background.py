"""One daemon thread for what must not make a caller wait: settling and closing what finalizers left behind."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable

from greenai._locks import Lock

__all__ = ["Background", "background"]

logger = logging.getLogger("greenai")


class Background:
    """Runs work in order, one piece at a time. What fails is logged and never keeps the next from being done."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._pid = 0
        self._lock = Lock()

    def start(self) -> None:
        """Start the thread unless this process has it already."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                # What the queue holds after a fork is the parent's work, and the parent does it.
                self._queue = queue.SimpleQueue()
                self._pid = os.getpid()
                threading.Thread(target=self._run, args=(self._queue,), name="greenai", daemon=True).start()

    def put(self, work: Callable[[], object]) -> None:
        """Append work. A finalizer may call this: `SimpleQueue.put` is reentrant, and no lock of ours is taken."""
        self._queue.put(work)

    def drain(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything queued so far is done; return whether it is."""
        if self._pid != os.getpid():
            return True
        done = threading.Event()
        self.put(done.set)
        return done.wait(timeout_s)

    @staticmethod
    def _run(work_queue: queue.SimpleQueue[Callable[[], object]]) -> None:
        while True:
            work = work_queue.get()
            try:
                work()
            except Exception:  # one that fails must not keep the next from being done
                logger.warning("Work in the background failed.", exc_info=True)


background = Background()
atexit.register(background.drain)
