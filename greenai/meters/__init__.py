"""Measure the energy of work on this machine, and estimate it elsewhere. Which meter is best is decided here.

A meter that is missing or fails gives None, never 0: the caller then estimates, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from greenai.meters import apple, cpu, nvml, rapl, watts
from greenai.meters.inputs import Deployment, ModelCard
from greenai.meters.physics import estimate
from greenai.meters.shares import work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.readings import Reading

__all__ = ["Deployment", "Meter", "ModelCard", "Noted", "Window", "available", "device", "estimate", "window", "work"]


class Window(Protocol):
    """A measurement that has begun."""

    def stop(self, tokens: float | None = None) -> Reading | None:
        """End it and return the energy in between, or None if the meter could not tell.

        `tokens` is the work that was done meanwhile, as `work` counts it: windows that were open on one process at
        once are charged by it. None, where nobody counted, weighs by time.
        """
        ...


class Meter(Protocol):
    """Begins windows: called with a process id and watts per core, returns None where it cannot measure."""

    def __call__(self, pid: int, watts_per_core: float | None, /) -> Window | None:
        """Begin measuring process `pid`."""
        ...


@dataclass(frozen=True, slots=True)
class NullWindow:
    """A window that measures nothing."""

    def stop(self, tokens: float | None = None) -> None:
        """Return None: unknown."""
        del tokens


@dataclass(frozen=True, slots=True)
class BestOf:
    """Windows of several meters on one piece of work, best first: one may find at its end that it cannot tell."""

    windows: tuple[Window, ...]

    def stop(self, tokens: float | None = None) -> Reading | None:
        """End them all and return the best reading that there is."""
        readings = [window.stop(tokens) for window in self.windows]
        return next((reading for reading in readings if reading is not None), None)


def processor(pid: int, watts_per_core: float | None, /) -> Window | None:
    """Begin with the processor's counters, or with core time where they cannot be read."""
    return rapl.begin(pid, watts_per_core) or cpu.begin(pid, watts_per_core)


METERS: tuple[Meter, ...] = (nvml.begin, apple.begin, processor)
"""The meters, best first."""


def window(pid: int | None, *, watts_per_core: float | None = None, meters: Sequence[Meter] = METERS) -> Window:
    """Begin measuring the work of process `pid` with the best meter there is.

    Without a process (the work is somewhere else) the window measures nothing and `stop` returns None.
    `watts_per_core` replaces the stated default of the processor's meter.
    """
    if pid is None:
        return NullWindow()
    begun = tuple(w for w in (meter(pid, watts_per_core) for meter in meters) if w is not None)
    return BestOf(begun) if begun else NullWindow()


@dataclass(frozen=True, slots=True)
class Noted:
    """A window whose readings say something more of how they came about."""

    window: Window
    note: str

    def stop(self, tokens: float | None = None) -> Reading | None:
        """Return the window's reading with the note behind its method."""
        reading = self.window.stop(tokens)
        return None if reading is None else replace(reading, method=f"{reading.method}, {self.note}")


def device() -> tuple[str, str]:
    """Return what computes on this machine and its driver: the first GPU, else the processor, which has no driver."""
    return nvml.named() or (watts.model_name() or "processor", "")


def available() -> tuple[dict[str, Any], ...]:
    """Return each sensor with `name`, `usable`, `why_not` and `how` to get it, best first, for `greenai doctor`."""
    return nvml.probe(), apple.probe(), rapl.probe(), cpu.probe()
