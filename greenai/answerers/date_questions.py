"""Questions about the calendar: weekdays, days between dates, dates before and after, leap years, lengths of months.

It decides what is asked; dates and counting are in dates.py. What is counted from today is live: it holds for now only.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from greenai.answerers.dates import (
    FIRST_YEAR,
    LAST_YEAR,
    MONTH,
    MONTH_OF,
    coming,
    days_between,
    fields,
    long,
    named_day,
    shifted,
    weekday,
)
from greenai.answerers.wording import Answered, Clock, Question, words

MOST_CHARS = 120

_TRIGGERS = words("day days date dates weekday leap week weeks month months year years")

Handler = Callable[[re.Match[str], Clock], Answered | None]


def _weekday_of(found: re.Match[str], clock: Clock) -> Answered | None:
    named = named_day(found["day"], clock)
    if (
        named is None
        and not re.search(r"\b(?:was|did)\b", found[0])
        and (ahead := coming(found["day"], clock().date()))
    ):
        named = ahead, True  # a day without a year is the next one; the answer tells the year
    name = weekday(named[0]) if named else None
    if named is None or name is None:
        return None
    return Answered(text=long(named[0]) if named[1] else name, working=long(named[0]), live=named[1])


def _between(found: re.Match[str], clock: Clock) -> Answered | None:
    """Count days from the first to the second; both ends counted, it is one more, and the answer says so."""
    named = found.groupdict()
    first, second = named_day(named.get("day") or "today", clock), named_day(found["other"], clock)
    if second is None and "day" not in named and (next_day := coming(found["other"], clock().date())):
        second = next_day, True
    if first is None or second is None:
        return None
    start, end = sorted((first[0], second[0]))
    days = days_between(start, end)
    if days is None:
        return None
    live = first[1] or second[1]
    working = f"{long(start)} to {long(end)}: {days} {_plural('day', days)}"
    if found["unit"] == "week":
        weeks, rest = divmod(days, 7)
        more = f" and {rest} {_plural('day', rest)}" if rest else ""
        text = f"{weeks} {_plural('week', weeks)}{more}"
    else:
        text = f"{days} {_plural('day', days)}"
        if days and not live:
            text += f" ({days + 1} if both the first and the last day are counted)"
    gone = second[0] < first[0] == clock().date() and "between" not in found[0]
    return Answered(text=f"{text} ago" if gone else text, working=working, live=live)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _away(found: re.Match[str], clock: Clock) -> Answered | None:
    """`90 days after July 4, 2024`, `3 days from today`, `2 weeks ago`, `in 4 days`."""
    named = found.groupdict()
    origin = named.get("day") or named.get("day2") or "today"
    backwards = named.get("after") in ("before", "prior to") or named.get("ago") == "ago" or named.get("minus")
    start = named_day(origin, clock)
    if start is None or (named.get("in") and re.search(r"month|year", found["span"])):
        return None  # "what day is it in a month" names no day
    end = shifted(start[0], found["span"], -1 if backwards else 1)
    if end is None:
        return None
    sign = "-" if backwards else "+"
    return Answered(
        text=long(end), working=f"{long(start[0])} {sign} {found['span'].strip()} = {long(end)}", live=start[1]
    )


def _leap(found: re.Match[str], _: Clock) -> Answered | None:
    year = int(found["y"])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    yes = calendar.isleap(year)
    rule = next(n for n in (400, 100, 4, 1) if year % n == 0)
    why = f"{year} is divisible by {rule}" if rule > 1 else f"{year} is not divisible by 4"
    if yes != (date(year, 12, 31).timetuple().tm_yday == 366):
        return None
    return Answered(text=f"{'Yes' if yes else 'No'}, {year} is {'' if yes else 'not '}a leap year.", working=why)


def _length(found: re.Match[str], _: Clock) -> Answered | None:
    """`how many days are in february 2024`, `in april`, `in 2024`."""
    month, year = found.groupdict().get("m"), found["y"]
    if month is None:
        if year is None or not FIRST_YEAR <= int(year) <= LAST_YEAR:
            return None
        days = 366 if calendar.isleap(int(year)) else 365
        return Answered(text=f"{days} days", working=f"{year} is {'' if days == 366 else 'not '}a leap year")
    number = MONTH_OF[month]
    if year is None and number == 2:
        return Answered(text="28 days, or 29 in a leap year", working="February has 28 days, or 29 in a leap year")
    days = calendar.monthrange(int(year or 2023), number)[1]
    name = calendar.month_name[number]
    return Answered(text=f"{days} days", working=f"{name}{f' {year}' if year else ''} has {days} days")


def _valid(found: re.Match[str], _: Clock) -> Answered | None:
    """A date with one reading is valid or not; one that cannot be read as year, month and day is left to a model."""
    read = fields(found["day"])
    if read is None or not FIRST_YEAR <= read[0] <= LAST_YEAR:
        return None
    year, month, day = read
    if not 1 <= month <= 12:
        return Answered(text=f"No: there is no month {month}.", working="a year has 12 months")
    last = calendar.monthrange(year, month)[1]
    if 1 <= day <= last:
        return Answered(
            text=f"Yes: {long(date(year, month, day))}.", working=f"{calendar.month_name[month]} {year} has {last} days"
        )
    name = f"{calendar.month_name[month]} {year}"
    return Answered(text=f"No: {name} has {last} days.", working=f"{name} has {last} days, and {day} is none of them")


def _next_leap(found: re.Match[str], clock: Clock) -> Answered | None:
    year = clock().year if found["y"] is None else int(found["y"])
    if not FIRST_YEAR <= year <= LAST_YEAR - 8:
        return None
    leap = next(y for y in range(year + 1, year + 9) if calendar.isleap(y))
    return Answered(text=str(leap), working=f"the first leap year after {year} is {leap}", live=found["y"] is None)


# --- how they are asked ---------------------------------------------------------------------

_D, _D2, _S = r"(?P<day>.+?)", r"(?P<other>.+?)", r"(?P<span>[a-z0-9, -]+?)"
_YEAR = r"(?P<y>[0-9]{4})"
_WEEKDAY = r"(?:day(?: of the week)?|weekday)"
_WHICH_DAY = rf"(?:(?:what|which) {_WEEKDAY}|what is the (?:day of the week|weekday))"
_WHAT_DATE = r"(?:(?:what|which)(?: is)?(?: the)? (?:exact )?(?:date|day)(?: of the week)?)"
_WILL = (
    r"(?:is|was|will be|would be|will it be|would it be|is it|was it|it is|it was|it will be|will|would|is it gonna be"
    r"|is it going to be)(?: the date)?(?: it)?(?: be)?"
)
_HENCE = (
    r"(?:from (?P<day>.+?)|(?P<after>after|before|past|prior to|since) (?P<day2>.+?)|(?P<ago>ago|hence|later|away))"
)
_NOW = r"(?: from (?:now|today))?"
_ASK_DATE = rf"(?:{_WHAT_DATE} {_WILL}|what (?:is|was|will|would)(?: be)? the (?:date|day)(?: be)?)"
_BETWEEN = rf"(?:between|from) {_D} (?:and|to|until|till|through) {_D2}"

_ASKED: Mapping[Handler, Sequence[str]] = {
    _weekday_of: (
        rf"{_WHICH_DAY} (?:is|was|will be|will|did|does|would) {_D}(?: (?:fall|land|be))?(?: on)?",
        rf"{_WHICH_DAY} (?:is|was|will|would) it(?: be)?(?: on)? {_D}",
        rf"on (?:what|which) {_WEEKDAY} (?:is|was|did|does|will) {_D}(?: (?:fall|be))?",
        rf"{_D} (?:is|was|will be|falls on|fell on) (?:what|which) {_WEEKDAY}",
        rf"(?:the )?(?:day of the week|weekday) (?:of|for|on) {_D}",
    ),
    _between: (
        rf"how many (?P<unit>day|week)s (?:are |is |were )?(?:there )?(?:in )?{_BETWEEN}",
        rf"(?:what is )?(?:the )?number of (?P<unit>day|week)s {_BETWEEN}",
        rf"(?P<unit>day)s {_BETWEEN}",
        rf"how many (?P<unit>day|week)s (?:are )?(?:there |left |is it |remain )?(?:until|till|to|before) {_D2}",
    ),
    _away: (
        rf"(?:{_ASK_DATE} |when (?:is|was|will be) |(?:what is )?the date (?:it will be )?){_S} {_HENCE}",
        rf"{_S} {_HENCE},? {_ASK_DATE}",
        rf"{_S} (?P<after>after|before) (?P<day2>.*[0-9].*)",
        rf"add {_S} to {_D}",
        rf"(?P<minus>subtract) {_S} from {_D}",
        rf"(?:what is )?{_D} (?:plus|\+) {_S}",
        rf"(?:what is )?{_D} (?P<minus>minus|-) {_S}",
        rf"(?P<in>in) {_S}{_NOW},? (?:{_ASK_DATE}|what {_WILL})",
        rf"{_ASK_DATE} (?P<in>in) {_S}{_NOW}",
        rf"(?:if|when) today is {_D},? {_ASK_DATE} in {_S}",
        rf"(?:if|when) today is {_D},? {_ASK_DATE} {_S} (?P<ago>ago|hence|later|from now)",
        rf"the date (?:it will be )?(?P<in>in) {_S}{_NOW}",
    ),
    _leap: (
        rf"(?:is|was|will)(?: the year)? {_YEAR}(?: be)? a leap[ -]?year",
        rf"(?:was|is|will)(?: there)?(?: be)? a february 29(?:th)? in {_YEAR}",
    ),
    _next_leap: (rf"(?:when is |what is |which year is )?the next leap[ -]?year(?: after {_YEAR})?",),
    _length: (
        rf"how many days (?:are |is |were )?(?:there )?in (?:the month of )?{MONTH}(?:,? (?:of )?{_YEAR})?",
        rf"how many days (?:does|did|will) {MONTH}(?:,? (?:of )?{_YEAR})? have",
        rf"how many days (?:does|did|will) {MONTH} have in {_YEAR}",
        rf"how many days (?:are |is |were |will be )?(?:there )?in (?:the year )?{_YEAR}",
    ),
    _valid: (
        rf"is (?:this|the following|it) a valid (?:calendar )?date ?[:?]? ?{_D}",
        rf"is {_D} a (?:valid|real) (?:calendar )?date",
    ),
}  # fmt: skip
_FORMS = tuple((re.compile(pattern), handler) for handler, patterns in _ASKED.items() for pattern in patterns)


def answer(question: Question) -> Answered | None:
    """Answer a question about explicit dates, or about days counted from today."""
    text = question.core
    if not 0 < len(text) <= MOST_CHARS or question.words.isdisjoint(_TRIGGERS):
        return None
    for pattern, handler in _FORMS:
        found = pattern.fullmatch(text)
        answered = handler(found, question.clock) if found else None
        if answered is not None:
            return answered
    return None
