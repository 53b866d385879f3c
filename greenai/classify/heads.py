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
from greenai.embed.words import clipped

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
        self.vector: Floats = held["vector"]
        self.signals: Floats = held["signals"]
        self.bias: Floats = held["bias"]
        self.within: Floats = held["within"]
        self.within_bias: Floats = held["within_bias"]
        self.centre: Floats = held["centre"]
        self.spread: Floats = held["spread"]
        self.exam: Floats = held["exam"].astype("float32")
        self.reasoning: Floats = held["reasoning"].astype("float32")
        self.params: dict[str, Any] = json.loads(held["params"].tobytes())
        self.columns = {name: slice(*ends) for name, ends in self.params["columns"].items()}
        self.spelled = vectors.spelled

    def score(self, text: str) -> Scored:
        """Return the scores of one text."""
        bag = self.vectors.bag(text)
        vector = self.vectors.vector(bag)
        signals = _raw_signals(text, bag)
        row = self.bias + vector @ self.vector + self._signalled(signals)
        if len(bag.ids):
            row = row + bag.weights @ self.words.take(bag.ids, axis=0).astype("float32")
        if len(bag.sequence) > 1:
            buckets, weights = pairs_of(bag.sequence)
            row = row + (weights @ self.pairs.take(buckets, axis=0).astype("float32")) * self.pairs_scale
        flat = row.tolist()
        scores = {name: flat[at] for name, at in self.columns.items()}
        scores["within tasks"] = (self.within_bias + vector @ self.within).tolist()
        return Scored(
            scores=scores,
            bag=bag,
            signals=signals,
            exam=_most(self.exam @ vector),
            reasoning=_most(self.reasoning @ vector),
        )

    def _signalled(self, signals: list[float]) -> Floats:
        import numpy as np

        standard = (np.array(signals, np.float32) - self.centre) / self.spread
        row: Floats = np.maximum(np.minimum(standard, SIGNAL_LIMIT), -SIGNAL_LIMIT) @ self.signals
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
    return float(values[values.argmax()])  # max() goes through Python, and takes three times as long


def _says_something(word: str) -> bool:
    return len(word) > 3 and word.isalpha() and word not in _LITTLE


def _raw_signals(text: str, bag: Bag) -> list[float]:
    return signals_of(clipped(text), bag.words, strangers=bag.strangers, numerals=bag.numerals)


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
    raw = [_raw_signals(text, bag) for text, bag in zip(texts, bags, strict=True)]
    return Features(
        words=[(bag.ids, bag.weights) for bag in bags],
        pairs=[pairs_of(bag.sequence) for bag in bags],
        vectors=np.array([heads.vectors.vector(bag) for bag in bags], np.float32).reshape(len(bags), -1),
        signals=(np.array(raw, np.float32).reshape(len(bags), -1) - heads.centre) / heads.spread,
        width=len(heads.vectors.scale),
    )
