"""Two texts side by side: which words of meaning they share, which stand in only one, how much is worded otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from greenai.cache import word_lists as w
from greenai.cache.thesaurus import Thesaurus, thesaurus
from greenai.cache.wording import Item, Wording

__all__ = ["Pair", "paired", "spelt_otherwise", "weighty"]

_ANOTHER_ORDER = 2
_LOOKED_AT = 2500  # pairs of words; in longer texts only equal words are partners
_SLIP = 6  # letters; shorter words are too close to each other
_LONG = 50  # words of meaning
_ACRONYM = 5  # letters
_PEOPLES = ("an", "ese", "ish", "ch", "n", "i")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two texts and what is in only one of them.

    `order_a` and `order_b` number the words of meaning that both have, as they come in a and in b; `synonyms` counts
    those of them that are different words.
    """

    a: Wording
    b: Wording
    only_a: tuple[Item, ...]
    only_b: tuple[Item, ...]
    order_a: tuple[int, ...]
    order_b: tuple[int, ...]
    synonyms: int
    words: Thesaurus

    @cached_property
    def rewording(self) -> int:
        """How much is said in other words: words that mean the same, and another order."""
        return self.synonyms + (_ANOTHER_ORDER if self.order_b != self.order_a else 0)

    @cached_property
    def mine(self) -> tuple[Item, ...]:
        """What is only in a, without words that say little."""
        return weighty(self.only_a)

    @cached_property
    def others(self) -> tuple[Item, ...]:
        """What is only in b, without words that say little."""
        return weighty(self.only_b)

    @property
    def unchanged(self) -> bool:
        """Whether all words of meaning are the same, in the same order."""
        return not self.only_a and not self.only_b and not self.rewording

    @property
    def same_content(self) -> bool:
        """Whether what is in only one of them says little."""
        return not self.mine and not self.others

    @property
    def near(self) -> bool:
        """Whether they differ in one word of meaning at most."""
        return len(self.mine) + len(self.others) <= 1


def paired(a: Wording, b: Wording) -> Pair:
    """Lay two texts side by side: equal stems first, then words that mean the same."""
    words = thesaurus()
    partner_a, partner_b = [-1] * len(a.items), [-1] * len(b.items)
    free: dict[str, list[int]] = {}
    for number, item in enumerate(b.items):
        free.setdefault(item.stem, []).append(number)
    for number, item in enumerate(a.items):
        places = free.get(item.stem)
        if places:
            partner_a[number] = places.pop(0)
            partner_b[partner_a[number]] = number
    synonyms = _join_synonyms(a, b, partner_a, partner_b)
    return Pair(
        a=a,
        b=b,
        only_a=_left(a, partner_a, b),
        only_b=_left(b, partner_b, a),
        order_a=tuple(number for number, partner in enumerate(partner_a) if partner >= 0),
        order_b=tuple(partner for partner in partner_b if partner >= 0),
        synonyms=synonyms,
        words=words,
    )


def _join_synonyms(a: Wording, b: Wording, partner_a: list[int], partner_b: list[int]) -> int:
    same = thesaurus().same
    joined = 0
    if len(a.items) * len(b.items) > _LOOKED_AT:
        return 0
    for number, item in enumerate(a.items):
        if partner_a[number] >= 0:
            continue
        for other, candidate in enumerate(b.items):
            if partner_b[other] < 0 and (same(item.stem, candidate.stem) or _is_slip(item, candidate)):
                partner_a[number], partner_b[other] = other, number
                joined += 1
                break
    return joined


def _is_slip(x: Item, y: Item) -> bool:
    """Say whether one of two words is the other with a slip: a letter more or less, or two exchanged."""
    a, b = sorted((x.word, y.word), key=len)
    if len(a) < _SLIP or len(b) - len(a) > 1 or a[0] != b[0] or x.name or y.name:
        return False
    if thesaurus().knows(x.word, x.stem) and thesaurus().knows(y.word, y.stem):
        return False
    at = next((place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    return a[at + 2 :] == b[at + 2 :] and a[at : at + 2] == b[at : at + 2][::-1]


def _left(wording: Wording, partner: Sequence[int], other: Wording) -> tuple[Item, ...]:
    """Return the items without a partner; a word of whose meaning the other text has one already is none."""
    return tuple(
        item
        for item, found in zip(wording.items, partner, strict=True)
        if found < 0 and item.stem not in other.stems and item.word not in other.known and not _meant(item, other)
    )


def _meant(item: Item, other: Wording) -> bool:
    same = thesaurus().same
    return len(other.items) <= _LONG and any(same(item.stem, candidate.stem) for candidate in other.items)


def weighty(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items that say something of their own."""
    return tuple(item for item in items if item.name or (item.word not in w.FILLERS and item.stem not in w.FILLERS))


def spelt_otherwise(item: Item, other: Wording) -> bool:
    """Say whether the other text has a name or a short form in another spelling: USA, Australian, AI."""
    short = 2 <= len(item.word) <= _ACRONYM
    if not short and not item.name:
        return False
    full = w.ACRONYMS.get(item.word)
    if full is not None and set(full.split()) <= other.known:
        return True
    if any(item.word in w.ACRONYMS[word].split() for word in other.known & w.ACRONYMS.keys()):
        return True
    if short and item.word in "".join(word[0] for word in other.plain):
        return True
    return any(_same_people(item.word, word) for word in other.known) or (item.name and _meant(item, other))


def _same_people(x: str, y: str) -> bool:
    """Say whether one word is a country and the other its people: Australia and Australian, Spain and Spanish."""
    if x[:4] != y[:4] or min(len(x), len(y)) < 4:
        return False
    return max(x, y, key=len).endswith(_PEOPLES)
