"""Whether two answers say the same, where that can be told without an opinion: letters, numbers, JSON and labels.

Which of these an answer is, the logged one decides; what another model says may have
words around a letter, a number or JSON, and none around a label.
Free text and code are not judged: two good answers differ.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

__all__ = ["Form", "form_of", "same", "told"]

Form = Literal["letter", "number", "json", "label"]

LABEL_CHARS = 80
_LETTER = re.compile(r"[(\[*\s]*([A-J])[)\].:*\s]*")
_CHOSEN = re.compile(r"(?i:answer|option|choice)(?i:\s+is)?\s*:?\s*[(\[*]*([A-J])\b")
_BEGINS = re.compile(r"\s*[(\[*]*([A-J])(?:[)\].:*]|\s*$)", re.MULTILINE)
_AMOUNT = r"[-+\N{MINUS SIGN}]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:[.,]\d+)?(?:[eE][-+]?\d+)?"
_MONEY = "[$\N{EURO SIGN}\N{POUND SIGN}]"
_WHOLE = re.compile(rf"~?\s*({_MONEY})?\s*({_AMOUNT})\s*([^\d\s.,!]+)?[.!]?")
_ANYWHERE = re.compile(rf"({_MONEY})?\s*({_AMOUNT})\s*([%\w/]+)?")
_LEADING = re.compile(rf"(?:about |~)?\s*({_MONEY})?\s*({_AMOUNT})\s*([%\w/]+)?(?:\s*\(.*)?[.]?$", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL)

_FACTORS = {
    "mm": ("m", "0.001"), "cm": ("m", "0.01"), "m": ("m", "1"), "meter": ("m", "1"), "metre": ("m", "1"),
    "km": ("m", "1000"), "mg": ("g", "0.001"), "g": ("g", "1"), "gram": ("g", "1"), "kg": ("g", "1000"),
    "ms": ("s", "0.001"), "s": ("s", "1"), "sec": ("s", "1"), "second": ("s", "1"), "min": ("s", "60"),
    "minute": ("s", "60"), "h": ("s", "3600"), "hour": ("s", "3600"), "day": ("s", "86400"),
    "ml": ("l", "0.001"), "l": ("l", "1"), "liter": ("l", "1"), "litre": ("l", "1"),
    "wh": ("wh", "1"), "kwh": ("wh", "1000"), "$": ("usd", "1"), "dollar": ("usd", "1"),
    "\N{EURO SIGN}": ("eur", "1"), "euro": ("eur", "1"), "\N{POUND SIGN}": ("gbp", "1"), "pound": ("gbp", "1"),
    "percent": ("%", "1"),
}  # fmt: skip
"""Units that answers commonly write in several ways; any other one is compared by its letters."""


@dataclass(frozen=True, slots=True)
class _Amount:
    """A number as it is written: `half` is half a unit of its last digit, which may stand behind a point."""

    value: Decimal
    half: Decimal
    has_point: bool
    unit: str | None
    factor: Decimal


def form_of(answer: str, *, is_label: bool) -> Form | None:
    """Return as what an answer can be compared; None for free text and code.

    Args:
        answer: the logged one.
        is_label: whether the log gives the same short answer to several prompts of its template.
    """
    text = answer.strip()
    if _LETTER.fullmatch(text):
        return "letter"
    if _WHOLE.fullmatch(text) and _number(text, whole=True) is not None:
        return "number"
    if _json(text) is not None:
        return "json"
    return "label" if is_label and text and len(text) <= LABEL_CHARS and "\n" not in text else None


def same(form: Form, logged: str, other: str) -> bool:
    """Say whether another answer says what the logged one says."""
    if form == "letter":
        return _letter(logged) == _letter(other)
    if form == "number":
        return _same_number(_number(logged, whole=True), _number(other, whole=False))
    if form == "json":
        return _equal((_json(logged) or [None])[0], (_json(other) or [_Nothing])[0])
    return _normalised(logged) == _normalised(other)


def told(answer: str, logged: str, question: str) -> bool | None:
    """Say whether a logged answer in words says what a short one does; None where that cannot be told.

    A number that the question holds too may be there for another reason: it counts if it is the only one.

    Args:
        answer: a number, a word or a few, such as a tool gives.
        logged: what a model said to the same question.
        question: the words of it.
    """
    first = _LEADING.match(answer)
    wanted = None if first is None else _amount(first[2], first[1] or first[3])
    if wanted is None:
        words = rf"(?<!\w)(?:0[xbo])?{re.escape(_normalised(answer))}(?!\w)"
        return True if re.search(words, _normalised(logged)) else (None if len(logged) > LABEL_CHARS else False)
    found = [amount for each in _ANYWHERE.finditer(logged) if (amount := _amount(each[2], each[1] or each[3]))]
    agree = [_same_number(each if each.unit == wanted.unit else replace(each, unit=None), wanted) for each in found]
    if not found or form_of(logged, is_label=False) == "number":
        return agree[0] if found else None
    asked = [_amount(each[2], None) for each in _ANYWHERE.finditer(question)]
    if any(each is not None and each.value == wanted.value for each in asked):
        return all(agree) or (None if any(agree) else False)
    return any(agree)


class _Nothing:
    """What no JSON is equal to."""


def _letter(text: str) -> str | None:
    whole = _LETTER.fullmatch(text.strip())
    chosen = whole or _BEGINS.match(text) or _CHOSEN.search(text)
    return None if chosen is None else chosen[1]


# --- numbers --------------------------------------------------------------------------------


def _number(text: str, *, whole: bool) -> _Amount | None:
    """Return the number that a text is; where it says more, the last one in it, which is where models conclude."""
    text = text.strip()
    found = _WHOLE.fullmatch(text)
    if found is None and not whole:
        found = next(reversed(list(_ANYWHERE.finditer(text))), None)
    if found is None:
        return None
    return _amount(found[2], found[1] or found[3])


def _amount(digits: str, unit: str | None) -> _Amount | None:
    written = digits.replace("\N{MINUS SIGN}", "-")
    is_grouped = re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?([eE][-+]?\d+)?", written) is not None
    written = written.replace(",", "" if is_grouped else ".")
    try:
        value = Decimal(written)
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    name = None if unit is None else unit.casefold()
    kind, factor = _FACTORS.get(name or "") or _FACTORS.get((name or "").removesuffix("s")) or (name, "1")
    return _Amount(value, half, int(exponent) < 0, kind, Decimal(factor))


def _same_number(logged: _Amount | None, other: _Amount | None) -> bool:
    """Say whether they are equal: to the digits of the logged one, where the other has at least as many."""
    if logged is None or other is None or (logged.unit is not None and logged.unit != other.unit):
        return False
    factor = other.factor / logged.factor if logged.unit is not None else Decimal(1)
    off = abs(logged.value - other.value * factor)
    return off == 0 or (logged.has_point and other.half * factor < logged.half and off <= logged.half)


# --- JSON and labels ------------------------------------------------------------------------


def _json(text: str) -> list[Any] | None:
    """Return the object or list that a text is, as the one item of a list; a fence around it is left out."""
    fenced = _FENCED.fullmatch(text.strip())
    try:
        read = json.loads(fenced[1] if fenced else text)
    except ValueError:
        return None
    return [read] if isinstance(read, (dict, list)) else None


def _equal(a: Any, b: Any) -> bool:
    """Say whether two values of JSON are equal: 1 and 1.0 are, 1 and true are not; texts without case and spaces."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, str) and isinstance(b, str):
        return _normalised(a) == _normalised(b)
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!\"'`*")
