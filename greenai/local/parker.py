"""Unload the models of one `Engines` when their stay is over, and say what idling took.

One daemon thread sleeps until the next stay may be over; whoever ends an answer, and with it begins another stay, wakes
it only if that one may be over sooner. It holds the engines weakly: engines that an app forgets end, and the thread
with them. What decides is in `parking`; who starts and ends processes in `engines`.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenai._locks import Lock
from greenai.local.guarded import UNKNOWN, Guarded
from greenai.local.memory import memory_bytes
from greenai.local.parking import Idle, Keeping, KeepPolicy, Power, Reloads, Spell, Stay, by_days
from greenai.local.roster import Roster

if TYPE_CHECKING:
    from greenai.local.engines import Engines
    from greenai.local.process import Engine

__all__ = ["Book", "Lease", "Parker", "Parking", "Running", "Seat"]

logger = logging.getLogger("greenai")

BOOK_EVERY_S = 3600.0
"""A model that stays for long has its idling booked so often: what a killed process had not booked is lost."""

SHORTEST_S = 0.01
"""The thread sleeps at least so long: a reading of watts over a very short time may tell far too many."""

Book = Callable[[Sequence[Spell]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """How models are parked: whose policy is which, what idling and starting take, and where that is booked.

    `folder` is where `greenai models ps` looks for what is in memory.
    """

    power: Power
    keeping: Keeping = lambda _: KeepPolicy()
    book: Book | None = None
    folder: Path | None = None


class Lease:
    """An engine that stays in memory until `release`, which may be called again; forgetting the lease releases it.

    `idle_j` is what it took in memory since the answer before, in joules; None where another one is in progress, or
    nothing could tell.
    """

    __slots__ = ("_parker", "_stay", "engine", "idle_j")

    def __init__(self, engine: Engine, stay: Stay | None = None, parker: Parker | None = None) -> None:
        self.engine = engine
        alone = stay is not None and stay.users == 1 and stay.last.method != UNKNOWN
        self.idle_j = stay.last.energy_j if stay is not None and alone else None
        self._stay = stay
        self._parker = parker

    def release(self) -> None:
        """Let the engine go."""
        stay, self._stay = self._stay, None
        if stay is not None:
            stay.end()

    def __del__(self) -> None:
        """Let the parker's thread release it: a finalizer may run anywhere, and must take no lock."""
        if self._stay is not None and self._parker is not None:
            self._parker.later(self._stay.end)


