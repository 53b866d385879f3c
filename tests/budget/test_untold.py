"""What a store could not be told is told later: in bounded time, once, and no end that it refuses holds up others."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time as clocks
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenai.budget import Amount, Budget, BudgetLedger, open_ledger, untold
from greenai.errors import LedgerError
from greenai.store.budget_base import StepRefused, Unanswered
from greenai.store.budget_db import BudgetDb

if TYPE_CHECKING:
    from servers import RedisServer

SCOPE = "project/shop"
MANY = Budget.parse("1000000 calls/hour")
ONE = Amount(calls=1)


class Failing(BudgetDb):
    """A ledger in memory that can be away, and refuse or not answer some steps."""

    def __init__(self) -> None:
        super().__init__(None)
        self.away = False
        self.fails = frozenset[str]()
        self.refuses = frozenset[str]()
        self.answers = True
        self.told: list[str] = []
        self.pause_s = 0.0

    def end(self, ticket: Any, end: Any, parts: Any) -> bool:
        if self.away:
            raise LedgerError("away")
        if ticket.attempt_id in self.fails:
            raise LedgerError(f"{ticket.attempt_id} fails")
        if ticket.attempt_id in self.refuses:
            raise StepRefused(f"{ticket.attempt_id} cannot be counted")
        clocks.sleep(self.pause_s)
        self.told.append(ticket.attempt_id)
        return super().end(ticket, end, parts)

    def reserve(self, *args: Any) -> Any:
        found = super().reserve(*args)
        if not self.answers:
            raise Unanswered("no answer")
        return found


@pytest.fixture
def store() -> Iterator[Failing]:
    store = Failing()
    yield store
    store.away, store.refuses = False, frozenset()


@pytest.fixture
def ledger(store: Failing) -> Iterator[BudgetLedger]:
    ledger = BudgetLedger(store)
    yield ledger
    store.away = False
    ledger.close()


def settled_while_away(ledger: BudgetLedger, store: Failing, count: int) -> None:
    holds = [ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"a{n}") for n in range(count)]
    store.away = True
    for hold in holds:
        with pytest.raises(LedgerError):
            hold.settle(ONE)
    store.away = False


def test_a_call_tells_of_some_and_not_of_all(ledger: BudgetLedger, store: Failing) -> None:
    settled_while_away(ledger, store, 60)
    store.pause_s = 0.01
    assert ledger.spent(SCOPE, MANY).settled < 30
    store.pause_s = 0.0
    assert ledger.spent(SCOPE, MANY).settled == 60
    assert sorted(store.told) == sorted(f"a{n}" for n in range(60))


def test_one_caller_tells_and_the_others_go_on(ledger: BudgetLedger, store: Failing) -> None:
    settled_while_away(ledger, store, 400)
    begin = threading.Barrier(8)

    def run(number: int) -> None:
        begin.wait()
        ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"b{number}").release()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while ledger.spent(SCOPE, MANY).settled < 400:
        pass
    ends = [name for name in store.told if name.startswith("a")]
    assert len(ends) == len(set(ends)) == 400


def test_an_end_that_is_refused_holds_up_nothing_and_is_said(
    ledger: BudgetLedger, store: Failing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "REST_S", 0.0)
    settled_while_away(ledger, store, 20)
    store.refuses = frozenset(("a0", "a7"))
    with caplog.at_level(logging.WARNING, "greenai"):
        for n in range(6):
            ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"b{n}").release()
    assert ledger.spent(SCOPE, MANY).settled == 18
    assert sorted(record.getMessage() for record in caplog.records) == [
        (f"A call that ended is missing in the budgets: the ledger refuses to count it. {name} cannot be counted")
        for name in ("a0", "a7")
    ]


def test_an_end_that_fails_as_if_the_store_were_away_does_not_stop_all_calls(
    ledger: BudgetLedger, store: Failing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "REST_S", 0.0)
    settled_while_away(ledger, store, 1)
    store.fails = frozenset(("a0",))
    failed = 0
    for n in range(10):
        try:
            ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"b{n}").release()
        except LedgerError:
            failed += 1
    assert failed <= untold.MOST_FAILED
    assert [record.getMessage() for record in caplog.records] == [
        "A call that ended is missing in the budgets: the ledger refuses to count it. a0 fails"
    ]


def test_a_store_that_refuses_everything_loses_nothing(
    ledger: BudgetLedger, store: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "REST_S", 0.0)
    settled_while_away(ledger, store, 20)
    store.refuses = frozenset(f"a{n}" for n in range(20))
    for _ in range(30):
        assert ledger.spent(SCOPE, MANY).settled == 0
    store.refuses = frozenset()
    assert ledger.spent(SCOPE, MANY).settled == 20


def test_what_is_more_than_can_be_kept_is_said_with_its_count(
    ledger: BudgetLedger, store: Failing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "MOST_ENDS", 10)
    with caplog.at_level(logging.WARNING, "greenai"):
        settled_while_away(ledger, store, 15)
        assert ledger.spent(SCOPE, MANY).settled == 10
    assert [record.getMessage() for record in caplog.records] == [
        (
            "The budget ledger could not be told of 10 calls that ended. Further ones are not kept until it can, and will "
            "be missing in what was used. Bring it back soon."
        ),
        "The budget ledger answers again. 5 calls that ended are missing in what was used.",
    ]


def test_closing_tries_once_and_says_what_is_lost(
    ledger: BudgetLedger, store: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    settled_while_away(ledger, store, 3)
    store.away = True
    with caplog.at_level(logging.WARNING, "greenai"):
        ledger.close()
    assert [record.getMessage() for record in caplog.records] == ["3 settlements of budgets are lost. away"]
    store.away = False
    ledger.close()
    assert ledger.spent(SCOPE, MANY).settled == 3


def test_the_end_of_a_process_tells_what_was_kept(tmp_path: Path) -> None:
    script = """
