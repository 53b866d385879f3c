"""Energy of a process's NVIDIA GPUs from their own counters. The only file that imports pynvml (nvidia-ml-py).

Only GPUs on which the process, or one that it started, runs are read. A window's energy is what the counters showed,
less the power at rest for its time, where that power is known: a GPU that is switched on for a loaded model draws it
whether or not anybody asks, between the calls too, so it belongs to none of them. It is reported as `gpu_idle` beside
`gpu`; the two add up to the counter. Where it is not known, or would be most of what was drawn, nothing is subtracted,
and the method says so.

With other processes on a GPU the reading is shared, and an upper bound: its interval begins where all of them would
have used the same. With multi-instance GPU on, the counter belongs to all instances and nothing is read. How windows
share one counter, which moves about every 100 ms, is decided in `gpu_shares.py`.
"""

from __future__ import annotations

import importlib
import math
import os
import time
import weakref
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.meters.coefficients import value
from greenai.meters.gpu_shares import IDLE_ERROR, Account, Claim, Share
from greenai.meters.processes import in_tree, visible
from greenai.readings import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "METHOD",
    "METHOD_MOSTLY_IDLE",
    "METHOD_WITH_IDLE",
    "Machine",
    "NvmlWindow",
    "begin",
    "measure_idle",
    "named",
    "probe",
    "state_idle",
]

METHOD = "nvml-1 (GPU only, above idle)"
METHOD_WITH_IDLE = "nvml-1 (GPU only, idle included: not known)"
METHOD_MOSTLY_IDLE = "nvml-1 (GPU only, idle included: most of it)"

LOOK_AGAIN_S = 1.0
"""Seconds for which the GPUs of a process are taken to stay the same; the processes on them are read every time."""

GUESS_FACTOR = 4.0
"""90% factor each way of a first short window where the power limit cannot be read. Assumption, 2026-11-21: a short
call after a rest may draw several times what the sensor's mean of up to 1 s shows."""

IDLE_PART = 0.6
"""Most of a window's energy that is taken for idle: with more, little is left, and it is less sure than the whole. The
whole is reported then. Assumption, 2026-11-21."""