class Seat:
    """A place in the next burst of a model: at `at`, in seconds since 1970, it is asked, and stays for all who waited.

    To be released once the model is leased, or was given up; forgetting the seat releases it.
    """

    __slots__ = ("_parker", "_taken", "at", "name")

    def __init__(self, parker: Parker, name: str, at: float) -> None:
        self.name = name
        self.at = at
        self._parker = parker
        self._taken = True
        parker.seats.append((name, at))

    def left_s(self) -> float:
        """Return the seconds until the burst."""
        return max(self.at - self._parker.wall(), 0.0)

    def release(self) -> None:
        """Leave the seat; a second time does nothing."""
        if self._taken:
            self._taken = False
            self._parker.seats.remove((self.name, self.at))
            self._parker.rested(self._parker.clock())

    def __del__(self) -> None:
        """Leave it: what this does takes no lock."""
        self.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One model in memory, as `local_models()` tells of it.

    Attributes:
        model: `local/` and its name.
        pid: its process.
        memory_bytes: what that holds; None where it cannot be told.
        answering: how many answers are in progress.
        idle_s: for how long nobody has asked, in seconds; None while an answer is in progress.
        idle_j: what idling has taken since, in joules.
        unload_in_s: in how many seconds it is unloaded if nobody asks; None never, or not before an answer has ended.
        why: what decides that.
    """

    model: str
    pid: int
    memory_bytes: int | None
    answering: int
    idle_s: float | None
    idle_j: float | None
    unload_in_s: float | None
    why: str


@dataclass(slots=True)
class _Parked:
    """A model that was unloaded: since when, and what idling would go on to take."""

    since: float
    watts: float
    method: str


@dataclass(slots=True, eq=False)
class Parker:
    """Knows the stays of one client's models, and ends them."""

    parking: Parking
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    stopped: bool = False
    reloads: dict[str, Reloads] = field(default_factory=dict[str, Reloads])
    stays: dict[Stay, tuple[str, Engine]] = field(default_factory=dict["Stay", "tuple[str, Engine]"])
    seats: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    _parked: dict[str, _Parked] = field(default_factory=dict[str, _Parked])
    _wakes: queue.SimpleQueue[Callable[[], object] | None] = field(
        default_factory=queue.SimpleQueue[Callable[[], object] | None]
    )
    _wakes_at: float = math.inf
    roster: Roster = field(init=False)
    power: Guarded = field(init=False)
    _booked_at: float = field(init=False)
    _watching: bool = False
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Begin the hour after which open stays are booked."""
        self._booked_at = self.clock()
        self.roster = Roster(self.parking.folder)
        self.power = Guarded(self.parking.power)

    def started(self, name: str, engine: Engine, energy_j: float | None) -> Stay:
        """Note that a model is in memory, and what its start took, if that is known; return its stay."""
        reloads = self.reloads.setdefault(name, Reloads())
        if energy_j is not None:
            reloads.add(energy_j)
        stay = Stay(
            policy=self.parking.keeping(name),
            reload_j=lambda: reloads.energy_j,
            idle=partial(self.power.idle, engine.pid),
            clock=self.clock,
            wake=partial(self._rested, engine.pid),
            wanted=partial(self.wanted, name),
        )
        with self._lock:
            self.stays[stay] = (name, engine)
            parked = self._parked.pop(name, None)
        if parked is not None:
            self._book([self._parked_spell(name, parked, energy_j or 0.0)])
        self._tell(stay, name, engine)
        self.rested(self.clock())
        engine.when_gone(partial(self.later, partial(self._gone, engine.pid)))
        return stay

    def _rested(self, pid: int, over_at: float) -> None:
        self.roster.rested(pid)
        self.rested(over_at)

    def _tell(self, stay: Stay, name: str, engine: Engine) -> None:
        """Write down for others to read when a model that idles is unloaded."""
        idle, found = stay.now(), stay.verdict()
        if idle is not None and found is not None:
            stay_s = None if math.isinf(found.left_s) else idle.seconds + found.left_s
            self.roster.note(engine.pid, f"local/{name}", self.wall() - idle.seconds, stay_s, found.why)
            if stay.over:  # another thread ended it meanwhile
                self.roster.drop(engine.pid)

    def rested(self, over_at: float) -> None:
        """Wake the thread, unless it wakes by itself before a stay that begins now may be over."""
        if min(over_at, self.clock() + BOOK_EVERY_S) < self._wakes_at:
            self._wakes.put(None)

    def wanted(self, name: str) -> bool:
        """Say whether somebody is about to ask a model whose burst has come."""
        now = self.wall()
        return any(one == name and at <= now for one, at in list(self.seats))

    def seat(self, name: str, run_at: str | None) -> Seat | None:
        """Return a place in the next burst of a model, by what the call says or by the settings; None where none is."""
        recurs = self.parking.keeping(name).schedule
        if run_at is not None:
            from greenai.settings.schedule import schedule

            recurs = schedule(run_at)
        return None if recurs is None else Seat(self, name, recurs.next_after(self.wall()))

    def running(self) -> tuple[Running, ...]:
        """Return what is in memory now."""
        with self._lock:
            known = [(s, name, engine) for s, (name, engine) in self.stays.items() if not s.over and engine.alive()]
        return tuple(_running(stay, name, engine) for stay, name, engine in known)

    def later(self, work: Callable[[], object]) -> None:
        """Have the thread do something: from finalizers, which must take no lock."""
        self._wakes.put(work)

    def watch(self, engines: Engines) -> None:
        """Start the thread that ends stays, once."""
        with self._lock:
            if self._watching:
                return
            self._watching = True
        weakref.finalize(engines, self._wakes.put, _STOP).atexit = False
        own = (weakref.ref(engines), self, self._wakes)
        threading.Thread(target=_run, args=own, name="greenai-parker", daemon=True).start()

    def wait_s(self) -> float | None:
        """Return how long the thread may sleep; None: until it is woken."""
        self._wakes_at = math.inf  # whoever rests from here on wakes it
        with self._lock:
            known = list(self.stays.items())
        for stay, (name, engine) in known:
            self._tell(stay, name, engine)
        lefts = [found.left_s for stay, _ in known if (found := stay.verdict()) is not None]
        left_s = min([*lefts, self._booking_s()] if lefts else [math.inf])
        self._wakes_at = self.clock() + left_s
        return None if math.isinf(left_s) else max(left_s, SHORTEST_S)

    def due(self) -> list[tuple[Stay, str, Engine]]:
        """Return the stays that are over; they can be used no more."""
        with self._lock:
            known = list(self.stays.items())
        return [(stay, name, engine) for stay, (name, engine) in known if stay.retire()]

    def unloaded(self, stay: Stay, name: str, pid: int) -> None:
        """Note that a model's process has been ended, and book what it took while nobody asked."""
        self.roster.drop(pid)
        self._book(self._warm(stay, name))
        idle = stay.last
        with self._lock:
            self.stays.pop(stay, None)
            watts = idle.energy_j / idle.seconds if idle.seconds else idle.watts
            self._parked[name] = _Parked(self.clock(), watts, idle.method)

    def forget(self, engine: Engine) -> None:
        """Note that a process is gone by itself."""
        self._gone(engine.pid)

    def _gone(self, pid: int) -> None:
        for stay, name in [(s, n) for s, (n, e) in list(self.stays.items()) if e.pid == pid and not e.alive()]:
            stay.close()
            self.roster.drop(pid)
            self._book(self._warm(stay, name))
            self.stays.pop(stay, None)

    def close(self) -> list[tuple[str, Engine]]:
        """Return what runs, to be ended; book what is left, and let the thread end. A second call does nothing."""
        self.stopped = True
        with self._lock:
            stays, self.stays = self.stays, {}
            parked, self._parked = self._parked, {}
        spells = [self._parked_spell(name, one, 0.0) for name, one in parked.items()]
        for stay, (name, engine) in stays.items():
            stay.close()
            self.roster.drop(engine.pid)
            spells += self._warm(stay, name)
        self._book(spells)
        self._wakes.put(_STOP)
        return list(stays.values())

    def book_open(self) -> None:
        """Book what idling has taken so far, once an hour."""
        if self._booking_s() <= 0:
            self._booked_at = self.clock()
            self._book([spell for stay, (name, _) in list(self.stays.items()) for spell in self._warm(stay, name)])

    def _booking_s(self) -> float:
        return self._booked_at + BOOK_EVERY_S - self.clock()

    def _warm(self, stay: Stay, name: str) -> list[Spell]:
        offset = self.wall() - self.clock()
        return [_warm_spell(f"local/{name}", began + offset, idle) for began, idle in stay.taken()]

    def _parked_spell(self, name: str, parked: _Parked, reload_j: float) -> Spell:
        """Return a time in which a model was unloaded; the reload that ended it is charged to the call it was for."""
        seconds = self.clock() - parked.since
        return Spell(
            model=f"local/{name}",
            kind="parked",
            began=self.wall() - seconds,
            seconds=seconds,
            staying_j=parked.watts * seconds,
            reload_j=reload_j,
            method=parked.method,
        )

    def _book(self, spells: Sequence[Spell]) -> None:
        book = self.parking.book
        told = [spell for spell in spells if spell.seconds > 0 and spell.method != UNKNOWN]
        if book is not None and told:
            try:
                book(by_days(told))
            except Exception:  # a ledger that fails never costs the caller the answer
                logger.warning("What idle models took could not be booked.", exc_info=True)


