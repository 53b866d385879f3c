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
REASONING_GATE = (0.2, 0.3)
"""Cosine to the nearest centre of known texts, between which familiarity rises from 0 to 1.

Chosen with the weights below on predictions for rows and for whole subjects or tasks that no fit had seen."""

EXAM_HEADS = ("gain", "hard of MMLU", "length")
OTHER_GAIN = (0.04, 0.35)  # P(large right, small wrong) of an everyday and of a hard request outside exams
OTHER_REASONING = 0.03
REASONING_RIDGE = 0.1  # of the within-task score, beside the task's mean


def exam_score(z: Mapping[str, Value], familiar: Value) -> Value:
    """Return the routing score of an exam question from standardised scores and its familiarity in [0, 1]."""
    return z["gain"] * (0.5 + familiar) + (z["hard of MMLU"] + 0.3 * z["length"]) * (1 - 0.5 * familiar)


def word_problem_score(z: Mapping[str, Value]) -> Value:
    """Return the routing score of a word problem."""
    return z["gsm8k"] + 0.3 * z["length"]


def reasoning_score(by_task: Value, z: Mapping[str, Value], familiar: Value) -> Value:
    """Return the reasoning score: the mean gain of the tasks it resembles where familiar, a regression elsewhere."""
    return by_task * familiar + z["reasoning"] * (1 - familiar) + REASONING_RIDGE * z["reasoning"]


def logit(coefficients: Any, score: Value, familiar: Value) -> Value:
    """Return the calibrated log-odds of a score; a score counts for less where it is less familiar."""
    a, b, c, d = coefficients
    return a + b * score + c * familiar + d * score * familiar


def familiarity(similarity: Value, gate: tuple[float, float]) -> Value:
    """Return how familiar a similarity is; the caller clips it to [0, 1]."""
    return (similarity - gate[0]) / (gate[1] - gate[0])
