"""Energy of a process on this machine's processor: the core-seconds it used, times watts per core.

Core-seconds are read from the kernel, exactly; watts per core are a stated coefficient, so the reading is modelled.
Windows that are open on one process at once share what it uses equally: the kernel cannot tell their work apart.
Integer nanoseconds are shared out, so that the shares add up to what the process used, to the nanosecond.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenai.meters.coefficients import coefficients, value
from greenai.units import significant
from greenai.values import Reading

__all__ = ["CpuWindow", "Shares", "begin", "core_seconds", "method", "probe", "reading", "shares_of"]


def reading(core_s: float, watts_per_core: float | None = None) -> Reading:
    """Return the energy of `core_s` core-seconds, in joules, processor package only.

    `watts_per_core` is what one busy core of this machine draws; without it a stated default with a wide interval.
    """
    stated = coefficients()["watts_per_core"]
    watts = watts_per_core or stated["value"]
    low, high = stated["low"] * watts / stated["value"], stated["high"] * watts / stated["value"]
    if watts_per_core is not None:
        factor = value("watts_per_core_known_factor")
        low, high = watts / factor, watts * factor
    return Reading(
        energy_j=core_s * watts,
        low_j=core_s * low,
        high_j=core_s * high,
        gpu_energy_j=0.0,
        evidence="modelled_known_deployment",
        method=method(watts),
        components={"cpu": core_s * watts},
    )


def method(watts_per_core: float) -> str:
    """Return the method's name with its one coefficient."""
    return f"cpu-time-1 ({significant(watts_per_core, 3)} W per core)"


def core_seconds(pid: int) -> float | None:
    """Return the core-seconds that process `pid` has used, all threads, or None where that cannot be read."""
    used_ns = _core_ns(pid)
    return None if used_ns is None else used_ns / 1e9


def _core_ns(pid: int) -> int | None:
    if pid == os.getpid():
        return time.process_time_ns()
    if sys.platform != "linux":
        return None
    try:
        # What clock_getcpuclockid(3) returns for a process: nanoseconds, where /proc counts in steps of 10 ms.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return _stat_ns(pid)


def _stat_ns(pid: int) -> int | None:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return None
    user, system = (int(ticks) for ticks in after_name.split()[11:13])
    return (user + system) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(eq=False, slots=True)
class CpuWindow:
    """One piece of work in a process: its share of the process's core time since it began, in nanoseconds."""

    shares: Shares
    watts_per_core: float | None = None
    used_ns: int = 0
    lost: bool = False

    def stop(self) -> Reading | None:
        """Close the window and return its energy; None if the process ended or a reading failed meanwhile."""
        self.shares.close(self)
        return None if self.lost else reading(self.used_ns / 1e9, self.watts_per_core)


@dataclass(slots=True)
class Shares:
    """The open windows of one process, and what it had used when one of them last opened or closed."""

    pid: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    open_windows: list[CpuWindow] = field(default_factory=list)
    seen_ns: int = 0

    def open(self, watts_per_core: float | None = None) -> CpuWindow | None:
        """Open a window; None where this process cannot be read."""
        with self.lock:
            if not self._charge():
                return None
            window = CpuWindow(self, watts_per_core)
            self.open_windows.append(window)
            return window

    def close(self, window: CpuWindow) -> None:
        """Charge what was used up to now, then drop the window; a second close changes nothing."""
        with self.lock:
            if window in self.open_windows:
                self._charge()
                self.open_windows.remove(window)

    def _charge(self) -> bool:
        now_ns = _core_ns(self.pid)
        if now_ns is None or now_ns < self.seen_ns:  # ended, or its number was given to another process
            for window in self.open_windows:
                window.lost = True
            self.seen_ns = now_ns or 0
            return now_ns is not None
        if self.open_windows:
            share, rest = divmod(now_ns - self.seen_ns, len(self.open_windows))
            for i, window in enumerate(self.open_windows):
                window.used_ns += share + (i < rest)
        self.seen_ns = now_ns
        return True


_shares: dict[int, Shares] = {}
_shares_lock = threading.Lock()


def shares_of(pid: int) -> Shares:
    """Return the one object that shares out process `pid`'s core time."""
    with _shares_lock:
        for idle in [p for p, s in _shares.items() if p != pid and not s.open_windows]:
            del _shares[idle]
        return _shares.setdefault(pid, Shares(pid))


def begin(pid: int, watts_per_core: float | None = None) -> CpuWindow | None:
    """Begin measuring process `pid`; None where its core time cannot be read."""
    return shares_of(pid).open(watts_per_core)


def probe() -> dict[str, Any]:
    """Return whether the core time of another process can be read, why not, and how to change that."""
    usable = sys.platform == "linux"
    return {
        "name": "cpu-time",
        "usable": usable,
        "why_not": None if usable else f"{sys.platform} does not tell another process's core time",
        "how": None if usable else "local models are estimated here",
    }
