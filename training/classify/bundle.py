"""One fit from start to end on the rows that may be seen: word vectors, heads, scales, curves, thresholds.

`build` returns the arrays of the two packaged files. Nothing is chosen on rows that `keep` leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ability
import combine_fit as cf
import distil
import matrices
import numpy as np
from data import Texts, bucket, stem
from heads import Data, Heads, fit
from linear import softmax
from matrices import Matrices
from scipy.optimize import minimize, minimize_scalar
from targets import CHAT, FACTS, Target, correctness

from greenai.classify import combine
from greenai.classify.features import SCALES
from greenai.classify.judge import TASKS
from greenai.classify.signals import SIGNALS
from greenai.classify.timely import volatility
from greenai.classify.view import asked, ruled
from greenai.embed.neighbours import index

Array = np.ndarray
KINDS = {"tasks", "sources", "generation", "volatility", "hardness", "domains", "lengths", "difficulty"}
CENTRES = {"exam": 256, "reasoning": 128}
FALSE_SKIPS = 0.004  # of chat prompts; less than the 0.5% that is promised
LARGE_GAIN = 0.16  # on MMLU rows not seen it keeps 97% of GPT-4's accuracy; also the floor of quality "standard"
REASONING_SHARE = 0.54  # of prompts that reason where the project opted in


@dataclass(slots=True)
class Prepared:
    """What does not depend on which rows are held out."""

    texts: Texts
    vocabulary: list[str]
    matrices: Matrices
    teacher: Array
    has_teacher: Array
    copies: Array
    buckets: Array

    @property
    def count(self) -> int:
        return len(self.texts.texts)


def prepare(texts: Texts, vocabulary: list[str], teacher_of: Callable[[list[str]], Array]) -> Prepared:
    """Turn every text, and every third with typing errors, into matrices; fetch the teacher's vectors."""
    count = len(texts.texts)
    noisy = [matrices.misspelt(text, number) for number, text in enumerate(texts.texts) if number % 3 == 0]
    copies = np.full(count, -1)
    copies[::3] = np.arange(count, count + len(noisy))
    taught = [i for i in range(count) if texts.taught[i]]
    teacher = np.zeros((count, 384), np.float32)
    teacher[taught] = teacher_of([texts.texts[i] for i in taught])
    return Prepared(
        texts, vocabulary, matrices.build(texts.texts + noisy, vocabulary), teacher,
        np.array(texts.taught), copies, np.array([bucket(stem(texts.folder, t)) for t in texts.texts]),
    )  # fmt: skip


def build(
    ready: Prepared, keep: Callable[[Target], Array], seen: Array, say: Callable[[str], None]
) -> dict[str, dict[str, Array]]:
    """Return the arrays of vectors.npz and heads.npz.

    Args:
        ready: texts as matrices.
        keep: which rows of a target may be fitted on.
        seen: which texts the word vectors may be fitted on.
        say: told each step.
    """
    say("word vectors")
    own = np.flatnonzero(seen & ready.has_teacher)
    noisy = ready.copies[own]
    both = np.concatenate([own, noisy[noisy >= 0]])
    table, scale = distil.in_eight_bits(
        distil.fit(ready.matrices.words[both], np.concatenate([ready.teacher[own], ready.teacher[own[noisy >= 0]]]))
    )
    vectors = distil.encoded(ready.matrices.words, table.astype(np.float32) * scale.astype(np.float32)[:, None])
    centre, spread = ready.matrices.signals[own].mean(0), ready.matrices.signals[own].std(0) + 1e-3
    x = matrices.features(ready.matrices, np.arange(ready.matrices.words.shape[0]), vectors, centre, spread)
    data = Data(x, ready.copies, ready.texts)
    targets = data.targets()
    say("heads")
    heads = fit(data, targets, keep)
    params: dict[str, Any] = {"columns": {n: [at.start, at.stop] for n, at in heads.columns.items()}}
    params["reasoning_means"] = [float(m) for m in heads.reasoning_means]
    scaling = cf.Scaling()
    fold = _Fold(data, targets, vectors, ready.buckets, keep, ready.matrices)
    say("exams: predictions for rows and subjects not seen")
    params["exam"] = _exam(fold, scaling)
    say("word problems")
    params["word_problem"] = _word_problems(fold, scaling)
    say("reasoning: predictions for rows and tasks not seen")
    params["reasoning"], share = _reasoning(fold, scaling)
    say("kinds of requests: predictions for rows not seen")
    params |= _kinds(fold, ready)
    params["thresholds"] |= {"reasoning_gain": round(share, 4)}
    params["scaling"] = {n: [scaling.centre[n], scaling.spread[n]] for n in scaling.centre}
    names = {"exam": "mmlu", "reasoning": "reasoning"}
    centres = {
        kind: cf.centres_of(vectors[cf.known_rows(targets, name, keep)], CENTRES[kind]).astype(np.float16)
        for kind, name in names.items()
    }
    return {
        "vectors": {"words": _bytes("\n".join(ready.vocabulary)), "table": table, "scale": scale}
        | dict(zip(("keys", "numbers"), index(ready.vocabulary), strict=True)),
        "heads": _packed(heads, centre, spread) | centres | {"params": _bytes(json.dumps(params))},
    }


