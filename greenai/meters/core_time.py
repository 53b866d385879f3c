"""Core time that processes used, in nanoseconds, read from the kernel: of one process, and of all together.

Linux: the process's CPU clock (exact) and /proc/stat (steps of 10 ms). macOS: `proc_pid_rusage` and
`host_statistics`, written from Apple's headers and tested on doubles only. Elsewhere only this process can be read.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["READS_OTHERS", "CoreShare", "machine_ns", "process_ns"]

STAT = Path("/proc/stat")
READS_OTHERS = sys.platform in {"linux", "darwin"}
"""Whether another process's core time can be read here."""

MEMORY_S = 1.0
"""Seconds of work over which a process's part of all core time is averaged: /proc/stat moves in steps of 10 ms, so
shorter ones mislead. Assumption, 2026-11-21."""


def process_ns(pid: int) -> int | None:
    """Return the core time that process `pid` has used, all threads, or None where that cannot be read."""
    if pid == os.getpid():
        return time.process_time_ns()
    if sys.platform == "linux":
        return _clock_ns(pid)
    return _mac(os.getpid()).process_ns(pid) if sys.platform == "darwin" else None


def _clock_ns(pid: int) -> int | None:
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


def machine_ns(stat: Path = STAT) -> int:
    """Return the core time that all processes have used since the machine started; raises OSError where unknown."""
    if sys.platform == "darwin":
        return _mac(os.getpid()).machine_ns()
    with stat.open(encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(t) for t in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, eq=False)
class CoreShare:
    """Which part of the core time that all processes use is one process's, averaged over the work of late."""

    process: Callable[[], int | None]
    machine: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    seen: tuple[float, int, int] | None = None
    used_ns: float = 0.0
    busy_ns: float = 0.0

    def step(self, *, resting: bool) -> tuple[int, float] | None:
        """Return the process's core time so far and its part (0 to 1) since the last step.

        None if the process is gone; raises OSError where the machine's core time cannot be read. `resting` says that
        nobody measured since the last step: that time is not averaged.
        """
        used = self.process()
        if used is None:
            return None
        now = (self.clock(), used, self.machine())
        before, self.seen = self.seen or now, now
        kept = 0.0 if resting else math.exp((before[0] - now[0]) / MEMORY_S)
        self.used_ns = self.used_ns * kept + (0 if resting else max(now[1] - before[1], 0))
        self.busy_ns = self.busy_ns * kept + (0 if resting else max(now[2] - before[2], 0))
        # A short time may seem to have used more than all did: the machine's counts in larger steps.
        return used, self.used_ns / max(self.busy_ns, self.used_ns, 1.0)


# --- macOS ----------------------------------------------------------------------------------

_RUSAGE_INFO_V0 = 0  # <libproc.h>: 16 bytes of uuid, then user and system time, 8 bytes each
_RUSAGE_BYTES = 512  # larger than any version of the structure
_HOST_CPU_LOAD_INFO = 3  # <mach/host_info.h>: ticks of user, system, idle and nice, 4 bytes each
_TICKS_PER_S = 100


@dataclass(frozen=True, slots=True)
class Mac:
    """Core time on macOS. `lib` is libSystem or a double of it; `host` and `ns_per_tick` are asked for once."""

    lib: Any
    host: int
    ns_per_tick: float

    def process_ns(self, pid: int) -> int | None:
        """Return the core time of process `pid`; None if it is gone or another user's."""
        info = (ctypes.c_uint64 * (_RUSAGE_BYTES // 8))()
        if self.lib.proc_pid_rusage(pid, _RUSAGE_INFO_V0, ctypes.byref(info)) != 0:
            return None
        return int((info[2] + info[3]) * self.ns_per_tick)

    def machine_ns(self) -> int:
        """Return the core time of all processes; raises OSError."""
        ticks, count = (ctypes.c_uint32 * 4)(), ctypes.c_uint32(4)
        if self.lib.host_statistics(self.host, _HOST_CPU_LOAD_INFO, ctypes.byref(ticks), ctypes.byref(count)) != 0:
            raise OSError("host_statistics does not answer")
        user, system, _idle, nice = ticks
        return (user + system + nice) * 1_000_000_000 // _TICKS_PER_S


def mac(lib: Any) -> Mac:
    """Return the reader of core time on top of `lib`."""
    timebase = (ctypes.c_uint32 * 2)()
    lib.mach_timebase_info(ctypes.byref(timebase))
    return Mac(lib, lib.mach_host_self(), timebase[0] / timebase[1])


@lru_cache(maxsize=1)
def _mac(_pid: int) -> Mac:
    """Return the reader of this process: a fork does not inherit the port of the host."""
    return mac(ctypes.CDLL(None))
