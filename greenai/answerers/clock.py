"""The time and the date now, here and elsewhere: from the clock, and never stored.

It decides whether the whole question is for the time, the date, the zone of a place, or for a time of day in another
place. A place that is in several zones, or that several places are called, is left to a model.
"""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from greenai.answerers.dates import DAYS, long
from greenai.answerers.wording import Answered, Clock, Question, words
from greenai.answerers.zones import zone_of

MOST_CHARS = 100

_TRIGGERS = words(
    "time timezone timezones zone hour date day today tomorrow yesterday year month noon midnight am pm"
) | frozenset(DAYS)


def answer(question: Question) -> Answered | None:
    """Answer what only the clock knows; every answer is live."""
    text = question.core
    if not 0 < len(text) <= MOST_CHARS or (question.words.isdisjoint(_TRIGGERS) and not _TIME_OF_DAY.search(text)):
        return None
    text = _ASKED_FOR.sub("", text).strip(" ,")
    return (
        _date(text, question.clock)
        or _named_day(text, question.clock)
        or _difference(text, question.clock)
        or _zone(text, question.clock)
        or _time(text, question.clock)
        or _elsewhere(text, question.clock)
    )


_ASKED_FOR = re.compile(
    r"^(?:(?:i (?:need|want|would like)|i'd like|i am needing)(?: (?:to )?(?:get|know|have))?|give me|show me"
    r"|tell me|share|provide(?: me)?(?: with)?|look up|find(?: out)?|check|get me|information on|you to tell me"
    r"|let me know|know)\b(?: for)? "
)

# --- the date -------------------------------------------------------------------------------

_WHEN = r"(?P<when>today|tomorrow|yesterday|now|right now)"
_DAY = r"(?:(?:current |full |exact |calendar )*(?:date|day(?: of the (?:week|month))?|weekday)|name of the day)"
_SUBJECT = (
    rf"(?:(?P<of>today|tomorrow|yesterday)'s (?:{_DAY}|month, day,? and year)"
    rf"|(?:the )?{_DAY}(?:(?: (?:of|for|is|on|it is|will be))? {_WHEN})?)"
)
_DATE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:what (?:is|would|will|it) (?:be )?)?{_SUBJECT}(?: be)?",
        rf"what (?:the )?{_DAY} (?:is |it |will be )?{_WHEN}",
        rf"{_SUBJECT} is what",
        rf"(?:what|which) {_DAY} (?:is it|it is|is|it|are we(?: on| in)?|will it be|will be|was it|was)(?: {_WHEN})?",
        rf"(?:what|which) {_DAY} {_WHEN} (?:is|was)",
        rf"what is {_WHEN}",
        rf"{_WHEN} is (?:what|which) {_DAY}",
        rf"{_WHEN},? what (?:is|will|was) (?:be )?the {_DAY}(?: be)?",
        rf"do you have {_SUBJECT}",
    )
)
_BARE = frozenset(
    ("day", "the day", "today", "tomorrow", "yesterday", "now", "right now", "is today", "weekday", "date")
)
_YEAR = re.compile(r"(?:what|which) (?P<part>year|month) (?:is it|it is|are we in)(?: now| today| right now)?")
_THIS = re.compile(r"(?:what is )?the current (?P<part>year|month)")
_IS_IT = re.compile(rf"is (?:today|it) (?:a )?(?P<day>{'|'.join(DAYS)})(?: today)?")
_AHEAD = {"tomorrow": 1, "yesterday": -1}


def _date(text: str, clock: Clock) -> Answered | None:
    found = next((found for pattern in _DATE if (found := pattern.fullmatch(text))), None)
    if found is None or text in _BARE:
        return None
    named = found.groupdict()
    day = clock().date() + timedelta(days=_AHEAD.get(named.get("of") or named.get("when") or "today", 0))
    return Answered(text=long(day), working=f"this machine's clock says {clock().isoformat(' ', 'minutes')}", live=True)


def _named_day(text: str, clock: Clock) -> Answered | None:
    now = clock()
    working = f"this machine's clock says {now.isoformat(' ', 'minutes')}"
    part = _YEAR.fullmatch(text) or _THIS.fullmatch(text)
    if part:
        month = f"{calendar.month_name[now.month]} {now.year}"
        return Answered(text=str(now.year) if part["part"] == "year" else month, working=working, live=True)
    found = _IS_IT.fullmatch(text)
    if found:
        yes = DAYS[now.weekday()] == found["day"]
        return Answered(text=f"{'Yes' if yes else 'No'}, today is {long(now.date())}.", working=working, live=True)
    return None


