"""Whether two free texts are the same answer: by their words, by their vectors, by a judge if there is one.

A wrong "the same" would let wrong hits pass unseen, a wrong "different" only costs hits: so doubt means different.
Words that many answers of a scope share, such as greetings and set phrases, say little and count little.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from greenai.embed.vectors import Floats

__all__ = ["Comparison", "Judge", "Wording", "normalised"]

Judge: TypeAlias = Callable[[str, str, str], bool]
"""(question, stored answer, new answer) -> whether the stored one would have served as well."""

FEW_WORDS = 8
"""Below this, one word makes the answer: only equal ones are the same."""
FEW_ANSWERS = 40
"""Before this many are known, nobody can tell a set phrase from what is said."""
SAME_WORDS = 0.8
SAME_VECTORS = 0.4
"""Similarity of the words, rare ones counting more, and of the vectors, from which on two answers are the same."""
DOUBT = 0.4
"""Below this similarity of the vectors a judge is not asked."""

_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_KEPT = "\ue000"  # stands for code while the words around it are read
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]+?)(?<=\S)\1(?![\w*])|(?<!\w)(_)([^\W_][^_\n]*[^\W_])\3(?!\w)")
_QUOTED = re.compile(r"\s*(['\"])([^'\"]*)\1\s*")
_QUOTES = "'\""
_EDGE = frozenset(".,;:!?'\"")
_SPEAKING = frozenset("!'\"")  # after a number: 5! is 120, 5' are feet and 5" inches
_WORD = re.compile(r"[^\W_]+")


def normalised(answer: str) -> str:
    """Return an answer without case, spacing, emphasis, and the punctuation around words.

    Signs, points in numbers, brackets and code stay: -5 is not 5, [0, 1) not (0, 1], 1.5 not 1 5.
    """
    from greenai.cache.symbols import spelt

    answer = answer.replace(_KEPT, "")
    code = iter(_CODE.findall(answer))
    text = _EMPHASIS.sub(r"\2\4", spelt(_CODE.sub(_KEPT, answer)).casefold())
    whole = _QUOTED.fullmatch(text)
    words = " ".join(map(_inside, (whole[2] if whole else text).split()))
    return re.sub(_KEPT, lambda _: next(code), words)


def _inside(word: str) -> str:
    """Return a word without the punctuation around it; one that is nothing else stays."""
    left = word.lstrip(_QUOTES)
    quoted, end = left != word, len(left)
    while end and left[end - 1] in _EDGE:
        counts = end > 1 and (left[end - 2].isdigit() or (end == 2 and left[0].isalpha()))
        if counts and left[end - 1] in _SPEAKING and not (quoted and left[end - 1] in _QUOTES):
            break
        end -= 1
    return left[:end] or word


@dataclass(frozen=True, slots=True)
class Wording:
    """One answer as it was given, with how often each word occurs in it; no vector for one of few words."""

    text: str
    words: Mapping[str, int]
    vector: Floats | None


class Comparison:
    """Compares the answers of one scope.

    Args:
        encode: text to unit vectors.
        vetoes: reasons why two texts are not the same; None asks for none.
        judge: asked about answers that are neither equal nor far apart, in place of words; see `Judge`.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Floats],
        vetoes: Callable[[str, str], Sequence[str]] | None,
        judge: Judge | None,
    ) -> None:
        self._encode = encode
        self._vetoes = vetoes
        self._judge = judge
        self._known = 0
        self._in: Counter[str] = Counter()

    def read(self, answer: str, vector: Floats | None = None) -> Wording:
        """Return an answer as it is compared; its vector is made unless it is given."""
        words = Counter(_WORD.findall(answer.casefold()))
        if vector is None and (words.total() >= FEW_WORDS or self._judge is not None):
            vector = self._encode([answer])[0]
        return Wording(answer, words, vector)

    def know(self, wording: Wording) -> None:
        """Take in which words one more answer has."""
        self._known += 1
        self._in.update(wording.words.keys())

    def same(self, question: str, stored: Wording, new: Wording) -> bool:
        """Say whether the stored answer says what the new one does."""
        if normalised(stored.text) == normalised(new.text):
            return True
        if stored.vector is None or new.vector is None:
            return False
        near = float(stored.vector @ new.vector)
        if self._judge is not None:
            return near >= DOUBT and self._judge(question, stored.text, new.text)
        if self._known < FEW_ANSWERS or near < SAME_VECTORS or self._common(stored, new) < SAME_WORDS:
            return False
        return self._vetoes is None or not self._vetoes(stored.text, new.text)

    def _common(self, a: Wording, b: Wording) -> float:
        """Return the cosine of the words of two answers, each weighed by how few answers have it."""
        one, two = self._weights(a), self._weights(b)
        product = sum(weight * two.get(word, 0.0) for word, weight in one.items())
        size = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in two.values()))
        return product / size if size else 0.0

    def _weights(self, wording: Wording) -> dict[str, float]:
        most = math.log(self._known + 1)
        return {word: (most - math.log(self._in[word] + 1)) ** 2 for word in wording.words}
