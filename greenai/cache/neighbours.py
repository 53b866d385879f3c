"""What the neighbours of a question say about its answer: which one they favour, and how clearly.

Neighbours whose answers are the same form a group. Similarity alone says little about whether an answer serves: what
tells is by how much one group is nearer than any other. Which differences of two vectors matter for the answers of
a scope is learned as well: those that occur within groups do not (`Spread`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.embed.vectors import Floats

    Doubles = NDArray[np.float64]

__all__ = ["FACTS", "NEIGHBOURS", "Spread", "View", "look"]

NEIGHBOURS = 32
FACTS = 11
"""How many facts a view has: similarity, margin, vote and mean of three; the first three weighed by the spread; the
margin of the group's centre so weighed; the group's size and the scope's; how often the group was right."""

_SHARPNESS = 20.0  # of a vote: a neighbour that is 0.05 less similar counts a third
_WEIGHED_SHARPNESS = 15.0
_FIRST_FIT = 200
_ONE_THREAD = 200_000  # products of two numbers; OpenBLAS divides the work from 262,144 on
_SHRINKAGE = 0.3  # towards no preference for any direction, as there are fewer vectors than a spread has numbers


class Spread:
    """How the vectors of a group differ from its mean, over all groups: differences of that kind are discounted."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._scatter: Doubles | None = None
        self._factor: Floats | None = None
        self._pairs = 0
        self._due = _FIRST_FIT

    def add(self, vector: Floats, total: Floats, size: int) -> None:
        """Take in a vector that joins a group of `size` others with this sum."""
        import numpy as np

        if self._scatter is None:
            self._scatter = np.zeros((self._dimensions, self._dimensions))
        difference = (vector - total / np.float32(size)).astype(np.float64)
        self._scatter += np.outer(difference, difference) * (size / (size + 1))
        self._pairs += 1
        if self._pairs >= self._due:
            self._due = self._pairs + max(_FIRST_FIT, self._pairs // 8)
            self._factor = _whitening(self._scatter / self._pairs)

    def similarities(self, vector: Floats, others: Floats) -> Floats:
        """Return the cosine similarities of a vector to others, as far as they matter."""
        import numpy as np

        found: Floats
        if self._factor is None:
            return _along(others, vector)
        changed = _product(np.vstack([vector[None], others]), self._factor)
        changed /= np.linalg.norm(changed, axis=1, keepdims=True)
        found = _along(changed[1:], changed[0])
        return found


def _along(rows: Floats, vector: Floats) -> Floats:
    """Return the products of some rows with a vector, on this thread alone, which `@` is not."""
    import numpy as np

    found: Floats = np.einsum("ij,j->i", rows, vector)
    return found


def _product(rows: Floats, factor: Floats) -> Floats:
    """Return `rows @ factor`, in slices so small that BLAS wakes no thread for them.

    On a machine that is busy its threads wait for each other: 20 ms for what takes 0.2.
    """
    import numpy as np

    made = np.empty((len(rows), factor.shape[1]), np.float32)
    wide = max(_ONE_THREAD // max(rows.size, 1), 1)
    for start in range(0, factor.shape[1], wide):
        np.matmul(rows, factor[:, start : start + wide], out=made[:, start : start + wide])
    return made


def _whitening(spread: Doubles) -> Floats:
    import numpy as np

    level = np.trace(spread) / len(spread) + 1e-9
    inverse = np.linalg.inv((1 - _SHRINKAGE) * spread + _SHRINKAGE * level * np.eye(len(spread)))
    factor: Floats = np.linalg.cholesky(inverse).astype(np.float32)
    return factor


@dataclass(frozen=True, slots=True)
class View:
    """The group that the neighbours favour, and the facts (`FACTS`) that say how clearly."""

    group: int
    facts: Doubles


def look(
    vector: Floats,
    others: Floats,
    groups: Sequence[int],
    centres: dict[int, tuple[Floats, int]],
    spread: Spread,
    entries: int,
    record: Callable[[int], float],
) -> View:
    """Return which group the neighbours favour.

    Args:
        vector: of the question.
        others: of its neighbours, at least one.
        groups: the group of each neighbour.
        centres: the sum of the vectors of each such group, and how many they are.
        spread: what is known of the differences within groups.
        entries: how many questions the scope has.
        record: the log odds that a group was right when it was judged.
    """
    import numpy as np

    marks, names = np.asarray(groups), list(centres)
    middles = np.stack([centres[name][0] for name in names])
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-6)
    weighed = spread.similarities(vector, np.vstack([others, middles])).astype(np.float64)
    near, far = _along(others, vector).astype(np.float64), weighed[: len(marks)]
    votes = _votes(near, _SHARPNESS) + _votes(far, _WEIGHED_SHARPNESS)
    group = max(names, key=lambda name: float(votes[marks == name].sum()))
    own = marks == group
    facts = [
        *_facts(near, own, _SHARPNESS),
        *_facts(far, own, _WEIGHED_SHARPNESS)[:3],
        _centre_margin(weighed[len(marks) :], names.index(group), float(near.min())),
        math.log1p(centres[group][1]),
        math.log(max(entries, 1)),
        record(group),
    ]
    return View(group, np.array(facts))


def _votes(similarities: Doubles, sharpness: float) -> Doubles:
    import numpy as np

    weights: Doubles = np.exp(sharpness * (similarities - similarities.max()))
    weights /= weights.sum()
    return weights


def _facts(similarities: Doubles, own: NDArray[np.bool_], sharpness: float) -> tuple[float, float, float, float]:
    """Return a group's similarity, its margin to others, the log odds of its vote, the margin of three to three."""
    mine = sorted(similarities[own].tolist(), reverse=True)
    rivals = sorted(similarities[~own].tolist(), reverse=True)
    lowest = float(similarities.min())
    share = float(_votes(similarities, sharpness)[own].sum())
    odds = math.log((share + 0.01) / (1 - share + 0.01))
    three = _mean_of_three(mine, lowest) - _mean_of_three(rivals, lowest)
    return mine[0], mine[0] - (rivals[0] if rivals else lowest), odds, three


def _mean_of_three(similarities: list[float], lowest: float) -> float:
    return (sum(similarities[:3]) + lowest * max(0, 3 - len(similarities))) / 3


def _centre_margin(similarities: Doubles, at: int, lowest: float) -> float:
    own = float(similarities[at])
    rivals = [float(s) for number, s in enumerate(similarities) if number != at]
    return own - (max(rivals) if rivals else min(own - 0.1, lowest))
