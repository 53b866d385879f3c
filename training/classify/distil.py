"""Word vectors that imitate MiniLM: the weighted sum over a text's words comes as close as it can to MiniLM's vector.

For the words of the training prompts and MiniLM's own whole words. The fit is a ridge regression from bags of words to
the 256 main directions of the sentence vectors; a vector whose word is rare stays near zero.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from linear import solve

from greenai.embed.words import shaped, tokens

DIMENSIONS = 256
MIN_COUNT = 4
MAX_LETTERS = 24
PENALTY = 0.5


def vocabulary(texts: list[str], tokenizer: Path) -> list[str]:
    """Return the words in alphabetical order."""
    counts = Counter(word for text in texts for word in {shaped(word) for word in tokens(text)})
    pieces = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    whole = {p for p in pieces if p.isascii() and p.isalpha() and len(p) > 1}
    common = {word for word, count in counts.items() if count >= MIN_COUNT}
    return sorted(word for word in common | whole if len(word) <= MAX_LETTERS)


def fit(words: sp.csr_matrix, teacher: np.ndarray) -> np.ndarray:
    """Return word vectors, float32 of shape (words, 256), for bags (n, words) and their teacher's vectors (n, 384)."""
    centred = teacher - teacher.mean(0)
    _, _, directions = np.linalg.svd(centred[::4], full_matrices=False)
    return solve(sp.csr_matrix(words), centred @ directions[:DIMENSIONS].T, PENALTY, 30)


def in_eight_bits(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the table as int8 and a float16 scale per row."""
    scale = np.maximum(np.abs(table).max(1) / 127, 1e-6).astype(np.float16)  # nothing smaller is a float16
    return np.rint(table / scale.astype(np.float32)[:, None]).clip(-127, 127).astype(np.int8), scale


def encoded(words: sp.csr_matrix, table: np.ndarray) -> np.ndarray:
    """Return unit vectors of bags."""
    summed = np.asarray(words @ table)
    return summed / (np.linalg.norm(summed, axis=1, keepdims=True) + 1e-9)
