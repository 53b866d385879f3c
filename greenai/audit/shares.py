"""Shares with intervals that are honest for few observations: counted, weighed, corrected for a judge, and mixed.

A share is known by its two confidence distributions, from which its ends are read: of a count, those behind Clopper
and Pearson's interval. Where one follows from several, the lower ends of those that raise it meet the upper ends of
those that lower it: melding (Fay, Proschan and Brittain, Biometrics 71, 2015). Of a prevalence found with a test whose
errors are estimated, too, its coverage was at or above what is named wherever it was tried (Bayer, Fay and Graubard,
Statistics in Medicine 42, 2023; arXiv 2205.13494).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.finding import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["Share", "corrected", "counted", "interval", "measured", "mixed", "weighed", "youden"]

DRAWS = 100_000
"""The ends of an interval from so many draws vary by some thousandths."""
TAIL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Share:
    """A share by its middle, and draws of its lower and its upper confidence distribution, shape (DRAWS,)."""

    mid: float
    low: Floats
    high: Floats

    def span(self) -> Span:
        """Return the middle with the 90% interval."""
        import numpy as np

        low, high = float(np.quantile(self.low, TAIL)), float(np.quantile(self.high, 1 - TAIL))
        return Span(mid=self.mid, low=min(low, self.mid), high=max(high, self.mid))


def counted(count: float, of: float, seed: int = 0) -> Share:
    """Return the share of a count, which may be of an effective sample; shares with other seeds are independent."""
    import numpy as np

    rng = np.random.default_rng(seed)
    low = rng.beta(count, of - count + 1, DRAWS) if count > 0 else np.zeros(DRAWS)
    high = rng.beta(count + 1, of - count, DRAWS) if count < of else np.ones(DRAWS)
    return Share(mid=count / of, low=low, high=high)


def weighed(flags: Sequence[bool], weights: Sequence[float], seed: int = 0) -> Share:
    """Return the share of weights that is flagged, as a count in an effective sample.

    That is as large as a simple one with the same variance would be, (sum w)^2 / sum w^2 (Kish 1965), with Clopper and
    Pearson's interval (Korn and Graubard, Survey Methodology 24, 1998).
    """
    whole = sum(weights)
    share = sum(weight for flag, weight in zip(flags, weights, strict=True) if flag) / whole
    effective = whole**2 / sum(weight**2 for weight in weights)
    return counted(share * effective if any(flags) else 0.0, effective, seed)


def measured(flags: Sequence[bool], weights: Sequence[float]) -> Span:
    """Return the share of weights that is flagged, with its interval; exactly Clopper and Pearson's of equal ones."""
    if max(weights) - min(weights) <= 1e-9 * max(weights):
        return interval(sum(flags), len(flags))
    return weighed(flags, weights).span()


def corrected(seen: Share, sensitivity: Share, specificity: Share) -> Share:
    """Return the true share of what a test with these errors found (Rogan and Gladen, Am J Epidemiol 107, 1978).

    A test that may be no better than chance says nothing: the interval is then from 0 to 1.
    """
    import numpy as np

    low = _true(seen.low, sensitivity.high, specificity.low, nothing=0.0)
    high = _true(seen.high, sensitivity.low, specificity.high, nothing=1.0)
    middles = [np.array([one.mid]) for one in (seen, sensitivity, specificity)]
    mid = _true(middles[0], middles[1], middles[2], nothing=seen.mid)
    return Share(mid=float(mid[0]), low=low, high=high)


def _true(seen: Floats, sensitivity: Floats, specificity: Floats, nothing: float) -> Floats:
    import numpy as np

    better = sensitivity + specificity - 1
    found: Floats = np.clip((seen + specificity - 1) / np.where(better > 0, better, 1.0), 0.0, 1.0)
    return np.where(better > 0, found, nothing)


def youden(sensitivity: Share, specificity: Share) -> Span:
    """Return by how much a test is better than chance: sensitivity + specificity - 1, at most 1."""
    return Share(
        mid=sensitivity.mid + specificity.mid - 1,
        low=sensitivity.low + specificity.low - 1,
        high=sensitivity.high + specificity.high - 1,
    ).span()


def mixed(parts: Sequence[tuple[float, Share]]) -> Share:
    """Return the share in a whole whose parts have these weights, which are taken as known."""
    import numpy as np

    weights = np.array([weight for weight, _ in parts])
    weights = weights / weights.sum()
    return Share(
        mid=float(weights @ np.array([share.mid for _, share in parts])),
        low=weights @ np.stack([share.low for _, share in parts]),
        high=weights @ np.stack([share.high for _, share in parts]),
    )


# --- one count ------------------------------------------------------------------------------


def interval(count: int, of: int, sure: float = 0.9) -> Span:
    """Return a share with Clopper and Pearson's interval, which covers the true one at least so often."""
    tail = (1 - sure) / 2
    low = 0.0 if count == 0 else _root(lambda p: 1 - _at_most(count - 1, of, p) < tail)
    high = 1.0 if count == of else _root(lambda p: _at_most(count, of, p) > tail)
    return Span(mid=count / of, low=low, high=high)


def _root(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(count: int, of: int, p: float) -> float:
    """Return the chance of at most so many, each with the chance p, 0 < p < 1."""
    whole = math.lgamma(of + 1)
    return sum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(p) + (of - k) * math.log1p(-p))
        for k in range(count + 1)
    )
