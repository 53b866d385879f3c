# ruff: noqa: N802 - the double has NVML's own names
from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from greenai.meters import nvml


class NVMLError(Exception):
    pass


@dataclass
class FakeNvml:
    """NVML as this module uses it: GPU i has `users[i]`, a counter in mJ, and maybe instances."""

    users: list[set[int]]
    energy_mj: dict[int, int] = field(default_factory=dict)
    divided: set[int] = field(default_factory=set)
    broken: bool = False
    NVMLError: type[Exception] = NVMLError

    def nvmlDeviceGetCount(self) -> int:
        return len(self.users)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in self.users[gpu]]

    def nvmlDeviceGetMigMode(self, gpu: int) -> tuple[int, int]:
        if not self.divided:
            raise NVMLError("Not Supported")
        return (int(gpu in self.divided), 0)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: int) -> int:
        if self.broken:
            raise NVMLError("GPU is lost")
        return self.energy_mj.get(gpu, 0)


def later(window: nvml.NvmlWindow, seconds: float) -> None:
    window.began_s = time.monotonic() - seconds


def test_a_process_alone_on_its_gpu_is_measured() -> None:
    api = FakeNvml([{7}, {8}], {0: 1000, 1: 1000})
    window = nvml.begin(7, api=api)
    assert window is not None
    api.energy_mj = {0: 51_000, 1: 99_000}
    later(window, 2.0)
    reading = window.stop()
    assert reading is not None
    assert reading.energy_j == reading.gpu_energy_j == 50.0
    assert reading.evidence == "measured"
    assert reading.method == "nvml-1 (GPU only)"
    assert reading.high_j == pytest.approx(50 * 1.1, rel=0.01)


def test_another_process_on_the_gpu_makes_it_shared() -> None:
    api = FakeNvml([{7, 9}])
    window = nvml.begin(7, api=api)
    assert window is not None
    later(window, 1.0)
    reading = window.stop()
    assert reading is not None
    assert reading.evidence == "measured_shared"


@pytest.mark.parametrize(
    "api",
    [
        FakeNvml([]),
        FakeNvml([{8}]),
        FakeNvml([{7}], divided={0}),
        FakeNvml([{7}], broken=True),
    ],
    ids=["no gpu", "process elsewhere", "multi-instance", "broken"],
)
def test_what_cannot_be_measured_gives_no_window(api: FakeNvml) -> None:
    assert nvml.begin(7, api=api) is None


def test_a_window_shorter_than_the_counters_step_is_unknown() -> None:
    window = nvml.begin(7, api=FakeNvml([{7}]))
    assert window is not None
    assert window.stop() is None


def test_a_gpu_that_is_lost_is_unknown() -> None:
    api = FakeNvml([{7}])
    window = nvml.begin(7, api=api)
    assert window is not None
    later(window, 1.0)
    api.broken = True
    assert window.stop() is None


def test_the_probe_says_what_is_missing() -> None:
    assert nvml.probe(FakeNvml([{7}])) == {"name": "nvml", "usable": True, "why_not": None, "how": None}
    assert nvml.probe(FakeNvml([]))["why_not"] == "no NVIDIA GPU"
    assert nvml.probe(FakeNvml([{7}], broken=True))["why_not"] == "the energy counter cannot be read: GPU is lost"
    assert (
        nvml.probe(FakeNvml([{7}], divided={0}))["why_not"]
        == "multi-instance GPU is on: the counter belongs to all instances"
    )
