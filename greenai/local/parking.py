"""How long a local model stays in memory after an answer: the ski-rental rule, with values, clock and power passed in.

Whether the next request comes soon is not known. Staying costs power for every second, unloading costs one reload at
the next request. The rule stays until idling has taken as much energy as a reload takes, and unloads then. What it
takes in all (loads and idling together) is at most twice what someone would take who knew every request beforehand:

    gap between two requests    the rule takes        who knows them takes
    shorter than the stay       the gap's idling      the same
    longer                      a stay and a reload   a reload, which is as much as the stay
    after the last one          a stay                nothing; the first load, which both paid, is as much

No deterministic rule has a smaller factor (Karlin et al., Competitive snoopy caching, 1988). See
docs/decisions/parking.md for why nothing is drawn at random or learnt here. Processes are for `parker`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from greenai._locks import Lock

if TYPE_CHECKING:
    from greenai.settings.schedule import Schedule

__all__ = [
    "Idle",
    "IdleWindow",
    "KeepPolicy",
    "Keeping",
    "Loading",
    "Power",
    "Reloads",
    "Spell",
    "Stay",
    "Verdict",
    "by_days",
    "keeping",
    "verdict",
]  # fmt: skip

STARTS_KEPT = 5
"""How many of the latest starts the reload's energy is the mean of: the first is slower, from a cold disk."""

START_GRACE_S = 1.0
"""Seconds for which a process that has just started stays for those who waited for it, whatever the policy says."""

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What a process has taken since it began to idle, in joules with a 90% interval, and its watts as they are now."""

    seconds: float = 0.0
    watts: float = 0.0
    energy_j: float = 0.0
    low_j: float = 0.0
    high_j: float = 0.0
    method: str = "none"

    def since(self, before: Idle) -> Idle:
        """Return what came after `before`, an earlier reading of the same idling."""
        return replace(
            self,
            seconds=self.seconds - before.seconds,
            energy_j=self.energy_j - before.energy_j,
            low_j=self.low_j - before.low_j,
            high_j=self.high_j - before.high_j,
        )


class IdleWindow(Protocol):
    """Idling that has begun."""

    def read(self) -> Idle:
        """Return what it has taken so far."""
        ...


class Loading(Protocol):
    """A start that has begun."""

    def done(self, pid: int, core_s: float) -> tuple[float, float]:
        """Return what it took, in joules: the processor and the GPUs.

        `core_s` is what process `pid` says that it used, in core-seconds.
        """
        ...


class Power(Protocol):
    """Tells what starting and idling take on this machine; see `greenai.meters.idle`."""

    def loading(self) -> Loading:
        """Begin to measure a start, before its process is there."""
        ...

    def idle(self, pid: int) -> IdleWindow:
        """Begin to measure the idling of process `pid`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPolicy:
    """How long one model stays after its last answer, in seconds; None leaves it to the rule.

    With `schedule`, calls wait for its next time, and the model is unloaded when the last of them is answered.
    """

    keep_s: float | None = None
    schedule: Schedule | None = None

    @property
    def name(self) -> str:
        """Say in words what decides."""
        if self.schedule is not None:
            return f"run_at {self.schedule.text}"
        if self.keep_s is None:
            return "the rule"
        return "keep_alive forever" if math.isinf(self.keep_s) else f"keep_alive {self.keep_s:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """In how many seconds a model is to be unloaded, as far as can be said now, and why; infinite is never."""

    left_s: float
    why: str


@dataclass(slots=True, eq=False)
class Reloads:
    """What starting one model takes, in joules: the mean of the latest starts that were seen."""

    _seen: deque[float] = field(default_factory=lambda: deque(maxlen=STARTS_KEPT))

    def add(self, energy_j: float) -> None:
        """Note what a start took."""
        self._seen.append(energy_j)

    @property
    def energy_j(self) -> float | None:
        """The mean, or None before the first start."""
        return sum(self._seen) / len(self._seen) if self._seen else None


def verdict(policy: KeepPolicy, idle: Idle, reload_j: float | None) -> Verdict:
    """Say how long a model that idles may stay."""
    if policy.schedule is not None:
        return Verdict(left_s=0.0, why=f"its calls of {policy.name} are answered")
    if policy.keep_s is not None:
        return Verdict(left_s=max(policy.keep_s - idle.seconds, 0.0), why=policy.name)
    if reload_j is None or idle.watts <= 0:
        return Verdict(left_s=math.inf, why="the rule: what idling or a reload takes is not known here")
    left_s = max(reload_j - idle.energy_j, 0.0) / idle.watts
    return Verdict(
        left_s=left_s,
        why=f"the rule: after {idle.seconds + left_s:.3g} s idling ({idle.watts:.3g} W) has taken what a reload takes "
        f"({reload_j:.3g} J)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Time of one model in which nobody asked: idling in memory (`warm`), or unloaded (`parked`).

    Attributes:
        model: `local/` and its name.
        kind: `warm` or `parked`.
        began: in seconds since 1970.
        seconds: how long.
        energy_j: what idling took; of a parked spell 0.
        low_j: the low end of its 90% interval.
        high_j: the high end.
        staying_j: what staying in memory takes in that time: of a warm spell the same.
        reload_j: of a parked spell what the reload took that ended it, which is charged to the call it was for.
        method: what that rests on.
    """

    model: str
    kind: str
    began: float
    seconds: float
    energy_j: float = 0.0
    low_j: float = 0.0
    high_j: float = 0.0
    staying_j: float = 0.0
    reload_j: float = 0.0
    method: str = "none"

    def by_day(self) -> tuple[Spell, ...]:
        """Return the spell in pieces that each lie within one day (UTC) and add up to it; the reload falls due last."""
        pieces: list[Spell] = []
        left = self
        while left.seconds > (until := DAY_S - left.began % DAY_S) > 0:
            first = replace(left._part(until), reload_j=0.0)
            pieces.append(first)
            left = replace(
                left._part(left.seconds - until),
                began=left.began + until,
                energy_j=left.energy_j - first.energy_j,
                staying_j=left.staying_j - first.staying_j,
            )
        return (*pieces, left)

    def with_(self, other: Spell) -> Spell:
        """Return both as one: it began with the first, and rests on what the last rests on."""
        return replace(
            other,
            began=min(self.began, other.began),
            seconds=self.seconds + other.seconds,
            energy_j=self.energy_j + other.energy_j,
            low_j=self.low_j + other.low_j,
            high_j=self.high_j + other.high_j,
            staying_j=self.staying_j + other.staying_j,
            reload_j=self.reload_j + other.reload_j,
        )

    def _part(self, seconds: float) -> Spell:
        share = seconds / self.seconds
        return replace(
            self,
            seconds=seconds,
            energy_j=self.energy_j * share,
            low_j=self.low_j * share,
            high_j=self.high_j * share,
            staying_j=self.staying_j * share,
        )


