"""Sorting a list that stands in the question: numbers by size, or words from a to z where that order is named.

What the items mean is not looked at: words are sorted only where the question says alphabetically, and an item that is
neither a number nor a plain word leaves the question to a model.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise

from greenai.answerers.numerals import DIGITS, number
from greenai.answerers.wording import SIGNS, Answered, Question, words

MOST_CHARS = 2000
MOST_ITEMS = 200
OPENING_CHARS = 160

_TRIGGER = re.compile(r"\s*(?:\w+ ){0,4}?(?:sort|order|arrange|rank|put|alphabeti[sz]e|list)\b", re.IGNORECASE)
_LISTED = re.compile(r"[0-9,:;\n]")
_VERB = r"(?:please |can you |could you |would you )*(?:sort|order|arrange|rank|put|alphabeti[sz]e|list)(?: out)?"
_LEAST, _MOST = "(?:smallest|lowest|least|low)", "(?:largest|biggest|highest|greatest|high)"
_UP = (
    r"(?:(?:in|by|into) )?(?:an? )?(?:ascending|increasing|numerical|numeric|size)(?: order)?"
    rf"|(?:from )?(?:the )?{_LEAST}(?: number)? to (?:the )?{_MOST}"
)
_DOWN = (
    r"(?:(?:in|by|into) )?(?:a )?(?:descending|decreasing|reverse numerical)(?: order)?"
    rf"|(?:from )?(?:the )?{_MOST}(?: number)? to (?:the )?{_LEAST}"
)
_ALPHABET = (
    r"(?:(?:in|into|by) )?(?:an? )?alphabetical(?: \(?(?:a to z|a-z)\)?)?(?: order)?|alphabetically"
    r"|(?:from )?a to z|(?:in )?lexicographic(?:al)?(?:ly)?(?: order)?"
)
_ORDER = rf"(?:in order,? |ordered )?(?:(?P<up>{_UP})|(?P<down>{_DOWN})|(?P<alphabet>{_ALPHABET}))"
_WHAT = (
    r"(?:(?:the |these |this |my )?(?:following )?(?:list of |set of )?(?:\d+ )?(?P<noun>[a-z]+)"
    r"(?: of (?:numbers|words|names|items))?|the following|these|this)"
)
_SORTABLE = words("numbers integers decimals values fractions list array")
_FLAGS = re.IGNORECASE | re.DOTALL
_FORMS = tuple(
    re.compile(pattern, _FLAGS)
    for pattern in (
        rf"{_VERB}(?: {_WHAT})?(?: {_ORDER})?\s?[:\-]\s*(?P<list>.+)",
        rf"{_VERB}(?: {_WHAT})?:? (?P<list>[^:]+?),? {_ORDER}",
        rf"{_VERB}(?: {_WHAT})? {_ORDER},? (?P<list>[^:]+)",
        rf"{_VERB} {_WHAT} (?P<list>[^:]+)",
        r"(?:please )?(?P<bare>sort) (?P<list>[^:]+)",
    )
)
_NUMBER = re.compile(rf"-?(?:{DIGITS})|-?[0-9]+/[0-9]+")
_GROUPS = re.compile(r"(?<![0-9])[0-9]{1,3},[0-9]{3}(?![0-9])|[0-9],[0-9].*[0-9], |[0-9], .*[0-9],[0-9]")
_WORD = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*")


def answer(question: Question) -> Answered | None:
    """Sort the list in a question, in the order that it names; numbers without one from the smallest up."""
    text = question.text
    if len(text) > MOST_CHARS or not _TRIGGER.match(text) or not _LISTED.search(text):
        return None
    text = text.translate(SIGNS).strip(" .?!\n")
    for pattern in _FORMS:
        found = pattern.fullmatch(text)
        answered = _sorted(found) if found else None
        if answered is not None:
            return answered
    return None


def _sorted(found: re.Match[str]) -> Answered | None:
    groups = found.groupdict()
    split = _items(found["list"])
    if split is None:
        return None
    items, separator = split
    named = any(groups.get(name) for name in ("up", "down", "alphabet", "bare"))
    noun = (groups.get("noun") or "numbers").lower()
    by_letter = bool(groups.get("alphabet")) or found[0].lower().lstrip().startswith(("alphabeti", "please alphabeti"))
    values = _values(items)
    if (
        values is not None
        and not by_letter
        and (named or noun in _SORTABLE)
        and len(items) > 1 + bool(groups.get("bare"))
    ):
        return _by_size(items, values, separator, down=bool(groups.get("down")))
    if by_letter and not groups.get("up") and not groups.get("down") and all(_WORD.fullmatch(item) for item in items):
        return _by_letter(items, separator)
    return None


def _items(text: str) -> tuple[list[str], str] | None:
    """Return the items of a list and what joins them: new lines, commas, semicolons or, for numbers only, spaces."""
    text = text.strip()
    if text[:1] in "[({" and text[-1:] in "])}":
        text = text[1:-1].strip()
    separator = next((s for s in ("\n", ";", ",") if s in text), " ")
    if separator == "," and _GROUPS.search(text):
        return None  # "1,234, 5": groups of thousands, or items
    parts = [part.strip().strip("\"'").strip() for part in text.split(separator)]
    last = re.fullmatch(r"(?:(.+?),? )?(?:and|&) (.+)", parts[-1])
    if last:
        parts[-1:] = [part for part in (last[1], last[2]) if part]
    if separator == " ":
        parts = [part for part in parts if part not in ("and", "&", "")]
    if not 2 <= len(parts) <= MOST_ITEMS or not all(parts):
        return None
    return parts, "\n" if separator == "\n" else f"{separator} " if separator != " " else " "


def _values(items: list[str]) -> list[Fraction] | None:
    values = [number(item) for item in items if _NUMBER.fullmatch(item)]
    known = [value for value in values if value is not None]
    return known if len(known) == len(items) else None


def _by_size(items: list[str], values: list[Fraction], separator: str, *, down: bool) -> Answered | None:
    order = sorted(zip(values, items, strict=True), key=lambda pair: pair[0], reverse=down)
    if any((a[0] < b[0]) if down else (a[0] > b[0]) for a, b in pairwise(order)):
        return None
    return _checked(
        items, [item for _, item in order], separator, "largest to smallest" if down else "smallest to largest"
    )


def _by_letter(items: list[str], separator: str) -> Answered | None:
    order = sorted(items, key=lambda item: (item.lower().replace("-", "").replace("'", ""), item))
    return _checked(items, order, separator, "a to z, capitals like small letters")


def _checked(items: list[str], order: list[str], separator: str, how: str) -> Answered | None:
    if Counter(items) != Counter(order):
        return None
    return Answered(text=separator.join(order), working=f"{len(order)} items, {how}")
