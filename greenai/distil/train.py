"""From pairs to a task model with a promise: split by time, fit, set the thresholds, test on what came last."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from greenai.answerers import kernel
from greenai.answerers.agreement import floor_of
from greenai.answerers.distilled import Head, TaskModel
from greenai.answerers.kernel import Seen
from greenai.answerers.task_file import Held
from greenai.distil import numeric
from greenai.distil.fit import Watch, fit, see_all
from greenai.distil.pairs import Labelled, Pairs, labelled
from greenai.distil.strangers import guard, left, strangers
from greenai.distil.threshold import ASSUMPTION, Judged, Slips, Thresholds, judge, overlooked, risk, slips, thresholds
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.distil.fit import Labels

__all__ = [
    "FEWEST", "MOST", "NotWorthIt", "Tested", "Trained", "check", "header", "none_keeps", "split", "tested", "train",
]  # fmt: skip

FEWEST = 300
"""So many pairs of different texts are needed at least: fewer prove no promise."""
MOST = 9000
"""Of more, the newest are learnt: time grows with the cube of their number."""
TESTED = 0.2
"""The share that came last is only tested on."""


class NotWorthIt(InvalidRequest):
    """No task model can be made of these pairs that keeps the promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What the task model did with the pairs that came last, of texts that it had not seen.

    Attributes:
        pairs: how many there were.
        answered: how many it answered, `coverage` as a share; `early` of them at the first look.
        agreed: how many of these it answered as the log says, slips of the large model counted against it.
        agreement: that as a share, with a 90% interval.
        corrected: agreement with what the large model says when it is consistent, and the lower bound of it.
    """

    pairs: int
    answered: int
    early: int
    agreed: int
    agreement: float
    agreement_low: float
    agreement_high: float
    corrected: float
    corrected_low: float

    @property
    def coverage(self) -> float:
        """The share that it answered."""
        return self.answered / self.pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A task model in memory, what it consists of for the file, and what it was found to be worth."""

    model: TaskModel
    held: Held
    tested: Tested
    slips: Slips
    labels: Mapping[str, int]
    fit_s: float
    fit_core_s: float


def train(
    pairs: Pairs, *, name: str, promise: float = 0.98, teacher: str | None = None, progress: Watch | None = None
) -> Trained:
    """Make a task model of pairs, oldest first.

    Args:
        pairs: what one template's slots held, and what the large model said.
        name: what receipts call the model.
        promise: how often at least it is to say what the large model says.
        teacher: the large model's name.
        progress: told the step, and the share of it that is done.

    Raises:
        NotWorthIt: there are too few pairs or labels, or no threshold keeps the promise.
        MissingExtra: SciPy or the extra `semantic` is not installed.
    """
    numeric.require()
    check(promise)
    watch: Watch = progress or (lambda _step, _share: None)
    began, core = time.perf_counter(), time.process_time()
    known = labelled(pairs)
    _require_labels(known)
    learnt, kept = split(known)
    seen = see_all(learnt.texts, watch)
    numbers = _numbers(learnt)
    fitted = fit(seen, numbers, known.classes, watch)
    first, both, first_without, both_without = (
        judge(scores, numbers).answering(len(known.labels))
        for scores in (fitted.first.unseen, fitted.both.unseen, fitted.first.left_out, fitted.both.left_out)
    )
    slipped = slips(judge(fitted.both.unseen, numbers), known.texts, known.numbers)
    found = thresholds(both, slipped, promise, first=first)
    if found is None:
        raise NotWorthIt(none_keeps(promise, both.only(both.lead >= 0), slipped))
    head = Head(fitted.arrays, classes=known.classes)
    held_out = _test(head, kept, see_all(kept.texts, watch), found, slipped)
    taken = time.perf_counter() - began, time.process_time() - core
    judged = found.joined(both, first)
    without = found.joined(both_without, first_without)
    watched = first.score + judged.score
    strange = strangers(both_without, first_without.score + without.score, both, numbers, len(known.labels))
    told = {
        **header(pairs, learnt, found, slipped, held_out, name=name, promise=promise, teacher=teacher),
        "labels": [*known.labels],
        "classes": known.classes,
        "overlooked": {
            known.labels[label]: [*counts]
            for label, counts in overlooked(judged, numbers, found).items()
            if label < len(known.labels)
        },
        "early": None if found.early is None else asdict(found.early),
        "encoder": kernel.encoder(),
        "guard": {
            **guard(both, watched, strange, slipped, found, promise=promise, known=len(known.labels)),
            "left": left(judged, numbers, found, len(known.labels)),
        },
    }
    held = Held(header=told, arrays=fitted.arrays, sha256="")
    return Trained(
        model=TaskModel(held),
        held=held,
        tested=held_out,
        slips=slipped,
        labels=dict(Counter(known.labels[n] for n in known.numbers if n < len(known.labels))),
        fit_s=taken[0],
        fit_core_s=taken[1],
    )


def check(promise: float) -> None:
    """Refuse a promise that is no share."""
    if not 0.5 <= promise < 1:
        raise InvalidRequest(f"A promise lies between 0.5 and 1, and {promise} was given. Write 0.98 for 98%.")


def _require_labels(known: Labelled) -> None:
    if len(known.labels) < 2:
        raise NotWorthIt(
            f"{len(known.texts)} pairs have {len(known.labels)} labels that recur, and a task model needs two at "
            "least. Choose another template, or leave this one to the ladder."
        )


