"""From which lead on the first look answers by itself: where both looks would have said the same.

The second look takes ten times what the first does, and most texts do not need it. Which those are is told without the
labels of the log, by what either look makes of texts that it had not seen: the first answers from the least lead on at
which it says what both would have answered, in all but a tenth of what the promise leaves. So it answers where both
would, and abstains where both would: what is unlike all that is known is left alone by it, too. The promise is tested
on what is answered at either look (`threshold.thresholds`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenai.distil.threshold import Judged

__all__ = ["OTHERWISE", "Early", "exit_of", "joined"]

OTHERWISE = 0.1
"""The share of what a promise leaves in which the first look may answer what both would not have."""
UNFAMILIAR = 0.06
"""The share of the known texts with the lowest scores, at which the first look leaves a text to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Early:
    """The least lead and the least score with which the first look answers."""

    lead: float
    score: float

    def answers(self, first: Judged) -> Any:
        """Say of each row whether the first look answers it."""
        return (first.lead >= self.lead) & (first.score >= self.score)


def exit_of(first: Judged, both: Judged, answered: Any, promise: float) -> Early | None:
    """Return where the first look answers; None where nowhere.

    Args:
        first: the rows at the first look.
        both: the same at both looks.
        answered: of each row, whether both looks together would answer it.
        promise: how often the answers are to be right.
    """
    import numpy as np

    agreed = first.score[first.rank == 0]
    if not len(agreed):
        return None
    familiar = float(np.quantile(agreed, UNFAMILIAR))
    order = np.argsort(-first.lead, kind="stable")
    order = order[(first.score[order] >= familiar) & (first.lead[order] >= 0)]
    otherwise = ~answered | (first.first != both.first)
    shares = np.cumsum(otherwise[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero(shares <= OTHERWISE * (1 - promise))
    return Early(lead=float(first.lead[order[kept[-1]]]), score=familiar) if len(kept) else None


def joined(first: Judged, both: Judged, early: Early | None, *, lead: float, score: float) -> Judged:
    """Return the rows as they are told: at the first look where that answers, else at both.

    The lead and the score of what the first look answers are put as far above those from which both looks answer as
    they are above its own.
    """
    import numpy as np

    if early is None:
        return both
    soon = early.answers(first)
    return replace(
        both,
        first=np.where(soon, first.first, both.first),
        score=np.where(soon, first.score - early.score + score, both.score),
        lead=np.where(soon, first.lead - early.lead + lead, both.lead),
        rank=np.where(soon, first.rank, both.rank),
    )
