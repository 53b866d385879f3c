from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from greenai.meters import cpu

BUSY = "import sys\nprint('up', flush=True)\nwhile True: sum(range(1000))"
IDLE = "import sys\nprint('up', flush=True)\nsys.stdin.read()"

linux = pytest.mark.skipif(sys.platform != "linux", reason="another process's core time is read on Linux only")


def child(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def busy() -> Iterator[int]:
    process = child(BUSY)
    yield process.pid
    end(process)


@pytest.fixture
def idle() -> Iterator[int]:
    process = child(IDLE)
    yield process.pid
    end(process)


def test_a_reading_states_watts_and_an_interval() -> None:
    reading = cpu.reading(2.0)
    assert (reading.low_j, reading.energy_j, reading.high_j) == (4.0, 10.0, 24.0)
    assert reading.evidence == "modelled_known_deployment"
    assert reading.method == "cpu-time-1 (5 W per core)"
    assert reading.gpu_energy_j == 0.0


def test_watts_of_this_machine_narrow_the_interval() -> None:
    reading = cpu.reading(2.0, 3.5)
    assert reading.energy_j == 7.0
    assert reading.low_j == pytest.approx(7.0 / 1.33)
    assert reading.high_j == pytest.approx(7.0 * 1.33)
    assert reading.method == "cpu-time-1 (3.5 W per core)"


@linux
def test_a_busy_process_uses_core_time_and_an_idle_one_hardly_any(busy: int, idle: int) -> None:
    windows = [cpu.shares_of(pid).open() for pid in (busy, idle)]
    time.sleep(0.3)
    working, waiting = (None if window is None else window.stop() for window in windows)
    assert working is not None
    assert waiting is not None
    assert (working.energy_j or 0) > 0.02 * 5 > (waiting.energy_j or 0)


@linux
def test_windows_at_once_share_and_the_shares_add_up_exactly(busy: int) -> None:
    shares = cpu.Shares(busy)
    whole = shares.open()
    assert whole is not None
    before_ns = shares.seen_ns
    windows = [w for w in (shares.open() for _ in range(7)) if w is not None]
    for window in windows:
        time.sleep(0.01)
        window.stop()
    whole.stop()
    assert sum(w.used_ns for w in (whole, *windows)) == shares.seen_ns - before_ns
    assert windows[0].used_ns < windows[-1].used_ns < whole.used_ns


@linux
def test_a_second_stop_changes_nothing(busy: int) -> None:
    window = cpu.begin(busy)
    assert window is not None
    first = window.stop()
    time.sleep(0.02)
    assert window.stop() == first


@linux
def test_threads_share_one_process(busy: int) -> None:
    used: list[int] = []

    def measure() -> None:
        for _ in range(50):
            window = cpu.begin(busy)
            assert window is not None
            window.stop()
            used.append(window.used_ns)

    threads = [threading.Thread(target=measure) for _ in range(4)]
    before = cpu.core_seconds(busy)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = cpu.core_seconds(busy)
    assert before is not None
    assert after is not None
    assert sum(used) <= round((after - before) * 1e9) + 1  # the difference of two floats, back in nanoseconds
    assert len(used) == 200


@linux
def test_a_process_that_ended_is_unknown_not_zero() -> None:
    process = child(BUSY)
    window = cpu.begin(process.pid)
    assert window is not None
    end(process)
    assert window.stop() is None
    assert cpu.begin(process.pid) is None
    assert cpu.core_seconds(process.pid) is None


@linux
def test_the_clock_and_proc_agree(busy: int) -> None:
    time.sleep(0.05)
    by_clock, by_proc = cpu.core_seconds(busy), cpu._stat_ns(busy)
    assert by_clock is not None
    assert by_proc is not None
    assert by_clock == pytest.approx(by_proc / 1e9, abs=0.05)


def test_this_process_can_always_be_read() -> None:
    window = cpu.begin(os.getpid())
    assert window is not None
    sum(range(200_000))
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j
    assert reading.energy_j > 0
