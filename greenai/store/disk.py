"""Where things stay on this machine: a cache of JSON values, and the database behind the ledger.

The only door to diskcache and sqlite3, both imported at first use. It decides nothing about what is stored.
Everything is JSON or plain columns: a row that asks to be unpickled is a miss. Folders are 0700, files 0600.

Both keep working over a fork: no connection crosses one (it is closed before, and opened again on either side).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import schema

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks hold there, with less throughput
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import sqlite3

__all__ = ["JsonCache", "LedgerDb"]

T = TypeVar("T")
Row = Sequence[object]

CACHE_BYTES = 256 * 1024**2
MAX_VALUE_BYTES = 8 * 1024**2
LOCK_TIMEOUT_S = 10.0
MEMORY_ROWS = 10_000

_log = logging.getLogger("greenai")

_CORRUPT = frozenset((11, 26))  # SQLITE_CORRUPT, SQLITE_NOTADB
_LEVEL = 1  # zlib: 3 answers in 4 become half as long; higher levels gain a tenth and take twice the time


def _private_folder(path: Path) -> None:
    """Make `path` with mode 0700; a folder that is there keeps its mode."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _private_file(path: Path) -> int:
    """Open `path` for reading and writing, made with mode 0600 where it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _code(error: BaseException) -> int:
    """Return SQLite's primary result code, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


# --- cache --------------------------------------------------------------------------------


class _Refused(OSError):
    """A row that is not ours to read. diskcache takes an OSError from its `Disk` as a miss."""


def _pack(value: object) -> bytes:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return zlib.compress(data.encode("utf-8", "surrogatepass"), _LEVEL)


def _unpack(data: bytes) -> Any:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, MAX_VALUE_BYTES * 4)
    if unpacker.unconsumed_tail:
        raise _Refused("the value unpacks to more than any value that was stored")
    return json.loads(text.decode("utf-8", "surrogatepass"))


def _json_disk() -> type[Any]:
    """Return diskcache's `Disk` with JSON in place of pickle, every value inside the database, and no files."""
    from diskcache import Disk
    from diskcache.core import MODE_RAW

    class JsonDisk(Disk):  # type: ignore[misc]
        def put(self, key: Any) -> tuple[str, bool]:
            if type(key) is not str:
                raise TypeError(f"a cache key must be a str, not {type(key).__name__}")
            return key, True

        def get(self, key: Any, raw: bool) -> Any:
            if not raw or type(key) is not str:
                raise _Refused("the key is not plain text")
            return key

        def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, bytes]:
            return 0, MODE_RAW, None, value

        def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
            if mode != MODE_RAW or filename is not None or type(value) is not bytes:
                raise _Refused("the row is not compressed JSON")
            try:
                return _unpack(value)
            except (zlib.error, ValueError, RecursionError) as error:
                raise _Refused("the row is not compressed JSON") from error

        def remove(self, file_path: str) -> None:
            """Remove nothing: this cache has no files, so a name in a row is not one of ours."""

    return JsonDisk


