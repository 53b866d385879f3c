from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from gpus import Clock, FakeNvml, NVMLError, SteppingGpu, stepping

from greenai.meters import nvml
from greenai.readings import Reading

ME = os.getpid()
NOBODY = 2**22 + 1  # above the highest process number there can be


def machine(api: FakeNvml) -> tuple[nvml.Machine, Clock]:
    clock = Clock()
    return nvml.Machine(api, clock), clock


def measured(window: nvml.NvmlWindow | None, tokens: float | None = None) -> Reading:
    assert window is not None
    reading = window.stop(tokens=tokens)
    assert reading is not None
    return reading


def test_a_process_alone_on_its_gpu_is_measured() -> None:
    api = FakeNvml([{ME}, {NOBODY}], {0: 1000, 1: 1000})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    api.energy_mj, clock.now_s = {0: 51_000, 1: 99_000}, clock.now_s + 2.0
    reading = measured(window)
    assert reading.energy_j == reading.gpu_energy_j == 50.0
    assert reading.evidence == "measured"
    assert reading.method == "nvml-1 (GPU only, idle included: not known)"
    assert reading.components == {"gpu": 50.0}
    assert reading.high_j == pytest.approx(50 * 1.1)
    assert reading.low_j == pytest.approx(50 / 1.1)


def test_idle_power_is_subtracted_and_reported() -> None:
    api = FakeNvml([{ME}], {0: 0})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    gpus.gpus[0].account.idle_w = 100.0
    api.energy_mj, clock.now_s = {0: 1_500_000}, clock.now_s + 5.0
    reading = measured(window)
    assert reading.energy_j == pytest.approx(1000.0)
    assert reading.components == {"gpu": pytest.approx(1000.0), "gpu_idle": pytest.approx(500.0)}
    assert sum(reading.components.values()) == pytest.approx(1500.0)
    assert reading.method == "nvml-1 (GPU only, above idle)"
    assert reading.low_j is not None
    assert reading.high_j is not None
    assert reading.low_j < 1000 < reading.high_j


def test_idle_power_stays_in_where_it_is_most_of_what_was_drawn() -> None:
    api = FakeNvml([{ME}], {0: 0})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    gpus.gpus[0].account.idle_w = 100.0
    api.energy_mj, clock.now_s = {0: 490_000}, clock.now_s + 5.0
    reading = measured(window)
    assert reading.energy_j == 490.0
    assert reading.components == {"gpu": 490.0}
    assert reading.method == "nvml-1 (GPU only, idle included: most of it)"
    assert reading.low_j == pytest.approx(490 / 1.07)


def test_the_interval_never_begins_at_nothing() -> None:
    api = FakeNvml([{ME}], {0: 0}, watts=100.0)
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    gpus.gpus[0].account.idle_w = 100.0
    clock.now_s += 0.05  # the counter has not moved: a guess within a factor of four
    assert measured(window).low_j == pytest.approx(100 * 0.05 / 4.05, rel=0.05)
    gpus.gpus[0].account.idle_w = 60.0
    window = gpus.begin(ME)
    clock.now_s += 0.05
    reading = measured(window)
    assert reading.energy_j is not None
    assert reading.low_j == pytest.approx(reading.energy_j * 0.05)


def test_idle_power_is_the_sensors_once_it_agrees_with_itself() -> None:
    api = FakeNvml([{ME}], {0: 0}, watts=70.0, busy_percent=0)
    gpus, clock = machine(api)
    known = []
    for _ in range(2):
        window = gpus.begin(ME)
        known.append(gpus.gpus[0].account.idle_w)
        clock.now_s += 2.0
        assert window is not None
        window.stop()
        clock.now_s += 5.0
    assert known == [None, 70.0]


def test_idle_power_is_the_least_although_the_gpu_had_worked_before_the_first_window() -> None:
    api = FakeNvml([{ME}], {0: 0}, watts=444.0, busy_percent=0)  # a mean of 1 s: the sensor still shows a warm-up
    gpus, clock = machine(api)
    drawn_j, readings = 0.0, []
    for _ in range(5):
        window = gpus.begin(ME)
        drawn_j, clock.now_s = drawn_j + 800.0, clock.now_s + 2.0
        api.energy_mj = {0: int(drawn_j * 1e3)}
        readings.append(measured(window))
        drawn_j, clock.now_s, api.watts = drawn_j + 5 * 80.0, clock.now_s + 5.0, 80.0
        api.energy_mj = {0: int(drawn_j * 1e3)}
    assert [reading.method for reading in readings] == [nvml.METHOD_WITH_IDLE] * 2 + [nvml.METHOD] * 3
    assert readings[-1].energy_j == pytest.approx(800 - 2 * 80, rel=0.02)


