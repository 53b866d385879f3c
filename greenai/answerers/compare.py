"""Which of some numbers is larger or smaller, and whether one is larger than another.

The question has to say nothing else: "as version numbers", "how much larger" or a third comparison is left to a model.
The order is found with fractions and checked with decimals or by cross-multiplication.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

from greenai.answerers.numerals import number
from greenai.answerers.wording import Answered, Question, words

_LARGER = words("larger bigger greater higher more largest biggest greatest highest maximum max")
_SMALLER = words("smaller lower less lesser smallest lowest least minimum min")
_TRIGGERS = _LARGER | _SMALLER
_SUPERLATIVE = re.compile(r"est$|^least$|^max|^min")

_MANY = r"(?:(?:two|three|four|five|2|3|4|5|given|following|actual|real|decimal) )*"
_NOUN = r"(?:numbers?|values?|decimals?|figures?|integers?|fractions?|quantit(?:y|ies)|ones?|options?)"
_THEM = rf"(?:(?:the|these|those) {_MANY}{_NOUN}|the (?:following|two|three)|(?:these|those|them))"
_COMP = rf"(?P<comp>{'|'.join(sorted(_TRIGGERS, key=len, reverse=True))})"
_WHICH = rf"(?:which|what)(?: (?:of|among|between|out of) {_THEM})?(?: {_MANY}{_NOUN})?(?: of {_THEM})?"
_ASK = (
    rf"(?:{_WHICH} (?:is|has|would be)(?: numerically| actually| really)?(?: the| an?)?|the) {_COMP}"
    rf"(?: (?:{_MANY}{_NOUN}|of {_THEM}))*(?: overall| numerically| in value)?"
)
_VERB = r"(?:determine|identify|find|select|choose|pick(?: out)?|name|give|return|state|say|decide)"
_LEAD = rf"(?:(?:the )?{_MANY}(?:numbers|values|decimals|fractions|integers|figures)[:,]? )?"
_GIVEN = (
    r"(?:(?:given|for|take|consider|considering|(?:let's )?compare|comparing|i have|we have|suppose we have|of|between"
    r"|among|amongst|out of|here are|there are|from|in)(?: the)?:? "
    rf"{_LEAD}|(?:{_MANY}{_NOUN} (?:are|were) given|{_THEM})[:,]? )"
)
_LIST = r"(?P<list>.+?)"
_MARK = r"(?: ?[,.:;?!-]+ ?(?:and )?| and | )"
_AS = r"(?: as (?:(?:actual|real|decimal) )*(?:numbers|decimals|values))?"
_OF = r"(?:(?P<between>between|among|amongst|out of|of|from|in)(?: the)?:? )"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:{_VERB} )?{_ASK}{_MARK}{_OF}?(?:the )?{_LEAD}{_LIST}",
        rf"(?:{_GIVEN})?{_LIST}{_AS}{_MARK}(?:(?:are|being|were) compared{_MARK})?(?:{_VERB} )?{_ASK}(?: is)?",
        rf"is (?P<list>[^ ]+ or [^ ]+) (?:the )?{_COMP}(?: {_NOUN})?",
        rf"{_WHICH} (?P<between>between|among|out of|of|from) {_LEAD}{_LIST} is(?: the)? {_COMP}(?: {_NOUN})?",
        rf"(?:numbers|values):? {_LIST}{_MARK}{_ASK}",
        rf"the {_COMP}(?: {_NOUN})? (?P<between>between|among|of) {_LEAD}{_LIST} is",
        rf"{_COMP} ?\((?P<list>[^()]+)\)",
    )
)  # fmt: skip
_THAN = re.compile(rf"is (?P<left>.+?) (?:numerically )?{_COMP} than (?P<right>.+)")

_QUALIFIERS = words(
    "when if while you both are is were being considering considered consider treat treated treating taken taking read "
    "interpreted interpreting them they these those it as in the all represent representing actual real decimal "
    "decimals number numbers numeric numerical numerically value values mathematically terms of and only just"
)
_PARENTHESIS = re.compile(r" ?\(([a-z ,]+)\)")
_QUALIFIER = re.compile(r",? (?:when|if|considering|treating|as|in|both)(?: [a-z]+)+$")

_SEPARATOR = re.compile(r",? (?:or|and|vs\.?|versus|and also) |, ?(?![0-9])|, |; ?")
_TOO_LIKE_A_LIST = re.compile(r"[0-9],[0-9]{1,2}(?![0-9])|[0-9],[0-9]{4}|[0-9]\.[0-9]+[.,][0-9]")


def answer(question: Question) -> Answered | None:
    """Answer a question for the larger or smaller of numbers, or whether one is larger than another."""
    if question.words.isdisjoint(_TRIGGERS):
        return None
    text = _unqualified(question.core.replace(" tell me ", " "))
    if text is None or _TOO_LIKE_A_LIST.search(text):
        return None
    than = _THAN.fullmatch(text)
    if than:
        return _whether(than["left"], than["comp"], than["right"])
    for pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        items = _items(found["list"]) if found else None
        if found and items:
            return _largest(items, found["comp"], found.groupdict().get("between"))
    return None


def _unqualified(text: str) -> str | None:
    """Take off what says that numbers are numbers; other parentheses are more than is understood."""
    for inner in _PARENTHESIS.findall(text):
        if not _QUALIFIERS.issuperset(inner.replace(",", " ").split()):
            return text if "max" in text or "min" in text else None
    text = _PARENTHESIS.sub("", text)
    found = _QUALIFIER.search(text)
    if found and _QUALIFIERS.issuperset(found[0].replace(",", " ").split()):
        text = text[: found.start()]
    return text.strip(" .?:")


def _items(text: str) -> list[tuple[str, Fraction]] | None:
    """Return the numbers of a list as written and as values; None where anything else is in it."""
    parts = [part.strip() for part in _SEPARATOR.split(text)]
    found = [(part, _value(part)) for part in parts]
    items = [(part, value) for part, value in found if value is not None]
    if len(items) != len(parts) or not 2 <= len(items) <= 50:
        return None
    shares = sum(part.endswith("%") for part, _ in items)
    return items if shares in (0, len(items)) else None


def _value(text: str) -> Fraction | None:
    return number(text.removesuffix("%").removeprefix("+"))


def _largest(items: list[tuple[str, Fraction]], comparative: str, between: str | None) -> Answered | None:
    if between in ("between", "from", "in") and len(items) == 2 and _SUPERLATIVE.search(comparative):
        return None  # "the largest number between 1 and 10" may ask for one that is not named
    larger = comparative in _LARGER
    order = sorted(items, key=lambda item: item[1], reverse=larger)
    if not _in_order([value for _, value in order], falling=larger):
        return None
    if order[0][1] == order[1][1]:
        if len(items) > 2:
            return None
        return Answered(text=f"Neither: {items[0][0]} and {items[1][0]} are equal.", working=_working(order, "="))
    return Answered(text=order[0][0], working=_working(order, ">" if larger else "<"))


def _working(order: list[tuple[str, Fraction]], sign: str) -> str:
    signs = ["=" if a[1] == b[1] else sign for a, b in pairwise(order)]
    return order[0][0] + "".join(f" {s} {item[0]}" for s, item in zip(signs, order[1:], strict=True))


def _in_order(values: list[Fraction], *, falling: bool) -> bool:
    """Check an order a second way: by cross-multiplication of whole numbers."""
    pairs = pairwise(values)
    differences = [a.numerator * b.denominator - b.numerator * a.denominator for a, b in pairs]
    return all(d >= 0 if falling else d <= 0 for d in differences)


def _whether(left: str, comparative: str, right: str) -> Answered | None:
    a, b = _value(left), _value(right)
    if a is None or b is None or left.endswith("%") != right.endswith("%") or _SUPERLATIVE.search(comparative):
        return None
    sign = ">" if a > b else "<" if a < b else "="
    yes = sign == (">" if comparative in _LARGER else "<")
    working = f"{left} {sign} {right}"
    return Answered(text=f"{'Yes' if yes else 'No'}: {working}.", working=working)
