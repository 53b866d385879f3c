"""A cache of JSON values in a folder of this machine, in rows.py's database, which is imported at first use.

It decides nothing about what is kept, and nothing it does raises. Values are sealed (seal.py) under a secret of this
folder's own: a row that somebody else wrote, or changed, is a miss and is removed. The folder is 0700, its files 0600.
It keeps working over a fork, with any number of threads and processes.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.store.base import SealedStore
from greenai.store.files import (
    BUSY,
    CORRUPT,
    Gate,
    keep_over_fork,
    own_secret,
    primary_code,
    private_database,
    private_folder,
)
from greenai.store.listing import NO_PLACE, Row, StoreStats
from greenai.store.seal import Seal, require_encryption

if TYPE_CHECKING:
    from greenai.store.rows import Rows

__all__ = ["CACHE_BYTES", "JsonCache"]

CACHE_BYTES = 256 * 1000**2
CULL_EVERY = 256
"""Writes of one client after which it drops what has expired or is too much; large ones count by their size."""
RETRY_S = 30.0
"""How long a cache that failed is left alone: a disk that was full may have room again."""
_MOST_USED = 8192  # keys that were read since the last cull

READONLY = 8
_NO_ROOM = frozenset((13, 10))  # FULL and IOERR
# What diskcache makes of settings and rows that it does not expect.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OverflowError)
# ERROR, CONSTRAINT, TOOBIG and MISMATCH: our statements are fixed, so it is the tables that are not what they were.
_NOT_OURS = CORRUPT | {1, 19, 18, 20}


class JsonCache(SealedStore):
    """JSON values under str keys in a folder, each with a time to live; safe from any thread and process.

    It never raises: a store that fails is worth no answer. A damaged database is moved aside and rebuilt; with a full
    disk nothing more is stored, and a folder that cannot be used turns the cache off, each until it is tried again.
    That is logged once and kept in `problem`. What was not used for longest goes first where there is too much.

    Args:
        folder: where it stays; None keeps nothing.
        size_limit: bytes of the whole database.
        secret: seals the values; None takes one that is kept beside the folder, made where there is none.
        encrypt: encrypt the values too.

    Raises:
        MissingExtra: encryption is asked for and `cryptography` is not installed.
    """

    def __init__(
        self, folder: Path | None, *, size_limit: int = CACHE_BYTES, secret: bytes | None = None, encrypt: bool = False
    ) -> None:
        super().__init__(str(folder or NO_PLACE))
        self._folder = folder or Path()
        self._size_limit = size_limit
        self._secret, self._encrypt = secret, encrypt
        if encrypt:
            require_encryption()
        self._seal: Seal | None = None
        self._lock, self._gate = Lock(), Gate()
        self._cache: Rows | None = None
        self._inode = 0
        self._off_until = math.inf if folder is None else 0.0
        self._full_until = 0.0
        self._used: dict[str, None] = {}
        # Anywhere between two, so that many short processes cull as often as one long one.
        self._unculled = random.random()  # noqa: S311 (no secret)

    # --- one value ------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None where there is none that can be read."""
        blob = self._try(lambda cache: cache.blob(key))
        if blob is None or self._seal is None:
            return None
        value = self._unsealed(self._seal, key, blob)
        if value is not None and len(self._used) < _MOST_USED:
            self._used[key] = None
        return value

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept (not if too large or no JSON)."""
        return self._stored(key, value, ttl_s, lambda cache, blob: cache.keep(key, blob, ttl_s))

    def add(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` unless there is something under `key`; return True for the one caller whose value it is."""
        return self._stored(key, value, ttl_s, lambda cache, blob: cache.keep_new(key, blob, ttl_s))

    def forget(self, key: str) -> bool:
        """Drop what is under `key`; return False where that could not be done."""
        done = self._try(lambda cache: (cache.delete(key), True)[1], writes=True)
        return bool(done) or self._off_until == math.inf  # without a folder there is nothing

    def _stored(self, key: str, value: object, ttl_s: float, store: Callable[[Rows, bytes], Any]) -> bool:
        seal = self._seal or self._try(lambda _: self._seal)  # there is one as soon as the cache is open
        blob = seal.close(key, value, time.time() + ttl_s) if seal else None
        if blob is None:
            return False
        kept = bool(self._try(lambda cache: store(cache, blob), writes=True))
        # Two threads may lose a count between them: the next write makes up for it.
        self._unculled += max(1 / CULL_EVERY, len(blob) / (self._size_limit / 16))
        if self._unculled >= 1:
            self._unculled = 0.0
            self._cull()
        return kept

    def _cull(self) -> None:
        self._note_used()
        self._try(lambda cache: cache.cull(), writes=True)

    def _note_used(self) -> None:
        used, self._used = self._used, {}
        if used:
            self._try(lambda cache: cache.touch_all(list(used)), writes=True)

    # --- all of them ----------------------------------------------------------------------

    def rows(self, prefix: str = "") -> Iterator[Row]:
        """Yield what is kept under keys that begin with `prefix`."""
        found: list[tuple[str, int, float]] = self._try(lambda cache: list(cache.listed(prefix))) or []
        for key, size, ends in found:
            yield Row(key=key, size_bytes=size, expires_at=ends)

    def clear(self, prefix: str = "") -> int:
        """Drop all whose keys begin with `prefix`, to the last byte; return how many that were."""
        dropped = self._try(lambda cache: cache.drop(prefix), writes=True)
        if dropped is None and self.problem is not None and not prefix:
            return self._removed()
        self._try(lambda cache: cache.wipe(), writes=True)
        return int(dropped or 0)

    def _removed(self) -> int:
        """Remove the files themselves: without room SQLite cannot even drop what takes it up."""
        count = sum(1 for _ in self.rows())
        with self._lock:
            self._disconnect()
            self._cache = None
            shutil.rmtree(self._folder, ignore_errors=True)
            self.undone = f"{self._folder} could not be removed" if self._folder.exists() else None
        self._off_until = self._full_until = 0.0
        return count

    def stats(self) -> StoreStats:
        """Return how full the cache is."""
        count, size = self._try(lambda cache: (cache.counted(), int(cache.volume()))) or (0, 0)
        return StoreStats(
            kind="disk",
            place=self._place,
            count=count,
            size_bytes=size,
            limit_bytes=self._size_limit,
            problem=self.problem,
        )

    def close(self) -> None:
        """Note what was used, and close this thread's connection; the next use opens it again."""
        if self._cache is None:
            return
        self._note_used()
        self._disconnect()

    def _disconnect(self) -> None:
        from greenai.store.rows import FAILURES

        with suppress(*FAILURES):
            if self._cache is not None:
                self._cache.close()

    def before_fork(self) -> None:
        """Wait until no thread is at work, keep them from beginning, and close this thread's connection."""
        self._gate.shut()
        self._disconnect()

    def after_fork(self) -> None:
        """Let threads begin again."""
        self._gate.reopen()

    # --- trouble --------------------------------------------------------------------------

    def _try(self, work: Callable[[Rows], Any], *, writes: bool = False, again: bool = True) -> Any:
        """Return what `work` returns; None where the cache is off, busy or fails."""
        if (self._off_until or writes) and self._is_off(writes):
            if self._off_until != math.inf:
                self.undone = self.undone or "it could not be used a moment ago"
            return None
        from greenai.store import rows

        cache = self._cache
        try:
            with self._gate:
                if cache is None:
                    cache = self._opened()
                found = work(cache)
        except (rows.Timeout, UnicodeEncodeError):  # busy; or a key that is no text, such as half a surrogate pair
            self.undone = "another process is writing to it"
            return None
        except (*rows.FAILURES, *_UNREADABLE) as error:
            if again and self._is_mended(error, cache):
                return self._try(work, writes=writes, again=False)
            self._rest(error, writes=writes and cache is not None)
            return None
        if self.problem is not None and (writes or not self._full_until):
            self.problem, self._full_until = None, 0.0
        return found

    def _is_off(self, writes: bool) -> bool:
        """Return whether to leave the disk alone; before a write also look whether it is still the same database."""
        now = time.monotonic()
        if now < self._off_until or (writes and now < self._full_until):
            return True
        self._off_until = 0.0
        if self._cache is not None and _inode(self._folder / "cache.db") != self._inode:
            self._cache = None  # another process moved it aside, or somebody removed it
        return False

    def _is_mended(self, error: Exception, cache: Rows | None) -> bool:
        """Do what a failure asks for; return whether the work may succeed now."""
        code = primary_code(error)
        if code in _NOT_OURS or isinstance(error, _UNREADABLE) or (code == READONLY and self._may_write()):
            return self._moved_aside(cache, error)
        return code in _NO_ROOM and cache is not None and self._has_less_log(cache)

    def _has_less_log(self, cache: Rows) -> bool:
        """Empty the log, which may take more room than the database; return whether that worked."""
        from greenai.store.rows import FAILURES

        try:
            with self._gate:
                cache.wipe()
        except FAILURES:
            return False
        return True

    def _rest(self, error: Exception, *, writes: bool) -> None:
        """Leave the disk alone for a while, unless another process was only faster; where it is full, still read."""
        code, until = primary_code(error), time.monotonic() + RETRY_S
        self.undone = f"it failed ({error})"
        if code == BUSY:
            return
        if writes and code in (*_NO_ROOM, READONLY):
            self._full_until, fate, rest = until, "cannot store", "Calls go on, with the answers that are there."
        else:
            self._off_until, fate, rest = until, "cannot be used", "Calls go on without it."
        self._fail(
            f"The answer cache in {self._place} {fate} ({error}). {rest} "
            f"Free some space or make the folder writable; it is tried again every {RETRY_S:.0f} s."
        )

    def _may_write(self) -> bool:
        """Return whether the files may be written, so that it is the database that says it must not be."""
        return os.access(self._folder, os.W_OK) and os.access(self._folder / "cache.db", os.W_OK)

    def _opened(self) -> Rows:
        from greenai.store.rows import Rows, probed

        with self._lock:
            if self._cache is None:
                database = self._folder / "cache.db"
                private_folder(self._folder, tighten=True)
                if self._seal is None:
                    secret = self._secret or own_secret(self._folder.with_name(self._folder.name + ".key"))
                    self._seal = Seal(secret, encrypt=self._encrypt)
                private_database(database, tighten=True)
                with probed(database):
                    self._cache = Rows(self._folder, size_limit=self._size_limit)
                self._inode = _inode(database)
                keep_over_fork(self)
            return self._cache

    def _moved_aside(self, failed: Rows | None, error: Exception) -> bool:
        """Move the damaged folder away, in one step that no other process sees half of, unless somebody just did."""
        aside = self._folder.with_name(self._folder.name + ".damaged")
        with self._lock:
            if self._cache is not failed:
                return True
            self._cache = None
            if failed is not None and _inode(self._folder / "cache.db") != self._inode:
                return True
            shutil.rmtree(aside, ignore_errors=True)
            try:
                self._folder.rename(aside)
            except OSError:
                return False
        self._tell(
            "damaged",
            f"The answer cache in {self._place} is damaged ({error}). It was moved to {aside} and starts empty.",
        )
        return True


def _inode(path: Path) -> int:
    """Return which file this is; 0 where there is none."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116  Path.stat takes three times as long
    except OSError:
        return 0
