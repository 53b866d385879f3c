"""A process's part of counters that belong to the whole machine, shared out by core time. RAPL and Apple build on it.

At every step each counter's increase times the process's part of all core time meanwhile is the process's; what a
process used of the machine while it rested is in there too, in the same proportion. Counters of parts that only this
process's work is taken to use (`whole`, such as a Mac's GPU) are the process's in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from greenai.meters.core_time import CoreShare
from greenai.meters.shares import Amounts

__all__ = ["Counter", "Machine"]


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter in microjoules: what it counts, how it is read, and the value at which it starts again from 0.

    `read_uj` raises OSError where it may not be read. `whole` says that it is not shared by core time. `wraps_after_s`
    is the time in which it may start again, in seconds: after longer nobody knows how often it did.
    """

    name: str
    read_uj: Callable[[], int]
    wraps_at_uj: int | None = None
    whole: bool = False
    wraps_after_s: float = math.inf


@dataclass(slots=True, eq=False)
class Machine:
    """The counters of the machine as one process's account reads them (see `shares.Account`).

    Amounts: core time in nanoseconds, then for each counter the process's part in microjoules, then the same by core
    time alone. `failures` counts steps at which a counter could not be read, or that took so long while a window was
    open that it may have started again more than once: it then adds nothing.
    """

    counters: tuple[Counter, ...]
    share: CoreShare
    seen: tuple[int, ...] | None = None
    seen_s: float = 0.0
    parts: list[float] = field(init=False)
    by_core: list[float] = field(init=False)
    failures: int = 0
    part: float = 0.0

    def __post_init__(self) -> None:
        self.parts = [0.0] * len(self.counters)
        self.by_core = [0.0] * len(self.counters)

    @property
    def kinds(self) -> int:
        """Return how many amounts `read` returns."""
        return 1 + 2 * len(self.counters)

    def values(self) -> tuple[int, ...]:
        """Return the counters as they are; raises OSError."""
        return tuple(counter.read_uj() for counter in self.counters)

    def read(self, *, resting: bool) -> Amounts | None:
        """Return the amounts so far; None if the process is gone."""
        try:
            step = self.share.step(resting=resting)
            if step is not None:
                self._take(self.values(), step[1], resting=resting)
        except OSError:
            self.failures += 1
            self.seen = None
            used = self.share.process()
            step = None if used is None else (used, self.part)
        return None if step is None else (step[0], *map(int, self.parts), *map(int, self.by_core))

    def _take(self, now: tuple[int, ...], part: float, *, resting: bool) -> None:
        before, self.seen, self.part = self.seen or now, now, part
        since_s, self.seen_s = self.seen_s, self.share.clock()
        if self.seen_s - since_s >= min(counter.wraps_after_s for counter in self.counters) and not resting:
            self.failures += 1
            return
        for n, (counter, then, value) in enumerate(zip(self.counters, before, now, strict=True)):
            used = value - then
            if used < 0:  # it started again; without a known size, at an unknown value
                used = used + counter.wraps_at_uj if counter.wraps_at_uj else 0
            self.by_core[n] += used * part
            self.parts[n] += used if counter.whole else used * part
