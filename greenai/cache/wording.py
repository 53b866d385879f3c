"""One text as the vetoes see it: its words of meaning with their place, its names, and what grammar.py tells of it.

Reading says nothing about another text. What it finds is compared in differences.py and arrangement.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from greenai.cache import grammar
from greenai.cache import word_lists as w
from greenai.cache.grammar import SIGNS
from greenai.cache.symbols import Symbols, spelt, symbols, words_only
from greenai.cache.thesaurus import stem, thesaurus

__all__ = ["Item", "Wording", "read"]

_LETTER = r"(?:[^\W\d_]|[^\x00-\x7f\d€£])"  # with the marks that belong to one, once the text is `words_only`
_TOKEN = re.compile(
    r"[0-9]+(?:[.,:/][0-9]+)*(?:%|(?:st|nd|rd|th|k|am|pm)\b)?|"
    rf"{_LETTER}+\+\+|{_LETTER}\#|{_LETTER}+(?:'{_LETTER}+)*|"
    r"[.?!;:,\n&%€$£+*/=-]",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    r"`[^`]+`|https?://\S+|(?<![\w.)])[\w.)]*[_@{}\\|~^][\w(){}.<>\\@|~^-]*|</?\w+>|\b\w+\(\)|\b[a-z]\w*\.[a-z]\w{1,3}\b(?!\.)",
    re.IGNORECASE,
)
_LITERAL_SIGNS = frozenset("`_@{}\\|~^<(./")
_QUOTED = re.compile(r"\"([^\"]{2,300})\"|\u201c([^\u201d]{2,300})\u201d|(?<!\w)'([^']{2,300})'(?!\w)")
_WORLD_WAR = re.compile(r"\b(first|second) world war\b", re.IGNORECASE)
_FORMAT = re.compile(
    r"\b(?:in|as|with) (?:an? |one |single |two |three |simple |plain |[0-9]+ )*(?:\w+ )?(?P<kind>"
    + "|".join(sorted(w.FORMATS))
    + r")\b|\b(?P<length>briefly|in brief|concise(?:ly)?|short answer|in short|in detail|detailed|at length|"
    r"step by step|one word|yes or no|eli5|in simple terms|for a child|like i'm five)\b"
)
_ENDINGS = ("'s", "'m", "'re", "'ve", "'ll", "'d", "'")
_ENDS = frozenset(".?!\n;:")
_MIN_TITLE = 4
_FEW = 3
_LATIN = 0x24F


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A word of meaning: its stem, the word as written (small), its place, the preposition it hangs on, its slot.

    `slot` says after what kind of word it stands: "n" where a noun belongs, "v" where a verb does, "be" after a form
    of be, "c" after another word of meaning, "" at the beginning. `name` says that it is one, `negated` that a "not"
    stands just before it.
    """

    stem: str
    word: str
    place: int
    role: str
    slot: str
    name: bool
    negated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one text says, for comparison.

    `plain` are its words in order and `known` without it; `agent` does `verb` where something is done by somebody;
    `asker` and `hangs` say of which part of a sentence is asked; `symbols` are its signs; `foreign` are words in other
    scripts than Latin. The others are named as in grammar.py.
    """

    plain: tuple[str, ...]
    known: frozenset[str]
    stems: frozenset[str]
    items: tuple[Item, ...]
    numbers: frozenset[str]
    figures: tuple[str, ...]
    literals: frozenset[str]
    quotes: frozenset[str]
    negations: int
    kind: str
    genders: str
    formats: frozenset[str]
    tense: frozenset[str]
    modals: frozenset[str]
    agent: str
    verb: str
    hangs: str
    asker: str
    tried: bool
    symbols: Symbols
    foreign: tuple[str, ...]


@lru_cache(maxsize=1024)
def read(text: str) -> Wording:
    """Read one text; the last thousand are remembered, since a text is compared with several."""
    text = spelt(text).strip()
    said = symbols(text)
    text = text.replace("n't", " not").strip()
    if "orld" in text:
        text = _WORLD_WAR.sub(_numbered, text)
    lower = text.lower()
    tokens = _TOKEN.findall(words_only(text))
    small = [_bare(token) for token in tokens]
    plain = tuple(word for word in small if word not in SIGNS)
    known = frozenset(plain)
    items = _items(tokens, small)
    agent, verb = _passive(items, small)
    return Wording(
        plain=plain,
        known=known,
        stems=frozenset(map(stem, known)),
        items=items,
        numbers=grammar.numbers(small),
        figures=grammar.figures(small),
        literals=_literals(text),
        quotes=frozenset("".join(found).strip(" .,!?").lower() for found in _QUOTED.findall(text)),
        negations=grammar.negations(lower, small),
        kind=grammar.kind(small),
        genders="".join("m" if word in w.MALE else "f" for word in plain if word in w.MALE or word in w.FEMALE),
        formats=frozenset(found["kind"] or found["length"] for found in _FORMAT.finditer(lower)),
        tense=grammar.tense(lower, small),
        modals=grammar.modals(lower, known),
        agent=agent,
        verb=verb,
        hangs=grammar.hanging(small),
        asker=grammar.asker(" ".join(plain)),
        tried=grammar.tried(lower),
        symbols=said,
        foreign=() if text.isascii() else tuple(word for word in plain if any(ord(c) > _LATIN for c in word)),
    )


def _numbered(match: re.Match[str]) -> str:
    return "World War " + ("1" if match[1].lower() == "first" else "2")


def _bare(token: str) -> str:
    word = token.lower()
    if "'" in word:
        for end in _ENDINGS:
            if word.endswith(end) and len(word) > len(end):
                return word[: -len(end)]
    return word


def _literals(text: str) -> frozenset[str]:
    if _LITERAL_SIGNS.isdisjoint(text):
        return frozenset()
    return frozenset(found.strip("`.,()").lower() for found in _LITERAL.findall(text)) - {""}


# --- words of meaning -----------------------------------------------------------------------


def _items(tokens: Sequence[str], small: Sequence[str]) -> tuple[Item, ...]:
    capitals, names = _counts_capitals(tokens), thesaurus().names
    items: list[Item] = []
    governs, start, previous = "", True, ""  # the last preposition, as long as it reaches; whether a sentence begins
    for place, (token, word) in enumerate(zip(tokens, small, strict=True)):
        if word in SIGNS:
            if word not in "-&":
                governs, previous = "", ""
                start = start or word in _ENDS
            continue
        name = word in names or (capitals and token[0].isupper() and _is_name(tokens, place, start=start))
        if name or not _says_little(small, place):
            owner = token[-2:].lower() in ("'s", "s'") and place + 1 < len(small)
            items.append(
                Item(
                    stem=stem(word),
                    word=word,
                    place=place,
                    role="of" if owner else governs,
                    slot=_slot(previous),
                    name=name,
                    negated="not" in small[max(0, place - 2) : place],
                )
            )
            governs = governs if _is_content(small, place + 1) else ""
        elif word in w.PREPOSITIONS:
            governs = word
        elif word not in w.DETERMINERS and not word[0].isdigit():
            governs = ""
        previous, start = word, False
    return tuple(items)


def _says_little(small: Sequence[str], place: int) -> bool:
    word = small[place]
    if word == "like":  # does he like it, and what is it like
        before = small[:place]
        return before[-1:] == ["is"] or (w.BE.isdisjoint(small) and {"do", "does", "did"}.isdisjoint(before))
    if word in w.PRAISE:  # "good ways to", "the best way": of all there are; "a good author" is one of few
        return place + 1 < len(small) and stem(small[place + 1]) in w.WAYS
    return word in w.FUNCTION or word[0].isdigit() or word in w.NUMBER_WORDS


def _is_content(small: Sequence[str], place: int) -> bool:
    return place < len(small) and small[place] not in w.FUNCTION and small[place] not in SIGNS


def _slot(previous: str) -> str:
    if not previous:
        return ""
    if previous in w.BE:
        return "be"
    if previous in ("to", "how", "not") or previous in w.AUXILIARIES or previous in w.MODALS or previous in w.BARE:
        return "v"
    if previous in w.DETERMINERS or previous in w.PREPOSITIONS or previous[0].isdigit():
        return "n"
    return "c"


def _passive(items: Sequence[Item], small: Sequence[str]) -> tuple[str, str]:
    """Return who does it and what, where a text says that something is done by somebody."""
    if "by" not in small or w.BE.isdisjoint(small):
        return "", ""
    at = len(small) - 1 - list(reversed(small)).index("by")
    done = [item for item in items if item.place < at]
    agents = [item for item in items if item.place > at and item.role == "by"]
    if not done or not agents or done[-1].place != at - 1:
        return "", ""
    if agents[0].word.endswith("ing") and small[at + 1] not in w.DETERMINERS:  # by using
        return "", ""
    if done[-1].stem == done[-1].word and done[-1].word not in w.UNCHANGED:
        return "", ""
    return agents[0].stem, done[-1].stem


# --- names ------------------------------------------------------------------------------------


def _counts_capitals(tokens: Sequence[str]) -> bool:
    """Say whether capitals mean names here: not in a text of capitals, and not in a title."""
    words = [token for token in tokens if token[0].isalpha() and len(token) > _FEW]
    if len(words) < _MIN_TITLE:
        return not all(token.isupper() for token in tokens if token[0].isalpha() and len(token) > 1)
    return any(token[0].islower() for token in words)


def _is_name(tokens: Sequence[str], place: int, *, start: bool) -> bool:
    token = tokens[place]
    word = _bare(token)
    shouted = token.isupper() and len(token) > 1
    if word in w.TITLES or word in ("i", "ok") or (word in w.FUNCTION and not shouted):
        return False
    if not start or shouted:
        return True
    follows = tokens[place + 1] if place + 1 < len(tokens) else ""
    return follows[:1].isupper() and _bare(follows) not in w.FUNCTION and stem(word) not in thesaurus().alike