LEAST_PART = 0.05
"""The interval begins no lower than this part of the figure: work was done, so it is not nothing. 2026-11-21."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class NvmlWindow:
    """A measurement that has begun. `others` are processes outside the tree that were seen on its GPUs."""

    machine: Machine
    pid: int
    claims: tuple[tuple[Gpu, Claim], ...]
    others: frozenset[int]
    closed: bool = False
    reading: Reading | None = None

    def stop(self, tokens: float | None = None) -> Reading | None:
        """Return the GPUs' energy since; None if a GPU or its driver went away, or nothing can be said yet.

        None too in a forked child: the window is the parent's, and NVML does not survive a fork. `tokens` is the
        window's work: windows that overlap on a GPU are charged by it. A second stop changes nothing.
        """
        if not self.closed:
            self.closed = True
            self.reading = self.machine.end(self, tokens) if os.getpid() == self.machine.home else None
        return self.reading


@dataclass(slots=True, eq=False)
class Gpu:
    """One GPU of this machine: NVML's handle, and who is charged for its counter."""

    api: Any
    index: int
    handle: Any
    account: Account

    def counter_j(self) -> float:
        """Return the energy since the driver was loaded, in joules; raises NVMLError."""
        return int(self.api.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3

    def users(self) -> frozenset[int]:
        """Return the processes that compute on it; raises NVMLError."""
        return frozenset(int(p.pid) for p in self.api.nvmlDeviceGetComputeRunningProcesses(self.handle))

    def watts(self) -> float | None:
        """Return what the sensor shows now, a mean of up to 1 s, or None."""
        return _watts(self.api, "nvmlDeviceGetPowerUsage", self.handle)

    def open(self, now_s: float, counter_j: float, *, alone: bool) -> Claim:
        """Open a window. `alone` says that no other process computes on the GPU: it may tell its power at rest."""
        self.account.expire()
        used = _utilization(self.api, self.handle) if alone and not self.account.claims else None
        sensor_w = self.watts() if used == 0 else None
        return self.account.open(now_s, counter_j, quiet=alone and not used, sensor_w=sensor_w)

    def guess(self) -> None:
        """Where the counter has not shown this work's power yet: between what the sensor shows and the limit."""
        power = self.account.power
        now_w = None if power.measured else self.watts()
        if not now_w:
            return
        limit_w = _watts(self.api, "nvmlDeviceGetEnforcedPowerLimit", self.handle)
        known = limit_w is not None and limit_w > now_w
        power.guess_w = math.sqrt(now_w * limit_w) if limit_w is not None and known else now_w
        power.guess_factor = math.sqrt(limit_w / now_w) if limit_w is not None and known else GUESS_FACTOR


def _watts(api: Any, name: str, handle: Any) -> float | None:
    """Return one of NVML's figures in milliwatts as watts; None where this GPU or this driver has none."""
    ask = getattr(api, name, None)
    try:
        return None if ask is None else int(ask(handle)) / 1e3
    except api.NVMLError:
        return None


def _utilization(api: Any, handle: Any) -> int | None:
    ask = getattr(api, "nvmlDeviceGetUtilizationRates", None)
    try:
        return None if ask is None else int(ask(handle).gpu)
    except api.NVMLError:
        return None


@dataclass(slots=True, eq=False)
class Machine:
    """The GPUs that one process measures, and their open windows. `api` is pynvml or a double of it."""

    api: Any
    clock: Callable[[], float] = time.monotonic
    gpus: dict[int, Gpu] = field(default_factory=dict)
    places: dict[int, tuple[float, tuple[Gpu, ...]]] = field(default_factory=dict)
    windows: weakref.WeakSet[NvmlWindow] = field(default_factory=weakref.WeakSet)
    lock: Lock = field(default_factory=Lock)
    home: int = field(default_factory=os.getpid)

    def begin(self, pid: int) -> NvmlWindow | None:
        """Begin measuring the GPUs of the tree of process `pid`; None where there is none that can be read."""
        try:
            found = self._of(pid)
            if not found or any(divided(self.api, gpu.handle) for gpu, _ in found):
                return None
            others = self._others(pid, [users for _, users in found])
            with self.lock:
                window = NvmlWindow(self, pid, self._open([gpu for gpu, _ in found], alone=not others), others)
                self.windows.add(window)
        except self.api.NVMLError:
            return None
        return window

    def end(self, window: NvmlWindow, tokens: float | None) -> Reading | None:
        """Close a window and return its reading."""
        with self.lock:
            self.windows.discard(window)
            shares = [self._close(gpu, claim, tokens) for gpu, claim in window.claims]
        known = [share for share in shares if share is not None]
        if len(known) < len(shares):
            return None
        try:
            window.others |= self._others(window.pid, [gpu.users() for gpu, _ in window.claims])
        except self.api.NVMLError:
            return None
        return _reading(known, [gpu.account.idle_w for gpu, _ in window.claims], len(window.others))

    def all(self) -> Iterator[Gpu]:
        """Yield every GPU; raises NVMLError."""
        for index in range(self.api.nvmlDeviceGetCount()):
            found = self.gpus.get(index)
            if found is None:
                account = Account(value("nvml_step_s"))
                made = Gpu(self.api, index, self.api.nvmlDeviceGetHandleByIndex(index), account)
                found = self.gpus.setdefault(index, made)
            yield found

    def _of(self, pid: int) -> list[tuple[Gpu, frozenset[int]]]:
        looked_s, known = self.places.get(pid, (-math.inf, ()))
        if known and self.clock() - looked_s < LOOK_AGAIN_S:
            return [(gpu, gpu.users()) for gpu in known]
        found = [(gpu, users) for gpu, users in ((g, g.users()) for g in self.all()) if _any_in(users, pid)]
        self.places = {k: v for k, v in list(self.places.items()) if self.clock() - v[0] < LOOK_AGAIN_S}
        self.places[pid] = (self.clock(), tuple(gpu for gpu, _ in found))
        return found

    def _others(self, pid: int, users: Sequence[frozenset[int]]) -> frozenset[int]:
        """Return the processes that belong neither to `pid` nor to another window that is open here."""
        with self.lock:
            roots = {pid, *(window.pid for window in self.windows)}
        seen = frozenset[int]().union(*users) - roots
        return frozenset(other for other in seen if not any(in_tree(other, root) for root in roots))

    def _open(self, gpus: Sequence[Gpu], *, alone: bool) -> tuple[tuple[Gpu, Claim], ...]:
        counters = [gpu.counter_j() for gpu in gpus]  # all are read before one is opened: one may fail
        now_s = self.clock()
        return tuple((g, g.open(now_s, j, alone=alone)) for g, j in zip(gpus, counters, strict=True))

    def _close(self, gpu: Gpu, claim: Claim, tokens: float | None) -> Share | None:
        try:
            counter_j = gpu.counter_j()
        except self.api.NVMLError:
            gpu.account.drop(claim)
            self.places.clear()
            return None
        gpu.guess()
        return gpu.account.close(claim, self.clock(), counter_j, tokens)


def _any_in(users: frozenset[int], pid: int) -> bool:
    return pid in users or any(in_tree(user, pid) for user in users)


def _reading(shares: Sequence[Share], idle_w: Sequence[float | None], others: int) -> Reading:
    gross_j = sum(share.energy_j for share in shares)
    idle_j, method = _idle(shares, idle_w, gross_j)
    factor = value("nvml_error") + max(share.factor for share in shares)
    above_j = math.hypot(gross_j * (factor - 1), (idle_j or 0.0) * IDLE_ERROR)
    below_j = math.hypot(gross_j * (1 - 1 / factor), (idle_j or 0.0) * IDLE_ERROR)
    net_j = gross_j - (idle_j or 0.0)
    alone = others == 0 and all(share.alone and share.duration_s >= value("nvml_step_s") for share in shares)
    return Reading(
        energy_j=net_j,
        low_j=max(net_j - below_j, net_j * LEAST_PART) / (1 + others),
        high_j=net_j + above_j,
        gpu_energy_j=net_j,
        evidence="measured" if alone else "measured_shared",
        method=method,
        components={"gpu": net_j} if idle_j is None else {"gpu": net_j, "gpu_idle": idle_j},
    )


def _idle(shares: Sequence[Share], idle_w: Sequence[float | None], gross_j: float) -> tuple[float | None, str]:
    """Return the energy at rest to subtract, None for nothing, and the method that says so."""
    known_w = [watts for watts in idle_w if watts is not None]
    if len(known_w) < len(idle_w):
        return None, METHOD_WITH_IDLE
    idle_j = sum(w * s.seconds for w, s in zip(known_w, shares, strict=True))
    return (idle_j, METHOD) if idle_j <= gross_j * IDLE_PART else (None, METHOD_MOSTLY_IDLE)


def divided(api: Any, handle: Any) -> bool:
    """Say whether multi-instance GPU is on."""
    try:
        current, _pending = api.nvmlDeviceGetMigMode(handle)
    except api.NVMLError:  # a GPU without that mode answers "not supported"
        return False
    return bool(current == 1)


# --- the machine of this process ------------------------------------------------------------

_machines: dict[int, Machine] = {}
_machines_lock = Lock()


def machine(api: Any = None) -> Machine | None:
    """Return the one object that shares out this process's GPU counters; None where NVML does not answer."""
    api = api or _api(os.getpid())[0]
    if api is None:
        return None
    with _machines_lock:
        return _machines.setdefault(id(api), Machine(api))


def _forget() -> None:
    """Start anew in a forked child: windows are open in the parent only."""
    _machines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def begin(pid: int, watts_per_core: float | None = None, *, api: Any = None) -> NvmlWindow | None:
    """Begin measuring the GPUs of process `pid` and of those it started; None where there is none.

    `watts_per_core` is not needed here. `api` stands in for the pynvml module in tests.
    """
    del watts_per_core
    found = machine(api)
    return None if found is None else found.begin(pid)


def state_idle(watts: Mapping[int, float], *, api: Any = None) -> None:
    """State the power at rest of GPUs by NVML's index, in watts: it replaces what would be learnt."""
    found = machine(api)
    if found is None:
        return
    for gpu in found.all():
        if gpu.index in watts:
            gpu.account.idle_w, gpu.account.stated = watts[gpu.index], True


def measure_idle(
    seconds: float = 10.0, *, api: Any = None, wait: Callable[[float], object] = time.sleep
) -> dict[int, float]:
    """Wait `seconds`, and return and state the mean watts of each GPU on which nothing was open or computed meanwhile.

    The only function here that waits: for scripts, never within a call. A process may hold memory on the GPU, but
    must not use it; a GPU that shows any utilization before or after is left out.
    """
    found = machine(api)
    if found is None:
        return {}
    before = [(gpu, gpu.counter_j(), _at_rest(gpu)) for gpu in found.all()]
    began_s = found.clock()
    wait(seconds)
    lasted_s = found.clock() - began_s
    quiet = {g.index: (g.counter_j() - then) / lasted_s for g, then, rested in before if rested and _at_rest(g)}
    state_idle({index: watts for index, watts in quiet.items() if watts > 0}, api=api)
    return quiet


def _at_rest(gpu: Gpu) -> bool:
    gpu.account.expire()
    return not gpu.account.claims and not _utilization(gpu.api, gpu.handle)


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


# --- what is missing ------------------------------------------------------------------------

_REMEDIES = {
    3: "GPUs from Volta on have one; estimates are used instead",  # NVML_ERROR_NOT_SUPPORTED
    4: "let this user read /dev/nvidiactl and /dev/nvidia*; in a container, pass the GPU in",  # NO_PERMISSION
    15: "reset the GPU or restart the machine: it fell off the bus",  # GPU_IS_LOST
}
_CONTAINER = "GPUs from Volta on have one; a container needs --gpus"


def probe(api: Any = None) -> dict[str, Any]:
    """Return whether a GPU's counter can be read, why not, and how to change that."""
    why_not = None
    if api is None:
        api, why_not = _api(os.getpid())
    how = 'pip install "greenai[nvidia]"' if why_not and "installed" in why_not else "install the NVIDIA driver"
    if api is not None:
        why_not, how = _obstacle(api)
    return {"name": "nvml", "usable": why_not is None, "why_not": why_not, "how": how if why_not else None}


def _obstacle(api: Any) -> tuple[str | None, str]:
    try:
        handles = [api.nvmlDeviceGetHandleByIndex(i) for i in range(api.nvmlDeviceGetCount())]
        whole = [gpu for gpu in handles if not divided(api, gpu)]
        for gpu in whole:
            api.nvmlDeviceGetTotalEnergyConsumption(gpu)
        users = {int(p.pid) for gpu in whole for p in api.nvmlDeviceGetComputeRunningProcesses(gpu)}
    except api.NVMLError as error:
        how = _REMEDIES.get(getattr(error, "value", 0), _CONTAINER)
        return f"the energy counter cannot be read: {error}", how
    if handles and not whole:
        return "multi-instance GPU is on: the counter belongs to all instances", "measure with the mode off"
    if users and not any(visible(pid) for pid in users):
        return (
            "the GPU's processes have the host's numbers, which are unknown here",
            "run the container with --pid=host",
        )
    return (None, "") if handles else ("no NVIDIA GPU", "nothing: work on the processor has meters of its own")


def named(api: Any = None) -> tuple[str, str] | None:
    """Return the name of the first GPU and the driver's version, or None where there is none."""
    api = api or _api(os.getpid())[0]
    if api is None:
        return None
    try:
        if not api.nvmlDeviceGetCount():
            return None
        name = api.nvmlDeviceGetName(api.nvmlDeviceGetHandleByIndex(0))
        return str(name), str(api.nvmlSystemGetDriverVersion())
    except api.NVMLError:
        return None
