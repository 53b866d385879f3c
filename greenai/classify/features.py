"""What the heads see of a text: its vector, its words, its pairs of words, and its signals, each at a fixed scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from greenai.embed.vectors import weights_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Ids: TypeAlias = NDArray[np.int64]

PAIRS = 1 << 15  # buckets for pairs of neighbouring words, both in the vocabulary
_FEW = 80  # words, up to which numbers one by one are faster than arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """How much each block counts before the penalty; chosen on held-out MMLU subjects and HWU64 intents."""

    vector: float = 1.5
    words: float = 0.7
    pairs: float = 0.5
    signals: float = 0.1


SCALES = Scales()


def pairs_of(sequence: list[int]) -> tuple[Ids, Floats]:
    """Return the buckets of the pairs of neighbouring known words, and their weights, of unit length together."""
    import numpy as np

    if len(sequence) > _FEW:
        return _many_pairs(sequence)
    counts: dict[int, int] = {}
    left = -1
    for right in sequence:
        if left >= 0 <= right:
            mixed = (left * 1_000_003 + right * 8_191 + 7) & 0x7FFFFFFF
            bucket = (mixed ^ (mixed >> 13)) % PAIRS
            counts[bucket] = counts.get(bucket, 0) + 1
        left = right
    ids = sorted(counts)
    return np.array(ids, np.int64), weights_of([counts[bucket] for bucket in ids])


def _many_pairs(sequence: list[int]) -> tuple[Ids, Floats]:
    import numpy as np

    numbers = np.array(sequence, np.int64)
    left, right = numbers[:-1], numbers[1:]
    both = (left >= 0) & (right >= 0)
    mixed = (left[both] * 1_000_003 + right[both] * 8_191 + 7) & 0x7FFFFFFF
    mixed = (mixed ^ (mixed >> 13)) % PAIRS
    mixed.sort()
    # np.unique does the same in five times the time, for its checks
    ends = np.empty(len(mixed) + 1, bool)
    ends[0] = ends[-1] = True
    np.not_equal(mixed[1:], mixed[:-1], out=ends[1:-1])
    at = ends.nonzero()[0] if len(mixed) else mixed
    ids = mixed[at[:-1]]
    weights = (1 + np.log(at[1:] - at[:-1])).astype(np.float32)
    norm = float(np.sqrt(weights @ weights))
    return ids, (weights / norm if norm else weights)
