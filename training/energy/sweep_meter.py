"""Measure what one GPU draws, three ways at once: its energy counter, its power polled in a thread, greenai's meter.

A trace stands in for a GPU: `Trace` answers as pynvml does, from a file of samples, in the trace's own or in real time.
"""

from __future__ import annotations

import json
import os
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from greenai.meters import nvml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_S = 0.02
"""Seconds between two looks at the power and the counter, both of which change more slowly."""

MOVES = 5
"""Moves of the counter from which its rate is taken: each is seen up to POLL_S late, of steps of about 0.1 s."""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """One window's joules by counter, by integrated power and by greenai's meter (idle included), and its seconds.

    `aligned_j` is the counter's rate between its first and its last move inside the window, times the seconds: without
    the error of a step at either end. None where it moved fewer than `MOVES` times.
    """

    seconds: float
    counter_j: float
    aligned_j: float | None
    power_j: float | None
    meter_j: float | None
    samples: int


@dataclass
class Integral:
    """Joules of a power that is sampled: trapezia between samples."""

    energy_j: float = 0.0
    samples: int = 0
    last: tuple[float, float] | None = None

    def add(self, now_s: float, watts: float) -> None:
        """Take in one sample."""
        if self.last is not None:
            then_s, before_w = self.last
            self.energy_j += (now_s - then_s) * (watts + before_w) / 2
        self.last = (now_s, watts)
        self.samples += 1


@dataclass
class Moves:
    """When a counter moved, as far as looking at it tells: the first and the last time, and how often."""

    seen_j: float
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    count: int = 0

    def add(self, now_s: float, counter_j: float) -> None:
        """Take in one look."""
        if counter_j != self.seen_j:
            self.seen_j, self.last = counter_j, (now_s, counter_j)
            self.first = self.first or self.last
            self.count += 1

    @property
    def watts(self) -> float | None:
        """Return the mean power between the first move and the last."""
        if self.first is None or self.last is None or self.count < MOVES:
            return None
        return (self.last[1] - self.first[1]) / (self.last[0] - self.first[0])


@dataclass
class GpuMeter:
    """One GPU through `api`, which is pynvml or a `Trace`. `clock` is in seconds."""

    api: Any
    index: int = 0
    clock: Callable[[], float] = time.monotonic
    poll_s: float = POLL_S
    pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        self.handle = self.api.nvmlDeviceGetHandleByIndex(self.index)
        self.machine = nvml.Machine(self.api, self.clock)

    def counter_j(self) -> float:
        """Return the energy counter in joules."""
        return int(self.api.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3

    def watts(self) -> float | None:
        """Return the power now: the instant one where the driver has it, else NVML's mean, else None."""
        try:
            return self._instant_w()
        except (AttributeError, self.api.NVMLError):
            pass
        try:
            return int(self.api.nvmlDeviceGetPowerUsage(self.handle)) / 1e3
        except self.api.NVMLError:
            return None

    def _instant_w(self) -> float:
        wanted = [(self.api.NVML_FI_DEV_POWER_INSTANT, self.api.NVML_POWER_SCOPE_GPU)]
        answer = self.api.nvmlDeviceGetFieldValues(self.handle, wanted)[0]
        if answer.nvmlReturn != 0:
            raise self.api.NVMLError(answer.nvmlReturn)
        return float(answer.value.uiVal) / 1e3

    def measure(self, work: Callable[[], None], *, threaded: bool = True) -> Energy:
        """Run `work`, which returns when the GPU has finished, and return what was drawn meanwhile.

        Without a thread the power is looked at by `work` itself, through `look`: for clocks that `work` moves.
        """
        self.integral, self.moves = Integral(), Moves(self.counter_j())
        ended = threading.Event()
        poller = threading.Thread(target=self._poll, args=(ended,), daemon=True)
        window = self.machine.begin(self.pid)
        before_j, began_s = self.counter_j(), self.clock()
        self.look()
        if threaded:
            poller.start()
        try:
            work()
        finally:
            ended.set()
        if threaded:
            poller.join()
        self.look()
        seconds, after_j = self.clock() - began_s, self.counter_j()
        reading = window.stop() if window else None
        return Energy(
            seconds=seconds,
            counter_j=after_j - before_j,
            aligned_j=None if self.moves.watts is None else self.moves.watts * seconds,
            power_j=self.integral.energy_j if self.integral.samples > 1 else None,
            meter_j=sum(reading.components.values()) if reading else None,
            samples=self.integral.samples,
        )

    def look(self) -> None:
        """Look at the counter and at the power once."""
        self.moves.add(self.clock(), self.counter_j())
        watts = self.watts()
        if watts is not None:
            self.integral.add(self.clock(), watts)

    def _poll(self, ended: threading.Event) -> None:
        while not ended.wait(self.poll_s):
            self.look()

    def about(self) -> dict[str, Any]:
        """Return what the device is."""
        return {
            "device": self.api.nvmlDeviceGetName(self.handle),
            "driver": self.api.nvmlSystemGetDriverVersion(),
            "synthetic": bool(getattr(self.api, "synthetic", False)),
        }


@dataclass
class Trace:
    """A file of samples in place of a GPU: it answers as pynvml does. At its end it begins again, the counter goes on.

    Each sample is seconds, the counter in millijoules, the power in milliwatts.
    """

    samples: list[tuple[float, int, int]]
    clock: Callable[[], float]
    device: str
    driver: str
    synthetic: bool
    NVMLError: type[Exception] = RuntimeError

    def __post_init__(self) -> None:
        self.began_s = self.clock()
        self.times = [sample[0] for sample in self.samples]

    @classmethod
    def read(cls, path: Path, clock: Callable[[], float] = time.monotonic) -> Trace:
        """Read a trace, a JSON file."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        samples = [(float(t), int(mj), int(mw)) for t, mj, mw in raw["samples"]]
        return cls(samples, clock, raw["device"], raw["driver"], bool(raw["synthetic"]))

    def _now(self) -> tuple[int, int]:
        (first_s, first_mj, _), (last_s, last_mj, _) = self.samples[0], self.samples[-1]
        rounds, seconds = divmod(self.clock() - self.began_s, last_s - first_s)
        _, energy_mj, power_mw = self.samples[max(bisect_right(self.times, first_s + seconds) - 1, 0)]
        return energy_mj + int(rounds) * (last_mj - first_mj), power_mw

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
        return self.device

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return self.driver

    def nvmlDeviceGetMigMode(self, _gpu: int) -> tuple[int, int]:  # noqa: N802
        return (0, 0)

    def nvmlDeviceGetComputeRunningProcesses(self, _gpu: int) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=os.getpid())]

    def nvmlDeviceGetTotalEnergyConsumption(self, _gpu: int) -> int:  # noqa: N802
        return self._now()[0]

    def nvmlDeviceGetPowerUsage(self, _gpu: int) -> int:  # noqa: N802
        return self._now()[1]
