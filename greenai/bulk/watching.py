"""Who watches a batch, and what is told: a bar on a terminal, or a function of the app's."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from greenai.bulk.values import Answered
from greenai.progress import bar
from greenai.units import format_duration, format_energy, significant

__all__ = ["Logged", "Progress", "Shown", "Watching", "watched"]

TELL_S = 0.1
LOG_S = 60.0
"""A log has a line for what is said, and then one so often for how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is. An item is a request, or several that are the same.

    Attributes:
        done: how many items have an answer, or failed for good.
        of: how many there are.
        failed: how many of those asked by this run failed.
        energy_j: what the answers of this run took, as far as it is known.
        per_s: items that this run answers in a second; None at first.
        left_s: how long it takes at that rate, in seconds; None at first.
        said: what the job or its lane says beside it.
    """

    done: int
    of: int
    failed: int
    energy_j: float
    per_s: float | None
    left_s: float | None
    said: str


Watching: TypeAlias = "bool | Callable[[Progress], object]"


class Shown:
    """Counts what a run keeps, and tells who watches, ten times a second at most."""

    def __init__(self, tell: Callable[[Progress], object] | None, done: int, of: int) -> None:
        self._tell = tell
        self._begun = time.monotonic()
        self._last = 0.0
        self._lock = threading.Lock()
        self.kept = 0
        self.settled = 0
        self.failed = 0
        self._energy_j = 0.0
        self._before = done
        self._of = of
        self._said = ""

    def count(self, answered: Answered) -> None:
        """Count what was kept."""
        energy = None if answered.receipt is None else answered.receipt["energy"]["energy_j"]
        with self._lock:
            self.kept += 1
            self.settled += answered.error is None or answered.error.final
            self.failed += answered.error is not None
            self._energy_j += energy or 0.0
        self._show()

    def begin(self) -> None:
        """Measure the rate from now on."""
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        """Say this beside the numbers from now on."""
        self._said = text
        self._show(must=True)

    def _show(self, *, must: bool = False) -> None:
        now = time.monotonic()
        if self._tell is None or not (must or now - self._last >= TELL_S):
            return
        with self._lock:
            self._last = now
            done, per_s = self._before + self.settled, self.kept / max(now - self._begun, 1e-6) if self.kept else None
            self._tell(
                Progress(
                    done=done,
                    of=self._of,
                    failed=self.failed,
                    energy_j=self._energy_j,
                    per_s=per_s,
                    left_s=None if not per_s else (self._of - done) / per_s,
                    said=self._said,
                )
            )


@contextmanager
def watched(progress: Watching) -> Generator[Callable[[Progress], object] | None]:
    """Show a bar while somebody watches, or tell a function of the app's."""
    if callable(progress):
        yield progress
        return
    with bar("batch", watched=progress and sys.stderr.isatty()) as moved:
        if moved is None:
            yield None
            return

        def told(at: Progress) -> None:
            moved("batch", done=at.done, total=at.of, said=_line(at))

        yield told


class Logged:
    """Tells a log, which has no bar, what holds a job up when that changes, and how far it is once a minute."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._said = ""
        self._last = time.monotonic()

    def __call__(self, at: Progress) -> None:
        """Write a line where one is due."""
        now = time.monotonic()
        news = at.said != self._said and not at.said.endswith(" at once")
        if not news and now - self._last < LOG_S:
            return
        self._said, self._last = at.said, now
        self._write(f"batch: {_line(at)}")


def _line(at: Progress) -> str:
    rate = "" if at.per_s is None else f", {significant(at.per_s)}/s"
    left = "" if at.left_s is None else f", {format_duration(at.left_s)} left"
    failed = f", {at.failed:,} failed" if at.failed else ""
    beside = f"; {at.said}" if at.said else ""
    return f"{at.done:,} of {at.of:,}{rate}{left}, {format_energy(at.energy_j)}{failed}{beside}"
