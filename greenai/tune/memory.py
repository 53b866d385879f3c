"""What a child process holds in memory, and whether a larger batch would fit, so that finding the edge is safe."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Forecast", "available_bytes", "dying_first", "forget_peak", "own_bytes", "peak_bytes"]

HEADROOM = 0.9
"""Part of the free memory that a point may be forecast to take. Assumption, 2026-11-22."""


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has held, or 0 where the system does not tell."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM") * 1024


def own_bytes(pid: int) -> int:
    """Return the memory that ending a process would free: not what it shares with the files it reads."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "RssAnon") * 1024


def forget_peak(pid: int) -> None:
    """Let the peak of a process begin anew, where Linux can; elsewhere nothing."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def available_bytes(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how much memory is free for a new process, or None where the system does not tell.

    In a container that has less than the machine, what is left of its own.
    """
    free = _kilobytes(Path("/proc/meminfo"), "MemAvailable") * 1024 or None
    try:
        limit, used = (int((group / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        stat = (group / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no limit ("max"), or no such group
        return free
    kept = int(stat[stat.index("inactive_file") + 1]) if "inactive_file" in stat else 0  # given up where it is needed
    return min(max(limit - used + kept, 1), free or limit)


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


@contextmanager
def dying_first(own: Path = Path("/proc/self/oom_score_adj")) -> Generator[None]:
    """Let Linux end what is started meanwhile before any other process where memory runs out; elsewhere nothing.

    A child has this from its parent: setting it once the model is loaded would be too late.
    """
    before = ""
    with suppress(OSError):
        before = own.read_text(encoding="ascii")
        own.write_text("1000", encoding="ascii")
    try:
        yield
    finally:
        with suppress(OSError):
            own.write_text(before or "0", encoding="ascii")


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Memory by batch of what has run, per kind of setting."""

    seen: dict[Any, dict[int, int]] = field(default_factory=dict)

    def add(self, kind: Any, batch: int, memory_bytes: int) -> None:
        """Take in what a point held."""
        if memory_bytes:
            self.seen.setdefault(kind, {})[batch] = memory_bytes

    def bytes_at(self, kind: Any, batch: int) -> float | None:
        """Return what a batch would hold: a line through the two largest batches that ran; None with fewer."""
        known = sorted(self.seen.get(kind, {}).items())[-2:]
        if len(known) < 2 or batch <= known[-1][0]:
            return None
        (b1, m1), (b2, m2) = known
        return m2 + max(m2 - m1, 0) / (b2 - b1) * (batch - b2)

    def refuses(self, kind: Any, batch: int, held_bytes: int = 0) -> str | None:
        """Return why a batch is not even tried, or None. `held_bytes` is what the bench itself holds and can free."""
        wanted, free = self.bytes_at(kind, batch), available_bytes()
        if free is not None:
            free += held_bytes
        if wanted is None or free is None or wanted <= free * HEADROOM:
            return None
        return f"it would hold about {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
