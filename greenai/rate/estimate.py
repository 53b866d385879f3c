"""What repeats are worth: the mean of the runs, with a 90% interval of repeats, meter and prompts together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from greenai.units import wh_from_j

__all__ = ["CLOSE", "LEAST_RUNS", "MOST_RUNS", "Estimate", "Run", "Sample", "enough", "estimate"]

LEAST_RUNS, MOST_RUNS = 3, 10
"""The public method takes ten runs; ours stops earlier once they agree."""

CLOSE = 0.05
"""Half the interval of the repeats, of their mean: below it no further run is made."""

PART = 0.25
"""Nor where it is below this part of half the meter's own range: further runs would not make the whole narrower."""

# Student's t, two-sided 90%, by degrees of freedom; from ten on the ninth, which is a little wide.
_T = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pass over the prompts. Energies in joules; `low_j` and `high_j` are the meter's 90% interval.

    `cut` is how many answers had as many tokens as they might have; `output_squares` the sum of the squared lengths.
    """

    requests: int
    energy_j: float
    low_j: float
    high_j: float
    prompt_tokens: int
    output_tokens: int
    took_s: float
    cut: int = 0
    output_squares: float = 0.0

    @property
    def wh_per_1000(self) -> float:
        """Energy of 1,000 queries at this run's rate."""
        return wh_from_j(self.energy_j) / self.requests * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Wh per 1,000 queries. `repeats` is half the interval of the runs alone; with one run there is no interval."""

    value: float
    low: float | None
    high: float | None
    repeats: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Which part of all prompts was asked, and how much longer the mean of all is than theirs (1.1: by a tenth)."""

    part: float = 1.0
    longer: float = 1.0

    def range(self, run: Run) -> tuple[float, float]:
        """Return what all prompts may take of the energy that these took, least and most.

        A query's energy lies between one that does not depend on its prompt's length and one that goes with it. Where
        answers end by themselves, their lengths differ, and so do the energies: at most as much.
        """
        mean = run.output_tokens / run.requests
        spread = max(run.output_squares / run.requests - mean**2, 0.0) / max(run.requests - 1, 1)
        t = _T[min(max(run.requests - 2, 0), len(_T) - 1)]
        open_ = t * (spread * max(1 - self.part, 0.0)) ** 0.5 / mean if mean else 0.0
        return min(self.longer, 1.0) * max(1 - open_, 0.0), max(self.longer, 1.0) * (1 + open_)


WHOLE = Sample()


def estimate(runs: Sequence[Run], sample: Sample = WHOLE) -> Estimate:
    """Return the mean of the runs. Its interval joins all sources the wide way: repeats, times meter, times sample."""
    values = [run.wh_per_1000 for run in runs]
    mean = statistics.fmean(values)
    if len(runs) < 2:
        return Estimate(value=mean, low=None, high=None, repeats=None)
    half = _T[min(len(runs) - 2, len(_T) - 1)] * statistics.stdev(values) / len(values) ** 0.5
    whole = sum(run.energy_j for run in runs)
    down, up = sum(run.low_j for run in runs) / whole, sum(run.high_j for run in runs) / whole
    least, most = sample.range(runs[0])
    low, high = max(mean - half, 0.0) * down * least, (mean + half) * up * most
    return Estimate(value=mean, low=low, high=high, repeats=half)


def enough(runs: Sequence[Run], asked: int | None) -> bool:
    """Say whether no further run is needed: as many as were asked for, or until they agree."""
    if asked is not None:
        return len(runs) >= asked
    if len(runs) < LEAST_RUNS:
        return False
    whole = sum(run.energy_j for run in runs)
    meter = sum(run.high_j - run.low_j for run in runs) / (2 * whole)
    found = estimate(runs)
    return len(runs) >= MOST_RUNS or (found.repeats or 0.0) <= max(CLOSE, PART * meter) * found.value
