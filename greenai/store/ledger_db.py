"""The ledger's database: holds, attempts and calls as rows. A door to sqlite3, which is imported at first use.

It decides nothing about what is stored. Folders it makes are 0700, files 0600. It keeps working over a fork: no
connection crosses one (it is closed before, and opened again on either side).
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import schema
from greenai.store.files import BUSY, CORRUPT, FileLock, keep_over_fork, primary_code, private_database, private_folder

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LedgerDb", "damaged"]

T = TypeVar("T")
Row = Sequence[object]

LOCK_TIMEOUT_S = 10.0
MEMORY_ROWS = 10_000
# 16 MB: at SQLite's own 1000, waits for the disk reach the 99th percentile.
CHECKPOINT_PAGES = 4000

_log = logging.getLogger("greenai")


def _execute(con: sqlite3.Connection, sql: str, row: Row) -> sqlite3.Cursor:
    """Run one statement; what SQLite cannot hold (half a surrogate pair, a count of 20 digits) is written as it can."""
    try:
        return con.execute(sql, row)
    except (UnicodeEncodeError, OverflowError):
        return con.execute(sql, [_storable(value) for value in row])


def _storable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return float(value) if type(value) is int else value


def damaged(path: Path | None, why: str) -> str:
    """Say that a ledger's file is damaged, and how to keep what is left of it."""
    return (
        f"The ledger {path} is damaged ({why}). It was left as it is. Save what can be read with: "
        f"sqlite3 {path} .recover | sqlite3 recovered.db   Then start a new one with: mv {path} {path}.damaged"
    )


