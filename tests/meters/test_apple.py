"""Apple silicon, on doubles of zeus_apple_silicon's monitor: its fields and their units are the package's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from greenai.meters import apple


@dataclass
class Metrics:
    """What AppleEnergyMonitor returns, in millijoules; None where a chip has no such counter."""

    cpu_total_mj: int | None = 0
    dram_mj: int | None = 0
    gpu_mj: int | None = 0
    gpu_sram_mj: int | None = None
    ane_mj: int | None = 0
    efficiency_cores_mj: list[int] | None = None


class Monitor:
    def __init__(self, **now: int | None) -> None:
        self.now = Metrics(**now)  # type: ignore[arg-type]
        self.fails = False
        self.reads = 0

    def get_cumulative_energy(self) -> Metrics:
        self.reads += 1
        if self.fails:
            raise RuntimeError("could not create samples")
        return Metrics(**vars(self.now))


class Core:
    """The core time of the process and of all, in nanoseconds."""

    used: int | None = 0
    busy = 0


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    now = Core()
    monkeypatch.setattr(apple, "process_ns", lambda _pid: now.used)
    monkeypatch.setattr(apple, "machine_ns", lambda: now.busy)
    return now


def begin(monitor: Monitor) -> apple.AppleWindow:
    window = apple.begin(7, monitor=monitor)
    assert window is not None
    return window


def spend(monitor: Monitor, core: Core, used: int, busy: int, **more_mj: int) -> None:
    core.used, core.busy = (core.used or 0) + used, core.busy + busy
    for name, mj in more_mj.items():
        setattr(monitor.now, name, getattr(monitor.now, name) + mj)


def test_processor_and_memory_are_shared_by_core_time_and_the_gpu_is_whole(core: Core) -> None:
    monitor = Monitor(gpu_sram_mj=5)
    window = begin(monitor)
    spend(monitor, core, 250, 1000, cpu_total_mj=4000, dram_mj=1000, gpu_mj=3000, gpu_sram_mj=100, ane_mj=200)
    reading = window.stop(10.0)
    assert reading is not None
    assert reading.components == {"cpu": 1.0, "dram": 0.25, "gpu": pytest.approx(3.1), "ane": 0.2}
    assert reading.energy_j == pytest.approx(4.55)
    assert reading.gpu_energy_j == pytest.approx(3.1)
    assert reading.low_j == pytest.approx((1.0 + 0.25 + 3.3 / 4) / 1.3)
    assert reading.high_j == pytest.approx(4.55 * 1.3)
    assert reading.evidence == "measured_shared"
    assert reading.method == "apple-1 (chip, processor and memory shared by core time, GPU in full)"
    assert window.stop() == reading


def test_one_reading_of_the_monitor_serves_all_counters(core: Core) -> None:
    monitor = Monitor()
    begin(monitor).stop()
    assert monitor.reads == 3  # once to see what the chip has, then at the begin and at the end


def test_a_chip_with_fewer_counters_has_fewer_components(core: Core) -> None:
    monitor = Monitor(dram_mj=None, ane_mj=None)
    window = begin(monitor)
    spend(monitor, core, 10, 10, cpu_total_mj=70)
    reading = window.stop()
    assert reading is not None
    assert reading.components == {"cpu": 0.07, "gpu": 0.0}


def test_windows_at_once_add_up_to_the_counters(core: Core) -> None:
    monitor = Monitor()
    windows, readings = [begin(monitor) for _ in range(4)], []
    for n, window in enumerate(windows):
        spend(monitor, core, 500, 1000, cpu_total_mj=2000, gpu_mj=700)
        readings.append(window.stop(None if n == 1 else 10.0 * n + 1))
    assert sum((r.components or {})["gpu"] for r in readings if r is not None) == pytest.approx(2.8)
    assert sum((r.components or {})["cpu"] for r in readings if r is not None) == pytest.approx(4.0)


def test_a_monitor_that_fails_makes_it_unknown(core: Core) -> None:
    monitor = Monitor()
    window = begin(monitor)
    spend(monitor, core, 10, 10, cpu_total_mj=70)
    monitor.fails = True
    assert window.stop() is None
    assert apple.begin(7, monitor=monitor) is None


def test_counters_that_stand_still_make_it_unknown_not_zero(core: Core) -> None:
    monitor = Monitor()
    window = begin(monitor)
    spend(monitor, core, 10, 10)
    assert window.stop() is None


def test_a_process_that_ended_is_unknown(core: Core) -> None:
    monitor = Monitor()
    window = begin(monitor)
    spend(monitor, core, 10, 10, cpu_total_mj=70)
    core.used = None
    assert window.stop() is None


@pytest.mark.parametrize("monitor", [Monitor(cpu_total_mj=None), object()])
def test_without_the_processors_counter_there_is_no_window(monitor: Any, core: Core) -> None:
    if not isinstance(monitor, Monitor):
        monitor = Monitor()
        monitor.fails = True
    assert apple.begin(7, monitor=monitor) is None
    assert apple.probe(monitor) == {
        "name": "apple",
        "usable": False,
        "why_not": "IOReport has no energy counter of the processor here",
        "how": None,
    }


def test_a_chip_whose_counters_can_be_read_is_usable() -> None:
    assert apple.probe(Monitor()) == {"name": "apple", "usable": True, "why_not": None, "how": None}


@pytest.mark.skipif(sys.platform == "darwin", reason="this may be one")
def test_elsewhere_it_says_that_this_is_no_such_mac() -> None:
    assert apple.begin(7) is None
    assert apple.probe() == {
        "name": "apple",
        "usable": False,
        "why_not": "this is no Mac with Apple silicon",
        "how": None,
    }