def split(known: Labelled, readable: Callable[[str], bool] = kernel.readable) -> tuple[Labelled, Labelled]:
    """Return what is learnt and what is tested on: each text once, what came last apart, no text in both.

    Raises:
        NotWorthIt: there are too few of either.
    """
    cut = round(len(known.texts) * (1 - TESTED))
    learnt = _once(known.texts[:cut], known.numbers[:cut], known.labels, readable)
    before = set(map(str.casefold, learnt.texts))
    later = _once(known.texts[cut:], known.numbers[cut:], known.labels, readable)
    fresh = [at for at, text in enumerate(later.texts) if text.casefold() not in before]
    kept = Labelled(
        texts=tuple(later.texts[at] for at in fresh), numbers=tuple(later.numbers[at] for at in fresh),
        labels=known.labels,
    )  # fmt: skip
    if len(learnt.texts) < FEWEST * (1 - TESTED) or len(kept.texts) < FEWEST * TESTED:
        raise NotWorthIt(
            f"{len(learnt.texts)} different texts to learn and {len(kept.texts)} new ones to test on are too few to "
            f"prove a promise: {FEWEST} are needed at least. Collect more calls of this template; what is repeated is "
            "answered by the cache already."
        )
    return learnt, kept


def _once(
    texts: Sequence[str], numbers: Sequence[int], labels: tuple[str, ...], readable: Callable[[str], bool]
) -> Labelled:
    """Return each text once, with the label it was given most often; of too many, the newest."""
    said: defaultdict[str, Counter[int]] = defaultdict(Counter)
    spelt: dict[str, str] = {}
    for text, number in zip(texts, numbers, strict=True):
        folded = text.casefold()
        spelt.pop(folded, None)  # the last time counts for its place
        spelt[folded] = text
        said[folded][number] += 1
    newest = [folded for folded, text in spelt.items() if readable(text)][-MOST:]
    return Labelled(
        texts=tuple(spelt[folded] for folded in newest),
        numbers=tuple(said[folded].most_common(1)[0][0] for folded in newest),
        labels=labels,
    )


def _numbers(known: Labelled) -> Labels:
    import numpy as np

    return np.array(known.numbers, np.int64)


def none_keeps(promise: float, judged: Judged, slipped: Slips) -> str:
    """Say with the numbers why no threshold keeps the promise."""
    agreed = float((judged.rank == 0).mean()) if len(judged.rank) else 0.0
    return (
        f"No threshold keeps the promise of {promise:.1%}: over all texts the log agrees in {agreed:.1%}, and the "
        f"large model itself is inconsistent in {slipped.share:.1%}. Collect more calls of this template, promise "
        "less, or leave it to the ladder."
    )


def _test(head: Head, kept: Labelled, seen: Sequence[Seen], found: Thresholds, slipped: Slips) -> Tested:
    import numpy as np

    numbers, labels = _numbers(kept), len(kept.labels)
    looked = np.array([head.first(one) for one in seen])
    both = np.array([head.both(first, one) for first, one in zip(looked, seen, strict=True)])
    first, judged = (judge(scores, numbers).answering(labels) for scores in (looked, both))
    early = 0 if found.early is None else int(found.early.answers(first).sum())
    return tested(found.joined(judged, first), len(kept.texts), found, slipped, early)


def tested(judged: Judged, pairs: int, found: Thresholds, slipped: Slips, early: int) -> Tested:
    """Return how a task model does on pairs, of which `judged` are those to which it says something that it knows.

    `early` of them it answered at the first look.
    """
    said = found.answered(judged)
    answered, agreed = len(said.rank), int((said.rank == 0).sum())
    return Tested(
        pairs=pairs,
        answered=answered,
        early=early,
        agreed=agreed,
        agreement=agreed / max(1, answered),
        agreement_low=numeric.at_least(agreed, answered, 0.95) if answered else 0.0,
        agreement_high=numeric.at_most(agreed, answered, 0.95) if answered else 1.0,
        corrected=1 - risk(said, slipped, sure=None),
        corrected_low=1 - risk(said, replace(slipped, rows=0)),  # other rows than the slips were read from
    )


def _require_kept(tested: Tested, slipped: Slips, promise: float) -> None:
    """Refuse what agrees surely less with what came last than a kept promise, with slips, looks like."""
    floor = floor_of(promise, slipped.high)
    if tested.answered and tested.agreement_high < floor:
        raise NotWorthIt(
            f"The promise of {promise:.1%} is not kept: of the {tested.pairs:,} latest texts it answered "
            f"{tested.answered:,}, and {tested.agreement:.1%} (at most {tested.agreement_high:.1%}) of these as the "
            f"log says, where it comes to {floor:.1%}. What came last is unlike what came before: the large model, its "
            "prompt or the texts have changed, or many texts are nearly the same. Name only logs since then, or leave "
            "it to the ladder."
        )


def header(
    pairs: Pairs, learnt: Labelled, found: Thresholds, slipped: Slips, tested: Tested, *,
    name: str, promise: float, teacher: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what a file tells of a task model of any kind.

    Raises:
        NotWorthIt: the test surely refutes the promise: what came last is unlike what the threshold was set on.
    """
    _require_kept(tested, slipped, promise)
    return {
        "name": name,
        "template": pairs.template.to_json(),
        "threshold": found.lead,
        "familiar": found.score,
        "longest": 2 * max(map(len, learnt.texts)),
        "promise": promise,
        "teacher": teacher,
        "assumption": ASSUMPTION[slipped.source],
        "learnt": len(learnt.texts),
        "bound": found.bound,
        "slips": {"share": slipped.share, "low": slipped.low, "high": slipped.high, "source": slipped.source},
        "tested": {
            "pairs": tested.pairs, "answered": tested.answered, "early": tested.early, "agreed": tested.agreed,
            "coverage": tested.coverage, "agreement": tested.agreement, "agreement_low": tested.agreement_low,
            "agreement_high": tested.agreement_high, "corrected": tested.corrected,
            "corrected_low": tested.corrected_low,
        },
    }  # fmt: skip
