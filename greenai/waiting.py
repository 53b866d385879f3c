"""What a step yields to wait for another call, or for a time; a driver waits in its own way, blocking or not."""

from __future__ import annotations

import time
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from greenai.values import Work

__all__ = ["Wait"]


@dataclass(frozen=True, slots=True)
class Wait(Work[None]):
    """Ask a driver to wait until `until` is done, but for `timeout_s` at most: with `run`, or on the event loop."""

    until: Future[Any] | None
    timeout_s: float

    @classmethod
    def of(cls, until: Future[Any] | None, timeout_s: float) -> Wait:
        """Return the wait for a future; for None, the wait for that time."""

        def run() -> None:
            if until is None:
                time.sleep(timeout_s)
            else:
                futures.wait((until,), timeout_s)

        return cls("wait", run, until, timeout_s)
