"""The one word of the vocabulary that a misspelt word is a letter away from.

Two words are a letter apart if leaving one letter out of one of them, or of both, makes them equal (Garbe's symmetric
deletes, 2012). The keys of every word with a letter left out are built once, when the weights are, and searched here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys: TypeAlias = NDArray[np.uint32]
    Numbers: TypeAlias = NDArray[np.uint16]

LETTERS = range(4, 15)  # shorter words have too many neighbours, longer ones are rarely just misspelt


class Neighbours:
    """Looks up words a letter away. `keys` are sorted; `numbers` say which word each belongs to."""

    def __init__(self, vocabulary: Mapping[str, int], spelled: Sequence[str], keys: Keys, numbers: Numbers) -> None:
        self._vocabulary = vocabulary
        self._spelled = spelled
        self._keys = keys
        self._numbers = numbers

    def of(self, word: str) -> int | None:
        """Return the number of the one word that is a letter away (swapped, dropped, added or replaced), else None.

        A word of the same letters, or with one left out, comes before one with another letter.
        """
        if len(word) not in LETTERS or not word.isascii() or not word.isalpha():
            return None
        shorter = without_one(word)
        sooner = {number for text in shorter if (number := self._vocabulary.get(text)) is not None}
        later: set[int] = set()
        for number in self._sharing((word, *shorter)):
            other = self._spelled[number]
            if is_swapped(word, other):
                sooner.add(number)
            elif word in without_one(other) or len(differences(word, other)) == 1:
                later.add(number)
        near = sooner or later
        return near.pop() if len(near) == 1 else None

    def _sharing(self, texts: Sequence[str]) -> set[int]:
        """Return the words with the key of one of the texts, when a letter is left out."""
        import numpy as np

        wanted = np.array([crc32(text.encode()) for text in texts], np.uint32)
        starts = self._keys.searchsorted(wanted, "left").tolist()
        ends = self._keys.searchsorted(wanted, "right").tolist()
        return {
            number
            for start, end in zip(starts, ends, strict=True)
            if end > start
            for number in self._numbers[start:end].tolist()
        }


def without_one(word: str) -> set[str]:
    """Return the word with each letter left out in turn."""
    return {word[:at] + word[at + 1 :] for at in range(len(word))}


def differences(word: str, other: str) -> list[int]:
    """Return where two words of the same length differ; nothing for words of different lengths."""
    if len(word) != len(other):
        return []
    return [at for at, (a, b) in enumerate(zip(word, other, strict=True)) if a != b]


def is_swapped(word: str, other: str) -> bool:
    """Say whether two neighbouring letters of one are swapped in the other."""
    differ = differences(word, other)
    if len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    first, second = differ
    return word[first] == other[second] and word[second] == other[first]


def index(words: Sequence[str]) -> tuple[Keys, Numbers]:
    """Return the sorted keys of words with a letter left out, and the number of the word of each."""
    import numpy as np

    pairs = sorted(
        (crc32(text.encode()), number)
        for number, word in enumerate(words)
        if len(word) - 1 in LETTERS or len(word) in LETTERS
        if word.isascii() and word.isalpha()
        for text in without_one(word)
    )
    return np.array([key for key, _ in pairs], np.uint32), np.array([number for _, number in pairs], np.uint16)
