"""The packaged heads: one row of scores per text, read off its words, pairs of words, vector and signals."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai import embed
from greenai._locks import Lock
from greenai.classify.features import pairs_of
from greenai.classify.signals import signals_of
from greenai.classify.words import words
from greenai.embed.vectors import Bag, Vectors, read_arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]

FILE = Path(__file__).parent / "heads.npz"
_lock = Lock()
_LITTLE = words(
    "that this with from have what when where which will would could should there their they them then than does many "
    "more most much some into over only been being were your about after before each other these those such very"
)
SIGNAL_LIMIT = 4.0  # deviations; a signal beyond it says no more


@dataclass(frozen=True, slots=True)
class Scored:
    """One text's scores by head, and what they were read from.

    Attributes:
        scores: head to its scores.
        bag: the text's words.
        signals: the raw signals, in the order of `signals.SIGNALS`.
        exam: similarity to the nearest of the known exam questions, in [-1, 1].
        reasoning: similarity to the nearest of the known reasoning tasks, 1 where it is what that task's own have.
    """

    scores: dict[str, list[float]]
    bag: Bag
    signals: list[float]
    exam: float
    reasoning: float


class Heads:
    """All heads as one table per block; the scales of the blocks are folded in."""

    def __init__(self, held: dict[str, Any], vectors: Vectors) -> None:
        self.vectors = vectors
        self.words: NDArray[np.float16] = held["words"]
        self.pairs: NDArray[np.int8] = held["pairs"]
        self.pairs_scale: Floats = held["pairs_scale"]
        self.signals: Floats = held["signals"]
        self.centre: Floats = held["centre"]
        self.spread: Floats = held["spread"]
        self._vector: Floats = held["vector"]
        self._bias: Floats = held["bias"]
        self._within: Floats = held["within"]
        self._within_bias: Floats = held["within_bias"]
        # In 64 bits, as the signals are.
        self._standard = self.centre.astype("float64"), self.spread.astype("float64")
        self._exams = len(held["exam"])
        self._similar: Floats = _above(held["exam"], held["reasoning"])
        self.params: dict[str, Any] = json.loads(held["params"].tobytes())
        self.columns = {name: slice(*ends) for name, ends in self.params["columns"].items()}
        self.spelled = vectors.spelled

    def score(self, text: str) -> Scored:
        """Return the scores of one text."""
        bag = self.vectors.bag(text)
        vector = self.vectors.vector(bag)
        signals = _raw_signals(bag)
        row = vector.dot(self._vector)
        row += self._bias
        row += self._signalled(signals)
        if len(bag.ids):
            row += bag.weights.dot(self.words.take(bag.ids, 0).astype("float32"))
        if len(bag.sequence) > 1:
            buckets, weights = pairs_of(bag.sequence)
            row += weights.dot(self.pairs.take(buckets, 0).astype("float32")) * self.pairs_scale
        flat = row.tolist()
        scores = {name: flat[at] for name, at in self.columns.items()}
        scores["within tasks"] = (vector.dot(self._within) + self._within_bias).tolist()
        similar = self._similar.dot(vector)
        return Scored(scores, bag, signals, _most(similar[: self._exams]), _most(similar[self._exams :]))

    def _signalled(self, signals: list[float]) -> Floats:
        import numpy as np

        centre, spread = self._standard
        deviations = (np.array(signals) - centre) / spread
        np.minimum(deviations, SIGNAL_LIMIT, out=deviations)
        np.maximum(deviations, -SIGNAL_LIMIT, out=deviations)
        row: Floats = deviations.astype("float32").dot(self.signals)
        return row

    def heaviest(self, bag: Bag, head: str, count: int = 3) -> list[str]:
        """Return the words that raise a head's first score most."""
        if not len(bag.ids):
            return []
        weights = bag.weights * self.words[bag.ids, self.columns[head].start]
        order = weights.argsort()[::-1][: 3 * count].tolist()
        found = [
            self.spelled[number]
            for at in order
            if weights[at] > 0
            and (number := int(bag.ids[at])) < len(self.spelled)
            and _says_something(self.spelled[number])
        ]
        return found[:count]


def _most(values: Floats) -> float:
    return values.item(values.argmax())  # max() goes through Python, and takes three times as long


def _above(first: Floats, second: Floats) -> Floats:
    """Return two tables as one, so that both are multiplied at once."""
    import numpy as np

    return np.concatenate((first, second)).astype("float32")


def _says_something(word: str) -> bool:
    return len(word) > 3 and word.isalpha() and word not in _LITTLE


def _raw_signals(bag: Bag) -> list[float]:
    return signals_of(bag.text, bag.words, bag.known, strangers=bag.strangers, numerals=bag.numerals)


def load() -> Heads:
    """Return the packaged heads; the first call reads them, and others wait for it.

    Raises:
        WeightsDamaged: a packaged file is missing or not the one that was built.
    """
    with _lock:
        return _read()


def is_loaded() -> bool:
    """Say whether the packaged heads are in memory."""
    return _read.cache_info().currsize > 0


@functools.cache
def _read() -> Heads:
    return Heads(read_arrays(FILE), embed.load())


# --- for heads of one's own -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What the heads see, one row per text; the first two are sparse.

    Attributes:
        words: per text, (numbers of words and pieces, weights of unit length); `width` words in all.
        pairs: per text, (buckets of pairs of words, weights of unit length); features.PAIRS buckets.
        vectors: float32 of shape (texts, 256), unit length.
        signals: float32 of shape (texts, 30), in standard deviations.
        width: how many words and pieces there are.
    """

    words: list[tuple[Any, Any]]
    pairs: list[tuple[Any, Any]]
    vectors: Floats
    signals: Floats
    width: int


def features_of(heads: Heads, texts: Sequence[str]) -> Features:
    """Return the features of the texts."""
    import numpy as np

    bags = [heads.vectors.bag(text) for text in texts]
    raw = [_raw_signals(bag) for bag in bags]
    return Features(
        words=[(bag.ids, bag.weights) for bag in bags],
        pairs=[pairs_of(bag.sequence) for bag in bags],
        vectors=np.array([heads.vectors.vector(bag) for bag in bags], np.float32).reshape(len(bags), -1),
        signals=(np.array(raw, np.float32).reshape(len(bags), -1) - heads.centre) / heads.spread,
        width=len(heads.vectors.scale),
    )
