"""Energy of a process from the processor's own counters (RAPL, Linux powercap), shared out by core time.

The counters hold the whole package, whoever used it. A window's part is its core time over the core time that all
processes used meanwhile, so the reading is measured, and shared. Files: /sys/class/powercap/intel-rapl:N/energy_uj.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenai.meters import cpu
from greenai.meters.coefficients import value
from greenai.values import Reading

__all__ = ["METHOD", "RaplWindow", "begin", "packages", "probe"]

METHOD = "rapl-1 (processor packages, shared by core time)"
ROOT = Path("/sys/class/powercap")
STAT = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Package:
    """One counter: where its value is, and the value at which it starts again from 0, in microjoules."""

    counter: Path
    wraps_at_uj: int

    def read_uj(self) -> int:
        """Return the counter; raises OSError where it may not be read."""
        return int(self.counter.read_text(encoding="ascii"))


def packages(root: Path = ROOT) -> tuple[Package, ...]:
    """Return the counters of whole packages; parts of one (core, dram) and the platform's are left out."""
    found: list[Package] = []
    for folder in sorted(root.glob("*-rapl:*")):
        if folder.name.count(":") != 1 or not _text(folder / "name").startswith("package"):
            continue
        limit = _text(folder / "max_energy_range_uj")
        found.append(Package(folder / "energy_uj", int(limit) if limit.isdigit() else 2**32))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(slots=True)
class RaplWindow:
    """A measurement that has begun: the counters' values then, and the process's share of core time since."""

    counters: tuple[tuple[Package, int], ...]
    process: cpu.CpuWindow
    machine_ns: int
    stat: Path = STAT

    def stop(self) -> Reading | None:
        """Return this window's part of the packages' energy.

        Where a counter can no longer be read, the modelled reading of the core time; None if the process is gone.
        """
        modelled = self.process.stop()
        try:
            packages_j = sum(_since(package, before) for package, before in self.counters) / 1e6
            busy_ns = busy_core_ns(self.stat) - self.machine_ns
        except OSError:
            return modelled
        if modelled is None or packages_j <= 0:
            return modelled
        # The machine's core time counts in steps of 10 ms: a short window may seem to have used more than all.
        share = self.process.used_ns / max(busy_ns, self.process.used_ns, 1)
        energy_j, error = packages_j * share, value("rapl_error")
        return Reading(
            energy_j=energy_j,
            low_j=energy_j / error,
            high_j=energy_j * error,
            gpu_energy_j=0.0,
            evidence="measured_shared",
            method=METHOD,
            components={"cpu": energy_j},
        )


def _since(package: Package, before_uj: int) -> int:
    used = package.read_uj() - before_uj
    return used if used >= 0 else used + package.wraps_at_uj


def begin(pid: int, watts_per_core: float | None = None, *, root: Path = ROOT, stat: Path = STAT) -> RaplWindow | None:
    """Begin measuring process `pid`; None where no counter can be read. `watts_per_core` serves if one fails later."""
    try:
        counters = tuple((package, package.read_uj()) for package in packages(root))
        machine_ns = busy_core_ns(stat) if counters else 0
    except OSError:
        return None
    process = cpu.shares_of(pid).open(watts_per_core) if counters else None
    return None if process is None else RaplWindow(counters, process, machine_ns, stat)


def busy_core_ns(stat: Path = STAT) -> int:
    """Return the core time that all processes have used since the machine started; raises OSError without /proc."""
    with stat.open(encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, *_ = (int(t) for t in file.readline().split()[1:])
    return (user + nice + system + irq + softirq) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def probe(root: Path = ROOT) -> dict[str, Any]:
    """Return whether the counters can be read, why not, and how to change that."""
    found = packages(root)
    why_not, how = None, None
    if not found:
        why_not = f"no processor package in {root}"
        how = "virtual machines, containers and other systems than Linux do not have it; watts_per_core= replaces it"
    else:
        try:
            found[0].read_uj()
        except OSError as error:
            why_not = f"{found[0].counter}: {error.strerror}"
            how = f"sudo chmod a+r {root}/*/energy_uj (until the next restart)"
    return {"name": "rapl", "usable": why_not is None, "why_not": why_not, "how": how}
