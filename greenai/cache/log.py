"""The changes of a scope in a store, one after the other, in an order that all processes agree on.

Change number n lies under its own key, written only where nothing lies yet, so that one writer wins each number. What
is gone from the store, or cannot be read, is passed over: it costs hits, nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from greenai.cache.scope import Change

if TYPE_CHECKING:
    from greenai.cache.exact import ManagedStore

__all__ = ["Log"]

FRESH_S = 1.0
"""For so long what was read counts as all there is; other processes' answers are found that much later."""


class Log:
    """The changes of all scopes in one store.

    Args:
        store: where they are.
        ttl_s: how long each stays.
    """

    def __init__(self, store: ManagedStore, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._looked: dict[str, float] = {}

    def append(self, place: str, number: int, change: Change) -> bool:
        """Write change `number`, and return whether it is this one now."""
        if not self._store.add(f"{place}:{number}", change.to_json(), self._ttl_s):
            self._looked.pop(place, None)
            return False
        self._store.put(f"{place}:count", number + 1, self._ttl_s)
        return True

    def after(self, place: str, number: int, dimensions: int) -> Iterator[Change | None]:
        """Yield the changes from `number` on, None for one that cannot be read; nothing if that was just done."""
        now = time.monotonic()
        if now - self._looked.get(place, -FRESH_S) < FRESH_S:
            return
        count = self._store.get(f"{place}:count")
        known = count if isinstance(count, int) else 0
        while True:
            data = self._store.get(f"{place}:{number}")
            if data is None and number >= known:
                break
            yield _read(data, dimensions)
            number += 1
        self._looked[place] = now


def _read(data: Any, dimensions: int) -> Change | None:
    if not isinstance(data, Mapping):
        return None
    try:
        return Change.from_json(cast("Mapping[str, Any]", data), dimensions)
    except (KeyError, TypeError, ValueError):
        return None
