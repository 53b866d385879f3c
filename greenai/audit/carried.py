"""How much of an answer a later prompt carries on: words in a run of four that stand there too, and whole fields.

A field is a value of JSON in the answer, or of a line `name: value`; it is carried on where all of its words stand in
the later prompt one after the other, however few these are. Case and signs between words do not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grams: TypeAlias = NDArray[np.uint64]
    Flags: TypeAlias = NDArray[np.bool_]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["RUN", "Field", "Later", "Said", "later", "said", "texts"]

RUN = 4
"""Words in a row that hardly stand in two texts by chance. Shorter runs are counted only where they are a field."""
MOST_FIELDS, MOST_OBJECTS = 40, 20
_FIELD_WORDS = 30
# Chinese, Japanese and Korean are written without blanks: a sign counts as a word.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
# Blanks, but no ends of lines: models made to write JSON may write thousands of these, and each would be a start.
_LINE = re.compile(r"^[ \t>*#-]*([^\W\d][\w ]{0,30}?)[* \t]*:[* \t]*(\S.{0,200})$", re.MULTILINE)
_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A value in an answer: the words of its name and of itself, its name as it is written, and JSON's word for it."""

    name: str
    kind: str
    named: tuple[str, ...]
    value: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """An answer: its words, the letters of each with a blank, the digests of its runs, and its fields."""

    words: tuple[str, ...]
    sizes: Floats
    grams: Grams
    fields: tuple[Field, ...]

    def part(self, words: Flags) -> float:
        """Return the share of the answer that these words are, by letters."""
        return float(self.sizes[words].sum() / max(self.sizes.sum(), 1.0))

    def runs(self, grams: Flags) -> Flags:
        """Return which words stand in one of these runs."""
        import numpy as np

        found = np.zeros(len(self.words), np.bool_)
        for at in range(RUN):
            found[at : at + len(grams)] |= grams
        return found

    def places(self, field: Field) -> Flags:
        """Return which words are a field, with its name; all of its places, where it is written several times."""
        import numpy as np

        found = np.zeros(len(self.words), np.bool_)
        whole = (*field.named, *field.value)
        starts = [at for at, word in enumerate(self.words) if word == whole[0]]
        for at in starts:
            if self.words[at : at + len(whole)] == whole:
                found[at : at + len(whole)] = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Later:
    """A prompt: the digests of its runs, sorted, and its words with a blank before and after each."""

    grams: Grams
    text: str

    def has(self, field: Field) -> bool:
        """Say whether the words of a field's value stand here in a row."""
        return f" {' '.join(field.value)} " in self.text

    def runs(self, of: Grams) -> Flags:
        """Return which of these runs stand here."""
        import numpy as np

        return np.isin(of, self.grams)


def said(answer: str) -> Said:
    """Return an answer, taken apart."""
    import numpy as np

    words = _words(answer)
    return Said(
        words=words,
        sizes=np.array([len(word) + 1 for word in words], np.float64),
        grams=_grams(words),
        fields=tuple(_fields(answer)),
    )


def later(messages: Sequence[Mapping[str, Any]]) -> Later:
    """Return a prompt, taken apart, without the answers in it."""
    import numpy as np

    words = _words("\n".join(texts(messages, answers=False)))
    return Later(grams=np.unique(_grams(words)), text=f" {' '.join(words)} ")


def texts(messages: Sequence[Mapping[str, Any]], *, answers: bool) -> Iterator[str]:
    """Yield the texts of a prompt's messages: of those that are answers, or of the others."""
    for one in messages:
        if (one.get("role") == "assistant") is answers:
            yield text_of(one.get("content"))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _grams(words: Sequence[str]) -> Grams:
    """Return a digest for each run of words; they are compared within this process only."""
    import numpy as np

    if len(words) < RUN:
        return np.zeros(0, np.uint64)
    each = np.array([hash(word) for word in words], np.int64).astype(np.uint64)
    count = len(words) - RUN + 1
    found: Grams = np.zeros(count, np.uint64)
    for at in range(RUN):
        found = found * np.uint64(_ODD) + (each[at : at + count] ^ (each[at : at + count] >> np.uint64(29)))
    return found


def _fields(answer: str) -> Iterator[Field]:
    """Yield what is written as a name with its value; each once."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    lines = ((match[1], "string", match[2]) for match in _LINE.finditer(answer))
    for name, kind, value in (*_of_objects(answer), *lines):
        words = _words(value)
        if words and len(words) <= _FIELD_WORDS and (name, words) not in seen:
            seen.add((name, words))
            yield Field(name=name, kind=kind, named=_words(name), value=words)
            if len(seen) >= MOST_FIELDS:
                return


def _of_objects(answer: str) -> Iterator[tuple[str, str, str]]:
    """Yield the values of JSON objects that stand anywhere in an answer, with their names and kinds."""
    decoder, at = json.JSONDecoder(), 0
    for _ in range(MOST_OBJECTS):
        at = answer.find("{", at)
        if at < 0:
            return
        try:
            found, at = decoder.raw_decode(answer, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        yield from _leaves("", found)


def _leaves(name: str, value: object) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(name, inner)
    elif isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        yield name, "string" if isinstance(value, str) else "number", str(value)
