"""The changes of a scope in a store, one after the other, in an order that all processes agree on.

Change number n lies under its own key, written only where nothing lies yet, so that one writer wins each number. What
is gone from the store, or cannot be read, is passed over: it costs hits, nothing else. Under a name of its own stands
in which scope an answer is, so that it can be forgotten without a look through all.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from greenai.cache.scope import Change

if TYPE_CHECKING:
    from greenai.cache.exact import ManagedStore

__all__ = ["Log", "Read", "Tally", "forget_rows", "tally"]

FRESH_S = 1.0
"""For so long what was read counts as all there is; other processes' answers are found that much later."""
TTL_S = 30 * 86_400.0
MOST_READ = 1_000
"""Changes at once: 0.1 s. A call must not wait for a long log, so several share the reading."""

_CHANGE = re.compile(r"semantic:([0-9a-f]{64}):[0-9]+")
_FORGOTTEN = {"forgotten": True}  # in place of a change: a number is never given twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Changes of a scope, None for one that cannot be read, and whether these are the last ones."""

    changes: list[Change | None]
    whole: bool


class Log:
    """The changes of all scopes in one store.

    Args:
        store: where they are.
        ttl_s: how long each stays.
    """

    def __init__(self, store: ManagedStore, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s

    def append(self, place: str, number: int, change: Change) -> bool:
        """Write change `number`, and return whether it is this one now."""
        if not self._store.add(f"{place}:{number}", change.to_json(), self._ttl_s):
            return False
        self._store.put(f"{place}:count", number + 1, self._ttl_s)
        if change.ref is not None:
            self._store.put(_whereabouts(change.ref), place, self._ttl_s)
        return True

    def is_fresh(self, read_at: float) -> bool:
        """Say whether what was read then, by the monotonic clock, counts as all there is."""
        return time.monotonic() - read_at < FRESH_S

    def after(self, place: str, number: int, dimensions: int) -> Read | None:
        """Return the changes from `number` on, some at a time; None if those before were cleared away."""
        count = self._store.get(f"{place}:count")
        known = count if isinstance(count, int) else 0
        if known < number and self._store.get(f"{place}:{number - 1}") is None:
            return None
        changes: list[Change | None] = []
        while len(changes) < MOST_READ:
            data = self._store.get(f"{place}:{number + len(changes)}")
            if data is None and number + len(changes) >= known:
                return Read(changes=changes, whole=True)
            changes.append(_read(data, dimensions))
        return Read(changes=changes, whole=False)

    def forget(self, ref: str) -> None:
        """Take the text of an answer, and of the questions it was given to, out of the store."""
        forget_rows(self._store, ref, self._ttl_s)


def forget_rows(store: ManagedStore, ref: str, ttl_s: float = TTL_S) -> None:
    """Take what the semantic tier keeps of an answer out of a store; its number stays taken for `ttl_s` seconds."""
    place = store.get(_whereabouts(ref))
    if not isinstance(place, str):
        return
    count = store.get(f"{place}:count")
    for number in range(count if isinstance(count, int) else 0):
        data = store.get(f"{place}:{number}")
        if isinstance(data, Mapping) and cast("Mapping[str, Any]", data).get("ref") == ref:
            store.put(f"{place}:{number}", _FORGOTTEN, ttl_s)
    store.forget(_whereabouts(ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a store holds of the semantic tier.

    Attributes:
        questions: those that answers are stored for.
        scopes: how many these belong to.
        judged: the proposals of which is known whether they were right.
        most_judged: those of the scope that has most.
    """

    questions: int
    scopes: int
    judged: int
    most_judged: int


def tally(store: ManagedStore) -> Tally:
    """Count what a store holds of the semantic tier. It reads all of that: 0.1 s for 1,000 questions."""
    questions, judged = Counter[str](), Counter[str]()
    for row in store.rows("semantic:"):
        found = _CHANGE.fullmatch(row.key)
        data = None if found is None else store.get(row.key)
        if found is None or not isinstance(data, Mapping) or "question" not in data:
            continue
        questions[found[1]] += 1
        judged[found[1]] += cast("Mapping[str, Any]", data).get("right") is not None
    most = max(judged.values(), default=0)
    return Tally(questions=questions.total(), scopes=len(questions), judged=judged.total(), most_judged=most)


def _whereabouts(ref: str) -> str:
    return f"semantic:of:{ref}"


def _read(data: Any, dimensions: int) -> Change | None:
    if not isinstance(data, Mapping):
        return None
    try:
        return Change.from_json(cast("Mapping[str, Any]", data), dimensions)
    except (KeyError, TypeError, ValueError):
        return None
