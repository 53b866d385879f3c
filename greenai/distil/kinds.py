"""Which kind of task model a template's answers allow, and making it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL, MOST_LABELS, SHARE, spelling
from greenai.distil import scores, spans, train

if TYPE_CHECKING:
    from greenai.answerers.distilled import Kind
    from greenai.distil.fit import Watch
    from greenai.distil.pairs import Pairs
    from greenai.distil.train import Trained

__all__ = ["kind_of", "made"]

LOOKED_AT = 2000
_SCALE = "Its answers are numbers on a scale: say by how much they may differ, such as with --tolerance"


def kind_of(texts: Sequence[str], answers: Sequence[str]) -> Kind:
    """Return the kind of what was answered: labels where answers recur, else spans where they stand in the texts."""
    texts, answers = texts[-LOOKED_AT:], answers[-LOOKED_AT:]
    counts = Counter(map(spelling, answers))
    often = [n for key, n in counts.most_common(MOST_LABELS) if n >= FEWEST_OF_LABEL and len(key) <= LONGEST_LABEL]
    if sum(often) >= SHARE * len(answers):
        return "label"
    return "span" if _are_copies(texts, answers) else "label"


def _are_copies(texts: Sequence[str], answers: Sequence[str]) -> bool:
    how = spans.copied(texts[-LOOKED_AT:], answers[-LOOKED_AT:])
    return how.share >= spans.COPIED and how.spans > 0


def made(
    pairs: Pairs, *, name: str, promise: float = 0.98, teacher: str | None = None, kind: Kind | None = None,
    tolerance: float | None = None, progress: Watch | None = None,
) -> Trained:  # fmt: skip
    """Make a task model of pairs, oldest first, of the kind that is asked for or that their answers allow.

    With a tolerance, numbers are learnt that agree within it. Labels that cannot be learnt, and that stand in the
    texts, are copied: one word of many, such as a number.

    Raises:
        NotWorthIt: there are too few pairs, or no threshold keeps the promise.
        MissingExtra: SciPy or the extra `semantic` is not installed.
    """
    if tolerance is not None:
        return scores.train(pairs, name=name, tolerance=tolerance, promise=promise, teacher=teacher, progress=progress)
    making = spans.train if (kind or kind_of(pairs.texts, pairs.answers)) == "span" else train.train
    try:
        return making(pairs, name=name, promise=promise, teacher=teacher, progress=progress)
    except train.NotWorthIt as error:
        if kind is None and scores.are_numbers(pairs.answers):
            raise train.NotWorthIt(f"{error} {_SCALE} {scores.suggested(pairs.answers)}.") from error
        if kind is not None or making is spans.train or not _are_copies(pairs.texts, pairs.answers):
            raise
    return spans.train(pairs, name=name, promise=promise, teacher=teacher, progress=progress)
