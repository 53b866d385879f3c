"""What has been measured so far, per point, and how sure that is.

Energies are compared as logarithms: noise is a factor, and so is what a setting changes. A reading far above the others
of its point (another program took the machine) is left out of its mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from greenai.tune.space import Point, Sample, Setting, Status

__all__ = ["LEAST_PAIRS", "Cell", "Cells", "Interval", "mean_of", "pairs_of", "ratio"]

PRIOR_NOISE = 0.06
"""Noise of one reading (standard deviation of its logarithm) until enough repeats tell it. Assumption, 2026-11-22."""

FAR = 4.0
"""Standard deviations from the median of a point's readings beyond which one is left out."""

# Student's t, two-sided 95%, by degrees of freedom; beyond, the normal's.
_T = (math.inf, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)

# The same for 97.5%: two looks at that level are wrong in 5% together, at most.
_T_OF_TWO = (
    math.inf, 25.45, 6.205, 4.177, 3.495, 3.163, 2.969, 2.841, 2.752, 2.685, 2.634, 2.593, 2.560, 2.533, 2.510, 2.490,
)  # fmt: skip


def t_value(degrees: float, looks: int = 1) -> float:
    """Return Student's two-sided factor at which one look, or two, miss in 5% together."""
    table, normal, rest = (_T, 1.96, 2.5) if looks == 1 else (_T_OF_TWO, 2.241, 3.75)
    if degrees < len(table):
        return table[max(int(degrees), 0)]
    return normal + rest / degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value and its 95% interval."""

    value: float
    low: float
    high: float

    def spans(self, value: float) -> bool:
        """Say whether a value lies within."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(slots=True, kw_only=True)
class Cell:
    """The readings of one point. `rounds` has the logarithms of those that were interleaved with others, by round."""

    status: Status = "ok"
    logs: list[float] = field(default_factory=list)
    p95s: list[float] = field(default_factory=list)
    rounds: dict[int, float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    mean: float = math.inf
    used: int = 0

    def add(self, sample: Sample, noise: float, turn: int | None) -> None:
        """Take a reading in."""
        self.samples.append(sample)
        self.status = sample.status
        if sample.status != "ok":
            return
        log = math.log(sample.energy_j_per_token)
        self.logs.append(log)
        self.p95s.append(sample.p95_s)
        if turn is not None:
            self.rounds[turn] = log
        self.settle(noise)

    def settle(self, noise: float) -> None:
        """Work the mean out again."""
        kept = near(self.logs, noise)
        self.mean, self.used = statistics.fmean(kept), len(kept)

    @property
    def p95_s(self) -> float:
        """The median of the repeats' 95th percentiles, in seconds."""
        return statistics.median(self.p95s) if self.p95s else math.inf


def near(logs: Sequence[float], noise: float) -> Sequence[float]:
    """Return the readings without those far off; of two that disagree, the lower."""
    if len(logs) < 2:
        return logs
    middle = statistics.median_low(logs)
    return [log for log in logs if abs(log - middle) <= FAR * noise]


@dataclass(slots=True, kw_only=True)
class Cells:
    """Every point measured so far."""

    most_p95_s: float | None = None
    noise: float = PRIOR_NOISE
    of: dict[Point, Cell] = field(default_factory=dict)
    rows: dict[Setting, dict[int, Cell]] = field(default_factory=dict)

    def add(self, point: Point, sample: Sample, turn: int | None = None) -> Cell:
        """Take a reading of a point in, within the round `turn` of interleaved ones."""
        cell = self.of.setdefault(point, Cell())
        self.rows.setdefault(point.setting, {})[point.batch] = cell
        cell.add(sample, self.noise, turn)
        return cell

    def learn_noise(self) -> None:
        """Estimate the noise of one reading from all repeats: their median deviation, near the prior at first."""
        off = [
            abs(log - middle) * math.sqrt(len(cell.logs) / (len(cell.logs) - 1))
            for cell in self.of.values()
            if len(cell.logs) > 2
            for middle in (statistics.median(cell.logs),)
            for log in cell.logs
        ]
        if off:
            found, weight = 1.4826 * statistics.median(off), len(off) / (len(off) + 12)
            self.noise = max(0.005, weight * found + (1 - weight) * PRIOR_NOISE)
            for cell in self.of.values():
                if cell.logs:
                    cell.settle(self.noise)

    def allowed(self, point: Point) -> bool:
        """Say whether a measured point ran and keeps the latency bound."""
        cell = self.of.get(point)
        if cell is None or cell.status != "ok":
            return False
        return self.most_p95_s is None or cell.p95_s <= self.most_p95_s

    def row(self, setting: Setting) -> dict[int, Cell]:
        """Return the cells of one setting by batch, in order."""
        return dict(sorted(self.rows.get(setting, {}).items()))

    def candidates(self) -> Iterator[tuple[Point, Cell]]:
        """Yield the points that may be chosen."""
        return ((point, cell) for point, cell in self.of.items() if self.allowed(point))

    def error(self, cell: Cell) -> float:
        """Return the standard error of a cell's mean."""
        return self.noise / math.sqrt(max(cell.used, 1))

    def best(self) -> Point | None:
        """Return the point of the least mean among those that may be chosen."""
        return min(self.candidates(), key=lambda pair: pair[1].mean, default=(None, None))[0]


def mean_of(cell: Cell, noise: float) -> Interval:
    """Return the energy per token of a point with its interval, from its own repeats where there are three."""
    kept = near(cell.logs, noise)
    spread = statistics.stdev(kept) if len(kept) > 2 else noise
    degrees = len(kept) - 1 if len(kept) > 2 else math.inf
    half = t_value(degrees) * spread / math.sqrt(len(kept))
    mean = statistics.fmean(kept)
    return Interval(value=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half))


