"""Dates as people write them, and counting with them, each thing in two ways.

It decides which date a text names. Numeric dates with two readings (3/4/2024) are refused, and so are years before
1753, when parts of the world kept another calendar.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from greenai.answerers.numerals import integer_words
from greenai.answerers.wording import Clock

FIRST_YEAR = 1753
LAST_YEAR = 9000

_MONTHS = [name.lower() for name in calendar.month_name]
MONTH_OF = {name: i for i, name in enumerate(_MONTHS) if name} | {name[:3]: i for i, name in enumerate(_MONTHS) if name}
MONTH_OF["sept"] = 9
DAYS = [name.lower() for name in calendar.day_name]
_FIXED = {
    "christmas day": (12, 25), "christmas eve": (12, 24), "christmas": (12, 25), "new year's day": (1, 1),
    "new year's eve": (12, 31), "halloween": (10, 31), "valentine's day": (2, 14),
}  # fmt: skip

# --- dates as written -----------------------------------------------------------------------

MONTH = rf"(?P<m>{'|'.join(sorted(MONTH_OF, key=len, reverse=True))})\.?"
_NTH = r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<y>[0-9]{4})"
_WEEKDAY = rf"(?:(?P<w>{'|'.join(DAYS)}),? (?:the )?)?"
_WRITTEN = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WEEKDAY}{MONTH} (?:the )?{_NTH}(?:,|, | | of )? ?{_YEAR}",
        rf"{_WEEKDAY}(?:the )?{_NTH}(?: of|-| |\.)? ?{MONTH}(?:,|-|, | )? ?{_YEAR}",
        r"(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})",
        r"(?P<y>[0-9]{4})/(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})",
        r"(?P<d>1[3-9]|2[0-9]|3[01])[/.-](?P<m>[0-9]{1,2})[/.-](?P<y>[0-9]{4})",
        r"(?P<m>[0-9]{1,2})[/-](?P<d>1[3-9]|2[0-9]|3[01])[/-](?P<y>[0-9]{4})",
        rf"(?P<h>{'|'.join(_FIXED)})(?: (?:of|in))?,? {_YEAR}",
    )
)


_UNITS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
          "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
          "twentieth")  # fmt: skip
_ORDINALS = {
    **{name: n for n, name in enumerate(_UNITS, start=1)},
    **{f"twenty {name}": 20 + n for n, name in enumerate(_UNITS[:9], start=1)},
    "thirtieth": 30,
    "thirty first": 31,
}
_ORDINAL = re.compile("|".join(sorted((n.replace(" ", "[ -]") for n in _ORDINALS), key=len, reverse=True)))


def parse(text: str) -> date | None:
    """Return the explicit date that the whole of `text` is, or None; "feb 30 2019" is none."""
    found = fields(text)
    if found is None or not FIRST_YEAR <= found[0] <= LAST_YEAR:
        return None
    try:
        day = date(*found)
    except ValueError:
        return None
    return day


def fields(text: str) -> tuple[int, int, int] | None:
    """Return year, month and day as written, whether or not there is such a day."""
    text = _ORDINAL.sub(lambda found: str(_ORDINALS[found[0].replace("-", " ")]), text.strip(" .,"))
    for pattern in _WRITTEN:
        found = pattern.fullmatch(text)
        if found:
            named = found.groupdict()
            month, day = _FIXED[named["h"]] if named.get("h") else (_month(named["m"]), int(named["d"]))
            read = int(named["y"]), month, day
            said = named.get("w")
            return read if said is None or _falls_on(read, said) else None
    return None


def _month(text: str) -> int:
    return int(text) if text.isdigit() else MONTH_OF[text]


def _falls_on(read: tuple[int, int, int], said: str) -> bool:
    try:
        return date(*read).weekday() == DAYS.index(said)
    except ValueError:
        return False


def long(day: date) -> str:
    """Return a date in words: Monday 20 July 1969."""
    return f"{calendar.day_name[day.weekday()]} {day.day} {calendar.month_name[day.month]} {day.year}"


def weekday(day: date) -> str | None:
    """Return the name of a weekday, found twice: by the library and by Zeller's rule."""
    shifted = (day.month + 9) % 12 + 3  # March is 3, February is 14
    year = day.year - (shifted > 12)
    zeller = (day.day + 13 * (shifted + 1) // 5 + year + year // 4 - year // 100 + year // 400) % 7
    return calendar.day_name[day.weekday()] if (zeller + 5) % 7 == day.weekday() else None


# --- the days that a text names -------------------------------------------------------------


def named_day(text: str, clock: Clock) -> tuple[date, bool] | None:
    """Return a day, explicit or counted from today, and whether it was counted from today."""
    text = text.strip()
    ahead = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1, "today's date": 0}.get(text)
    if ahead is not None:
        return clock().date() + timedelta(days=ahead), True
    day = parse(text)
    return None if day is None else (day, False)


def coming(text: str, today: date) -> date | None:
    """Return the next day that a text without a year names, such as "christmas" or "july 4th"; today counts."""
    text = text.removesuffix(" this year")
    days = (parse(f"{text} {year}") for year in (today.year, today.year + 1) if not re.search("[0-9]{4}", text))
    return next((day for day in days if day is not None and day >= today), None)


_SPAN = re.compile(r"(?P<n>[0-9,]+|[a-z -]+?) (?P<u>day|week|fortnight|month|year)s?")
_UNIT_DAYS = {"day": 1, "week": 7, "fortnight": 14}


def shifted(day: date, span: str, sign: int) -> date | None:
    """Return the day that lies a span before or after; None where the month has no such day."""
    found = _SPAN.fullmatch(span.strip())
    count = _count(found["n"]) if found else None
    if found is None or count is None or count > 400_000:
        return None
    try:
        if found["u"] in _UNIT_DAYS:
            moved = day + timedelta(days=sign * count * _UNIT_DAYS[found["u"]])
            checked = date.fromordinal(day.toordinal() + sign * count * _UNIT_DAYS[found["u"]])
        else:
            months = day.year * 12 + day.month - 1 + sign * count * (12 if found["u"] == "year" else 1)
            moved = checked = day.replace(year=months // 12, month=months % 12 + 1)
    except (ValueError, OverflowError):
        return None
    return moved if moved == checked and FIRST_YEAR <= moved.year <= LAST_YEAR else None


def _count(text: str) -> int | None:
    if text.replace(",", "").isdigit():
        return int(text.replace(",", ""))
    return 1 if text in ("a", "an") else integer_words(text)


def days_between(start: date, end: date) -> int | None:
    """Return the days from one date to another, counted by the library and by Julian day numbers."""
    days = (end - start).days
    return days if days == _julian(end) - _julian(start) else None


def _julian(day: date) -> int:
    a = (14 - day.month) // 12
    y, m = day.year + 4800 - a, day.month + 12 * a - 3
    return day.day + (153 * m + 2) // 5 + 365 * y + y // 4 - y // 100 + y // 400 - 32045
