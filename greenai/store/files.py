"""What the stores share: private files, one lock between processes, and care at a fork and at the end."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from greenai._locks import Lock

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks hold there, with less throughput
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "BUSY",
    "CORRUPT",
    "FileLock",
    "Gate",
    "keep_over_fork",
    "own_secret",
    "primary_code",
    "private_database",
    "private_file",
    "private_folder",
]

_making = Lock()

SECRET_BYTES = 32
SECRET_TIMEOUT_S = 1.0
BUSY = 5  # SQLITE_BUSY
CORRUPT = frozenset((11, 26))  # SQLITE_CORRUPT, SQLITE_NOTADB


def private_folder(path: Path, *, tighten: bool = False) -> None:
    """Make `path` with mode 0700; a folder that is there keeps its mode, unless `tighten`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if tighten and path.stat().st_mode & 0o077:
        path.chmod(0o700)


def private_file(path: Path) -> int:
    """Open `path` for reading and writing, made with mode 0600 where it is missing; return the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def private_database(path: Path, *, tighten: bool = False) -> None:
    """Make an empty file with mode 0600 for SQLite where there is none; one that is there keeps its mode.

    One that is there is not opened: whoever closes a file gives up all POSIX locks that the process has on it, and
    SQLite has some where another client has it open. Another process would take itself for the last, and remove the
    log under the feet of that client.

    Args:
        path: the database.
        tighten: give one that is there the mode as well.
    """
    with _making:  # also until a thread that has just made it has closed it
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))
        except FileExistsError:
            if tighten and path.stat().st_mode & 0o077:
                path.chmod(0o600)


def own_secret(path: Path) -> bytes:
    """Return the random secret in the file `path`, made where there is none; one for all processes.

    Raises:
        OSError: it can be neither read nor made.
    """
    lock = FileLock(path)
    try:
        lock.acquire(time.monotonic() + SECRET_TIMEOUT_S)
        secret = path.read_bytes()
        if len(secret) < SECRET_BYTES:
            secret = os.urandom(SECRET_BYTES)
            path.write_bytes(secret)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return secret
    finally:
        lock.close()


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class FileLock:
    """One lock for every process that writes one ledger; waiting is bounded.

    `fcntl.flock` itself, not the filelock library: 0.002 ms against 0.058 ms for a lock and unlock.
    """

    def __init__(self, path: Path) -> None:
        self._fd = private_file(path)

    def acquire(self, deadline: float) -> None:
        """Take the lock, waiting until `deadline` on the monotonic clock.

        Raises:
            BlockingIOError: another process kept it for that long.
        """
        if fcntl is None:
            return
        pause, begun = 0.0002, time.monotonic()
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now = time.monotonic()
                if now > deadline:
                    raise
            else:
                return
            time.sleep(pause)
            # Whoever has waited for long looks more often than those who have just come, and is next.
            pause = min(pause * 1.5, 0.004) if now - begun < 0.1 else 0.0003

    def is_at(self, path: Path) -> bool:
        """Say whether its file is still the one of this name: one that was removed keeps nobody out."""
        try:
            return os.path.samestat(os.fstat(self._fd), path.stat())
        except OSError:
            return False

    def is_marked(self) -> bool:
        """Say whether `mark` was called for this file, by any process."""
        return os.fstat(self._fd).st_size > 0

    def mark(self) -> None:
        """Leave a byte in the file; harmless where it cannot be written."""
        with suppress(OSError):
            os.write(self._fd, b"1")

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if fcntl is None or self._fd < 0:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:  # a disk without locks has nothing to give back
            return

    def close(self) -> None:
        """Give the lock back and close its file."""
        self.release()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Gate:
    """What threads stand in while they work, so that a fork happens while none does.

    A thread that is inside SQLite at a fork leaves its locks held in the child, for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: list[None] = []
        self._pid = os.getpid()

    def __enter__(self) -> None:
        with self._lock:
            self._inside.append(None)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self._inside.pop()

    def shut(self) -> None:
        """Let nobody in, and wait until nobody is inside; a second at most, since this thread may be the one."""
        self._lock.acquire()
        deadline = time.monotonic() + 1.0
        while self._inside and time.monotonic() < deadline:
            time.sleep(0.0005)

    def reopen(self) -> None:
        """Let threads in again; in a child, where there is only this one, nobody is inside."""
        if self._pid != os.getpid():
            self._pid, self._inside = os.getpid(), []
        self._lock.release()


# --- fork and exit ------------------------------------------------------------------------


class Store(Protocol):
    """What keeps a file open."""

    def close(self) -> None:
        """Close what is open; the next use opens it again."""

    def before_fork(self) -> None:
        """Finish what is being written, and close."""

    def after_fork(self) -> None:
        """Take locks of one's own."""


_open_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def keep_over_fork(store: Store) -> None:
    """Have `store` closed before each fork and at the end of the process; it is referred to weakly."""
    _open_stores.add(store)


def _before_fork() -> None:
    for store in tuple(_open_stores):
        store.before_fork()


def _after_fork() -> None:
    for store in tuple(_open_stores):
        store.after_fork()


def _close_all() -> None:
    for store in tuple(_open_stores):
        store.close()


atexit.register(_close_all)  # while the outer lock can still be taken: closing may write to the file

if hasattr(os, "register_at_fork"):
    # SQLite's connections must not be used, nor even closed, in a child: they are closed before there is one.
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
