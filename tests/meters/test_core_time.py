"""Core time of one process and of all, on this kernel and on a double of macOS's libraries."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from greenai.meters import core_time
from greenai.meters.core_time import CoreShare, machine_ns, process_ns

linux = pytest.mark.skipif(sys.platform != "linux", reason="another process's core time is read on Linux only")


def test_this_process_can_always_be_read() -> None:
    before = process_ns(os.getpid())
    assert before is not None
    sum(range(200_000))
    assert (process_ns(os.getpid()) or 0) > before


@linux
def test_the_clock_and_proc_agree() -> None:
    end = time.process_time() + 0.05
    while time.process_time() < end:
        sum(range(1000))
    by_clock, by_proc = core_time._clock_ns(os.getpid()), core_time._stat_ns(os.getpid())
    assert by_clock is not None
    assert by_proc is not None
    assert by_clock == pytest.approx(by_proc, abs=5e7)


@linux
def test_a_process_that_never_was_is_unknown() -> None:
    assert process_ns(2**22 + 1) is None


@linux
def test_the_machines_core_time_leaves_out_rest_and_waiting(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_text("cpu  100 10 50 9999 888 4 6 77 5 5\ncpu0 1 0 0 0\n")
    assert machine_ns(path) == 170 * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    with pytest.raises(OSError, match="missing"):
        machine_ns(tmp_path / "missing")


# --- the part of all core time --------------------------------------------------------------


class Clocks:
    def __init__(self) -> None:
        self.now_s, self.used, self.busy = 0.0, 0, 0
        self.share = CoreShare(lambda: self.used, lambda: self.busy, lambda: self.now_s)

    def step(self, seconds: float, used: int, busy: int, *, resting: bool = False) -> float:
        self.now_s, self.used, self.busy = self.now_s + seconds, self.used + used, self.busy + busy
        found = self.share.step(resting=resting)
        assert found is not None
        assert found[0] == self.used
        return found[1]


def test_the_part_is_what_one_used_of_what_all_used() -> None:
    clocks = Clocks()
    assert clocks.step(0, 0, 0, resting=True) == 0
    assert clocks.step(1.0, 300, 400) == 0.75


def test_steps_that_are_too_short_to_count_do_not_make_it_all() -> None:
    clocks = Clocks()
    clocks.step(0, 0, 0, resting=True)
    parts = [clocks.step(0.001, 1_000_000, 20_000_000 if n % 10 == 9 else 0) for n in range(400)]
    assert parts[0] == 1  # nothing else was seen to run yet
    assert parts[-1] == pytest.approx(0.5, abs=0.05)


def test_what_happened_while_nobody_measured_is_forgotten() -> None:
    clocks = Clocks()
    clocks.step(0, 0, 0, resting=True)
    clocks.step(0.1, 1, 100)
    clocks.step(0.1, 0, 5000, resting=True)
    assert clocks.step(0.1, 90, 100) == 0.9


def test_a_process_that_is_gone_has_no_part() -> None:
    assert CoreShare(lambda: None, lambda: 5).step(resting=True) is None


# --- macOS ----------------------------------------------------------------------------------


class LibSystem:
    """Answers as macOS's headers say, on a chip whose ticks are 125/3 ns."""

    def mach_host_self(self) -> int:
        return 11

    def mach_timebase_info(self, out: Any) -> int:
        info = ctypes.cast(out, ctypes.POINTER(ctypes.c_uint32))
        info[0], info[1] = 125, 3
        return 0

    def proc_pid_rusage(self, pid: int, flavor: int, out: Any) -> int:
        assert flavor == 0
        if pid != 42:
            return -1
        info = ctypes.cast(out, ctypes.POINTER(ctypes.c_uint64))
        info[0], info[1], info[2], info[3], info[4] = 2**63, 2**63, 20, 4, 999
        return 0

    def host_statistics(self, host: int, flavor: int, out: Any, count: Any) -> int:
        assert (host, flavor) == (11, 3)
        assert ctypes.cast(count, ctypes.POINTER(ctypes.c_uint32))[0] == 4
        ticks = ctypes.cast(out, ctypes.POINTER(ctypes.c_uint32))
        ticks[0], ticks[1], ticks[2], ticks[3] = 100, 50, 777, 25
        return self.answer

    answer = 0


def test_core_time_on_macos_is_in_the_chips_ticks() -> None:
    mac = core_time.mac(LibSystem())
    assert mac.process_ns(42) == 1000
    assert mac.process_ns(43) is None


def test_core_time_of_all_on_macos() -> None:
    mac = core_time.mac(LibSystem())
    assert mac.machine_ns() == 1_750_000_000
    mac.lib.answer = 5
    with pytest.raises(OSError, match="host_statistics does not answer"):
        mac.machine_ns()
