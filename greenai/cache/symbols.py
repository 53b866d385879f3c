"""The signs of a text that say something: operators, currencies, arrows, emoji, the minus before a number.

An encoder of English knows few of them and takes all others for the same, so that they are compared one by one, in
their order. What only separates words says nothing: commas and full stops, a dash or a stroke between words, brackets
around some, bullets. Where it is unclear, a sign counts: that costs a hit, and the other mistake a wrong answer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from greenai.cache import word_lists as w

__all__ = ["Symbols", "spelt", "symbols", "words_only"]

_SAME = str.maketrans({
    **dict.fromkeys("\u2018\u2019\u201b\u2032", "'"), **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    "\u2026": "...", "\u00bf": " ", "\u00a1": " ", "\u00a0": " ",
})  # fmt: skip
_TAGS = range(0xE0020, 0xE0080)  # of which the flags of England, Scotland and Wales are made
_KEPT = frozenset("€£")

_PERCENT = re.compile(rf"([0-9]|\b(?:{'|'.join(sorted(w.NUMBER_WORDS))}))[ -]?percent\b", re.IGNORECASE)
_HARMLESS = (
    (re.compile(r"\b([0-9]+(?:[.,][0-9]+)*) ?dollars?\b", re.IGNORECASE), r"$\1"),
    (re.compile(r"(?<=[0-9]),(?=[0-9]{3}\b)"), ""),
    (re.compile(r"^\s*[-*\u2022]+\s", re.MULTILINE), " "),  # a bullet
    (re.compile(r"`([^`]*\w[^`]*)`"), r" \1 "),
    (re.compile(r"(?<![\w*])(\*{1,3})([^\W\d_][^*\n]*[^\W\d_])\1(?![\w*])"), r"\2"),
    (re.compile(r"(?<!\S)\((?=[^()]*[^\W\d_]{2})([^()<>=+*/^|]*)\)"), r"\1"),  # a remark in brackets
    (re.compile(r"(?<=[^\W\d_]{2})(?:-{1,3}|[_/])(?=\w)|(?<=\w)(?:-{1,3}|[_/])(?=[^\W\d_]{2})"), " "),  # well-known
    (re.compile(r"(?<=[^\W\d_]{2})\s*/\s*(?=[^\W\d_]{2})"), " "),  # and / or
    (re.compile(r"(?<=[0-9])\s?°\s?(?=[CF]\b)"), ""),
    (re.compile(r"([$€£¥])\s+(?=[0-9])"), r"\1"),
)
_RUN = re.compile(
    r"(?:[^\w\s]|_(?!\w)|(?<!\w)_+|[\xb2\xb3\xb9\xbc-\xbe\u2070-\u209f\u2150-\u218b\u2460-\u24ff\u2776-\u2793])+"
)
_BEFORE = re.compile(r"(\w{0,40})([^\S\n]*)$")
_AFTER = re.compile(r"([^\S\n]*)(\w{0,40})")
_NUMBER = re.compile(r"(?:(?<![\w)\s])[-+]|(?<!\S)[-+]|[$€£¥]\s?){0,3}[0-9][0-9.,]*(?:\s?[%°])?")
_SPEAKING = re.compile(r"[^\w\s.,?']|[^\x00-\x7f]|_|[^\w\s][^\w\s]|\s[^\w\s]|percent|dollar", re.IGNORECASE)
_GAP = re.compile(r"[\s,]")
_PUNCTUATION = frozenset(".,?!'\":;")
_OPERATORS = frozenset("<>=+*/^|&~\\-")
_ARROWS = range(0x2190, 0x2200)
_QUOTED = 3  # characters: a sign between two quotation marks


class Symbols(NamedTuple):
    """The signs in order, with what they stand between, and the numbers in order where one of them carries a sign."""

    signs: tuple[str, ...]
    marked: tuple[str, ...]


def spelt(text: str) -> str:
    """Return a text in one way of writing letters, quotation marks and dashes, without what cannot be seen."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text).translate(_SAME)
    return "".join(c for c in text if c.isascii() or not _is_unseen(c))


def words_only(text: str) -> str:
    """Return a text that is `spelt` with spaces for signs beyond ASCII: what is left there are letters and marks."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() or c in _KEPT or unicodedata.category(c)[0] in "LMN" else " " for c in text)


def symbols(text: str) -> Symbols:
    """Return the signs of a text that is `spelt`."""
    if not _SPEAKING.search(text):
        return Symbols((), ())
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c)[0] != "M")
    text = _PERCENT.sub(r"\1%", text)
    for pattern, form in _HARMLESS:
        text = pattern.sub(form, text)
    found = (_said(run, text) for run in _RUN.finditer(text))
    numbers = [_GAP.sub("", number.rstrip(".,")) for number in _NUMBER.findall(text)]
    marked = () if all(number[0].isdigit() and number[-1].isdigit() for number in numbers) else tuple(numbers)
    return Symbols(tuple(sign for sign in found if sign), marked)


def _is_unseen(c: str) -> bool:
    """Say whether a character only shapes its neighbours: a joiner, a mark of direction, the variant of an emoji."""
    return (unicodedata.category(c) == "Cf" and ord(c) not in _TAGS) or 0xFE00 <= ord(c) <= 0xFE0F


def _said(match: re.Match[str], text: str) -> str:
    """Return what a run of signs says, with what it stands between; "" where it only separates."""
    before, after = text[: match.start()], text[match.end() :]
    joined = before[-1:].strip() != "", after[:1].strip() != ""
    run = match[0]
    if _PUNCTUATION.issuperset(run):
        return run if _is_meant(run, before, after, joined) else ""
    if not joined[0]:
        run = run.lstrip("'\"")
    if not joined[1]:
        run = run.rstrip(".,?!'\":;")
    if run == "&" and joined != (False, True):  # an "and"
        return ""
    return _between(run, before, after, joined) if any(map(_is_operator, run)) else run


def _is_meant(run: str, before: str, after: str, joined: tuple[bool, bool]) -> bool:
    """Say whether punctuation is what a text speaks of, an operator, or the sign of a factorial."""
    if joined == (False, False):
        if set(run) == {"."} and len(run) > 1:  # ellipsis
            return False
        quoted = len(run) >= _QUOTED and run[0] in "'\""
        return bool(before.strip()) and (quoted or after.strip()[:1].islower())
    if "::" in run or (joined == (False, True) and "!" in run):
        return True
    return run[0] == "!" and joined[0] and (before[-1].isdigit() or _is_variable(_last(before)))


def _between(run: str, before: str, after: str, joined: tuple[bool, bool]) -> str:
    """Return an operator with the words on either side of it: x>5 is neither x>3 nor 5>x."""
    left, right = _last(before), _first(after)
    if set(run) == {"-"}:
        if joined == (True, False):
            return ""
        if joined == (False, False) and not (_is_operand(left) and _is_operand(right)):
            return ""
    if joined[0] != joined[1]:
        left, right = left if joined[0] else "", right if joined[1] else ""
    return f"{left}{run}{right}".lower()


def _last(before: str) -> str:
    match = _BEFORE.search(before[-60:])
    return match[1] if match else ""


def _first(after: str) -> str:
    match = _AFTER.match(after)
    return match[2] if match else ""


def _is_operator(c: str) -> bool:
    return c in _OPERATORS or ord(c) in _ARROWS or (not c.isascii() and unicodedata.category(c) == "Sm")


def _is_operand(word: str) -> bool:
    return word.isdigit() or _is_variable(word)


def _is_variable(word: str) -> bool:
    return len(word) == 1 and word not in "aI"
