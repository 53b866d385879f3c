from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gpus import Clock, FakeNvml, NVMLError

from greenai.local.memory import memory_bytes
from greenai.meters import nvml
from greenai.meters.idle import IdlePower, own

OWN = os.getpid()


def proc_of(tmp_path: Path, pid: int, pages: int) -> Path:
    (tmp_path / str(pid)).mkdir()
    (tmp_path / str(pid) / "statm").write_text(f"9999 {pages} 10 1 0 5 0\n")
    return tmp_path


def test_on_a_processor_idling_is_memory_and_core_time(tmp_path: Path) -> None:
    pages = 10**9 // os.sysconf("SC_PAGE_SIZE")
    clock = Clock()
    power = IdlePower(watts_per_core=10.0, api=FakeNvml([]), clock=clock, proc=proc_of(tmp_path, OWN, pages))
    window = power.idle(OWN)
    clock.now_s += 1000.0
    idle = window.read()
    assert idle.seconds == 1000.0
    core_j = idle.energy_j - 100.0 * pages * os.sysconf("SC_PAGE_SIZE") / 1e9
    assert 0 < core_j < 10.0  # this process's own core time meanwhile
    assert idle.watts == pytest.approx(idle.energy_j / 1000)
    assert 15.0 < idle.low_j < idle.energy_j < idle.high_j
    assert idle.method == "idle-1 (core time, memory at 0.1 W/GB)"


def test_a_process_that_rests_takes_hardly_any_core_time() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        window = IdlePower(watts_per_core=10.0, api=FakeNvml([])).idle(child.pid)
        time.sleep(0.2)
        idle = window.read()
        held_gb = (memory_bytes(child.pid) or 0) / 1e9
        assert idle.energy_j == pytest.approx(idle.seconds * held_gb * 0.1, abs=0.05)
    finally:
        child.kill()
        child.communicate()


def test_a_start_takes_its_core_time_and_what_its_gpus_counted() -> None:
    api = FakeNvml([set(), set()], energy_mj={0: 5_000, 1: 5_000}, watts=70.0)
    power = IdlePower(watts_per_core=10.0, api=api)
    loading = power.loading()
    api.users[1] = {OWN}
    api.energy_mj = {0: 6_000, 1: 905_000}
    assert loading.done(OWN, 2.0) == (20.0, 900.0)


@pytest.mark.parametrize(("before", "after"), [({1}, {1, OWN}), (set(), {1, OWN}), ({1}, {OWN})])
def test_a_start_beside_others_is_not_charged_with_what_they_took(before: set[int], after: set[int]) -> None:
    clock = Clock()
    api = FakeNvml([before], energy_mj={0: 0}, watts=500.0)
    power = IdlePower(watts_per_core=10.0, api=api, clock=clock)
    loading = power.loading()
    clock.now_s += 4.0
    api.users[0], api.energy_mj = after, {0: 2_000_000}
    assert loading.done(OWN, 2.0) == pytest.approx((20.0, 4 * 41.0))
    api.energy_mj = {0: 30_000}
    assert loading.done(OWN, 2.0) == (20.0, 30.0)  # never more than the counter showed


def test_a_gpus_context_counts_as_published_until_the_sensor_has_shown_it() -> None:
    clock = Clock()
    api = FakeNvml([set()], watts=70.0)
    power = IdlePower(watts_per_core=10.0, api=api, clock=clock, proc=Path("/nowhere"))
    power.loading()
    api.users[0], api.watts = {OWN}, 120.0
    window = power.idle(OWN)
    clock.now_s += 1.0
    assert window.read().watts == pytest.approx(41.0, rel=0.1)  # the last answer may still be in the sensor's mean
    assert "GPU context 41 W assumed" in window.read().method
    clock.now_s += 9.0
    idle = window.read()
    assert idle.energy_j == pytest.approx(500.0, rel=0.05)
    assert idle.low_j < 500.0 < idle.high_j
    assert "GPU context 50 W measured" in idle.method
    again = power.idle(OWN)
    assert "50 W measured" in again.read().method  # it is known from now on


def test_a_gpu_that_others_use_tells_nothing_of_this_context() -> None:
    clock = Clock()
    api = FakeNvml([{1}], watts=300.0)
    power = IdlePower(watts_per_core=10.0, api=api, clock=clock)
    power.loading()
    api.users[0] = {1, OWN}
    window = power.idle(OWN)
    clock.now_s += 10.0
    assert "GPU context 41 W assumed" in window.read().method


def test_a_gpu_that_fell_off_the_bus_costs_nobody_the_answer() -> None:
    api = FakeNvml([{OWN}], watts=70.0, failure=NVMLError("GPU is lost", 15))
    power = IdlePower(watts_per_core=10.0, api=api)
    loading = power.loading()
    assert loading.done(OWN, 1.0) == (10.0, 0.0)
    assert nvml.machine(api) is not None


def test_what_loading_took_is_a_component_of_its_own() -> None:
    bare, loaded = own(0.5, 0.0, 0.0, 10.0), own(0.5, 2.0, 100.0, 10.0)
    assert bare.components == {"cpu": 5.0}
    assert loaded.components == {"cpu": 5.0, "load": 120.0}
    assert loaded.energy_j == sum(loaded.components.values()) == 125.0
    assert loaded.gpu_energy_j == 100.0
    assert loaded.low_j is not None
    assert loaded.high_j is not None
    assert loaded.low_j < 125.0 < loaded.high_j