# --- the time -------------------------------------------------------------------------------

_NOW = re.compile(
    r"\b(?:(?:right |just )?now|currently|at (?:the|this) moment|right this minute|current|exact|correct|local|actual"
    r"|over there|over(?= in))\b"
)
_IS_IT_TIME = (
    r"(?:what (?:time|hour) (?:is it|it is|is|would it be|it)|what (?:is|would be) the (?:time|hour)|what the time is"
    r"|what hour and minute is it|what is the hour)"
)
_PLACE = r"(?P<place>[a-z][a-z .,'-]*?)"
_TIME = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:{_IS_IT_TIME}|the time|time)(?: (?:in|for|at|on) (?:the )?{_PLACE}(?: (?:is|right))?)?",
        rf"in (?:the )?{_PLACE},? {_IS_IT_TIME}",
        rf"{_IS_IT_TIME} {_PLACE}(?: time)?",
        rf"what time (?:in|for) {_PLACE}",
        rf"{_PLACE} time",
        r"time (?P<place>[a-z][a-z .,'-]+)",
        r"(?:the )?(?:time and date|date and time)(?: today| of today)?",
        rf"what is (?:the )?{_PLACE} time",
        r"(?:do you have|have you|have you got|you have) the time|would you mind telling me the time",
    )
)


def _time(text: str, clock: Clock) -> Answered | None:
    bare = " ".join(_NOW.sub(" ", text).replace(" ,", ",").split()).strip(" ,")
    if text in ("time", "the time") or not bare:
        return None if text != "the time" else _here(clock())
    for pattern in _TIME:
        found = pattern.fullmatch(bare)
        if found:
            place = found.groupdict().get("place")
            answered = _here(clock()) if place is None else _there(place, clock())
            if answered is not None:
                return answered
    return None


def _here(now: datetime) -> Answered:
    text = f"{now:%H:%M} ({_offset(now)}) on {long(now.date())}"
    return Answered(text=text, working=f"this machine's clock says {now.isoformat(' ', 'minutes')}", live=True)


def _there(place: str, now: datetime) -> Answered | None:
    zone = zone_of(place, now)
    if zone is None:
        return None
    there = now.astimezone(zone)
    text = f"{there:%H:%M} ({_offset(there)}) on {long(there.date())}"
    return Answered(
        text=text, working=f"{zone.key}; this machine's clock says {now.isoformat(' ', 'minutes')}", live=True
    )


def _offset(moment: datetime) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    name = moment.tzname() or ""
    offset = f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{name}, {offset}" if name.isalpha() and name != "UTC" else "UTC" if name == "UTC" else offset


# --- zones ----------------------------------------------------------------------------------

_ZONE_WORDS = words(
    "what what's which is are in the of for does do use uses have current currently now located find applicable would "
    "be it you know please they timezone zone on by that within reside search"
)
_ZONE = re.compile(r"\btime ?zones?\b")


def _zone(text: str, clock: Clock) -> Answered | None:
    """Answer which zone a place is in: what is left of the question has to be one place."""
    if not _ZONE.search(text) or "what time" in _ZONE.sub("", text):
        return None
    said = [word for word in _ZONE.sub("timezone", text).replace("'s ", " ").split() if word not in _ZONE_WORDS]
    place = " ".join(said)
    if not place or place not in text:
        return None
    now = clock()
    zone = zone_of(place, now)
    if zone is None:
        return None
    there = now.astimezone(zone)
    return Answered(
        text=f"{zone.key} ({_offset(there)} on {there.day} {calendar.month_name[there.month]} {there.year})",
        working=f"the time there is {there.isoformat(' ', 'minutes')}",
        live=True,
    )


_DIFFERENCE = re.compile(
    r"(?:what is )?(?:the )?time difference (?:between|from) (?P<a>[a-z][a-z .,'-]*?) (?:and|to) "
    r"(?P<b>[a-z][a-z .,'-]*)"
)


