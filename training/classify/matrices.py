"""Texts as matrices: words, pairs of words, signals and vectors, with greenai's own functions, so that use agrees.

A third of the training texts is added once more with typing errors, so that misspelt words get a weight too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from greenai.classify.features import PAIRS, SCALES, pairs_of
from greenai.classify.signals import signals_of
from greenai.embed.neighbours import index
from greenai.embed.vectors import Vectors
from greenai.embed.words import PIECES, clipped


@dataclass(frozen=True, slots=True)
class Matrices:
    """One row per text. `words` and `pairs` have rows of unit length, `signals` is raw."""

    words: sp.csr_matrix
    pairs: sp.csr_matrix
    signals: np.ndarray


def build(texts: list[str], vocabulary: list[str]) -> Matrices:
    """Return the matrices of the texts."""
    empty = Vectors(vocabulary, np.zeros((0, 0), np.int8), np.zeros(0, np.float32), *index(vocabulary))
    words, pairs, signals = _Rows(), _Rows(), []
    for text in texts:
        bag = empty.bag(text)
        words.add(bag.ids, bag.weights)
        pairs.add(*pairs_of(bag.sequence))
        signals.append(signals_of(clipped(text), bag.words, strangers=bag.strangers, numerals=bag.numerals))
    return Matrices(words.matrix(len(vocabulary) + PIECES), pairs.matrix(PAIRS), np.array(signals, np.float32))


def features(
    matrices: Matrices, rows: np.ndarray, vectors: np.ndarray, centre: np.ndarray, spread: np.ndarray
) -> sp.csr_matrix:
    """Return the features that every head sees: vector, words, pairs, signals, each block at its scale."""
    signals = (matrices.signals[rows] - centre) / spread
    blocks = (
        sp.csr_matrix(vectors[rows] * SCALES.vector),
        matrices.words[rows] * SCALES.words,
        matrices.pairs[rows] * SCALES.pairs,
        sp.csr_matrix(np.clip(signals, -4, 4) * SCALES.signals),
    )
    return sp.csr_matrix(sp.hstack(blocks)).astype(np.float32)


class _Rows:
    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.ends = [0]

    def add(self, ids: np.ndarray, weights: np.ndarray) -> None:
        self.ids.append(ids)
        self.weights.append(weights)
        self.ends.append(self.ends[-1] + len(ids))

    def matrix(self, width: int) -> sp.csr_matrix:
        data = np.concatenate(self.weights).astype(np.float32)
        shape = (len(self.ends) - 1, width)
        return sp.csr_matrix((data, np.concatenate(self.ids), np.array(self.ends)), shape=shape)


def misspelt(text: str, seed: int, share: float = 0.12) -> str:
    """Return the text with typing errors in a share of its words: a letter swapped, dropped, doubled or replaced."""
    chance = random.Random(seed)
    return " ".join(_misspell(word, chance) if chance.random() < share else word for word in text.split(" "))


def _misspell(word: str, chance: random.Random) -> str:
    if len(word) < 3 or not word.isalpha():
        return word
    at = chance.randrange(len(word) - 1)
    kind = chance.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
