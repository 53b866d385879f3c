"""Share one GPU's energy counter out over the windows that are open on it. No I/O: times and values are passed in.

The counter moves in steps of about 100 ms, and is seen only when a window opens or closes. Three rules:

- *Time.* Between two moves a window is charged the mean power of the work so far. What the counter then shows beyond
  that, or short of it, goes to the windows open then and after, at most doubling or halving what each is charged, until
  it is settled: a call of 30 ms has a figure, and over a run the figures add up to the counter.
- *Overlap.* What is drawn while several windows are open is theirs together. A window that closes takes its part by its
  rate of work (tokens per second), those still open being taken to work at the mean rate of the windows closed so far;
  without tokens all rates are equal. The last to close takes what is left, so the parts add up.
- *Between.* What the GPU draws while no window is open is nobody's. What the counter shows late of the window before
  is told from it by the power between windows, where that is known and the gap is short enough to tell.

The power at rest (`Rest`) is learnt as a least upper bound: a GPU that did anything drew more.

At any moment: what was paid + what is in the pots + `owed_j` + `between_j` = what the counter showed + `ahead_j`.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field

__all__ = ["Account", "Claim", "Rest", "Share"]

MEMORY_S = 2.0
"""Seconds of work after which a calibration is forgotten to 1/e. Assumption, 2026-11-21: ML.ENERGY ("Thermally stable
profiling for accurate GPU energy measurement", ml.energy/blog) finds windows of one second noisy still."""

IDLE_GAP_S = 20.0
"""A gap between windows from which idle power is learnt, in seconds. Assumption, 2026-11-21: what shows late of the
window before, at most one step at 700 W = 70 J, is then under 4% of a gap at 100 W."""

SENSOR_S = 1.2
"""Seconds after a window from which the sensor shows nothing of it. NVIDIA's NVML documentation: its power is a mean of
1 s (Ampere and later); 0.2 s more for its lag is an assumption. 2026-11-21."""

AGREE_S, AGREE = 1.0, 0.1
"""Two readings at rest agree: this far apart in seconds (the sensor's mean) and in relative power. Assumption,
2026-11-21: NVML states 5% for one of them."""

GAP_STEPS = 5
"""Steps from which a gap's mean power says something: one step is then at most a quarter of it. Assumption,
2026-11-21."""

IDLE_ERROR = 0.05
"""Relative error of an idle power, 90%: NVIDIA's NVML documentation states 5% for power. 2026-11-21."""

AHEAD_STEPS = 2.5
"""Steps that may be charged before the counter shows them. More means that it stands still. Assumption, 2026-11-21."""

RATE_WEIGHT = 0.2
"""Weight of the newest window in the mean rate of work, tokens per second. Assumption, 2026-11-21."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Claim:
    """One open window on one GPU; who drops it gives it up. `lost` says that the counter started anew meanwhile."""

    opened_s: float
    alone: bool = True
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a closed window is charged: joules, and its part of the GPU's own time in seconds.

    `duration_s` is the window's length. `alone` is False where another window was open meanwhile; `factor` is the
    90% factor each way that comes from the counter's step alone.
    """

    energy_j: float
    seconds: float
    duration_s: float
    alone: bool
    factor: float


@dataclass(slots=True)
class Pot:
    """Energy and time that wait for the windows they belong to."""

    energy_j: float = 0.0
    seconds: float = 0.0

    def take(self, part: float) -> Pot:
        """Take this part (0 to 1) out of it."""
        taken = Pot(self.energy_j * part, self.seconds * part)
        self.energy_j -= taken.energy_j
        self.seconds -= taken.seconds
        return taken

    def add(self, other: Pot) -> None:
        """Put another's content into it."""
        self.energy_j += other.energy_j
        self.seconds += other.seconds


@dataclass(slots=True)
class Power:
    """The mean power of the work, from what the counter showed; a guess as long as it has shown too little."""

    step_s: float
    energy_j: float = 0.0
    seconds: float = 0.0
    waiting_s: float = 0.0
    resting_j: float = 0.0
    guess_w: float | None = None
    guess_factor: float = 1.0

    @property
    def known(self) -> bool:
        """Whether the counter has shown enough."""
        return self.seconds >= 5 * self.step_s

    @property
    def measured(self) -> bool:
        """Whether `watts` is the counter's and no guess."""
        return self.seconds >= 2 * self.step_s

    @property
    def watts(self) -> float | None:
        """Return the mean power in watts, or None."""
        return self.energy_j / self.seconds if self.measured else self.guess_w

    def work(self, seconds: float, counted_j: float) -> None:
        """Note `seconds` of work during which the counter moved by `counted_j`; 0 where it did not move."""
        self.waiting_s += seconds
        if counted_j > 0:
            late_s = seconds / 2 if seconds < self.step_s else 0.0
            self._learn(counted_j, self.waiting_s - late_s)
            self.waiting_s = late_s

    def rest(self, idle_j: float) -> None:
        """Note a gap during which the counter did not move: its next move shows `idle_j` of no work."""
        self.resting_j += idle_j

    def pause(self, late_j: float | None) -> None:
        """Note the end of a gap; `late_j` is what the counter showed late of the work before, None where unknown."""
        if late_j is not None:
            self._learn(late_j, self.waiting_s)
        self.waiting_s = self.resting_j = 0.0

    def _learn(self, energy_j: float, seconds: float) -> None:
        kept = math.exp(-seconds / MEMORY_S)
        self.energy_j = self.energy_j * kept + max(energy_j - self.resting_j, 0.0)
        self.seconds = self.seconds * kept + seconds
        self.resting_j = 0.0


@dataclass(slots=True)
class Rest:
    """The power at rest. Every reading, the sensor's or a gap's mean, is an upper bound: the least of them counts.

    It counts once two readings one after the other agree, since one alone may show work that nobody here knows of.
    """

    least_w: float = math.inf
    last_w: float | None = None
    last_s: float = 0.0
    agreed: bool = False

    @property
    def watts(self) -> float | None:
        """Return the power at rest, or None as long as nothing confirms it."""
        return self.least_w if self.agreed else None

    def read(self, now_s: float, watts: float) -> None:
        """Note a reading at rest."""
        if watts <= 0 or (self.last_w is not None and now_s - self.last_s < AGREE_S):
            return
        self.agreed = self.agreed or (self.last_w is not None and _agree(self.last_w, watts))
        self.least_w, self.last_w, self.last_s = min(self.least_w, watts), watts, now_s


def _agree(one_w: float, other_w: float) -> bool:
    return abs(one_w - other_w) <= AGREE * min(one_w, other_w)


@dataclass(slots=True)
class Account:
    """The open windows of one GPU, oldest first, and what waits for them.

    `pots[k]` belongs to the first k + 1 of them: whatever was drawn while a window was open, the ones older than it
    were open too. `idle_w` is the power at rest in watts, None where unknown; `stated` says that somebody gave it.
    Until it is known, `gap_w`, the least mean power of a gap, tells work from rest in the counter's steps.
    """

    step_s: float
    idle_w: float | None = None
    stated: bool = False
    rest: Rest = field(default_factory=Rest)
    gap_w: float | None = None
    power: Power = field(init=False)
    claims: list[weakref.ref[Claim]] = field(default_factory=list)
    pots: list[Pot] = field(default_factory=list)
    seen_j: float | None = None
    seen_s: float = 0.0
    ahead_j: float = 0.0
    owed_j: float = 0.0
    between_j: float = 0.0
    before_j: float = 0.0
    blind: bool = False
    moved_s: float | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        self.power = Power(self.step_s)

    def open(self, now_s: float, counter_j: float, *, quiet: bool = True, sensor_w: float | None = None) -> Claim:
        """Open a window. `quiet` says that nothing computes on the GPU, as far as can be seen: idle can be learnt.

        `sensor_w` is what the power sensor shows meanwhile, None where that is unknown or the GPU may be working.
        """
        self.advance(now_s, counter_j, quiet=quiet, sensor_w=sensor_w)
        claim = Claim(now_s, alone=not self.claims)
        for other in self._held():
            other.alone = False
        self.claims.append(weakref.ref(claim))
        self.pots.append(Pot())
        return claim

    def close(self, claim: Claim, now_s: float, counter_j: float, tokens: float | None = None) -> Share | None:
        """Close a window and return what it is charged; None where nothing can be said. `tokens` is its work."""
        self.advance(now_s, counter_j)
        duration_s = now_s - claim.opened_s
        counted = tokens is not None and 0 < tokens < math.inf and duration_s > 0
        taken = self.drop(claim, tokens / duration_s if tokens and counted else None)
        if claim.lost or taken.energy_j <= 0:
            return None
        if duration_s < self.step_s and self.power.watts is None:
            return None
        return Share(
            energy_j=taken.energy_j,
            seconds=taken.seconds,
            duration_s=duration_s,
            alone=claim.alone,
            factor=self._factor(duration_s),
        )

    def drop(self, claim: Claim, rate: float | None = None) -> Pot:
        """Remove a window and return its part; `rate` is its work per second, None where unknown."""
        place = self.claims.index(weakref.ref(claim))
        others = self.rate or rate or 1.0
        mine = rate or others
        taken = Pot()
        for k in range(place, len(self.pots)):
            taken.add(self.pots[k].take(mine / (mine + k * others)))
        self._remove(place)
        if rate:
            self.rate = rate if self.rate is None else self.rate + RATE_WEIGHT * (rate - self.rate)
        return taken

    def expire(self) -> None:
        """Forget the windows that were given up: nobody can close them. What only they were open for is nobody's."""
        for place in reversed([place for place, claim in enumerate(self.claims) if claim() is None]):
            left = self._remove(place)
            self.between_j += 0.0 if place else left.energy_j

    def _held(self) -> list[Claim]:
        return [claim for claim in (ref() for ref in self.claims) if claim is not None]

    def _remove(self, place: int) -> Pot:
        left = self.pots.pop(place)
        if place:
            self.pots[place - 1].add(left)
        del self.claims[place]
        return left

    @property
    def between_w(self) -> float:
        """Return the power between windows, in watts, 0 where unknown."""
        return self.gap_w or 0.0 if self.idle_w is None else self.idle_w

    def advance(self, now_s: float, counter_j: float, *, quiet: bool = False, sensor_w: float | None = None) -> None:
        """Take in what the counter shows now, in joules, at `now_s` on a clock that only moves forward, in seconds."""
        self.expire()
        before = self.seen_j
        seconds, self.seen_s, self.seen_j = now_s - self.seen_s, now_s, counter_j
        if before is None or counter_j < before:  # the first value, or the driver was loaded again
            self._learn_idle(math.inf, 0.0, sensor_w if quiet and before is None else None)
            self._restart()
        elif self.claims:
            self._work(seconds, counter_j - before)
        else:
            if quiet:
                self._learn_idle(seconds, counter_j - before, sensor_w)
            self._gap(seconds, counter_j - before)

    def _restart(self) -> None:
        for claim in self._held():
            claim.lost = True
        self.pots = [Pot() for _ in self.claims]
        self.owed_j = self.power.waiting_s = self.power.resting_j = self.ahead_j = self.before_j = 0.0
        self._rest(self.between_w * self.step_s / 2)

    def _rest(self, idle_j: float) -> None:
        """Note what was drawn at rest and is not in the counter yet."""
        self.before_j += idle_j
        self.ahead_j += idle_j
        self.between_j += idle_j
        self.power.rest(idle_j)

    def _work(self, seconds: float, counted_j: float) -> None:
        long = seconds >= 2 * self.step_s
        if long and counted_j > 0:  # the rest before shows in the counter, as this window's end will not: they cancel
            self.ahead_j -= self.before_j
            self.between_j -= self.before_j
            self.power.resting_j = 0.0
        elif self.blind and counted_j > 0:  # the step ends in this window, so most of it lay before
            self._rest(self.before_j * max(1 - seconds / self.step_s, 0.0))
        self.blind = False
        self._learn_step(seconds, counted_j > 0)
        self.power.work(seconds, counted_j)
        watts = self.power.watts
        usual_j = (watts or 0.0) * seconds
        if counted_j > 0:
            late_j = usual_j / 2 if seconds < self.step_s else 0.0
            shown_j = counted_j - self.ahead_j + late_j
            self.ahead_j = late_j
            self.before_j = 0.0
            usual_j = max(shown_j, 0.0) if long or watts is None else usual_j
            self.owed_j += shown_j - usual_j
        else:
            usual_j = min(usual_j, max(AHEAD_STEPS * self.step_s * (watts or 0.0) - self.ahead_j, 0.0))
            self.ahead_j += usual_j
        settled_j = min(max(self.owed_j, -usual_j / 2), usual_j)
        self.owed_j -= settled_j
        self.pots[-1].add(Pot(usual_j + settled_j, seconds))

    def _gap(self, seconds: float, counted_j: float) -> None:
        if seconds >= GAP_STEPS * self.step_s and counted_j > 0:
            mean_w = counted_j / (seconds - self.step_s)  # the counter may have been late by a step: an upper bound
            self.gap_w = mean_w if self.gap_w is None else min(mean_w, self.gap_w)
        self._learn_step(seconds, counted_j > 0)
        idle_w = self.between_w
        if counted_j <= 0:
            self._rest(idle_w * seconds)
            return
        work_j = max(self.ahead_j - self.before_j, 0.0)
        late_j = self._late(seconds, counted_j - self.ahead_j, work_j)
        self.blind = late_j is None
        self.power.pause(None if late_j is None else late_j + self.ahead_j)
        self.owed_j += late_j or 0.0
        self.between_j += counted_j - self.ahead_j - (late_j or 0.0)
        self.ahead_j = self.before_j = 0.0
        self._rest(idle_w * min(seconds, self.step_s) / 2)

    def _learn_step(self, seconds: float, moved: bool) -> None:
        """Two moves in two intervals one after the other: a step is no longer than both."""
        if moved and self.moved_s is not None:
            self.step_s = self.power.step_s = min(self.step_s, self.moved_s + seconds)
        self.moved_s = seconds if moved else None

    def _late(self, seconds: float, shown_j: float, work_j: float) -> float | None:
        """Return how much of what a gap showed belongs to the windows before it; None where that cannot be told."""
        step_j = (self.power.watts or 0.0) * self.step_s
        if not self.between_w:
            return shown_j if seconds < self.step_s or shown_j < 0 else None
        # The rest that is not shown yet at the gap's end is in `shown_j` of what comes next.
        idle_j = self.between_w * (seconds - min(seconds, self.step_s) / 2)
        if 2 * IDLE_ERROR * idle_j >= step_j:
            return None
        return min(max(shown_j - idle_j, -work_j), step_j)

    def _learn_idle(self, seconds: float, counted_j: float, sensor_w: float | None) -> None:
        """Learn from `seconds` without a window, during which the counter moved by `counted_j`, and from the sensor.

        A gap's mean counts where the sensor at its end agrees, or where there is none: others may have worked.
        """
        if self.stated:
            return
        if IDLE_GAP_S <= seconds < math.inf:
            mean_w = counted_j / (seconds - self.step_s)
            if sensor_w is None or _agree(mean_w, sensor_w):
                self.rest.read(self.seen_s, mean_w)
        if sensor_w is not None and seconds >= SENSOR_S:
            self.rest.read(self.seen_s, sensor_w)
        if self.rest.watts is not None:
            self.idle_w = self.rest.watts if self.idle_w is None else min(self.rest.watts, self.idle_w)

    def _factor(self, duration_s: float) -> float:
        within = 1 + min(self.step_s / duration_s, 1.0) if duration_s > 0 else 2.0
        return within if self.power.known or duration_s >= 2 * self.step_s else max(within, self.power.guess_factor)
