from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from greenai.settings.schedule import local_time, schedule


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def after(text: str, moment: str, zone: str = "UTC") -> str:
    def local(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, ZoneInfo(zone))

    return local(schedule(text).next_after(at(moment, zone), local)).strftime("%Y-%m-%d %H:%M %a")


@pytest.mark.parametrize(
    ("text", "moment", "then"),
    [
        ("*/15 * * * *", "2026-11-22 10:07:30", "2026-11-22 10:15 Sun"),
        ("*/15 * * * *", "2026-11-22 10:15:00", "2026-11-22 10:30 Sun"),  # after, never at once
        ("*/15 * * * *", "2026-11-22 23:59:59", "2026-11-23 00:00 Mon"),
        ("0 2 * * *", "2026-11-22 02:00", "2026-11-23 02:00 Mon"),
        ("5,35 8-10 * * 1-5", "2026-11-21 09:00", "2026-11-23 08:05 Mon"),
        ("0 0 1 * *", "2026-12-02 00:00", "2027-01-01 00:00 Fri"),
        ("0 0 * * 7", "2026-11-22 00:00", "2026-11-29 00:00 Sun"),
        ("0 0 13 * 5", "2026-11-14 00:00", "2026-11-20 00:00 Fri"),  # a 13th, or a Friday
        ("0 12 29 2 *", "2097-01-01 00:00", "2104-02-29 12:00 Fri"),  # 2100 has none
        ("30/10 * * * *", "2026-11-22 10:00", "2026-11-22 10:30 Sun"),
    ],
)
def test_the_next_time(text: str, moment: str, then: str) -> None:
    assert after(text, moment) == then


def test_a_time_that_the_clocks_leave_out_never_comes_and_one_that_comes_twice_counts_twice() -> None:
    assert after("30 2 * * *", "2026-03-29 00:00", "Europe/Paris") == "2026-03-30 02:30 Mon"
    first = schedule("30 2 * * *").next_after(at("2026-10-25 00:00", "Europe/Paris"), paris)
    second = schedule("30 2 * * *").next_after(first, paris)
    assert second - first == 3600


def paris(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, ZoneInfo("Europe/Paris"))


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_each_time_of_a_year_is_the_first_that_meets_the_text(zone: str) -> None:
    def local(seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, ZoneInfo(zone))

    midnight = schedule("0 0 * * *")
    moment, times = at("2026-01-01 12:00", zone), []
    while moment < at("2027-01-01 00:00", zone):
        moment = midnight.next_after(moment, local)
        times.append(local(moment))
    assert all((time.hour, time.minute) == (0, 0) for time in times)
    assert len({time.date() for time in times}) >= 364  # Havana's clocks leave one midnight out


def test_the_time_of_day_is_this_machines() -> None:
    assert local_time(0.0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert schedule("* * * * *").next_after(59.0) == 60.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "*/15 * * *",
            (
                "'*/15 * * *' has 4 fields, and a time that recurs has 5: minute, hour, day of the month, month, day of "
                'the week, such as "*/15 * * * *"'
            ),
        ),
        ("60 * * * *", "'60' is no minute: it goes from 0 to 59"),
        ("*/0 * * * *", "'*/0' is no minute: it goes from 0 to 59"),
        ("* 5-3 * * *", "'5-3' is no hour: it goes from 0 to 23"),
        ("* * * JAN *", "'JAN' is no month: write numbers, ranges and steps, such as 0, 1-5 or */15"),
        ("0 0 31 2,4 *", "'0 0 31 2,4 *' never comes: no month of it has a day 31"),
    ],
)
def test_what_is_no_time_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # the message is asserted whole
        schedule(text)
    assert str(caught.value) == said
