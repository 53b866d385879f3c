"""A lock for every key, between the processes of this machine: one byte of a file that stays empty.

The operating system gives a dead process's locks back at once, so nobody waits for it, and there is nothing to clean
up. Within one process these locks exclude nobody: its threads are told apart in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.store.files import private_file, private_folder

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: each process makes its own calls there
    fcntl = None  # type: ignore[assignment]

__all__ = ["KeyLocks"]

_DIGITS = 15  # of a hexadecimal key: as many as fit into a file's offset


class KeyLocks:
    """Takes and gives back the locks of keys. Where there is no file to lock, every lock is free."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        # Never closed: closing any descriptor of a file gives back all that the process has locked in it.
        self._fd = -1

    @property
    def are_shared(self) -> bool:
        """Say whether other processes see these locks."""
        return fcntl is not None and self._path is not None

    def take(self, key: str) -> bool:
        """Take a key's lock without waiting; return False where another process has it."""
        if fcntl is None or not self._is_open():
            return True
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte_of(key))
        except (BlockingIOError, PermissionError):  # either says that it is taken
            return False
        except OSError:  # a disk without locks
            self._path = None
        return True

    def release(self, key: str) -> None:
        """Give a key's lock back; harmless where it is not held."""
        if self._fd >= 0 and fcntl is not None:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _byte_of(key))

    def _is_open(self) -> bool:
        if self._fd < 0 and self._path is not None:
            try:
                private_folder(self._path.parent)
                self._fd = private_file(self._path)
            except OSError:  # a folder that cannot be written
                self._path = None
        return self._path is not None


def _byte_of(key: str) -> int:
    return int(key[:_DIGITS], 16)
