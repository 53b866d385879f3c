"""A SQLite file of ours: opening it, the lock around it, what its failures mean, and forks. Its rows are for others.

Folders it makes are 0700, files 0600. It keeps working over a fork: no connection crosses one (it is closed before, and
opened again on either side). A door to sqlite3, which is imported at first use.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store.files import BUSY, CORRUPT, FileLock, keep_over_fork, primary_code, private_database, private_folder

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LOCK_TIMEOUT_S", "SqliteFile", "damaged"]

T = TypeVar("T")

LOCK_TIMEOUT_S = 10.0
# 16 MB: at SQLite's own 1000, waits for the disk reach the 99th percentile.
CHECKPOINT_PAGES = 4000
LOOK_S = 0.05
"""How long a thread sleeps at most before it looks again whether it may go on, where nobody has woken it."""

_log = logging.getLogger("greenai")


def damaged(path: Path | None, why: str, what: str = "ledger") -> str:
    """Say that a ledger's file is damaged, and how to keep what is left of it."""
    return (
        f"The {what} {path} is damaged ({why}). It was left as it is. Save what can be read with: "
        f"sqlite3 {path} .recover | sqlite3 recovered.db   Then start a new one with: mv {path} {path}.damaged"
    )


class Step:
    """What one caller wants written."""

    __slots__ = ("alarm", "error", "leads", "result", "told", "undone", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: LedgerError | None = None
        self.leads = False
        """Whether its caller holds the lock between threads."""
        self.told = False
        """Whether another thread has taken it, and what came of it is certain."""
        self.undone = False
        """Whether it was rolled back together with others, so that its caller has to do it."""
        self.alarm: threading.Lock | None = None
        """What its caller sleeps on."""

    def wake(self) -> None:
        """End the sleep of its caller, or the next one."""
        if self.alarm is not None:
            with suppress(RuntimeError):  # it was woken already
                self.alarm.release()


class SqliteFile:
    """One SQLite file, or a database in memory. Safe from any thread and process.

    One connection behind one lock: writers take turns in SQLite anyway. WAL with synchronous NORMAL: a killed process
    loses nothing that was acknowledged; a power failure may lose the last moments, and never damages the file.

    Args:
        path: the file; None keeps everything in memory.
        timeout_s: how long to wait for other processes, in seconds.
        migrations: one entry for each version of its tables, each a list of statements.
    """

    what: ClassVar[str]
    """What messages call it."""
    application_id: ClassVar[int]
    """What its header says, so that another program's database is told apart."""
    elsewhere: ClassVar[str]
    """How to name another file, for messages."""
    without: ClassVar[str]
    """How to do without a file, for messages."""
    never_anew: ClassVar[bool] = False
    """Whether an empty file in its place is an error and a missing one is told of; the lock's file knows of it."""

    def __init__(self, path: Path | None, *, timeout_s: float, migrations: Sequence[Sequence[str]]) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._migrations = migrations
        self._thread_lock = threading.Lock()
        self._queue: deque[Step] = deque()
        self._turns = 0
        """How many transactions were begun to write."""
        self._file_lock: FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._moved = False
        self._pid = os.getpid()
        self._forking = False
        self._finalizers: list[weakref.finalize[..., Any]] = []
        keep_over_fork(self)

    def close(self) -> None:
        """Close the file; the next use opens it again. A ledger in memory is kept."""
        if self.path is None or self._connection is None:
            return
        try:
            self._locked(lambda _: self._drop(), write=True)
        except LedgerError as error:
            _log.debug("closing the %s: %s", self.what, error)

    # Threads that write at once share a commit, which costs more than what they write. Who finds the lock taken leaves
    # its step in the queue; whoever holds all locks does its own step and those in the queue in one transaction, and
    # tells their callers after the commit. Who gets the lock untold does its own step, so that none is left behind,
    # whatever became of a thread. A step that nobody has taken when its time is over is withdrawn; one that is taken is
    # waited for, so that its caller knows whether it was done. Where one of several fails, all are rolled back and each
    # caller does its own alone: no step fails for another, and `work` may run twice before it is committed once. Only
    # where the commit fails, it fails for all.

    def _write(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Do `work` in a transaction, together with others unless `alone`, as what changes something else has to be."""
        step, deadline = Step(work), time.monotonic() + self._timeout_s
        others: list[Step] = []
        try:
            step.leads = self._thread_lock.acquire(blocking=False)
            if not step.leads:
                (self._wait if alone else self._queue_up)(step, deadline)
            if step.leads and not step.told:
                step.undone = False
                self._connected(lambda con: self._commit(con, step, others, alone=alone), deadline, write=True)
        finally:
            if step.leads:
                try:
                    for other in others:
                        other.told = True
                finally:
                    self._thread_lock.release()
                self._wake(others)
        if step.error is not None:
            raise step.error
        if step.undone:
            return self._write(work, alone=True)
        result: T = step.result
        return result

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._locked(work, write=self._connection is None)

    def _wait(self, step: Step, deadline: float) -> None:
        step.leads = self._thread_lock.acquire(timeout=max(deadline - time.monotonic(), 0.0))
        if not step.leads:
            raise LedgerError(self._crowded())

    def _queue_up(self, step: Step, deadline: float) -> None:
        """Wait until another thread has done a step, or this one has the lock to do so."""
        step.undone = True  # until it is done
        step.alarm = threading.Lock()
        step.alarm.acquire()
        try:
            self._queue.append(step)
            while not step.told:
                step.leads = self._thread_lock.acquire(blocking=False)
                if step.leads:
                    return
                left_s = deadline - time.monotonic()
                if left_s <= 0 and self._withdraw(step):
                    raise LedgerError(self._crowded())
                step.alarm.acquire(timeout=min(left_s, LOOK_S) if left_s > 0 else LOOK_S)
        finally:
            self._withdraw(step)

    def _withdraw(self, step: Step) -> bool:
        """Take a step out of the queue; return False where another thread has taken it."""
        try:
            self._queue.remove(step)
        except ValueError:
            return False
        return True

    def _taken(self) -> Step | None:
        try:
            return self._queue.popleft()
        except IndexError:  # not asked before: who waits may withdraw at any moment
            return None

    def _commit(self, con: sqlite3.Connection, step: Step, others: list[Step], *, alone: bool) -> None:
        import sqlite3

        self._turns += 1
        try:
            con.execute("BEGIN IMMEDIATE")
            self._do(con, step)
            while not alone and (other := self._taken()) is not None:
                others.append(other)
                self._do(con, other)
        except BaseException as error:
            con.rollback()
            if not others or not isinstance(error, Exception):
                raise
            step.undone = True
            return
        for other in others:
            other.undone = False
        try:
            con.execute("COMMIT")
        except sqlite3.Error as error:
            for other in others:
                other.error = self._translated(error)
                other.error.__cause__ = error
            raise
        except BaseException:  # an interrupt, which came before the statement or after it
            for other in others:
                other.undone = con.in_transaction
            con.rollback()
            raise

    def _do(self, con: sqlite3.Connection, step: Step) -> None:
        step.result = step.work(con)
        if self.path is None:
            self._trim(con)

    def _wake(self, told: Sequence[Step] = ()) -> None:
        """Wake those who were told, and who is next to have the lock."""
        for step in told:
            step.wake()
        if self._queue:
            with suppress(IndexError):  # it was withdrawn just now
                self._queue[0].wake()

    def _locked(self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        deadline = time.monotonic() + self._timeout_s
        if not self._thread_lock.acquire(timeout=self._timeout_s):
            raise LedgerError(self._crowded())
        try:
            return self._connected(work, deadline, write=write)
        finally:
            self._thread_lock.release()
            self._wake()

    def _connected(self, work: Callable[[sqlite3.Connection], T], deadline: float, *, write: bool) -> T:
        """Do `work` with the open connection, and the lock between processes; SQLite's errors leave as the ledger's."""
        import sqlite3

        try:
            file_lock = self._outer_lock(deadline) if write else None
            try:
                return work(self._connection or self._open())
            finally:
                if file_lock is not None:
                    file_lock.release()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:  # text that SQLite never wrote
            self._drop()
            raise LedgerCorrupt(damaged(self.path, str(error), self.what)) from error
        except BlockingIOError as error:
            raise LedgerError(self._busy()) from error
        except OSError as error:
            self._drop()
            raise LedgerError(
                f"The {self.what} {self.path} cannot be used: {error}. {self._make_writable()}"
            ) from error

    def _outer_lock(self, deadline: float) -> FileLock | None:
        if self.path is None:
            return None
        self._reopen_if_moved()
        if self._file_lock is None:
            private_folder(self.path.parent)
            self._file_lock = FileLock(self.path.with_name(self.path.name + ".lock"))
            self._close_with_me(self._file_lock.close)
        self._file_lock.acquire(deadline)
        return self._file_lock

    def _reopen_if_moved(self) -> None:
        """Notice that the file was removed or replaced: SQLite would go on writing to what nobody can read again."""
        if self._connection is not None and self._inode != self._seen():
            self._drop()
            self._moved = True

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path or "")  # noqa: PTH116  Path.stat takes longer, and this is done at each write
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self.path is not None:
            self._look_for(self.path)
            private_database(self.path)
        con = sqlite3.connect(
            self.path or ":memory:", timeout=self._timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(con)
        except BaseException:
            con.close()
            raise
        if self.path is not None:
            self._inode = self._seen()
            self._moved = False
            if self._file_lock is not None and self.never_anew and not self._file_lock.is_marked():
                self._file_lock.mark()
        self._connection = con
        self._close_with_me(con.close)
        return con

    def _look_for(self, path: Path) -> None:
        """Tell a file that was emptied or removed from one that is only now made."""
        if not self.never_anew or self._file_lock is None:
            return
        was_there = self._moved or self._file_lock.is_marked()
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        if size == 0 and self._file_lock.is_marked():
            raise LedgerCorrupt(
                f"The {self.what} {path} is empty, and was not: something cut it off. It was left as it is. Restore it "
                f"from a copy, or count from zero in a new one with: mv {path} {path}.damaged"
            )
        if was_there and (size is None or self._moved):
            _log.warning(
                "The %s %s was removed or replaced. What it counted is no longer known, and what is there now goes on.",
                self.what,
                path,
            )

    def _close_with_me(self, close: Callable[[], None]) -> None:
        """Close what belongs to a ledger that its owner forgot to close."""
        finalizer = weakref.finalize(self, close)
        finalizer.atexit = False
        self._finalizers.append(finalizer)

    def _prepare(self, con: sqlite3.Connection) -> None:
        (version,) = con.execute("PRAGMA user_version").fetchone()
        (owner,) = con.execute("PRAGMA application_id").fetchone()
        (tables,) = con.execute("SELECT count(*) FROM sqlite_master").fetchone()
        newest = len(self._migrations)
        if tables and owner != self.application_id:
            raise LedgerError(
                f"{self.path} is a database of another program (application id {owner:#x}). {self.elsewhere}"
            )
        if version > newest:
            raise LedgerError(
                f"The {self.what} {self.path} has schema version {version}; this greenai knows up to {newest}. "
                f"It was not touched. Update with: pip install --upgrade greenai"
            )
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("PRAGMA synchronous = NORMAL")
        con.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if version < newest:
            self._migrate(con, version)

    def _migrate(self, con: sqlite3.Connection, version: int) -> None:
        """Bring the tables up to date in one transaction, so that a crash leaves the old ones; keep a copy."""
        if version and self.path is not None:
            self._back_up(con, self.path.with_name(f"{self.path.name}.v{version}.bak"))
        con.execute("BEGIN IMMEDIATE")
        try:
            for statements in self._migrations[version:]:
                for statement in statements:
                    con.execute(statement)
            con.execute(f"PRAGMA application_id = {self.application_id}")
            con.execute(f"PRAGMA user_version = {len(self._migrations)}")
        except BaseException:
            con.rollback()
            raise
        con.execute("COMMIT")

    @staticmethod
    def _back_up(con: sqlite3.Connection, copy: Path) -> None:
        import sqlite3

        private_database(copy)
        target = sqlite3.connect(copy)
        try:
            con.backup(target)
        finally:
            target.close()

    def _trim(self, con: sqlite3.Connection) -> None:
        """Keep a database in memory small; called in each write there."""

    def _drop(self) -> None:
        """Close what is open, whatever state it is in; memory is all that a ledger there has, so it stays."""
        import sqlite3

        if self.path is None:
            return
        while self._finalizers:
            self._finalizers.pop().detach()
        con, self._connection = self._connection, None
        lock, self._file_lock = self._file_lock, None
        try:
            if con is not None:
                con.close()
        except sqlite3.Error as error:
            _log.debug("closing the %s %s: %s", self.what, self.path, error)
        if lock is not None:
            lock.close()

    def _translated(self, error: sqlite3.Error) -> LedgerError:
        """Say what SQLite's error means here; after one on the file, the next use opens it anew."""
        self._drop()
        if primary_code(error) == BUSY:
            return LedgerError(self._busy())
        if primary_code(error) in CORRUPT:
            return LedgerCorrupt(damaged(self.path, str(error), self.what))
        return LedgerError(f"The {self.what} {self.path} cannot be used: {error}. {self._make_writable()}")

    def _busy(self) -> str:
        return (
            f"The {self.what} {self.path} was locked by another process for {self._timeout_s:g} s. "
            f"Find that process with: fuser -v {self.path}"
        )

    def _crowded(self) -> str:
        return (
            f"The {self.what} {self.path or 'in memory'} was in use by other threads of this process for "
            f"{self._timeout_s:g} s. Make fewer calls at once, or look whether its disk is slow."
        )

    def _make_writable(self) -> str:
        return f"Free some space or make it writable, or {self.without}"

    def before_fork(self) -> None:
        """Finish what is being written and close the file."""
        self._forking = self._thread_lock.acquire(timeout=self._timeout_s)
        if not self._forking or self._file_lock is None:
            return
        with suppress(BlockingIOError):  # a process that keeps the lock must not keep this one from forking
            self._file_lock.acquire(time.monotonic() + 1.0)
        self._drop()

    def after_fork(self) -> None:
        """Let go of the lock that `before_fork` took; a child takes a new one, whoever held the old."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._thread_lock = threading.Lock()
            self._queue = deque()
        elif self._forking:
            self._thread_lock.release()
            self._wake()
