"""Rows in diskcache's database: text keys, bytes as values, nothing else. The only door to diskcache; one to sqlite3.

What diskcache does of its own accord with values (pickle, files beside the database) is replaced by refusal. It decides
nothing about what bytes mean. Any error is the caller's to handle.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diskcache import Cache, Disk, Timeout
from diskcache.core import MODE_RAW

__all__ = ["FAILURES", "Rows", "Timeout", "probed"]

FAILURES = (sqlite3.Error, OSError)
"""What a database and its files raise; diskcache makes more of rows that it does not expect."""

TIMEOUT_S = 1.0
PROBE_TIMEOUT_S = 0.25
_LAST = "\U0010ffff"
_BATCH = 500
_NEARLY = 0.9  # of the size that it may have

# Every setting is given, so that none is taken from the file: a forged one would reach a PRAGMA.
_SETTINGS: dict[str, Any] = {
    "timeout": TIMEOUT_S,
    "eviction_policy": "least-recently-used",  # by access_time, which `touch_all` sets: see there
    "cull_limit": 0,  # looking for what to drop costs a third of a write: so not at each one
    "statistics": 0,
    "tag_index": 0,
    "disk_min_file_size": 0,
    "disk_pickle_protocol": 0,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,  # a mapped file that somebody else truncates kills the process
    "sqlite_secure_delete": 1,
    "sqlite_synchronous": 1,
    "sqlite_wal_autocheckpoint": 4000,  # 16 MB, as in the ledger: the write that does it waits for the disk
}


_KEEP = (
    "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, filename, value)"
    " VALUES (:key, 1, :now, :ends, :now, 0, NULL, 0, :mode, NULL, :value)"
    " ON CONFLICT (key, raw) DO UPDATE SET store_time = :now, expire_time = :ends, access_time = :now,"
    " access_count = 0, tag = NULL, size = 0, mode = :mode, filename = NULL, value = :value"
)
_KEEP_NEW = f"{_KEEP} WHERE expire_time IS NULL OR expire_time <= :now"


@contextmanager
def probed(path: Path) -> Generator[None]:
    """Raise at once what diskcache would wait a minute for: a database that is locked, or damaged.

    It stays open meanwhile: diskcache closes and opens the database twice, and the last to close waits for the disk.
    """
    con = sqlite3.connect(path, timeout=PROBE_TIMEOUT_S, isolation_level=None)
    try:
        con.execute("BEGIN IMMEDIATE").connection.rollback()
        yield
    finally:
        con.close()


class _BytesDisk(Disk):  # type: ignore[misc]
    """Text keys and bytes, every value inside the database. It opens and removes no file, and unpickles nothing."""

    def put(self, key: Any) -> Any:
        if type(key) is not str:
            raise TypeError(f"a cache key must be a str, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: bool) -> Any:
        return key if raw and type(key) is str else None

    def store(self, value: Any, read: bool, key: Any = None) -> Any:  # noqa: ARG002  diskcache's own signature
        return 0, MODE_RAW, None, value

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:  # noqa: ARG002
        return value if mode == MODE_RAW and filename is None else None

    def remove(self, file_path: str) -> None:
        """Remove nothing: this cache has no files, so a name in a row is not one of ours."""


class Rows(Cache):  # type: ignore[misc]
    """diskcache's cache of bytes under str keys, in a folder."""

    def __init__(self, folder: Path, *, size_limit: int) -> None:
        self._nearly_full = _NEARLY * size_limit
        super().__init__(str(folder), disk=_BytesDisk, size_limit=size_limit, **_SETTINGS)

    def blob(self, key: str) -> object:
        """Return what is under `key`, whether it has ended or not; None where nothing is, b"" where it is no value."""
        select = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1"
        row = self._con.execute(select, (key,)).fetchone()
        if row is None:
            return None
        value = self._disk.fetch(*row, read=False)
        return b"" if value is None else value

    def keep(self, key: str, blob: bytes, ttl_s: float) -> bool:
        """Keep `blob`; True. One statement, where diskcache has four: it takes a third less."""
        return self._upserted(_KEEP, key, blob, ttl_s)

    def keep_new(self, key: str, blob: bytes, ttl_s: float) -> bool:
        """Keep `blob` unless there is something under `key` that has not ended; return whether it is kept."""
        return self._upserted(_KEEP_NEW, key, blob, ttl_s)

    def _upserted(self, statement: str, key: str, blob: bytes, ttl_s: float) -> bool:
        now = time.time()
        row = {"key": key, "now": now, "ends": now + ttl_s, "mode": MODE_RAW, "value": blob}
        return bool(self._con.execute(statement, row).rowcount)

    def touch_all(self, keys: Iterable[str]) -> None:
        """Note that these keys were used, so that they are the last to go, where something may have to.

        diskcache would do it at each hit, in a transaction of its own. Here it is done for many at once, when the
        cache is nearly full, and only for those that are in the older half: the others are not about to go.
        """
        if self.volume() < self._nearly_full:
            return
        now = time.time()
        oldest = self._con.execute("SELECT min(access_time) FROM Cache").fetchone()[0]
        half = (now + (oldest or now)) / 2
        with self.transact():
            update = "UPDATE Cache SET access_time = ? WHERE key = ? AND raw = 1 AND access_time < ?"
            self._con.executemany(update, [(now, key, half) for key in keys])

    def listed(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield key, size in bytes and end of what has not ended and has a key that begins with `prefix`."""
        select = (
            "SELECT rowid, key, length(value), expire_time FROM Cache WHERE rowid > ? AND raw = 1"
            " AND key >= ? AND key < ? AND expire_time > ? ORDER BY rowid LIMIT ?"
        )
        last, now = 0, time.time()
        while rows := self._con.execute(select, (last, prefix, prefix + _LAST, now, _BATCH)).fetchall():
            for _, key, size, ends in rows:
                if type(key) is str:
                    yield key, size or 0, ends
            last = rows[-1][0]

    def drop(self, prefix: str) -> int:
        """Remove what has a key that begins with `prefix`, and everything where it is empty; return how many."""
        where = "raw = 1 AND key >= ? AND key < ?" if prefix else "?1 = ?1 OR ?2 = ?2"
        delete = f"DELETE FROM Cache WHERE rowid IN (SELECT rowid FROM Cache WHERE {where} LIMIT {_BATCH})"  # noqa: S608
        dropped = 0
        while True:
            with self.transact():
                count = int(self._con.execute(delete, (prefix, prefix + _LAST)).rowcount)
            dropped += count
            if count < _BATCH:
                return dropped

    def wipe(self) -> None:
        """Write the log back into the database and empty it, where nobody reads: it may hold what was deleted."""
        self._con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def counted(self) -> int:
        """Return how many rows have not ended."""
        select = "SELECT count(*) FROM Cache WHERE expire_time > ?"
        return int(self._con.execute(select, (time.time(),)).fetchone()[0])
