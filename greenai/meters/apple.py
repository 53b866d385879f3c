"""Energy of a process on Apple silicon from the chip's own counters. The only file that loads zeus_apple_silicon.

The counters (Apple's IOReport, in millijoules, no rights needed) belong to the whole machine. The processor's and the
memory's are shared out by core time, as RAPL's are. Core time says nothing about who used the GPU and the neural
engine: while a window is open their energy is taken to be the local model's, and the interval begins where they too
were shared by core time. Apple's own figures are estimates of its power model. Written against zeus-apple-silicon
1.1.0 and tested on doubles of it; nobody has run it on a Mac yet.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from greenai.meters.coefficients import value
from greenai.meters.core_time import CoreShare, machine_ns, process_ns
from greenai.meters.machine import Counter, Machine
from greenai.meters.shares import Account, Accounts, Claim
from greenai.readings import Reading

__all__ = ["METHOD", "AppleWindow", "begin", "probe"]

METHOD = "apple-1 (chip, processor and memory shared by core time, GPU in full)"

FIELDS = {
    "cpu_total_mj": ("cpu", False),
    "dram_mj": ("dram", False),
    "gpu_mj": ("gpu", True),
    "gpu_sram_mj": ("gpu", True),
    "ane_mj": ("ane", True),
}
"""The monitor's fields: which component each belongs to, and whether it is charged in full."""


@dataclass(slots=True, eq=False)
class AppleWindow:
    """A measurement that has begun, on the account of one process."""

    account: Account[Machine]
    claim: Claim
    failures: int
    closed: bool = False
    result: Reading | None = field(default=None, repr=False)

    def stop(self, tokens: float | None = None) -> Reading | None:
        """Return this window's part of the counters; None if one could not be read or none moved.

        `tokens` is its work: windows that overlap are charged by it. A second stop changes nothing.
        """
        if not self.closed:
            self.closed = True
            self.result = self._read(tokens)
        return self.result

    def _read(self, tokens: float | None) -> Reading | None:
        taken = self.account.close(self.claim, tokens)
        machine = self.account.source
        if taken is None or self.failures != machine.failures:
            return None
        here = len(machine.counters) + 1
        energy_j: dict[str, float] = {}
        for counter, used_uj in zip(machine.counters, taken[1:here], strict=True):
            energy_j[counter.name] = energy_j.get(counter.name, 0.0) + used_uj / 1e6
        total_j, by_core_j, error = sum(energy_j.values()), sum(taken[here:]) / 1e6, value("rapl_error")
        if not total_j:
            return None
        return Reading(
            energy_j=total_j,
            low_j=by_core_j / error,
            high_j=total_j * error,
            gpu_energy_j=energy_j.get("gpu", 0.0),
            evidence="measured_shared",
            method=METHOD,
            components=energy_j,
        )


_accounts: Accounts[Machine] = Accounts()


def begin(pid: int, watts_per_core: float | None = None, *, monitor: Any = None) -> AppleWindow | None:
    """Begin measuring process `pid`; None where this is no Apple silicon or its counters cannot be read.

    `watts_per_core` is not needed here. `monitor` stands in for an AppleEnergyMonitor in tests.
    """
    del watts_per_core
    monitor = monitor or _monitor(os.getpid())[0]
    if monitor is None:
        return None
    account = _accounts.of((pid, id(monitor)), partial(_machine, pid, monitor))
    failures = account.source.failures
    claim = account.open() if account.source.counters else None
    if claim is None:
        return None
    if account.source.failures > failures:
        account.close(claim)
        return None
    return AppleWindow(account, claim, failures)


@dataclass(slots=True, eq=False)
class Snapshot:
    """One reading of the monitor for all of its counters: the first field asked for takes a new one."""

    monitor: Any
    fields: tuple[str, ...]
    seen: Any = None

    def read_uj(self, name: str) -> int:
        """Return one field in microjoules; raises OSError where the monitor fails or has lost the field."""
        if self.seen is None or name == self.fields[0]:
            self.seen = _cumulative(self.monitor)
        used_mj = getattr(self.seen, name)
        if used_mj is None:
            raise OSError(f"{name} has no value")
        return int(used_mj) * 1000


def _cumulative(monitor: Any) -> Any:
    try:
        return monitor.get_cumulative_energy()
    except RuntimeError as error:
        raise OSError(f"IOReport does not answer: {error}") from error


def _counters(monitor: Any) -> tuple[Counter, ...]:
    """Return a counter for each field that this chip has; none if the monitor fails or has no processor's."""
    try:
        seen = _cumulative(monitor)
    except OSError:
        return ()
    fields = tuple(name for name in FIELDS if getattr(seen, name, None) is not None)
    snapshot = Snapshot(monitor, fields)
    found = tuple(Counter(FIELDS[name][0], partial(snapshot.read_uj, name), whole=FIELDS[name][1]) for name in fields)
    return found if "cpu_total_mj" in fields else ()


def _machine(pid: int, monitor: Any) -> Machine:
    return Machine(_counters(monitor), CoreShare(partial(process_ns, pid), machine_ns))


@lru_cache(maxsize=1)
def _monitor(_pid: int) -> tuple[Any, str | None]:
    """Return the monitor of this process (a fork needs its own), or None and the reason."""
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return None, "this is no Mac with Apple silicon"
    try:
        api: Any = importlib.import_module("zeus_apple_silicon")
    except ImportError:
        return None, "the package zeus-apple-silicon is not installed"
    try:
        return api.AppleEnergyMonitor(), None
    except RuntimeError as error:
        return None, f"IOReport does not answer: {error}"


def probe(monitor: Any = None) -> dict[str, Any]:
    """Return whether the chip's counters can be read, why not, and how to change that."""
    why_not = None
    if monitor is None:
        monitor, why_not = _monitor(os.getpid())
    if monitor is not None and not _counters(monitor):
        why_not = "IOReport has no energy counter of the processor here"
    how = 'pip install "greenai[apple]"' if why_not and "installed" in why_not else None
    return {"name": "apple", "usable": why_not is None, "why_not": why_not, "how": how}
