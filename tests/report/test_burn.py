"""Budgets: their state, the straight forecast, and the way there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenai import spending
from greenai.budget import Amount, open_ledger
from greenai.report.burn import METHOD, Burn, burns, points
from greenai.settings import load_settings
from greenai.store.reading import reading

if TYPE_CHECKING:
    from bookkeeping import Book

    from greenai.settings import Settings

LIMITS = """
[budget]
energy = "1 kWh/day"
timezone = "UTC"
[projects.shop.budget]
cost = "10 USD/day"
calls = "100/30d rolling"
when_spent = "refuse"
[user_budget]
calls = "5/day"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "greenai.toml"
    file.write_text(f'ledger = "{tmp_path / "ledger.db"}"\n{LIMITS}')
    return load_settings(file)


def use(settings: Settings, scope: str, *, settle: bool = True, **amount: Any) -> None:
    ledger = open_ledger(spending.address(settings))
    kind = scope if scope in spending.caps(settings) else scope.partition("/")[0]
    pairs = [(scope, cap.budget) for cap in spending.caps(settings)[kind]]
    hold = ledger.reserve_all(pairs, Amount(**amount), attempt_id=f"{scope}{datetime.now(UTC)}")
    if settle:
        hold.settle(Amount(**amount))
    ledger.close()


def found(settings: Settings, **more: Any) -> dict[tuple[str, str], Burn]:
    return {(burn.state.scope, burn.state.budget.text): burn for burn in burns(settings, **more)}


def test_nothing_is_made_where_nothing_was_counted(settings: Settings) -> None:
    burn = found(settings)[("organisation", "1 kWh/day")]
    assert (burn.state.settled, burn.state.left, burn.spent_at) == (0.0, 3.6e6, None)
    assert not Path(spending.address(settings)).exists()


def test_what_was_used_and_is_held(settings: Settings) -> None:
    use(settings, "project/shop", usd=2.5, calls=1)
    use(settings, "project/shop", usd=1.0, calls=1, settle=False)
    state = found(settings)[("project/shop", "10 USD/day")].state
    assert (state.settled, state.held, state.left) == (2.5, 1.0, 6.5)
    assert set(found(settings)) == {
        ("organisation", "1 kWh/day"), ("project/shop", "10 USD/day"), ("project/shop", "100/30d rolling"),
    }  # fmt: skip


def test_one_user_can_be_named(settings: Settings) -> None:
    use(settings, "user/ab12", calls=2)
    assert found(settings, scopes=["user/ab12"])[("user/ab12", "5/day")].state.settled == 2
    assert found(settings, scopes=["user/other"])[("user/other", "5/day")].state.settled == 0
    assert burns(settings, ["project/none"]) == []


def at(settings: Settings, hours: float, usd: float) -> Burn:
    """Return the budget of 10 USD a day, so many hours into the day."""
    use(settings, "project/shop", usd=usd, calls=1)
    start = found(settings)[("project/shop", "10 USD/day")].state.window_start
    assert start is not None
    return found(settings, now=start + timedelta(hours=hours))[("project/shop", "10 USD/day")]


def test_a_budget_that_will_be_spent(settings: Settings) -> None:
    burn = at(settings, 6, 5.0)
    assert burn.state.window_start is not None
    assert burn.spent_at == burn.state.window_start + timedelta(hours=12)
    assert burn.at_end == pytest.approx(20.0)
    assert burn.to_dict()["forecast"] == {
        "method": METHOD,
        "at": burn.now.isoformat(timespec="seconds"),
        "spent_at": burn.spent_at.isoformat(timespec="seconds"),
        "used_at_window_end": pytest.approx(20.0),
        "none_because": None,
    }


def test_a_budget_that_lasts(settings: Settings) -> None:
    burn = at(settings, 12, 2.0)
    assert burn.spent_at is None
    assert burn.at_end == pytest.approx(4.0)


def test_a_budget_that_is_spent(settings: Settings) -> None:
    burn = at(settings, 12, 10.0)
    assert (burn.spent_at, burn.state.left, burn.when_spent) == (burn.now, 0.0, "refuse")


def test_no_forecast_where_none_can_be(settings: Settings) -> None:
    assert at(settings, 0.01, 2.0).why_none == "its window has just begun"
    rolling = found(settings)[("project/shop", "100/30d rolling")]
    assert rolling.why_none == "its window rolls: what is used leaves it again"
    assert rolling.to_dict()["forecast"]["none_because"] == rolling.why_none


def test_the_way_there_ends_at_what_the_budget_says(settings: Settings, book: Book) -> None:
    use(settings, "project/shop", usd=3.0, calls=1)
    burn = found(settings)[("project/shop", "10 USD/day")]
    start = burn.state.window_start
    assert start is not None
    now = start + timedelta(hours=10)
    burn = found(settings, now=now)[("project/shop", "10 USD/day")]
    book.call("small", 1.0, created=start.timestamp() + 3600, cost_usd=0.5)
    book.call("small", 1.0, created=start.timestamp() + 7200, cost_usd=1.0)
    book.call("small", 1.0, created=start.timestamp() + 7200, cost_usd=90.0, project="other")
    book.call("small", 1.0, created=start.timestamp() - 10, cost_usd=90.0)
    with reading(book.path) as reader:
        way = points(reader, burn)
    assert [((moment - start).total_seconds(), used) for moment, used in way] == [
        (0.0, 0.0), (3600.0, 1.0), (7200.0, 3.0), (36_000.0, 3.0),
    ]  # fmt: skip
    assert points(None, burn) == [(start, 0.0), (now, 3.0)]
