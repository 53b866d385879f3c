"""Fit every linear head on the same features; what combines them is in combine.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import targets as made
from distil import DIMENSIONS
from linear import ridge, ridge_of_blocks, softmax_fit
from targets import Target

from greenai.classify.signals import SIGNALS

if TYPE_CHECKING:
    import scipy.sparse as sp
    from data import Texts

Keep = Callable[[Target], np.ndarray]
# Chosen on whole families of tasks left out; for the vector and for the signals.
TRANSFER_PENALTIES = (110.0, 10.0)
WITHIN_PENALTY = 30.0  # chosen on rows of known tasks


@dataclass(slots=True)
class Heads:
    """Coefficients (features, columns), intercepts, and which columns belong to which head."""

    table: np.ndarray
    bias: np.ndarray
    columns: dict[str, slice]
    reasoning_means: np.ndarray
    within: np.ndarray  # (256, tasks), on the vectors as the features have them
    within_bias: np.ndarray

    def scores(self, x: sp.csr_matrix) -> dict[str, np.ndarray]:
        """Return every head's scores, (rows, its columns)."""
        found = np.asarray(x @ self.table) + self.bias
        scores = {name: found[:, at] for name, at in self.columns.items()}
        if "reasoning tasks" in scores:
            scores["within tasks"] = x[:, :DIMENSIONS].toarray() @ self.within + self.within_bias
        return scores


@dataclass(slots=True)
class Data:
    """The texts' features, and every head's target. `copies` gives a text's row with typing errors, or -1."""

    x: sp.csr_matrix
    copies: np.ndarray
    texts: Texts

    def targets(self) -> dict[str, Target]:
        """Return the targets by head."""
        t = self.texts
        return {
            "mmlu": made.mmlu(t),
            "hard of MMLU": made.hard_mmlu(t),
            "gsm8k": made.gsm8k(t), "reasoning": made.reasoning(t), "transfer": made.transfer(t),
            "tasks": made.tasks(t), "sources": made.sources(t),
            "generation": made.generation(t), "volatility": made.volatility(t), "hardness": made.hardness(t),
            "lengths": made.lengths(t), "domains": made.domains(t), "difficulty": made.difficulty(t),
        }  # fmt: skip


def with_copies(data: Data, target: Target) -> Target:
    """Return the target with its rows' misspelt copies."""
    copies = data.copies[target.rows]
    has = copies >= 0
    return Target(
        np.concatenate([target.rows, copies[has]]), np.concatenate([target.y, target.y[has]]),
        np.concatenate([target.weights, target.weights[has]]), np.concatenate([target.groups, target.groups[has]]),
    )  # fmt: skip


def fit(data: Data, targets: dict[str, Target], keep: Keep, only: set[str] | None = None) -> Heads:
    """Fit the heads on the rows that `keep` marks; `only` names the heads that are wanted."""
    parts: list[tuple[str, np.ndarray, np.ndarray]] = []
    used = {name: with_copies(data, t.only(keep(t))) for name, t in targets.items() if only is None or name in only}

    def add(name: str, fitted: tuple[np.ndarray, np.ndarray]) -> None:
        parts.append((name, fitted[0], np.atleast_1d(fitted[1])))

    def regress(name: str, source: str, y: Callable[[np.ndarray], np.ndarray], penalty: float) -> None:
        if source in used:
            t = used[source]
            add(name, ridge(data.x[t.rows], y(t.y), penalty, weights=t.weights))

    regress("gain", "mmlu", lambda y: y[:, 1] - y[:, 0], 30)
    regress("hard of MMLU", "hard of MMLU", lambda y: y, 30)
    regress("gsm8k", "gsm8k", lambda y: y[:, 1] - y[:, 0] + y[:, 2], 30)
    regress("lengths", "lengths", lambda y: y, 3)
    regress("difficulty", "difficulty", lambda y: y, 10)
    means, within, within_bias = np.zeros(0), np.zeros((DIMENSIONS, 0)), np.zeros(0)
    if "reasoning" in used:
        t = used["transfer"]
        blocks = (slice(0, DIMENSIONS), slice(data.x.shape[1] - len(SIGNALS), data.x.shape[1]))
        add("reasoning", ridge_of_blocks(data.x[t.rows], t.y, blocks, TRANSFER_PENALTIES, t.weights))
        t = used["reasoning"]
        gain = t.y[:, 1] - t.y[:, 0]
        names = sorted(set(t.groups))
        number = {g: i for i, g in enumerate(names)}
        each = np.array([number[g] for g in t.groups])
        means = np.array([gain[each == i].mean() for i in range(len(names))])
        within, within_bias = _within(data.x[t.rows][:, :DIMENSIONS].toarray(), gain, each)
        add("reasoning tasks", softmax_fit(data.x[t.rows], np.eye(len(names), dtype=np.float32)[each], 3e-6, rounds=50))
    for name, penalty, rounds in (("tasks", 1e-6, 40), ("sources", 1e-6, 40), ("domains", 3e-6, 30)):
        if name in used:
            t = used[name]
            add(name, softmax_fit(data.x[t.rows], t.y, penalty, weights=t.weights, rounds=rounds))
    for name, penalty in (("generation", 1e-6), ("volatility", 1e-6), ("hardness", 1e-5)):
        if name in used:
            t = used[name]
            table, bias = softmax_fit(data.x[t.rows], np.stack([1 - t.y, t.y], 1), penalty, weights=t.weights)
            add(name, (table[:, 1:] - table[:, :1], bias[1:] - bias[:1]))
    at, columns = 0, {}
    for name, table, _ in parts:
        columns[name] = slice(at, at + table.shape[1])
        at += table.shape[1]
    table, bias = np.concatenate([t for _, t, _ in parts], 1), np.concatenate([b for *_, b in parts])
    return Heads(table, bias, columns, means, within, within_bias)


def _within(vectors: np.ndarray, gain: np.ndarray, task: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one ridge regression per task of the gain on the vector, (256, tasks) and intercepts, mean 0 each."""
    tables, biases = [], []
    for number in range(task.max() + 1):
        own, y = vectors[task == number], gain[task == number]
        middle = own.mean(0)
        table = np.linalg.solve(
            (own - middle).T @ (own - middle) + WITHIN_PENALTY * np.eye(own.shape[1]), (own - middle).T @ (y - y.mean())
        )
        tables.append(table)
        biases.append(-middle @ table)
    return np.stack(tables, 1), np.array(biases)
