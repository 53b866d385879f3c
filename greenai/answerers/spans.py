"""Answers that stand word by word in what fills a template: which stretch of words the large model would copy.

Every stretch of up to `longest` tokens is a candidate. Its score is a sum of weights: of the token that it begins with,
of the one that it ends with, of all within it, and of its length and shape as a whole. A token is known by its own
letters, its shape, its neighbours' and the words between; all of it is counted in buckets by CRC-32, so that no
vocabulary is kept. Beside the stretches stand the answers that the log gives without copying ("none"), and "another
answer", scored by the words of the whole text. A softmax makes probabilities of the scores; stretches of the same
letters are one answer. How the weights are fitted is `greenai.distil.spans`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.answerers.kernel import Floats, Numbers

    Stretches = tuple[Numbers, Numbers]

__all__ = [
    "BUCKETS", "COLUMNS", "FORMS", "MOST_TOKENS", "VERSION", "Cut", "SpanHead", "Token", "cut", "likeness", "ranked",
    "spelt", "tokens",
]  # fmt: skip

VERSION = "spans-1"
"""Changes with the features: a file that was made with others is refused."""
BUCKETS = 1 << 15
COLUMNS = 4
"""Weights of a bucket, as the first token, as the last, as one within, and as a property of the whole stretch."""
MOST_TOKENS = 300
LONGEST_WORD = 24
WHOLE = 5  # tokens of which the shape is told as a whole

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_UNQUOTED = re.compile(r'["\\\x00-\x1f]')

FORMS: Mapping[str, Callable[[str], str]] = {
    "as it stands": str,
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "letters and digits": lambda text: "".join(filter(str.isalnum, text)),
}
"""How an answer is made of the stretch that it copies; one of them holds for a whole log."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or sign: where it stands, in small letters, and its shape, such as "Xx" or "dddd"."""

    begin: int
    end: int
    word: str
    shape: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as the model sees it.

    Attributes:
        text: the text itself.
        tokens: its tokens, in order.
        features: the buckets of each token.
        first, last: of each candidate, the index of its first and of its last token.
        whole: the buckets of each candidate as a whole, int64 of shape (candidates, 3).
        bag: the buckets of the whole text.
    """

    text: str
    tokens: tuple[Token, ...]
    features: tuple[Numbers, ...]
    first: Numbers
    last: Numbers
    whole: Numbers
    bag: Numbers

    def said(self, candidate: int) -> str:
        """Return the letters of a candidate."""
        return self.text[self.tokens[int(self.first[candidate])].begin : self.tokens[int(self.last[candidate])].end]


def spelt(text: str) -> str:
    """Return what two answers share that are the same copy: blanks, case, quotes and a full stop at the end aside."""
    return " ".join(text.casefold().split()).strip("\"'`*").removesuffix(".").strip("\"'`*")


def cut(text: str, longest: int) -> Cut:
    """Return a text as the model sees it, with the stretches of up to `longest` tokens."""
    import numpy as np

    found = tokens(text)
    first, last = _stretches(len(found), longest)
    return Cut(
        text=text,
        tokens=found,
        features=tuple(_buckets(names) for names in _named(found)),
        first=first,
        last=last,
        whole=_wholes(found, first, last),
        bag=np.unique(_buckets(_bagged(found))),
    )


def tokens(text: str) -> tuple[Token, ...]:
    """Return the words, numbers and signs of a text."""
    return tuple(
        Token(found.start(), found.end(), found[0].lower()[:LONGEST_WORD], _shape(found[0]))
        for found in _TOKEN.finditer(text)
    )


def _shape(word: str) -> str:
    if word.isdigit():
        return "d" * min(len(word), 8)
    if not word.isalpha():
        return word
    return "X" if word.isupper() else "Xx" if word[0].isupper() else "x"


def _stretches(count: int, longest: int) -> Stretches:
    import numpy as np

    begin, more = np.meshgrid(np.arange(count), np.arange(longest), indexing="ij")
    fits = begin + more < count
    return begin[fits], (begin + more)[fits]


def _named(tokens: Sequence[Token]) -> list[list[str]]:
    """Return the features of each token: itself, two words on either side, their shapes, and what touches it."""
    edge = Token(-9, -9, "|", "|")
    padded = [edge, edge, *tokens, edge, edge]
    found: list[list[str]] = []
    for at in range(2, len(padded) - 2):
        far, before, here, after, beyond = padded[at - 2 : at + 3]
        found.append([
            "", f"0{here.word}", f"s{here.shape}", f"-{before.word}", f"+{after.word}", f"={far.word}",
            f"#{beyond.word}", f"<{before.shape}", f">{after.shape}", f"l{far.word} {before.word}",
            f"r{after.word} {beyond.word}", f"a{before.word} {here.shape}", f"b{here.shape} {after.word}",
            f"c{before.shape} {here.shape} {after.shape}",
            f"p{here.word[:3]}", f"q{here.word[-3:]}", f"n{min(len(here.word), 12)}",
            f"g{before.end == here.begin}{here.end == after.begin}",
            f"h{before.end == here.begin}{before.shape} {here.shape}",
            f"i{here.end == after.begin}{here.shape} {after.shape}",
        ])  # fmt: skip
    return found


def _wholes(tokens: Sequence[Token], first: Numbers, last: Numbers) -> Numbers:
    """Return the buckets of each candidate as a whole: its length, its shape, and the words on both sides."""
    import numpy as np

    words = ["|", *(token.word for token in tokens), "|"]
    shapes = [token.shape for token in tokens]
    found = np.empty((len(first), 3), np.int64)
    joined = ""
    for row, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        joined = shapes[begin] if begin == end else f"{joined} {shapes[end]}"
        length = end - begin + 1
        found[row] = (
            _bucket(f"L{length}"),
            _bucket(f"W{joined}" if length <= WHOLE else f"W{shapes[begin]}…{shapes[end]}"),
            _bucket(f"B{words[begin]} {words[end + 2]}"),
        )
    return found


def _bagged(tokens: Sequence[Token]) -> list[str]:
    words = [token.word for token in tokens]
    return ["T", *(f"T{word}" for word in words), *(f"T{one} {two}" for one, two in pairwise(words)),
            *{f"S{token.shape}" for token in tokens}]  # fmt: skip


def _bucket(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) % BUCKETS


def _buckets(names: Sequence[str]) -> Numbers:
    import numpy as np

    return np.array([_bucket(name) for name in names], np.int64)


# --- answers --------------------------------------------------------------------------------


def likeness(scores: Floats) -> Floats:
    """Return probabilities of scores."""
    import numpy as np

    found: Floats = np.exp(scores - scores.max())
    found /= found.sum()
    return found


def ranked(one: Cut, chances: Floats, constants: Sequence[str], form: str) -> list[tuple[str, str, float]]:
    """Return the answers, likeliest first: how each is spelt for comparing, its letters, and its probability.

    Args:
        one: the text.
        chances: of each candidate, then of each constant answer, and last of another answer.
        constants: what the log answers without copying.
        form: one of `FORMS`.
    """
    found: dict[str, list[Any]] = {}
    written = FORMS[form]
    texts = [*(written(one.said(at)) for at in range(len(one.first))), *constants, ""]
    for text, chance in zip(texts, chances.tolist(), strict=True):
        key = spelt(text)
        held = found.setdefault(key, [text, 0.0, 0.0])
        held[1] += chance
        if chance > held[2]:
            held[0], held[2] = text, chance
    return sorted(((key, text, chance) for key, (text, chance, _) in found.items()), key=lambda told: -told[2])


class SpanHead:
    """The fitted weights, and how an answer is written. Threads may share it."""

    def __init__(self, arrays: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        """Take what a file holds.

        Raises:
            KeyError, TypeError, ValueError: it is not what such a model consists of.
        """
        import numpy as np

        self.constants: tuple[str, ...] = tuple(map(str, header["labels"]))
        self.longest = int(header["span_tokens"])
        self.form = str(header["form"])
        before, after = header["around"]
        self.around = str(before), str(after)
        self._weights: NDArray[np.float32] = arrays["weights"].astype(np.float32)
        wanted = (BUCKETS, COLUMNS + len(self.constants) + 1)
        if self._weights.shape != wanted:
            raise ValueError(f"its arrays have the shapes {[self._weights.shape]}, and {[wanted]} are needed")
        if not np.isfinite(self._weights).all():
            raise ValueError("not all of its numbers are finite")
        if self.form not in FORMS or not 0 < self.longest <= MOST_TOKENS:
            raise ValueError(f"it writes answers {self.form!r} of {self.longest} tokens, which is unknown here")

    def reads(self, text: str) -> bool:
        """Say whether a text has a word, and not too many."""
        return 0 < len(tokens(text)) <= MOST_TOKENS

    def scores(self, one: Cut) -> Floats:
        """Return the scores of each candidate, then of each constant answer, and last of another answer."""
        import numpy as np

        weights = self._weights
        token = np.array([weights[buckets, :3].sum(0) for buckets in one.features]).reshape(-1, 3)
        run = np.concatenate([[0.0], np.cumsum(token[:, 2])])
        spans = token[one.first, 0] + token[one.last, 1] + run[one.last + 1] - run[one.first]
        spans += weights[one.whole, 3].sum(1)
        return np.concatenate([spans, weights[one.bag, COLUMNS:].sum(0)]).astype(np.float32)

    def say(self, text: str, *, guarded: bool = False) -> tuple[str | None, int, float, float, float]:  # noqa: ARG002  # one look is all there is
        """Return the answer, None for another one; 0 for any label; its score; its lead; its score again."""
        one = cut(text, self.longest)
        scores = self.scores(one)
        best, *rest = ranked(one, likeness(scores), self.constants, self.form)
        lead = best[2] - (rest[0][2] if rest else 0.0)
        score = float(scores.max())
        return self.whole(best[1]), 0, score, lead, score

    def whole(self, said: str) -> str | None:
        """Return an answer as the log writes it around a copy, or a constant one; None for another answer.

        A copy with a sign that ends or escapes a string is none within quotes: {"title": ""Die Hard""} is no JSON.
        """
        if not spelt(said):
            return None
        if said in self.constants:
            return said
        before, after = self.around
        if before.endswith('"') and after.startswith('"') and _UNQUOTED.search(said):
            return None
        return f"{before}{said}{after}"
