"""How many threads a model computes with: the physical cores, within affinity and container quota, less one.

Two threads on one physical core share its arithmetic units, so matrix products gain nothing from the second. One core
stays free because llama.cpp's threads wait for each other by spinning after every operation: where another process
takes the time of a single one, all the others burn theirs (docs/decisions/engines.md has the measurement).
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["compute_threads", "usable_cores"]

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def compute_threads() -> int:
    """Return how many threads to compute with where nobody says."""
    return max(1, usable_cores() - 1)


def usable_cores(topology: Path = TOPOLOGY, quota: Path = CGROUP_QUOTA) -> int:
    """Return the number of physical cores this process may use, at least 1."""
    allowed = _allowed()
    siblings = {_read(topology / f"cpu{cpu}" / "topology" / "thread_siblings_list") or str(cpu) for cpu in allowed}
    return max(1, min(len(siblings), _quota_cores(quota)))


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _quota_cores(quota: Path) -> int:
    """Return the cores that a cgroup v2 quota such as `150000 100000` pays for, rounded up; no quota is no limit."""
    share, _, period = _read(quota).partition(" ")
    if not share.isdigit() or not period.isdigit() or int(period) == 0:
        return 1 << 16
    return -(-int(share) // int(period))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
