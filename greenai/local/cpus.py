"""How many cores this process may compute on: physical ones, within its affinity and its container's quota.

Two threads on one physical core share its arithmetic units, so matrix products gain nothing from the second
and spend more energy on waiting.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["usable_cores"]

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


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
