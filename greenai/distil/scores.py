"""Fits a model of answers that are numbers: a ridge whose intervals are split-conformal, and a threshold on them.

A number agrees with the log's where they differ by the tolerance at most, and with an answer that is no number never:
such texts are not learnt, and count in what is promised. No slips of the large model are taken out: of
numbers nobody knows which are wrong, so what is promised is agreement with what the log itself says.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai.answerers import kernel, scores
from greenai.answerers.distilled import TaskModel
from greenai.answerers.kernel import falloff
from greenai.answerers.scores import SHARES, ScoreHead, number_of, one_unit, spread_of, vectors
from greenai.answerers.task_file import Held
from greenai.distil import numeric
from greenai.distil.pairs import Labelled
from greenai.distil.threshold import Judged, Slips, thresholds
from greenai.distil.train import NotWorthIt, Trained, check, header, split, tested
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats
    from greenai.distil.fit import Watch
    from greenai.distil.pairs import Pairs

__all__ = ["ASSUMPTION", "are_numbers", "suggested", "train"]

NUMBERS = 0.9
"""So much of the answers must be numbers that are written alike."""
MANY = 20
"""So many different numbers are a scale, and fewer are labels."""
AROUND = 12
"""So many characters stand around a number at most that is an answer, as in "Score: 75%"; else it stands in a text."""
RIDGE = 0.5
NARROW = 0.5
"""The lead from which on the interval at the promise lies within the tolerance; see `answerers.scores`."""
ASSUMPTION = "none: agreement is that with the log's own numbers, whatever the large model would say another time"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """How a log writes its numbers, with how many decimals at least and at most, and the number of each answer.

    It is not a number (NaN) where an answer is none, or one of another unit; `alike` are written as most are.
    """

    around: tuple[str, str]
    decimals: tuple[int, int]
    numbers: tuple[float, ...]
    alike: int

    @property
    def known(self) -> list[float]:
        """The numbers alone."""
        return [one for one in self.numbers if not math.isnan(one)]


def _scale(answers: Sequence[str]) -> _Scale | None:
    found = [number_of(answer) for answer in answers]
    written = Counter((one[2], one[3]) for one in found if one is not None)
    if not written:
        return None
    around, alike = written.most_common(1)[0]
    decimals = sorted(one[1] for one in found if one is not None and one[2:] == around)
    few = (len(decimals) - 1) // 100  # so many at either end are written as no others are
    return _Scale(
        around=around,
        decimals=(decimals[few], decimals[-1 - few]),
        numbers=tuple(math.nan if one is None or not one_unit(around, one[2:]) else one[0] for one in found),
        alike=alike,
    )


def are_numbers(answers: Sequence[str]) -> bool:
    """Say whether answers are many different numbers, written alike."""
    scale = _scale(answers)
    if scale is None or sum(map(len, scale.around)) > AROUND:
        return False
    return scale.alike >= NUMBERS * len(answers) and len(set(scale.known)) >= MANY


def suggested(answers: Sequence[str]) -> str:
    """Return a tolerance to begin with, a twentieth of the range of such answers, to one digit: "5" of 0 to 100."""
    scale = _scale(answers)
    span = 0.0 if scale is None else max(scale.known) - min(scale.known)
    return f"{float(f'{span / 20:.1g}'):g}" if span else "1"


def _not_all_alike(tolerance: float, numbers: Sequence[float]) -> None:
    """Refuse a tolerance at which one number agrees with all that the log has."""
    lowest, highest = min(numbers), max(numbers)
    if 2 * tolerance >= highest - lowest:
        raise NotWorthIt(
            f"The log's numbers lie between {lowest:g} and {highest:g}: one in the middle would agree with all of them "
            f"within {tolerance:g}. Give a smaller --tolerance."
        )


def train(
    pairs: Pairs, *, name: str, tolerance: float, promise: float = 0.98, teacher: str | None = None,
    progress: Watch | None = None,
) -> Trained:  # fmt: skip
    """Make a task model that says a number, as `greenai.distil.train.train` makes one of labels.

    Args:
        pairs: what one template's slots held, and what the large model said.
        name: what receipts call the model.
        tolerance: by how much its number may differ from the large model's, and agree.
        promise: how often at least it is to agree.
        teacher: the large model's name.
        progress: told the step, and the share of it that is done.

    Raises:
        NotWorthIt: there are too few pairs or numbers, or no threshold keeps the promise.
        MissingExtra: SciPy or the extra `semantic` is not installed.
    """
    numeric.require()
    check(promise)
    if not 0 < tolerance < float("inf"):
        raise InvalidRequest(f"A tolerance is above 0, and {tolerance:g} was given. Write --tolerance 5.")
    watch: Watch = progress or (lambda _step, _share: None)
    began, core = time.perf_counter(), time.process_time()
    scale = _scale(pairs.answers)
    if scale is None or scale.alike < NUMBERS * len(pairs.answers):
        share = 0.0 if scale is None else scale.alike / len(pairs.answers)
        raise NotWorthIt(
            f"{share:.1%} of {len(pairs.answers)} answers are numbers that are written alike, and {NUMBERS:.0%} are "
            "needed. Choose another template, or leave this one to the ladder."
        )
    _not_all_alike(tolerance, scale.known)
    values = [*sorted(set(scale.known)), math.nan]
    places = {value: at for at, value in enumerate(values)}
    known = Labelled(
        texts=pairs.texts, numbers=tuple(places.get(one, len(values) - 1) for one in scale.numbers), labels=()
    )
    learnt, kept = split(known)
    numbers, later = ([values[number] for number in some.numbers] for some in (learnt, kept))
    arrays, told, unseen = _fitted(learnt.texts, numbers, scale, tolerance, promise, watch)
    head = ScoreHead(arrays, told)
    judged, nothing = _judged(head, unseen, numbers), Slips(share=0.0, low=0.0, high=0.0, source="surest")
    found = thresholds(judged.only(judged.lead >= NARROW), nothing, promise) if (judged.lead >= NARROW).any() else None
    if found is None:
        raise NotWorthIt(_too_wide(judged, promise, tolerance))
    watch("reading the texts", 0.0)
    held_out = tested(_judged(head, head.tell(*vectors(kept.texts)), later), len(kept.texts), found, nothing, early=0)
    taken = time.perf_counter() - began, time.process_time() - core
    whole = {
        **header(pairs, learnt, found, nothing, held_out, name=name, promise=promise, teacher=teacher),
        **told,
    }
    held = Held(header=whole, arrays=arrays, sha256="")
    return Trained(
        model=TaskModel(held), held=held, tested=held_out, slips=nothing, labels={}, fit_s=taken[0],
        fit_core_s=taken[1],
    )  # fmt: skip


def _too_wide(judged: Judged, promise: float, tolerance: float) -> str:
    narrow, agreed = float((judged.lead >= NARROW).mean()), float((judged.rank == 0).mean())
    return (
        f"No threshold keeps the promise of {promise:.1%}: over all texts {agreed:.1%} of the numbers agree with the "
        f"log within {tolerance:g}, and of {narrow:.1%} of the texts the interval is as narrow. Collect more calls of "
        "this template, promise less, give a larger --tolerance, or leave it to the ladder."
    )


def _fitted(
    texts: Sequence[str], numbers: Sequence[float], scale: _Scale, tolerance: float, promise: float, watch: Watch
) -> tuple[dict[str, Any], dict[str, Any], Floats]:
    """Return the arrays and the header of a file, and what would be told of each text by a ridge without it.

    Texts without a number are not learnt. They are judged with the others, for a number would not agree with their
    answers.
    """
    import numpy as np

    watch("reading the texts", 0.0)
    deep, flat = (one.astype(np.float16) for one in vectors(texts))
    watch("comparing the texts", 0.0)
    every = np.array(numbers)
    learnt = ~np.isnan(every)
    rows = deep[learnt].astype(np.float32), flat[learnt].astype(np.float32)
    like = falloff(rows[0] @ rows[0].T, SHARES[0]) + falloff(rows[1] @ rows[1].T, SHARES[1])
    like[np.diag_indices(len(like))] += RIDGE
    known = every[learnt]
    mean, deviation = float(known.mean()), max(float(known.std()), 1e-9)
    scaled = ((known - mean) / deviation).astype(np.float32)
    wanted = np.stack([np.ones_like(scaled), scaled, scaled**2], 1)
    watch("fitting", 0.0)
    inverse = numeric.inverted(like)
    adds = inverse @ wanted
    unseen = np.empty((len(every), 3), np.float32)
    unseen[learnt] = wanted - adds / np.diag(inverse)[:, None]
    strange = np.sort(np.abs(unseen[learnt, 1] - scaled) / spread_of(unseen[learnt]))
    at = min(len(strange) - 1, int(np.ceil(promise * (len(strange) + 1))) - 1)
    watch("fitting", 1.0)
    told = {
        "kind": "score", "labels": [], "encoder": kernel.encoder(), "assumption": ASSUMPTION,
        "mean": mean, "deviation": deviation, "width": float(strange[at]), "tolerance": tolerance,
        "lowest": float(known.min()), "highest": float(known.max()), "least_decimals": scale.decimals[0],
        "decimals": scale.decimals[1], "around": [*scale.around],
    }  # fmt: skip
    arrays = {"minilm": deep[learnt], "static": flat[learnt], "adds": adds.astype(np.float32)}
    if not learnt.all():
        unseen[~learnt] = ScoreHead(arrays, told).tell(*(one[~learnt].astype(np.float32) for one in (deep, flat)))
    return arrays, told, unseen


def _judged(head: ScoreHead, told: Floats, numbers: Sequence[float]) -> Judged:
    import numpy as np

    agree = np.abs(head.number(told) - np.array(numbers)) <= head.tolerance + scores.EXACT  # with no number, nothing
    first = np.zeros(len(agree), np.int64)
    return Judged(first=first, score=told[:, 0], lead=head.lead(told), rank=(~agree).astype(np.int64), classes=2)
