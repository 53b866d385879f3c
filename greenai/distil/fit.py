"""Fits the head: for each look a ridge regression on the kernel of `answerers.kernel`, one column per label.

Least squares forgives labels that are wrong at random: a lone wrong one moves the scores of its neighbours little. And
a ridge tells in closed form what each row would have been given by a head that had not seen it, so that every pair
both trains and calibrates, and nothing is split off for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.answerers import kernel
from greenai.answerers.kernel import BUCKETS, FIRST, SHARES, Seen
from greenai.distil import numeric
from greenai.distil.strangers import left_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.answerers.kernel import Floats

    Labels: TypeAlias = NDArray[np.int64]

__all__ = ["RIDGE", "Fitted", "Scores", "Watch", "fit", "ridge", "see_all"]

RIDGE = 0.5
ROWS = 500  # of the matrix of similarities, made at a time
Watch: TypeAlias = Callable[[str, float], None]
"""Told what is done, and the share of it that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a head would say of each row, had it not seen it, or not its label: float32 of shape (rows, classes)."""

    unseen: Floats
    left_out: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A head as the arrays of its file, and its scores of each row at the first look, and at both together."""

    arrays: Mapping[str, Any]
    first: Scores
    both: Scores


def see_all(texts: Sequence[str], watch: Watch) -> list[Seen]:
    """Return the texts as the kernel sees them."""
    found: list[Seen] = []
    for at, text in enumerate(texts):
        found.append(kernel.see(text))
        if at % 50 == 0:
            watch("reading the texts", at / len(texts))
    return found


def fit(seen: Sequence[Seen], labels: Labels, classes: int, watch: Watch) -> Fitted:
    """Fit both looks to texts and the numbers of their labels."""
    import numpy as np

    rarity = {"words": _rarity(one.words for one in seen), "letters": _rarity(one.letters for one in seen)}
    # As the file keeps them, in 16 bits: the head that is tested is the one that answers.
    minilm = np.array([one.minilm for one in seen], np.float16)
    static = np.array([one.static for one in seen], np.float16)
    words = numeric.table([one.words for one in seen], rarity["words"])
    letters = numeric.table([one.letters for one in seen], rarity["letters"])
    tables = ((words, SHARES["words"]), (letters, SHARES["letters"]))
    wanted = np.full((len(seen), classes), -1 / classes, np.float32)
    wanted[np.arange(len(seen)), labels] += 1
    like = _similar(static, SHARES["static"], tables, partial(watch, "comparing the texts"))
    watch("fitting", 0.0)
    adds, first = ridge(like, wanted, labels)
    watch("fitting", 0.5)
    deeper, second = ridge(_similar(minilm, 1.0, (), lambda _share: None), wanted, labels)
    watch("fitting", 1.0)
    arrays = {
        "minilm": minilm,
        "static": static,
        "adds": adds.astype(np.float16),
        "deeper": deeper.astype(np.float16),
        "linear": np.vstack([words.T @ adds, letters.T @ adds]).astype(np.float16),
        "rarity": np.concatenate([rarity["words"], rarity["letters"]]).astype(np.float32),
    }
    return Fitted(arrays=arrays, first=first, both=_mixed(first, second))


def _similar(vectors: Any, share: float, tables: Sequence[tuple[Any, float]], watch: Callable[[float], None]) -> Floats:
    """Return how like each two texts are: by their vectors times `share`, and by tables with theirs."""
    import numpy as np

    rows = vectors.astype(np.float32)
    like = np.empty((len(rows), len(rows)), np.float32)
    for at in range(0, len(rows), ROWS):
        some = slice(at, at + ROWS)
        like[some] = kernel.falloff(rows[some] @ rows.T, share)
        for table, weight in tables:
            like[some] += weight * (table[some] @ table.T).toarray()
        watch(at / len(rows))
    return like


def ridge(like: Floats, wanted: Floats, labels: Labels) -> tuple[Floats, Scores]:
    """Fit scores to those wanted; return what each row adds to them by its similarity, and the scores of each row.

    Args:
        like: the similarities of rows to rows, each 1 to itself; overwritten.
        wanted: what is to be learnt, rows by labels.
        labels: the number of each row's label.
    """
    import numpy as np

    like[np.diag_indices(len(like))] += RIDGE
    inverse = numeric.inverted(like)
    adds = inverse @ wanted
    unseen: Floats = (wanted - adds / np.diag(inverse)[:, None]).astype(np.float32)
    return adds, Scores(unseen=unseen, left_out=left_out(inverse, adds, wanted, labels))


def _mixed(first: Scores, second: Scores) -> Scores:
    def mix(one: Floats, other: Floats) -> Floats:
        mixed: Floats = (FIRST * one + (1 - FIRST) * other).astype(one.dtype)
        return mixed

    return Scores(unseen=mix(first.unseen, second.unseen), left_out=mix(first.left_out, second.left_out))


def _rarity(counted: Any) -> Floats:
    """Return for each bucket how rare it is: ln((1 + texts) / (1 + texts with it)) + 1, and 0 for one seen once."""
    import numpy as np

    total, within = 0, np.zeros(BUCKETS, np.int64)
    for one in counted:
        within[one.buckets] += 1
        total += 1
    rare: Floats = (math.log(1 + total) - np.log(1.0 + within) + 1).astype(np.float32)
    rare[within < 2] = 0
    return rare
