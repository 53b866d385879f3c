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
from typing import TypeAlias

__all__ = ["DIGIT", "FILE", "Gate", "split"]

FILE = "needs.json"
DIGIT = "#"
"""Stands among the words of a text that has a digit, and among those that an alternative needs."""

_WORD = re.compile(r"\w+")
_DIGIT = re.compile(r"[0-9]")
_compiled = cache(re.compile)
_Alternative: TypeAlias = "tuple[str, int]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an alternative needs: one of these words, or one of these parts of words."""

    words: frozenset[str]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """The alternatives of every pattern, as its name and their number: `needs` of each, and where the first is met."""

    needs: Mapping[_Alternative, Sequence[Need]]
    by_word: Mapping[str, Sequence[_Alternative]]
    by_part: Mapping[str, Sequence[_Alternative]]
    words: frozenset[str]


class Gate:
    """Searches as a compiled pattern does, in texts of small letters."""

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self.pattern = pattern

    def is_in(self, head: str) -> bool:
        """Say whether the pattern is found."""
        likely = _likely(head).get(self.name)
        return likely is not None and any(_compiled(self._sources[at]).search(head) is not None for at in likely)

    def match(self, head: str) -> re.Match[str] | None:
        """Return what the pattern finds at the beginning."""
        return _compiled(self.pattern).match(head) if self.name in _likely(head) else None

    def search(self, head: str) -> re.Match[str] | None:
        """Return what the pattern finds first."""
        return _compiled(self.pattern).search(head) if self.name in _likely(head) else None

    def findall(self, head: str) -> list[str]:
        """Return all that the pattern finds."""
        return _compiled(self.pattern).findall(head) if self.name in _likely(head) else []

    def sub(self, instead: str, head: str) -> str:
        """Return the text with all of that replaced."""
        return _compiled(self.pattern).sub(instead, head) if self.name in _likely(head) else head

    @cached_property
    def _sources(self) -> tuple[str, ...]:
        sources = split(self.pattern)
        known = sum(name == self.name for name, _ in _index().needs)
        if known != len(sources):
            raise ValueError(
                f"{self.name} has {len(sources)} alternatives, and {FILE} knows {known} of them; "
                "run training/words/needs.py"
            )
        return sources


@lru_cache(maxsize=16)
def _likely(head: str) -> Mapping[str, Sequence[int]]:
    """Return by pattern which alternatives have their words in a text; all patterns ask, one after the other."""
    index, words = _index(), frozenset(_WORD.findall(head))
    if _DIGIT.search(head) is not None:
        words |= {DIGIT}
    first = {one for word in index.words & words for one in index.by_word[word]}
    for part, alternatives in index.by_part.items():
        if part in head:
            first.update(alternatives)
    found: dict[str, list[int]] = {}
    for one in first:
        for need in index.needs[one]:
            if need.words.isdisjoint(words) and not (need.parts and any(map(head.__contains__, need.parts))):
                break
        else:
            found.setdefault(one[0], []).append(one[1])
    return found


@cache
def _index() -> _Index:
    text = resources.files("greenai.cache").joinpath(FILE).read_text(encoding="utf-8")
    held: dict[str, list[list[list[str]]]] = json.loads(text)
    needs: dict[_Alternative, tuple[Need, ...]] = {}
    by_word: dict[str, list[_Alternative]] = defaultdict(list)
    by_part: dict[str, list[_Alternative]] = defaultdict(list)
    for name, alternatives in held.items():
        for number, ((words, *parts), *further) in enumerate(alternatives):
            one = (name, number)
            needs[one] = tuple(Need(words=frozenset(need[0].split()), parts=tuple(need[1:])) for need in further)
            for word in words.split():
                by_word[word].append(one)
            for part in parts:
                by_part[part].append(one)
    return _Index(needs=needs, by_word=by_word, by_part=by_part, words=frozenset(by_word))


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
