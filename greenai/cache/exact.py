"""Entries under exact keys, in any store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

from greenai.cache.entry import Entry
from greenai.store.listing import Row, StoreStats

__all__ = ["ExactCache", "ManagedStore", "Store"]


class Store(Protocol):
    """Where entries stay: JSON values under keys. It answers None for what it cannot read, and never raises."""

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None."""

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept."""
        ...

    def forget(self, key: str) -> bool:
        """Drop what is under `key`; return False where that could not be done, so that it may still be there."""
        ...


class ManagedStore(Store, Protocol):
    """A store that can also be looked through, emptied and closed: what a client opens. None of it raises either."""

    def add(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` unless there is something under `key`; return True for the one caller whose value it is.

        Of any number of callers at once, in all processes, at most one gets True; none does where the store is broken.
        """
        ...

    def rows(self, prefix: str = "") -> Iterator[Row]:
        """Yield what is kept under keys that begin with `prefix`, in no order; what ends meanwhile may be left out."""
        ...

    def clear(self, prefix: str = "") -> int:
        """Drop all whose keys begin with `prefix`; return how many that were."""
        ...

    def stats(self) -> StoreStats:
        """Return how full the store is. It counts, so it is not for the path of a call."""
        ...

    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""


class ExactCache:
    """Entries under exact keys, in any `Store`. What cannot be read is a miss."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: str) -> Entry | None:
        """Return the entry under `key`, or None."""
        data = self._store.get(key)
        if not isinstance(data, dict):
            return None
        try:
            return Entry.from_json(cast("dict[str, Any]", data))
        except (KeyError, TypeError):
            return None

    def put(self, key: str, entry: Entry, ttl_s: float) -> bool:
        """Keep `entry` for `ttl_s` seconds; return whether it is kept."""
        return self._store.put(key, entry.to_json(), ttl_s)

    def forget(self, key: str) -> bool:
        """Drop the entry under `key`, for an answer that was wrong; return False where that could not be done."""
        return self._store.forget(key)

    @property
    def undone(self) -> str | None:
        """Why the store did not do what it did not do last, where it tells."""
        return getattr(self._store, "undone", None)
