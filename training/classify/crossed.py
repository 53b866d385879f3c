"""Figures over all rows: each row, subject or task is judged by a fit that left it out.

A held-out fifth has a thousand rows, and its intervals are as wide as what one wants to know. Here every row counts
once by a fit without a quarter of the rows, and once by a fit without a quarter of the subjects or families of tasks.
The curves from scores to probabilities are fitted on four fifths of those and read on the last. Word vectors have seen
all texts, though no outcome; the scaling of the heads' scores is the same for all. These figures are of the exam's,
the reasoning's and the ability's own probability, before `assess` mixes kinds of text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ability
import combine_fit as cf
import numpy as np
from evaluate import above, calibrated, mean_of_groups, routing
from targets import FACTS, correctness, family

from greenai.classify import combine
from greenai.classify.ability import short

if TYPE_CHECKING:
    from bundle import Left, Prepared

Array = np.ndarray
FIFTHS = 5
MAY_REASON = 0.55
JUDGED = ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct", "Mixtral-8x7B-Instruct-v0.1")
TITLES = {"rows": "rows left out", "groups": "groups left out"}


def figures(left: Left, ready: Prepared) -> dict[str, Any]:
    """Return the figures by what was left out."""
    found: dict[str, Any] = {}
    for by, title in TITLES.items():
        p, probability = left.exam[by], _probabilities(left.exam, by, ready)
        found[f"RouteLLM MMLU, {title}"] = routing(probability, _length(p, ready), *p.y.T)
        found[f"reasoning, {title}"] = _reasoned(left.reasoning, by, ready)
    found["RouteLLM GSM8K, rows left out"] = _problems(left.problem, ready)
    found["RouteLLM GSM8K, difficulty learnt elsewhere"] = _transferred(left, ready)
    return {"all rows": found | _sufficed(left, ready)}


def _fifth(p: cf.Predicted, by: str, ready: Prepared) -> Array:
    """Return which fifth each row belongs to; whole families stay together where groups are left out."""
    if by == "rows":
        return np.asarray(ready.buckets[p.rows] % FIFTHS)
    names = np.random.default_rng(7).permutation(sorted({family(g) for g in p.groups}))
    number = {name: at % FIFTHS for at, name in enumerate(names)}
    return np.array([number[family(g)] for g in p.groups])


def _probabilities(found: dict[str, cf.Predicted], by: str, ready: Prepared) -> Array:
    fifth = {name: _fifth(p, name, ready) for name, p in found.items()}
    wanted = found[by]
    probability = np.zeros(len(wanted.rows))
    for k in range(FIFTHS):
        curve = cf.curve_of(list(found.values()), [f != k for f in fifth.values()])
        at = fifth[by] == k
        probability[at] = _sigmoid(combine.logit(curve, wanted.scores["score"][at], wanted.familiar[at]))
    return probability


def _problems(p: cf.Predicted, ready: Prepared) -> dict[str, Any]:
    fifth, probability, score = _fifth(p, "rows", ready), np.zeros(len(p.rows)), p.scores["score"]
    for k in range(FIFTHS):
        a, b = cf.platt(score[fifth != k], cf.gained(p.y)[fifth != k])
        probability[fifth == k] = _sigmoid(a + b * score[fifth == k])
    return routing(probability, _length(p, ready), *p.y[:, :2].T)


def _transferred(left: Left, ready: Prepared) -> dict[str, Any]:
    """Return what the difficulty says whose fit saw no outcome of GSM8K, with the length as for word problems."""
    p, told = left.problem, left.difficulty["groups"]
    known = dict(zip(told.rows.tolist(), told.scores["difficulty"].tolist(), strict=True))
    kept = np.array([int(r) in known for r in p.rows])
    hard = np.array([known[int(r)] for r in p.rows[kept]])
    length = _length(p, ready)[kept]
    standard = [(v - v.mean()) / v.std() for v in (hard, np.log1p(length))]
    score = combine.word_problem_score({"gsm8k": standard[0], "length": standard[1]})
    figures = routing(score, length, *p.y[kept, :2].T)
    return {name: figures[name] for name in ("rows", "apgr", "interval", "length", "above length")}


def _reasoned(found: dict[str, cf.Predicted], by: str, ready: Prepared) -> dict[str, Any]:
    p, task = found[by], found[by].groups != FACTS
    probability, length, (weak, strong) = _probabilities(found, by, ready)[task], _length(p, ready)[task], p.y[task].T
    told = routing(probability, length, weak, strong)
    told["mean within tasks"] = mean_of_groups(probability, p.groups[task], weak, strong)
    told["mean within tasks of length"] = mean_of_groups(length, p.groups[task], weak, strong)
    chosen = probability >= np.quantile(probability, 1 - MAY_REASON)
    told[f"gain kept where {MAY_REASON:.0%} reason"] = round(
        float((strong - weak)[chosen].sum() / (strong - weak).sum()), 4
    )
    if by == "rows":
        mean = _task_means(p, _fifth(p, by, ready))[task]
        told["task's mean"] = routing(mean, length, weak, strong)["apgr"]
        told["above the task's mean"] = above(probability, mean, weak, strong)
    return told


def _task_means(p: cf.Predicted, fifth: Array) -> Array:
    """Return the mean gain of each row's task on the other fifths."""
    gain, mean = p.y[:, 1] - p.y[:, 0], np.zeros(len(p.rows))
    for group in set(p.groups):
        of = p.groups == group
        for k in range(FIFTHS):
            known = of & (fifth != k)
            mean[of & (fifth == k)] = gain[known].mean() if known.any() else 0.0
    return mean


def _sufficed(left: Left, ready: Prepared) -> dict[str, Any]:
    """Return how well one model's P(right) on MMLU-Pro is calibrated, abilities fitted on four fifths."""
    at, right, names = correctness(ready.texts)["mmlu_pro"]
    found = {}
    for by, title in TITLES.items():
        p = left.difficulty[by]
        told = dict(zip(p.rows.tolist(), range(len(p.rows)), strict=True))
        kept = np.array([int(r) in told for r in at])
        place = np.array([told[int(r)] for r in at[kept]])
        hard, fifth, ok = p.scores["difficulty"][place], _fifth(p, by, ready)[place], right[kept]
        probability = np.full(ok.shape, np.nan)
        for k in range(FIFTHS):
            known, out = fifth != k, fifth == k
            slope, abilities = ability.fit({"all": hard[known]}, {"all": (at, ok[known], names)})
            able = np.array([abilities[short(name)] for name in names])
            probability[out] = _sigmoid(slope * (able[None, :] - hard[out][:, None]))
        for model in JUDGED:
            column = names.index(model)
            ran = np.isfinite(ok[:, column])
            found[f"{short(model)} on MMLU-Pro, {title}"] = calibrated(probability[ran, column], ok[ran, column])
    return found


def _length(p: cf.Predicted, ready: Prepared) -> Array:
    return np.array([len(ready.texts.texts[r]) for r in p.rows], float)


def _sigmoid(log_odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
