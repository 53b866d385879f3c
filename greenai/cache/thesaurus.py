"""Which words are alike, opposite, or two of a kind, and what a word's stem is.

The meanings are WordNet's for the words in use (thesaurus.txt, made by training/words/thesaurus.py; its licence stands
at the top of it), with hand-made ones beside them (own_words.txt). They are read
once, when two texts are first compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

__all__ = ["Thesaurus", "stem", "thesaurus"]

_VOWEL = re.compile(r"[aeiouy]")
_DOUBLED = re.compile(r"([bdgklmnprtz])\1$")
_OUR = re.compile(r"(?<=[a-z]{2})our(?=$|s$|ed$|ing$|ite$|able$|ful$|less$)")
_NEGATING = ("un", "in", "im", "il", "ir", "dis", "non", "non-", "mis", "anti", "anti-", "de", "mal")
_MIN_STEM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Thesaurus:
    """Stems with the numbers of their meanings, opposites and kinds.

    `known` has all listed words, `alike` the hand-made and WordNet's meanings of a stem, `opposite` pairs both ways
    round, `kinds` the kind of a thing, `names` places as they are written small, `sets` the numbers of the lists of
    which one excludes another;
    `forms` and `spellings` lead from a form, another spelling or a short form to the word.
    """

    known: frozenset[str]
    alike: dict[str, frozenset[int]]
    opposite: frozenset[tuple[str, str]]
    kinds: dict[str, str]
    names: frozenset[str]
    sets: dict[str, frozenset[int]]
    forms: dict[str, str]
    spellings: dict[str, str]

    def same(self, a: str, b: str) -> bool:
        """Say whether two stems mean the same."""
        if a == b:
            return True
        mine, other = self.alike.get(a), self.alike.get(b)
        if mine is not None and other is not None and not mine.isdisjoint(other):
            return not self._apart(a, b)  # WordNet has mother and father in one meaning, to beget
        return _kin(a, b)

    def opposed(self, a: str, b: str) -> bool:
        """Say whether two stems are opposites, listed or by their beginnings and ends."""
        if (a, b) in self.opposite:
            return True
        short, long = (a, b) if len(a) < len(b) else (b, a)
        if len(short) > _MIN_STEM and long.endswith(short) and long[: -len(short)] in _NEGATING:
            return True
        return (a.endswith("less") and b == a[:-4] + "ful") or (b.endswith("less") and a == b[:-4] + "ful")

    def knows(self, word: str, its_stem: str) -> bool:
        """Say whether a word is one that is listed."""
        return word in self.known or its_stem in self.known or word in self.forms

    def excluded(self, a: str, b: str) -> bool:
        """Say whether two stems are two of a kind: two weekdays, two colours, two animals."""
        if self._apart(a, b):
            return True
        kind = self.kinds.get(a)
        return kind is not None and kind == self.kinds.get(b)

    def _apart(self, a: str, b: str) -> bool:
        mine, other = self.sets.get(a), self.sets.get(b)
        return (mine is not None and other is not None and not mine.isdisjoint(other)) or (a, b) in self.opposite


def _kin(a: str, b: str) -> bool:
    """Say whether one word is the other's adverb or other close form: quick and quickly, rely and reliable."""
    short, long = (a, b) if len(a) < len(b) else (b, a)
    if len(short) < _MIN_STEM + 1 or not long.startswith(short[:-1]):
        return False
    tail = long[len(short) :] if long.startswith(short) else long[len(short) - 1 :]
    return tail in {"ly", "ily", "y", "ation", "ion", "ment", "ness", "iness", "ity", "al", "ance", "ence", "ing"}


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Return what the forms of a word have in common: run for running and ran, color for colours."""
    words = thesaurus()
    fixed = words.spellings.get(word) or words.forms.get(word)
    if fixed is not None:
        return fixed
    if "our" in word:
        word = _OUR.sub("or", word)
    return _american(_cut(word))


def _cut(word: str) -> str:
    word = word.removesuffix("'s")
    if len(word) <= _MIN_STEM or not word.isascii():
        return word
    if word.endswith("s"):
        return _singular(word)
    for end in ("ing", "ed"):
        rest = word[: -len(end)]
        if word.endswith(end) and len(rest) >= _MIN_STEM - (end == "ed") and _VOWEL.search(rest):
            if end == "ed" and rest.endswith("i"):
                return rest[:-1] + "y"
            return _base(rest)
    return word


def _singular(word: str) -> str:
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "oes")):
        return word[:-2]
    if word.endswith("ies") and len(word) > _MIN_STEM + 1:
        return word[:-3] + "y"
    if word.endswith(("ss", "us", "is")):
        return word
    return _cut(word[:-1]) if word.endswith("ings") else word[:-1].removesuffix("'")


def _base(rest: str) -> str:
    """Return the verb of which `rest` is the beginning: sav-ing save, runn-ing run, walk-ed walk."""
    known = thesaurus().known
    if _DOUBLED.search(rest) and rest not in known:
        return rest[:-1]
    if rest in known and rest + "e" not in known:
        return rest
    if rest + "e" in known or rest.endswith(("v", "c", "u", "at", "iz", "is", "ag", "dg", "tl", "bl", "pl")):
        return rest + "e"
    return rest


def _american(word: str) -> str:
    if word.endswith("ise") and len(word) > 6 and word[:-3] + "ize" in thesaurus().alike:
        return word[:-3] + "ize"
    if word.endswith("isation"):
        return word[:-7] + "ization"
    return word


@cache
def thesaurus() -> Thesaurus:
    """Return the packaged meanings, with the hand-made ones."""
    read = _Lines()
    for name in ("own_words.txt", "thesaurus.txt"):
        for line in resources.files("greenai.cache").joinpath(name).read_text(encoding="utf-8").splitlines():
            sign, *words = line.split()
            read.take(sign, words)
    opposites = {word for pair in read.opposite for word in pair}
    return Thesaurus(
        known=frozenset(opposites.union(read.alike, read.kinds, read.sets)),
        alike={word: frozenset(found) for word, found in read.alike.items()},
        opposite=frozenset(read.opposite),
        kinds=read.kinds,
        names=frozenset(read.names),
        sets={word: frozenset(found) for word, found in read.sets.items()},
        forms=read.forms,
        spellings=read.spellings,
    )


class _Lines:
    """What is read of the lines, by their signs."""

    def __init__(self) -> None:
        self.alike: dict[str, set[int]] = {}
        self.sets: dict[str, set[int]] = {}
        self.opposite: set[tuple[str, str]] = set()
        self.kinds: dict[str, str] = {}
        self.names: set[str] = set()
        self.forms: dict[str, str] = {}
        self.spellings: dict[str, str] = {}
        self._lines = 0

    def take(self, sign: str, words: list[str]) -> None:
        self._lines += 1
        if sign in ("=", "~", "|"):
            groups = self.sets if sign == "|" else self.alike
            for word in words:
                groups.setdefault(word, set()).add(self._lines)
        elif sign == "!":
            self.opposite.update(((words[0], words[1]), (words[1], words[0])))
        elif sign == "#":
            self._kind(words[0], words[1:])
        elif sign in ("@", ">"):
            forms = self.forms if sign == "@" else self.spellings
            forms.update(dict.fromkeys(words[1:], words[0]) if sign == "@" else {words[0]: words[1]})

    def _kind(self, kind: str, words: list[str]) -> None:
        if kind == "name":
            self.names.update(words)
        else:
            self.kinds.update(dict.fromkeys(words, kind))
