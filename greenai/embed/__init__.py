"""Text to vector: static word vectors of 256 dimensions, read from a file in the package. No network, no torch.

The vectors imitate all-MiniLM-L6-v2 (Apache-2.0): for every word of a vocabulary one vector, fitted so that the
weighted sum over a text comes close to the sentence vector of that model (training/classify/distil.py). A word outside
the vocabulary, such as a misspelt one, is the sum of its three-letter pieces. Order of words does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from greenai.embed.vectors import Vectors, load
from greenai.embed.words import VERSION, tokens

if TYPE_CHECKING:
    from greenai.embed.vectors import Floats

__all__ = ["DIMENSIONS", "VERSION", "Vectors", "encode", "load", "tokens"]

DIMENSIONS = 256


def encode(texts: Sequence[str]) -> Floats:
    """Return one unit vector per text, float32 of shape (len(texts), 256); a text without a word is all zeros.

    The dot product of two rows is their cosine similarity.

    Raises:
        WeightsDamaged: the packaged file is missing or not the one that was built.
    """
    return load().encode(texts)