class JsonCache:
    """JSON values under str keys in a folder, each with a time to live; safe from any thread and process.

    It never raises: a store that fails is worth no answer. A damaged database is moved aside and rebuilt; a full
    disk or a folder that cannot be written turns the cache off. Either is logged once and kept in `problem`.
    """

    def __init__(self, folder: Path | None, *, size_limit: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._size_limit = size_limit
        self._lock = threading.Lock()
        self._cache: Any = None
        self._off = folder is None
        self.problem: str | None = None if folder else "this machine has no folder for it"

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None where there is none that can be read."""
        return self._try(lambda cache: cache.get(key))

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept (not if too large or no JSON)."""
        try:
            data = _pack(value)
        except (TypeError, ValueError, RecursionError):
            return False
        if len(data) > MAX_VALUE_BYTES:
            return False
        return bool(self._try(lambda cache: cache.set(key, data, expire=ttl_s)))

    def forget(self, key: str) -> None:
        """Drop what is under `key`."""
        self._try(lambda cache: cache.delete(key))

    def clear(self) -> None:
        """Drop everything."""
        self._try(lambda cache: cache.clear())

    def close(self) -> None:
        """Close this thread's connection; the next use opens it again."""
        if self._cache is not None:
            self._cache.close()

    def _try(self, work: Callable[[Any], Any]) -> Any:
        if self._off:
            return None
        from sqlite3 import DatabaseError

        from diskcache import Timeout

        try:
            return work(self._cache or self._opened())
        except Timeout:
            return None
        except DatabaseError as error:
            return self._rebuilt(error, work) if _code(error) in _CORRUPT else self._disabled(error)
        except OSError as error:
            return self._disabled(error)

    def _opened(self) -> Any:
        from diskcache import Cache

        with self._lock:
            if self._cache is None:
                assert self._folder is not None
                _private_folder(self._folder)
                os.close(_private_file(self._folder / "cache.db"))
                # Every setting is given, so that none is taken from the file: a forged one would reach a PRAGMA.
                self._cache = Cache(
                    str(self._folder), timeout=0.25, disk=_json_disk(), size_limit=self._size_limit, cull_limit=10,
                    eviction_policy="least-recently-stored", statistics=0, tag_index=0, disk_min_file_size=0,
                    disk_pickle_protocol=0, sqlite_auto_vacuum=1, sqlite_cache_size=2**13, sqlite_journal_mode="wal",
                    sqlite_mmap_size=2**26, sqlite_synchronous=1,
                )  # fmt: skip
                _closed_at_fork.add(self)
            return self._cache

    def _rebuilt(self, error: Exception, work: Callable[[Any], Any]) -> Any:
        """Move the damaged folder aside, in one step that no other process sees half of, and start afresh once."""
        assert self._folder is not None
        if self.problem is not None:
            return self._disabled(error)
        aside = self._folder.with_name(self._folder.name + ".damaged")
        self._warn(
            f"The answer cache in {self._folder} is damaged ({error}). It was moved to {aside} and starts empty."
        )
        try:
            with self._lock:
                if self._cache is not None:
                    self._cache.close()
                self._cache = None
                shutil.rmtree(aside, ignore_errors=True)
                self._folder.rename(aside)
            return work(self._opened())
        except (OSError, *_database_errors()) as again:
            return self._disabled(again)

    def _disabled(self, error: Exception) -> None:
        self._off = True
        self._warn(
            f"The answer cache in {self._folder} cannot be used ({error}). Calls go on without it. "
            f"Free some space or make the folder writable, then start the program again."
        )

    def _warn(self, problem: str) -> None:
        if self.problem is None:
            _log.warning(problem)
        self.problem = problem

    def _before_fork(self) -> None:
        self.close()

    def _after_fork(self) -> None:
        self._lock = threading.Lock()


def _database_errors() -> tuple[type[Exception], ...]:
    from sqlite3 import DatabaseError

    from diskcache import Timeout

    return DatabaseError, Timeout


# --- ledger -------------------------------------------------------------------------------


class _FileLock:
    """One lock for every process that writes one ledger; waiting is bounded.

    `fcntl.flock` itself, not the filelock library: 0.002 ms against 0.058 ms for a lock and unlock.
    """

    def __init__(self, path: Path) -> None:
        self._fd = _private_file(path)

    def acquire(self, deadline: float) -> None:
        if fcntl is None:
            return
        pause = 0.0002
        while True:
            try:
                return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.5, 0.004)

    def release(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)


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
        self._file_lock: _FileLock | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._pid = os.getpid()
        self._forking = False
        self._writes = 0
        _closed_at_fork.add(self)

    # Writing. Every statement is idempotent, so a caller may repeat any of them.

    def reserve(self, row: Row) -> None:
        """Add a hold: attempt_id, call_id, project, model, created, expires, held_j."""
        self._write(lambda con: con.execute(schema.RESERVE, row))

    def renew(self, attempt_id: str, expires: float) -> None:
        """Let an open hold last until `expires`."""
        self._write(lambda con: con.execute(schema.RENEW, (expires, attempt_id)))

    def release(self, attempt_id: str, error: str | None, now: float) -> None:
        """End a hold under which nothing was used."""
        self._write(lambda con: con.execute(schema.RELEASE, (error, now, attempt_id)))

    def settle(self, rows: Sequence[Row], call: Row | None = None) -> None:
        """Write attempts (`SETTLE_COLUMNS`) and, with them, a call (`CALL_COLUMNS`): all or nothing."""

        def work(con: sqlite3.Connection) -> None:
            for row in rows:
                con.execute(schema.SETTLE, row)
            if call is not None:
                con.execute(schema.RECORD, call)

        self._write(work)

    def expire(self, now: float) -> int:
        """Mark the holds that ended before `now` as expired; return how many."""
        return self._write(lambda con: con.execute(schema.EXPIRE, (now, now)).rowcount)

    # Reading.

    def recent(self, count: int) -> list[dict[str, Any]]:
        """Return the last `count` calls, the newest first."""
        rows = self._read(lambda con: con.execute(schema.RECENT, (count,)).fetchall())
        return [dict(zip(schema.CALL_COLUMNS, row, strict=True)) for row in rows]

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
                raise LedgerCorrupt(self._damaged(str(found)))
            return {"version": version, "calls": calls, "attempts": attempts, "holds": holds, "held_j": held_j}

        return self._read(work)

    def close(self) -> None:
        """Close the file; the next use opens it again. A ledger in memory is kept."""
        if self.path is not None:
            with self._locked(write=self._connection is not None):
                self._drop()

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
        except BlockingIOError as error:
            raise LedgerError(self._busy()) from error
        except OSError as error:
            self._drop()
            raise LedgerError(f"The ledger {self.path} cannot be used: {error}. {_MAKE_WRITABLE}") from error
        finally:
            self._thread_lock.release()

    def _outer_lock(self, deadline: float) -> _FileLock | None:
        if self.path is None:
            return None
        self._reopen_if_moved()
        if self._file_lock is None:
            _private_folder(self.path.parent)
            self._file_lock = _FileLock(self.path.with_name(self.path.name + ".lock"))
        self._file_lock.acquire(deadline)
        return self._file_lock

    def _reopen_if_moved(self) -> None:
        """Notice that the file was removed or replaced: SQLite would go on writing to what nobody can read again."""
        if self._connection is not None and self._inode != self._seen():
            self._drop()

    def _seen(self) -> tuple[int, int] | None:
        assert self.path is not None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        if self.path is not None:
            os.close(_private_file(self.path))
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
        return con

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

        os.close(_private_file(copy))
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
        if _code(error) in _CORRUPT:
            return LedgerCorrupt(self._damaged(str(error)))
        return LedgerError(f"The ledger {self.path} cannot be used: {error}. {_MAKE_WRITABLE}")

    def _damaged(self, why: str) -> str:
        return (
            f"The ledger {self.path} is damaged ({why}). It was left as it is. Save what can be read with: "
            f"sqlite3 {self.path} .recover | sqlite3 recovered.db   Then start a new one with: "
            f"mv {self.path} {self.path}.damaged"
        )

    def _busy(self) -> str:
        return (
            f"The ledger {self.path} was locked by another process for {self._timeout_s:g} s. "
            f"Find that process with: fuser -v {self.path}"
        )

    def _before_fork(self) -> None:
        self._forking = self._thread_lock.acquire(timeout=self._timeout_s)
        if self._forking:
            self._drop()

    def _after_fork(self) -> None:
        """Let go of the lock that `_before_fork` took; a child takes a new one, whoever held the old."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._thread_lock = threading.Lock()
        elif self._forking:
            self._thread_lock.release()


_MAKE_WRITABLE = 'Free some space or make it writable, or keep the ledger in memory with: ledger = ":memory:"'


# --- fork ---------------------------------------------------------------------------------

_closed_at_fork: weakref.WeakSet[JsonCache | LedgerDb] = weakref.WeakSet()


def _each(method: str) -> None:
    for store in tuple(_closed_at_fork):
        getattr(store, method)()


if hasattr(os, "register_at_fork"):
    # SQLite's connections must not be used, nor even closed, in a child: they are closed before there is one.
    os.register_at_fork(
        before=lambda: _each("_before_fork"),
        after_in_parent=lambda: _each("_after_fork"),
        after_in_child=lambda: _each("_after_fork"),
    )
