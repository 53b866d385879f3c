"""Fits the head: ridge regression on the kernel of `answerers.kernel`, one column per label.

Least squares forgives labels that are wrong at random: a lone wrong one moves the scores of its neighbours little. And
a ridge tells in closed form what each row would have been given by a head that had not seen it, so that every pair
both trains and calibrates, and nothing is split off for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.answerers import kernel
from greenai.answerers.kernel import BUCKETS, SHARES, Seen
from greenai.distil import numeric
from greenai.distil.strangers import left_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.answerers.kernel import Floats

    Labels: TypeAlias = NDArray[np.int64]

__all__ = ["RIDGE", "Fitted", "Watch", "fit", "see_all"]

RIDGE = 0.5
ROWS = 500  # of the matrix of similarities, made at a time
Watch: TypeAlias = Callable[[str, float], None]
"""Told what is done, and the share of it that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted head as the arrays of its file; what it would say of each row, had it not seen it, or not its label."""

    arrays: Mapping[str, Any]
    unseen: Floats
    left_out: Floats


def see_all(texts: Sequence[str], watch: Watch) -> list[Seen]:
    """Return the texts as the kernel sees them."""
    found: list[Seen] = []
    for at, text in enumerate(texts):
        found.append(kernel.see(text))
        if at % 50 == 0:
            watch("reading the texts", at / len(texts))
    return found


def fit(seen: Sequence[Seen], labels: Labels, classes: int, watch: Watch) -> Fitted:
    """Fit a head to texts and the numbers of their labels."""
    import numpy as np

    rarity = {"words": _rarity(one.words for one in seen), "letters": _rarity(one.letters for one in seen)}
    # As the file keeps them, in 16 bits: the head that is tested is the one that answers.
    minilm = np.array([one.minilm for one in seen], np.float16).astype(np.float32)
    static = np.array([one.static for one in seen], np.float16).astype(np.float32)
    words = numeric.table([one.words for one in seen], rarity["words"])
    letters = numeric.table([one.letters for one in seen], rarity["letters"])
    like = np.empty((len(seen), len(seen)), np.float32)
    for at in range(0, len(seen), ROWS):
        rows = slice(at, at + ROWS)
        like[rows] = kernel.falloff(minilm[rows] @ minilm.T, SHARES["minilm"])
        like[rows] += kernel.falloff(static[rows] @ static.T, SHARES["static"])
        like[rows] += SHARES["words"] * (words[rows] @ words.T).toarray()
        like[rows] += SHARES["letters"] * (letters[rows] @ letters.T).toarray()
        watch("comparing the texts", at / len(seen))
    watch("fitting", 0.0)
    like[np.diag_indices(len(seen))] += RIDGE
    inverse = numeric.inverted(like)
    wanted = np.full((len(seen), classes), -1 / classes, np.float32)
    wanted[np.arange(len(seen)), labels] += 1
    adds = inverse @ wanted
    unseen = (wanted - adds / np.diag(inverse)[:, None]).astype(np.float32)
    watch("fitting", 0.8)
    without = left_out(inverse, adds, wanted, labels)
    watch("fitting", 1.0)
    arrays = {
        "minilm": minilm.astype(np.float16),
        "static": static.astype(np.float16),
        "adds": adds.astype(np.float16),
        "linear": np.vstack([words.T @ adds, letters.T @ adds]).astype(np.float16),
        "rarity": np.concatenate([rarity["words"], rarity["letters"]]).astype(np.float32),
    }
    return Fitted(arrays=arrays, unseen=unseen, left_out=without)


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