@pytest.mark.parametrize(
    ("users", "busy_percent"), [({ME}, 30), ({ME}, None), ({ME, NOBODY}, 0)], ids=["busy", "unknown", "others"]
)
def test_idle_power_is_unknown_where_the_gpu_may_be_working(users: set[int], busy_percent: int | None) -> None:
    gpus, clock = machine(FakeNvml([users], {0: 0}, watts=70.0, busy_percent=busy_percent))
    for _ in range(3):
        window = gpus.begin(ME)
        assert window is not None
        window.stop()
        clock.now_s += 5.0
    assert gpus.gpus[0].account.idle_w is None


@pytest.mark.parametrize("at", ["begin", "end"])
def test_another_process_on_the_gpu_makes_it_shared_and_an_upper_bound(at: str) -> None:
    api = FakeNvml([{ME, NOBODY} if at == "begin" else {ME}], {0: 0})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    api.users = [{ME, NOBODY} if at == "end" else {ME}]
    api.energy_mj, clock.now_s = {0: 50_000}, clock.now_s + 2.0
    reading = measured(window)
    assert window is not None
    assert window.others == {NOBODY}
    assert reading.evidence == "measured_shared"
    assert reading.energy_j == 50.0
    assert reading.low_j == pytest.approx(50 / 1.1 / 2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_the_process_started_counts_as_the_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        api = FakeNvml([{child.pid}, {child.pid, ME}], {0: 0, 1: 0})
        gpus, clock = machine(api)
        window = gpus.begin(ME)
        api.energy_mj, clock.now_s = {0: 10_000, 1: 20_000}, clock.now_s + 2.0
        reading = measured(window)
        child.communicate(b"\n")
    assert reading.energy_j == 30.0
    assert reading.evidence == "measured"


def test_two_processes_that_are_both_measured_share_one_gpu() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as two,
    ):
        api = FakeNvml([{one.pid, two.pid}], {0: 0})
        gpus, clock = machine(api)
        windows = [gpus.begin(one.pid), gpus.begin(two.pid)]
        api.energy_mj, clock.now_s = {0: 80_000}, clock.now_s + 2.0
        second = measured(windows[1])  # the first is open all the while, so its process is no stranger
        first = measured(windows[0])
        again = gpus.begin(one.pid)
        one.communicate(b"\n")
        two.communicate(b"\n")
    assert first.energy_j == second.energy_j == 40.0
    assert first.evidence == second.evidence == "measured_shared"
    assert [window.others for window in (*windows, again) if window] == [{two.pid}, set(), {two.pid}]
    assert second.low_j == pytest.approx(40 / 1.1)


@pytest.mark.parametrize(
    "api",
    [
        FakeNvml([]),
        FakeNvml([{NOBODY}]),
        FakeNvml([{ME}], divided={0}),
        FakeNvml([{ME}, {ME}], divided={1}),
        FakeNvml([{ME}], failure=NVMLError("Not Supported", 3)),
        FakeNvml([{ME}], failure=NVMLError("Insufficient Permissions", 4)),
    ],
    ids=["no gpu", "process elsewhere", "multi-instance", "one of two multi-instance", "no counter", "no permission"],
)
def test_what_cannot_be_measured_gives_no_window(api: FakeNvml) -> None:
    assert nvml.begin(ME, api=api) is None


def test_a_window_in_which_the_counter_did_not_move_is_unknown_as_long_as_nothing_tells_the_power() -> None:
    window = nvml.begin(ME, api=FakeNvml([{ME}]))
    assert window is not None
    assert window.stop() is None


def test_a_first_short_window_lies_between_what_the_sensor_shows_and_the_limit() -> None:
    api = FakeNvml([{ME}], watts=100.0, limit_w=400.0)
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    clock.now_s += 0.03
    reading = measured(window)
    assert reading.energy_j == pytest.approx(200 * 0.03)
    assert reading.low_j == pytest.approx(6 / 2.05)
    assert reading.high_j == pytest.approx(6 * 2.05)
    assert reading.evidence == "measured_shared"


def test_the_sensor_is_asked_again_as_long_as_the_counter_has_told_nothing() -> None:
    api = FakeNvml([{ME}], watts=100.0, limit_w=400.0)
    gpus, clock = machine(api)
    energies = []
    for api.watts in (100.0, 225.0):
        window = gpus.begin(ME)
        clock.now_s += 0.01
        energies.append(measured(window).energy_j)
    assert energies == [pytest.approx(200 * 0.01), pytest.approx(300 * 0.01)]


def test_without_a_limit_the_first_short_window_is_four_times_as_wide() -> None:
    gpus, clock = machine(FakeNvml([{ME}], watts=100.0))
    window = gpus.begin(ME)
    clock.now_s += 0.03
    reading = measured(window)
    assert reading.high_j == pytest.approx(3 * 4.05)


