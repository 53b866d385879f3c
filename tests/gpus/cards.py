# ruff: noqa: N802 - the double has NVML's own names
"""A double of NVML whose cards do what a made-up trace says, as time passes; and what a card does not support."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gpus import NVMLError

if TYPE_CHECKING:
    from greenai.gpus.values import GpuLook, Trace

NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, LOST = 3, 4, 6, 15


@dataclass
class Time:
    """A clock that moves by waiting, and by the time that a look takes."""

    began: float
    now_s: float = 0.0
    stops_at_s: float = float("inf")

    def clock(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.began + self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s = round(self.now_s + seconds, 6)
        if self.now_s >= self.stops_at_s:
            raise KeyboardInterrupt


@dataclass
class Cards:
    """NVML over a trace: the call `name` of GPU `index` fails with `failures[name]` or `failures[name, index]`."""

    trace: Trace
    time: Time
    failures: dict[Any, int] = field(default_factory=dict)
    divided: set[int] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    NVMLError: type[Exception] = NVMLError

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "missing"):
            raise AttributeError(name)
        return object.__getattribute__(self, name)

    def _look(self, index: int) -> GpuLook:
        place = min(int(self.time.now_s / self.trace.every_s + 1e-6), len(self.trace.rounds) - 1)
        return self.trace.rounds[place].looks[index]

    def _fail(self, name: str, index: int) -> None:
        code = self.failures.get((name, index), self.failures.get(name))
        if code is not None:
            raise NVMLError({3: "Not Supported", 4: "Insufficient Permissions", 15: "GPU is lost"}[code], code)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.trace.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, index: int) -> bytes:
        return self.trace.cards[index].name.encode()

    def nvmlDeviceGetUUID(self, index: int) -> str:
        return f"GPU-{index}"

    def nvmlDeviceGetMigMode(self, index: int) -> tuple[int, int]:
        return int(index in self.divided), 0

    def nvmlDeviceGetMemoryInfo(self, index: int) -> Any:
        self._fail("memory", index)
        return SimpleNamespace(total=self.trace.cards[index].memory_bytes, used=self._look(index).memory_bytes)

    def nvmlDeviceGetUtilizationRates(self, index: int) -> Any:
        self._fail("rates", index)
        return SimpleNamespace(gpu=round(self._look(index).busy_percent or 0), memory=0)

    def nvmlDeviceGetSamples(self, index: int, kind: int, since_us: int) -> Any:
        self._fail("samples", index)
        assert kind == 1
        now_us = int(self.time.wall() * 1e6)
        percent = round(self._look(index).busy_percent or 0)
        ends = [now_us - n * 250_000 for n in range(4)]
        value = SimpleNamespace(uiVal=percent)
        return 1, [SimpleNamespace(timeStamp=at, sampleValue=value) for at in ends if at > since_us]

    def nvmlDeviceGetPowerUsage(self, index: int) -> int:
        self._fail("power", index)
        return round((self._look(index).watts or 0) * 1e3)

    def nvmlDeviceGetTotalEnergyConsumption(self, index: int) -> int:
        self._fail("counter", index)
        return self._look(index).counter_mj or 0

    def nvmlDeviceGetComputeRunningProcesses(self, index: int) -> list[Any]:
        self._fail("processes", index)
        found = self._look(index).processes or ()
        return [SimpleNamespace(pid=p.pid, usedGpuMemory=p.memory_bytes) for p in found]

    def nvmlDeviceGetProcessUtilization(self, index: int, since_us: int) -> list[Any]:
        self._fail("by process", index)
        now_us = int(self.time.wall() * 1e6)
        used = [p for p in self._look(index).processes or () if p.sm_percent]
        if not used:
            raise NVMLError("Not Found", NOT_FOUND)
        good = [SimpleNamespace(pid=p.pid, smUtil=round(p.sm_percent or 0), timeStamp=now_us) for p in used]
        # Drivers have been seen to fill the rest with what means nothing.
        return [
            *good,
            SimpleNamespace(pid=0, smUtil=50, timeStamp=now_us),
            SimpleNamespace(pid=9, smUtil=4096, timeStamp=now_us),
        ]
