"""Scale, gate and calibrate: predictions for rows and groups that a fit never saw, and the curves through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from heads import fit
from linear import softmax
from scipy.optimize import minimize
from targets import family

from greenai.classify import combine

if TYPE_CHECKING:
    from heads import Data
    from targets import Target

EXAM = {"mmlu", "hard of MMLU"}
REASON = {"reasoning", "transfer"}
Array = np.ndarray
FEW = 5


@dataclass(slots=True)
class Scaling:
    """Mean and deviation of each head's score on rows it was not fitted on."""

    centre: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)

    def learn(self, name: str, values: Array) -> None:
        self.centre[name], self.spread[name] = float(values.mean()), float(values.std() + 1e-6)

    def __call__(self, name: str, values: Array) -> Array:
        return (values - self.centre[name]) / self.spread[name]


def centres_of(vectors: Array, count: int, seed: int = 0) -> Array:
    """Return k-means centres of unit vectors, of unit length (Lloyd, cosine)."""
    chance = np.random.default_rng(seed)
    centres = vectors[chance.choice(len(vectors), count, replace=False)]
    for _ in range(12):
        nearest = (vectors @ centres.T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors)
        empty = np.linalg.norm(sums, axis=1) < 1e-6
        sums[empty] = centres[empty]
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres.astype(np.float32)


def relative(centres: Array, vectors: Array) -> Array:
    """Return the centres divided by the median cosine of their own vectors: a product of 1 is then what is usual."""
    cosine = vectors @ centres.T
    nearest, value = cosine.argmax(1), cosine.max(1)
    own = [value[nearest == number] for number in range(len(centres))]
    usual = np.array([np.median(v) if len(v) >= FEW else 0.95 for v in own], np.float32)
    return np.asarray(centres / usual[:, None])


def known_rows(targets: dict[str, Target], name: str, keep: Callable[[Target], Array]) -> Array:
    """Return the numbers of the texts that count as known: of exams, MMLU's and MMLU-Pro's questions."""
    names = (name, "difficulty") if name == "mmlu" else (name,)
    return np.concatenate([targets[n].rows[keep(targets[n])] for n in names])


def familiar(vectors: Array, centres: Array, gate: tuple[float, float]) -> Array:
    """Return the familiarity of unit vectors, in [0, 1]."""
    return combine.familiarity((vectors @ centres.T).max(1), gate).clip(0, 1)


def folds(target: Target, buckets: Array, *, by: str, count: int) -> Iterable[tuple[Array, Callable[[Target], Array]]]:
    """Yield (rows of `target` to predict, what to fit on), by rows or by groups."""
    if by == "rows":
        for k in range(count):
            yield buckets[target.rows] % count == k, lambda t, k=k: buckets[t.rows] % count != k
    else:
        families = np.random.default_rng(5).permutation(sorted({family(g) for g in target.groups}))
        for k in range(count):
            out = set(families[k::count])
            groups = [g for g in set(target.groups) if family(g) in out]
            yield np.isin(target.groups, groups), lambda t, groups=groups: ~np.isin(t.groups, groups)


@dataclass(slots=True)
class Predicted:
    """Scores of rows that the fit never saw; `rows` are numbers of texts."""

    rows: Array
    y: Array
    weights: Array
    groups: Array
    scores: dict[str, Array]
    familiar: Array


def predict(
    data: Data, targets: dict[str, Target], vectors: Array, buckets: Array, *, name: str, only: set[str], by: str,
    count: int, centres: int, span: tuple[float, float], keep: Callable[[Target], Array],
) -> Predicted:  # fmt: skip
    """Return out-of-fold scores of the heads `only` for the rows of target `name`."""
    target = targets[name].only(keep(targets[name]))
    parts: list[Predicted] = []
    for out, fit_on in folds(target, buckets, by=by, count=count):
        if not out.any():
            continue
        heads = fit(data, targets, lambda t, f=fit_on: f(t) & keep(t), only)
        known = known_rows(targets, name, lambda t, f=fit_on: f(t) & keep(t))
        at = target.rows[out]
        scores = heads.scores(data.x[at])
        if "reasoning tasks" in scores:
            shares, within = softmax(scores.pop("reasoning tasks")), scores.pop("within tasks")
            scores["by task"] = combine.by_task(shares, heads.reasoning_means, within)
        flat = {n: s.ravel() for n, s in scores.items()}
        middles = centres_of(vectors[known], centres)
        middles = relative(middles, vectors[known]) if name == "reasoning" else middles
        near = familiar(vectors[at], middles, span)
        parts.append(Predicted(at, target.y[out], target.weights[out], target.groups[out], flat, near))
    merged = {n: np.concatenate([p.scores[n] for p in parts]) for n in parts[0].scores}
    return Predicted(
        *(np.concatenate([getattr(p, a) for p in parts]) for a in ("rows", "y", "weights", "groups")),
        merged, np.concatenate([p.familiar for p in parts]),
    )  # fmt: skip


def curve(score: Array, familiar: Array, happened: Array, weights: Array | None = None) -> list[float]:
    """Return the four coefficients of `combine.logit` that fit best (logistic, with a slight pull to zero)."""
    w = np.ones(len(score)) if weights is None else weights / weights.mean()

    def loss(c: Array) -> float:
        at = combine.logit(c, score, familiar)
        return float((w * (np.logaddexp(0, at) - happened * at)).mean() + 1e-4 * (c * c).sum())

    rising = [(None, None), (0, None), (None, None), (0, None)]  # a higher score never means less
    return [float(v) for v in minimize(loss, np.zeros(4), method="L-BFGS-B", bounds=rising).x]


def gained(y: Array) -> Array:
    """Return 1 where the second of two was right and the first was not."""
    return np.asarray((y[:, 0] == 0) & (y[:, 1] == 1), float)


def curve_of(found: Sequence[Predicted], use: Sequence[Array] | None = None) -> list[float]:
    """Return the curve through the scores of several predictions together, or through the marked rows of each."""
    use = [np.ones(len(p.rows), bool) for p in found] if use is None else use
    parts = [(p.scores["score"][u], p.familiar[u], gained(p.y)[u]) for p, u in zip(found, use, strict=True)]
    score, near, happened = (np.concatenate(part) for part in zip(*parts, strict=True))
    return curve(score, near, happened)


def platt(score: Array, happened: Array, weights: Array | None = None) -> list[float]:
    """Return intercept and slope of log-odds against score."""
    a, b, *_ = curve(score, np.zeros(len(score)), happened, weights)
    return [a, b]
