"""A cache of JSON values in a folder of this machine. The only door to diskcache, imported at first use.

It decides nothing about what is kept. Values are JSON: a row that asks to be unpickled is a miss. The folder is
0700, its files 0600. It keeps working over a fork.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.store.files import BUSY, CORRUPT, keep_over_fork, primary_code, private_file, private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["JsonCache"]

CACHE_BYTES = 256 * 1024**2
MAX_VALUE_BYTES = 8 * 1024**2
CACHE_TIMEOUT_S = 0.25
CULL_EVERY = 256
"""Writes of one client after which it drops what has expired or is too much; large ones count by their size."""

_LEVEL = 1  # zlib: the fastest; higher levels gain little on answers of this size and take twice the time

# Every setting is given, so that none is taken from the file: a forged one would reach a PRAGMA. The oldest entry goes
# first: to track the last use would turn every hit into a write.
_CACHE_SETTINGS: Mapping[str, Any] = {
    "timeout": CACHE_TIMEOUT_S,
    "eviction_policy": "least-recently-stored",
    "cull_limit": 0,  # looking for what to drop costs a third of a write: so not at each one, see `put`
    "statistics": 0,
    "tag_index": 0,
    "disk_min_file_size": 0,
    "disk_pickle_protocol": 0,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 2**26,
    "sqlite_synchronous": 1,
}

_log = logging.getLogger("greenai")


class _RefusedError(OSError):
    """A row that is not ours to read. diskcache takes an OSError from its `Disk` as a miss."""


def _pack(value: object) -> bytes:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return zlib.compress(data.encode("utf-8", "surrogatepass"), _LEVEL)


def _unpack(data: bytes) -> Any:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, MAX_VALUE_BYTES * 4)
    if unpacker.unconsumed_tail:
        raise _RefusedError("the value unpacks to more than any value that was stored")
    return json.loads(text.decode("utf-8", "surrogatepass"))


def _json_disk() -> type[Any]:
    """Return diskcache's `Disk` with JSON in place of pickle, every value inside the database, and no files."""
    from diskcache import Disk
    from diskcache.core import MODE_RAW

    class JsonDisk(Disk):  # type: ignore[misc]
        def put(self, key: Any) -> Any:
            if type(key) is not str:
                raise TypeError(f"a cache key must be a str, not {type(key).__name__}")
            return key, True

        def get(self, key: Any, raw: bool) -> Any:
            if not raw or type(key) is not str:
                raise _RefusedError("the key is not plain text")
            return key

        def store(self, value: Any, read: bool, key: Any = None) -> Any:  # noqa: ARG002  diskcache's own signature
            return 0, MODE_RAW, None, value

        def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:  # noqa: ARG002
            if mode != MODE_RAW or filename is not None or type(value) is not bytes:
                raise _RefusedError("the row is not compressed JSON")
            try:
                return _unpack(value)
            except (zlib.error, ValueError, RecursionError) as error:
                raise _RefusedError("the row is not compressed JSON") from error

        def remove(self, file_path: str) -> None:
            """Remove nothing: this cache has no files, so a name in a row is not one of ours."""

    return JsonDisk


def _probe(path: Path) -> None:
    """Raise at once what diskcache would wait a minute for: a database that is locked, or damaged."""
    import sqlite3

    con = sqlite3.connect(path, timeout=CACHE_TIMEOUT_S, isolation_level=None)
    try:
        con.execute("BEGIN IMMEDIATE").connection.rollback()
    finally:
        con.close()


class JsonCache:
    """JSON values under str keys in a folder, each with a time to live; safe from any thread and process.

    It never raises: a store that fails is worth no answer. A damaged database is moved aside and rebuilt; a full
    disk or a folder that cannot be written turns the cache off. Either is logged once and kept in `problem`.
    Without a folder it keeps nothing.
    """

    def __init__(self, folder: Path | None, *, size_limit: int = CACHE_BYTES) -> None:
        self._folder = folder or Path()
        self._size_limit = size_limit
        self._lock = threading.Lock()
        self._cache: Any = None
        self._off = folder is None
        # Anywhere between two, so that many short processes cull as often as one long one.
        self._unculled = random.random()  # noqa: S311 (no secret)
        self.problem: str | None = None

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
        kept = bool(self._try(lambda cache: cache.set(key, data, expire=ttl_s)))
        # Two threads may lose a count between them: the next write makes up for it.
        self._unculled += max(1 / CULL_EVERY, len(data) / (self._size_limit / 16))
        if self._unculled >= 1:
            self._unculled = 0.0
            self._try(lambda cache: cache.cull())
        return kept

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

    def _try(self, work: Callable[[Any], Any], *, again: bool = True) -> Any:
        if self._off:
            return None
        from sqlite3 import DatabaseError

        from diskcache import Timeout

        cache = self._cache
        try:
            return work(cache or self._opened())
        except Timeout:
            return None
        except (DatabaseError, OSError, UnicodeDecodeError) as error:
            code = primary_code(error)
            damaged = code in CORRUPT or isinstance(error, UnicodeDecodeError)
            if damaged and again and self._moved_aside(cache, error):
                return self._try(work, again=False)
            return None if code == BUSY else self._disabled(error)

    def _opened(self) -> Any:
        from diskcache import Cache

        with self._lock:
            if self._cache is None:
                private_folder(self._folder)
                os.close(private_file(self._folder / "cache.db"))
                _probe(self._folder / "cache.db")
                self._cache = Cache(
                    str(self._folder), disk=_json_disk(), size_limit=self._size_limit, **_CACHE_SETTINGS
                )
                keep_over_fork(self)
            return self._cache

    def _moved_aside(self, failed: Any, error: Exception) -> bool:
        """Move the damaged folder away, in one step that no other process sees half of, unless a thread just did."""
        aside = self._folder.with_name(self._folder.name + ".damaged")
        with self._lock:
            if self._cache is not failed:
                return True
            self._cache = None
            shutil.rmtree(aside, ignore_errors=True)
            try:
                self._folder.rename(aside)
            except OSError:
                return False
        self._warn(
            f"The answer cache in {self._folder} is damaged ({error}). It was moved to {aside} and starts empty."
        )
        return True

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

    def before_fork(self) -> None:
        """Close this thread's connection."""
        self.close()

    def after_fork(self) -> None:
        """Take a new lock: a thread that is not in the child may have held the old one."""
        self._lock = threading.Lock()
