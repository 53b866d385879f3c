"""How much memory a process holds, as the system tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["memory_bytes"]

PROC = Path("/proc")


def memory_bytes(pid: int, proc: Path = PROC) -> int | None:
    """Return the memory that a process holds, in bytes, or None where that cannot be read.

    Pages that it maps from a file are counted, though the system may keep them after it has ended.
    """
    try:
        if proc.is_dir():
            pages = (proc / str(pid) / "statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        return _asked(pid)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def _asked(pid: int) -> int | None:
    if sys.platform != "darwin":
        return None
    command = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    return int(done.stdout) * 1024