def _difference(text: str, clock: Clock) -> Answered | None:
    found = _DIFFERENCE.fullmatch(text)
    now = clock()
    zones = (zone_of(found["a"], now), zone_of(found["b"], now)) if found else (None, None)
    if found is None or zones[0] is None or zones[1] is None:
        return None
    first, second = (now.astimezone(zone) for zone in zones if zone is not None)
    minutes = int(((second.utcoffset() or timedelta()) - (first.utcoffset() or timedelta())).total_seconds()) // 60
    working = f"{first:%H:%M} ({_offset(first)}) = {second:%H:%M} ({_offset(second)})"
    day = f"on {now.day} {calendar.month_name[now.month]} {now.year}"
    if minutes == 0:
        return Answered(text=f"None {day}", working=working, live=True)
    hours = f"{abs(minutes) // 60} h" + (f" {abs(minutes) % 60} min" if minutes % 60 else "")
    later = f"the clock in {found['b' if minutes > 0 else 'a'].strip()} is ahead"
    return Answered(text=f"{hours} {day}: {later}", working=working, live=True)


# --- a time of day elsewhere ----------------------------------------------------------------

_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PAST = {"fifteen": 15, "thirty": 30, "forty five": 45, "forty-five": 45}
_AT = (
    r"(?P<h>[0-9]{1,2})(?::(?P<min>[0-5][0-9]))? ?(?P<half>[ap]\.?m\.?)?|(?P<named>noon|midnight)"
    rf"|(?P<word>{'|'.join(_HOURS)})(?: (?P<past>{'|'.join(_PAST)}))? (?P<half2>[ap]\.?m\.?)"
)
_TIME_OF_DAY = re.compile(r"\b[0-9]{1,2}(?::[0-5][0-9]| ?[ap]\.?m\b)|\bnoon\b|\bmidnight\b")
_FROM, _TO = r"(?P<a>[a-z][a-z .,'-]*?)", r"(?P<b>[a-z][a-z .,'-]*?)"
_IS = "(?:is it|will it be|would it be)"
_ELSEWHERE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:(?:if|when|given) )?it(?: is|'s) (?:{_AT}) (?:in )?{_FROM},? (?:then )?what time {_IS} in {_TO}",
        rf"(?:{_AT}) (?:in )?{_FROM} is what(?: time)? in {_TO}",
        rf"what time {_IS} in {_TO} (?:if|when) it(?: is|'s) (?:{_AT}) (?:in )?{_FROM}",
        rf"(?:what (?:time )?(?:is )?(?:the )?|convert |change )?(?:{_AT}) (?:in )?{_FROM} (?:in|to|into) {_TO}",
    )
)


def _elsewhere(text: str, clock: Clock) -> Answered | None:
    """Answer what a time of day is in another place, on today's date: clocks change on different days."""
    for pattern in _ELSEWHERE:
        found = pattern.fullmatch(text)
        if found is None:
            continue
        now = clock()
        zones = zone_of(found["a"], now), zone_of(found["b"], now)
        minutes = _minutes(found)
        if zones[0] is not None and zones[1] is not None and minutes is not None:
            return _same_moment(now, minutes, zones[0], zones[1])
    return None


def _minutes(found: re.Match[str]) -> int | None:
    """Return minutes since midnight; None for 3:30 without am or pm, which may be either."""
    if found["named"]:
        return 720 if found["named"] == "noon" else 0
    if found["word"]:
        hour, minute, half = _HOURS.index(found["word"]) + 1, _PAST.get(found["past"] or "", 0), found["half2"][:1]
    else:
        hour, minute, half = int(found["h"]), int(found["min"] or 0), (found["half"] or "")[:1]
    if half:
        return (hour % 12 + (12 if half == "p" else 0)) * 60 + minute if 1 <= hour <= 12 else None
    written_24 = found["min"] is not None and (13 <= hour <= 23 or (len(found["h"]) == 2 and hour < 10))
    return hour * 60 + minute if written_24 else None


def _same_moment(now: datetime, minutes: int, source: ZoneInfo, target: ZoneInfo) -> Answered | None:
    here = now.astimezone(source).replace(hour=minutes // 60, minute=minutes % 60, second=0, microsecond=0, fold=0)
    there = here.astimezone(target)
    if here.replace(fold=1).utcoffset() != here.utcoffset() or there.astimezone(source) != here:
        return None  # an hour that does not exist, or comes twice, as clocks change
    days = (there.date() - here.date()).days
    shift = {0: "", 1: " on the next day", -1: " on the day before"}[days]
    working = f"{here:%H:%M} ({_offset(here)}) = {there:%H:%M} ({_offset(there)}) on {long(there.date())}"
    note = f"counted for {here.day} {calendar.month_name[here.month]} {here.year}"
    return Answered(text=f"{there:%H:%M}{shift} ({_offset(there)}; {note})", working=working, live=True)
