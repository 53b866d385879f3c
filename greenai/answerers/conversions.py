"""Questions for an amount in another unit: "12 feet in meters", "how many ounces are in 2 cups", "pounds to grams".

It decides which amount and which unit a question names; the table of units and the arithmetic are elsewhere. Where an
amount has two readings (a volume or a weight, months in weeks) and the other unit does not settle it, it keeps silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from greenai.answerers import unit_table
from greenai.answerers.measures import amount, convert
from greenai.answerers.numerals import DIGITS, number
from greenai.answerers.unit_table import Unit
from greenai.answerers.wording import Answered, Question

MOST = Fraction(10) ** 15

_BETWEEN = re.compile(r"\b(?:in|to|into|as|between|from|for|how many|how much)\b|=")
_UNIT = r"(?P<u>.+)"
_FEW = r"(?P<u>.+?)"  # before a verb, as few words as make sense of the rest
_AMOUNT = r"(?P<q>.+)"
_FEW_AMOUNT = r"(?P<q>.+?)"
_TO = r"(?:in|to|into|as|in terms of|expressed (?:in|as)|converted (?:in|to|into))"
_HOW_MANY = r"(?:how (?:many|much)|(?:what(?: is)? )?(?:the )?(?:total |correct |exact )?(?:number|amount|quantity) of)"
_MAKE = r"(?:(?:will|would|do|does it take to) )?(?:make|equal)s?(?: up)?"
_ARE_IN = (
    rf"(?:(?:is|are|will be|would be|{_MAKE}|go(?:es)? into|fit (?:in|into)|do i have|contained|per)"
    r"(?: equal)?(?: there)?(?: in| to| for)?|in|to|per|for)"
)
_HOW = (
    r"(?:(?:how (?:do|can|would|could|should) (?:you|i|we|one) (?:go about )?|how to |assist me to )"
    r"|what is the (?:\w+ )?(?:way|formula|method) to |i (?:want|need|would like|am trying) to |i'd like to )?"
    r"(?:understand )?"
)
_CONVERT = r"(?:convert|chang|turn|express|translat|transform)(?:e|ing)?(?: from)?"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_HOW_MANY} {_FEW} (?:does|do|would) {_AMOUNT} (?:have|equal|make|contain|hold)",
        rf"{_HOW_MANY} {_FEW} (?:are|is) (?:there )?(?:in|to) {_AMOUNT}",
        rf"{_HOW_MANY} {_FEW} {_ARE_IN} {_AMOUNT}",
        rf"{_AMOUNT} (?:is|are|equals?|=|makes?|is equal to|are equal to) {_HOW_MANY} {_UNIT}",
        rf"how (?:much|long|far|heavy|tall|high|hot|cold|fast|big|large|wide|deep) (?:is|are) {_AMOUNT} {_TO} {_UNIT}",
        rf"{_HOW}{_CONVERT} {_AMOUNT} {_TO} {_UNIT}",
        rf"how (?:is|are) {_AMOUNT} converted {_TO} {_UNIT}",
        rf"{_AMOUNT} (?:is|are|equals?|=) what in {_UNIT}",
        rf"what would {_FEW_AMOUNT} (?:be|equal|make) {_TO} {_UNIT}",
        (
            rf"(?:what is|what are|what would|what does)(?: the)?(?: equivalent of| value of)?"
            rf" {_AMOUNT} {_TO} {_UNIT}"
        ),
        (
            rf"(?:what (?:is|would be) |i need |give me |understand )?(?:the )?conversion (?:rate |factor |formula )?"
            rf"(?:from|of|between) {_AMOUNT} (?:and|to|into|in) {_UNIT}"
        ),
        rf"(?:give me )?{_AMOUNT} (?:(?P<loose>in)|to|into|= \?|=|->|converted (?:to|into)) {_UNIT}",
        rf"{_FEW} (?P<loose>in|per) {_AMOUNT}",
    )
)
_REPEATED = re.compile(r"(?P<a>.+?) to (?P<b>.+?) (?=-?[0-9])")  # "celsius to fahrenheit 30 celsius is how much …"
_TWICE = re.compile(r"\b([a-z]{4,}) \1\b")  # spoken twice: "200 celsius celsius"
_FROM_UNIT = re.compile(rf"(?P<n>{DIGITS}) (?:degrees )?from (?P<q>.+) to (?P<u>.+)")
_YEAR_IN = {
    "day": ("365 days", "366"),
    "week": ("52 weeks and 1 day", "52 weeks and 2 days"),
    "hour": ("8760 hours", "8784"),
    "minute": ("525600 minutes", "527040"),
}
_KIND_NAMED = re.compile(r"^(?:the |a )?(?:temperature|length|distance|weight|height|speed)(?: of)? ")
MOST_CHARS = 120
_BITS = re.compile(r"\b[KMGT]b\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amount:
    """An amount with every unit that it may be in. `value` is None where only a unit was named.

    `written` is set for an amount of two parts, such as 5 feet 10 inches.
    """

    value: Fraction | None
    units: tuple[Unit, ...]
    written: str | None = None


def answer(question: Question) -> Answered | None:
    """Answer a question for an amount in another unit, or for the rate between two units."""
    text = question.core
    if not 0 < len(text) <= MOST_CHARS or not _BETWEEN.search(text) or _BITS.search(question.text):
        return None
    if not unit_table.may_name_units(question.words, text):
        return None
    reading = _reading(text)
    return _in_two_units(text) if reading is None else _converted(*reading)


def _reading(text: str) -> tuple[_Amount, tuple[Unit, ...]] | None:
    text = _TWICE.sub(r"\1", text)
    repeated = _REPEATED.match(text) if " to " in text else None
    if repeated and unit_table.named(repeated["a"]) and unit_table.named(repeated["b"]):
        text = text[repeated.end() :]
    found = _FROM_UNIT.search(text) if " from " in text else None
    if found:
        text = f"{text[: found.start()]}{found['n']} {found['q']} to {found['u']}"
    for pattern in _PATTERNS:
        match = pattern.fullmatch(text)
        target = unit_table.named(_bare(match["u"])) if match else ()
        source = _amount(match["q"]) if match and target else None
        # "ounces in cup" may ask for either in the other
        if source is not None and match and (source.value is not None or not match.groupdict().get("loose")):
            return source, target
    return None


def _bare(text: str) -> str:
    return text.removeprefix("a ").removeprefix("an ").removeprefix("the ").removeprefix("measurement ")


# --- amounts --------------------------------------------------------------------------------

_LEADING = re.compile(
    rf"(?P<n>(?:- ?|minus |negative )?(?:{DIGITS})(?: ?[½⅓⅔¼¾⅛]| [0-9]+/[0-9]+|/[0-9]+|e[0-9]+)?"
    r"(?: (?:hundred|thousand|million|billion|dozen))?(?: and (?:a |one )?(?:half|quarter))?)[ -]?(?P<u>[^0-9].*)"
)
_COMPOUND = re.compile(rf"(?P<a>(?:{DIGITS}) ?[a-z'\"]+?) ?(?:and |, )?(?P<b>(?:{DIGITS}) ?[a-z'\"]+)")
_OF = re.compile(r"^(?:a |one )?(half|quarter|third)(?: of)?(?: an?| one)? ")


def _amount(text: str) -> _Amount | None:
    """Return the amount that the whole of `text` is: a number and a unit, two of them, or a unit alone."""
    text = _OF.sub(r"a \1 ", _KIND_NAMED.sub("", text.strip(), count=1), count=1)
    units = unit_table.named(_bare(text)) if _bare(text) == text or text.startswith(("a ", "an ")) else ()
    if units:
        return _Amount(value=Fraction(1) if _bare(text) != text else None, units=units)
    return _counted(text) or _compound(text)


def _counted(text: str) -> _Amount | None:
    leading = _LEADING.fullmatch(text)
    if leading:
        value = number(leading["n"].replace("- ", "-"))
        units = unit_table.named(leading["u"].removeprefix("of ").strip())
        return _Amount(value=value, units=units) if value is not None and units else None
    words = text.split()
    for cut in range(min(len(words) - 1, 8), 0, -1):
        value = number(" ".join(words[:cut]))
        rest = " ".join(words[cut:])
        units = unit_table.named(_bare(rest.removeprefix("of ")))
        if value is not None and units:
            return _Amount(value=value, units=units)
    return None


def _compound(text: str) -> _Amount | None:
    """`5 feet 10 inches`: two amounts of one kind, the second less than one unit of the first."""
    found = _COMPOUND.fullmatch(text)
    whole, part = (_counted(found["a"]), _counted(found["b"])) if found else (None, None)
    if whole is None or part is None or whole.value is None or part.value is None:
        return None
    for big in whole.units:
        for small in part.units:
            total = _sum(whole.value, big, part.value, small)
            if total is not None:
                return _Amount(value=total, units=(big,), written=text)
    return None


def _sum(whole: Fraction, big: Unit, part: Fraction, small: Unit) -> Fraction | None:
    ratio = big.factor / small.factor
    if big.kind != small.kind or big.kind == "temperature" or ratio <= 1 or not 0 <= part < ratio or whole < 0:
        return None
    return whole + part / ratio if whole.denominator == 1 and ratio.denominator == 1 else None


# --- answers --------------------------------------------------------------------------------


def _converted(source: _Amount, targets: tuple[Unit, ...]) -> Answered | None:
    pairs = [(a, b) for a in source.units for b in targets if a.kind == b.kind and a != b]
    if len(pairs) == 1:
        unit, target = pairs[0]
        if unit.kind == "temperature" and source.value is None:
            return _temperature_rule(unit, target)
        return _answered(source, unit, target)
    return _year(source, targets) if not pairs else None


def _answered(source: _Amount, unit: Unit, target: Unit) -> Answered | None:
    value = Fraction(1) if source.value is None else source.value
    if abs(value) > MOST:
        return None
    converted = convert(value, unit, target)
    if converted is None or convert(converted, target, unit) != value:
        return None
    text, exact = amount(converted, target)
    working = f"{source.written or amount(value, unit)[0]} {'=' if exact else '≈'} {text}"
    if source.value is None:
        text = working
    elif not exact:
        text = f"about {text}"
    return Answered(text=text + _decimal_note(unit, target), working=working)


_TWO_UNITS = re.compile(
    r"(?P<rest>.+) (?P<big>feet|pounds|stones?|hours|minutes|days|weeks|years) and (?P<small>[a-z]+)"
)


def _in_two_units(text: str) -> Answered | None:
    """`180 cm in feet and inches`: whole ones of the first, and what is left in the second."""
    found = _TWO_UNITS.fullmatch(text)
    reading = _reading(f"{found['rest']} {found['big']}") if found else None
    if found is None or reading is None or reading[0].value is None or reading[0].value < 0:
        return None
    source, target = reading
    pairs = [
        (unit, big, small)
        for unit in source.units
        for big in target
        for small in unit_table.named(found["small"])
        if unit.kind == big.kind == small.kind and big.factor > small.factor and unit != big
    ]
    if len(pairs) != 1:
        return None
    unit, big, small = pairs[0]
    total = convert(reading[0].value, unit, big)
    ratio = big.factor / small.factor
    if total is None or ratio.denominator != 1 or total > MOST:
        return None
    whole = total.__floor__()
    rest, exact = amount((total - whole) * ratio, small)
    if number(rest.split()[0]) == ratio:
        return None  # rounded up to a whole one of the first
    shown = f"{amount(Fraction(whole), big)[0]} {rest}"
    working = f"{source.written or amount(reading[0].value, unit)[0]} {'=' if exact else '≈'} {shown}"
    return Answered(text=shown if exact else f"about {shown}", working=working)


def _decimal_note(source: Unit, target: Unit) -> str:
    """Bytes are counted in thousands here; memory and some systems count in 1024."""
    labels = {source.label[-2:], target.label[-2:]} & {"kB", "MB", "GB", "TB", "PB"}
    return " (1 kB is 1000 bytes here, and 1 KiB is 1024)" if labels else ""


def _temperature_rule(source: Unit, target: Unit) -> Answered | None:
    rules = {
        "°C°F": "°F = °C * 9/5 + 32",
        "°F°C": "°C = (°F - 32) * 5/9",
        "°CK": "K = °C + 273.15",
        "K°C": "°C = K - 273.15",
    }
    rule = rules.get(source.label + target.label)
    example, result = Fraction(300), convert(Fraction(300), source, target)
    if rule is None or result is None:
        return None
    return Answered(text=rule, working=f"{rule}, so {amount(example, source)[0]} = {amount(result, target)[0]}")


def _year(source: _Amount, targets: tuple[Unit, ...]) -> Answered | None:
    """A year has no fixed number of days: both are given."""
    if source.value not in (1, None) or [u.label for u in source.units] != ["year(s)"] or len(targets) != 1:
        return None
    found = _YEAR_IN.get(targets[0].pint)
    if found is None:
        return None
    return Answered(
        text=f"{found[0]}, or {found[1]} in a leap year", working="1 year = 365 days, or 366 in a leap year"
    )
