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


@dataclass(slots=True)
class Left:
    """What folds predicted for rows, subjects and tasks that they left out: for the model card."""

    scaling: cf.Scaling
    exam: dict[str, cf.Predicted]
    problem: cf.Predicted
    reasoning: dict[str, cf.Predicted]
    difficulty: dict[str, cf.Predicted]


def build(
    ready: Prepared, keep: Callable[[Target], Array], seen: Array, say: Callable[[str], None]
) -> tuple[dict[str, dict[str, Array]], Left]:
    """Return the arrays of vectors.npz and heads.npz, and what was predicted on the way.

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
    left = Left(
        scaling,
        fold.both("exams", "mmlu", cf.EXAM, "exam", say), fold.predict("gsm8k", {"gsm8k"}, "rows", "exam"),
        fold.both("reasoning", "reasoning", cf.REASON, "reasoning", say),
        fold.both("difficulty", "difficulty", {"difficulty"}, "exam", say),
    )  # fmt: skip
    params["exam"] = _exam(fold, left)
    params["word_problem"] = _word_problems(fold, left)
    params["reasoning"], share = _reasoning(left)
    say("kinds of requests: predictions for rows not seen")
    params |= _kinds(fold, ready) | {"ability": _ability(left, ready, keep)}
    params["thresholds"] |= {"reasoning_gain": round(share, 4)}
    params["scaling"] = {n: [scaling.centre[n], scaling.spread[n]] for n in scaling.centre}
    exams, tasks = (vectors[cf.known_rows(targets, name, keep)] for name in ("mmlu", "reasoning"))
    centres = {
        "exam": cf.centres_of(exams, CENTRES["exam"]).astype(np.float16),
        "reasoning": cf.relative(cf.centres_of(tasks, CENTRES["reasoning"]), tasks).astype(np.float16),
    }
    built = {
        "vectors": {"words": _bytes("\n".join(ready.vocabulary)), "table": table, "scale": scale}
        | dict(zip(("keys", "numbers"), index(ready.vocabulary), strict=True)),
        "heads": _packed(heads, centre, spread) | centres | {"params": _bytes(json.dumps(params))},
    }
    return built, left


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

    def both(
        self, what: str, name: str, only: set[str], kind: str, say: Callable[[str], None]
    ) -> dict[str, cf.Predicted]:
        """Return predictions by rows and by whole groups that a fit left out."""
        say(f"{what}: predictions for rows and groups not seen")
        return {by: self.predict(name, only, by, kind) for by in ("rows", "groups")}


def _exam(fold: _Fold, left: Left) -> list[float]:
    found, scaling = left.exam, left.scaling
    for name, values in found["rows"].scores.items():
        scaling.learn(name, values)
    scaling.learn("length", fold.length[found["rows"].rows])
    for p in found.values():
        z = {n: scaling(n, v) for n, v in p.scores.items()} | {"length": scaling("length", fold.length[p.rows])}
        p.scores["score"] = combine.exam_score(z, p.familiar)
    return cf.curve_of(list(found.values()))


def _word_problems(fold: _Fold, left: Left) -> list[float]:
    p, scaling = left.problem, left.scaling
    scaling.learn("gsm8k", p.scores["gsm8k"])
    scaling.learn("problem length", fold.length[p.rows])
    z = {"gsm8k": scaling("gsm8k", p.scores["gsm8k"]), "length": scaling("problem length", fold.length[p.rows])}
    p.scores["score"] = combine.word_problem_score(z)
    return cf.platt(p.scores["score"], cf.gained(p.y))


def _reasoning(left: Left) -> tuple[list[float], float]:
    found, scaling = left.reasoning, left.scaling
    for name in ("by task", "reasoning"):
        scaling.learn(name, found["rows"].scores[name])
    for p in found.values():
        p.scores["score"] = combine.reasoning_score({n: scaling(n, v) for n, v in p.scores.items()}, p.familiar)
    curve = cf.curve_of(list(found.values()))
    rows = found["rows"]
    known = 1 / (1 + np.exp(-combine.logit(curve, rows.scores["score"], rows.familiar)))
    known = known[rows.groups != FACTS]  # nobody asks for more thought about a single fact
    return curve, float(np.quantile(known, 1 - REASONING_SHARE))


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
        "thresholds": _thresholds(fold, generation),
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


def _ability(left: Left, ready: Prepared, keep: Callable[[Target], Array]) -> dict[str, Any]:
    """Fit abilities, by kind of text, on difficulties of rows and of subjects that a fit left out."""
    recorded = correctness(ready.texts)
    found: dict[str, Any] = {}
    for kind, names in ability.KINDS.items():
        outcomes, difficulty = {}, {}
        for name in names:
            at, right, models = recorded[name]
            use = keep(Target(at, at, at.astype(np.float32), np.array([name] * len(at))))
            predicted = [p for by, p in left.difficulty.items() if by == "rows" or kind == "choice"]
            told = [dict(zip(p.rows.tolist(), p.scores["difficulty"].tolist(), strict=True)) for p in predicted]
            kept = [np.array([ok and int(r) in of for r, ok in zip(at, use, strict=True)]) for of in told]
            outcomes[name] = (at, np.concatenate([right[k] for k in kept]), models)
            difficulty[name] = np.array([of[int(r)] for of, k in zip(told, kept, strict=True) for r in at[k]])
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
        "within": (heads.within * SCALES.vector).astype(np.float32),
        "within_bias": heads.within_bias.astype(np.float32),
        "bias": heads.bias.astype(np.float32), "centre": centre.astype(np.float32), "spread": spread.astype(np.float32),
    }  # fmt: skip


def _columns(table: Array) -> tuple[Array, Array]:
    """Return int8 with a scale per column.

    Words are kept in 16 bits instead: the few that decide weigh a hundred times more than the rest.
    """
    scale = (np.abs(table).max(0) / 127 + 1e-9).astype(np.float32)
    return np.rint(table / scale).clip(-127, 127).astype(np.int8), scale
