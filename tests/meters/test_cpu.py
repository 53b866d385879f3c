from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from greenai.meters import cpu, watts

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


@pytest.fixture
def unknown_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watts, "model_name", lambda: None)


@pytest.mark.usefixtures("unknown_processor")
def test_a_reading_states_watts_and_an_interval() -> None:
    reading = cpu.reading(2.0)
    assert (reading.low_j, reading.energy_j, reading.high_j) == (4.0, 10.0, 24.0)
    assert reading.evidence == "modelled_known_deployment"
    assert reading.method == "cpu-time-2 (5 W per core, default)"
    assert reading.gpu_energy_j == 0.0


def test_watts_of_this_machine_narrow_the_interval() -> None:
    reading = cpu.reading(2.0, 3.5)
    assert reading.energy_j == 7.0
    assert reading.low_j == pytest.approx(7.0 / 1.33)
    assert reading.high_j == pytest.approx(7.0 * 1.33)
    assert reading.method == "cpu-time-2 (3.5 W per core, as set)"


def test_a_processor_of_the_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watts, "model_name", lambda: "AMD EPYC 9654 96-Core Processor")
    reading = cpu.reading(2.0)
    assert reading.energy_j == 7.5
    assert reading.method == "cpu-time-2 (3.75 W per core, AMD EPYC 9654)"
    assert (reading.low_j, reading.high_j) == (7.5 / 1.6, 15.0)


@linux
def test_a_busy_process_uses_core_time_and_an_idle_one_hardly_any(busy: int, idle: int) -> None:
    windows = [cpu.begin(pid, 5.0) for pid in (busy, idle)]
    time.sleep(0.3)
    working, waiting = (0 if window is None or window.stop() is None else window.used_ns for window in windows)
    assert working > 20_000_000 > waiting


@linux
def test_windows_at_once_share_and_the_shares_add_up_exactly(busy: int) -> None:
    whole = cpu.begin(busy)
    assert whole is not None
    seen = whole.account.seen
    assert seen is not None
    windows = [w for w in (cpu.begin(busy) for _ in range(7)) if w is not None]
    for n, window in enumerate(windows):
        time.sleep(0.01)
        window.stop(None if n % 3 == 0 else 10.0 * n)
    whole.stop(5.0)
    now = whole.account.seen
    assert now is not None
    assert sum(w.used_ns for w in (whole, *windows)) == now[0] - seen[0]
    assert windows[0].used_ns < whole.used_ns


@linux
def test_what_a_process_uses_between_windows_is_counted_apart(busy: int) -> None:
    first = cpu.begin(busy)
    assert first is not None
    first.stop()
    time.sleep(0.02)
    second = cpu.begin(busy)
    assert second is not None
    assert cpu.uncharged_s(busy) > 0.005
    second.stop()


@linux
def test_a_window_in_which_nothing_ran_is_unknown_not_zero(idle: int) -> None:
    first = cpu.begin(idle)
    assert first is not None
    time.sleep(0.05)  # until it waits
    first.stop()
    second = cpu.begin(idle)
    assert second is not None
    assert second.stop() is None
    assert second.used_ns == 0


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


def test_this_process_can_always_be_read() -> None:
    window = cpu.begin(os.getpid())
    assert window is not None
    sum(range(200_000))
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j
    assert reading.energy_j > 0
