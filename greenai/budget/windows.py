"""When a window begins and ends: calendar windows in a time zone, rolling ones, and the one that never ends.

Days, weeks (from Monday) and months begin at the local midnight, whatever the clocks do then: a midnight that does not
exist is the moment when the clocks go forward, and of two midnights the first counts. So each window ends where the
next begins. Minutes and hours are those of the local clock, at the offset of that moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

__all__ = ["CALENDAR", "Kind", "Span", "Window", "span_at"]

Kind: TypeAlias = Literal["minute", "hour", "day", "week", "month", "rolling", "total"]
CALENDAR: tuple[Kind, ...] = ("minute", "hour", "day", "week", "month")

SLOTS = 60
"""A rolling window is counted in so many slots: it forgets up to a sixtieth of its length late, never early."""

_SECONDS: dict[Kind, int] = {"minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """For how long an amount is counted; `length_s` is the length of a rolling window in seconds."""

    kind: Kind
    length_s: int | None = None

    @property
    def slot_s(self) -> int:
        """How long a slot of a rolling window is, in seconds."""
        return -(-(self.length_s or SLOTS) // SLOTS)

    def key(self, timezone: str) -> str:
        """Return what is the same for all budgets that count the same window."""
        if self.kind == "rolling":
            return f"rolling:{self.length_s}"
        return self.kind if self.kind == "total" else f"{self.kind}:{timezone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One window at one moment, in whole seconds since 1970.

    Attributes:
        since: where what counts begins.
        start: where the newest slot begins, which is what new amounts are added to; `since` but in rolling windows.
        end: where `start`'s slot ends; None never.
        step: how long a slot is; 0 where there is one only.
    """

    since: int
    start: int
    end: int | None
    step: int = 0

    def holds(self, now: float) -> bool:
        """Say whether `now` is in it."""
        return self.start <= now and (self.end is None or now < self.end)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def span_at(window: Window, timezone: str, now: float) -> Span:
    """Return the window that `now` is in.

    Args:
        window: which kind.
        timezone: whose midnights count.
        now: seconds since 1970.
    """
    at = math.floor(now)  # windows begin at whole seconds, and datetime rounds to the nearest microsecond
    if window.kind == "total":
        return Span(since=0, start=0, end=None)
    if window.kind == "rolling":
        step = window.slot_s
        start = at // step * step
        return Span(
            since=start - (-(-(window.length_s or step) // step)) * step, start=start, end=start + step, step=step
        )
    zone = _zone(timezone)
    if window.kind in _SECONDS:
        length = _SECONDS[window.kind]
        offset = datetime.fromtimestamp(at, zone).utcoffset() or timedelta()
        shift = int(offset.total_seconds())
        start = (at + shift) // length * length - shift
        return Span(since=start, start=start, end=start + length)
    first = datetime.fromtimestamp(at, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if window.kind == "week":
        first -= timedelta(days=first.weekday())
    elif window.kind == "month":
        first = first.replace(day=1)
    after = _next(first, window.kind)
    while (end := _moment(after, zone)) <= now:  # clocks that go back over midnight do not take the day back
        first, after = after, _next(after, window.kind)
    start = _moment(first, zone)
    return Span(since=start, start=start, end=end)


def _next(first: datetime, kind: Kind) -> datetime:
    if kind == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if kind == "week" else 1)


def _moment(local: datetime, zone: ZoneInfo) -> int:
    """Return when the local clocks first show this time or, where they skip it, a later one."""
    moment = int(local.replace(tzinfo=zone).timestamp())
    if _shown(moment, zone) == local:
        return moment
    early = int(local.replace(tzinfo=zone, fold=1).timestamp())
    while moment - early > 1:
        middle = (early + moment) // 2
        early, moment = (early, middle) if _shown(middle, zone) >= local else (middle, moment)
    return moment


def _shown(moment: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)
