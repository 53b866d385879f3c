"""Measure the energy of work on this machine, and estimate it elsewhere. Which meter is best is decided here.

A meter that is missing or fails gives None, never 0: the caller then estimates, and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from greenai.meters import cpu
from greenai.meters.physics import Deployment, estimate
from greenai.values import Reading

__all__ = ["Deployment", "Meter", "Window", "available", "estimate", "window"]


class Window(Protocol):
    """A measurement that has begun."""

    def stop(self) -> Reading | None:
        """End it and return the energy in between, or None if the meter could not tell."""
        ...


class Meter(Protocol):
    """Begins windows: called with a process id and watts per core, returns None where it cannot measure."""

    def __call__(self, pid: int, watts_per_core: float | None) -> Window | None: ...


@dataclass(frozen=True, slots=True)
class NullWindow:
    """A window that measures nothing."""

    def stop(self) -> None:
        """Return None: unknown."""


def _cpu(pid: int, watts_per_core: float | None) -> Window | None:
    return cpu.shares_of(pid).open(watts_per_core)


METERS: tuple[Meter, ...] = (_cpu,)
"""The meters, best first."""


def window(pid: int | None, *, watts_per_core: float | None = None) -> Window:
    """Begin measuring the work of process `pid` with the best meter there is.

    Without a process (the work is somewhere else) the window measures nothing and `stop` returns None.
    `watts_per_core` replaces the stated default of the processor's meter.
    """
    if pid is not None:
        for meter in METERS:
            begun = meter(pid, watts_per_core)
            if begun is not None:
                return begun
    return NullWindow()


_PROBES: tuple[Callable[[], dict[str, Any]], ...] = ()


def available() -> tuple[dict[str, Any], ...]:
    """Return each sensor with `name`, `usable`, `why_not` and `how` to get it, for `greenai doctor`."""
    return tuple(probe() for probe in _PROBES)
