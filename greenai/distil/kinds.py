"""Which kind of task model a template's answers allow, and making it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.answerers.scores import number_of
from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL, MOST_LABELS, SHARE, spelling
from greenai.distil import scores, spans, train
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.answerers.distilled import Kind
    from greenai.distil.fit import Watch
    from greenai.distil.pairs import Pairs
    from greenai.distil.train import Trained

__all__ = ["Repeats", "kind_of", "made", "repeats"]

LOOKED_AT = 2000
ENOUGH = 200
"""So many prompts that were answered twice tell by how much two answers of the same model differ."""
_SCALE = "Its answers are numbers on a scale: say by how much they may differ, such as with --tolerance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """By how much the numbers of a log differ at most, as often as promised, where prompts were answered twice."""

    tolerance: float
    prompts: int


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


def repeats(pairs: Pairs, promise: float) -> Repeats | None:
    """Return a tolerance that the log's own repeated prompts tell; None where they are too few, or never differ."""
    said: defaultdict[str, list[float]] = defaultdict(list)
    for text, answer in zip(pairs.texts, pairs.answers, strict=True):
        if (number := number_of(answer)) is not None:
            said[text].append(number[0])
    differ = sorted(abs(first - second) for first, second, *_ in (few for few in said.values() if len(few) > 1))
    if len(differ) < ENOUGH:
        return None
    within = differ[min(len(differ) - 1, math.ceil(promise * len(differ)) - 1)]
    return Repeats(tolerance=within, prompts=len(differ)) if within > 0 else None


def made(
    pairs: Pairs, *, name: str, promise: float = 0.98, teacher: str | None = None, kind: Kind | None = None,
    tolerance: float | None = None, progress: Watch | None = None,
) -> Trained:  # fmt: skip
    """Make a task model of pairs, oldest first, of the kind that is asked for or that their answers allow.

    With a tolerance, numbers are learnt that agree within it; without one, within what the log's own repeated prompts
    tell. Labels that cannot be learnt, and that stand in the texts, are copied: one word of many, such as a number.

    Raises:
        InvalidRequest: numbers are asked for, and nothing tells by how much they may differ.
        NotWorthIt: there are too few pairs, or no threshold keeps the promise.
        MissingExtra: SciPy or the extra `semantic` is not installed.
    """
    if kind == "score" or tolerance is not None or (kind is None and scores.are_numbers(pairs.answers)):
        found = None if tolerance is not None else repeats(pairs, promise)
        within = tolerance if found is None else found.tolerance
        if within is None and kind == "score" and _mostly_numbers(pairs):
            raise InvalidRequest(_no_tolerance(pairs))
        if within is not None or kind == "score":  # which refuses answers that are no numbers, whatever the tolerance
            try:
                return scores.train(
                    pairs, name=name, tolerance=within or 1.0, promise=promise, teacher=teacher, progress=progress
                )
            except train.NotWorthIt as error:
                if found is None:
                    raise
                whence = f"The tolerance is told by {found.prompts:,} prompts that the log answered twice."
                raise train.NotWorthIt(f"{error} {whence}") from error
    making = spans.train if (kind or kind_of(pairs.texts, pairs.answers)) == "span" else train.train
    try:
        return making(pairs, name=name, promise=promise, teacher=teacher, progress=progress)
    except train.NotWorthIt as error:
        if kind is None and scores.are_numbers(pairs.answers):
            raise train.NotWorthIt(f"{error} {_SCALE} {scores.suggested(pairs.answers)}.") from error
        if kind is not None or making is spans.train or not _are_copies(pairs.texts, pairs.answers):
            raise
    return spans.train(pairs, name=name, promise=promise, teacher=teacher, progress=progress)


def _mostly_numbers(pairs: Pairs) -> bool:
    return sum(number_of(answer) is not None for answer in pairs.answers) >= scores.NUMBERS * len(pairs.answers)


def _no_tolerance(pairs: Pairs) -> str:
    return (
        f"Nothing tells by how much two numbers may differ and agree: fewer than {ENOUGH} prompts of the log were "
        f"answered twice, or always the same. Write --tolerance {scores.suggested(pairs.answers)}, for example."
    )
