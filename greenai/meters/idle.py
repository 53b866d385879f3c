"""What a local model takes while nobody asks, and what starting it takes: the power model of `greenai.local.parking`.

Idling is the process's own core time, the memory that it holds times watts per GB, and for each GPU that it is on the
watts that a live context draws there over a GPU without one. Those are measured where they can be: the GPU's sensor
before the start, while no process computes there, against the sensor once this one has rested alone for a while. Until
then, and where others share the GPU, the published figure stands. A GPU's power without a context is in none of this:
it is drawn whether or not a model is loaded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greenai.local.memory import memory_bytes
from greenai.local.parking import Idle
from greenai.meters import cpu, nvml, watts
from greenai.meters.coefficients import coefficients
from greenai.meters.core_time import process_ns
from greenai.meters.processes import PROC, in_tree
from greenai.readings import Reading
from greenai.units import significant

__all__ = ["IdlePower", "own"]

SENSOR_S = 2.0
"""Seconds of rest after which a GPU's sensor, a mean of up to 1 s, shows nothing of the last answer any more."""

GB = 1e9


@dataclass(frozen=True, slots=True)
class _Watts:
    """Watts with a 90% interval; `measured` says that this machine's sensor showed them."""

    value: float
    low: float
    high: float
    measured: bool = False


def own(work_s: float, load_core_s: float, load_gpu_j: float, watts_per_core: float | None) -> Reading:
    """Return what greenai's own work took, with the component `load` where it started a local model."""
    energy = cpu.reading(work_s + load_core_s, watts_per_core)
    if not load_core_s and not load_gpu_j:
        return energy
    work_j, core_j = (energy.energy_j or 0.0) * work_s / (work_s + load_core_s), energy.energy_j or 0.0
    error = coefficients()["nvml_error"]["value"]
    return replace(
        energy,
        energy_j=core_j + load_gpu_j,
        low_j=(energy.low_j or 0.0) + load_gpu_j * (1 - error),
        high_j=(energy.high_j or 0.0) + load_gpu_j * (1 + error),
        gpu_energy_j=load_gpu_j,
        components={"cpu": work_j, "load": core_j - work_j + load_gpu_j},
    )


@dataclass(slots=True, eq=False)
class IdlePower:
    """The power model of this machine.

    Args:
        watts_per_core: of the settings; None takes the table's figure for this processor.
        api: stands in for the pynvml module in tests.
        clock: seconds that only grow.
        proc: where processes tell of themselves.
    """

    watts_per_core: float | None = None
    api: Any = None
    clock: Callable[[], float] = time.monotonic
    proc: Path = PROC
    _bare: dict[int, float] = field(default_factory=dict[int, float])
    _context: dict[int, _Watts] = field(default_factory=dict[int, _Watts])

    def loading(self) -> GpuLoading:
        """Begin to measure a start, before its process is there."""
        counters: dict[int, tuple[float, bool]] = {}
        for gpu in self._gpus():
            with suppress(gpu.api.NVMLError):
                counter_j, now_w, shared = gpu.counter_j(), gpu.watts(), bool(gpu.users())
                counters[gpu.index] = counter_j, shared
                if now_w is not None and not shared:
                    self._bare[gpu.index] = now_w
        return GpuLoading(self, counters, self.clock())

    def idle(self, pid: int) -> IdleReading:
        """Begin to measure the idling of process `pid`."""
        return IdleReading(
            power=self,
            pid=pid,
            gpus=tuple(self.gpus_of(pid)),
            held_gb=(memory_bytes(pid, self.proc) or 0) / GB,
            began=self.clock(),
            began_ns=process_ns(pid) or 0,
        )

    def core_watts(self) -> watts.WattsPerCore:
        """Return what a busy core draws here."""
        return watts.here(self.watts_per_core)

    def gpus_of(self, pid: int) -> Iterable[nvml.Gpu]:
        """Yield the GPUs on which a process, or one that it started, has a context."""
        for gpu in self._gpus():
            with suppress(gpu.api.NVMLError):
                if any(in_tree(user, pid) for user in gpu.users()):
                    yield gpu

    def context(self, gpu: nvml.Gpu, pid: int, rested_s: float) -> _Watts:
        """Return what a live context draws on a GPU: as measured here if it ever was, else as published."""
        known = self._context.get(gpu.index)
        bare_w = self._bare.get(gpu.index)
        if rested_s >= SENSOR_S and bare_w is not None and _alone(gpu, pid):
            now_w = gpu.watts()
            if now_w is not None and now_w > bare_w:
                error_w = math.hypot(now_w, bare_w) * coefficients()["nvml_error"]["value"]
                more_w = now_w - bare_w
                known = _Watts(more_w, max(more_w - error_w, 0.0), more_w + error_w, measured=True)
                self._context[gpu.index] = known
        return known or _stated("context_watts")

    def _gpus(self) -> list[nvml.Gpu]:
        found = nvml.machine(self.api)
        try:
            return [] if found is None else list(found.all())
        except found.api.NVMLError:  # type: ignore[union-attr]
            return []