@dataclass(slots=True)
class _Fold:
    data: Data
    targets: dict[str, Target]
    vectors: Array
    buckets: Array
    keep: Callable[[Target], Array]
    matrices: Matrices

    @property
    def length(self) -> Array:
        return self.matrices.signals[:, 0]

    def predict(self, name: str, only: set[str], by: str, kind: str) -> cf.Predicted:
        gate = combine.EXAM_GATE if kind == "exam" else combine.REASONING_GATE
        return cf.predict(
            self.data, self.targets, self.vectors, self.buckets, name=name, only=only, by=by, count=4,
            centres=CENTRES[kind], span=gate, keep=self.keep,
        )  # fmt: skip


def _exam(fold: _Fold, scaling: cf.Scaling) -> list[float]:
    found = [fold.predict("mmlu", cf.EXAM, by, "exam") for by in ("rows", "groups")]
    for name, values in found[0].scores.items():
        scaling.learn(name, values)
    scaling.learn("length", fold.length[found[0].rows])
    score, near, happened = [], [], []
    for p in found:
        z = {n: scaling(n, v) for n, v in p.scores.items()} | {"length": scaling("length", fold.length[p.rows])}
        score.append(combine.exam_score(z, p.familiar))
        near.append(p.familiar)
        happened.append(_gained(p.y))
    return cf.curve(np.concatenate(score), np.concatenate(near), np.concatenate(happened))


def _word_problems(fold: _Fold, scaling: cf.Scaling) -> list[float]:
    p = fold.predict("gsm8k", {"gsm8k"}, "rows", "exam")
    scaling.learn("gsm8k", p.scores["gsm8k"])
    scaling.learn("problem length", fold.length[p.rows])
    z = {"gsm8k": scaling("gsm8k", p.scores["gsm8k"]), "length": scaling("problem length", fold.length[p.rows])}
    return cf.platt(combine.word_problem_score(z), _gained(p.y))


def _reasoning(fold: _Fold, scaling: cf.Scaling) -> tuple[list[float], float]:
    found = [fold.predict("reasoning", cf.REASON, by, "reasoning") for by in ("rows", "groups")]
    for name in ("by task", "reasoning"):
        scaling.learn(name, found[0].scores[name])
    score = [
        combine.reasoning_score(
            scaling("by task", p.scores["by task"]),
            {"reasoning": scaling("reasoning", p.scores["reasoning"])},
            p.familiar,
        )
        for p in found
    ]
    happened = [_gained(p.y) for p in found]
    near = [p.familiar for p in found]
    curve = cf.curve(np.concatenate(score), np.concatenate(near), np.concatenate(happened))
    known = 1 / (1 + np.exp(-combine.logit(curve, score[0], near[0])))
    known = known[found[0].groups != FACTS]  # nobody asks for more thought about a single fact
    return curve, float(np.quantile(known, 1 - REASONING_SHARE))


def _gained(y: Array) -> Array:
    return ((y[:, 0] == 0) & (y[:, 1] == 1)).astype(float)


# --- kinds of requests --------------------------------------------------------------------


def _kinds(fold: _Fold, ready: Prepared) -> dict[str, Any]:
    """Calibrate on a quarter of the rows that a second fit leaves out."""
    later = lambda t: fold.keep(t) & (ready.buckets[t.rows] % 4 != 0)  # noqa: E731
    heads = fit(fold.data, fold.targets, later, KINDS)

    def left_out(name: str) -> tuple[Target, dict[str, Array]]:
        target = fold.targets[name]
        target = target.only(fold.keep(target) & (ready.buckets[target.rows] % 4 == 0))
        return target, heads.scores(fold.data.x[target.rows])

    slopes = {}
    for name, key in (("tasks", "task_slope"), ("sources", "source_slope"), ("domains", "domain_slope")):
        target, scores = left_out(name)
        slopes[key] = _temperature(scores[name], target.y, target.weights)
    target, scores = left_out("generation")
    asked = np.isin(target.groups, [*CHAT, "metatool_need", "bfcl"]) | (target.y == 0)
    wrote = target.y[asked] == 1  # calibrated for as many of one as of the other: no mix of requests is everybody's
    even = np.where(wrote, 0.5 / wrote.sum(), 0.5 / (~wrote).sum())
    generation = cf.platt(scores["generation"].ravel()[asked], target.y[asked], even)
    volatile = _volatile(*left_out("volatility"), ready)
    target, scores = left_out("lengths")
    spread = float(np.quantile(target.y - scores["lengths"].ravel(), 0.9))
    return {
        **slopes, "generation": generation, "volatility": volatile, "length_spread": spread,
        "ability": _ability(fold, heads, ready), "thresholds": _thresholds(fold, generation),
    }  # fmt: skip


