"""A batch booked: half the price, a batched server's energy, one row, and budgets that count it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from greenai import Client, drivers, hooks, receipts
from greenai.catalog import find
from greenai.errors import BudgetExceeded
from greenai.meters import cost
from greenai.session import Session
from greenai.steps import booking
from greenai.values import Receipt, Request, Rung, Usage

MINI = Rung(model="openai/gpt-4.1-mini")
LONG = Rung(model="openai/gpt-5.5")
UNLISTED = Rung(model="openai/some-model")


def lines(*sizes: tuple[int, int], rung: Rung = MINI) -> list[tuple[Rung, Usage]]:
    return [(rung, Usage(input_tokens=read, output_tokens=written)) for read, written in sizes]


def session_of(tmp_path: Path, calls: str | None = None, when_spent: str = "downgrade") -> Session:
    limits = {"budget": {"calls": calls, "when_spent": when_spent}} if calls else {}
    return Client(settings={"state_dir": str(tmp_path), **limits})._session


def request_of(session: Session, name: str = "1" * 32) -> Request:
    made = session.request("batch", [{"role": "user", "content": ""}], None, stream=False, arguments={})
    scopes = session.resources.spending.scopes_of(made.options, {}, lambda: "key")
    return replace(made, call_id=name, scopes=scopes)


def book(session: Session, groups: Sequence[booking.Group], failed: int = 0, name: str = "1" * 32) -> Receipt:
    flow = booking.booked(request_of(session, name), groups, failed, session.resources.steps)
    return drivers.run(flow, session.provider).receipt


def used_calls(session: Session) -> float:
    spending = session.resources.spending
    cap = spending.caps_of(request_of(session))[0]
    return spending.ledger.spent(cap.scope, cap.budget).settled


# --- groups -------------------------------------------------------------------------------


def test_requests_that_are_alike_are_one_group_at_their_mean() -> None:
    groups = booking.grouped(lines((100, 50), (104, 50), (10_000, 50)))
    assert [(g.count, g.usage.input_tokens) for g in groups] == [(2, 102), (1, 10_000)]


def test_a_price_that_changes_with_the_length_parts_what_is_alike() -> None:
    card = find(LONG.model)
    assert card is not None
    assert card.price is not None
    limit = card.price.long_from_tokens
    assert limit is not None
    groups = booking.grouped(lines((limit, 10), (limit + 1, 10), rung=LONG))
    assert [g.usage.input_tokens for g in groups] == [limit, limit + 1]


def test_a_sum_is_shared_out_without_losing_a_token() -> None:
    groups = booking.evenly(MINI, 10, Usage(input_tokens=34, output_tokens=7, cached_tokens=20))
    told = [(g.count, g.usage.input_tokens, g.usage.output_tokens, g.usage.cached_tokens) for g in groups]
    assert told == [(4, 4, 1, 2), (3, 3, 1, 2), (3, 3, 0, 2)]
    assert {g.usage.reasoning_tokens for g in groups} == {None}
    one = cost.of(MINI.model, Usage(input_tokens=34, output_tokens=7, cached_tokens=20), "batch")
    assert sum(g.cost_usd or 0.0 for g in groups) == pytest.approx(one)
    assert [g.count for g in booking.evenly(MINI, 3, Usage())] == [3]


def test_a_batch_costs_half_and_takes_what_a_batched_server_takes() -> None:
    (group,) = booking.grouped(lines((1000, 1000), (1000, 1000)))
    full = cost.of(MINI.model, group.usage)
    assert full is not None
    assert group.cost_usd == pytest.approx(2 * full / 2)
    online = receipts.modelled(find(MINI.model), group.usage)
    one = receipts.modelled(find(MINI.model), group.usage, "batch")
    assert one.energy_j is not None
    assert online.energy_j is not None
    assert one.energy_j < online.energy_j
    assert (group.energy.energy_j, group.energy.evidence) == (pytest.approx(2 * one.energy_j), "modelled_api")
    assert one.low_j is not None
    assert group.energy.low_j == pytest.approx(2 * one.low_j)


def test_tokens_that_nobody_told_leave_energy_and_cost_unknown() -> None:
    (group,) = booking.grouped([(MINI, Usage())])
    assert (group.energy.energy_j, group.energy.method, group.cost_usd) == (None, "no token counts", None)


# --- booking ------------------------------------------------------------------------------


def test_a_batch_is_one_row_however_often_it_is_booked(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    groups = booking.grouped([*lines((100, 50), (3000, 50)), *lines((100, 50), rung=LONG)])
    told: list[Receipt] = []
    forget = hooks.observe(told.append)
    first, again = book(session, groups, failed=1), book(session, groups, failed=1)
    forget()
    assert told == [first]
    assert again.energy == first.energy
    (row,) = session.resources.ledger.recent()
    assert (row["call_id"], row["entry"], row["outcome"], row["input_tokens"]) == ("1" * 32, "batch", "large", 3200)
    assert row["cost_usd"] == pytest.approx(sum(g.cost_usd or 0 for g in groups))
    assert first.cost_usd == row["cost_usd"]
    attempts = session.resources.ledger.attempts("1" * 32)
    assert [(a["model"], a["input_tokens"]) for a in attempts] == [(MINI.model, 3100), (LONG.model, 100)]
    assert first.decision.reasons == ("A batch of 4 requests: 3 answered, 1 failed. It is one call in the ledger.",)


def test_a_model_that_nobody_knows_is_said_to_be_unknown(tmp_path: Path) -> None:
    receipt = book(session_of(tmp_path), booking.grouped(lines((100, 50), rung=UNLISTED)))
    assert (receipt.energy.energy_j, receipt.cost_usd) == (None, None)
    assert receipt.warnings[0].startswith("The catalog has no card for openai/some-model, so energy, carbon and cost")


def test_a_batch_of_which_nothing_was_answered_took_nothing_known(tmp_path: Path) -> None:
    receipt = book(session_of(tmp_path), [], failed=3)
    assert (receipt.attempts, receipt.cost_usd) == ((), 0.0)
    assert receipt.decision.reasons == ("A batch of 3 requests: 0 answered, 3 failed. It is one call in the ledger.",)


# --- budgets ------------------------------------------------------------------------------


def test_budgets_count_each_request_of_a_batch_once(tmp_path: Path) -> None:
    session = session_of(tmp_path, "10/hour")
    groups = booking.grouped(lines(*[(100, 50)] * 3))
    receipt = book(session, groups)
    book(session, groups)
    assert used_calls(session) == 3
    assert receipt.budget is not None
    assert receipt.budget.left == 7


def test_what_is_held_for_a_batch_is_replaced_by_what_it_took(tmp_path: Path) -> None:
    session = session_of(tmp_path, "10/hour")
    spending = session.resources.spending
    booking.held(request_of(session), booking.grouped(lines(*[(100, 50)] * 8)), spending)
    other = request_of(session, "2" * 32)
    with pytest.raises(BudgetExceeded):
        booking.checked(other, booking.grouped(lines(*[(100, 50)] * 3)), spending)
    book(session, booking.grouped(lines(*[(100, 50)] * 4)))
    booking.checked(other, booking.grouped(lines(*[(100, 50)] * 3)), spending)
    assert used_calls(session) == 4


def test_a_batch_that_came_to_nothing_gives_back_what_was_held(tmp_path: Path) -> None:
    session = session_of(tmp_path, "10/hour")
    spending, groups = session.resources.spending, booking.grouped(lines(*[(100, 50)] * 8))
    booking.held(request_of(session), groups, spending)
    booking.let_go(request_of(session), spending)
    booking.checked(request_of(session, "2" * 32), groups, spending)


def test_a_batch_that_took_more_than_is_left_is_counted(tmp_path: Path) -> None:
    session = session_of(tmp_path, "2/hour")
    booking.held(request_of(session), booking.grouped(lines(*[(100, 50)] * 3)), session.resources.spending)
    receipt = book(session, booking.grouped(lines(*[(100, 50)] * 3)))
    assert used_calls(session) == 3
    assert receipt.budget is not None
    assert receipt.budget.left == 0


def test_a_budget_that_only_observes_refuses_no_batch(tmp_path: Path) -> None:
    session = session_of(tmp_path, "2/hour", "observe")
    groups = booking.grouped(lines(*[(100, 50)] * 3))
    booking.checked(request_of(session), groups, session.resources.spending)
    book(session, groups)
    assert used_calls(session) == 3


def test_without_budgets_nothing_is_held(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    spending, groups = session.resources.spending, booking.grouped(lines((100, 50)))
    booking.checked(request_of(session), groups, spending)
    booking.held(request_of(session), groups, spending)
    booking.let_go(request_of(session), spending)
    assert book(session, groups).budget is None
