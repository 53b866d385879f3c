"""Equal requests at the same time share one call: the first leads, the others wait for what comes of it.

    first of a process ── its key's lock between processes ── free: it calls
                                                           └─ taken: it looks for the answer until the lock is free
    others of it ──────── wait in memory ── an answer: theirs too
                                         ├─ the call failed or was cancelled: one of them leads, the others wait
                                         └─ an answer that is for one caller only: each goes on its own

Nobody waits for a call that has ended, however it ended: a flight lands when its `with` block is left, and a process
that dies gives its locks back.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Self

from greenai._locks import Lock
from greenai.store.locks import KeyLocks

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import TracebackType

    from greenai.cache.entry import Entry

__all__ = ["Flight", "Flights", "flights_at", "led_in"]

# The keys that the present context leads: what it calls meanwhile must not wait for itself.
_led: ContextVar[frozenset[str]] = ContextVar("greenai.led", default=frozenset())


class Flight:
    """One call that others may wait for. `answer` gives what it came to: an entry, or None where others must ask.

    `failed` tells a call that ended without an answer from one whose answer is not for others.
    """

    def __init__(self, flights: Flights, key: str) -> None:
        self.key = key
        self.failed = False
        self._flights = flights
        self._answer: Future[Entry | None] | None = None
        self._came: tuple[Entry | None] | None = None

    @property
    def answer(self) -> Future[Entry | None]:
        """What it comes to. Most calls have nobody who waits for them, so it is made where somebody asks."""
        with self._flights.lock:
            if self._answer is None:
                self._answer = Future()
                self._answer.set_running_or_notify_cancel()  # a waiter that is cancelled must not cancel it for others
                if self._came is not None:
                    self._answer.set_result(self._came[0])
            return self._answer

    def came(self, entry: Entry | None) -> Future[Entry | None] | None:
        """Note what it came to, and return what tells those who wait; the caller has the lock."""
        self._came = (entry,)
        return self._answer

    def is_free(self) -> bool:
        """Say whether no other process leads this key, and lead it from now on."""
        return self._flights.locks.take(self.key)

    def land(self, entry: Entry | None) -> None:
        """Let everybody go on who waits for this call; only the first landing counts."""
        self._flights.land(self, entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.failed = exc_type is not None
        self.land(None)


class Flights:
    """The calls of this process that others may wait for, by key. Safe from any thread; a forked child has none."""

    def __init__(self, lock_file: Path | None = None) -> None:
        self.locks = KeyLocks(lock_file)
        self.landed = 0
        self.lock = Lock()
        self._flying: dict[str, Flight] = {}
        self._pid = os.getpid()

    @property
    def are_shared(self) -> bool:
        """Say whether other processes may lead, and land what this one does not hear of."""
        return self.locks.are_shared

    def join(self, key: str, *, lead: bool) -> tuple[Flight | None, bool]:
        """Return the flight of an equal call, and whether it is the caller's own to lead.

        None where there is nothing to wait for: nobody flies and the caller may not `lead`, or the present context
        leads it itself.
        """
        with self.lock:
            flying = self._current()
            found = flying.get(key)
            if found is not None:
                return (None if key in _led.get() else found), False
            if not lead:
                return None, False
            flight = flying[key] = Flight(self, key)
        _led.set(_led.get() | {key})
        return flight, True

    def land(self, flight: Flight, entry: Entry | None) -> None:
        """End a flight; only the first landing counts."""
        with self.lock:
            if self._current().get(flight.key) is not flight:
                return
            del self._flying[flight.key]
            self.landed += entry is not None
            waited_for = flight.came(entry)
        _led.set(_led.get() - {flight.key})
        self.locks.release(flight.key)
        if waited_for is not None:
            waited_for.set_result(entry)

    def _current(self) -> dict[str, Flight]:
        if self._pid != os.getpid():  # what the parent leads never lands here
            self._flying, self._pid = {}, os.getpid()
        return self._flying


@contextmanager
def led_in(context: Context) -> Generator[None]:
    """Have the present context lead what `context` does, as long as the block runs."""
    token = _led.set(context.get(_led, frozenset()))
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that is dropped ends in another context, which leads nothing
            _led.reset(token)


_by_file: dict[Path, Flights] = {}
_registering = Lock()


def flights_at(lock_file: Path | None) -> Flights:
    """Return the flights of whoever keeps answers in one place: clients of one process share them."""
    if lock_file is None:
        return Flights()
    with _registering:
        return _by_file.setdefault(lock_file, Flights(lock_file))
