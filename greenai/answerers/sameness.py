"""Whether two questions mean the same, where their vectors are near: static vectors lose numbers, opposites and order.

`opposite` finds a word of one against its opposite in the other. `difference` is for a question that stands for
itself, such as one of a FAQ: it also refuses other numbers, a word on either side that the other lacks, another order,
and a condition ("for children") that only one of the two has. All of it is about words; refusing costs a model's call,
and answering another question than the one that was asked costs more.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from itertools import pairwise

__all__ = ["another_kind", "clean", "content_words", "difference", "is_negated", "opposite", "stems"]


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_COMMON = _set(
    "a an and any are as at be been but by ca can could did do does for from get had has have how i if in is it its me "
    "my of on or our please shall should so tell than that the their them there they this to us was we were what when "
    "where which who whom whose why will with wo would you your"
)
_FILLERS = _set("ask cannot hello help hi kind know lik need never no not thank want wish without")
_ENDINGS = ("ings", "ing", "ies", "ied", "ed", "es", "s", "y", "e")
_WORD = re.compile(r"\w+")
_CONTRACTED = re.compile(r"n['\u2019]t\b|['\u2019](?:s|m|d|ll|re|ve)\b")
_NEGATION = re.compile(r"\b(?:not|never|cannot|without|non)\b|n['\u2019]t\b")


def clean(text: str) -> str:
    """Return `text` without halves of characters, which cannot be written as UTF-8 and have no vector."""
    return text.encode("utf-8", "replace").decode("utf-8")


def is_negated(text: str) -> bool:
    """Tell whether a text says the opposite: its vector is nearly the same as without the one word."""
    return _NEGATION.search(text.lower()) is not None


def stems(text: str) -> Iterator[str]:
    """Yield the words without their endings."""
    for word in _tokens(text):
        yield _stem(word)


def content_words(text: str) -> Iterator[str]:
    """Yield the words that carry meaning, without their endings."""
    for word in _tokens(text):
        if word not in _COMMON:
            yield _stem(word)


def _tokens(text: str) -> list[str]:
    found: list[str] = _WORD.findall(_CONTRACTED.sub(" ", text.lower().replace("e-mail", "email")))
    return found


def _stem(word: str) -> str:
    ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), "")
    short = word.removesuffix(ending)
    doubled = len(short) > 3 and short[-1] == short[-2] and short[-1].isalpha()  # cancelled, cancel
    return short[:-1] if doubled else short


def _spoken(text: str, stem: str) -> str:
    """Return a stem as the word that it was in `text`."""
    return next((word for word in _tokens(text) if _stem(word) == stem), stem)


# --- opposites ----------------------------------------------------------------------------

# The second of each is the one that is rarely said for another reason ("off", while "on" is everywhere).
_PAIRS = (
    "on/off in/out before/after min/max minimum/maximum minimal/maximal enable/disable login/logout open/close "
    "start/stop start/end begin/end add/remove add/delete create/delete increase/decrease raise/lower more/less "
    "more/fewer most/least first/last earliest/latest early/late largest/smallest biggest/smallest highest/lowest "
    "longest/shortest high/low long/short fast/slow old/new upgrade/downgrade import/export upload/download "
    "encrypt/decrypt allow/deny allow/block allow/forbid accept/reject accept/refuse approve/reject buy/sell "
    "send/receive deposit/withdraw lend/borrow credit/debit arrive/depart arrival/departure incoming/outgoing "
    "inbound/outbound internal/external public/private include/exclude including/excluding above/below over/under "
    "up/down left/right win/lose pass/fail show/hide join/leave hire/fire ascending/descending indoor/outdoor "
    "male/female adult/child subscribe/cancel pause/resume"
)
_MARKED = tuple((_stem(plain), _stem(marked)) for plain, _, marked in (p.partition("/") for p in _PAIRS.split()))
_PREFIXES = ("un", "dis", "de", "in", "im", "ir", "il", "non", "mis")
_SHORTEST = 3


def opposite(question: str, example: str, meant: Container[str] = ()) -> tuple[str, str] | None:
    """Return a word of the question and its opposite in the example; words that are `meant` as well are none."""
    asked, told = frozenset(stems(question)), frozenset(stems(example))
    for one, other in (*_opposites(asked, told), *((a, b) for b, a in _opposites(told, asked))):
        if one not in meant:
            return _spoken(question, one), _spoken(example, other)
    return None


def _opposites(plain: frozenset[str], marked: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield words of `plain` whose marked opposite stands in the other alone."""
    for other in sorted(marked - plain):
        for prefix in _PREFIXES:
            bare = other.removeprefix(prefix)
            if bare != other and len(bare) >= _SHORTEST and bare in plain:
                yield bare, other
    for one, other in _MARKED:
        if one in plain and other in marked and other not in plain:
            yield one, other


# --- what kind of answer is asked for -----------------------------------------------------

# Not "make" and "give", which are said for much else; nor "create" and "generate", which apps do too.
_TO_WRITE = _set(
    "write writing draft drafting compose composing rewrite rephrase paraphrase summarise summarize summarising "
    "summarizing proofread brainstorm essay essays poem poems story stories haiku limerick slogan tweet blog paragraph"
)
_DEFINES = re.compile(
    r"(?:what(?: is|'s|\u2019s|s| are) (?:an?|the (?:meaning|definition) of)\b|define\b|(?:the )?definition of\b)"
    r"|.{0,40}\bwhat does .{1,60} (?:mean|stand for)\b|how do(?:es)? .{1,60} work\W*$"
)


def another_kind(question: str, examples: Sequence[str]) -> str | None:
    """Say in words what a question asks for that none of the examples does: a text to be written, a definition."""
    wanted = next((word for word in _tokens(question) if word in _TO_WRITE), None)
    if wanted is not None and not any(_stem(wanted) in stems(example) for example in examples):
        return f'says "{wanted}"'
    if _is_definition(question) and not any(map(_is_definition, examples)):
        return "asks for a definition"
    return None


