"""A power model that fails costs nobody the answer: what it could not tell is not known, and the log says why."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from greenai.local.parking import Idle, IdleWindow, Loading, Power

__all__ = ["UNKNOWN", "Guarded"]

logger = logging.getLogger("greenai")

T = TypeVar("T")

UNKNOWN = "the power model failed"
"""The method of a reading that failed: how long it was is known, and nothing else."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """Reads a power model. By the rule, a model of which it could not tell stays in memory."""

    power: Power

    def loading(self) -> _Loading:
        """Begin to measure a start, before its process is there."""
        return _Loading(_tried(self.power.loading))

    def idle(self, pid: int) -> _Idling:
        """Begin to measure the idling of process `pid`."""
        return _Idling(_tried(partial(self.power.idle, pid)))


@dataclass(frozen=True, slots=True)
class _Loading:
    """A start that has begun."""

    loading: Loading | None

    def done(self, pid: int, core_s: float) -> tuple[float, float] | None:
        """Return what it took, in joules: the processor and the GPUs; None where nothing could tell."""
        return None if self.loading is None else _tried(partial(self.loading.done, pid, core_s))


@dataclass(frozen=True, slots=True)
class _Idling:
    """Idling that has begun."""

    window: IdleWindow | None
    began: float = field(default_factory=time.monotonic)

    def read(self) -> Idle:
        """Return what it has taken so far."""
        found = None if self.window is None else _tried(self.window.read)
        return found or Idle(seconds=time.monotonic() - self.began, method=UNKNOWN)


def _tried(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:
        logger.warning("What a local model takes while nobody asks could not be measured.", exc_info=True)
        return None
