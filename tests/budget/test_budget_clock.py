"""Clocks that are set: no window opens again, no budget is given twice, and a clock that is right again is believed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.budget import Amount, Budget, BudgetLedger, open_ledger
from greenai.errors import BudgetExceeded
from greenai.store import budget_db
from greenai.store.budget_base import agreed

if TYPE_CHECKING:
    from conftest import Time

SCOPE = "project/shop"
DAY = Budget.parse("10 J/day")
ALL = Amount(energy_j=10)
ONE = Amount(energy_j=1)
HUNDRED = Budget.parse("100 J/day")
DAY_S = 86_400
YEAR_S = 365 * DAY_S
LONG = 400 * DAY_S


def refused(ledger: BudgetLedger, budget: Budget, attempt_id: str = "refused") -> bool:
    try:
        ledger.reserve(SCOPE, budget, ONE, attempt_id=attempt_id).release()
    except BudgetExceeded:
        return True
    return False


WINDOWS = ["minute", "day", "month", "1h rolling", "30d rolling"]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_clock_that_is_put_back_by_years_gives_no_budget_twice(
    opened: Callable[[], BudgetLedger], time: Time, window: str
) -> None:
    budget, ledger = Budget.parse(f"10 J/{window}"), opened()
    ledger.reserve(SCOPE, budget, ALL, attempt_id="a1").settle(ALL)
    time.is_set(-YEAR_S)
    assert refused(ledger, budget)
    assert refused(opened(), budget)
    time.is_set(YEAR_S)
    assert refused(ledger, budget)
    assert ledger.spent(SCOPE, budget).settled == 10


def test_a_clock_that_was_years_ahead_is_right_the_next_day(opened: Callable[[], BudgetLedger], time: Time) -> None:
    ledger = opened()
    ledger.reserve(SCOPE, DAY, Amount(energy_j=4), attempt_id="a1").settle(Amount(energy_j=4))
    time.is_set(LONG)
    ledger.reserve(SCOPE, DAY, Amount(energy_j=5), attempt_id="a2").settle(Amount(energy_j=5))
    time.is_set(-LONG)
    ledger = opened()
    assert ledger.spent(SCOPE, DAY).settled == 9  # what was used meanwhile was used today
    ledger.reserve(SCOPE, DAY, ONE, attempt_id="a3").settle(ONE)
    assert refused(ledger, DAY)
    for n in range(3):
        time.passes(DAY_S)
        state = ledger.spent(SCOPE, DAY)
        assert (state.settled, state.window_end is not None and state.window_end.timestamp() - time.wall) == (
            0,
            DAY_S / 2,
        )
        ledger.reserve(SCOPE, DAY, ALL, attempt_id=f"b{n}").settle(ALL)
        assert refused(ledger, DAY)


def test_what_rolls_forgets_a_clock_that_was_ahead_after_its_length(
    opened: Callable[[], BudgetLedger], time: Time
) -> None:
    budget, ledger = Budget.parse("10 J/1h rolling"), opened()
    time.is_set(LONG)
    ledger.reserve(SCOPE, budget, ALL, attempt_id="a1").settle(ALL)
    time.is_set(-LONG)
    assert refused(ledger, budget)
    time.passes(3000)
    assert refused(ledger, budget)
    time.passes(700)
    assert not refused(ledger, budget)


def test_what_is_allowed_in_all_does_not_depend_on_clocks(opened: Callable[[], BudgetLedger], time: Time) -> None:
    budget, ledger = Budget.parse("10 J"), opened()
    ledger.reserve(SCOPE, budget, Amount(energy_j=6), attempt_id="a1").settle(Amount(energy_j=6))
    for by_s in (LONG, -LONG, -LONG, LONG):
        time.is_set(by_s)
        assert ledger.spent(SCOPE, budget).settled == 6


def test_what_was_held_while_the_clock_was_ahead_expires_in_its_time(
    opened: Callable[[], BudgetLedger], time: Time
) -> None:
    ledger = opened()
    time.is_set(LONG)
    hold = ledger.reserve(SCOPE, DAY, ALL, attempt_id="a1", ttl_s=600)
    time.is_set(-LONG)
    assert refused(ledger, DAY)
    assert hold.renew(900)
    time.passes(601)
    assert refused(ledger, DAY)
    time.passes(300)
    assert not refused(ledger, DAY)
    assert hold.settle(ALL)


def test_both_moments_are_said_once(
    opened: Callable[[], BudgetLedger], time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = opened()
    time.is_set(LONG)
    ledger.spent(SCOPE, DAY)
    time.is_set(-LONG)
    with caplog.at_level(logging.WARNING, "greenai"):
        for _ in range(3):
            ledger.spent(SCOPE, DAY)
    assert [record.getMessage() for record in caplog.records] == [
        (
            "The clock of the budget ledger went back from 2027-12-26 12:00:00 to 2026-11-21 12:00:00 UTC, and budgets "
            "go on from there. Where that is wrong, set the clock. What was used just before counts in the present "
            "windows as well."
        )
    ]


def test_a_clock_that_jumps_ahead_forgets_nothing_at_once(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_db, "_TIDY_EVERY", 2)
    ledger = open_ledger(tmp_path / "budgets.db", clock=lambda: time.wall)
    ledger.reserve(SCOPE, DAY, ALL, attempt_id="a1").settle(ALL)
    time.is_set(LONG)
    for _ in range(10):
        assert ledger.spent(SCOPE, DAY).settled == 0
    time.is_set(-LONG)
    assert refused(ledger, DAY)
    ledger.close()


def test_a_clock_that_is_behind_catches_up_at_twice_the_pace() -> None:
    last, ahead_s = 1000.0, 0.0
    told = []
    for wall in (1000, 900, 950, 1000, 1050, 1100, 1150):
        last, ahead_s = agreed(wall, last, ahead_s)
        told.append((last, ahead_s))
    assert told == [(1000, 0), (1000, 100), (1025, 75), (1050, 50), (1075, 25), (1100, 0), (1150, 0)]


@pytest.mark.parametrize("back_s", [90, 3600, 86_400])
def test_19_a_clock_that_is_put_back_reopens_no_window(
    opened: Callable[[], BudgetLedger], time: Time, back_s: int
) -> None:
    minute, ledger = Budget.parse("10 J/minute"), opened()
    ledger.reserve(SCOPE, minute, Amount(energy_j=10), attempt_id="a1").settle(Amount(energy_j=10))
    first = ledger.spent(SCOPE, minute).window_start
    time.is_set(-back_s)
    for other in (ledger, opened()):
        with pytest.raises(BudgetExceeded):
            other.reserve(SCOPE, minute, ONE, attempt_id="a2")
        assert other.spent(SCOPE, minute).window_start == first
    time.passes(180)  # and it goes on, half as fast
    ledger.reserve(SCOPE, minute, Amount(energy_j=10), attempt_id="a3")
    assert opened().spent(SCOPE, minute).held == 10


@pytest.mark.parametrize("ahead_s", [86_400, 365 * 86_400])
def test_19_a_clock_that_was_ahead_for_a_while_stops_no_budget(
    opened: Callable[[], BudgetLedger], time: Time, ahead_s: int
) -> None:
    day, ledger = Budget.parse("10 J/day"), opened()
    ledger.reserve(SCOPE, day, Amount(energy_j=10), attempt_id="a1", ttl_s=3600)
    time.is_set(ahead_s)
    ledger.reserve(SCOPE, day, Amount(energy_j=10), attempt_id="a2", ttl_s=3600)
    time.is_set(-ahead_s)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(SCOPE, day, ONE, attempt_id="a3")
    time.passes(7200)  # it goes on half as fast
    ledger.reserve(SCOPE, day, Amount(energy_j=10), attempt_id="a3", ttl_s=3600).settle(Amount(energy_j=10))
    time.passes(2 * 86_400)  # the clock may have caught up: that day's budget is spent
    for n in range(3):
        time.passes(86_400)
        late = opened()
        late.reserve(SCOPE, day, Amount(energy_j=10), attempt_id=f"b{n}").settle(Amount(energy_j=10))
        with pytest.raises(BudgetExceeded):
            late.reserve(SCOPE, day, ONE, attempt_id=f"c{n}")


def test_19_windows_that_are_long_over_are_forgotten(path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_db, "_TIDY_EVERY", 2)
    ledger = open_ledger(path, clock=lambda: time.wall)
    budgets = [(SCOPE, Budget.parse(f"100 J{window}")) for window in ("/minute", "/day", "/1h rolling", "")]
    for n in range(40):
        ledger.reserve_all(
            [*budgets, (f"run/{n}", HUNDRED), (f"run/{n}", Budget.parse("1 Wh"))], ONE, attempt_id=f"a{n}"
        )
        time.passes(86_400)
    ledger.close()
    con = sqlite3.connect(path)
    assert con.execute("SELECT count(*) FROM holds").fetchone()[0] <= 9  # a week of holds that nobody ended
    counters = dict(con.execute("SELECT window, count(*) FROM counters GROUP BY 1"))
    con.close()
    assert counters["total"] <= 33  # of runs, a month's; of the project, the one for ever
    assert max(counters["minute:UTC"], counters["rolling:3600"]) <= 9
    assert counters["day:UTC"] <= 20
