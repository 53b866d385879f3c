"""The processes of a bench: which stay for further measurements, which go where memory is short, what all have used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from greenai.meters.core_time import process_ns
from greenai.tune.memory import available_bytes, own_bytes

__all__ = ["Children"]

MOST_HELD = 0.25
"""How much idle processes may hold, as a part of what is free besides. Assumption, 2026-11-22."""


class Child(Protocol):
    """A process that holds a model."""

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    def close(self) -> None:
        """End it."""
        ...


K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Child)


@dataclass(slots=True, kw_only=True)
class Children(Generic[K, C]):
    """At most `most` processes by what they run; the one that was idle for longest goes first."""

    most: int
    held: OrderedDict[K, C] = field(default_factory=OrderedDict[K, C])
    ended_s: float = 0.0

    def get(self, key: K) -> C | None:
        """Return the process that runs `key`, which counts as used now."""
        if key in self.held:
            self.held.move_to_end(key)
        return self.held.get(key)

    def put(self, key: K, child: C) -> C:
        """Hold a process."""
        self.held[key] = child
        return child

    def end(self, key: K) -> None:
        """End the process that runs `key`, if there is one."""
        child = self.held.pop(key, None)
        if child is not None:
            self.ended_s += _core_s(child)
            child.close()

    def end_others(self, key: K | None = None) -> bool:
        """End every process but one; return whether there was another."""
        others = [other for other in self.held if other != key]
        for other in others:
            self.end(other)
        return bool(others)

    def close(self) -> None:
        """End them all."""
        self.end_others()

    def make_room(self, wanted_bytes: float, *, but: K | None = None) -> None:
        """End idle processes where there are many, where they hold much of the memory, or for what is wanted."""
        for key in [key for key in self.held if key != but]:
            free, held = available_bytes(), self.bytes()
            if len(self.held) < self.most and (free is None or free >= max(wanted_bytes, held / MOST_HELD)):
                return
            self.end(key)

    def bytes(self) -> int:
        """Return the memory that ending all of them would free."""
        return sum(own_bytes(child.pid) for child in self.held.values())

    def core_s(self) -> float:
        """Return the core-seconds that all processes so far have used."""
        return self.ended_s + sum(_core_s(child) for child in self.held.values())


def _core_s(child: Child) -> float:
    return (process_ns(child.pid) or 0) / 1e9