def _temperature(scores: Array, y: Array, weights: Array) -> float:
    def loss(slope: float) -> float:
        return float(-(weights[:, None] * y * np.log(softmax(slope * scores) + 1e-9)).sum() / weights.sum())

    return float(minimize_scalar(loss, bounds=(0.2, 3), method="bounded").x)


def _volatile(target: Target, scores: dict[str, Array], ready: Prepared) -> list[float]:
    tasks = [TASKS[i] for i in scores["tasks"].argmax(1)]
    rule = np.array(
        [volatility(ruled(asked(ready.texts.texts[r])), task)[0] for r, task in zip(target.rows, tasks, strict=True)]
    )
    score, odds, y, w = scores["volatility"].ravel(), np.log(rule / (1 - rule)), target.y, target.weights

    def loss(v: Array) -> float:
        at = v[0] + v[1] * score + v[2] * odds
        return float((w * (np.logaddexp(0, at) - y * at)).mean())

    return [float(v) for v in minimize(loss, np.array([0.0, 1.0, 0.0]), method="BFGS").x]


def _ability(fold: _Fold, heads: Heads, ready: Prepared) -> dict[str, Any]:
    """Fit abilities, by kind of text, on rows that the difficulty's fit left out."""
    recorded = correctness(ready.texts)
    found: dict[str, Any] = {}
    for kind, names in ability.KINDS.items():
        outcomes, difficulty = {}, {}
        for name in names:
            at, right, models = recorded[name]
            target = Target(at, at, at.astype(np.float32), np.array([name] * len(at)))
            use = fold.keep(target) & (ready.buckets[at] % 4 == 0)
            outcomes[name] = (at[use], right[use], models)
            difficulty[name] = heads.scores(fold.data.x[at[use]])["difficulty"].ravel()
        slope, abilities = ability.fit(difficulty, outcomes)
        start, per_log, spread = ability.by_size(abilities)
        everyday = float(np.median(np.concatenate(list(difficulty.values()))))
        found[kind] = {
            "slope": slope, "recorded": abilities, "by_size": [start, per_log], "size_spread": spread,
            "everyday": [everyday - 3.0, everyday + 0.5], "mean": everyday,
        }  # fmt: skip
    return found


def _thresholds(fold: _Fold, curve: list[float]) -> dict[str, float]:
    """Return the probability below which no model is needed: so that few chat prompts lie below it."""
    found = fold.predict("generation", {"generation"}, "rows", "exam")
    probability = 1 / (1 + np.exp(-(curve[0] + curve[1] * found.scores["generation"])))
    latin = fold.matrices.signals[found.rows, SIGNALS.index("share beyond ASCII")] < 0.1  # use holds the rest back
    chat = np.isin(found.groups, CHAT) & latin
    return {
        "needs_generation": float(np.quantile(probability[chat], FALSE_SKIPS)),
        "volatile": 0.5,
        "large_gain": LARGE_GAIN,
    }


# --- files --------------------------------------------------------------------------------


def _bytes(text: str) -> Array:
    return np.frombuffer(text.encode(), np.uint8)


def _packed(heads: Heads, centre: Array, spread: Array) -> dict[str, Array]:
    """Cut the table into blocks, fold the scales of the blocks in, and take the large blocks to eight bits."""
    dimensions, signals = distil.DIMENSIONS, len(centre)
    pairs = matrices.PAIRS
    words = heads.table.shape[0] - dimensions - pairs - signals
    vector, word, pair, signal = np.split(heads.table, np.cumsum([dimensions, words, pairs]))
    pairs_8, pairs_scale = _columns(pair * SCALES.pairs)
    return {
        "vector": (vector * SCALES.vector).astype(np.float32), "words": (word * SCALES.words).astype(np.float16),
        "pairs": pairs_8, "pairs_scale": pairs_scale, "signals": (signal * SCALES.signals).astype(np.float32),
        "bias": heads.bias.astype(np.float32), "centre": centre.astype(np.float32), "spread": spread.astype(np.float32),
    }  # fmt: skip


def _columns(table: Array) -> tuple[Array, Array]:
    """Return int8 with a scale per column.

    Words are kept in 16 bits instead: the few that decide weigh a hundred times more than the rest.
    """
    scale = (np.abs(table).max(0) / 127 + 1e-9).astype(np.float32)
    return np.rint(table / scale).clip(-127, 127).astype(np.int8), scale
