"""The packaged vectors: read once, checked by their hash, shared by every thread."""

from __future__ import annotations

import functools
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai._locks import Lock
from greenai.embed.neighbours import Neighbours
from greenai.embed.words import clipped, ids_of, tokens_of
from greenai.errors import WeightsDamaged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.embed.neighbours import Keys, Numbers

    Floats: TypeAlias = NDArray[np.float32]
    Ids: TypeAlias = NDArray[np.int64]

FILE = Path(__file__).parent / "vectors.npz"
_COUNTED = 256
REMEMBERED = 2048  # words outside the vocabulary of which is kept what they were meant to be

_lock = Lock()  # two threads that begin at once would each hold 60 MB


@dataclass(frozen=True, slots=True)
class Bag:
    """One text as a weighted bag of words: numbers, their weights (of unit length), and how familiar its words are.

    Attributes:
        ids: each word or piece once, int64 of shape (k,).
        weights: 1 + ln(count), scaled to unit length, float32 of shape (k,).
        sequence: the numbers of the words in order, -1 for one outside the vocabulary.
        strangers: how many words lie outside the vocabulary.
        numerals: how many words are numbers.
        corrected: how many words were taken for one a letter away.
        words: the words in order.
        known: the same, each once.
        text: what they were read from: clipped, in lower case.
    """

    ids: Ids
    weights: Floats
    sequence: list[int]
    strangers: int
    numerals: int
    corrected: int
    words: list[str]
    known: frozenset[str]
    text: str


class Vectors:
    """Word vectors in 8 bits with one scale per word; see `encode` in the package."""

    def __init__(
        self, words: Sequence[str], table: NDArray[np.int8], scale: Floats, keys: Keys, numbers: Numbers
    ) -> None:
        self.spelled = words
        self.vocabulary = {word: number for number, word in enumerate(words)}
        # An app's texts have the same few names and terms again and again, which no vocabulary has.
        self._neighbour = functools.lru_cache(REMEMBERED)(Neighbours(self.vocabulary, words, keys, numbers).of)
        self.table = table
        self.scale = scale

    def bag(self, text: str) -> Bag:
        """Return the text as a bag of words."""
        import numpy as np

        text = clipped(text)
        words = tokens_of(text)
        found = ids_of(words, self.vocabulary, self._neighbour)
        counts = counted(found.sequence)
        counts.pop(-1, None)
        if found.pieces:
            counted(found.pieces, counts)
        return Bag(
            np.array([*counts], np.int64), weights_of([*counts.values()]), found.sequence, found.strangers,
            found.numerals, found.corrected, words, frozenset(words), text,
        )  # fmt: skip

    def vector(self, bag: Bag) -> Floats:
        """Return the unit vector of a bag, float32 of shape (256,); zeros for an empty one."""
        summed = (bag.weights * self.scale.take(bag.ids)).dot(self.table.take(bag.ids, 0).astype("float32"))
        norm = math.sqrt(summed.dot(summed))
        unit: Floats = summed / norm if norm else summed
        return unit

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the unit vectors of the texts, float32 of shape (len(texts), 256)."""
        import numpy as np

        found = np.zeros((len(texts), self.table.shape[1]), np.float32)
        for row, text in enumerate(texts):
            found[row] = self.vector(self.bag(text))
        return found


def counted(numbers: Iterable[int], counts: dict[int, int] | None = None) -> dict[int, int]:
    """Return how often each number is there, added to `counts`; a Counter takes five times as long for a few."""
    counts = {} if counts is None else counts
    get = counts.get
    for number in numbers:
        counts[number] = get(number, 0) + 1
    return counts


def weights_of(counts: Sequence[int]) -> Floats:
    """Return 1 + ln(count) of each, scaled to unit length; do not write to it."""
    import numpy as np

    if not counts or max(counts) == 1:
        return _even(len(counts))
    weights: Floats = _logs()[counts] if max(counts) < _COUNTED else 1 + np.log(np.array(counts, np.float32))
    weights /= np.float32(math.sqrt(weights.dot(weights)))
    return weights


@functools.cache
def _logs() -> Floats:
    """Return 1 + ln(count) of the counts that words of most texts have."""
    import numpy as np

    logs = np.ones(_COUNTED, np.float32)
    logs[1:] += np.log(np.arange(1, _COUNTED, dtype=np.float32))
    logs.setflags(write=False)
    return logs


@functools.lru_cache(maxsize=256)
def _even(count: int) -> Floats:
    """Return the weights of words that are there once each, as in most short texts."""
    import numpy as np

    weights = np.full(count, 1 / np.float32(math.sqrt(max(count, 1))), np.float32)
    weights.setflags(write=False)
    return weights


def load() -> Vectors:
    """Return the packaged vectors; the first call reads them, and others wait for it.

    Raises:
        WeightsDamaged: the packaged file is missing or not the one that was built.
    """
    with _lock:
        return _read()


@functools.cache
def _read() -> Vectors:
    held = read_arrays(FILE)
    words = held["words"].tobytes().decode().split("\n")
    return Vectors(words, held["table"], held["scale"].astype("float32"), held["keys"], held["numbers"])


def read_arrays(path: Path) -> dict[str, Any]:
    """Return the arrays of a packaged .npz file after comparing its hash with the one beside it. Nothing is unpickled.

    Raises:
        WeightsDamaged: a file is missing, or the hash differs.
    """
    import numpy as np

    try:
        data = path.read_bytes()
        expected = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
    except OSError as error:
        raise WeightsDamaged(
            f"The packaged weights {path.name} could not be read ({error.strerror or error}). "
            "Install again: pip install --force-reinstall --no-deps greenai",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WeightsDamaged(
            f"The packaged weights {path.name} have the SHA-256 {found[:12]}…, and {expected[:12]}… was built. "
            "Install again: pip install --force-reinstall --no-deps greenai",
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        return {name: held[name] for name in held.files}