def by_days(spells: Iterable[Spell]) -> list[Spell]:
    """Return one spell for each model, kind and day (UTC), with what all of that day took."""
    found: dict[tuple[str, str, int], Spell] = {}
    for spell in (piece for whole in spells for piece in whole.by_day()):
        key = (spell.model, spell.kind, int(spell.began // DAY_S))
        before = found.get(key)
        found[key] = spell if before is None else before.with_(spell)
    return list(found.values())


@dataclass(slots=True, eq=False)
class Stay:
    """One process's time in memory: how many answers are in progress, what idling took, and until when it may stay.

    Args:
        policy: what decides.
        reload_j: what starting it takes, as far as that is known.
        idle: begins to measure its idling.
        clock: seconds that only grow.
        wake: called whenever idling begins, with when it may be over by that clock.
        wanted: says whether somebody is about to ask: then it is not over.

    `last` is what idling took the last time, from its beginning.
    """

    policy: KeepPolicy
    reload_j: Callable[[], float | None]
    idle: Callable[[], IdleWindow]
    clock: Callable[[], float]
    wake: Callable[[float], object] = lambda _: None
    wanted: Callable[[], bool] = lambda: False
    last: Idle = field(default_factory=Idle)
    users: int = 0
    over: bool = False
    idle_since: float | None = None
    _ready_at: float = 0.0
    _window: IdleWindow | None = None
    _told: Idle = field(default_factory=Idle)
    _spells: list[tuple[float, Idle]] = field(default_factory=list[tuple[float, Idle]])
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Begin idling: nobody has asked yet."""
        self._ready_at = self.clock() + START_GRACE_S
        self._rest()

    def begin(self) -> bool:
        """Note that an answer begins; False where the process is being unloaded, and must not be asked."""
        with self._lock:
            if self.over:
                return False
            self.users += 1
            if self.users == 1:
                self._work()
            return True

    def end(self) -> None:
        """Note that an answer ended."""
        found = None
        with self._lock:
            self.users -= 1
            if self.users == 0 and not self.over:
                self._rest()
                self._ready_at = 0.0
                found = self._verdict()
        if found is not None:
            self.wake(self.clock() + found.left_s)

    def verdict(self) -> Verdict | None:
        """Say when the process is to be unloaded; None while an answer is in progress."""
        with self._lock:
            return self._verdict()

    def retire(self) -> bool:
        """Let the process be used no more, if its time is over; return whether it is."""
        with self._lock:
            found = self._verdict()
            if found is None or found.left_s > 0 or self.over:
                return False
            self.over = True
            self._work()
            return True

    def close(self) -> None:
        """Let the process be used no more, whatever goes on."""
        with self._lock:
            if not self.over:
                self.over = True
                self._work()

    def taken(self) -> list[tuple[float, Idle]]:
        """Return what idling took since this was last asked: when each spell began, on the clock, and what it took."""
        with self._lock:
            self._note()
            spells, self._spells = self._spells, []
            return spells

    def now(self) -> Idle | None:
        """Return what idling has taken since the last answer; None while one is in progress."""
        window = self._window
        return None if window is None else window.read()

    def _verdict(self) -> Verdict | None:
        if self._window is None or self.wanted():
            return None
        found = verdict(self.policy, self._window.read(), self.reload_j())
        grace_s = self._ready_at - self.clock()
        return replace(found, left_s=grace_s) if found.left_s < grace_s else found

    def _rest(self) -> None:
        self.idle_since = self.clock()
        self._told = Idle()
        self._window = self.idle()

    def _work(self) -> None:
        self._note()
        self._window = self.idle_since = None

    def _note(self) -> None:
        """Keep what idling took since it was last kept."""
        if self._window is not None and self.idle_since is not None:
            now = self._window.read()
            self._spells.append((self.idle_since + self._told.seconds, now.since(self._told)))
            self._told = self.last = now


Keeping = Callable[[str], KeepPolicy]


def keeping(default: KeepPolicy, models: Mapping[str, KeepPolicy]) -> Keeping:
    """Return what says which policy a model has: its own, or the default."""
    return lambda name: models.get(name, default)
