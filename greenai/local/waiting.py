"""Who goes next: items that wait for company, with the time passed in. No threads, no clock and no I/O.

- An item goes when its window is over, when `most` of its length wait, or when its deadline comes near, whichever is
  first. A deadline is near when the time that a batch takes of late is all that is left.
- Items of one batch are of one length bucket (powers of two), so that little is computed on padding.
- Owners take turns: each one's second item goes after everybody's first. Of one owner's items the earlier goes first.
- Near deadlines go first, but only every other batch is led by one, so that nobody waits for ever.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Line", "Place"]

T = TypeVar("T")

MEMORY = 0.7
"""What the time of a batch keeps of the time so far. Assumption, 2026-11-22."""


@dataclass(slots=True, eq=False, kw_only=True)
class Place(Generic[T]):
    """One item in the line: when it came, when it must be done (infinity: whenever), and its turn."""

    item: T
    bucket: int
    came: float
    deadline: float
    owner: Hashable
    turn: int


@dataclass(slots=True, eq=False, kw_only=True)
class Line(Generic[T]):
    """Items that wait.

    Args:
        most: How many go together at most.
        window_s: How long an item waits for others, in seconds.
    """

    most: int
    window_s: float
    expected_s: float = 0.0
    _places: list[Place[T]] = field(default_factory=list)
    _turn: int = 0
    _last_turn: dict[Hashable, int] = field(default_factory=dict)
    _in_bucket: Counter[int] = field(default_factory=Counter)
    _hurried: bool = False

    def __len__(self) -> int:
        return len(self._places)

    def add(self, item: T, *, length: int, now: float, deadline: float = math.inf, owner: Hashable = None) -> Place[T]:
        """Put an item at the end of its owner's."""
        turn = max(self._turn, self._last_turn.get(owner, -1) + 1)
        self._last_turn[owner] = turn
        bucket = max(length - 1, 0).bit_length()
        place = Place(item=item, bucket=bucket, came=now, deadline=deadline, owner=owner, turn=turn)
        self._places.append(place)
        self._in_bucket[bucket] += 1
        return place

    def remove(self, place: Place[T]) -> bool:
        """Take an item out that need not be done any more; False where it went already."""
        try:
            self._places.remove(place)
        except ValueError:
            return False
        self._count_out([place])
        return True

    def starts_at(self) -> float:
        """Return when the next batch is to start: in the past where it is late, infinity where nobody waits."""
        if any(count >= self.most for count in self._in_bucket.values()):
            return -math.inf
        return min((self._due(place) for place in self._places), default=math.inf)

    def take(self, now: float) -> list[Place[T]]:
        """Take out the next batch, in the order in which its items came; empty where nobody waits."""
        if not self._places:
            return []
        lead = self._lead(now)
        same = [place for place in self._places if place.bucket == lead.bucket and place is not lead]
        # A deadline that is near is near for all of its batch, so whoever hurries comes along.
        same.sort(key=lambda place: (not self._hurries(place, now), place.turn))
        batch = {id(place) for place in [lead, *same[: self.most - 1]]}
        taken = [place for place in self._places if id(place) in batch]
        self._places = [place for place in self._places if id(place) not in batch]
        self._turn = max(self._turn, lead.turn)
        self._count_out(taken)
        return taken

    def drain(self) -> list[Place[T]]:
        """Take everybody out."""
        places, self._places = self._places, []
        self._count_out(places)
        return places

    def took(self, seconds: float) -> None:
        """Learn how long a batch took."""
        self.expected_s = seconds if not self.expected_s else MEMORY * self.expected_s + (1 - MEMORY) * seconds

    def _due(self, place: Place[T]) -> float:
        return min(place.came + self.window_s, place.deadline - self.expected_s)

    def _hurries(self, place: Place[T], now: float) -> bool:
        return place.deadline - self.expected_s <= now

    def _lead(self, now: float) -> Place[T]:
        hurried = [] if self._hurried else [place for place in self._places if self._hurries(place, now)]
        self._hurried = bool(hurried)
        if hurried:
            return min(hurried, key=lambda place: place.deadline)
        due = [place for place in self._places if self._due(place) <= now]
        full = [place for place in self._places if self._in_bucket[place.bucket] >= self.most]
        return min(due or full or self._places, key=lambda place: place.turn)

    def _count_out(self, taken: list[Place[T]]) -> None:
        for place in taken:
            self._in_bucket[place.bucket] -= 1
            if not self._in_bucket[place.bucket]:
                del self._in_bucket[place.bucket]
        if not self._places:
            self._turn = 0
            self._last_turn.clear()
