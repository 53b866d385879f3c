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

__all__ = ["GpuFacts", "GpuLook", "GpuProcess", "facts", "look"]

NO_PERMISSION = 4
NOTHING_NEW = (0, 6)
"""NVML's codes for "no process used the GPU since": success without an entry, and not found."""

MOST_PERCENT = 100
"""Drivers have been seen to report more, which says nothing."""

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

    `memory_bytes` is None where the driver does not tell, `held` False for one that has ended since.
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
        name=name or "unknown GPU",
        memory_bytes=_asked(api, told, "memory", lambda: int(api.nvmlDeviceGetMemoryInfo(handle).total)),
        divided=divided(api, handle),
    )


def look(api: Any, handle: Any, since_us: int, *, is_divided: bool = False) -> tuple[GpuLook, int]:
    """Look at a GPU once; `since_us` is the moment of the last utilisation by process, which is returned anew."""
    told: dict[str, str] = {}
    processes = _asked(api, told, "processes", lambda: _held(api, handle))
    used, seen_us = (None, since_us) if is_divided else _used(api, handle, since_us, told)
    if is_divided:
        told["utilisation by process"] = DIVIDED
    found = GpuLook(
        busy_percent=_asked(api, told, "utilisation", lambda: _percent(api.nvmlDeviceGetUtilizationRates(handle).gpu)),
        watts=_asked(api, told, "power", lambda: int(api.nvmlDeviceGetPowerUsage(handle)) / 1e3),
        counter_mj=_asked(api, told, "energy counter", lambda: int(api.nvmlDeviceGetTotalEnergyConsumption(handle))),
        memory_bytes=_asked(api, told, "memory", lambda: int(api.nvmlDeviceGetMemoryInfo(handle).used)),
        processes=None if processes is None else _joined(processes, used),
        problems=told,
    )
    return found, seen_us


def _asked(api: Any, told: dict[str, str], what: str, ask: Callable[[], Any]) -> Any:
    """Return what a call gives; None, with the reason in `told`, where this GPU or this driver has no such thing."""
    try:
        return ask()
    except AttributeError:  # an older nvidia-ml-py lacks the function
        told[what] = "this version of nvidia-ml-py has no such call"
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


def _used(api: Any, handle: Any, since_us: int, told: dict[str, str]) -> tuple[dict[int, float] | None, int]:
    """Return the mean utilisation of each process since `since_us`, and when the last of it was taken."""
    try:
        samples = list(api.nvmlDeviceGetProcessUtilization(handle, since_us))
    except AttributeError:
        told["utilisation by process"] = "this version of nvidia-ml-py has no such call"
        return None, since_us
    except api.NVMLError as error:
        if getattr(error, "value", None) in NOTHING_NEW:
            return {}, since_us
        told["utilisation by process"] = _why(error)
        return None, since_us
    fresh = [s for s in samples if int(s.timeStamp) > since_us]
    by_pid: dict[int, list[float]] = {}
    for sample in fresh:
        if (percent := _percent(sample.smUtil)) is not None:
            by_pid.setdefault(int(sample.pid), []).append(percent)
    means = {pid: sum(found) / len(found) for pid, found in by_pid.items()}
    return means, max((int(s.timeStamp) for s in fresh), default=since_us)


def _joined(held: dict[int, int | None], used: dict[int, float] | None) -> tuple[GpuProcess, ...]:
    """Return the processes there are, and those that worked and have ended since."""
    there = [
        GpuProcess(pid=pid, memory_bytes=memory, sm_percent=None if used is None else used.get(pid, 0.0))
        for pid, memory in held.items()
    ]
    gone = [GpuProcess(pid=p, sm_percent=u, held=False) for p, u in (used or {}).items() if p not in held and u]
    return tuple(sorted([*there, *gone], key=lambda one: one.pid))
