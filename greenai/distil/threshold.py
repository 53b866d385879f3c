"""From which lead on a task model answers, so that it says what the large model says as often as promised.

What a large model says to one prompt is not always what it says to it: some share of the logged labels are slips. Who
agrees with all that it means still disagrees with its slips, so that agreement with the log can never exceed one minus
that share, and a promise of 98% would be kept by silence alone. What is promised is therefore agreement with what the
large model says when it is consistent, and its inconsistency is taken from the log:

- of prompts that stand in the log more than once, by how often two answers differ;
- else by the floor: among the half of which the head is surest, how often the log disagrees, and how often it does so
  with a label that the head holds to be among the least likely. The lower of the two counts, and of that the lower
  bound. This assumes that a slip falls on any label alike, and as often where the head is sure as where it is not.

A disagreement with one of the likeliest labels counts against the head, less the few slips that fall there by chance.
One with an unlikely label counts only as far as there are more of them than slips explain. An upper bound of both is
kept below what the promise leaves, walking down from the surest answers and stopping at the first failure (learn then
test, Angelopoulos et al. 2021, https://arxiv.org/abs/2110.01052, with Clopper and Pearson's bound). That labels wrong
at random make conformal methods say too little, and how far this can be corrected, is shown by Einbinder et al. 2022
(https://arxiv.org/abs/2209.14295) and Sesia et al. 2023 (https://arxiv.org/abs/2309.05092).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from greenai.audit.labels import FEWEST_OF_LABEL
from greenai.distil import numeric
from greenai.distil.early import Early, exit_of, joined

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats
    from greenai.distil.fit import Labels

__all__ = [
    "ASSUMPTION", "Judged", "Slips", "Thresholds", "judge", "likely", "overlooked", "risk", "slips", "thresholds",
]  # fmt: skip

SURE = 0.95
"""Each bound holds with this probability."""
UNFAMILIAR = 0.06
"""The share of the known texts with the lowest scores, below which a text counts as of a kind never seen."""
STARTS = ((0.5, 0.8), (0.2, 0.2))
"""The shares of the surest answers at which the walk down begins, the second only where the first keeps no promise, and
what part of the error of `SURE` each has: two chances to be wrong make no more of it than one. Where a share is fewer
than could prove the promise even if all agreed (149 for 98%), the walk begins at so many, a number that no label
decides, and takes no disagreement for a slip: too few rows tell the one from the other."""
STEP = 0.005
REPEATS = 200
"""So many prompts asked more than once tell the inconsistency by themselves; fewer may refute the floor."""

ASSUMPTION = {
    "repeats": "the large model is as inconsistent about other prompts as about those that stand in the log repeatedly",
    "surest": "a slip of the large model falls on any label alike, as often where the head is sure as where it is not",
}

Source = Literal["repeats", "surest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slips:
    """How often the large model does not say what it consistently says, with a 90% interval, and whence it is known.

    `rows` are the surest answers that it was read from; none where prompts were asked repeatedly.
    """

    share: float
    low: float
    high: float
    source: Source
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Scores of rows against their logged labels.

    Attributes:
        first: the label with the highest score.
        score: that score.
        lead: how much it lies above the next.
        rank: how many labels score higher than the logged one: 0 is agreement.
        classes: how many labels there are.
    """

    first: Labels
    score: Floats
    lead: Floats
    rank: Labels
    classes: int

    def answering(self, labels: int) -> Judged:
        """Return the rows with no lead, -1, where what is said is none of so many labels: it is never answered."""
        import numpy as np

        return replace(self, lead=np.where(self.first < labels, self.lead, np.float32(-1)))

    def only(self, rows: Any) -> Judged:
        """Return these rows alone."""
        return Judged(
            first=self.first[rows],
            score=self.score[rows],
            lead=self.lead[rows],
            rank=self.rank[rows],
            classes=self.classes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The least lead and the least score of an answer; `bound` is the upper bound of disagreement among the known.

    `early` is where the first look answers by itself, if there are two.
    """

    lead: float
    score: float
    bound: float
    early: Early | None = None

    def joined(self, both: Judged, first: Judged) -> Judged:
        """Return the rows as they are told; see `early.joined`."""
        return joined(first, both, self.early, lead=self.lead, score=self.score)

    def answered(self, told: Judged) -> Judged:
        """Return the rows that are answered, of those that `joined` returned."""
        return told.only((told.lead >= self.lead) & (told.score >= self.score))


def overlooked(told: Judged, labels: Labels, found: Thresholds) -> dict[int, tuple[int, int]]:
    """Return the labels whose answered texts mostly get another one: how many of them agree, and how many there are.

    A promise over all answers is kept by who never says a rare label.
    """
    import numpy as np

    answered = (told.lead >= found.lead) & (told.score >= found.score)
    rows = {int(label): told.rank[answered & (labels == label)] == 0 for label in np.unique(labels)}
    return {
        label: (int(agrees.sum()), len(agrees))
        for label, agrees in rows.items()
        if len(agrees) >= FEWEST_OF_LABEL and 2 * agrees.sum() < len(agrees)
    }


def judge(scores: Floats, labels: Labels) -> Judged:
    """Return how the scores of rows compare with their logged labels."""
    import numpy as np

    rows = np.arange(len(scores))
    best = np.sort(np.partition(scores, -2, axis=1)[:, -2:], axis=1)
    given, first = scores[rows, labels], scores.argmax(axis=1)
    return Judged(
        first=first,
        score=best[:, 1],
        lead=best[:, 1] - best[:, 0],
        rank=np.maximum((scores > given[:, None]).sum(axis=1), first != labels),  # of two that are equal one is said
        classes=scores.shape[1],
    )


def slips(judged: Judged, texts: Sequence[str], labels: Sequence[int]) -> Slips:
    """Return how inconsistent the large model is, by the prompts that were asked repeatedly or by the floor.

    Where the floor is surely more than few such prompts allow, it is these that count: what the head disagrees with
    there is no slip.
    """
    repeats, asked = _by_repeats(texts, labels)
    surest = _by_surest(judged)
    return repeats if asked >= REPEATS or surest.low > repeats.high else surest


def _by_repeats(texts: Sequence[str], labels: Sequence[int]) -> tuple[Slips, int]:
    """Return what the prompts that were asked more than once tell, and how many they are."""
    asked: defaultdict[str, list[int]] = defaultdict(list)
    for text, label in zip(texts, labels, strict=True):
        asked[text].append(label)
    pairs = [said for said in asked.values() if len(said) > 1]
    differ = sum(first != second for first, second, *_ in pairs)
    # Two answers differ where either is a slip: about twice as often as one is.
    low, high = (bound(differ, len(pairs), SURE) / 2 for bound in (numeric.at_least, numeric.at_most))
    return Slips(share=differ / max(1, len(pairs)) / 2, low=low, high=high, source="repeats"), len(pairs)


def _by_surest(judged: Judged) -> Slips:
    import numpy as np

    rank = judged.rank[judged.lead >= np.median(judged.lead)]
    unlikely = judged.classes // 2
    counts = (
        (int((rank > 0).sum()), 1.0),
        (
            int((rank >= judged.classes - unlikely).sum()),
            (judged.classes - 1) / unlikely,
        ),
    )
    found = [
        Slips(
            share=count / len(rank) * times,
            low=numeric.at_least(count, len(rank), SURE) * times,
            high=min(1.0, numeric.at_most(count, len(rank), SURE) * times),
            source="surest",
            rows=len(rank),
        )
        for count, times in counts
    ]
    return min(found, key=lambda one: one.low)


def likely(classes: int) -> int:
    """Return how many labels beside the first count as likely."""
    return max(1, classes // 10)


def risk(judged: Judged, slipped: Slips, *, sure: float | None = SURE) -> float:
    """Return how often the head disagrees with what the large model consistently says; at most, or by best estimate."""
    count = len(judged.rank)
    if not count:
        return 1.0
    others = judged.classes - 1
    many = likely(judged.classes)
    near = int(((judged.rank > 0) & (judged.rank <= many)).sum())
    far = int((judged.rank > many).sum())
    found = near / count - slipped.share * many / others
    found += max(0.0, far / count - slipped.share * (others - many) / others)
    if sure is not None:
        # Chance in all disagreements that may be the head's, and in the slips' share: of the rows from which that was
        # read the excess is none by assumption, so that only the others make it uncertain.
        others_of = math.sqrt(max(0.0, 1 - slipped.rows / count))
        explained = slipped.share * min(slipped.rows, count) * (others - many) / others
        own = near + max(0, far - round(explained))
        found += math.hypot(numeric.at_most(own, count, sure) - own / count, (slipped.share - slipped.low) * others_of)
    return min(1.0, max(0.0, found) / (1 - slipped.share))


def thresholds(judged: Judged, slipped: Slips, promise: float, *, first: Judged | None = None) -> Thresholds | None:
    """Return from where on the promise is kept; None where nowhere.

    Args:
        judged: the rows, by the scores of both looks if there are two.
        slipped: how often the large model slips.
        promise: how often the answers are to be right.
        first: the same rows at the first look.
    """
    import numpy as np

    answerable = judged.lead >= 0
    agreed = judged.score[answerable & (judged.rank == 0)]
    if not len(agreed):
        return None
    familiar = float(np.quantile(agreed, UNFAMILIAR))
    known = np.flatnonzero(answerable & (judged.score >= familiar))
    order = known[np.argsort(-judged.lead[known])]
    none = replace(slipped, share=0.0, low=0.0, high=0.0)
    for start in _starts(len(order), promise):
        found = _walk(judged, order, slipped if start.tells else none, promise, start, familiar, first)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True)
class _Start:
    """Of how many rows a walk begins, how surely each bound of it holds, and whether so many tell slips."""

    rows: int
    sure: float
    tells: bool


def _starts(count: int, promise: float) -> Iterator[_Start]:
    """Return where to begin, of so many rows; a start that could prove nothing takes no part of the error."""
    error, left = 1 - SURE, 1 - SURE
    for share, part in STARTS:
        rows, spent = round(share * count), part * error
        if rows >= _fewest(promise, spent):
            left -= spent
            yield _Start(rows, 1 - spent, tells=True)
        elif _fewest(promise, left) <= count:
            yield _Start(_fewest(promise, left), 1 - left, tells=False)
            return


def _fewest(promise: float, error: float) -> int:
    """Return how many rows prove a promise if all agree."""
    return math.ceil(math.log(error) / math.log(promise))


def _walk(
    judged: Judged, order: Labels, slipped: Slips, promise: float, start: _Start, familiar: float, first: Judged | None
) -> Thresholds | None:
    found: Thresholds | None = None
    step = STEP * len(order)
    for at in range(math.ceil((len(order) - start.rows) / step) + 1):
        count = min(len(order), start.rows + round(at * step))
        found, before = _at(judged, order[:count], familiar, first, promise), found
        said = found.answered(judged if first is None else found.joined(judged, first))
        bound = risk(said, slipped, sure=start.sure)
        if bound > 1 - promise:
            return before
        found = replace(found, bound=bound)
    return found


def _at(judged: Judged, rows: Labels, familiar: float, first: Judged | None, promise: float) -> Thresholds:
    """Return the thresholds at which both looks answer so many rows.

    Where the first look answers is found anew for each, and without the labels of the log: all thresholds are one row
    of tests, each of all that is answered.
    """
    import numpy as np

    found = Thresholds(lead=float(judged.lead[rows[-1]]), score=familiar, bound=1.0)
    if first is None:
        return found
    answered = np.zeros(len(judged.rank), bool)
    answered[rows] = True
    return replace(found, early=exit_of(first, judged, answered, promise))
