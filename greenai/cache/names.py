"""Which names are generally known, and which may be those of somebody whom one knows.

The lists are in names.txt, made by training/words/names.py; their sources and licence stand at the top of it. They are
read when a question is first asked of a name.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Names", "capitals", "names", "plain"]

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019.-][^\W\d_]+)*")
_ENDED = ".!?:\n"
_OPENING = " \"'("
_MOST_CAPITALS = 0.8  # of the words: beyond that capitals say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names in small letters without accents, their words joined by "_".

    `proper` has places, and `called` first names, that are ordinary words when written small. `kinds` are nouns of
    nature, `organs` those of the body.
    """

    place: frozenset[str]
    proper: frozenset[str]
    person: frozenset[str]
    given: frozenset[str]
    called: frozenset[str]
    kinds: frozenset[str]
    organs: frozenset[str]

    def is_given(self, word: str, large: frozenset[str]) -> bool:
        """Say whether a word is a first name; `large` are the words that are written with a capital."""
        word = plain(word.removesuffix("'s"))
        return word in self.given or (word in self.called and word in large)

    def is_place(self, name: str, large: frozenset[str]) -> bool:
        """Say whether a name is that of a place."""
        name = plain(name)
        return name in self.place or (name in self.proper and name in large)

    def is_person(self, name: str) -> bool:
        """Say whether a name is that of somebody of whom encyclopedias tell."""
        return plain(name) in self.person

    def is_kind(self, word: str) -> bool:
        """Say whether a word, or its singular, is that of an animal, a plant, a substance or a part of the body."""
        forms = (word, word.removesuffix("s"), word.removesuffix("es"), f"{word.removesuffix('ies')}y")
        return any(form in self.kinds for form in forms)


def plain(name: str) -> str:
    """Return a name as the lists have it."""
    if not name.isascii():
        name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    return "_".join(name.lower().replace(".", "").split())


@cache
def names() -> Names:
    """Return the lists; the first call reads them, in some milliseconds."""
    found: dict[str, set[str]] = {}
    text = resources.files("greenai.cache").joinpath("names.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            _, kind, *words = line.split(" ")
            found.setdefault(kind, set()).update(words)
    return Names(
        **{kind: frozenset(found[kind]) for kind in ("place", "proper", "person", "given", "called")},
        kinds=frozenset(found["animal"] | found["plant"] | found["substance"] | found["body"]),
        organs=frozenset(found["body"]),
    )


def capitals(text: str) -> frozenset[str]:
    """Return the words that are written with a capital where none has to be, in small letters.

    None where nearly all words are: then a capital says nothing.
    """
    if text[1:].islower():  # the only capital is the first letter's
        return frozenset()
    found = list(_WORD.finditer(text))
    large = [match for match in found if match[0][0].isupper() and match[0] != "I"]
    if len(found) > 2 and len(large) > _MOST_CAPITALS * len(found):
        return frozenset()
    inside = (match for match in large if match.start() and _before(text, match.start()) not in _ENDED)
    return frozenset(plain(match[0].replace("\u2019", "'").removesuffix("'s")) for match in inside)


def _before(text: str, at: int) -> str:
    """Return the character before a word, spaces, quotes and brackets left out."""
    at -= 1
    while at >= 0 and text[at] in _OPENING:
        at -= 1
    return text[at] if at >= 0 else ""
