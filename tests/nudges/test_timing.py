"""A cleaner hour for what is not urgent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from advised_calls import seen

from greenai.hours import CleanHour
from greenai.nudges.messages import say
from greenai.nudges.timing import Timing

NOW = datetime(2026, 11, 21, 14, 10, tzinfo=UTC)
LATER = {"urgent": False}


def hour(then: float, after_h: float = 13.0) -> CleanHour:
    return CleanHour(start=NOW + timedelta(hours=after_h), g_per_kwh=then, now_g_per_kwh=310.0, now=NOW)


def test_the_hour_is_named_with_both_figures() -> None:
    advice = Timing()(seen(options=LATER, cleaner=lambda: hour(180.0)))
    assert advice is not None
    assert advice.data["defer_until"] == "2026-11-22T03:10Z"
    assert say(advice.id, advice.data) == (
        "This call is not urgent: a kWh emits about 310 g CO2e now and 180 g (-42%) from 2026-11-22T03:10Z on."
    )


def test_urgent_calls_and_small_differences_are_left_alone() -> None:
    advisor = Timing()
    assert advisor(seen(cleaner=lambda: hour(180.0))) is None
    assert advisor(seen(options=LATER)) is None
    assert advisor(seen(options=LATER, cleaner=lambda: None)) is None
    assert advisor(seen(options=LATER, cleaner=lambda: hour(300.0))) is None
    assert advisor(seen(options=LATER, cleaner=lambda: hour(310.0, 0.0))) is None
