"""What a task model does with texts of a label that its log never had, and which lead then keeps its promise.

Nobody has such texts before they arrive, but each label of the log can play one: a ridge tells in closed form what it
would have said of the texts of a label, had that label not been in the log. These are strangers as close to the rest
as the labels of this log are to each other. They show how strangers score, by which `answerers.guard` knows them, and
which lead keeps the promise while one prompt in five is one of them. Labels that are slips are no strangers to the
other labels, so that texts which the head holds to be of another label are left aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai.answerers.guard import DRIFT
from greenai.distil.threshold import Judged, Slips, Thresholds, likely, risk

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats
    from greenai.distil.fit import Labels

__all__ = ["Strangers", "guard", "left", "left_out", "strangers"]

BINS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9)
"""Which part of the known texts scores lower than each edge: finer where strangers score."""
WORSE = 0.75
"""Of the labels, taken by how often each would be answered as a stranger, the one at this share stands for what comes.

Three labels in four do better. Assumption.
"""
STEP = 0.01
NEAR = 0.3
"""The power of the other half of strangers: of all known texts a share u scores lower than u ** NEAR of them.

The label that comes may be closer than any left-out one is. Such a bet, on low scores whatever they are, is that of the
power martingale (Vovk, Nouretdinov and Gammerman, "Testing exchangeability on-line", ICML 2003).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Texts that both looks judged without their label: their labels, first scores, leads, and what is watched."""

    labels: Labels
    score: Floats
    lead: Floats
    watched: Floats

    def answered(self, score: float, lead: float) -> Floats:
        """Return for each label the share of its texts that would be answered with another label."""
        import numpy as np

        said = (self.score >= score) & (self.lead >= lead)
        counts = np.bincount(self.labels)
        shares = np.bincount(self.labels, weights=said)[counts > 0] / counts[counts > 0]
        found: Floats = shares.astype(np.float32)
        return found


def left_out(inverse: Floats, adds: Floats, wanted: Floats, labels: Labels) -> Floats:
    """Return the scores of each text, one a label, by a head that has seen none of its label.

    Args:
        inverse: of the matrix of similarities with the ridge, texts by texts.
        adds: what each text adds to each label, texts by labels.
        wanted: what was to be learnt, texts by labels.
        labels: the number of each text's label.
    """
    import numpy as np

    found = np.empty_like(wanted)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        found[rows] = wanted[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], adds[rows])
    return found


def strangers(without: Judged, watched: Floats, judged: Judged, labels: Labels, known: int) -> Strangers:
    """Return the texts that can stand for strangers: of the first `known` labels, and no slips.

    Args:
        without: all texts by both looks of a head that has not seen their label, as `left_out` scores them.
        watched: of the same texts, what tells strangers: `answerers.distilled.Told.watched`.
        judged: the same texts by a head that has seen their labels, and all texts but themselves.
        labels: the number of each text's label.
        known: how many labels there are, besides that of all other answers.
    """
    rows = (judged.rank <= likely(judged.classes)) & (labels < known)
    return Strangers(labels=labels[rows], score=without.score[rows], lead=without.lead[rows], watched=watched[rows])


def guard(
    judged: Judged,
    watched: Floats,
    found: Strangers,
    slipped: Slips,
    threshold: Thresholds,
    *,
    promise: float,
    known: int,
) -> dict[str, Any]:
    """Return what a file's header says of strangers, as `answerers.guard.Familiar` reads it.

    Args:
        judged: all texts of the log, by both looks of a head that has not seen them: under guard it takes both.
        watched: of the same texts, what tells strangers.
        found: the strangers among them.
        slipped: how often the large model slips.
        threshold: from where on the promise is kept while none arrive.
        promise: what is to be kept when they do.
        known: how many labels there are.
    """
    import numpy as np

    edges = np.quantile(watched, BINS)
    weights = 1 / np.bincount(found.labels)[found.labels]  # a label is a label, however many texts it has
    known_shares, far = _shares(edges, watched, np.ones(len(watched))), _shares(edges, found.watched, weights)
    near = np.diff(np.minimum(np.cumsum([0.0, *known_shares]), 1.0) ** NEAR)
    lead = _lead(judged, found, slipped, threshold, promise, known)
    return {
        "edges": [float(edge) for edge in edges],
        "known": known_shares,
        "strangers": [float(one + other) / 2 for one, other in zip(far, near, strict=True)],
        "lead": lead,
        "answered": float(found.answered(threshold.score, threshold.lead).mean()),
    }


def left(told: Judged, labels: Labels, threshold: Thresholds, known: int) -> tuple[int, int]:
    """Return how many rows are left to the ladder and have a label, and how many have none that recurs.

    Args:
        told: all texts of the log, as `Thresholds.joined` returns them.
        labels: the number of each text's label.
        threshold: from where on it answers.
        known: how many labels there are, besides that of all other answers.
    """
    over = labels[(told.lead < threshold.lead) | (told.score < threshold.score)]
    return int((over < known).sum()), int((over >= known).sum())


def _shares(edges: Any, scores: Floats, weights: Any) -> list[float]:
    import numpy as np

    counts = np.bincount(np.searchsorted(edges, scores), weights=weights, minlength=len(edges) + 1)
    return [float(count) for count in counts / counts.sum()]


def _lead(
    judged: Judged, found: Strangers, slipped: Slips, threshold: Thresholds, promise: float, known: int
) -> float | None:
    """Return the least lead that keeps the promise while strangers arrive; None where none does."""
    import numpy as np

    said = judged.only((judged.score >= threshold.score) & (judged.lead >= threshold.lead) & (judged.first < known))
    for share in np.arange(0, 1, STEP):
        lead = float(np.quantile(said.lead, share)) if len(said.lead) else 0.0
        sure = said.only(said.lead >= lead)
        answered = (1 - DRIFT) * len(sure.lead) / len(judged.lead)
        strange = DRIFT * float(np.quantile(found.answered(threshold.score, lead), WORSE))
        if answered * (1 - risk(sure, slipped, sure=None)) >= promise * (answered + strange):
            return lead
    return None
