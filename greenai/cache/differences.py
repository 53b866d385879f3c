"""The rules that look for a difference between two texts, each giving its reason in words; see vetoes.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product

from greenai.cache import word_lists as w
from greenai.cache.arrangement import added, moved, replaced
from greenai.cache.pairs import Pair, paired, spelt_otherwise
from greenai.cache.wording import Item, Wording, read

__all__ = ["reasons"]

_SHORT = 16  # words, up to which a negation is taken to stand for the whole text
_PAIRED = frozenset(("before", "after", "over", "under", "above", "below", "inside", "outside"))
_BOTH_SEXES = 2
_COMPARED = 30  # words in only one text; where more differ, another rule or the similarity tells the texts apart


def reasons(a: str, b: str) -> list[str]:
    """Return why one answer must not serve both texts, in words; [] where no rule objects."""
    if b < a:
        a, b = b, a
    one, other = read(a), read(b)
    if _same(one, other):
        return []
    pair = paired(one, other)
    return [reason for rule in _RULES for reason in rule(pair)]


def _same(one: Wording, other: Wording) -> bool:
    worded = one.plain == other.plain and one.literals == other.literals and one.quotes == other.quotes
    return worded and one.symbols == other.symbols


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _against(a: frozenset[str], b: frozenset[str]) -> str:
    return f"{_listed(a - b)} against {_listed(b - a)}"


# --- figures, code, quotes ------------------------------------------------------------------


def _numbers(pair: Pair) -> Iterator[str]:
    a, b = pair.a, pair.b
    if a.numbers != b.numbers:
        yield f"numbers: {_against(a.numbers, b.numbers)}"
    elif pair.unchanged and a.figures != b.figures and sorted(a.figures) == sorted(b.figures):
        yield from () if w.CONNECTORS & a.known else ("the same numbers with changed places",)


def _literals(pair: Pair) -> Iterator[str]:
    for mine, other in ((pair.a, pair.b), (pair.b, pair.a)):
        missing = [text for text in mine.literals - other.literals if not _parts(text) <= other.known]
        if missing:
            yield f"code or an address in only one: {_listed(missing)}"
    if pair.a.quotes and pair.b.quotes and pair.a.quotes != pair.b.quotes:
        yield f"quoted: {_against(pair.a.quotes, pair.b.quotes)}"


def _parts(text: str) -> set[str]:
    return {part for part in "".join(c if c.isalnum() else " " for c in text).split() if not part.isdigit()}


def _symbols(pair: Pair) -> Iterator[str]:
    a, b = pair.a.symbols, pair.b.symbols
    if a.signs != b.signs:
        yield f"signs: {' '.join(a.signs) or 'none'} against {' '.join(b.signs) or 'none'}"
    elif pair.a.numbers == pair.b.numbers and len(a.marked) == len(b.marked) and a.marked != b.marked:
        yield f"numbers: {' '.join(a.marked)} against {' '.join(b.marked)}"


def _foreign(pair: Pair) -> Iterator[str]:
    """Compare words of other scripts as they are: no list here knows one of them."""
    if pair.a.foreign != pair.b.foreign:
        yield f"words of another script: {' '.join(pair.a.foreign)} against {' '.join(pair.b.foreign)}"


# --- no and yes -----------------------------------------------------------------------------


def _negation(pair: Pair) -> Iterator[str]:
    if pair.a.negations % 2 == pair.b.negations % 2 or _cancelled(pair):
        return
    if max(len(pair.a.plain), len(pair.b.plain)) <= _SHORT or _denied(pair.a, pair.b) or _denied(pair.b, pair.a):
        yield "one says not, the other does not"


def _denied(mine: Wording, other: Wording) -> bool:
    """Say whether a word that `other` has is denied in `mine` alone."""
    said = {item.stem for item in other.items if not item.negated}
    return any(item.negated and item.stem in said for item in mine.items)


def _opposed(pair: Pair, x: Item, y: Item) -> bool:
    return pair.words.opposed(x.stem, y.stem) or pair.words.opposed(x.word, y.word)


def _cancelled(pair: Pair) -> list[tuple[Item, Item]]:
    """Return opposites of which one is negated: "not mandatory" beside "optional"."""
    if pair.a.negations % 2 == pair.b.negations % 2:
        return []
    both = product(pair.only_a[:_COMPARED], pair.only_b[:_COMPARED])
    return [(x, y) for x, y in both if x.negated != y.negated and _opposed(pair, x, y)]


def _opposites(pair: Pair) -> Iterator[str]:
    cancelled = _cancelled(pair)
    for x, y in product(pair.only_a[:_COMPARED], pair.only_b[:_COMPARED]):
        if (x, y) in cancelled:
            continue
        if _opposed(pair, x, y):
            yield f"opposites: {x.word} against {y.word}"
        elif pair.words.excluded(x.stem, y.stem) and w.GENERIC.isdisjoint((x.stem, y.stem)):
            yield f"two of a kind: {x.word} against {y.word}"


def _directions(pair: Pair) -> Iterator[str]:
    a, b = pair.a.known, pair.b.known
    for x, y in (*w.MOVES, ("in", "out")) if pair.unchanged else w.MOVES:
        mine, other = {x, y} & a, {x, y} & b
        if mine and other and mine.isdisjoint(other):
            yield f"opposites: {x} against {y}"
        elif mine and other and mine != other and x in _PAIRED:
            yield f"{x} and {y} against one of them"


# --- names and persons ------------------------------------------------------------------------


def _names(pair: Pair) -> Iterator[str]:
    mine, others = _missing_names(pair.a, pair.b), _missing_names(pair.b, pair.a)
    if mine and others:
        yield f"names: {_listed(mine)} against {_listed(others)}"
    elif mine or others:
        alone, whole = (mine, pair.a) if mine else (others, pair.b)
        if not all(_extends(name, whole, alone) for name in alone):
            yield f"a name in only one: {_listed(alone)}"


def _missing_names(mine: Wording, other: Wording) -> frozenset[str]:
    return frozenset(
        item.word
        for item in mine.items
        if item.name and item.word not in other.known and item.stem not in other.stems
        if not spelt_otherwise(item, other)
    )


def _extends(name: str, whole: Wording, alone: frozenset[str]) -> bool:
    """Say whether a name stands beside one that both texts have: Donald beside Trump."""
    for left, right in zip(whole.items, whole.items[1:], strict=False):
        beside = left.name and right.name and right.place == left.place + 1
        if beside and name in (left.word, right.word) and {left.word, right.word} - alone:
            return True
    return False


def _pronouns(pair: Pair) -> Iterator[str]:
    mine, other = pair.a.genders, pair.b.genders
    if mine == other:
        return
    if not mine or not other:
        if pair.near and len(pair.order_a) > 1:
            yield "he or she in only one"
    elif set(mine) != set(other):
        yield "he in one, she in the other"
    elif len(set(mine)) == _BOTH_SEXES:
        yield "he and she change places"


# --- what is asked, and in which form -----------------------------------------------------------


def _kinds(pair: Pair) -> Iterator[str]:
    a, b = sorted((pair.a.kind, pair.b.kind))
    if a == b or not a or (a.startswith("how ") and b.startswith("how ") and (a, b) != ("how far", "how old")):
        return
    if not pair.near and ("yes" in (a, b) or (a, b) == ("how", "why")):
        return
    if "what" in (a, b) and (pair.synonyms or (pair.only_a if pair.a.kind == "what" else pair.only_b)):
        return  # what is the weight of it: asks by a noun
    if not _asks_by_noun(pair.a.kind, pair.b) and not _asks_by_noun(pair.b.kind, pair.a):
        yield " and ".join(f"one asks {'whether' if kind == 'yes' else kind}" for kind in (a, b))


def _asks_by_noun(kind: str, other: Wording) -> bool:
    """Say whether the other text asks the same by a noun: the year for when, the steps for how."""
    return not other.stems.isdisjoint(w.KIND_NOUNS.get(kind, ()))


def _aspects(pair: Pair) -> Iterator[str]:
    """Look whether one asks for the cause, the other for the cure."""
    mine = {w.ASPECTS[item.stem] for item in pair.only_a if item.stem in w.ASPECTS}
    others = {w.ASPECTS[item.stem] for item in pair.only_b if item.stem in w.ASPECTS}
    for wording, aspects in ((pair.a, mine), (pair.b, others)):
        if wording.kind == "why" and "cause" not in mine | others:
            aspects.add("cause")
    if mine and others and mine.isdisjoint(others):
        yield f"asked for: {_listed(mine)} against {_listed(others)}"


def _form(pair: Pair) -> Iterator[str]:
    if pair.a.formats != pair.b.formats:
        yield f"form of the answer: {_against(pair.a.formats, pair.b.formats)}"


# --- time and mood ------------------------------------------------------------------------------


def _tense(pair: Pair) -> Iterator[str]:
    differ = pair.a.tense ^ pair.b.tense
    for word in sorted(differ & {"used to", "becoming"}):
        yield f'"{word}" in only one'
    may = pair.a.modals ^ pair.b.modals - {"future", "able"}
    if pair.same_content and "future" in differ and (not may or differ & {"past", "past form"}):
        yield "what will be in only one"
    told = any("past form" in x.tense and "past" not in x.tense for x in (pair.a, pair.b))
    asked = pair.a.kind not in ("", "why")
    if pair.near and asked and {"past", "present"} <= differ and not told:
        yield "what is against what was"


def _tried(pair: Pair) -> Iterator[str]:
    if pair.a.tried != pair.b.tried:
        yield "what was tried without success in only one"


def _mood(pair: Pair) -> Iterator[str]:
    if not pair.same_content:
        return
    a, b = (x.modals - {"would", "future"} for x in (pair.a, pair.b))
    if a and b and a != b and pair.a.kind == pair.b.kind != "how":
        yield f"{_against(a, b)}"
    a, b = (frozenset(w.AMOUNTS[word] for word in x.known & w.AMOUNTS.keys()) for x in (pair.a, pair.b))
    if a and b and a.isdisjoint(b) and pair.unchanged:
        yield f"{_against(a, b)}"
    joined = sorted(["and" in x.known, "or" in x.known] for x in (pair.a, pair.b))
    if joined == [[False, True], [True, False]]:
        yield "or in one, and in the other"


_RULES: tuple[Callable[[Pair], Iterator[str]], ...] = (
    _numbers, _literals, _symbols, _foreign, _negation, _opposites, _directions, _names, _pronouns, _kinds, _aspects,
    _form, _tense, _tried, _mood, moved, replaced, added,
)  # fmt: skip
