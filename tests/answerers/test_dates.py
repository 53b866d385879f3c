"""Dates and counting with them: against Python's calendar, and silent where a date has two readings."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import date_questions
from greenai.answerers.wording import question_of

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)

ANSWERED = {
    "What day of the week was July 20, 1969?": ("Sunday", "Sunday 20 July 1969"),
    "what weekday is 2024-02-29": ("Thursday", "Thursday 29 February 2024"),
    "On what day of the week did 1 January 2000 fall?": ("Saturday", "Saturday 1 January 2000"),
    "what day is Christmas 2025?": ("Thursday", "Thursday 25 December 2025"),
    "what day is 13/4/2024": ("Saturday", "Saturday 13 April 2024"),
    "How many days between 2024-01-01 and 2024-03-01?": (
        "60 days (61 if both the first and the last day are counted)",
        "Monday 1 January 2024 to Friday 1 March 2024: 60 days",
    ),
    "how many weeks between 2024-01-01 and 2024-03-01": (
        "8 weeks and 4 days",
        "Monday 1 January 2024 to Friday 1 March 2024: 60 days",
    ),
    "What date is 90 days after July 4, 2024?": (
        "Wednesday 2 October 2024",
        "Thursday 4 July 2024 + 90 days = Wednesday 2 October 2024",
    ),
    "subtract 10 days from March 5, 2023": (
        "Thursday 23 February 2023",
        "Sunday 5 March 2023 - 10 days = Thursday 23 February 2023",
    ),
    "Is 2024 a leap year?": ("Yes, 2024 is a leap year.", "2024 is divisible by 4"),
    "was 1900 a leap year": ("No, 1900 is not a leap year.", "1900 is divisible by 100"),
    "is 2023 a leap year": ("No, 2023 is not a leap year.", "2023 is not divisible by 4"),
    "when is the next leap year after 2023": ("2024", "the first leap year after 2023 is 2024"),
    "how many days are in february": (
        "28 days, or 29 in a leap year",
        "February has 28 days, or 29 in a leap year",
    ),
    "how many days are there in April?": ("30 days", "April has 30 days"),
    "If today is March 3, 2024, what date is it in 10 days?": (
        "Wednesday 13 March 2024",
        "Sunday 3 March 2024 + 10 days = Wednesday 13 March 2024",
    ),
    "how many days did February have in 2020": ("29 days", "February 2020 has 29 days"),
    "how many days are in 2024": ("366 days", "2024 is a leap year"),
    "Is this a valid date? 2019-02-30": (
        "No: February 2019 has 28 days.",
        "February 2019 has 28 days, and 30 is none of them",
    ),
    "is 29 february 2024 a valid date": ("Yes: Thursday 29 February 2024.", "February 2024 has 29 days"),
    "is 2024-13-01 a valid date": ("No: there is no month 13.", "a year has 12 months"),
}

LIVE = {
    "how many days until 25 December 2025": (
        "331 days ago",
        "Thursday 25 December 2025 to Saturday 21 November 2026: 331 days",
    ),
    "how many weeks until 25 December 2025": (
        "47 weeks and 2 days ago",
        "Thursday 25 December 2025 to Saturday 21 November 2026: 331 days",
    ),
    "what day is Christmas": ("Friday 25 December 2026", "Friday 25 December 2026"),
    "what day does April sixteenth fall on": ("Friday 16 April 2027", "Friday 16 April 2027"),
    "What date is 3 days from today?": (
        "Tuesday 24 November 2026",
        "Saturday 21 November 2026 + 3 days = Tuesday 24 November 2026",
    ),
    "in 4 days, what date will it be": (
        "Wednesday 25 November 2026",
        "Saturday 21 November 2026 + 4 days = Wednesday 25 November 2026",
    ),
    "what was the date 2 weeks ago": (
        "Saturday 7 November 2026",
        "Saturday 21 November 2026 - 2 weeks = Saturday 7 November 2026",
    ),
    "How many days until Christmas?": ("34 days", "Saturday 21 November 2026 to Friday 25 December 2026: 34 days"),
    "how many days until november 22": ("1 day", "Saturday 21 November 2026 to Sunday 22 November 2026: 1 day"),
}

REFUSED = [
    "what day is 3/4/2024",
    "what day was christmas",
    "what day was it on monday july 20 1969",
    "what day of the week was 4 october 1582",
    "what day is the election",
    "what happened on July 20, 1969",
    "what is 2024-01-31 plus 1 month",
    "what is 1 year after feb 29 2024",
    "Is this a valid date? 12-2015",
    "Is this a valid date? 2015 - 32",
    "2 days ago",
    "how many days old is the universe",
    "what day comes after monday",
    "the meeting is 3 days after July 4, 2024",
    "what day of the week was I born",
    "is it a leap year",
    "how many days in a month",
]


@pytest.mark.parametrize(("text", "expected"), [*ANSWERED.items(), *LIVE.items()])
def test_date_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = date_questions.answer(question_of(text, lambda: NOW))
    assert found is not None
    assert (found.text, found.working) == expected
    assert found.live is (text in LIVE)


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert date_questions.answer(question_of(text, lambda: NOW)) is None


DAYS = st.dates(date(1753, 1, 1), date(8900, 12, 31))
WRITTEN = st.sampled_from(["{d:%B} {n}, {y}", "{d:%B} {n} {y}", "{n} {d:%b} {y}", "the {n} of {d:%B} {y}", "{d}"])


def _as(form: str, day: date) -> str:
    return form.format(d=day, n=day.day, y=day.year)


@given(day=DAYS, form=WRITTEN)
@settings(max_examples=200, deadline=None)
def test_weekday_is_the_calendars(day: date, form: str) -> None:
    found = date_questions.answer(question_of(f"what day of the week is {_as(form, day)}?"))
    assert found is not None
    assert found.text == calendar.day_name[calendar.weekday(day.year, day.month, day.day)]


@given(start=DAYS, days=st.integers(0, 20_000), form=WRITTEN)
@settings(max_examples=200, deadline=None)
def test_days_between_and_after_agree(start: date, days: int, form: str) -> None:
    end = start + timedelta(days=days)
    between = date_questions.answer(question_of(f"how many days from {_as(form, start)} to {_as(form, end)}"))
    after = date_questions.answer(question_of(f"what date is {days} days after {_as(form, start)}"))
    assert between is not None
    assert after is not None
    assert int(between.text.split()[0]) == days
    assert after.text == f"{end:%A} {end.day} {end:%B} {end.year}"
