"""What a store tells of itself: the rows it keeps, without what is in them, and how full it is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NO_PLACE", "Row", "StoreStats"]

NO_PLACE = "no folder"
"""Where a cache is that keeps nothing, since this machine has no folder for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kept value by its key: how large it is as stored, and when it ends, in seconds since 1970."""

    key: str
    size_bytes: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """How full a store is.

    `place` is its folder or address, without a password. `size_bytes` counts the values as stored, on disk the whole
    file. `limit_bytes` None: the server decides what it drops. `problem` says in a sentence why it does not work.
    """

    kind: str
    place: str
    count: int
    size_bytes: int
    limit_bytes: int | None
    problem: str | None