class LedgerDb:
    """The ledger's database: rows in, rows out, each method one transaction. Safe from any thread and process.

    One connection behind one lock: writers take turns in SQLite anyway. WAL with synchronous NORMAL: a killed process
    loses nothing that was acknowledged; a power failure may lose the last moments, and never damages the file.

    Args:
        path: the file; None keeps the ledger in memory, of which only the latest 10,000 calls.
        timeout_s: how long to wait for other processes, in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        timeout_s: float = LOCK_TIMEOUT_S,
        migrations: Sequence[Sequence[str]] = schema.MIGRATIONS,
    ) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._migrations = migrations
        self._thread_lock = threading.Lock()
        self._file_lock: FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._pid = os.getpid()
        self._forking = False
        self._finalizers: list[weakref.finalize[..., Any]] = []
        self._writes = 0
        keep_over_fork(self)

    # Writing. Every statement is idempotent, so a caller may repeat any of them.

    def reserve(self, row: Row) -> None:
        """Add a hold: attempt_id, call_id, project, model, created, expires, held_j."""
        self._write(lambda con: _execute(con, schema.RESERVE, row))

    def renew(self, attempt_id: str, expires: float) -> None:
        """Let an open hold last until `expires`."""
        self._write(lambda con: con.execute(schema.RENEW, (expires, attempt_id)))

    def release(self, attempt_id: str, error: str | None, now: float) -> None:
        """End a hold under which nothing was used."""
        self._write(lambda con: _execute(con, schema.RELEASE, (error, now, attempt_id)))

    def settle(self, rows: Sequence[Row], call: Row | None = None) -> None:
        """Write attempts (`SETTLE_COLUMNS`) and, with them, a call (`CALL_COLUMNS`): all or nothing."""

        def work(con: sqlite3.Connection) -> None:
            for row in rows:
                _execute(con, schema.SETTLE, row)
            if call is not None:
                _execute(con, schema.RECORD, call)

        self._write(work)

    def expire(self, now: float) -> int:
        """Mark the holds that ended before `now` as expired; return how many."""
        return self._write(lambda con: con.execute(schema.EXPIRE, (now, now)).rowcount)

    def label(self, row: Row) -> None:
        """Keep what was said of a call's answer (`LABEL_COLUMNS`); the last word wins."""
        self._write(lambda con: _execute(con, schema.LABEL, row))

    def tally(self, project: str, method: str, era: int, counts: Mapping[int, int]) -> None:
        """Add counts of decisions to an era's bins; the first era, this one and the one before it are kept."""

        def work(con: sqlite3.Connection) -> None:
            rows = [(project, method, era, position, count) for position, count in counts.items()]
            con.executemany(schema.TALLY, rows)
            con.execute(schema.FORGET_ERAS, (project, method, era - 1))

        self._write(work)

    def offer(self, project: str, feature: str, day: int, offered: int, used: int) -> None:
        """Add to what a feature gave on a day, and to how much of it was used."""
        self._write(lambda con: _execute(con, schema.OFFER, (project, feature, day, offered, used)))

    def use(self, call_id: str) -> bool:
        """Note that what a call gave was used; return whether there is such a call."""
        return self._write(lambda con: con.execute(schema.USE, (call_id,)).rowcount > 0)

    def absorb(self, other: LedgerDb) -> None:
        """Take the rows of a ledger in memory over, and empty it."""

        def work(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
            target.executemany(schema.RESERVE, source.execute(schema.ALL_HOLDS))
            target.executemany(schema.SETTLE, source.execute(schema.ALL_ENDED))
            target.executemany(schema.RECORD, source.execute(schema.ALL_CALLS))
            target.executemany(schema.LABEL, source.execute(schema.ALL_LABELS))
            target.executemany(schema.TALLY, source.execute(schema.ALL_TALLIES))
            target.executemany(schema.OFFER, source.execute(schema.ALL_OFFERS))
            for statement in schema.EMPTY:
                source.execute(statement)

        other._write(lambda source: self._write(lambda target: work(source, target)))

    # Reading.

    def recent(self, count: int) -> list[dict[str, Any]]:
        """Return the last `count` calls, the newest first."""
        rows = self._read(lambda con: con.execute(schema.RECENT, (count,)).fetchall())
        return [dict(zip(schema.CALL_COLUMNS, row, strict=True)) for row in rows]

    def call(self, call_id: str) -> dict[str, Any] | None:
        """Return one call, or None."""
        row = self._read(lambda con: con.execute(schema.CALL, (call_id,)).fetchone())
        return None if row is None else dict(zip(schema.CALL_COLUMNS, row, strict=True))

    def keys_of(self, first: str, last: str) -> list[tuple[str, str | None]]:
        """Return (id, the cache's key) of the calls with ids from `first` to `last`, some if these are very many."""
        return self._read(lambda con: con.execute(schema.KEYS, (first, last)).fetchall())

    def served(self, outcome: str, since: float) -> tuple[int, int, float]:
        """Return how many calls there were since then, how many ended so, and the joules that these avoided."""
        calls, ended, avoided_j = self._read(lambda con: con.execute(schema.SERVED, (outcome, since)).fetchone())
        return calls, ended, avoided_j

    def labels(self, project: str, method: str, since: float, most: int) -> list[tuple[str, float, bool, float]]:
        """Return (call id, loss, good, top_bad) of the latest labels that have a loss, the oldest first."""
        rows = self._read(lambda con: con.execute(schema.LABELS, (project, method, since, most)).fetchall())
        return [(call_id, loss, bool(good), top_bad) for call_id, loss, good, top_bad in rows]

    def tallies(self, project: str, method: str) -> list[tuple[int, int, int]]:
        """Return (era, bin, count) of a project's decisions."""
        return self._read(lambda con: con.execute(schema.TALLIES, (project, method)).fetchall())

    def methods(self, project: str) -> list[str]:
        """Return the classifiers under which a project has labels or decisions."""
        return self._read(lambda con: [method for (method,) in con.execute(schema.METHODS, (project,))])

    def attempts(self, call_id: str) -> list[dict[str, Any]]:
        """Return every attempt of one call, in the order in which they began."""

        def work(con: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = con.execute("SELECT * FROM attempts WHERE call_id = ? ORDER BY created, rowid", (call_id,))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self._read(work)

    def check(self) -> dict[str, Any]:
        """Return the schema's version, the counts, the open holds and what SQLite's own check says.

        Raises:
            LedgerCorrupt: the file is damaged.
        """

        def work(con: sqlite3.Connection) -> dict[str, Any]:
            calls, attempts, holds, held_j = con.execute(schema.COUNTS).fetchone()
            (found,) = con.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = con.execute("PRAGMA user_version").fetchone()
            if found != "ok":
                raise LedgerCorrupt(damaged(self.path, str(found)))
            return {"version": version, "calls": calls, "attempts": attempts, "holds": holds, "held_j": held_j}

        return self._read(work)

    def close(self) -> None:
        """Close the file; the next use opens it again. A ledger in memory is kept."""
        if self.path is None or self._connection is None:
            return
        try:
            with self._locked(write=True):
                self._drop()
        except LedgerError as error:
            _log.debug("closing the ledger: %s", error)

    # How.

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._locked(write=True) as con:
            con.execute("BEGIN IMMEDIATE")
            try:
                result = work(con)
                if self.path is None:
                    self._trim(con)
            except BaseException:
                con.rollback()
                raise
            con.execute("COMMIT")
            return result

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._locked(write=self._connection is None) as con:
            return work(con)

    @contextmanager
    def _locked(self, *, write: bool) -> Generator[sqlite3.Connection]:
        """Hold the locks and yield the open connection; SQLite's errors leave as the ledger's."""
        import sqlite3

        deadline = time.monotonic() + self._timeout_s
        if not self._thread_lock.acquire(timeout=self._timeout_s):
            raise LedgerError(self._busy())
        try:
            file_lock = self._outer_lock(deadline) if write else None
            try:
                yield self._connection or self._open()
            finally:
                if file_lock is not None:
                    file_lock.release()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:  # text that SQLite never wrote
            self._drop()
            raise LedgerCorrupt(damaged(self.path, str(error))) from error
        except BlockingIOError as error:
            raise LedgerError(self._busy()) from error
        except OSError as error:
            self._drop()
            raise LedgerError(f"The ledger {self.path} cannot be used: {error}. {_MAKE_WRITABLE}") from error
        finally:
            self._thread_lock.release()

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

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = (self.path or Path()).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self.path is not None:
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
        self._connection = con
        self._close_with_me(con.close)
        return con

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
        if tables and owner != schema.APPLICATION_ID:
            raise LedgerError(
                f"{self.path} is a database of another program (application id {owner:#x}). "
                f'Name another file with: ledger = "..."'
            )
        if version > newest:
            raise LedgerError(
                f"The ledger {self.path} has schema version {version}; this greenai knows up to {newest}. "
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
            con.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
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
        self._writes += 1
        if self._writes % 1000 == 0:
            for statement in schema.TRIM:
                con.execute(statement, (MEMORY_ROWS,))

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
            _log.debug("closing the ledger %s: %s", self.path, error)
        if lock is not None:
            lock.close()

    def _translated(self, error: sqlite3.Error) -> LedgerError:
        """Say what SQLite's error means here; after one on the file, the next use opens it anew."""
        self._drop()
        if primary_code(error) == BUSY:
            return LedgerError(self._busy())
        if primary_code(error) in CORRUPT:
            return LedgerCorrupt(damaged(self.path, str(error)))
        return LedgerError(f"The ledger {self.path} cannot be used: {error}. {_MAKE_WRITABLE}")

    def _busy(self) -> str:
        return (
            f"The ledger {self.path} was locked by another process for {self._timeout_s:g} s. "
            f"Find that process with: fuser -v {self.path}"
        )

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
        elif self._forking:
            self._thread_lock.release()


_MAKE_WRITABLE = 'Free some space or make it writable, or keep the ledger in memory with: ledger = ":memory:"'
