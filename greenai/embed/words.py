"""How a text becomes words, and a word a number: the part that training and use must share to the letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

VERSION = "words-1"

Neighbour: TypeAlias = Callable[[str], "int | None"]

MAX_CHARS = 1500  # read from either end of a text, so that time does not grow with it
PIECES = 1 << 13  # buckets for the three-letter pieces of words outside the vocabulary
MAX_PIECES = 12  # of one word
MAX_STRANGERS = 60  # words outside the vocabulary that are looked at, in one text
MAX_CORRECTED = 4  # of them, that are looked up with one letter changed: the first ones

_ASCII = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+|[^\w\s]")  # a fifth faster
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|[0-9]+|[^\w\s]")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NUMBERS = ("0", "00", "000", "0000", "00000")
_ZERO = frozenset(_NUMBERS)  # the only numbers that are in the vocabulary as they stand
_DIGITS = frozenset("0123456789")


def clipped(text: str) -> str:
    """Return the text in lower case, stripped; of a long one, its beginning and its end."""
    text = text.strip()
    if len(text) > 2 * MAX_CHARS:
        text = f"{text[:MAX_CHARS]}\n{text[-MAX_CHARS:]}"
    return text.lower().replace("\u2019", "'")


def tokens(text: str) -> list[str]:
    """Return words, punctuation marks one by one, and numbers, in order."""
    return tokens_of(clipped(text))


def tokens_of(text: str) -> list[str]:
    """Return the same of a text that is clipped already."""
    return (_ASCII if text.isascii() else _TOKEN).findall(text)


def shaped(word: str) -> str:
    """Return a number as the zeros that say how many digits it has (five at most), a word as it is."""
    return _NUMBERS[min(len(word), 5) - 1] if word[0] in _DIGITS else word


@dataclass(frozen=True, slots=True)
class Ids:
    """Words as numbers: -1 for a stranger.

    `pieces` are those of strangers, `numerals` says how many words are numbers, `corrected` how many were taken for a
    neighbour.
    """

    sequence: list[int]
    pieces: list[int]
    strangers: int
    numerals: int
    corrected: int


def ids_of(words: list[str], vocabulary: Mapping[str, int], neighbour: Neighbour) -> Ids:
    """Return the number of every word; `neighbour` finds the word that a misspelt one was meant to be.

    A character of a script without spaces counts as a piece by itself.
    """
    get = vocabulary.get
    sequence = [get(word, -1) for word in words]
    strangers: list[str] = []
    right = 0
    numerals = sum(map(words.count, _ZERO & set(words))) if not _ZERO.isdisjoint(words) else 0
    at = -1
    for _ in range(sequence.count(-1)):
        at = sequence.index(-1, at + 1)
        word = words[at]
        if word[0] in _DIGITS:
            numerals += word not in _ZERO  # which are counted already
            sequence[at] = get(shaped(word), -1)
            continue
        meant = neighbour(word) if len(strangers) < MAX_CORRECTED else None
        if meant is not None:
            sequence[at] = meant
            right += 1
        else:
            strangers.append(word)
    first = len(vocabulary)
    pieces = [first + piece for word in strangers[:MAX_STRANGERS] for piece in _pieces(word)]
    return Ids(sequence, pieces, len(strangers), numerals, right)


def _pieces(word: str) -> list[int]:
    if _WIDE.match(word):
        return [crc32(letter.encode("utf-8", "surrogatepass")) % PIECES for letter in word[:MAX_PIECES]]
    framed = f"<{word}>"
    count = min(len(framed) - 2, MAX_PIECES)
    return [crc32(framed[at : at + 3].encode("utf-8", "surrogatepass")) % PIECES for at in range(count)]
