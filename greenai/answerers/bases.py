"""Whole numbers in other bases: decimal, hexadecimal, binary, octal and Roman numerals.

Where the base of the given number is not said and not visible ("1010 in decimal"), it keeps silent. Every result is
read back and has to give the number again.
"""

from __future__ import annotations

import re

from greenai.answerers.numerals import integer_words
from greenai.answerers.wording import Answered, Question, words

MOST_CHARS = 120
MOST_ROMAN = 3999
MOST_BITS = 256

_BASES = {
    "hexadecimal": 16, "hex": 16, "base 16": 16, "base-16": 16, "binary": 2, "base 2": 2, "base-2": 2, "octal": 8,
    "base 8": 8, "base-8": 8, "decimal": 10, "base 10": 10, "base-10": 10, "denary": 10,
}  # fmt: skip
_DIGITS = {16: "0123456789abcdef", 10: "0123456789", 8: "01234567", 2: "01"}
_PREFIX = {"0x": 16, "0b": 2, "0o": 8, "#": 16}
_NAMES = {16: "hexadecimal", 10: "decimal", 8: "octal", 2: "binary"}
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
          (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip
_TRIGGERS = words("hexadecimal hex binary octal decimal denary base roman numeral numerals numbers digits")

_BASE = rf"(?:{'|'.join(sorted(_BASES, key=len, reverse=True))})"
_TO = rf"(?:in|into|to|as)(?: a| an| its)? (?P<to>{_BASE})(?: form| format| notation| number| representation)?"
_NUMBER = r"(?P<n>[a-z0-9#, -]+?)"
_FROM = rf"(?P<from>{_BASE})"
_START = r"(?:(?:what is|how (?:do you|do i|to)|convert|change|write|express|show|represent|translate|turn)\b ?)*"
_FORM = r"(?: form| representation| equivalent| value)?"
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_START}(?:the )?{_FROM} (?:number |value |string )?{_NUMBER} {_TO}",
        rf"{_START}(?:the )?(?:number )?{_NUMBER} from {_FROM} {_TO}",
        rf"{_START}{_NUMBER} (?:in |\()?{_FROM}\)? {_TO}",
        rf"{_START}(?:the )?(?:number )?{_NUMBER} {_TO}",
        rf"{_START}(?:the )?(?P<to>{_BASE}){_FORM} (?:of|for) (?:(?P<from>{_BASE}) )?(?:the number )?{_NUMBER}",
    )
)
_AS_ROMAN = (
    re.compile(rf"{_START}(?:the )?(?:number |year )?(?P<n>[a-z0-9, -]+?) (?:in|into|to|as)(?: a)? roman numerals?"),
    re.compile(rf"{_START}(?:the )?roman numerals? (?:of|for) (?:the number )?(?P<n>[a-z0-9, -]+)"),
)
_PLAIN = r"(?:in|as|to) (?:numbers|digits|a number|decimal|arabic(?: numerals)?)"
_OF_ROMAN = (
    re.compile(rf"{_START}(?:the )?roman numeral (?P<r>[mdclxvi]+)(?: {_PLAIN})?"),
    re.compile(rf"{_START}(?P<r>[mdclxvi]{{2,}}) {_PLAIN}"),
    re.compile(
        r"what (?:number|value) (?:is|does) (?:the )?roman numeral (?P<r>[mdclxvi]+)(?: represent| mean| stand for)?"
    ),
)
_ROMAN_WORDS = words("roman numeral numerals numbers digits arabic")


def answer(question: Question) -> Answered | None:
    """Answer a question for a number in another base, or in or from Roman numerals."""
    text = question.core
    if not 0 < len(text) <= MOST_CHARS or question.words.isdisjoint(_TRIGGERS):
        return None
    if not question.words.isdisjoint(_ROMAN_WORDS):
        return _roman(text)
    for pattern in _FORMS:
        found = pattern.fullmatch(text)
        answered = _converted(found["n"], found.groupdict().get("from"), _BASES[found["to"]]) if found else None
        if answered is not None:
            return answered
    return None


def _converted(written: str, source: str | None, target: int) -> Answered | None:
    unsaid = 10 if target == 2 else None  # "10 in binary" is no binary number yet; "10 in hex" may be
    value, base = _value(written, _BASES[source] if source else unsaid)
    if value is None or base == target or value.bit_length() > MOST_BITS:
        return None
    digits = _in_base(value, target)
    if int(digits, target) != value:
        return None
    text = digits.upper() if target == 16 else digits
    return Answered(text=text, working=f"{written} in {_NAMES[base]} = {text} in {_NAMES[target]}")


def _value(written: str, base: int | None) -> tuple[int | None, int]:
    """Return the number that is written, and in which base; None where the base is not said and not visible."""
    text = written.strip()
    marked = next((b for prefix, b in _PREFIX.items() if text.startswith(prefix)), None)
    if marked is not None:
        base, text = marked, text.lstrip("#") if text.startswith("#") else text[2:]
    elif base in (None, 10) and (spelled := integer_words(text)) is not None:
        return spelled, 10
    elif base is None:
        base = 10 if set(text) - set("01") else None
    if base == 10:
        text = re.sub(r",(?=[0-9]{3}(?:,|$))", "", text)
    if base is None or base not in _DIGITS or not text or set(text) - set(_DIGITS[base]):
        return None, 10
    return int(text, base), base


def _in_base(value: int, base: int) -> str:
    digits = ""
    while value:
        value, digit = divmod(value, base)
        digits = _DIGITS[base][digit] + digits
    return digits or "0"


# --- Roman numerals -------------------------------------------------------------------------


def _roman(text: str) -> Answered | None:
    for pattern in _OF_ROMAN:
        found = pattern.fullmatch(text)
        value = _of_roman(found["r"]) if found else None
        if found and value is not None:
            return Answered(text=str(value), working=f"{found['r'].upper()} = {value}")
    for pattern in _AS_ROMAN:
        found = pattern.fullmatch(text)
        value = _plain(found["n"]) if found else None
        if value is not None and 1 <= value <= MOST_ROMAN and _of_roman(_as_roman(value).lower()) == value:
            return Answered(text=_as_roman(value), working=f"{value} = {_as_roman(value)}")
    return None


def _plain(text: str) -> int | None:
    return int(text) if text.isdigit() and not text.startswith("0") else integer_words(text)


def _as_roman(value: int) -> str:
    text = ""
    for size, sign in _ROMAN:
        count, value = divmod(value, size)
        text += sign * count
    return text


def _of_roman(text: str) -> int | None:
    """Return the value of a numeral in its usual form: IIII and IC are none."""
    sizes = {sign: size for size, sign in _ROMAN}
    values = [sizes[sign] for sign in text.upper()]
    value = sum(-v if any(later > v for later in values[i + 1 : i + 2]) else v for i, v in enumerate(values))
    return value if 0 < value <= MOST_ROMAN and _as_roman(value) == text.upper() else None
