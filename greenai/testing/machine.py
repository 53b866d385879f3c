"""Doubles of this machine: meters that replay, a cache in memory, local models that are always loaded."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.local import Engine, Engines
from greenai.readings import Reading
from greenai.store.listing import Row, StoreStats

if TYPE_CHECKING:
    from greenai.meters import Window

__all__ = ["FakeEngine", "FakeEngines", "MemoryStore", "ReplayMeter"]

# --- meters -------------------------------------------------------------------------------


class ReplayMeter:
    """Replays recorded readings in place of this machine's meters, one per call to a local model.

    Args:
        readings: joules, or whole readings; None for a meter that could not tell. When they are used up, nothing is
            measured any more and the energy is modelled.
    """

    def __init__(self, *readings: Reading | float | None) -> None:
        self.windows = 0
        self._readings = list(readings)
        self._lock = threading.Lock()

    def __call__(self, _pid: int, _watts_per_core: float | None, /) -> Window:
        """Begin a window; the process and its watts do not matter here."""
        with self._lock:
            self.windows += 1
            reading = self._readings.pop(0) if self._readings else None
        return _ReplayWindow(_measured(reading) if isinstance(reading, (int, float)) else reading)


@dataclass(frozen=True, slots=True)
class _ReplayWindow:
    reading: Reading | None

    def stop(self, tokens: float | None = None) -> Reading | None:
        del tokens
        return self.reading


def _measured(energy_j: float) -> Reading:
    return Reading(energy_j=energy_j, low_j=energy_j, high_j=energy_j, evidence="measured", method="replay-1")


# --- state in memory ----------------------------------------------------------------------


class MemoryStore:
    """The answer cache's store, in memory: JSON values that end with their time to live."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, float]] = {}
        self._lock = Lock()

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None."""
        text, ends = self._rows.get(key, ("null", float("inf")))
        return json.loads(text) if time.monotonic() < ends else None

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds."""
        self._rows[key] = (json.dumps(value, allow_nan=False), time.monotonic() + ttl_s)
        return True

    def forget(self, key: str) -> bool:
        """Drop what is under `key`."""
        self._rows.pop(key, None)
        return True

    def add(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` unless there is something under `key`; return True for the one whose value it is."""
        text = json.dumps(value, allow_nan=False)
        now = time.monotonic()
        with self._lock:
            _, ends = self._rows.get(key, ("null", 0.0))
            if now < ends:
                return False
            self._rows[key] = (text, now + ttl_s)
            return True

    def rows(self, prefix: str = "") -> Iterator[Row]:
        """Yield what is kept under keys that begin with `prefix`."""
        now = time.monotonic()
        for key, (text, ends) in tuple(self._rows.items()):
            if key.startswith(prefix) and now < ends:
                yield Row(key=key, size_bytes=len(text), expires_at=time.time() + ends - now)

    def clear(self, prefix: str = "") -> int:
        """Drop all whose keys begin with `prefix`; return how many that were."""
        keys = [row.key for row in self.rows(prefix)]
        return sum(self._rows.pop(key, None) is not None for key in keys)

    def stats(self) -> StoreStats:
        """Return how full the store is."""
        sizes = [row.size_bytes for row in self.rows()]
        return StoreStats(
            kind="memory", place="memory", count=len(sizes), size_bytes=sum(sizes), limit_bytes=None, problem=None
        )

    def close(self) -> None:
        """Keep everything: a client that is closed may be used again."""


class FakeEngine(Engine):
    """A local model that is always loaded; its calls go to the client's `FakeProvider`."""

    def __init__(self, model: str) -> None:
        # Engine's own __init__ wants a running process.
        self.model = model
        self.card_name = f"local/{model}"
        self.base_url = "http://offline.invalid/v1"
        self.api_key = "offline"
        self.pid = os.getpid()
        self.load_s = 0.0
        self._start_core_s = deque()
        self.defaults = {}
        self.default_system = None

    def __repr__(self) -> str:
        return f"FakeEngine(model={self.model!r})"

    def alive(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing."""


class FakeEngines(Engines):
    """Every local model, loaded at once."""

    def get(self, name: str, timeout_s: float | None = None) -> Engine:  # noqa: ARG002  # the real one's signature
        """Return an engine under any name."""
        return FakeEngine(name)
