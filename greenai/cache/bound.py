"""When a stored answer may be given to another question: a score, and a threshold that bounds the share of wrong hits.

Both are learned while the cache works, from what was found out about answers that would have been given: those of
questions that were answered anew all the same (misses and audits). The score is a logistic curve over what is known
of a question's neighbours. The threshold is the lowest one above which the share of wrong answers stays below the
limit. That share is reckoned over all that was asked, answers that were given included, by their scores; then it is
corrected by how many of the judged ones above the threshold were wrong, against how many the scores foresaw. The judged
ones alone would mislead: above the threshold few are judged, and most of these early, when less was stored.

Nothing is known of questions unlike any that were judged, however clear they look. So facts beyond those of judged ones
count as the furthest of these, an audit that fails has all reckoned anew at once, and after two in a row nothing is
given until more was judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

__all__ = ["NEVER", "WARM_UP", "Bound", "Cut"]

WARM_UP = 250
"""So many judged answers before the first hit."""
KEPT = 20_000
"""The latest ones count: what is asked changes."""

_ADDED = 4.0  # answers, found wrong as often as foreseen: a few judged ones must not sway it
_Z = 0.3
_CAUTION = 0.95  # of the limit, since what is reckoned here errs to either side
_DOUBTED = 0.75  # the same where what is judged rests on comparisons of free text, which err themselves
_RISKIEST = 10.0  # of the limit: no single answer is likelier wrong, however safe the others are
_LEAST_FACTOR = 0.5  # by no more are scores taken for too cautious
_RIDGE = 1.0
_ROUNDS = 12
_FAILURES = 2  # audits that failed in a row: what is asked has changed


@dataclass(frozen=True, slots=True)
class Cut:
    """From which score on answers are given, and the bound on the share of wrong ones among these."""

    threshold: float
    bound: float


NEVER = Cut(math.inf, 1.0)


class Bound:
    """What is known of answers that would have been given, and what follows from it. Not safe for threads.

    `doubted` is to be set where answers of other words were taken for the same. The first fact of each answer is its
    similarity; `floor` is the lowest of one that was right.

    Args:
        delta: the limit on the share of wrong answers among those given.
        width: how many facts each answer comes with.
        warm_up: how many judged answers it takes before any is given.
    """

    def __init__(self, delta: float, width: int, *, warm_up: int = WARM_UP) -> None:
        import numpy as np

        self.cut = NEVER
        self.judged = 0
        self.doubted = False
        self.floor = -math.inf
        self._delta = delta
        self._due = warm_up
        self._noted = 0
        self._failed = 0
        self._facts = np.zeros((64, width))
        self._right = np.zeros(64)
        self._middle, self._spread = np.zeros(width), np.ones(width)
        self._weights = np.zeros(width + 1)
        self._least, self._most = np.full(width, -np.inf), np.full(width, np.inf)

    def learn(self, facts: Doubles, *, right: bool, audited: bool = False) -> None:
        """Take in whether an answer would have been right, and fit anew now and then, or if an audit failed."""
        self._note(facts, float(right))
        self.judged += 1
        if audited:
            self._failed = 0 if right else self._failed + 1
        failed = audited and not right
        if self.judged >= self._due or failed:
            self._due = self.judged + max(25, self.judged // 16)
            self._fit()
        if failed and self._failed >= _FAILURES:
            self.cut = NEVER

    def gave(self, facts: Doubles) -> None:
        """Take in that an answer was given, of which nobody will say whether it was right."""
        self._note(facts, math.nan)

    def score(self, facts: Doubles) -> float:
        """Return how likely an answer is right, from 0 to 1."""
        return float(self._scores(facts[None])[0])

    def _note(self, facts: Doubles, right: float) -> None:
        import numpy as np

        if self._noted == len(self._facts) < KEPT:
            self._facts = np.concatenate([self._facts, np.zeros_like(self._facts)])
            self._right = np.concatenate([self._right, np.zeros_like(self._right)])
        at = self._noted % len(self._facts)
        self._facts[at], self._right[at] = facts, right
        self._noted += 1

    def _scores(self, facts: Doubles) -> Doubles:
        scaled = (facts.clip(self._least, self._most) - self._middle) / self._spread
        return _chance(scaled @ self._weights[1:] + self._weights[0])

    def _fit(self) -> None:
        """Fit the curve by Newton's method, then find the threshold."""
        import numpy as np

        count = min(self._noted, len(self._facts))
        facts, right = self._facts[:count], self._right[:count]
        known = np.isfinite(right)
        if not known.any():
            return
        judged = facts[known]
        self._middle, self._spread = judged.mean(0), judged.std(0) + 1e-6
        self._least, self._most = judged.min(0), judged.max(0)
        self.floor = float(judged[right[known] == 1, 0].min(initial=math.inf))
        scaled = (judged - self._middle) / self._spread
        self._weights = _fitted(np.column_stack([np.ones(len(scaled)), scaled]), right[known])
        self.cut = self._lowest(self._scores(facts), right)

    def _lowest(self, scores: Doubles, right: Doubles) -> Cut:
        """Return the lowest threshold whose bound is within the limit."""
        import numpy as np

        order = np.argsort(-scores, kind="stable")
        risk, right = 1 - scores[order], right[order]
        known = np.isfinite(right)
        wrong = _upper(np.cumsum(np.where(known, 1 - right, 0.0))) + _ADDED
        foreseen = np.cumsum(np.where(known, risk, 0.0)) + _ADDED
        share = np.cumsum(risk) / np.arange(1, len(order) + 1)
        bounds = share * np.maximum(wrong / foreseen, _LEAST_FACTOR)
        limit = (_DOUBTED if self.doubted else _CAUTION) * self._delta
        passing = np.flatnonzero((bounds <= limit) & (risk <= _RISKIEST * self._delta))
        if not len(passing):
            return NEVER
        last = passing[-1]
        return Cut(float(scores[order[last]]), float(bounds[last]))


def _upper(count: Doubles) -> Doubles:
    """Return the upper end of the interval of a count of rare events: the fewer there are, the further it is."""
    import numpy as np

    upper: Doubles = count + _Z * _Z / 2 + _Z * np.sqrt(count + _Z * _Z / 4)
    return upper


def _chance(odds: Doubles) -> Doubles:
    import numpy as np

    chance: Doubles = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return chance


def _fitted(columns: Doubles, right: Doubles) -> Doubles:
    """Return the weights of a logistic curve; the first column is the constant, which is hardly held back."""
    import numpy as np

    ridge = np.diag([1e-3] + [_RIDGE] * (columns.shape[1] - 1))
    weights = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        chance = _chance(columns @ weights)
        slope = columns.T @ (chance - right) + ridge @ weights
        bend = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge
        weights = weights - np.linalg.solve(bend, slope)
    return weights