def _alone(gpu: nvml.Gpu, pid: int) -> bool:
    try:
        return all(in_tree(user, pid) for user in gpu.users())
    except gpu.api.NVMLError:
        return False


def _stated(name: str) -> _Watts:
    row = coefficients()[name]
    return _Watts(row["value"], row["low"], row["high"])


@dataclass(frozen=True, slots=True)
class GpuLoading:
    """A start that has begun: the GPUs' counters as they stood then, and whether somebody computed there."""

    power: IdlePower
    counters: dict[int, tuple[float, bool]]
    began: float

    def done(self, pid: int, core_s: float) -> tuple[float, float]:
        """Return what the start took, in joules: core time, and what the counters of its GPUs have moved.

        Where others computed on a GPU meanwhile its counter is theirs too: no more than a context draws is taken.
        """
        energy_j, context_j = 0.0, _stated("context_watts").value * max(self.power.clock() - self.began, 0.0)
        for gpu in self.power.gpus_of(pid):
            before = self.counters.get(gpu.index)
            with suppress(gpu.api.NVMLError):
                moved_j = 0.0 if before is None else max(gpu.counter_j() - before[0], 0.0)
                shared = before is not None and (before[1] or not _alone(gpu, pid))
                energy_j += min(moved_j, context_j) if shared else moved_j
        return core_s * self.power.core_watts().value, energy_j


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleReading:
    """The idling of one process, since it began."""

    power: IdlePower
    pid: int
    gpus: tuple[nvml.Gpu, ...]
    held_gb: float
    began: float
    began_ns: int

    def read(self) -> Idle:
        """Return what it has taken so far, and its watts as they are now."""
        seconds = max(self.power.clock() - self.began, 0.0)
        now_ns = process_ns(self.pid)
        core_s = 0.0 if now_ns is None or not self.began_ns else max(now_ns - self.began_ns, 0) / 1e9
        core, memory = self.power.core_watts(), _stated("memory_watts_per_gb")
        contexts = [self.power.context(gpu, self.pid, seconds) for gpu in self.gpus]
        held = [(memory.value, memory.low, memory.high, self.held_gb), *((c.value, c.low, c.high, 1) for c in contexts)]
        drawn_w = sum(value * amount for value, _, _, amount in held)
        return Idle(
            seconds=seconds,
            watts=drawn_w + (core_s * core.value / seconds if seconds else 0.0),
            energy_j=core_s * core.value + drawn_w * seconds,
            low_j=core_s * core.low + seconds * sum(low * amount for _, low, _, amount in held),
            high_j=core_s * core.high + seconds * sum(high * amount for _, _, high, amount in held),
            method=_method(contexts),
        )


def _method(contexts: list[_Watts]) -> str:
    parts = [f"core time, memory at {significant(_stated('memory_watts_per_gb').value)} W/GB"]
    parts += [f"GPU context {significant(c.value)} W {'measured' if c.measured else 'assumed'}" for c in contexts]
    return f"idle-1 ({', '.join(parts)})"
