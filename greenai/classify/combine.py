"""How the heads' scores become probabilities: sums and products that hold for one text and for many.

Training and use share these functions, so every value is a float or an array. A head that was fitted on known subjects
or tasks counts in proportion to how familiar a text is; on unfamiliar ones, heads about difficulty decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Value: TypeAlias = Any  # float, or a numpy array of one value per text

DOMAINS = ("choice", "word problem", "puzzle", "other")
"""Kinds of text that differ in what a larger model or reasoning gains: exams, word problems, puzzles, the rest."""

EXAM_GATE = (0.45, 0.6)
"""Cosine to the nearest centre of known texts, between which familiarity rises from 0 to 1.

Chosen, as the gate and the weights below, on predictions for rows and for whole subjects or families of tasks that no
fit had seen."""

REASONING_GATE = (0.6, 0.8)
"""The same as a share of what is usual: the prompts of one task are alike, those of another have little in common."""

EXAM_HEADS = ("gain", "hard of MMLU", "length")
OTHER_GAIN = (0.04, 0.35)  # P(large right, small wrong) of an everyday and of a hard request outside exams
OTHER_REASONING = 0.03
NEW_TASK = 0.3  # how much the regression for new tasks counts on one that is not familiar
WITHIN_TASK = 0.7  # of a task's own regression, beside its mean; chosen on rows that were left out


def exam_score(z: Mapping[str, Value], familiar: Value) -> Value:
    """Return the routing score of an exam question from standardised scores and its familiarity in [0, 1]."""
    return z["gain"] * (0.5 + familiar) + (z["hard of MMLU"] + 0.3 * z["length"]) * (1 - 0.5 * familiar)


def word_problem_score(z: Mapping[str, Value]) -> Value:
    """Return the routing score of a word problem."""
    return z["gsm8k"] + 0.3 * z["length"]


def by_task(shares: Value, means: Value, within: Value) -> Value:
    """Return the gain by the tasks that a text resembles, along the last axis: their means, and the text's own place.

    Args:
        shares: how far the text belongs to each task, adding up to 1.
        means: the mean gain of each task.
        within: what each task's own regression adds for this text.
    """
    return (shares * (means + WITHIN_TASK * within)).sum(-1)


def reasoning_score(z: Mapping[str, Value], familiar: Value) -> Value:
    """Return the reasoning score: by the tasks it resembles where familiar, elsewhere what carries over to new ones."""
    return z["by task"] * familiar + NEW_TASK * z["reasoning"] * (1 - familiar)


def logit(coefficients: Any, score: Value, familiar: Value) -> Value:
    """Return the calibrated log-odds of a score; a score counts for less where it is less familiar."""
    a, b, c, d = coefficients
    return a + b * score + c * familiar + d * score * familiar


def familiarity(similarity: Value, gate: tuple[float, float]) -> Value:
    """Return how familiar a similarity is; the caller clips it to [0, 1]."""
    return (similarity - gate[0]) / (gate[1] - gate[0])
