"""Fits a model of answers that are copied out of the text: a softmax over all stretches of it, with ridge.

A pair of which the answer stands in the text says that one of the stretches with these letters was meant, and not
which. Answers that recur without standing in their texts ("none") are constants; any other is "another answer". What
each pair would have been told by a model that had not seen it is found by leaving out a fifth at a time.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from greenai.answerers import spans
from greenai.answerers.distilled import TaskModel
from greenai.answerers.replies import alike
from greenai.answerers.spans import BUCKETS, COLUMNS, FORMS, MOST_TOKENS, Cut, SpanHead, spelt
from greenai.answerers.task_file import Held
from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL
from greenai.distil import numeric
from greenai.distil.pairs import Labelled
from greenai.distil.threshold import Judged, slips, thresholds
from greenai.distil.train import NotWorthIt, Trained, check, header, none_keeps, split, tested

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats, Numbers
    from greenai.distil.fit import Watch
    from greenai.distil.pairs import Pairs

__all__ = ["CLASSES", "COPIED", "Copied", "copied", "train"]

COPIED = 0.8
"""So much of the answers must be copies or constants."""
MOST_CONSTANTS = 20
MOST_SPAN = 20  # tokens
MOST_STRETCHES = 3_000_000
"""Of more in all texts together, the newest texts are learnt: memory and time grow with them."""
FOLDS = 5
RIDGE = 0.5
ROUNDS = 50
CLASSES = 21
"""Into so many classes the candidates of a text are put by rank, since each text has another number of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How a log's answers are copies.

    Attributes:
        form: how an answer is written, one of `FORMS`.
        around: what stands before and after the copy in every answer.
        constants: what is answered without copying.
        longest: tokens of the longest copy.
        keys: of each pair, what its answer is compared by.
        share: how many of the answers are copies or constants; `spans` are the copies alone.
    """

    form: str
    around: tuple[str, str]
    constants: tuple[str, ...]
    longest: int
    keys: tuple[str, ...]
    share: float
    spans: float


def copied(texts: Sequence[str], answers: Sequence[str]) -> Copied:
    """Return how the answers are copies of their texts, in the form and the wrapping that most of them have."""
    wrappings = [("", ""), *_wrapping(answers)]
    return max(
        (_copied(texts, answers, around, form) for around in wrappings for form in FORMS),
        key=lambda one: (round(one.spans, 2), *_exact(one, texts, answers)),
    )


def _wrapping(answers: Sequence[str]) -> list[tuple[str, str]]:
    """Return what nearly all answers begin and end with, if anything: {"city": "Paris"}."""
    if len(set(answers)) < 2:
        return []
    before, after = _beginning(answers), _beginning([answer[::-1] for answer in answers])[::-1]
    return [(before, after)] if before or after else []


def _beginning(answers: Sequence[str]) -> str:
    """Return what nine of ten answers begin with, as far as the last sign that is no letter or digit."""
    least, found = 0.9 * len(answers), ""
    while True:
        ahead = Counter(answer[: len(found) + 1] for answer in answers if len(answer) > len(found))
        longer, count = ahead.most_common(1)[0] if ahead else ("", 0)
        if count < least:
            return re.sub(r"\w*$", "", found)
        found = longer


def _exact(one: Copied, texts: Sequence[str], answers: Sequence[str]) -> tuple[int, int]:
    """Return how many answers are the copy to the letter, and prefer the form that changes nothing."""
    written = FORMS[one.form]
    some = zip(texts[:500], answers[:500], strict=True)
    exact = sum(_bare(answer, one.around) in written(text) for text, answer in some)
    return exact, -list(FORMS).index(one.form)


def _bare(answer: str, around: tuple[str, str]) -> str:
    return answer.removeprefix(around[0]).removesuffix(around[1])


def _copied(texts: Sequence[str], answers: Sequence[str], around: tuple[str, str], form: str) -> Copied:
    bare = [_bare(answer, around) for answer in answers]
    lengths = [_length(text, answer, form) for text, answer in zip(texts, bare, strict=True)]
    rest = Counter(spelt(a) for a, length in zip(answers, lengths, strict=True) if not length)
    recur = [key for key, n in rest.most_common(MOST_CONSTANTS) if n >= FEWEST_OF_LABEL and len(key) <= LONGEST_LABEL]
    written = Counter(answer for answer in answers if spelt(answer) in recur)
    constants = tuple(max((a for a in written if spelt(a) == key), key=written.__getitem__) for key in recur)
    keys = tuple(
        spelt(b) if length else spelt(a) if spelt(a) in recur else f"\0{spelt(a)}"
        for a, b, length in zip(answers, bare, lengths, strict=True)
    )
    copies = sum(map(bool, lengths))
    return Copied(
        form=form,
        around=around,
        constants=constants,
        longest=_longest([length for length in lengths if length]),
        keys=keys,
        share=(copies + sum(rest[key] for key in recur)) / max(1, len(answers)),
        spans=copies / max(1, len(answers)),
    )


def _longest(lengths: Sequence[int]) -> int:
    """Return a length that all but one in a hundred copies have at most."""
    return min(MOST_SPAN, sorted(lengths)[int(0.99 * (len(lengths) - 1))]) if lengths else 1


def _length(text: str, answer: str, form: str) -> int:
    """Return how many tokens of a text an answer copies, 0 where it is no copy."""
    wanted = spelt(answer)
    if not wanted or (form != "letters and digits" and wanted not in " ".join(text.casefold().split())):
        return 0
    size = len(spans.tokens(answer))
    tokens, written = spans.tokens(text), FORMS[form]
    reach = range(1, MOST_SPAN + 1) if form == "letters and digits" else range(max(1, size - 1), size + 2)
    return next(
        (
            length
            for begin in range(len(tokens))
            for length in reach
            if begin + length <= len(tokens)
            and spelt(written(text[tokens[begin].begin : tokens[begin + length - 1].end])) == wanted
        ),
        0,
    )


# --- fitting --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """All texts in one: their tokens and candidates behind each other, `starts` where each text's candidates begin.

    Buckets are numbered anew by their place in `used`: most of all there are hold nothing.
    """

    used: Numbers
    tokens: Any
    first: Numbers
    last: Numbers
    whole: Numbers
    bags: Any
    starts: Numbers
    of: Numbers
    meant: Floats
    meant_else: Floats


def _rows(cuts: Sequence[Cut], keys: Sequence[str], answers: Sequence[str], how: Copied) -> _Rows:
    import numpy as np

    constants = [spelt(one) for one in how.constants]
    offsets = np.cumsum([0, *(len(one.tokens) for one in cuts)])
    sizes = [len(one.first) for one in cuts]
    meant = [_meant(one, key, _bare(said, how.around), how) for one, key, said in zip(cuts, keys, answers, strict=True)]
    other = np.zeros((len(cuts), len(constants) + 1), np.float32)
    for row, (key, said) in enumerate(zip(keys, meant, strict=True)):
        if key in constants:
            other[row, constants.index(key)] = 1
        elif not said.any():
            other[row, -1] = 1
    kinds = [buckets for one in cuts for buckets in one.features], [one.bag for one in cuts]
    whole = np.concatenate([one.whole for one in cuts])
    used = np.unique(np.concatenate([*kinds[0], *kinds[1], whole.ravel()]))
    tokens, bags = (numeric.counted([np.searchsorted(used, row) for row in rows], len(used)) for rows in kinds)
    return _Rows(
        used=used,
        tokens=tokens,
        first=np.concatenate([one.first + at for one, at in zip(cuts, offsets, strict=False)]),
        last=np.concatenate([one.last + at for one, at in zip(cuts, offsets, strict=False)]),
        whole=np.searchsorted(used, whole),
        bags=bags,
        starts=np.cumsum([0, *sizes])[:-1],
        of=np.repeat(np.arange(len(cuts)), sizes),
        meant=np.concatenate(meant),
        meant_else=other,
    )


def _meant(one: Cut, key: str, bare: str, how: Copied) -> Floats:
    """Return which candidates are meant: those of these very letters, quotes and all, and where none is, the like."""
    import numpy as np

    said = [FORMS[how.form](one.said(at)) for at in range(len(one.first))]
    like = np.array([spelt(text) == key for text in said], np.float32)
    exact = like * np.array([text == bare for text in said], np.float32)
    return exact if exact.any() else like


def _loss(flat: Any, rows: _Rows, counted: Floats) -> tuple[float, Any]:
    """Return how unlikely the answers are, and the slope of it by each weight."""
    import numpy as np

    weights = flat.reshape(len(rows.used), -1)
    of, begin = rows.of, rows.starts
    token = rows.tokens @ weights[:, :3]
    run = np.concatenate([[0.0], np.cumsum(token[:, 2])])
    scores = token[rows.first, 0] + token[rows.last, 1] + run[rows.last + 1] - run[rows.first]
    scores += weights[rows.whole, 3].sum(1)
    beside = rows.bags @ weights[:, COLUMNS:]
    highest = np.maximum(np.maximum.reduceat(scores, begin), beside.max(1))
    all_of, all_else = np.exp(scores - highest[of]), np.exp(beside - highest[:, None])
    total = np.add.reduceat(all_of, begin) + all_else.sum(1)
    wanted = np.add.reduceat(all_of * rows.meant, begin) + (all_else * rows.meant_else).sum(1)
    wanted = np.maximum(wanted, 1e-300)
    loss = float((counted * (np.log(total) - np.log(wanted))).sum() + RIDGE / 2 * (flat @ flat))
    pull = all_of * (counted / total)[of] - all_of * rows.meant * (counted / wanted)[of]
    pull_else = all_else * (counted / total)[:, None] - all_else * rows.meant_else * (counted / wanted)[:, None]
    count = len(token)
    slope = np.empty_like(weights)
    ends = np.bincount(rows.first, pull, count) - np.concatenate([[0.0], np.bincount(rows.last, pull, count)[:-1]])
    by_token = np.stack([np.bincount(rows.first, pull, count), np.bincount(rows.last, pull, count), np.cumsum(ends)], 1)
    slope[:, :3] = rows.tokens.T @ by_token
    slope[:, 3] = np.bincount(rows.whole.ravel(), np.repeat(pull, rows.whole.shape[1]), len(weights))
    slope[:, COLUMNS:] = rows.bags.T @ pull_else
    return loss, (slope + RIDGE * weights).ravel()


def fit(
    cuts: Sequence[Cut], keys: Sequence[str], answers: Sequence[str], how: Copied, watch: Watch
) -> tuple[Mapping[str, Any], list[Any]]:
    """Fit the weights, and those without each fold.

    Args:
        cuts: the texts.
        keys: what their answers are compared by.
        answers: as the log writes them.
        how: how they are copies.
        watch: told how far it is.

    Returns:
        The arrays of the file, and for each text the arrays of a model that had not seen it.
    """
    import numpy as np

    rows = _rows(cuts, keys, answers, how)
    columns = COLUMNS + len(how.constants) + 1
    fold = np.random.default_rng(0).permutation(len(cuts)) % FOLDS
    found: list[Mapping[str, Any]] = []
    for left in range(FOLDS + 1):
        watch("fitting", left / (FOLDS + 1))
        counted = (fold != left).astype(np.float64)
        start = np.zeros(len(rows.used) * columns)
        flat = numeric.least(partial(_loss, rows=rows, counted=counted), start, ROUNDS)
        weights = np.zeros((BUCKETS, columns), np.float16)
        weights[rows.used] = flat.reshape(-1, columns)
        found.append({"weights": weights})
    watch("fitting", 1.0)
    return found[FOLDS], [found[one] for one in fold]


def judged(
    heads: Sequence[SpanHead], cuts: Sequence[Cut], keys: Sequence[str], answers: Sequence[str]
) -> tuple[Judged, Any]:
    """Return how what each text's model says compares with its logged answer, and where it says an answer at all."""
    import numpy as np

    told = [_judge(*one) for one in zip(heads, cuts, keys, answers, strict=True)]
    first, score, lead, rank = (np.array(column) for column in zip(*told, strict=True))
    return Judged(first=first, score=score, lead=lead, rank=rank, classes=CLASSES), first == 0


