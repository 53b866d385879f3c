# ruff: noqa: N802 - the doubles have NVML's own names
"""Doubles of NVIDIA's management library: GPUs whose power is known, and whose counter moves in steps."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    def __init__(self, text: str, value: int = 0) -> None:
        super().__init__(text)
        self.value = value


@dataclass
class SteppingGpu:
    """A GPU whose counter shows, every `step_s`, what was drawn until then. The first step ends at `phase_s`."""

    step_s: float = 0.1
    phase_s: float = 0.037
    now_s: float = 0.0
    drawn_j: float = 0.0
    shown_j: float = 0.0

    def __post_init__(self) -> None:
        self.next_s = self.phase_s

    def draw(self, seconds: float, watts: float) -> float:
        """Let time pass; return the joules drawn."""
        end_s = self.now_s + seconds
        while self.next_s <= end_s:
            self.drawn_j += watts * (self.next_s - self.now_s)
            self.now_s, self.shown_j = self.next_s, self.drawn_j
            self.next_s += self.step_s
        self.drawn_j += watts * (end_s - self.now_s)
        self.now_s = end_s
        return watts * seconds


@dataclass
class FakeNvml:
    """NVML as the meter uses it: GPU i has `users[i]`, a counter in mJ, and maybe instances, a sensor, a limit."""

    users: list[set[int]]
    energy_mj: dict[int, int] = field(default_factory=dict)
    divided: set[int] = field(default_factory=set)
    failure: NVMLError | None = None
    watts: float | None = None
    limit_w: float | None = None
    busy_percent: int | None = None
    calls: list[str] = field(default_factory=list)
    NVMLError: type[Exception] = NVMLError

    def nvmlDeviceGetCount(self) -> int:
        return len(self.users)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: int) -> list[SimpleNamespace]:
        self.calls.append("processes")
        return [SimpleNamespace(pid=pid) for pid in self.users[gpu]]

    def nvmlDeviceGetMigMode(self, gpu: int) -> tuple[int, int]:
        if not self.divided:
            raise NVMLError("Not Supported", 3)
        return (int(gpu in self.divided), 0)

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: int) -> int:
        if self.failure:
            raise self.failure
        return self.energy_mj.get(gpu, 0)

    def nvmlDeviceGetPowerUsage(self, gpu: int) -> int:
        return _milli(self.watts)

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: int) -> int:
        return _milli(self.limit_w)

    def nvmlDeviceGetUtilizationRates(self, gpu: int) -> Any:
        if self.busy_percent is None:
            raise NVMLError("Not Supported", 3)
        return SimpleNamespace(gpu=self.busy_percent, memory=0)


def _milli(watts: float | None) -> int:
    if watts is None:
        raise NVMLError("Not Supported", 3)
    return round(watts * 1e3)


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def stepping(gpu: SteppingGpu, pid: int | None = None) -> FakeNvml:
    """Return NVML with this one GPU, used by process `pid`, by default this one."""

    class Stepping(FakeNvml):
        def nvmlDeviceGetTotalEnergyConsumption(self, _gpu: int) -> int:
            return round(gpu.shown_j * 1e3)

    return Stepping([{pid or os.getpid()}])
