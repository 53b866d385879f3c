"""What NVML says of one GPU at one moment; more of it, over time, in tests/gpus/test_gpus_sampler.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gpus import FakeNvml, NVMLError

from greenai.meters.gpu_looks import GpuFacts, GpuProcess, Watcher, facts

NOW_US = 1_795_000_000_000_000


class Nvml(FakeNvml):
    """One GPU with process 7, whose samples are given."""

    def __init__(self, used: list[tuple[int, int, int]], samples: list[tuple[int, int]]) -> None:
        super().__init__([{7}], watts=120.0, busy_percent=30)
        self.used, self.samples = used, samples

    def nvmlDeviceGetProcessUtilization(self, _gpu: int, _since_us: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, smUtil=percent, timeStamp=at) for pid, percent, at in self.used]

    def nvmlDeviceGetSamples(self, _gpu: int, _kind: int, since_us: int) -> Any:  # noqa: N802
        if not self.samples:
            raise NVMLError("Not Found", 6)
        return 1, [SimpleNamespace(timeStamp=at, sampleValue=SimpleNamespace(uiVal=v)) for at, v in self.samples]


def test_utilisation_is_the_mean_since_the_last_look() -> None:
    api = Nvml([], [])
    watcher = Watcher(api, 0)
    assert watcher.look(NOW_US).busy_percent == 30
    api.samples = [(NOW_US - 1, 90), (NOW_US + 200_000, 50), (NOW_US + 400_000, 10), (NOW_US + 600_000, 4_000_000)]
    assert watcher.look(NOW_US + 1_000_000).busy_percent == 30  # of 50 and 10: older and senseless ones do not count
    api.samples = [(NOW_US + 600_000, 90), (NOW_US + 1_600_000, 70)]
    assert watcher.look(NOW_US + 2_000_000).busy_percent == 70


def test_figures_by_process_that_make_no_sense_are_left_out() -> None:
    later = NOW_US + 500_000
    api = Nvml([(7, 40, later), (0, 20, later), (8, 4096, later), (9, 30, NOW_US - 3_000_000), (10, 5, later)], [])
    watcher = Watcher(api, 0)
    watcher.look(NOW_US)
    assert watcher.look(NOW_US + 1_000_000).processes == (
        GpuProcess(pid=7, sm_percent=40.0),
        GpuProcess(pid=10, sm_percent=5.0, held=False),
    )
    api.busy_percent = 0
    assert watcher.look(NOW_US + 1_100_000).processes == (GpuProcess(pid=7, sm_percent=0.0),)


def test_a_card_that_tells_little_costs_nothing_else() -> None:
    class Bare(FakeNvml):
        def nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
            raise NVMLError("Unknown", 999)

    api = Bare([{7}], failure=NVMLError("Not Supported", 3))
    assert facts(api, 0, 0) == GpuFacts(index=0, name="unknown GPU 0")
    look = Watcher(api, 0).look(NOW_US)
    assert (look.busy_percent, look.watts, look.counter_mj, look.memory_bytes) == (None, None, None, None)
    assert look.processes == (GpuProcess(pid=7),)
    assert look.problems == {
        "utilisation": "Not Supported",
        "utilisation by process": "this version of nvidia-ml-py has no such call",
        "power": "Not Supported",
        "energy counter": "Not Supported",
        "memory": "this version of nvidia-ml-py has no such call",
    }