def _running(stay: Stay, name: str, engine: Engine) -> Running:
    idle, found = stay.now(), stay.verdict()
    answering = "an answer is in progress" if stay.users else "its calls wait for it"
    return Running(
        model=f"local/{name}",
        pid=engine.pid,
        memory_bytes=memory_bytes(engine.pid),
        answering=stay.users,
        idle_s=None if idle is None else idle.seconds,
        idle_j=None if idle is None else idle.energy_j,
        unload_in_s=None if found is None or math.isinf(found.left_s) else found.left_s,
        why=answering if found is None else found.why,
    )


def _warm_spell(model: str, began: float, idle: Idle) -> Spell:
    return Spell(
        model=model,
        kind="warm",
        began=began,
        seconds=idle.seconds,
        energy_j=idle.energy_j,
        low_j=idle.low_j,
        high_j=idle.high_j,
        staying_j=idle.energy_j,
        method=idle.method,
    )


def _STOP() -> None:  # noqa: N802  # a mark in the queue, not work
    """End the thread."""


def _run(engines: weakref.ref[Engines], parker: Parker, wakes: queue.SimpleQueue[Callable[[], object] | None]) -> None:
    wait_s: float | None = None
    while not parker.stopped:
        work = _next(wakes, wait_s)
        try:
            if work is not None:
                work()
            alive = engines()
            if alive is None or parker.stopped:
                break
            alive.park()
            wait_s = parker.wait_s()
        except Exception:  # the models stay where they are
            logger.warning("Local models could not be unloaded.", exc_info=True)
            wait_s = BOOK_EVERY_S
        alive = None
    for _, engine in parker.close():
        engine.close()


def _next(wakes: queue.SimpleQueue[Callable[[], object] | None], wait_s: float | None) -> Callable[[], object] | None:
    with suppress(queue.Empty):
        return wakes.get(timeout=wait_s)
    return None