def _judge(head: SpanHead, one: Cut, key: str, logged: str) -> tuple[int, float, float, int]:
    scores = head.scores(one)
    answers = spans.ranked(one, spans.likeness(scores), head.constants, head.form)
    keys = [told[0] for told in answers]
    at = keys.index(key) if key in keys else len(keys) - 1
    rank = 0 if not at else 1 + (at - 1) * (CLASSES - 1) // max(1, len(keys) - 1)
    said = head.whole(answers[0][1])
    if not rank and said is not None and not alike(said, logged):  # as it is compared in shadow: the quotes of JSON
        rank = 1
    lead = answers[0][2] - (answers[1][2] if len(answers) > 1 else 0.0)
    return int(said is None), float(scores.max()), lead, rank


# --- from pairs to a task model -------------------------------------------------------------


def train(
    pairs: Pairs, *, name: str, promise: float = 0.98, teacher: str | None = None, progress: Watch | None = None
) -> Trained:
    """Make a task model that copies, as `greenai.distil.train.train` makes one of labels.

    Raises:
        NotWorthIt: there are too few pairs or copies, or no threshold keeps the promise.
        MissingExtra: SciPy is not installed.
    """
    numeric.require()
    check(promise)
    watch: Watch = progress or (lambda _step, _share: None)
    began, core = time.perf_counter(), time.process_time()
    how = copied(pairs.texts, pairs.answers)
    if how.share < COPIED or not how.spans:
        raise NotWorthIt(_no_copies(how, len(pairs.texts)))
    keys = sorted(set(how.keys))
    numbers = {key: number for number, key in enumerate(keys)}
    known = Labelled(texts=pairs.texts, numbers=tuple(numbers[key] for key in how.keys), labels=())
    learnt, kept = split(known, _readable)
    learnt = _newest(learnt, how.longest)
    (wanted, said), (later, fresh_said) = (_answers(some, keys, pairs, how) for some in (learnt, kept))
    told = _told(how)
    cuts = [spans.cut(text, how.longest) for text in learnt.texts]
    arrays, unseen = fit(cuts, wanted, said, how, watch)
    made = {id(one): SpanHead(one, told) for one in unseen}
    all_of, answers = judged([made[id(one)] for one in unseen], cuts, wanted, said)
    slipped = slips(all_of, known.texts, known.numbers)
    found = thresholds(all_of.only(answers), slipped, promise)
    if found is None:
        raise NotWorthIt(none_keeps(promise, all_of.only(answers), slipped))
    head, fresh = SpanHead(arrays, told), [spans.cut(text, how.longest) for text in kept.texts]
    last, says = judged([head] * len(fresh), fresh, later, fresh_said)
    held_out = tested(last.only(says), len(kept.texts), found, slipped, 0)
    taken = time.perf_counter() - began, time.process_time() - core
    whole = {
        **header(pairs, learnt, found, slipped, held_out, name=name, promise=promise, teacher=teacher),
        **told,
    }
    held = Held(header=whole, arrays=arrays, sha256="")
    return Trained(
        model=TaskModel(held), held=held, tested=held_out, slips=slipped, labels=_counts(how), fit_s=taken[0],
        fit_core_s=taken[1],
    )  # fmt: skip


