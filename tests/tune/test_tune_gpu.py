"""The GPU's path, on doubles: energies read from a counter that moves in steps, and the GPU's name in the profile."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from gpus import FakeNvml, NVMLError, SteppingGpu, stepping

from greenai.meters import nvml
from greenai.tune.reading import BenchError, energy_of
from greenai.tune.search import Plan, Search
from greenai.tune.space import Point, Sample, Setting, Space

BEST = 24


@dataclass
class Counted:
    """A bench on one GPU of 300 W: a step takes the same time for each 8 rows that are begun, and memory ends at 40."""

    gpu: SteppingGpu = field(default_factory=SteppingGpu)

    def __post_init__(self) -> None:
        self.machine = nvml.Machine(stepping(self.gpu), clock=lambda: self.gpu.now_s)

    def measure(self, point: Point, *, short: bool) -> Sample:
        if point.batch >= 40:
            return Sample(status="out_of_memory")
        tiles = -(-point.batch // 8)
        step_s = 0.02 + 0.01 * tiles + (0.05 if point.batch > BEST else 0.0)
        steps = round((2.5 if short else 5.0) / step_s)
        window = self.machine.begin(os.getpid())
        assert window is not None
        self.gpu.draw(steps * step_s, 300.0)
        tokens = steps * point.batch
        reading = window.stop(float(tokens))
        assert reading is not None
        return Sample(
            energy_j_per_token=energy_of(reading) / tokens,
            tokens=tokens,
            p95_s=step_s * 100,
            spent_j=energy_of(reading),
            took_s=steps * step_s,
            evidence=reading.evidence,
            method=reading.method,
        )


def test_the_best_batch_of_a_gpu_with_tiles_and_a_cliff_is_found_through_its_counter() -> None:
    default = Point(setting=Setting(precision="bfloat16"), batch=4)
    space = Space(default=default, precisions=("bfloat16",), most_batch=64)
    for seed in range(5):
        outcome = Search(space=space, bench=Counted(), plan=Plan(seed=seed, most=120)).run()
        assert outcome.chosen.batch == BEST
        assert outcome.ratio is not None
        assert outcome.ratio.high < 1
        assert {BEST - 1, BEST + 1} <= set(outcome.cells.row(default.setting))
        sample = outcome.cells.of[outcome.chosen].samples[-1]
        assert sample.evidence == "measured"
        assert sample.method.startswith("nvml-1")


class Named(FakeNvml):
    def nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
        return "NVIDIA Made-up 9000"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "570.1"


def test_the_gpu_and_its_driver_are_told() -> None:
    assert nvml.named(Named([set()])) == ("NVIDIA Made-up 9000", "570.1")
    assert nvml.named(Named([])) is None


def test_a_driver_that_does_not_answer_is_no_gpu() -> None:
    class Silent(Named):
        def nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
            raise NVMLError("GPU is lost", 15)

    assert nvml.named(Silent([set()])) is None


def test_without_a_meter_there_is_nothing_to_tune_by() -> None:
    with pytest.raises(BenchError) as refused:
        energy_of(None)
    assert str(refused.value) == (
        "The energy of another process cannot be measured on this system, so nothing can be tuned. greenai doctor says "
        "which meters there are and what they need."
    )