def _is_definition(text: str) -> bool:
    return _DEFINES.match(" ".join(text.lower().split())) is not None


# --- differences --------------------------------------------------------------------------

_FIGURE = re.compile(r"(?:(?<![\w-])[-\u2212])?\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
# Single letters and Roman numerals name things: plan B, type II. Not a and i, nor r and u, which are also words.
_LETTER = re.compile(r"(?<![\w'\u2019])(?:[b-hj-qstv-z]|ii|iii|iv|vi{1,3}|ix|xi{1,2})(?![\w'\u2019])")
_MARK = re.compile(r"[^\w\s.,;:!?'\"\u2019\u2018“”«»()\[\]/&…\u2212\u2013\u2014-]")  # C# and C++, $ and €
_NUMERALS = "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty ninety"
_NAMED = dict(
    zip(
        _NUMERALS.split(),
        (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 30, 40, 50, 60, 90),
        strict=True,
    )
)
_CONDITIONS = _set("for in from with without under during after before at on to via outside inside using")


def difference(question: str, example: str) -> str | None:
    """Say in words why a question is not the one of the example; None where nothing speaks against it."""
    return next(_differences(question, example), None)


def _differences(question: str, example: str) -> Iterator[str]:
    if _figures(question) != _figures(example):
        yield f'its numbers are not those of "{example}"'
    asked, told = _meant(question), _meant(example)
    more, less = [w for w in asked if w not in told], [w for w in told if w not in asked]
    if more and less:
        yield f'it says "{_spoken(question, more[0])}" where "{example}" says "{_spoken(example, less[0])}"'
    if _order(asked, told) != _order(told, asked) or _turned(question, example):
        yield f'its words stand in another order than in "{example}"'
    conditions = _conditions(question) | _conditions(example)
    for word in (w for w in (*more, *less) if w in conditions):
        yield f'only one of it and "{example}" says "{_spoken(f"{question} {example}", word)}"'
    if 2 * len(less) > len(told):
        yield f'it says less than half of "{example}"'
    if (other := _another(question, example, more)) is not None:
        yield f'it asks about "{other}", and "{example}" does not'


def _figures(text: str) -> Counter[str]:
    text = unicodedata.normalize("NFKC", text).lower().replace("e-mail", "email")
    numbers = [n.replace(",", "") if _GROUPED.fullmatch(n) else n for n in _FIGURE.findall(text)]
    named = [str(_NAMED[word]) for word in _WORD.findall(text) if word in _NAMED]
    return Counter([*numbers, *named, *_LETTER.findall(text), *_MARK.findall(text)])


def _meant(text: str) -> Sequence[str]:
    """Return the words that carry meaning, each once, in their order; numbers are compared by themselves."""
    return [
        w
        for w in dict.fromkeys(content_words(text))
        if not w.isdecimal() and w not in _NAMED_STEMS and w not in _FILLERS
    ]


_NAMED_STEMS = frozenset(map(_stem, _NAMED))


def _order(one: Sequence[str], other: Sequence[str]) -> list[str]:
    return [word for word in one if word in other]


def _after(text: str, before: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield each word that stands behind one of `before`, such as "for", with that one."""
    found: str | None = None
    for token in _tokens(text):
        if token in before:
            found = token
        elif found is not None and token not in _COMMON:
            yield found, _stem(token)
            found = None


def _conditions(text: str) -> set[str]:
    return {word for _, word in _after(text, _CONDITIONS)}


def _turned(question: str, example: str) -> bool:
    """Tell whether something is left in one of them and reached in the other."""
    ways = ({word: way for way, word in _after(text, ("from", "to"))} for text in (question, example))
    one, other = ways
    return any(one[word] != other[word] for word in one.keys() & other.keys())


# --- about whom --------------------------------------------------------------------------

_THIRD = _set("they them their theirs he him his she her hers")
_MINE = _set("my mine our ours")
_YOURS = _set("you your yours")
_OURS = _MINE | _set("i we us me")
_US = _YOURS | _OURS
# Words that make a question no more special, of whose a shop writes about itself.
_GENERAL = _set(
    "usual usually normal normally regular regularly current currently general generally standard typical typically "
    "exact exactly actual actually average available possible other different new various many much long still also "
    "just really ever now quickly easily soon own full whole total main official right best tell explain show give say "
    "find see go make use look idea way thing question info information detail details customer store shop company "
    "business site website people person"
)
_ANY = frozenset(map(_stem, _GENERAL))
_OWNER = re.compile(
    r"\b(?!(?:what|who|where|when|how|it|that|there|here|let)['\u2019])(\w+)['\u2019]s\b|\bof (?:an? |the )?(\w+)"
)


def _another(question: str, example: str, more: Sequence[str]) -> str | None:
    """Return the word that says that a question is about somebody or something else than the example."""
    asked, told = _tokens(question), _tokens(example)
    addressed = not _YOURS.isdisjoint(told)
    strange = [word for word in more if word not in _ANY]
    if addressed and strange and _US.isdisjoint(asked):
        return _spoken(question, strange[0])
    third = [word for word in asked if word in _THIRD and word not in told]
    mine = [word for word in asked if word in _MINE] if addressed and _OURS.isdisjoint(told) else []
    owners = {_stem(word) for found in _OWNER.findall(question.lower()) for word in found if word}
    known = set(content_words(example))
    before = {_stem(one) for one, other in pairwise(asked) if _stem(other) in known}
    narrower = [_spoken(question, word) for word in strange if word in owners | before]
    return next(iter((*third, *mine, *narrower)), None)
