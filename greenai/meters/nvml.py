"""Energy of a process's NVIDIA GPUs from their own counters. The only file that imports pynvml (nvidia-ml-py).

Only GPUs on which the process runs are read. With another process on one of them the reading is shared; with
multi-instance GPU on, the counter belongs to all instances and nothing is read. The counter moves about every 100 ms.
"""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from greenai.meters.coefficients import value
from greenai.values import Reading

__all__ = ["METHOD", "NvmlWindow", "begin", "probe"]

METHOD = "nvml-1 (GPU only)"


@dataclass(slots=True)
class NvmlWindow:
    """A measurement that has begun: each GPU's counter then, in millijoules."""

    api: Any
    counters: tuple[tuple[Any, int], ...]
    shared: bool
    began_s: float

    def stop(self) -> Reading | None:
        """Return the GPUs' energy since; None for a window shorter than the counter's step, or if a GPU is gone."""
        duration_s = time.monotonic() - self.began_s
        try:
            used_j = sum(self.api.nvmlDeviceGetTotalEnergyConsumption(gpu) - then for gpu, then in self.counters) / 1e3
        except self.api.NVMLError:
            return None
        step_s = value("nvml_step_s")
        if duration_s < step_s or used_j < 0:
            return None
        error = value("nvml_error") + step_s / duration_s
        return Reading(
            energy_j=used_j,
            low_j=used_j * max(1 - error, 0.0),
            high_j=used_j * (1 + error),
            gpu_energy_j=used_j,
            evidence="measured_shared" if self.shared else "measured",
            method=METHOD,
            components={"gpu": used_j},
        )


def begin(pid: int, watts_per_core: float | None = None, *, api: Any = None) -> NvmlWindow | None:
    """Begin measuring the GPUs of process `pid`; None where there is none. `watts_per_core` is not needed here.

    `api` stands in for the pynvml module in tests.
    """
    del watts_per_core
    api = api or _api(os.getpid())[0]
    if api is None:
        return None
    try:
        gpus = [(gpu, users) for gpu, users in _gpus(api) if pid in users and not _divided(api, gpu)]
        counters = tuple((gpu, int(api.nvmlDeviceGetTotalEnergyConsumption(gpu))) for gpu, _ in gpus)
    except api.NVMLError:
        return None
    shared = any(users != {pid} for _, users in gpus)
    return NvmlWindow(api, counters, shared, time.monotonic()) if counters else None


def _gpus(api: Any) -> list[tuple[Any, set[int]]]:
    """Return each GPU with the processes that compute on it."""
    handles = [api.nvmlDeviceGetHandleByIndex(i) for i in range(api.nvmlDeviceGetCount())]
    return [(gpu, {p.pid for p in api.nvmlDeviceGetComputeRunningProcesses(gpu)}) for gpu in handles]


def _divided(api: Any, gpu: Any) -> bool:
    try:
        current, _pending = api.nvmlDeviceGetMigMode(gpu)
    except api.NVMLError:  # a GPU without that mode answers "not supported"
        return False
    return bool(current == 1)


@lru_cache(maxsize=1)
def _api(_pid: int) -> tuple[Any, str | None]:
    """Return pynvml, initialised in this process (a fork needs its own), or None and the reason."""
    try:
        api: Any = importlib.import_module("pynvml")
    except ImportError:
        return None, "the package nvidia-ml-py is not installed"
    try:
        api.nvmlInit()
    except api.NVMLError as error:
        return None, f"the NVIDIA driver does not answer: {error}"
    return api, None


def probe(api: Any = None) -> dict[str, Any]:
    """Return whether a GPU's counter can be read, why not, and how to change that."""
    why_not = None
    if api is None:
        api, why_not = _api(os.getpid())
    how = "pip install nvidia-ml-py" if why_not and "installed" in why_not else "install the NVIDIA driver"
    if api is not None:
        why_not, how = _obstacle(api)
    return {"name": "nvml", "usable": why_not is None, "why_not": why_not, "how": how if why_not else None}


def _obstacle(api: Any) -> tuple[str | None, str]:
    try:
        handles = [api.nvmlDeviceGetHandleByIndex(i) for i in range(api.nvmlDeviceGetCount())]
        whole = [gpu for gpu in handles if not _divided(api, gpu)]
        for gpu in whole:
            api.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except api.NVMLError as error:
        return f"the energy counter cannot be read: {error}", "GPUs from Volta on have one; a container needs --gpus"
    if handles and not whole:
        return "multi-instance GPU is on: the counter belongs to all instances", "measure with the mode off"
    return (None, "") if handles else ("no NVIDIA GPU", "")
