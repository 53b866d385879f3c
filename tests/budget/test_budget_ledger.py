"""What a reservation, its end and its expiry mean: the same in memory, in a file and on a Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from greenai.budget import Amount, Budget, BudgetLedger, BudgetState, Hold, open_ledger
from greenai.errors import BudgetExceeded, InvalidRequest, SettingsError

if TYPE_CHECKING:
    from conftest import Time

DAY = Budget.parse("100 J/day")
MONEY = Budget.parse("5 USD/day")
SCOPE = "project/support-bot"


def joules(energy_j: float) -> Amount:
    return Amount(energy_j=energy_j)


def hold(ledger: BudgetLedger, energy_j: float, attempt_id: str = "a1", budget: Budget = DAY, **more: Any) -> Hold:
    return ledger.reserve(SCOPE, budget, joules(energy_j), attempt_id=attempt_id, **more)


def counted(ledger: BudgetLedger, budget: Budget = DAY, scope: str = SCOPE) -> tuple[float, float, float]:
    state = ledger.spent(scope, budget)
    return state.settled, state.held, state.left


# --- holds --------------------------------------------------------------------------------


def test_what_is_held_is_not_left_and_what_was_used_replaces_it(ledger: BudgetLedger) -> None:
    assert counted(ledger) == (0, 0, 100)
    first = hold(ledger, 60.5)
    assert counted(ledger) == (0, 60.5, 39.5)
    assert first.settle(joules(41.2))
    assert counted(ledger) == (41.2, 0, 58.8)


def test_what_is_released_is_left_again(ledger: BudgetLedger) -> None:
    assert hold(ledger, 100).release()
    assert counted(ledger) == (0, 0, 100)


def test_the_last_joule_is_given_and_no_more(ledger: BudgetLedger) -> None:
    hold(ledger, 99.999999, "a1").settle(joules(99.999999))
    with pytest.raises(BudgetExceeded):
        hold(ledger, 0.000002, "a2")
    hold(ledger, 0.000001, "a3")
    assert counted(ledger) == (99.999999, 0.000001, 0)


def test_sums_are_exact_however_many_there_are(ledger: BudgetLedger) -> None:
    for n in range(300):
        hold(ledger, 0.1, f"a{n}").settle(joules(0.1))
    assert counted(ledger) == (30, 0, 70)


def test_the_first_end_counts(ledger: BudgetLedger) -> None:
    first = hold(ledger, 60)
    assert first.settle(joules(50))
    assert not first.settle(joules(50))
    assert not first.settle(joules(70))
    assert not first.release()
    assert counted(ledger) == (50, 0, 50)
    second = hold(ledger, 10, "a2")
    assert second.release()
    assert not second.settle(joules(10))
    assert counted(ledger) == (50, 0, 50)


def test_an_attempt_that_is_reserved_again_is_held_once(opened: Callable[[], BudgetLedger]) -> None:
    first = hold(opened(), 60)
    again = hold(opened(), 60)
    assert (first.fresh, again.fresh) == (True, False)
    assert counted(opened()) == (0, 60, 40)
    assert again.settle(joules(55))
    assert not first.settle(joules(60))
    assert not hold(opened(), 60).fresh
    assert counted(opened()) == (55, 0, 45)


def test_an_attempt_is_for_the_budgets_that_it_was_reserved_with(ledger: BudgetLedger) -> None:
    hold(ledger, 60)
    with pytest.raises(InvalidRequest) as refused:
        ledger.reserve("project/other", DAY, joules(60), attempt_id="a1")
    assert str(refused.value) == (
        "The attempt a1 is known already, with other budgets. Give each attempt an id of its own."
    )
    assert counted(ledger, scope="project/other") == (0, 0, 100)


def test_more_than_was_held_is_charged_and_the_next_call_refused(ledger: BudgetLedger) -> None:
    hold(ledger, 60).settle(joules(130))
    state = ledger.spent(SCOPE, DAY)
    assert (state.settled, state.left, state.debt) == (130, -30, 30)
    with pytest.raises(BudgetExceeded) as refused:
        hold(ledger, 1, "a2")
    assert str(refused.value) == (
        "project/support-bot has overspent its budget of 100 J/day by 30 J (130 J settled, 0 J held), and this "
        "needs 1 J. Raise the budget to 131 J at least, or wait until 2026-11-22 00:00 (UTC)."
    )


def test_a_refusal_has_its_numbers(ledger: BudgetLedger) -> None:
    budget = Budget.parse("50 Wh/day", timezone="Europe/Paris")
    hold(ledger, 1800, "a1", budget).settle(joules(1800))
    hold(ledger, 172_800, "a2", budget)
    with pytest.raises(BudgetExceeded) as refused:
        hold(ledger, 6840, "a3", budget)
    assert str(refused.value) == (
        "project/support-bot has 1.5 Wh left of its budget of 50 Wh/day (0.5 Wh settled, 48 Wh held), and this "
        "needs 1.9 Wh. Raise the budget to 50.4 Wh at least, use a smaller model or a shorter output, or wait until 2026-11-22 00:00 "
        "(Europe/Paris)."
    )
    error = refused.value
    assert (error.scope, error.budget) == (SCOPE, "50 Wh/day")
    assert (error.needed, error.left, error.limit, error.settled, error.held) == (6840, 5400, 180_000, 1800, 172_800)
    assert error.window_end == datetime(2026, 11, 22, tzinfo=ZoneInfo("Europe/Paris"))
    assert counted(ledger, budget) == (1800, 172_800, 5400)


def test_more_than_the_whole_budget_does_not_say_wait(ledger: BudgetLedger) -> None:
    with pytest.raises(BudgetExceeded) as refused:
        hold(ledger, 150)
    assert str(refused.value) == (
        "project/support-bot has 100 J left of its budget of 100 J/day (0 J settled, 0 J held), and this needs "
        "150 J. Raise the budget to 150 J at least, or use a smaller model or a shorter output."
    )


@pytest.mark.parametrize(
    ("budget", "settled", "held", "needed", "next_step"),
    [
        (
            Budget.parse("12/hour", unit="tokens"), 21, 0, 18,
            "Raise the budget to 39 tokens at least, or wait until 2026-11-21 13:00 (UTC), and use a shorter input or output.",
        ),
        (
            Budget.parse("12/hour", unit="tokens"), 5, 1, 18,
            "Raise the budget to 24 tokens at least, or use a shorter input or output.",
        ),
        (Budget.parse("3 calls/hour"), 0, 1, 4, "Raise the budget to 5 calls at least."),
        (Budget.parse("0.01 USD"), 0.01, 0, 0.003333333, "Raise the budget to 0.01334 USD at least."),
        (
            Budget.parse("1/day", unit="reasoning_calls"), 1, 0, 1,
            "Raise the budget to 2 reasoning calls at least, ask without reasoning, or wait until 2026-11-22 00:00 (UTC).",
        ),
        (
            Budget.parse("12345678 tokens/day"), 12345000, 0, 679,
            ("Raise the budget to 12345679 tokens at least, use a shorter input or output, or wait until "
            "2026-11-22 00:00 (UTC)."),
        ),
    ],
    ids=["more than spent", "more than all", "calls", "money", "reasoning", "many digits"],
)  # fmt: skip
def test_a_refusal_says_what_helps(
    ledger: BudgetLedger, budget: Budget, settled: float, held: float, needed: float, next_step: str
) -> None:
    nothing = ledger.reserve(SCOPE, budget, Amount(), attempt_id="a1")
    nothing.settle(Amount(**{budget.unit: settled}))
    ledger.reserve(SCOPE, budget, Amount(**{budget.unit: held}), attempt_id="a2")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve(SCOPE, budget, Amount(**{budget.unit: needed}), attempt_id="a3")
    assert str(refused.value).partition(". Raise")[2] == next_step.removeprefix("Raise")


@pytest.mark.parametrize(
    ("text", "rate", "amount", "message"),
    [
        (
            "2 calls/hour", None, Amount(calls=1),
            ("run/1 has 0 calls left of its budget of 2 calls/hour (2 calls settled, 0 calls held), and this needs "
            "1 call. Raise the budget to 3 calls at least, or wait until 2026-11-21 13:00 (UTC)."),
        ),
        (
            "0.022 EUR", 1.1, Amount(usd=0.0121),
            ("run/1 has 0 EUR left of its budget of 0.022 EUR (0.022 EUR settled, 0 EUR held), and this needs 0.011 "
            "EUR. Raise the budget to 0.033 EUR at least, or begin a new run with a budget of its own."),
        ),
        (
            "2 g/10min rolling", None, Amount(carbon_g=1),
            ("run/1 has 0 g CO2e left of its budget of 2 g/10min rolling (2 g CO2e settled, 0 g CO2e held), and this "
            "needs 1 g CO2e. Raise the budget to 3 g CO2e at least, or wait until 2026-11-21 "
            "12:10:10 (UTC), when the oldest part of it is free again."),
        ),
    ],
    ids=["calls", "euros", "rolling"],
)  # fmt: skip
def test_refusals_in_every_kind_of_window(
    ledger: BudgetLedger, text: str, rate: float | None, amount: Amount, message: str
) -> None:
    budget = Budget.parse(text, eur_usd=rate)
    for n in range(2):
        ledger.reserve("run/1", budget, amount, attempt_id=f"a{n}").settle(amount)
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve("run/1", budget, amount, attempt_id="a9")
    assert str(refused.value) == message


# --- several budgets ----------------------------------------------------------------------


def test_all_budgets_hold_or_none_does(ledger: BudgetLedger) -> None:
    organisation = Budget.parse("1000 J/month")
    pairs = [("organisation", organisation), (SCOPE, DAY), (SCOPE, MONEY)]
    taken = ledger.reserve_all(pairs, Amount(energy_j=60, usd=1), attempt_id="a1")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve_all(pairs, Amount(energy_j=60, usd=1), attempt_id="a2")
    assert (refused.value.scope, refused.value.budget) == (SCOPE, "100 J/day")
    with pytest.raises(BudgetExceeded) as refused:
        ledger.reserve_all(pairs, Amount(energy_j=1, usd=4.5), attempt_id="a3")
    assert (refused.value.scope, refused.value.budget, refused.value.left) == (SCOPE, "5 USD/day", 4)
    assert counted(ledger, organisation, "organisation") == (0, 60, 940)
    taken.settle(Amount(energy_j=50, usd=0.25))
    assert counted(ledger, organisation, "organisation") == (50, 0, 950)
    assert counted(ledger) == (50, 0, 50)
    assert counted(ledger, MONEY) == (0.25, 0, 4.75)


def test_budgets_of_one_window_share_what_is_counted(ledger: BudgetLedger) -> None:
    used = Amount(energy_j=10, usd=0.5, tokens=700, calls=1, reasoning_calls=1, carbon_g=0.25)
    ledger.reserve_all([(SCOPE, DAY), (SCOPE, DAY), (SCOPE, MONEY)], used, attempt_id="a1").settle(used)
    state = ledger.spent(SCOPE, Budget.parse("1000 tokens/day"))
    assert (state.settled, state.left, state.all_settled, state.all_held) == (700, 300, used, Amount())
    assert counted(ledger, Budget.parse("120 J/day")) == (10, 0, 110)  # a limit may be raised in its window


def test_a_quantity_that_is_not_needed_is_never_refused(ledger: BudgetLedger) -> None:
    reasoning = Budget.parse("1/day", unit="reasoning_calls")
    first = ledger.reserve(SCOPE, reasoning, Amount(calls=1), attempt_id="a1")
    first.settle(Amount(calls=1, reasoning_calls=3))  # it reasoned although it should not
    assert ledger.spent(SCOPE, reasoning).debt == 2
    ledger.reserve(SCOPE, reasoning, Amount(calls=1), attempt_id="a2")
    with pytest.raises(BudgetExceeded):
        ledger.reserve(SCOPE, reasoning, Amount(calls=1, reasoning_calls=1), attempt_id="a3")


def test_scopes_are_apart_whatever_they_are_called(ledger: BudgetLedger) -> None:
    names = [
        "a",
        "A",
        "a b",
        "a:0:b",
        "user/é",
        "user/e\N{COMBINING ACUTE ACCENT}",
        "{x}",
        'q"\\',
        "\x00\n",
        "\ud800",
        "*",
        "%",
    ]
    for n, name in enumerate(names):
        ledger.reserve(name, DAY, joules(n + 1), attempt_id=f"{name}-{n}").settle(joules(n + 1))
    assert [ledger.spent(name, DAY).settled for name in names] == [n + 1 for n in range(len(names))]


def test_very_large_amounts_are_counted(ledger: BudgetLedger) -> None:
    budget = Budget.parse("200 MWh/month")
    taken = hold(ledger, 7e11, "a1", budget)
    with pytest.raises(BudgetExceeded):
        hold(ledger, 7e11, "a2", budget)
    with pytest.raises(BudgetExceeded):
        hold(ledger, 1e300, "a3", budget)
    taken.settle(Amount(energy_j=1e300, tokens=10**400))
    assert ledger.spent(SCOPE, budget).left < 0


# --- expiry -------------------------------------------------------------------------------


def test_a_hold_that_expired_no_longer_counts_and_may_still_settle_once(ledger: BudgetLedger, time: Time) -> None:
    first = hold(ledger, 60, ttl_s=10)
    time.passes(9.5)
    assert counted(ledger) == (0, 60, 40)
    time.passes(0.5)
    assert counted(ledger) == (0, 0, 100)
    hold(ledger, 90, "a2")
    assert first.settle(joules(50))
    assert not first.settle(joules(50))
    assert counted(ledger) == (50, 90, -40)


def test_a_release_after_expiry_gives_nothing_back_twice(ledger: BudgetLedger, time: Time) -> None:
    first = hold(ledger, 60, ttl_s=10)
    time.passes(20)
    hold(ledger, 30, "a2")
    assert first.release()
    assert counted(ledger) == (0, 30, 70)


def test_a_hold_is_renewed(ledger: BudgetLedger, time: Time) -> None:
    first = hold(ledger, 60, ttl_s=10)
    time.passes(8)
    assert first.renew(10)
    time.passes(8)
    assert counted(ledger) == (0, 60, 40)
    assert first.renew(1)  # no hold is shortened
    time.passes(1.5)
    assert counted(ledger) == (0, 60, 40)
    time.passes(10)
    assert counted(ledger) == (0, 0, 100)
    assert first.renew(10)  # its call goes on
    assert counted(ledger) == (0, 60, 40)
    assert first.settle(joules(61))
    assert not first.renew(10)
    assert counted(ledger) == (61, 0, 39)


def test_an_attempt_whose_hold_expired_is_held_anew(ledger: BudgetLedger, time: Time) -> None:
    hold(ledger, 60, ttl_s=10)
    time.passes(20)
    hold(ledger, 50, "a2")
    with pytest.raises(BudgetExceeded):
        hold(ledger, 60, "a1")
    assert hold(ledger, 40, "a1").fresh
    assert counted(ledger) == (0, 90, 10)


def test_what_did_not_end_is_listed(ledger: BudgetLedger, time: Time) -> None:
    hold(ledger, 60, ttl_s=10)
    time.passes(5)
    ledger.reserve_all([("organisation", DAY), ("run/7", Budget.parse("1 Wh"))], joules(5), attempt_id="a2")
    hold(ledger, 1, "a3").settle(joules(1))
    time.passes(6)
    lost, open_ = ledger.unsettled()
    assert (lost.attempt_id, lost.scopes, lost.amount, lost.expired) == ("a1", (SCOPE,), joules(60), True)
    assert (lost.reserved_at, lost.expires_at) == (
        datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC),
    )  # fmt: skip
    assert (open_.attempt_id, open_.scopes, open_.expired) == ("a2", ("organisation", "run/7"), False)
    ledger.reserve(SCOPE, DAY, joules(60), attempt_id="a1").settle(joules(60))
    assert [found.attempt_id for found in ledger.unsettled()] == ["a2"]


def test_a_hold_that_the_store_has_lost_still_settles_once(opened: Callable[[], BudgetLedger], time: Time) -> None:
    from dataclasses import replace

    kept = hold(opened(), 10)
    lost = replace(kept, ticket=replace(kept.ticket, attempt_id="lost"))
    assert lost.settle(joules(70))
    assert not lost.settle(joules(70))
    assert counted(opened()) == (70, 10, 20)
    time.passes(86_400)
    assert not replace(kept, ticket=replace(kept.ticket, attempt_id="too late")).settle(joules(70))


# --- windows ------------------------------------------------------------------------------


def test_a_new_day_is_a_new_budget_and_a_late_settlement_belongs_to_the_old_one(
    ledger: BudgetLedger, time: Time
) -> None:
    budget = Budget.parse("100 J/day", timezone="Europe/Paris")
    first = hold(ledger, 100, "a1", budget, ttl_s=86_400)
    state = ledger.spent(SCOPE, budget)
    paris = ZoneInfo("Europe/Paris")
    assert (state.window_start, state.window_end) == (
        datetime(2026, 11, 21, tzinfo=paris), datetime(2026, 11, 22, tzinfo=paris),
    )  # fmt: skip
    time.passes(11 * 3600 - 1)
    with pytest.raises(BudgetExceeded):
        hold(ledger, 1, "a2", budget)
    time.passes(1)
    hold(ledger, 70, "a3", budget)
    assert first.settle(joules(100))
    assert counted(ledger, budget) == (0, 70, 30)


def test_a_rolling_window_forgets_late_and_never_early(ledger: BudgetLedger, time: Time) -> None:
    budget = Budget.parse("100 J/1h rolling")
    hold(ledger, 60, "a1", budget).settle(joules(60))
    time.passes(1800)
    hold(ledger, 40, "a2", budget).settle(joules(40))
    assert counted(ledger, budget) == (100, 0, 0)
    time.passes(1799)
    with pytest.raises(BudgetExceeded) as refused:
        hold(ledger, 1, "a3", budget)
    assert refused.value.window_end == datetime(2026, 11, 21, 13, 1, tzinfo=UTC)
    time.passes(61)
    assert counted(ledger, budget) == (40, 0, 60)
    time.passes(1860)
    assert counted(ledger, budget) == (0, 0, 100)


def test_what_is_allowed_in_all_never_comes_back(ledger: BudgetLedger, time: Time) -> None:
    budget = Budget.parse("100 J")
    hold(ledger, 100, "a1", budget).settle(joules(100))
    for _ in range(3):
        time.passes(500 * 86_400)
        with pytest.raises(BudgetExceeded) as refused:
            hold(ledger, 1, "a2", budget)
        assert refused.value.window_end is None
    state: BudgetState = ledger.spent(SCOPE, budget)
    assert (state.window_start, state.window_end, state.left) == (None, None, 0)


# --- arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize("energy_j", [-1, float("nan"), float("inf"), "1", None, True])
def test_an_amount_that_is_none_is_refused(energy_j: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Amount(energy_j=energy_j)
    assert str(refused.value) == (
        f"Amount(energy_j={energy_j!r}) cannot be counted: it must be a finite number, 0 or more. "
        "Pass what the call may use or used, or leave energy_j out."
    )


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), "10", None, True, 1e9])
def test_a_time_that_is_none_is_refused(ledger: BudgetLedger, ttl_s: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        hold(ledger, 1, ttl_s=ttl_s)
    assert str(refused.value) == f"ttl_s={ttl_s!r} is no time to hold for. Pass seconds, up to 604800 (a week)."
    assert counted(ledger) == (0, 0, 100)


@pytest.mark.parametrize("name", ["", " ", None, 7, "x" * 501])
def test_a_name_that_is_none_is_refused(ledger: BudgetLedger, name: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ledger.reserve(name, DAY, joules(1), attempt_id="a1")
    assert str(refused.value) == f"scope={name!r} names nothing. Pass a text of 1 to 500 characters."
    with pytest.raises(InvalidRequest) as refused:
        hold(ledger, 1, name)
    assert str(refused.value) == f"attempt_id={name!r} names nothing. Pass a text of 1 to 500 characters."


def test_no_budget_is_no_reservation(ledger: BudgetLedger) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ledger.reserve_all([], joules(1), attempt_id="a1")
    assert str(refused.value) == "reserve_all() needs a budget. Pass at least one pair of a scope and a Budget."


@pytest.mark.parametrize("address", ["http://127.0.0.1", "postgres://localhost/x", "rediss:/x://", "", " "])
def test_an_address_that_is_none_makes_no_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"is no address of a budget ledger\. Write a file's path, "):
        open_ledger(address)
    assert list(tmp_path.iterdir()) == []


# --- threads ------------------------------------------------------------------------------


def test_threads_spend_exactly_what_there_is(opened: Callable[[], BudgetLedger]) -> None:
    got: list[Hold] = []
    refused: list[BudgetExceeded] = []
    ledgers = [opened() for _ in range(4)]
    begin = threading.Barrier(16)

    def run(number: int) -> None:
        begin.wait()
        for n in range(20):
            try:
                got.append(hold(ledgers[number % 4], 1, f"{number}-{n}"))
            except BudgetExceeded as error:
                refused.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (100, 220)
    assert counted(opened()) == (0, 100, 0)
    for taken in got:
        assert taken.settle(joules(1))
    assert counted(opened()) == (100, 0, 0)
