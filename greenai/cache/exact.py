"""Entries under exact keys, in any store."""

from __future__ import annotations

from typing import Any, Protocol, cast

from greenai.cache.entry import Entry

__all__ = ["ExactCache", "Store"]


class Store(Protocol):
    """Where entries stay: JSON values under keys. It answers None for what it cannot read, and never raises."""

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None."""

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept."""
        ...

    def forget(self, key: str) -> None:
        """Drop what is under `key`."""


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

    def forget(self, key: str) -> None:
        """Drop the entry under `key`, for an answer that was wrong."""
        self._store.forget(key)
