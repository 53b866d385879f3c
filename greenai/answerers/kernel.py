"""How like two texts are, for a distilled task model: at a first look, and by MiniLM's vectors at a second one.

At the first look it is a weighted sum of three: exp(4 (cosine - 1)) of the static vectors, the cosine of the texts'
words and pairs of words, and that of the runs of two to five letters within their words, weighted by how rare they
are. That takes a tenth of a millisecond for a text. MiniLM, of whose vectors the second look takes exp(4 (cosine - 1)),
takes some milliseconds. Words and letters are counted in buckets by their CRC-32: no vocabulary is kept, and the same
code counts them when a model is trained and when it answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

from greenai import embed
from greenai.embed import minilm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Numbers: TypeAlias = NDArray[np.int64]

__all__ = [
    "BUCKETS", "FIRST", "SHARES", "Counted", "Seen", "Skimmed", "counts_of", "encoder", "falloff", "readable", "see",
    "skim", "weighted",
]  # fmt: skip

BUCKETS = 1 << 15
SHARES = {"static": 0.3, "words": 0.3, "letters": 0.4}
FIRST = 0.25
"""The share of the first look in the scores of both; the second has the rest.

By leave-one-out scores on BANKING77 this answers the most within the bound (docs/decisions/distilled-tasks.md).
"""
SHARPNESS = 4.0
LONGEST = 2000  # characters of which words and letters are counted

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Counted:
    """Which buckets a text fills, and by how much: 1 + ln(count)."""

    buckets: Numbers
    weights: Floats


@dataclass(frozen=True, slots=True)
class Skimmed:
    """One text at the first look."""

    static: Floats
    words: Counted
    letters: Counted


@dataclass(frozen=True, slots=True)
class Seen(Skimmed):
    """One text at both looks."""

    minilm: Floats


def encoder() -> str:
    """Name the vectors in use: those of another name are not comparable.

    Raises:
        MissingExtra: the extra `semantic` is not installed.
    """
    return f"{minilm.load().name}+{embed.VERSION}"


def readable(text: str) -> bool:
    """Say whether MiniLM reads all of a text, and knows all of it; see `MiniLM.reads`."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # half a sign, which its tokenizer refuses
        return False
    return minilm.load().reads(text)


def skim(text: str) -> Skimmed:
    """Return one text at the first look."""
    words = _WORD.findall(text.lower()[:LONGEST])
    return Skimmed(embed.encode((text,))[0], counts_of(_pairs(words)), counts_of(_runs(words)))


def see(text: str, skimmed: Skimmed | None = None) -> Seen:
    """Return one text at both looks; `skimmed` is the first, where it was taken."""
    first = skimmed or skim(text)
    return Seen(first.static, first.words, first.letters, minilm.load().encode((text,))[0])


def _pairs(words: Sequence[str]) -> Iterable[str]:
    yield from words
    for first, second in pairwise(words):
        yield f"{first} {second}"


def _runs(words: Sequence[str]) -> Iterable[str]:
    for word in words:
        padded = f"<{word}>"
        for length in range(2, 6):
            for at in range(len(padded) - length + 1):
                yield padded[at : at + length]


def counts_of(pieces: Iterable[str]) -> Counted:
    """Return how often each bucket is filled, as 1 + ln(count)."""
    import numpy as np

    counts: dict[int, int] = {}
    for piece in pieces:
        bucket = crc32(piece.encode("utf-8", "surrogatepass")) % BUCKETS
        counts[bucket] = counts.get(bucket, 0) + 1
    weights = [1.0 + math.log(count) for count in counts.values()]
    return Counted(np.array([*counts], np.int64), np.array(weights, np.float32))


def weighted(counted: Counted, rarity: Floats) -> Floats:
    """Return the weights of a text's buckets by their rarity, of unit length; `rarity` has one number a bucket."""
    import numpy as np

    found = counted.weights * rarity.take(counted.buckets)
    length = math.sqrt(float(found.dot(found)))
    return found / np.float32(length or 1.0)


def falloff(cosine: Floats, share: float = 1.0) -> Floats:
    """Return the similarity that a cosine stands for, times its share; `cosine` is overwritten."""
    import numpy as np

    cosine -= np.float32(1.0)
    cosine *= np.float32(SHARPNESS)
    np.exp(cosine, out=cosine)
    cosine *= np.float32(share)
    return cosine