@pytest.mark.parametrize("text", ["GPU is lost", "Not Found"])
def test_a_gpu_that_is_lost_is_unknown_and_the_next_window_is_not(text: str) -> None:
    api = FakeNvml([{ME}])
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    clock.now_s, api.failure = clock.now_s + 1.0, NVMLError(text)
    assert window is not None
    assert window.stop() is None
    api.failure = None
    again = gpus.begin(ME)
    api.energy_mj, clock.now_s = {0: 50_000}, clock.now_s + 2.0
    assert measured(again).energy_j == 50.0


def test_a_counter_that_starts_anew_is_unknown() -> None:
    api = FakeNvml([{ME}], {0: 900_000})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    api.energy_mj, clock.now_s = {0: 10}, clock.now_s + 2.0
    assert window is not None
    assert window.stop() is None


def test_a_second_stop_returns_the_same() -> None:
    api = FakeNvml([{ME}], {0: 0})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    api.energy_mj, clock.now_s = {0: 50_000}, clock.now_s + 2.0
    first = measured(window)
    api.energy_mj = {0: 99_000}
    assert measured(window) is first


def test_a_window_that_was_given_up_costs_the_later_ones_nothing() -> None:
    api = FakeNvml([{ME, NOBODY}], {0: 0})
    gpus, clock = machine(api)
    assert gpus.begin(NOBODY) is not None
    api.users = [{ME}]
    for n in range(1, 4):
        window = gpus.begin(ME)
        api.energy_mj, clock.now_s = {0: n * 50_000}, clock.now_s + 2.0
        reading = measured(window)
        assert (reading.energy_j, reading.evidence) == (50.0, "measured")
    api.users = [{ME, NOBODY}]
    assert gpus.begin(ME).others == {NOBODY}  # type: ignore[union-attr]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_window_of_the_parent_reads_nothing_in_a_forked_child() -> None:
    api = FakeNvml([{ME}], {0: 0})
    gpus, clock = machine(api)
    window = gpus.begin(ME)
    assert window is not None
    api.energy_mj, clock.now_s = {0: 50_000}, clock.now_s + 2.0
    with gpus.lock:  # as another thread of the parent may
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            status = 1
            try:
                status = 0 if window.stop() is None else 1
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert measured(window).energy_j == 50.0


def test_short_calls_add_up_to_the_counter() -> None:
    gpu = SteppingGpu()
    gpu.draw(5.0, 100.0)
    api = stepping(gpu)
    api.watts, api.limit_w = 100.0, 700.0
    gpus = nvml.Machine(api, lambda: gpu.now_s)
    nvml_before_j, paid_j = gpu.shown_j, 0.0
    for _ in range(400):
        window = gpus.begin(ME)
        gpu.draw(0.03, 500.0)
        paid_j += measured(window).energy_j or 0.0
    assert paid_j == pytest.approx(gpu.shown_j - nvml_before_j, rel=0.02)


