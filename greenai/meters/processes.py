"""Which processes belong to a process: itself and all that it started. Read from /proc; no state is kept."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PROC", "in_tree", "visible"]

PROC = Path("/proc")
_DEEPEST = 64
"""Parents followed at most: process numbers are used again, so a chain read in pieces might close on itself."""


def in_tree(pid: int, root: int, proc: Path = PROC) -> bool:
    """Say whether process `pid` is `root` or was started below it.

    Without /proc (other systems than Linux) only the process itself is known. A child whose parent has ended belongs
    to whoever adopted it, so it is not found.
    """
    for _ in range(_DEEPEST):
        if pid == root:
            return True
        parent = _parent(pid, proc)
        if parent is None or parent <= 1:
            return parent is not None and parent == root
        pid = parent
    return False


def visible(pid: int, proc: Path = PROC) -> bool:
    """Say whether `pid` is a process here; also True where there is no /proc to tell."""
    return not proc.is_dir() or (proc / str(pid)).exists()


def _parent(pid: int, proc: Path) -> int | None:
    try:
        after_name = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return None
    return int(after_name.split()[1])
