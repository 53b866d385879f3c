"""Find the point of least energy per token without measuring the whole grid.

    ladder     every setting at a few batches (1, 4, 16 ...), quickly; half of the settings go
    halving    the rest get more batches, then half of them go, until few are left
    finals     the best points are repeated in turns, until the first is clear of the rest or as good as equal
    verdict    the first against what runs without tuning, in turns and on fresh measurements only: the winner of many
               looks better than it is on those that chose it. Not clearly below it means "leave it as it is"

Energy is never taken to be monotone in the batch. Only a weaker thing guides where to look next, and is checked around
every minimum with b-1 and b+1: that a step over more answers does not take less than one over fewer, so that between
two measured batches the energy per token cannot be far below the left one's step shared by the right one's answers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise

from greenai.tune.cells import LEAST_PAIRS, Cell, Cells, Interval, ratio
from greenai.tune.outcome import Outcome, Plan, Progress
from greenai.tune.space import Bench, Point, Sample, Setting, Space
from greenai.units import format_energy

__all__ = ["Outcome", "Plan", "Progress", "Search"]


DOUBT = math.log(1.6)
"""How far above the best a single reading is worth a second look."""

FEW = 3
"""Settings that are left when the finals begin."""

LADDER = 0.4
"""Part of the measurements that the ladder may take."""

CONFIRMING = 8
"""Rounds of the best against the default on which the verdict rests; twice as many where that is not clear."""

LEAST_ROUNDS = 8
"""Rounds in which the default is measured beside the leaders, at least."""


BUT = " but comparing with what runs without tuning"


class _OverError(Exception):
    """The budget is used up."""


@dataclass(slots=True, kw_only=True)
class Search:
    """One search. `told` hears of every measurement before it is made."""

    space: Space
    bench: Bench
    plan: Plan = field(default_factory=Plan)
    told: Callable[[Progress], object] | None = None
    cells: Cells = field(default_factory=Cells)
    done: int = 0
    spent_j: float = 0.0
    took_s: float = 0.0
    stage: str = "ladder"
    edges: dict[Setting, int] = field(default_factory=dict)
    rejected: set[Setting] = field(default_factory=set)
    alive: list[Setting] = field(default_factory=list)
    part: float = 1.0
    held_back: int = 0
    fresh: dict[Point, Cell] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Search until the winner is clear, or the budget is used up."""
        self.cells.most_p95_s = self.space.most_p95_s
        self.held_back = min(2 * CONFIRMING, max(self.most // 3, min(2 * LEAST_PAIRS, self.most // 2)))
        self.part = 1 - self.plan.reserve
        with suppress(_OverError):
            self._explore()
        self.part = 1.0
        try:
            ended = self._finals()
        except _OverError as over:
            ended = str(over)
        self.held_back = 0
        with suppress(_OverError):
            self._confirm()
        return self._verdict(ended.removesuffix(BUT) if self.fresh else ended)

    def _explore(self) -> None:
        """Measure until few settings are left, within a part of the budget: the rest is for repeats."""
        self._measure(self.space.default)
        self._measure(self.space.default)
        self.alive = self._order()
        self._ladder()
        self.alive = self._halved(self.alive)
        while len(self.alive) > FEW:
            self._look(self.alive)
            self.alive = self._halved(self.alive)
        self._look(self.alive)

    @property
    def most(self) -> int:
        """Measurements at most."""
        return self.plan.most or max(self.space.size() // 3, 12)

    # --- one measurement --------------------------------------------------------------------

    def _measure(self, point: Point, *, turn: int | None = None) -> Cell:
        self._refuse_if_over()
        self._tell(point)
        sample = self.bench.measure(point, short=self.stage == "ladder")
        self.done += 1
        # What failed tells no energy: it is charged for its time, at the mean power so far.
        self.spent_j += sample.spent_j or (sample.took_s * self.spent_j / self.took_s if self.took_s else 0.0)
        self.took_s += sample.took_s
        self._note(point, sample)
        return self.cells.add(point, sample, turn)

    def _refuse_if_over(self) -> None:
        if self.done >= (self.most - self.held_back) * self.part:
            raise _OverError(f"the budget of {self.most} measurements allows no more{self._but}")
        joules = self.plan.budget_j
        if joules is None:
            return
        held_j = min(self.held_back * self._each_j, joules / 2)
        if self.spent_j + self._each_j > (joules - held_j) * self.part:
            raise _OverError(f"the budget of {format_energy(joules)} allows no more{self._but}")

    @property
    def _but(self) -> str:
        """What the rest of the budget was kept for."""
        return BUT if self.held_back else ""

    @property
    def _each_j(self) -> float:
        """What a measurement has taken so far, on average."""
        return self.spent_j / max(self.done, 1)

    @property
    def _room(self) -> int:
        """How many measurements there will be, as far as the joules reach."""
        joules = self.plan.budget_j
        if joules is None or not self._each_j:
            return self.most
        return min(self.most, math.ceil(joules / self._each_j))

    def _tell(self, point: Point) -> None:
        if self.told is None:
            return
        expected = self._room
        left_s = max(expected - self.done, 0) * self.took_s / max(self.done, 1)
        best = self.cells.best()
        self.told(
            Progress(
                stage=self.stage,
                done=self.done,
                expected=expected,
                spent_j=self.spent_j,
                left_s=left_s,
                point=point,
                best=best,
            )
        )

    def _note(self, point: Point, sample: Sample) -> None:
        """Remember what rules out other points: memory's edge, and what the guard rejects at any batch."""
        if sample.status == "out_of_memory":
            self.edges[point.setting] = min(point.batch, self._edge(point.setting))
        elif sample.status == "rejected":
            self.rejected.add(point.setting)

    def _edge(self, setting: Setting) -> int:
        """Return the least batch that is known not to fit, or one more than the largest."""
        return self.edges.get(setting, self.space.most_batch + 1)

    # --- the ladder, and halving ----------------------------------------------------------------

    def _order(self) -> list[Setting]:
        """Return the settings in an order of chance, so that drift favours none; those near the default first."""
        settings = list(self.space.settings())
        random.Random(self.plan.seed).shuffle(settings)  # noqa: S311  # an order, no secret
        return sorted(settings, key=lambda s: distance(s, self.space.default.setting) > 1)

    def _ladder(self) -> None:
        """Measure every setting at a few batches: the fewer, the smaller the budget."""
        steps = rungs(self.space.most_batch, self.plan.step)
        while len(steps) > 1 and len(steps) * len(self.alive) > self._room * LADDER:
            steps = steps[1::2] if len(steps) % 2 == 0 else steps[::2]
        for setting in self.alive:
            for batch in steps:
                if setting in self.rejected or batch >= self._edge(setting):
                    break
                cell = self._measure(Point(setting=setting, batch=batch))
                if self._hopeless(cell):
                    break
        self.stage = "halving"

    def _hopeless(self, cell: Cell) -> bool:
        """Say whether latency is so far over its bound that larger batches need no look."""
        bound = self.space.most_p95_s
        return bound is not None and cell.status == "ok" and cell.p95_s > 2 * bound

    def _halved(self, settings: Sequence[Setting]) -> list[Setting]:
        """Return the better half, and the best setting of each precision: which is best depends on the batch."""
        scored = sorted((self._score(s), s) for s in settings if s not in self.rejected)
        usable = [s for score, s in scored if score < math.inf]
        kept = usable[: max(math.ceil(len(usable) / 2), 1)]
        if len(usable) > 6:
            firsts = {s.precision: s for s in reversed(usable)}
            kept += [s for s in firsts.values() if s not in kept]
        return kept

    def _score(self, setting: Setting) -> float:
        row = self.cells.row(setting)
        means = [c.mean for b, c in row.items() if self.cells.allowed(Point(setting=setting, batch=b))]
        return min(means, default=math.inf)

    def _look(self, settings: Sequence[Setting]) -> None:
        """Give each setting some more batches, where they promise most."""
        for _ in range(self.plan.looks):
            for setting in settings:
                batch = self._next_batch(setting)
                if batch is not None:
                    self._measure(Point(setting=setting, batch=batch))

    def _next_batch(self, setting: Setting) -> int | None:
        """Return the batch between two measured ones whose energy may be lowest; None where none promises a gain."""
        best = self._score(setting)
        gaps = ((self._promise(setting, a, c), a, c) for a, c in self._gaps(setting))
        bound, left, right = min(gaps, default=(math.inf, 0, 0))
        if bound > best + math.log1p(-self.plan.gain):
            return None
        return (left + right) // 2

    def _gaps(self, setting: Setting) -> Iterator[tuple[int, int]]:
        """Yield neighbouring batches between which there are some that were not measured."""
        row = self.cells.row(setting)
        known = sorted({0, *(b for b in row if b < self._edge(setting)), self._edge(setting)})
        return ((a, c) for a, c in pairwise(known) if c - a > 1)

    def _promise(self, setting: Setting, left: int, right: int) -> float:
        """Return a low guess at the least energy (its logarithm) strictly between two batches."""
        row = self.cells.row(setting)
        if left == 0:  # nothing is known below the least batch: as good as that, and a little better
            return row[right].mean + 2 * math.log1p(-self.plan.gain) if right in row and row[right].logs else math.inf
        if not self.cells.allowed(Point(setting=setting, batch=left)):
            return math.inf
        # A step over more answers takes no less: where a larger batch's step was lower, the left reading was too high.
        step = min(
            cell.mean - self.cells.error(cell) + math.log(batch)
            for batch, cell in row.items()
            if batch >= left and cell.logs
        )
        return step - math.log(right - 1)

    # --- the finals -----------------------------------------------------------------------------

    def _finals(self) -> str:
        """Repeat the leaders and the default in turns, and look around the best again; return why that ended."""
        self.stage = "finals"
        if self._has_room():
            self._look_twice(self.alive)
            self._around_minima(self.alive)
        for turn in range(self.plan.rounds):
            self._round(turn)
            is_new = self._around_best() if turn % 2 and self._has_room() else False
            if turn >= 5 and not is_new and self._is_clear():
                return "the winner is clear"
        return "the rounds of the finals are over"

    def _has_room(self) -> bool:
        """Say whether there are measurements for more than repeating a few finalists, which comes first."""
        return len(self.alive) <= 2 * FEW and self._room - self.done > 2 * FEW * LEAST_ROUNDS

    def _round(self, turn: int) -> None:
        """Measure each finalist once, beginning with another one each time."""
        if self._has_room():
            self._measure_again(self._doubtful())
        order = self._finalists(max(LEAST_ROUNDS - turn, 1))
        begin = turn % max(len(order), 1)
        for point in order[begin:] + order[:begin]:
            self._measure(point, turn=turn)
        self.cells.learn_noise()

    def _doubtful(self) -> list[Point]:
        """Return points whose one reading stands far above a neighbour's, or whose latency is about at its bound."""
        best = self.cells.best()
        least = math.inf if best is None else self.cells.of[best].mean
        few = [(p, c) for p, c in self.cells.of.items() if c.status == "ok" and len(c.logs) < 3]
        return [p for p, c in few if self._borderline(c, least) or (len(c.logs) == 1 and self._stands_out(p, c))]

    def _stands_out(self, point: Point, cell: Cell) -> bool:
        row = self.cells.rows[point.setting]
        near = [c.mean for b, c in row.items() if c.logs and 0 < abs(b - point.batch) <= max(point.batch // 8, 1)]
        return bool(near) and cell.mean > min(near) + 0.3

    def _borderline(self, cell: Cell, least: float) -> bool:
        bound = self.space.most_p95_s
        return bound is not None and bound < cell.p95_s < 1.05 * bound and cell.mean < least

    def _measure_again(self, points: Iterable[Point]) -> None:
        for point in points:
            self._measure(point)

    def _look_twice(self, settings: Sequence[Setting]) -> None:
        """Repeat single readings of the last settings that one disturbance may have kept from being the best."""
        least = min((self._score(s) for s in settings), default=math.inf)
        for setting in settings:
            single = [b for b, c in self.cells.row(setting).items() if len(c.logs) == 1 and c.mean < least + DOUBT]
            self._measure_again(Point(setting=setting, batch=b) for b in single)

    def _around_minima(self, settings: Sequence[Setting]) -> None:
        for setting in settings:
            for batch in minima(self.cells.row(setting))[:2]:
                self._measure_new(Point(setting=setting, batch=b) for b in self._beside(setting, batch))

    def _around_best(self) -> bool:
        """Measure what is beside the best: batches that promise more, and other settings at its batch."""
        best = self.cells.best()
        if best is None:
            return False
        before = self.done
        self._measure_new(Point(setting=best.setting, batch=b) for b in self._beside(best.setting, best.batch))
        self._measure_new(replace(best, setting=s) for s in self._sisters(best.setting))
        self._look_twice([best.setting])
        for _ in range(self.plan.looks):
            batch = self._next_batch(best.setting)
            if batch is not None:
                self._measure(Point(setting=best.setting, batch=batch))
        return self.done > before

    def _sisters(self, setting: Setting) -> list[Setting]:
        """Return the settings that differ from `setting` in one axis."""
        return [s for s in self.space.settings() if s not in self.rejected and distance(s, setting) == 1]

    def _beside(self, setting: Setting, batch: int) -> list[int]:
        """Return b-1, b+1, a little beyond (a tile may end there), and the middles of the gaps beside `batch`."""
        known = [b for b in self.cells.row(setting) if b < self._edge(setting)]
        below, above = [b for b in known if b < batch], [b for b in known if b > batch]
        middles = [(max(below) + batch) // 2] if below else []
        middles += [(batch + min(above)) // 2] if above else []
        return list(dict.fromkeys((batch - 1, batch + 1, batch + 2, batch + 3, *middles)))

    def _measure_new(self, points: Iterable[Point]) -> None:
        for point in points:
            if 1 <= point.batch < self._edge(point.setting) and point not in self.cells.of:
                self._measure(point)

    def _finalists(self, rounds: int) -> list[Point]:
        """Return the points that may still be the best, least first, and the default until it is well known.

        No more than can be measured in so many rounds.
        """
        default, best = self.space.default, self.cells.best()
        if best is None:
            return []
        most = min(self.plan.finalists, max((self._room - self.done) // rounds - 1, 2))
        rest = sorted(((self._lead(best, p), p) for p, _ in self.cells.candidates() if p != best), key=lambda x: x[0])
        open_ = [point for lead, point in rest if lead < 0][: most - 1]
        found = [best, *(open_ or [point for _, point in rest[:1]])]
        held = self.cells.of.get(default)
        known = held is None or held.status != "ok" or len(held.rounds) >= LEAST_ROUNDS
        return found if known or default in found else [*found, default]

    def _lead(self, best: Point, other: Point) -> float:
        """Return by how much `best` is surely ahead of `other`; below 0 where it is not."""
        first, second = self.cells.of[best], self.cells.of[other]
        error = math.hypot(self.cells.error(first), self.cells.error(second))
        return second.mean - 2 * error - first.mean

    def _is_clear(self) -> bool:
        """Say whether no other point can be better than the best by what is worth finding."""
        best = self.cells.best()
        if best is None:
            return True
        if len(self.cells.of[best].logs) < LEAST_ROUNDS:
            return False
        slack = math.log1p(-self.plan.gain)
        return all(self._lead(best, point) >= slack for point, _ in self.cells.candidates() if point != best)

    def _confirm(self) -> None:
        """Measure the best and the default in turns; once more as long where that says nothing clear.

        Two looks, whose interval is the wider for it: a default that is as good is left for nothing in 2.5% of the
        searches at most.
        """
        default, best = self.space.default, self.cells.best()
        if best is None or best == default or not self._ran(default):
            return
        self.stage = "verdict"
        for turn in range(2 * CONFIRMING):
            found = self._compared(best) if turn == CONFIRMING else None
            if found is not None and not found.spans(1):
                return
            for point in (best, default) if turn % 2 else (default, best):
                cell = self._measure(point)
                if cell.status != "ok":
                    return
                self.fresh.setdefault(point, Cell()).add(cell.samples[-1], self.cells.noise, turn)

    def _compared(self, best: Point) -> Interval | None:
        """Return the energy of `best` as a part of the default's, on the readings after the choice."""
        if best not in self.fresh or self.space.default not in self.fresh:
            return None
        return ratio(self.fresh[best], self.fresh[self.space.default], self.cells.noise, looks=2)

    def _ran(self, point: Point) -> bool:
        cell = self.cells.of.get(point)
        return cell is not None and bool(cell.logs)

    def _verdict(self, ended: str) -> Outcome:
        default = self.space.default
        # The best of the finals stays the one to judge: the fresh readings must not choose again.
        best = next((point for point in self.fresh if point != default), self.cells.best())
        ruled_out = not self.cells.allowed(default)
        if best is not None and ruled_out and not self.cells.allowed(best):
            best = self.cells.best()  # the first one ran out of memory, or was late, when it was looked at again
        found = None if best is None else self._compared(best)
        is_clear = found is not None and found.high < 1
        wins = best is not None and self.cells.allowed(best) and (ruled_out or is_clear)
        return Outcome(
            chosen=best if wins and best is not None else default,
            default=default,
            best=best,
            ratio=found,
            ruled_out=ruled_out,
            ended=ended,
            measurements=self.done,
            spent_j=self.spent_j,
            cells=self.cells,
            fresh=self.fresh,
        )


def distance(one: Setting, other: Setting) -> int:
    """Return in how many axes two settings differ."""
    pairs = zip(asdict(one).values(), asdict(other).values(), strict=True)
    return sum(a != b for a, b in pairs)


def rungs(most: int, step: int) -> list[int]:
    """Return 1, `step`, `step` squared and so on, and `most` itself."""
    found, batch = [], 1
    while batch < most:
        found.append(batch)
        batch *= step
    return [*found, most]


def minima(row: dict[int, Cell]) -> list[int]:
    """Return the batches whose mean is below that of both measured neighbours, least first."""
    known = [(b, c.mean) for b, c in row.items() if c.logs]
    means = [math.inf, *(mean for _, mean in known), math.inf]
    found = [(means[n + 1], b) for n, (b, _) in enumerate(known) if means[n + 1] <= min(means[n], means[n + 2])]
    return [b for _, b in sorted(found)]
