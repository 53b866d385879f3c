"""What NVML says of one GPU and its processes at one moment, each call by itself: one that fails costs no other.

What a GPU, a driver or a right does not allow is None, with the reason, and never 0. NVML answers here for a whole GPU;
with multi-instance GPU on there is no figure for one instance, so utilisation by process is not read then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenai.meters.nvml import divided

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BETWEEN", "BY_PROCESS", "GpuFacts", "GpuLook", "GpuProcess", "Watcher", "facts"]

NO_PERMISSION = 4
NOTHING_NEW = (0, 6)
"""NVML's codes for "no process used the GPU since": success without an entry, and not found."""

MOST_PERCENT = 100
"""Drivers have been seen to report more, which says nothing."""

HOLD_US = 2_000_000
"""Microseconds for which a process's latest utilisation is taken to go on where no newer one has come: the driver makes
one for each process every second or so, each at its own time (github.com/Syllo/nvtop, issue 110). Assumption,
2026-11-22."""

UTILISATION_SAMPLES = 1
"""NVML_GPU_UTILIZATION_SAMPLES: what the driver keeps of the last seconds."""

BY_PROCESS, BETWEEN = "utilisation by process", "utilisation between two looks"
OLD = "this version of nvidia-ml-py has no such call"
DIVIDED = "multi-instance GPU is on: NVML has no figure for one instance"
RIGHTS = "run this as root, or let users read it (nvidia-smi -acp 0; NVreg_RestrictProfilingToAdminUsers=0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One GPU: NVML's index, its own number, model and memory. `divided`: multi-instance GPU is on."""

    index: int
    uuid: str | None = None
    name: str
    memory_bytes: int | None = None
    divided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """One process on a GPU. `sm_percent` is the part of the time since the last look in which its kernels ran.

    `memory_bytes` is None where the driver does not tell; `held` is False for one that worked and is no longer there.
    """

    pid: int
    memory_bytes: int | None = None
    sm_percent: float | None = None
    held: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLook:
    """One GPU at one moment. `problems` says why what is None is not known."""

    busy_percent: float | None = None
    watts: float | None = None
    counter_mj: int | None = None
    memory_bytes: int | None = None
    processes: tuple[GpuProcess, ...] | None = None
    problems: dict[str, str] = field(default_factory=dict)


def facts(api: Any, index: int, handle: Any) -> GpuFacts:
    """Return what does not change of a GPU."""
    told: dict[str, str] = {}
    name = _asked(api, told, "name", lambda: _text(api.nvmlDeviceGetName(handle)))
    return GpuFacts(
        index=index,
        uuid=_asked(api, told, "uuid", lambda: _text(api.nvmlDeviceGetUUID(handle))),
        name=name or f"unknown GPU {index}",  # of which none is taken for another
        memory_bytes=_asked(api, told, "memory", lambda: int(api.nvmlDeviceGetMemoryInfo(handle).total)),
        divided=divided(api, handle),
    )