LEAST_PAIRS = 4
"""Pairs without which nothing is said: the noise would have to be assumed rather than seen."""


def pairs_of(new: Cell, old: Cell) -> list[float]:
    """Return the logarithms of the ratios of readings of the same round."""
    return [log - old.rounds[turn] for turn, log in new.rounds.items() if turn in old.rounds]


def ratio(new: Cell, old: Cell, noise: float, *, looks: int = 1) -> Interval | None:
    """Return the energy of `new` as a part of `old`'s, with its 95% interval; None with fewer than four pairs.

    Readings of the same round are paired, since what else the machine does moves both: Student's interval of the
    logarithms of their ratios. `looks` is how often it is asked for while readings are added, once or twice.
    """
    pairs = pairs_of(new, old)
    if len(pairs) < LEAST_PAIRS:
        return None
    kept = near(pairs, max(noise, _scale(pairs)) * math.sqrt(2))
    mean, spread = statistics.fmean(kept), statistics.stdev(kept)
    half = t_value(len(kept) - 1, looks) * spread / math.sqrt(len(kept))
    return Interval(value=math.exp(mean), low=math.exp(mean - half), high=math.exp(mean + half))


def _scale(logs: Sequence[float]) -> float:
    middle = statistics.median(logs)
    return 1.4826 * statistics.median(abs(log - middle) for log in logs) / math.sqrt(2)


def plain(cells: Cells) -> list[dict[str, object]]:
    """Return the cells as JSON values, least energy first."""
    return [
        {**point.to_dict(), **_told(cell, cells.noise)}
        for point, cell in sorted(cells.of.items(), key=lambda pair: pair[1].mean)
    ]


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has a word for, or None."""
    return value if value is not None and math.isfinite(value) else None


def _told(cell: Cell, noise: float) -> dict[str, object]:
    ran = [s for s in cell.samples if s.status == "ok"]
    energy = mean_of(cell, noise) if cell.logs else None
    per_request = [s.energy_j_per_token * s.tokens / s.requests for s in ran if s.requests]
    return {
        "status": cell.status,
        "why": cell.samples[-1].why or None,
        "repeats": len(cell.logs),
        "energy_j_per_token": None if energy is None else asdict(energy),
        "energy_j_per_request": statistics.median(per_request) if per_request else None,
        "p50_s": statistics.median(s.p50_s for s in ran) if ran else None,
        "p95_s": cell.p95_s if cell.p95s else None,
        "memory_bytes": max((s.memory_bytes for s in ran), default=0) or None,
        "agreement": cell.samples[-1].agreement,
        "perplexity": _finite(cell.samples[-1].perplexity),
    }
