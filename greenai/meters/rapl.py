"""Energy of a process from the processor's own counters (RAPL, Linux powercap), shared out by core time.

The counters hold whole packages and, where the processor has such a counter (Intel's servers; AMD's have none), the
memory behind them, whoever used it. A process's part is its core time over the core time that all processes used
meanwhile, so the reading is measured, and shared; the package's power at rest is in it in the same proportion. Windows
on one process divide its part by the rule of `shares.py`. Files: /sys/class/powercap/intel-rapl:N/energy_uj, on AMD
too. The platform's counter (psys) includes the packages, and `core` and `uncore` are parts of one: left out.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from greenai.meters import cpu
from greenai.meters.coefficients import value
from greenai.meters.core_time import STAT, CoreShare, machine_ns, process_ns
from greenai.meters.machine import Counter, Machine
from greenai.meters.shares import Account, Accounts, Claim
from greenai.readings import Reading

__all__ = ["METHOD", "RaplWindow", "begin", "counters", "probe"]

METHOD = "rapl-2 (processor packages, and memory where counted, shared by core time)"
ROOT = Path("/sys/class/powercap")
DEFAULT_RANGE_UJ = 2**32
"""Where a counter starts again if the system does not say: 32 bits, in microjoules."""

MOST_W = 500.0
"""The most a package draws, in watts, where the system tells no limit. Assumption, 2026-11-21: the highest limit in
`cpus.json` is 360 W, and newer parts have more."""


def counters(root: Path = ROOT) -> tuple[Counter, ...]:
    """Return the counters of whole packages (`cpu`) and of their memory (`dram`); none without a package's."""
    found: list[Counter] = []
    for folder in sorted(root.glob("*-rapl:*")):
        kind = _kind(folder)
        if kind is not None:
            limit = _text(folder / "max_energy_range_uj")
            wraps_at = int(limit) + 1 if limit.isdigit() else DEFAULT_RANGE_UJ
            read = partial(_read_uj, folder / "energy_uj")
            found.append(Counter(kind, read, wraps_at, wraps_after_s=wraps_at / 1e6 / _most_w(folder)))
    return tuple(found) if any(counter.name == "cpu" for counter in found) else ()


def _most_w(folder: Path) -> float:
    """Return the highest power limit set on the package that `folder` belongs to, in watts.

    The limit of short peaks is above the lasting one. Memory is taken to draw no more than its package.
    """
    package = folder.with_name(":".join(folder.name.split(":")[:2]))
    limits = [_text(path) for path in package.glob("constraint_*_power_limit_uw")]
    return max((int(limit) / 1e6 for limit in limits if limit.isdigit() and int(limit)), default=MOST_W)


def _kind(folder: Path) -> str | None:
    name, depth = _text(folder / "name"), folder.name.count(":")
    if name.startswith("package") and depth == 1:
        return "cpu"
    return "dram" if name == "dram" and depth == 2 else None


def _read_uj(path: Path) -> int:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.isdigit():
        raise OSError(errno.EIO, "no number in it", str(path))
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


@dataclass(slots=True, eq=False)
class RaplWindow:
    """A measurement that has begun, on the account of one process."""

    account: Account[Machine]
    claim: Claim
    watts_per_core: float | None
    failures: int
    used_ns: int = 0
    closed: bool = False
    result: Reading | None = field(default=None, repr=False)

    def stop(self, tokens: float | None = None) -> Reading | None:
        """Return this window's part of the counters. `tokens` is its work: windows that overlap are charged by it.

        Where a counter could not be read meanwhile, did not move, or may have started again more than once unseen, the
        modelled reading of the core time; None if the process is gone. A second stop changes nothing.
        """
        if not self.closed:
            self.closed = True
            self.result = self._read(tokens)
        return self.result

    def _read(self, tokens: float | None) -> Reading | None:
        taken = self.account.close(self.claim, tokens)
        if taken is None or not taken[0]:
            return None
        self.used_ns = taken[0]
        energy_j: dict[str, float] = {}
        for counter, used_uj in zip(self.account.source.counters, taken[1:], strict=False):
            energy_j[counter.name] = energy_j.get(counter.name, 0.0) + used_uj / 1e6
        total_j, error = sum(energy_j.values()), value("rapl_error")
        if self.failures != self.account.source.failures or not energy_j.get("cpu"):
            return cpu.reading(self.used_ns / 1e9, self.watts_per_core)
        return Reading(
            energy_j=total_j,
            low_j=total_j / error,
            high_j=total_j * error,
            gpu_energy_j=0.0,
            evidence="measured_shared",
            method=METHOD,
            components=energy_j,
        )


_accounts: Accounts[Machine] = Accounts()


def begin(pid: int, watts_per_core: float | None = None, *, root: Path = ROOT, stat: Path = STAT) -> RaplWindow | None:
    """Begin measuring process `pid`; None where no counter can be read. `watts_per_core` serves if one fails later."""
    account = _accounts.of((pid, root, stat), partial(_machine, pid, root, stat))
    machine = account.source
    failures = machine.failures
    claim = account.open() if machine.counters else None
    if claim is None:
        return None
    if machine.failures > failures:
        account.close(claim)
        return None
    return RaplWindow(account, claim, watts_per_core, failures)


def _machine(pid: int, root: Path, stat: Path) -> Machine:
    return Machine(counters(root), CoreShare(partial(process_ns, pid), partial(machine_ns, stat)))


def probe(root: Path = ROOT) -> dict[str, Any]:
    """Return whether the counters can be read, why not, and how to change that."""
    found = counters(root)
    why_not, how = None, None
    if not found:
        why_not = f"no processor package in {root}"
        how = "virtual machines, containers and other systems than Linux do not have it; watts_per_core= replaces it"
    for counter in found:
        try:
            counter.read_uj()
        except OSError as error:
            why_not = f"{error.filename}: {error.strerror}"
            how = f"sudo chmod a+r {root}/*/energy_uj (until the next restart)"
            break
    return {"name": "rapl", "usable": why_not is None, "why_not": why_not, "how": how}
