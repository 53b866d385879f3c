"""What a search is told, what it tells while it runs, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from greenai.tune.cells import Cell, Cells, Interval, mean_of, pairs_of
from greenai.tune.space import Point

__all__ = ["Outcome", "Plan", "Progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How hard to search.

    Args:
        most: Measurements (one repeat of one point each) at most; None is a third of the grid.
        budget_j: Joules that the search may take as a whole.
        step: Factor between the batches of the first ladder.
        looks: Further batches per setting and halving.
        gain: What is worth finding: a part of the energy.
        finalists: How many points are repeated in a round.
        rounds: Rounds of the finals at most.
        reserve: Part of the budget that is kept for the finals.
        seed: Of the order in which settings are tried.
    """

    most: int | None = None
    budget_j: float | None = None
    step: int = 4
    looks: int = 5
    gain: float = 0.01
    finalists: int = 8
    rounds: int = 30
    reserve: float = 0.4
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the search stands; `left_s` is about how long it still takes, in seconds."""

    stage: str
    done: int
    expected: int
    spent_j: float
    left_s: float
    point: Point
    best: Point | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found.

    Attributes:
        chosen: The point to use; `default` where nothing is clearly better.
        default: What runs without tuning.
        best: The point of least energy that may be chosen, whether or not it is clear of the default.
        ratio: Its energy as a part of the default's; None where one of them did not run, or where the budget left
            too few pairs of readings to say.
        ruled_out: Whether the default may not be chosen: it did not run, or does not keep the latency bound.
        ended: Why the search ended, in words.
        measurements: How many it took.
        spent_j: What it took.
        cells: All that was measured.
        fresh: What the verdict rests on: the readings of `best` and `default` after the choice.
    """

    chosen: Point
    default: Point
    best: Point | None
    ratio: Interval | None
    ruled_out: bool
    ended: str
    measurements: int
    spent_j: float
    cells: Cells
    fresh: Mapping[Point, Cell] = field(default_factory=dict[Point, Cell])

    @property
    def leave_it(self) -> bool:
        """Whether the answer is to leave it as it is."""
        return self.chosen == self.default

    @property
    def pairs(self) -> int:
        """How many pairs of readings the verdict rests on."""
        if self.best is None or self.best not in self.fresh or self.default not in self.fresh:
            return 0
        return len(pairs_of(self.fresh[self.best], self.fresh[self.default]))

    def energy(self, point: Point) -> Interval | None:
        """Return the joules per token of a measured point."""
        cell = self.fresh.get(point) or self.cells.of.get(point)
        return None if cell is None or not cell.logs else mean_of(cell, self.cells.noise)
