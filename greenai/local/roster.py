"""What `greenai models ps` reads: one small file for each model that a process of this user has in memory.

Written when a model is in memory and when its stay is looked at anew; its time of change is the end of the last answer.
What a killed app left behind is found out by the process that is gone, and removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenai.local.memory import PROC, memory_bytes
from greenai.store.files import private_folder

__all__ = ["Loaded", "Roster", "here", "running_dir"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One model in memory, of any process of this user.

    Attributes:
        model: `local/` and its name.
        pid: its process.
        app_pid: the process whose client it belongs to.
        memory_bytes: what it holds; None where that cannot be told.
        idle_since: when its last answer ended, in seconds since 1970; one may be in progress since.
        unload_at: when it is unloaded if nobody asks, in seconds since 1970; None never.
        why: what decides that.
    """

    model: str
    pid: int
    app_pid: int
    memory_bytes: int | None
    idle_since: float
    unload_at: float | None
    why: str


@dataclass(slots=True, eq=False)
class Roster:
    """The files of one process's models. A folder that cannot be written to costs nobody anything."""

    folder: Path | None
    wall: Callable[[], float] = time.time

    def note(self, pid: int, model: str, rested_at: float, stay_s: float | None, why: str) -> None:
        """Write that a model has rested since then, and may stay so many seconds; None: for ever."""
        path = self._path(pid)
        if path is None:
            return
        told = {"model": model, "pid": pid, "app_pid": os.getpid(), "born": _born(pid), "stay_s": stay_s, "why": why}
        with contextlib.suppress(OSError):
            private_folder(path.parent)
            descriptor, name = tempfile.mkstemp(dir=path.parent)  # 0600
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(told, file)
            os.utime(name, (rested_at, rested_at))
            Path(name).replace(path)

    def rested(self, pid: int) -> None:
        """Note that an answer has ended now."""
        path = self._path(pid)
        if path is not None:
            with contextlib.suppress(OSError):
                os.utime(path)

    def drop(self, pid: int) -> None:
        """Note that a model is no longer in memory."""
        path = self._path(pid)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _path(self, pid: int) -> Path | None:
        return None if self.folder is None else self.folder / f"{pid}.json"


def running_dir(state_dir: Path | None) -> Path | None:
    """Return where the files of models in memory are; None where there is no folder for state."""
    return None if state_dir is None else state_dir / "running"


def here(folder: Path | None) -> list[Loaded]:
    """Return what is in memory, the longest idle first; files of processes that are gone are removed."""
    if folder is None or not folder.is_dir():
        return []
    found = [one for path in folder.glob("*.json") if (one := _read(path)) is not None]
    return sorted(found, key=lambda one: one.idle_since)


def _read(path: Path) -> Loaded | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rested_at, pid = path.stat().st_mtime, int(told["pid"])
        if _born(pid) != told["born"] or not _lives(pid):
            path.unlink(missing_ok=True)
            return None
        return Loaded(
            model=str(told["model"]),
            pid=pid,
            app_pid=int(told["app_pid"]),
            memory_bytes=memory_bytes(pid),
            idle_since=rested_at,
            unload_at=None if told["stay_s"] is None else rested_at + float(told["stay_s"]),
            why=str(told["why"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _born(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine started: numbers of processes are used again."""
    try:
        return int(
            (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
    except (OSError, ValueError, IndexError):
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
