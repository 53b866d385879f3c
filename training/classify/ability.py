"""How able a model is, and how hard a text: one number each, so that a new model needs no training.

log-odds(right) = slope x (ability - difficulty). Difficulty is a head; abilities of recorded models are fitted on
MMLU-Pro and ZeroEval; for other models a line through parameters, or a public score, gives the ability.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from greenai.classify.ability import short

KINDS = {
    "choice": ("mmlu_pro",), "word problem": ("zeroeval_gsm8k", "zeroeval_math_l5"), "puzzle": ("zeroeval_crux",),
}  # fmt: skip
Outcomes = dict[str, tuple[np.ndarray, np.ndarray, list[str]]]

# Active parameters, billions, of recorded open models (their model cards), for the line from size to ability.
SIZES = {
    "Llama-2-7b-hf": 7, "Llama-2-13b-hf": 13, "Llama-2-70b-hf": 70, "Meta-Llama-3-8B": 8, "Meta-Llama-3-70B": 70,
    "Meta-Llama-3_1-8B-Instruct": 8, "Meta-Llama-3_1-70B-Instruct": 70, "Mistral-7B-Instruct-v0.2": 7,
    "Mixtral-8x7B-Instruct-v0.1": 13, "Phi-3-mini-4k-instruct": 3.8, "Qwen1.5-110B": 110, "Qwen1.5-72B-Chat": 72,
    "Qwen1.5-7B-Chat": 7, "Yi-34B": 34, "Yi-6B": 6, "gemma-7b": 8.5, "Qwen2-72B-Instruct": 72, "Qwen2-7B-Instruct": 7,
    "Qwen2.5-72B-Instruct": 72, "Qwen2.5-32B-Instruct": 32, "Qwen2.5-7B-Instruct": 7, "Qwen2.5-3B-Instruct": 3,
    "gemma-2-27b-it": 27, "gemma-2-9b-it": 9, "gemma-2-2b-it": 2.6, "Meta-Llama-3-8B-Instruct": 8,
    "Meta-Llama-3-70B-Instruct": 70, "Meta-Llama-3.1-8B-Instruct": 8, "Meta-Llama-3.1-70B-Instruct": 70,
    "Phi-3.5-mini-instruct": 3.8, "Yi-1.5-34B-Chat": 34, "Yi-1.5-9B-Chat": 9,
}  # fmt: skip


def mean_difficulty(right: np.ndarray) -> np.ndarray:
    """Return the log-odds of failing, per row, over the models that were run on it."""
    share = (np.nansum(right, 1) + 0.5) / (np.isfinite(right).sum(1) + 1)
    return np.log((1 - share) / share)


def fit(difficulty: dict[str, np.ndarray], outcomes: Outcomes) -> tuple[float, dict[str, float]]:
    """Return the slope and every recorded model's ability, given predicted difficulties by set."""
    keys = sorted({short(m) for _, _, models in outcomes.values() for m in models})
    number = {key: i for i, key in enumerate(keys)}

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        slope, ability = v[0], v[1:]
        total, grad, count = 0.0, np.zeros_like(v), 0
        for name, (_, right, models) in outcomes.items():
            at = np.array([number[short(m)] for m in models])
            gap = ability[at][None, :] - difficulty[name][:, None]
            log_odds, seen = slope * gap, np.isfinite(right)
            y = np.nan_to_num(right)
            total += float(((np.logaddexp(0, log_odds) - y * log_odds) * seen).sum())
            error = (expit(log_odds) - y) * seen
            grad[0] += (error * gap).sum()
            np.add.at(grad, 1 + at, slope * error.sum(0))
            count += int(seen.sum())
        grad[1:] += 2e-5 * count * ability  # without a pull, a slope of 0 would send abilities to infinity
        return total / count + 1e-5 * float(ability @ ability), grad / count

    start = np.concatenate([[1.0], np.zeros(len(keys))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return float(found[0]), {key: round(float(found[1 + i]), 3) for key, i in number.items()}


def by_size(abilities: dict[str, float]) -> tuple[float, float, float]:
    """Return intercept, slope per ln(billion active parameters), and the spread about that line."""
    pairs = [(math.log(size), abilities[short(name)]) for name, size in SIZES.items() if short(name) in abilities]
    x, y = np.array(pairs).T
    slope, start = np.polyfit(x, y, 1)
    return float(start), float(slope), float((y - start - slope * x).std())
