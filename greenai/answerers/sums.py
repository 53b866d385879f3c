"""Arithmetic asked in a sentence: averages, percentages and their changes, tips, divisibility, primes, factorials.

What is one expression ("2 + 2", "18% of 240") is in calc.py. Each result is found with fractions and checked by going
back: the parts are put together again and have to give what was asked about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from greenai.answerers.calc import written
from greenai.answerers.numerals import number
from greenai.answerers.wording import Answered, Question, words

MOST_CHARS = 150
MOST_FACTORIAL = 170
MOST_PRIME = 10**10  # trial division up to its root: a few milliseconds

_TRIGGERS = words(
    "average mean median sum total product percent percentage increase increased decrease decreased reduce reduced tip "
    "off of divisible multiple factorial times remainder divided gcd lcm greatest lowest least common prime even odd "
    "add multiply cube"
)

_SEPARATOR = re.compile(r",? and |, ")
_IN_DIGITS = re.compile(r",? and |,? ")  # "20 5" are two numbers, "twenty five" is one
_LETTER = re.compile("[a-z]")
_PERCENT = re.compile(r"(.+?) ?(?:%|percent|per cent)")

Handler = Callable[[re.Match[str]], Answered | None]


def answer(question: Question) -> Answered | None:
    """Answer arithmetic that is asked in a sentence."""
    text = question.core
    if not 0 < len(text) <= MOST_CHARS or (question.words.isdisjoint(_TRIGGERS) and "%" not in text):
        return None
    text = _FRAME.sub("", text)
    for pattern, handler in _FORMS:
        found = pattern.fullmatch(text)
        answered = handler(found) if found else None
        if answered is not None:
            return answered
    return None


# --- several numbers ------------------------------------------------------------------------


def _numbers(text: str, least: int) -> list[Fraction] | None:
    text = text.strip(" :[]()")
    separator = _SEPARATOR if _LETTER.search(text.replace(" and ", " ")) else _IN_DIGITS
    parts = separator.split(text)
    values = [value for part in parts if (value := number(part)) is not None]
    return values if len(values) == len(parts) and least <= len(values) <= 100 else None


def _average(found: re.Match[str]) -> Answered | None:
    values = _numbers(found["list"], 2)
    if values is None:
        return None
    mean = sum(values, Fraction(0)) / len(values)
    if sum(value - mean for value in values) != 0:
        return None
    total = " + ".join(written(value) for value in values)
    return _result(f"({total}) / {len(values)}", mean)


def _median(found: re.Match[str]) -> Answered | None:
    values = sorted(_numbers(found["list"], 2) or ())
    if not values:
        return None
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    if sum(v < middle for v in values) > len(values) // 2 or sum(v > middle for v in values) > len(values) // 2:
        return None
    return _result(f"the middle of {', '.join(written(value) for value in values)}", middle)


def _sum(found: re.Match[str]) -> Answered | None:
    values = _numbers(found["list"], 2)
    if values is None or any(written(value).startswith("about") for value in values):
        return None
    total = sum(values, Fraction(0))
    rest = total
    for value in values:
        rest -= value
    return _result(" + ".join(written(value) for value in values), total) if rest == 0 else None


def _product(found: re.Match[str]) -> Answered | None:
    values = _numbers(found["list"], 2)
    if values is None:
        return None
    product = math.prod(values, start=Fraction(1))
    if product == 0 or len(written(product)) > 40 or product / values[0] != math.prod(values[1:], start=Fraction(1)):
        return None
    return _result(" * ".join(written(value) for value in values), product)


def _common(found: re.Match[str]) -> Answered | None:
    values = _numbers(found["list"], 2) or []
    whole = [int(value) for value in values if value.denominator == 1 and 0 < value < 10**12]
    if not whole or len(whole) != len(values):
        return None
    divisor = "divisor" in found["what"] or "factor" in found["what"] or found["what"] in ("gcd", "gcf", "hcf")
    result = math.gcd(*whole) if divisor else math.lcm(*whole)
    if any((value % result if divisor else result % value) for value in whole):
        return None
    return _result(f"{'gcd' if divisor else 'lcm'}({', '.join(map(str, whole))})", Fraction(result))


def _result(left: str, value: Fraction) -> Answered:
    text = written(value)
    exact = not text.startswith("about ")
    return Answered(text=text, working=f"{left} {'=' if exact else '≈'} {text.removeprefix('about ')}")


# --- percentages ----------------------------------------------------------------------------

_MONEY = re.compile(
    r"(?P<sign>[$€£]) ?(?P<a>[0-9][0-9.,]*)|(?P<b>[0-9][0-9.,]*|[a-z -]+) (?P<name>dollars|euros)|(?P<c>.+)"
)
_SIGN = {"dollars": "$", "euros": "€"}


def _money(text: str) -> tuple[Fraction, str] | None:
    """Return an amount and its currency sign, which is empty for a plain number."""
    found = _MONEY.fullmatch(text.strip())
    value = number(found["a"] or found["b"] or found["c"]) if found else None
    if found is None or value is None or value < 0:
        return None
    return value, found["sign"] or _SIGN.get(found["name"] or "", "")


def _percent(text: str) -> Fraction | None:
    found = _PERCENT.fullmatch(text.strip())
    value = number(found[1]) if found else None
    return None if value is None or value < 0 else value


def _paid(value: Fraction, sign: str) -> str:
    """Money to the cent; a plain number as it is."""
    if not sign:
        return written(value)
    if value.denominator == 1:
        return f"{sign}{value.numerator}"
    cents = round(value * 100)
    return f"{'' if value * 100 == cents else 'about '}{sign}{cents // 100}.{cents % 100:02}"


def _share(found: re.Match[str]) -> Answered | None:
    """`15% tip on $20`, `85% of $1500`, `30% off 279`, `increase 50 by 20%`, `decrease 80 by 25%`."""
    percent, amount = _percent(found["p"]), _money(found["a"])
    if percent is None or amount is None:
        return None
    how = found["how"]
    less = how in ("off", "decrease", "reduce", "decreased", "reduced", "lower")
    more = how in ("increase", "increased", "raise", "raised")
    factor = 1 - percent / 100 if less else 1 + percent / 100 if more else percent / 100
    value = amount[0] * factor
    parts = amount[0] * percent / 100
    if value < 0 or value != (amount[0] - parts if less else amount[0] + parts if more else parts):
        return None
    base, result = _paid(amount[0], amount[1]), _paid(value, amount[1])
    left = f"{written(percent)}% of {base}"
    if less or more:
        left = f"{base} {'-' if less else '+'} {left}"
    return Answered(text=result, working=f"{left} {'≈' if 'about' in result else '='} {result.removeprefix('about ')}")


def _what_percent(found: re.Match[str]) -> Answered | None:
    part, whole = number(found["part"]), number(found["whole"])
    if part is None or whole is None or whole == 0 or part < 0 or whole < 0:
        return None
    share = part / whole * 100
    if share * whole / 100 != part:
        return None
    about, shown = _shown(share)
    working = f"{written(part)} / {written(whole)} * 100 {'≈' if about else '='} {shown}"
    return Answered(text=f"{about}{shown}%", working=working)


def _shown(value: Fraction) -> tuple[str, str]:
    """Return "about " or nothing, and the number."""
    text = written(value).partition(" (")[0]
    return ("about " if text.startswith("about ") else ""), text.removeprefix("about ")


def _whole_of(found: re.Match[str]) -> Answered | None:
    percent, part = _percent(found["p"]), number(found["part"])
    if not percent or part is None:
        return None
    return _result(f"{written(part)} / {written(percent)}%", part * 100 / percent)


def _change(found: re.Match[str]) -> Answered | None:
    start, end = number(found["from"]), number(found["to"])
    if start is None or end is None or start <= 0 or end < 0 or start == end:
        return None
    kind = "increase" if end > start else "decrease"
    if found["kind"] in ("increase", "decrease") and found["kind"] != kind:
        return None
    share = abs(end - start) / start * 100
    about, shown = _shown(share)
    working = f"({written(end)} - {written(start)}) / {written(start)} * 100 {'≈' if about else '='} "
    return Answered(text=f"{about}{shown}% {kind}", working=f"{working}{'-' if kind == 'decrease' else ''}{shown}")


def _part_of(found: re.Match[str]) -> Answered | None:
    """`3/4 of 18`, `half of 250`, `three quarters of one sixth`."""
    part, whole = number(found["part"]), number(found["whole"])
    if part is None or whole is None or not 0 < part < 1 or part.denominator > 1000:
        return None
    value = part * whole
    return (
        _result(f"{part} * {whole if whole.denominator > 1 else written(whole)}", value)
        if value / part == whole
        else None
    )


# --- whole numbers --------------------------------------------------------------------------


def _whole(text: str) -> int | None:
    value = number(text)
    return int(value) if value is not None and value.denominator == 1 and 0 <= value <= 10**30 else None


def _divisible(found: re.Match[str]) -> Answered | None:
    number_, divisor = _whole(found["a"]), _whole(found["b"])
    if number_ is None or not divisor:
        return None
    quotient, rest = divmod(number_, divisor)
    yes = rest == 0
    more = "" if yes else f" + {rest}"
    return Answered(
        text=f"{'Yes' if yes else 'No'}, {number_} is {'' if yes else 'not '}divisible by {divisor}.",
        working=f"{number_} = {quotient} * {divisor}{more}",
    )


def _times_into(found: re.Match[str]) -> Answered | None:
    divisor, number_ = _whole(found["a"]), _whole(found["b"])
    if number_ is None or not divisor:
        return None
    quotient, rest = divmod(number_, divisor)
    text = f"{quotient} times" if rest == 0 else f"{quotient} times, with a remainder of {rest}"
    return Answered(text=text, working=f"{number_} = {quotient} * {divisor}{f' + {rest}' if rest else ''}")


def _remainder(found: re.Match[str]) -> Answered | None:
    number_, divisor = _whole(found["a"]), _whole(found["b"])
    if number_ is None or not divisor:
        return None
    quotient, rest = divmod(number_, divisor)
    return Answered(text=str(rest), working=f"{number_} = {quotient} * {divisor} + {rest}")


def _factorial(found: re.Match[str]) -> Answered | None:
    value = _whole(found["a"])
    if value is None or value > MOST_FACTORIAL:
        return None
    result = math.factorial(value)
    if result != math.prod(range(2, value + 1)):
        return None
    return Answered(text=str(result), working=f"{value}! = {result}")


def _cube_root(found: re.Match[str]) -> Answered | None:
    value = _whole(found["a"])
    root = None if value is None else round(value ** (1 / 3))
    if value is None or root is None or root**3 != value:
        return None
    return Answered(text=str(root), working=f"{root} * {root} * {root} = {value}")


def _is_a(found: re.Match[str]) -> Answered | None:
    value, kind = _whole(found["a"]), found["kind"]
    if value is None or (kind == "prime" and value > MOST_PRIME):
        return None
    if kind != "prime":
        yes = (value % 2 == 0) == (kind == "even")
        return Answered(
            text=f"{'Yes' if yes else 'No'}, {value} is {'even' if value % 2 == 0 else 'odd'}.",
            working=f"{value} = 2 * {value // 2}{' + 1' if value % 2 else ''}",
        )
    divisor = _smallest_divisor(value)
    if value < 2:
        return Answered(text=f"No, {value} is not prime.", working="the smallest prime is 2")
    if divisor == value:
        return Answered(
            text=f"Yes, {value} is prime.", working=f"no number from 2 to {math.isqrt(value)} divides {value}"
        )
    return Answered(text=f"No, {value} is not prime.", working=f"{value} = {divisor} * {value // divisor}")


def _smallest_divisor(value: int) -> int:
    if value % 2 == 0:
        return 2
    return next((d for d in range(3, math.isqrt(value) + 1, 2) if value % d == 0), value)


# --- how they are asked ---------------------------------------------------------------------

_FRAME = re.compile(r"^(?:what is|what are|what does|what do|calculate|compute|find|work out|how much is|give me)\b:? ")
_A, _B = r"(?P<a>.+?)", r"(?P<b>.+?)"
_LIST = r"(?:the )?(?:following )?(?:numbers|values)?:? ?(?P<list>.+)"
_P = r"(?P<p>[0-9a-z .-]+ ?(?:%|percent|per cent))"
_AN = r"(?:an? )?"
_COMMON = r"(?:greatest|highest) common (?:divisor|factor)|(?:least|lowest) common multiple"
_PER = r"(?:percent|per cent|percentage|%)"

_ASKED: Mapping[Handler, Sequence[str]] = {
    _average: (rf"(?:the )?(?:average|mean|arithmetic mean) of {_LIST}",),
    _median: (rf"(?:the )?median of {_LIST}",),
    _sum: (rf"(?:the )?(?:sum|total) of {_LIST}", rf"add (?:up )?{_LIST}"),
    _product: (rf"(?:the )?product of {_LIST}", rf"multiply {_LIST}"),
    _common: (rf"(?:the )?(?P<what>gcd|gcf|hcf|lcm|{_COMMON}) (?:of|for) (?P<list>.+)",),
    _share: (
        rf"{_AN}{_P} (?P<how>tip) (?:on|for) (?:a )?(?P<a>.+?)(?: bill)?",
        rf"{_P} (?P<how>of|off)(?: of)? (?P<a>.+)",
        rf"(?P<how>increase|decrease|reduce|raise|lower) (?P<a>.+) by {_P}",
        rf"(?P<a>.+) (?:is )?(?P<how>increased|decreased|reduced|raised) by {_P}(?: (?:is|equals))?",
    ),
    _what_percent: (
        rf"(?:what )?{_PER} of (?P<whole>.+?) is (?P<part>.+)",
        rf"(?:what )?{_PER} is (?P<part>.+?) (?:out )?of (?P<whole>.+)",
        rf"(?P<part>.+?) is what {_PER} (?:out )?of (?P<whole>.+)",
        rf"(?P<part>.+?) (?:as|is) a {_PER} of (?P<whole>.+)",
    ),
    _whole_of: (rf"{_P} of what(?: number)? is (?P<part>.+)", rf"(?P<part>.+) is {_P} of what(?: number)?"),
    _change: (
        rf"(?:the )?{_PER} (?P<kind>change|increase|decrease) (?:from|between) (?P<from>.+?) (?:to|and) (?P<to>.+)",
    ),
    _part_of: (r"(?P<part>.+?) of (?P<whole>.+)",),
    _divisible: (rf"is {_A} (?:evenly )?divisible by {_B}", rf"is {_A} a multiple of {_B}"),
    _times_into: (rf"how many times (?:can|does|do|will) {_A} (?:go|fit|goes|be divided)(?: evenly)? into {_B}",),
    _remainder: (rf"(?:the )?remainder (?:of|when|if) {_A} (?:is )?divided by {_B}",),
    _factorial: (rf"{_A} factorial", rf"(?:the )?factorial (?:of )?{_A}"),
    _cube_root: (rf"(?:the )?cube root of {_A}",),
    _is_a: (rf"is (?:the number )?{_A} (?:an? )?(?P<kind>prime|even|odd)(?: number)?",),
}
_FORMS = tuple((re.compile(pattern), handler) for handler, patterns in _ASKED.items() for pattern in patterns)
