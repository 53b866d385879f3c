"""Numbers as people write them, in digits and in English words, as exact fractions; or nothing where it is not one.

What was read in words is written out again and compared with what stood there, so that "two hundred hundred" or "five
and hundred" is no number. Decimal commas, leading zeros and digit groups that are none are refused.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_VALUES = {w: n for n, w in enumerate(_ONES)} | {w: 10 * n for n, w in enumerate(_TENS, start=2)}
_MULTIPLES = {"hundred": 100, "dozen": 12, **SCALES}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_SIGNS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}

NUMBER_WORDS = frozenset((*_VALUES, *_MULTIPLES, *_PARTS))
DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
"""A number without a sign, in digits, as a pattern; what stands around it is not looked at."""

_MAX_CHARS = 200
_MAX_EXPONENT = 15
_PLAIN = re.compile(rf"({DIGITS})(?:e([+-]?[0-9]{{1,2}}))?")
_LEADING_ZERO = re.compile(r"0[0-9,]")
_FRACTION = re.compile(r"(?:([0-9]{1,6}) )?([0-9]{1,6}) ?/ ?([0-9]{1,6})")
_SCALED = re.compile(rf"(.+?) ?({'|'.join(_MULTIPLES)})")
_AND_HALF = re.compile(r"(.+?) and (?:a |an |one )?(half|third|quarter|fourth|fifth|eighth|tenth)")
_PART_OF = re.compile(r"(?:a |one )?(half|quarter|third)(?: of)?(?: an?)? (hundred|thousand|million|billion|dozen)")


def number(text: str) -> Fraction | None:
    """Return the number that the whole of `text` is, lower case and single spaces assumed, or None."""
    text = text.strip()
    if not text or len(text) > _MAX_CHARS:
        return None
    for sign in ("-", "minus ", "negative "):
        if text.startswith(sign):
            value = _unsigned(text[len(sign) :].lstrip())
            return None if value is None else -value
    return _unsigned(text)


def _unsigned(text: str) -> Fraction | None:
    if text[-1:] in _SIGNS:
        text = f"{text[:-1].rstrip()} {_SIGNS[text[-1]]}".strip()
    if not text:
        return None
    first = text[0]
    if first.isascii() and (first.isdigit() or first == "."):
        return _in_digits(text)
    return _in_words(text)


def _in_digits(text: str) -> Fraction | None:
    plain = _PLAIN.fullmatch(text)
    if plain:
        if _LEADING_ZERO.match(text) or abs(int(plain[2] or 0)) > _MAX_EXPONENT:
            return None
        return Fraction(plain[1].replace(",", "")) * Fraction(10) ** int(plain[2] or 0)
    fraction = _FRACTION.fullmatch(text)
    if fraction:
        return _mixed(fraction[1], fraction[2], fraction[3])
    scaled = _SCALED.fullmatch(text)
    if scaled and (value := _in_digits(scaled[1])) is not None:
        return value * _MULTIPLES[scaled[2]]
    return _and_part(text)


def _mixed(whole: str | None, top: str, bottom: str) -> Fraction | None:
    if int(bottom) == 0 or (whole is not None and int(top) >= int(bottom)):
        return None
    return int(whole or 0) + Fraction(int(top), int(bottom))


def _and_part(text: str) -> Fraction | None:
    """`two and a half`, `3 and a quarter`."""
    found = _AND_HALF.fullmatch(text)
    if found is None:
        return None
    whole = integer_words(found[1]) if found[1][0].isalpha() else number(found[1])
    if whole is None or Fraction(whole).denominator != 1:
        return None
    # "one hundred and three quarters" never gets here; "a hundred and a half" may mean 150
    return None if whole >= 100 else whole + Fraction(1, _PARTS[found[2]])


def _in_words(text: str) -> Fraction | None:
    text = text.replace("-", " ")
    words = text.split()
    if not words or words[0] not in {"a", "an", *NUMBER_WORDS}:
        return None
    value = integer_words(text)
    if value is not None:
        return Fraction(value)
    if words in (["a", "half"], ["half"], ["half", "a"]):
        return Fraction(1, 2)
    part = _PART_OF.fullmatch(text)
    if part:
        return Fraction(_MULTIPLES[part[2]], _PARTS[part[1]])
    return _point(text) or _parts(words) or _and_part(text)


def _point(text: str) -> Fraction | None:
    """`three point one four`: after the point, digit by digit."""
    whole, point, digits = text.rpartition(" point ")
    values = [_VALUES.get(word, 10) for word in digits.split()]
    base = integer_words(whole)
    if not point or base is None or not values or max(values) > 9:
        return None
    return base + Fraction(int("".join(map(str, values))), 10 ** len(values))


def _parts(words: list[str]) -> Fraction | None:
    """`three quarters`, `a third`, `two fifths`."""
    if len(words) != 2:
        return None
    top = 1 if words[0] in ("a", "an") else _VALUES.get(words[0], 0)
    name = words[1].removesuffix("s") if words[1] != "halves" else "half"
    plural = words[1] != name
    if name not in _PARTS or not 0 < top < 20 or plural != (top > 1):
        return None
    return Fraction(top, _PARTS[name])


# --- whole numbers in words -----------------------------------------------------------------


def integer_words(text: str) -> int | None:
    """Return the whole number that `text` spells ("two hundred and five"), or None."""
    words = text.replace("-", " ").split()
    if not words or len(words) > 30:
        return None
    if words[0] in ("a", "an"):
        words[0] = "one"
        if len(words) == 1 or words[1] not in _MULTIPLES:
            return None
    value = _sum(words)
    if value is None:
        return None
    plain = [word for word in words if word != "and"]
    return value if plain in (_spelled(value), _in_hundreds(value), [*_spelled(value // 12), "dozen"]) else None


def _sum(words: list[str]) -> int | None:
    total = current = 0
    for before, word in zip(["", *words], words, strict=False):
        if word == "and":
            if before not in _MULTIPLES or word == words[-1]:
                return None
        elif word in _VALUES:
            current += _VALUES[word]
        elif word in ("hundred", "dozen"):
            current = (current or 1) * _MULTIPLES[word]
        elif word in SCALES:
            total, current = total + (current or 1) * SCALES[word], 0
        else:
            return None
    return total + current


def spelled(value: int) -> str:
    """Return a whole number below a thousand trillion in words, without "and" and hyphens."""
    return " ".join(_spelled(value))


def _spelled(value: int) -> list[str]:
    if value < 20:
        return [_ONES[value]]
    if value < 100:
        return [_TENS[value // 10 - 2], *(_spelled(value % 10) if value % 10 else [])]
    for name, scale in (*sorted(SCALES.items(), key=lambda item: -item[1]), ("hundred", 100)):
        if value >= scale:
            head, rest = divmod(value, scale)
            return [*_spelled(head), name, *(_spelled(rest) if rest else [])]
    raise AssertionError(value)


def _in_hundreds(value: int) -> list[str] | None:
    """`twelve hundred and five`."""
    head, rest = divmod(value, 100)
    if not 10 < head < 100 or head % 10 == 0:
        return None
    return [*_spelled(head), "hundred", *(_spelled(rest) if rest else [])]


# --- numbers as text ------------------------------------------------------------------------


def decimal_text(value: Fraction, digits: int) -> tuple[str, bool]:
    """Return a fraction in decimals, and whether that is exact: rounded to `digits` significant ones where it is not.

    An exact value with more than `digits` + 4 digits is rounded too: nobody reads it.
    """
    whole = Context(prec=digits + 4, rounding=ROUND_HALF_EVEN).divide(*_pair(value))
    exact = Fraction(whole) == value
    if not exact:
        whole = Context(prec=digits, rounding=ROUND_HALF_EVEN).divide(*_pair(value))
    text = f"{whole:f}" if -8 <= whole.adjusted() <= 20 else f"{whole:e}"
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return text, exact


def _pair(value: Fraction) -> tuple[Decimal, Decimal]:
    return Decimal(value.numerator), Decimal(value.denominator)
