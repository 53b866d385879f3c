"""The time and the date now: from the clock it is given, through ask only, and silent about places in several zones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from greenai.answerers import clock
from greenai.answerers.wording import question_of
from greenai.answerers.zones import zone_of

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
HERE = "this machine's clock says 2026-11-21 14:05+00:00"

ANSWERED = {
    "What time is it?": ("14:05 (UTC) on Saturday 21 November 2026", HERE),
    "can you tell me what time it is right now, please": ("14:05 (UTC) on Saturday 21 November 2026", HERE),
    "what's today's date?": ("Saturday 21 November 2026", HERE),
    "tell me the date for tomorrow": ("Sunday 22 November 2026", HERE),
    "what day was it yesterday": ("Friday 20 November 2026", HERE),
    "what year is it": ("2026", HERE),
    "what month is it now?": ("November 2026", HERE),
    "is today monday": ("No, today is Saturday 21 November 2026.", HERE),
    "is it saturday?": ("Yes, today is Saturday 21 November 2026.", HERE),
    "What time is it in Tokyo?": ("23:05 (JST, UTC+09:00) on Saturday 21 November 2026", f"Asia/Tokyo; {HERE}"),
    "what is the current time in new york": (
        "09:05 (EST, UTC-05:00) on Saturday 21 November 2026",
        f"America/New_York; {HERE}",
    ),
    "time in adelaide, australia": (
        "00:35 (ACDT, UTC+10:30) on Sunday 22 November 2026",
        f"Australia/Adelaide; {HERE}",
    ),
    "What time zone is Kathmandu in?": (
        "Asia/Kathmandu (UTC+05:45 on 21 November 2026)",
        "the time there is 2026-11-21 19:50+05:45",
    ),
    "what's the time in Dallas Texas": (
        "08:05 (CST, UTC-06:00) on Saturday 21 November 2026",
        f"America/Chicago; {HERE}",
    ),
    "new york time please": ("09:05 (EST, UTC-05:00) on Saturday 21 November 2026", f"America/New_York; {HERE}"),
    "what is the time difference between London and Mumbai?": (
        "5 h 30 min on 21 November 2026: the clock in mumbai is ahead",
        "14:05 (GMT, UTC+00:00) = 19:35 (IST, UTC+05:30)",
    ),
    "convert eight am Manila time to New York time": (
        "19:00 on the day before (EST, UTC-05:00; counted for 21 November 2026)",
        "08:00 (PST, UTC+08:00) = 19:00 (EST, UTC-05:00) on Friday 20 November 2026",
    ),
    "3pm London in Tokyo": (
        "00:00 on the next day (JST, UTC+09:00; counted for 21 November 2026)",
        "15:00 (GMT, UTC+00:00) = 00:00 (JST, UTC+09:00) on Sunday 22 November 2026",
    ),
    "If it's 9:30 am in New York, what time is it in Paris?": (
        "15:30 (CET, UTC+01:00; counted for 21 November 2026)",
        "09:30 (EST, UTC-05:00) = 15:30 (CET, UTC+01:00) on Saturday 21 November 2026",
    ),
}

REFUSED = [
    "time",
    "what is the right time",
    "what is the time complexity of quicksort",
    "what is the best time to visit tokyo",
    "what time is lunch",
    "what time is it on mars",
    "what time is it in the usa",
    "what time is it in georgia",
    "what time is it in portland",
    "what time is it in paris, texas",
    "what time is it in edt",
    "what is the current time in cst",
    "3:30 london in tokyo",
    "13pm london in tokyo",
    "5 am in 3 hours",
    "what day is it in tokyo",
    "is the timezone there different",
    "it is time",
    "lunch time",
    "prime time",
    "time magazine",
    "what time is it in texas",
    "what is the date of the battle of hastings",
    "set a date",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_now_is_answered_and_live(text: str, expected: tuple[str, str]) -> None:
    found = clock.answer(question_of(text, lambda: NOW))
    assert found is not None
    assert (found.text, found.working, found.live) == (*expected, True)


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert clock.answer(question_of(text, lambda: NOW)) is None


def test_an_hour_that_does_not_exist_is_refused() -> None:
    spring = datetime(2026, 3, 29, 12, tzinfo=UTC)  # clocks go from 01:00 to 02:00 in London
    assert clock.answer(question_of("1:30 am london in tokyo", lambda: spring)) is None


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("france", "Europe/Paris"),
        ("argentina", "America/Argentina/Buenos_Aires"),  # in 12 zones of one time
        ("las vegas, nv", "America/Los_Angeles"),
        ("the pacific time zone", "America/Los_Angeles"),
        ("est", "America/New_York"),
        ("gmt", "Etc/UTC"),
        ("russia", None),
        ("atlantis", None),
    ],
)
def test_places(place: str, key: str | None) -> None:
    zone = zone_of(place, NOW)
    assert (None if zone is None else zone.key) == key


def test_an_abbreviation_for_another_season_is_refused() -> None:
    assert zone_of("est", datetime(2026, 7, 1, tzinfo=UTC)) is None
