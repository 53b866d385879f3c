"""Small tools for rules over words: sets, alternatives, and a search that most prompts never start."""

from __future__ import annotations

import re
from dataclasses import dataclass

NUMBERS = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the rules look at.

    `text` is the last user turn in lower case, its middle left out where it is long; `known` are its words. `chars` is
    its full length, `context_chars` that of the other messages; `has_results` says that tool results are among them.
    """

    text: str
    words: tuple[str, ...]
    known: frozenset[str]
    chars: int
    context_chars: int
    has_results: bool


def words(text: str) -> frozenset[str]:
    """Return the words of a list written with spaces."""
    return frozenset(text.split())


def any_of(*patterns: str, start: bool = False) -> re.Pattern[str]:
    """Compile alternatives; `start` holds them to the beginning of the text, after punctuation and a "please"."""
    joined = "|".join(patterns)
    return re.compile(rf"^\W*(?:please )?(?:{joined})\b" if start else joined, re.DOTALL)


def hits(pattern: re.Pattern[str], hints: frozenset[str], view: View) -> bool:
    """Search only where one of the words that the pattern needs is there."""
    return not view.known.isdisjoint(hints) and pattern.search(view.text) is not None
