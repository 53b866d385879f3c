"""Times that recur, as cron writes them: minute, hour, day of the month, month, day of the week, in local time.

Five fields by hand: a list of numbers, ranges and steps each. Names of days and months, and cron's dialects beyond
(seconds, `L`, `#`), are not read. A library for it would be a dependency of every install, for one optional setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["Schedule", "local_time", "schedule"]

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_PART = re.compile(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?")
_LONGEST_DAYS = 366 * 8 + 1
"""29 February comes back within eight years, also round 2100."""


def local_time(moment: float) -> datetime:
    """Return the time of day on this machine, `moment` seconds after 1970."""
    return datetime.fromtimestamp(moment, UTC).astimezone()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something recurs. `text` is as it was written."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Both days are restricted: cron takes a day that meets one of them."""

    def next_after(self, moment: float, local: Callable[[float], datetime] = local_time) -> float:
        """Return the next time after `moment`, both in seconds since 1970; `local` tells the time of day there.

        A minute that a change of the clocks leaves out never comes, and one that comes twice counts twice.
        """
        at = (int(moment) // 60 + 1) * 60
        for _ in range(_LONGEST_DAYS):
            day = local(at)
            if self._meets(day):
                found = self._in_day(at, day, local)
                if found is not None:
                    return float(found)
            at = _next_day(at, day, local)
        raise AssertionError(f"{self.text!r} never comes")  # `schedule` has refused such a text

    def _meets(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day or by_week if self.either else by_day and by_week

    def _in_day(self, at: int, day: datetime, local: Callable[[float], datetime]) -> int | None:
        date = day.date()
        while day.date() == date:
            if day.hour in self.hours and day.minute in self.minutes:
                return at
            at += 60
            day = local(at)
        return None


def _next_day(at: int, day: datetime, local: Callable[[float], datetime]) -> int:
    """Return the first minute of the next day, however long this one is."""
    left = timedelta(days=1) - timedelta(hours=day.hour, minutes=day.minute)
    at += int(left.total_seconds())
    while local(at).date() == day.date():  # an hour came twice
        at += 60
    while local(at - 60).date() != day.date():  # an hour was left out
        at -= 60
    return at


def schedule(text: str) -> Schedule:
    """Read five fields of cron.

    Raises:
        ValueError: it is none, or never comes.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"{text!r} has {len(parts)} fields, and a time that recurs has 5: minute, hour, day of the month, month, "
            'day of the week, such as "*/15 * * * *"'
        )
    sets = [_numbers(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]
    weekdays = frozenset(day % 7 for day in sets[4])
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    found = Schedule(" ".join(parts), sets[0], sets[1], sets[2], sets[3], weekdays, either)
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    if not either and all(min(found.days) > longest.get(month, 31) for month in found.months):
        raise ValueError(f"{text!r} never comes: no month of it has a day {min(found.days)}")
    return found


def _numbers(part: str, name: str, least: int, most: int) -> frozenset[int]:
    found: set[int] = set()
    for piece in part.split(","):
        match = _PART.fullmatch(piece)
        if match is None:
            raise ValueError(f"{piece!r} is no {name}: write numbers, ranges and steps, such as 0, 1-5 or */15")
        first, last = _span(match[1], least, most, stepped=match[2] is not None)
        step = int(match[2] or 1)
        if not least <= first <= last <= most or step == 0:
            raise ValueError(f"{piece!r} is no {name}: it goes from {least} to {most}")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _span(text: str, least: int, most: int, *, stepped: bool) -> tuple[int, int]:
    if text == "*":
        return least, most
    first, _, last = text.partition("-")
    return int(first), int(last or (most if stepped else first))
