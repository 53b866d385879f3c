"""A pattern of many alternatives, of which each is only searched for where the words that it needs are there.

A search tries every alternative at every word, and most of them need a word that the text does not have. Which words
each needs is in needs.json, made by training/words/needs.py. An alternative is compiled when it is first searched for.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources

__all__ = ["DIGIT", "FILE", "Gate", "split"]

FILE = "needs.json"
DIGIT = "#"
"""Stands among the words of a text that has a digit, and among those that an alternative needs."""

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"[0-9]")
_compiled = cache(re.compile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an alternative needs: one of these words, or one of these parts of words."""

    words: frozenset[str]
    parts: tuple[str, ...]

    def is_met(self, head: str, words: frozenset[str]) -> bool:
        """Say whether a text has it, given its words."""
        return not self.words.isdisjoint(words) or any(map(head.__contains__, self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alternatives:
    """Those of one pattern: `needs` of each, and by a word or a part of the first need the numbers of those."""

    sources: tuple[str, ...]
    needs: tuple[tuple[Need, ...], ...]
    by_word: Mapping[str, Sequence[int]]
    by_part: Mapping[str, Sequence[int]]
    words: frozenset[str]


class Gate:
    """Searches as a compiled pattern does, in texts of small letters."""

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self.pattern = pattern

    def is_in(self, head: str) -> bool:
        """Say whether the pattern is found."""
        sources = self._alternatives.sources
        return any(_compiled(sources[number]).search(head) is not None for number in self._likely(head))

    def match(self, head: str) -> re.Match[str] | None:
        """Return what the pattern finds at the beginning."""
        return _compiled(self.pattern).match(head) if self._likely(head) else None

    def search(self, head: str) -> re.Match[str] | None:
        """Return what the pattern finds first."""
        return _compiled(self.pattern).search(head) if self._likely(head) else None

    def findall(self, head: str) -> list[str]:
        """Return all that the pattern finds."""
        return _compiled(self.pattern).findall(head) if self._likely(head) else []

    def sub(self, instead: str, head: str) -> str:
        """Return the text with all of that replaced."""
        return _compiled(self.pattern).sub(instead, head) if self._likely(head) else head

    @cached_property
    def _alternatives(self) -> _Alternatives:
        sources = split(self.pattern)
        needs = _needs()[self.name]
        by_word: dict[str, list[int]] = defaultdict(list)
        by_part: dict[str, list[int]] = defaultdict(list)
        for number, (first, *_) in enumerate(needs):
            for word in first.words:
                by_word[word].append(number)
            for part in first.parts:
                by_part[part].append(number)
        if len(needs) != len(sources):
            raise ValueError(
                f"{self.name} has {len(sources)} alternatives, and {FILE} knows {len(needs)} of them; "
                "run training/words/needs.py"
            )
        return _Alternatives(sources=sources, needs=needs, by_word=by_word, by_part=by_part, words=frozenset(by_word))

    def _likely(self, head: str) -> list[int]:
        """Return the numbers of the alternatives whose words are there."""
        every, words = self._alternatives, _words(head)
        if every.words.isdisjoint(words) and not every.by_part:
            return []
        first = {number for word in every.words & words for number in every.by_word[word]}
        for part, numbers in every.by_part.items():
            if part in head:
                first.update(numbers)
        return [at for at in first if all(need.is_met(head, words) for need in every.needs[at][1:])]


@lru_cache(maxsize=16)
def _words(head: str) -> frozenset[str]:
    """Return the words of a text, each once; a dozen patterns ask for them, one after the other."""
    words = frozenset(_WORD.findall(head))
    return words if _DIGIT.search(head) is None else words | {DIGIT}


@cache
def _needs() -> dict[str, tuple[tuple[Need, ...], ...]]:
    """Return by pattern what each of its alternatives needs."""
    text = resources.files("greenai.cache").joinpath(FILE).read_text(encoding="utf-8")
    held: dict[str, list[list[list[str]]]] = json.loads(text)
    return {
        name: tuple(
            tuple(Need(words=frozenset(need[0].split()), parts=tuple(need[1:])) for need in needs)
            for needs in alternatives
        )
        for name, alternatives in held.items()
    }


def split(pattern: str) -> tuple[str, ...]:
    """Return the alternatives of a pattern."""
    found: list[str] = []
    start = depth = at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif letter == "[":
            at = pattern.index("]", at + 2 + (pattern[at + 1] == "^"))
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and not depth:
            found.append(pattern[start:at])
            start = at + 1
        at += 1
    return (*found, pattern[start:])