@dataclass(slots=True, eq=False)
class Watcher:
    """Looks at one GPU again and again: utilisation is that since the look before."""

    api: Any
    handle: Any
    is_divided: bool = False
    _looked_us: int = 0
    _seen_us: int = 0
    _last: dict[int, tuple[float, int]] = field(default_factory=dict)

    def look(self, now_us: int) -> GpuLook:
        """Look once, at a moment in microseconds since 1970."""
        api, handle, told = self.api, self.handle, dict[str, str]()
        held = _asked(api, told, "processes", lambda: _held(api, handle))
        busy = self._busy(told)
        used = self._used(now_us, busy, told)
        self._looked_us = now_us
        return GpuLook(
            busy_percent=busy,
            watts=_asked(api, told, "power", lambda: int(api.nvmlDeviceGetPowerUsage(handle)) / 1e3),
            counter_mj=_asked(
                api, told, "energy counter", lambda: int(api.nvmlDeviceGetTotalEnergyConsumption(handle))
            ),
            memory_bytes=_asked(api, told, "memory", lambda: int(api.nvmlDeviceGetMemoryInfo(handle).used)),
            processes=None if held is None else _joined(held, used),
            problems=told,
        )

    def _busy(self, told: dict[str, str]) -> float | None:
        """Return the mean utilisation since the last look where the driver keeps it, else the latest one."""
        api, handle = self.api, self.handle
        rates: float | None = _asked(
            api, told, "utilisation", lambda: _percent(api.nvmlDeviceGetUtilizationRates(handle).gpu)
        )
        if rates is None:
            return None
        since_us = self._seen_us or max(self._looked_us, 1)
        try:
            _, samples = api.nvmlDeviceGetSamples(handle, UTILISATION_SAMPLES, since_us)
        except AttributeError:
            told[BETWEEN] = OLD
            return rates
        except api.NVMLError as error:
            if getattr(error, "value", None) not in NOTHING_NEW:
                told[BETWEEN] = _why(error)
            return rates
        fresh = [(int(s.timeStamp), _percent(s.sampleValue.uiVal)) for s in samples if int(s.timeStamp) > since_us]
        known = [percent for _, percent in fresh if percent is not None]
        self._seen_us = max((at_us for at_us, _ in fresh), default=self._seen_us)
        return sum(known) / len(known) if known and self._looked_us else rates

    def _used(self, now_us: int, busy: float | None, told: dict[str, str]) -> dict[int, float] | None:
        """Return the utilisation by process since the last look; what is late is held for a while."""
        if self.is_divided:
            told[BY_PROCESS] = DIVIDED
            return None
        try:
            samples = list(self.api.nvmlDeviceGetProcessUtilization(self.handle, self._looked_us))
        except AttributeError:
            told[BY_PROCESS] = OLD
            return None
        except self.api.NVMLError as error:
            if getattr(error, "value", None) not in NOTHING_NEW:
                told[BY_PROCESS] = _why(error)
                return None
            samples = []
        for sample in samples:
            percent, at_us = _percent(sample.smUtil), int(sample.timeStamp)
            if percent is not None and int(sample.pid) and at_us > self._looked_us:
                self._last[int(sample.pid)] = percent, at_us
        since_us = min(self._looked_us, now_us - HOLD_US)
        self._last = {pid: found for pid, found in self._last.items() if found[1] > since_us}
        return {} if busy == 0 else {pid: percent for pid, (percent, _) in self._last.items()}


def _asked(api: Any, told: dict[str, str], what: str, ask: Callable[[], Any]) -> Any:
    """Return what a call gives; None, with the reason in `told`, where this GPU or this driver has no such thing."""
    try:
        return ask()
    except AttributeError:  # an older nvidia-ml-py lacks the function
        told[what] = OLD
    except api.NVMLError as error:
        told[what] = _why(error)
    return None


def _why(error: Exception) -> str:
    refused = getattr(error, "value", 0) == NO_PERMISSION
    return f"{error}: {RIGHTS}" if refused else str(error)


def _text(found: str | bytes) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def _percent(found: int) -> float | None:
    return float(found) if 0 <= int(found) <= MOST_PERCENT else None


def _held(api: Any, handle: Any) -> dict[int, int | None]:
    """Return the memory of the processes that compute on a GPU."""
    found: dict[int, int | None] = {}
    for one in api.nvmlDeviceGetComputeRunningProcesses(handle):
        memory = getattr(one, "usedGpuMemory", None)
        before = found.get(int(one.pid))
        found[int(one.pid)] = before if memory is None else int(memory) + (before or 0)
    return found


def _joined(held: dict[int, int | None], used: dict[int, float] | None) -> tuple[GpuProcess, ...]:
    """Return the processes there are, and those that worked and have ended since."""
    there = [
        GpuProcess(pid=pid, memory_bytes=memory, sm_percent=None if used is None else used.get(pid, 0.0))
        for pid, memory in held.items()
    ]
    gone = [GpuProcess(pid=p, sm_percent=u, held=False) for p, u in (used or {}).items() if p not in held and u]
    return tuple(sorted([*there, *gone], key=lambda one: one.pid))