def test_32_threads_add_up_to_the_counter() -> None:
    # 500 W by the wall clock: what the counter shows depends on when the threads run, the sum does not.
    began_s = time.monotonic()
    api = FakeNvml([{ME}], watts=300.0, limit_w=700.0)
    api.nvmlDeviceGetTotalEnergyConsumption = (  # type: ignore[method-assign]
        lambda gpu: int((time.monotonic() - began_s) // 0.02 * 0.02 * 500e3)
    )
    gpus, readings = nvml.Machine(api), []

    def work(tokens: int) -> None:
        for _ in range(6):
            window = gpus.begin(ME)
            time.sleep(0.05)
            readings.append(measured(window, tokens).energy_j)

    first = gpus.begin(ME)
    account = gpus.gpus[0].account
    before_j, between_j = account.seen_j or 0.0, account.between_j
    threads = [threading.Thread(target=work, args=(10 + i,)) for i in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    readings.append(measured(first).energy_j)
    shown_j = (account.seen_j or 0.0) - before_j
    assert len(readings) == 1 + 32 * 6
    assert account.between_j == between_j  # one was open all the time
    assert sum(readings) == pytest.approx(shown_j + account.ahead_j - account.owed_j)
    assert abs(account.ahead_j - account.owed_j) <= 0.1 * 500  # no more than one step of the counter is open


def test_a_window_costs_well_under_a_millisecond() -> None:
    api = FakeNvml([{ME}, {NOBODY}], {0: 0}, watts=300.0, limit_w=700.0)
    gpus = nvml.Machine(api)
    costs = []
    for i in range(300):
        began_s = time.perf_counter()
        window = gpus.begin(ME)
        api.energy_mj = {0: 100 * i + 100}
        assert window is not None
        window.stop(tokens=10)
        costs.append(time.perf_counter() - began_s)
    assert sorted(costs)[150] < 0.001


def test_the_machine_is_one_for_each_api_and_a_fork_starts_anew() -> None:
    api = FakeNvml([{ME}])
    before = nvml.machine(api)
    assert before is nvml.machine(api)
    nvml._forget()
    assert nvml.machine(api) is not before


# --- power at rest ---------------------------------------------------------------------------


def test_idle_power_is_measured_while_nothing_computes() -> None:
    api = FakeNvml([{ME}, {ME}], {0: 0, 1: 0}, busy_percent=0)
    clock = Clock()
    nvml._machines[id(api)] = gpus = nvml.Machine(api, clock)

    def wait(seconds: float) -> None:
        clock.now_s += seconds
        api.energy_mj = {0: 700_000, 1: 0}

    assert nvml.measure_idle(10.0, api=api, wait=wait) == {0: 70.0, 1: 0.0}
    assert [gpu.account.idle_w for gpu in gpus.gpus.values()] == [70.0, None]
    assert gpus.gpus[0].account.stated


def test_idle_power_is_not_measured_while_something_computes() -> None:
    api = FakeNvml([{ME}], {0: 0}, busy_percent=3)
    assert nvml.measure_idle(0.01, api=api) == {}


def test_idle_power_may_be_stated() -> None:
    api = FakeNvml([{ME}, {ME}], {0: 0, 1: 0})
    nvml.state_idle({1: 65.0}, api=api)
    found = nvml.machine(api)
    assert found is not None
    assert [gpu.account.idle_w for gpu in found.gpus.values()] == [None, 65.0]


# --- what is missing -------------------------------------------------------------------------


def test_the_probe_is_content_with_a_counter() -> None:
    assert nvml.probe(FakeNvml([{ME}])) == {"name": "nvml", "usable": True, "why_not": None, "how": None}
    assert nvml.probe(FakeNvml([set()]))["usable"] is True


@pytest.mark.parametrize(
    ("api", "why_not", "how"),
    [
        (FakeNvml([]), "no NVIDIA GPU", "nothing: work on the processor has meters of its own"),
        (
            FakeNvml([{ME}], failure=NVMLError("GPU is lost", 15)),
            "the energy counter cannot be read: GPU is lost",
            "reset the GPU or restart the machine: it fell off the bus",
        ),
        (
            FakeNvml([{ME}], failure=NVMLError("Not Supported", 3)),
            "the energy counter cannot be read: Not Supported",
            "GPUs from Volta on have one; estimates are used instead",
        ),
        (
            FakeNvml([{ME}], failure=NVMLError("Insufficient Permissions", 4)),
            "the energy counter cannot be read: Insufficient Permissions",
            "let this user read /dev/nvidiactl and /dev/nvidia*; in a container, pass the GPU in",
        ),
        (
            FakeNvml([{ME}], failure=NVMLError("Unknown Error", 999)),
            "the energy counter cannot be read: Unknown Error",
            "GPUs from Volta on have one; a container needs --gpus",
        ),
        (
            FakeNvml([{ME}], divided={0}),
            "multi-instance GPU is on: the counter belongs to all instances",
            "measure with the mode off",
        ),
        pytest.param(
            FakeNvml([{NOBODY}]),
            "the GPU's processes have the host's numbers, which are unknown here",
            "run the container with --pid=host",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
        ),
    ],
)
def test_the_probe_says_what_is_missing_and_what_to_do(api: FakeNvml, why_not: str, how: str) -> None:
    assert nvml.probe(api) == {"name": "nvml", "usable": False, "why_not": why_not, "how": how}


def test_the_probe_tells_a_missing_package_from_a_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise NVMLError("Driver Not Loaded", 9)

    def imported(found: object) -> None:
        nvml._api.cache_clear()
        monkeypatch.setitem(sys.modules, "pynvml", found)  # type: ignore[arg-type]

    imported(None)
    assert nvml.begin(ME) is None
    assert nvml.probe() == {
        "name": "nvml",
        "usable": False,
        "why_not": "the package nvidia-ml-py is not installed",
        "how": 'pip install "greenai[nvidia]"',
    }
    imported(SimpleNamespace(nvmlInit=no_driver, NVMLError=NVMLError))
    assert nvml.begin(ME) is None
    assert nvml.measure_idle(0.0) == {}
    nvml.state_idle({0: 1.0})
    assert nvml.probe() == {
        "name": "nvml",
        "usable": False,
        "why_not": "the NVIDIA driver does not answer: Driver Not Loaded",
        "how": "install the NVIDIA driver",
    }
    nvml._api.cache_clear()