import sys
from greenai.budget import Amount, Budget, open_ledger
from greenai.errors import LedgerError
from greenai.store.budget_db import BudgetDb
real = BudgetDb.end
def away(*args):
    raise LedgerError("away")
ledger = open_ledger(sys.argv[1])
hold = ledger.reserve("s", Budget.parse("9 calls"), Amount(calls=1), attempt_id="a1")
BudgetDb.end = away
try:
    hold.settle(Amount(calls=1))
except LedgerError:
    BudgetDb.end = real
"""
    path = tmp_path / "budgets.db"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ledger = open_ledger(path)
    assert ledger.spent("s", Budget.parse("9 calls")).settled == 1
    ledger.close()


def test_a_reservation_without_an_answer_is_taken_back(ledger: BudgetLedger, store: Failing) -> None:
    store.answers = False
    for n in range(3):
        with pytest.raises(LedgerError):
            ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"a{n}")
    store.answers = True
    assert ledger.spent(SCOPE, MANY).held == 0
    assert ledger.unsettled() == []


def test_a_reservation_that_is_tried_again_is_held_once(ledger: BudgetLedger, store: Failing) -> None:
    store.answers = False
    with pytest.raises(LedgerError):
        ledger.reserve(SCOPE, MANY, ONE, attempt_id="a1")
    store.answers = True
    hold = ledger.reserve(SCOPE, MANY, ONE, attempt_id="a1")
    assert ledger.spent(SCOPE, MANY).held == 1
    assert hold.settle(ONE)
    assert ledger.spent(SCOPE, MANY).settled == 1


def test_what_is_taken_back_may_be_reserved_anew(opened: Callable[[], BudgetLedger]) -> None:
    ledger = opened()
    hold = ledger.reserve(SCOPE, MANY, ONE, attempt_id="a1")
    assert ledger._store.forget("a1")
    assert not ledger._store.forget("a1")
    assert ledger.spent(SCOPE, MANY).held == 0
    assert ledger.reserve(SCOPE, MANY, ONE, attempt_id="a1").fresh
    assert hold.settle(ONE)
    assert not ledger._store.forget("a1")
    assert ledger.spent(SCOPE, MANY).settled == 1


def test_after_an_outage_of_a_server_no_call_waits_for_all(server: RedisServer) -> None:
    ledger = open_ledger(server.url)
    holds = [ledger.reserve(SCOPE, MANY, ONE, attempt_id=f"a{n}") for n in range(1500)]
    server.kill()
    for hold in holds:
        with pytest.raises(LedgerError):
            hold.settle(ONE)
    server.start()
    deadline = clocks.monotonic() + 30
    while True:
        begun = clocks.monotonic()
        try:
            used = ledger.spent(SCOPE, MANY).settled
        except LedgerError:
            clocks.sleep(0.02)
            continue
        assert clocks.monotonic() - begun < 2
        if used == 1500:
            break
        assert clocks.monotonic() < deadline
    ledger.close()
