"""Windows: each moment is in exactly one, and each ends where the next begins, whatever the clocks of a place do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greenai.budget.windows import CALENDAR, Kind, Window, span_at

# Half an hour's daylight time, clocks that skip or repeat midnight, a day that never was, offsets of minutes.
ZONES = [
    "UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "America/Havana",
    "Asia/Beirut", "Africa/Cairo", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kathmandu", "Africa/Monrovia",
    "America/Nuuk", "Antarctica/Troll", "Asia/Pyongyang", "America/Toronto",
]  # fmt: skip
moments = st.floats(min_value=-1.6e9, max_value=2.4e9, allow_nan=False)


def day_of(text: str, zone: str) -> tuple[str, str]:
    span = span_at(Window(kind="day"), zone, datetime.fromisoformat(text).timestamp())
    assert span.end is not None
    return (
        datetime.fromtimestamp(span.start, UTC).isoformat()[:-9],
        datetime.fromtimestamp(span.end, UTC).isoformat()[:-9],
    )


@given(moments, st.sampled_from(ZONES), st.sampled_from(CALENDAR))
@example(datetime(2006, 10, 29, 2, 31, tzinfo=UTC).timestamp(), "America/St_Johns", "day")  # 23:01 again
@example(datetime(1919, 3, 31, 4, 45, tzinfo=UTC).timestamp(), "America/Toronto", "day")  # 23:30 becomes 00:30
def test_each_moment_is_in_one_window(now: float, zone: str, kind: Kind) -> None:
    span = span_at(Window(kind=kind), zone, now)
    assert span.end is not None
    assert span.start <= now < span.end
    assert span.since == span.start


@given(moments, st.sampled_from(ZONES), st.sampled_from(["day", "week", "month"]))
def test_each_window_ends_where_the_next_begins(now: float, zone: str, kind: Kind) -> None:
    window = Window(kind=kind)
    span = span_at(window, zone, now)
    assert span.end is not None
    assert span_at(window, zone, span.end).start == span.end
    assert span_at(window, zone, span.start - 0.001).end == span.start
    assert span_at(window, zone, span.end - 0.001) == span == span_at(window, zone, span.start)


@given(moments, st.integers(min_value=10, max_value=400 * 86_400))
def test_a_rolling_window_covers_its_length(now: float, length_s: int) -> None:
    window = Window(kind="rolling", length_s=length_s)
    span = span_at(window, "UTC", now)
    assert span.end is not None
    assert span.start <= now < span.end
    assert span.since <= now - length_s
    assert now - span.since <= length_s + 2 * window.slot_s
    assert (span.start - span.since) % span.step == 0
    assert (span.start - span.since) // span.step <= 60


@pytest.mark.parametrize(
    ("moment", "zone", "start", "end"),
    [
        ("2026-11-21T23:30:00+00:00", "Europe/Paris", "2026-11-21T23:00", "2026-11-22T23:00"),
        ("2026-03-29T12:00:00+00:00", "Europe/Paris", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("2026-10-25T12:00:00+00:00", "Europe/Paris", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("2026-04-24T12:00:00+00:00", "Africa/Cairo", "2026-04-23T22:00", "2026-04-24T21:00"),  # no midnight
        ("2026-11-01T12:00:00+00:00", "America/Havana", "2026-11-01T04:00", "2026-11-02T05:00"),  # two midnights
        ("2011-12-30T12:00:00+00:00", "Pacific/Apia", "2011-12-30T10:00", "2011-12-31T10:00"),  # a day that never was
    ],
)
def test_days_when_clocks_change(moment: str, zone: str, start: str, end: str) -> None:
    assert day_of(moment, zone) == (start, end)


@pytest.mark.parametrize(
    ("kind", "moment", "start", "end"),
    [
        ("minute", "2026-11-21T12:34:56", "2026-11-21T12:34", "2026-11-21T12:35"),
        ("hour", "2026-11-21T12:34:56", "2026-11-21T12:15", "2026-11-21T13:15"),
        ("day", "2028-02-29T12:00:00", "2028-02-28T18:15", "2028-02-29T18:15"),
        ("week", "2028-02-29T12:00:00", "2028-02-27T18:15", "2028-03-05T18:15"),
        ("month", "2028-02-29T12:00:00", "2028-01-31T18:15", "2028-02-29T18:15"),
        ("month", "2027-02-28T18:14:59", "2027-01-31T18:15", "2027-02-28T18:15"),
        ("month", "2026-12-31T18:15:00", "2026-12-31T18:15", "2027-01-31T18:15"),
    ],
)
def test_windows_in_a_place_three_quarters_of_an_hour_off(kind: Kind, moment: str, start: str, end: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    span = span_at(Window(kind=kind), "Asia/Kathmandu", now)
    assert span.end is not None
    found = [datetime.fromtimestamp(at, UTC).isoformat()[:16] for at in (span.start, span.end)]
    assert found == [start, end]


def test_a_window_begins_at_midnight_there() -> None:
    for zone in ZONES:
        span = span_at(Window(kind="month"), zone, datetime(2026, 7, 15, tzinfo=UTC).timestamp())
        assert datetime.fromtimestamp(span.start, ZoneInfo(zone)).isoformat()[:16] == "2026-07-01T00:00"
