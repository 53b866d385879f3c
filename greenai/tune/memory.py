"""What a child process holds in memory, and whether a larger batch would fit, so that finding the edge is safe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Forecast", "available_bytes", "die_first", "forget_peak", "peak_bytes"]

HEADROOM = 0.9
"""Part of the free memory that a point may be forecast to take. Assumption, 2026-11-22."""


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has held, or 0 where the system does not tell."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM") * 1024


def forget_peak(pid: int) -> None:
    """Let the peak of a process begin anew, where Linux can; elsewhere nothing."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def available_bytes() -> int | None:
    """Return how much memory is free for a new process, or None where the system does not tell."""
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable") * 1024 or None


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def die_first(pid: int) -> None:
    """Ask Linux to end this process before any other where memory runs out; elsewhere nothing."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return


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

    def refuses(self, kind: Any, batch: int) -> str | None:
        """Return why a batch is not even tried, or None."""
        wanted, free = self.bytes_at(kind, batch), available_bytes()
        if wanted is None or free is None or wanted <= free * HEADROOM:
            return None
        return f"it would hold about {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