def _answers(some: Labelled, keys: Sequence[str], pairs: Pairs, how: Copied) -> tuple[list[str], list[str]]:
    """Return what the answers of some texts are compared by, and how the log writes them."""
    folded = map(str.casefold, pairs.texts)
    written = dict(zip(zip(folded, how.keys, strict=True), pairs.answers, strict=True))
    wanted = [keys[number] for number in some.numbers]
    return wanted, [written[text.casefold(), key] for text, key in zip(some.texts, wanted, strict=True)]


def _readable(text: str) -> bool:
    return 0 < len(spans.tokens(text)) <= MOST_TOKENS


def _newest(learnt: Labelled, longest: int) -> Labelled:
    """Return the newest texts that have together as many stretches as can be learnt."""
    left, at = MOST_STRETCHES, len(learnt.texts)
    while at and left > 0:
        at -= 1
        left -= longest * len(spans.tokens(learnt.texts[at]))
    return replace(learnt, texts=learnt.texts[at:], numbers=learnt.numbers[at:])


def _told(how: Copied) -> dict[str, Any]:
    return {
        "kind": "span",
        "labels": [*how.constants],
        "span_tokens": how.longest,
        "form": how.form,
        "around": [*how.around],
        "encoder": spans.VERSION,
    }


def _counts(how: Copied) -> dict[str, int]:
    constants = {spelt(one): one for one in how.constants}
    return dict(Counter(constants[key] for key in how.keys if key in constants))


def _no_copies(how: Copied, pairs: int) -> str:
    return (
        f"{how.share:.1%} of {pairs} answers stand word by word in their texts or recur, and {COPIED:.0%} are needed. "
        "Choose another template, or leave this one to the ladder."
    )
