"""Calls to a local model that run at times that recur: they wait, are answered together, and the model is unloaded."""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from parked import LOCAL, FakePower, client

from greenai import AsyncClient
from greenai.errors import InvalidRequest
from greenai.local import Engine, Engines, Lease, Parking
from greenai.local.parker import Parker, Seat
from greenai.local.parking import KeepPolicy
from greenai.settings.schedule import schedule
from greenai.testing import FakeEngine


class Soon(Engines):
    """Local models that are always loaded, whose bursts come `after_s` from now."""

    def __init__(self, after_s: float, *, every: bool = True) -> None:
        super().__init__()
        policy = KeepPolicy(schedule=schedule("* * * * *") if every else None)
        self.leases: list[Parked] = []
        self.books = Parker(Parking(power=FakePower(), keeping=lambda _: policy))
        self.at = time.time() + after_s

    def get(self, name: str, timeout_s: float | None = None) -> Engine:  # the real one's signature
        return FakeEngine(name)

    def lease(self, name: str, timeout_s: float | None = None) -> Lease:
        self.leases.append(Parked(time.time(), len(self.books.seats)))
        return super().lease(name, timeout_s)

    def seat(self, name: str, run_at: str | None = None) -> Seat | None:
        found = self.books.seat(name, run_at)
        if found is None:
            return None
        found.release()
        return Seat(self.books, name, self.at)


@dataclass(frozen=True)
class Parked:
    at: float
    seats: int


def test_calls_wait_for_the_burst_and_are_answered_together() -> None:
    engines = Soon(after_s=0.6)
    with client(engines) as made, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: made.ask(f"Name colour {n}."), range(4)))
    assert [answer.text for answer in answers] == ["Blue."] * 4
    assert min(lease.at for lease in engines.leases) >= engines.at - 0.01
    assert max(lease.at for lease in engines.leases) - engines.at < 5
    assert engines.leases[0].seats >= 1  # whoever is first finds the others' seats taken
    assert engines.books.seats == []
    waited_ms = max(answer.greenai.overhead.duration_ms for answer in answers)
    assert waited_ms < 500  # waiting is no work of greenai's


def test_the_async_client_waits_on_no_thread() -> None:
    engines = Soon(after_s=0.6)

    async def ask_all() -> list[str]:
        async with client(engines, AsyncClient) as made:
            answers = await asyncio.gather(*(made.ask(f"Name colour {n}.") for n in range(40)))
            return [answer.text for answer in answers]

    assert asyncio.run(ask_all()) == ["Blue."] * 40
    assert min(lease.at for lease in engines.leases) >= engines.at - 0.01
    assert engines.books.seats == []


def test_a_call_that_waits_for_long_keeps_what_its_budgets_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.steps.attempt.HOLD_LONGEST_S", 0.3)
    monkeypatch.setattr("greenai.steps.attempt.HOLD_GRACE_S", 0.0)
    engines = Soon(after_s=1.5)
    with client(engines, projects={"default": {"budget": {"calls": "9/hour"}}}) as made, ThreadPoolExecutor(1) as pool:
        ledger = made._session.resources.spending.ledger
        asked = pool.submit(made.ask, "Name a colour.", timeout=600)
        ends: set[float] = set()
        while not asked.done():
            ends |= {hold.expires_at.timestamp() for hold in ledger.unsettled()}
            time.sleep(0.01)
        assert asked.result().text == "Blue."
    assert min(ends) < engines.at < max(ends)
    assert len(ends) > 3


def test_a_call_that_is_over_before_the_burst_is_refused_with_both_times() -> None:
    engines = Soon(after_s=300.0)
    with client(engines) as made, pytest.raises(InvalidRequest) as caught:
        made.chat.completions.create(model=LOCAL, messages=[{"role": "user", "content": "Hello?"}], timeout=20)
    assert re.fullmatch(
        r"local/smollm2-135m runs next at \d\d:\d\d:\d\d \(run_at\), and this call must be answered by "
        r"\d\d:\d\d:\d\d\. Pass timeout= with more than (300|299) s, or leave run_at out for this model or this call\.",
        str(caught.value),
    )
    assert engines.books.seats == []
    assert engines.leases == []


def test_one_call_may_say_it_for_itself() -> None:
    engines = Soon(after_s=0.3, every=False)
    with client(engines) as made:
        made.ask("Name a colour.")
        now = made.with_options(run_at="*/15 * * * *").ask("Name another colour.")
    assert now.text == "Blue."
    assert engines.leases[0].at < engines.at <= engines.leases[1].at + 0.01


def test_a_time_that_does_not_recur_is_refused() -> None:
    with client(Soon(0.0)) as made, pytest.raises(InvalidRequest) as caught:
        made.with_options(run_at="hourly")
    assert str(caught.value) == (
        "run_at='hourly' is no run_at. Pass five fields of cron, such as \"*/15 * * * *\", or None."
    )


def test_a_cancelled_call_leaves_its_seat() -> None:
    engines = Soon(after_s=30.0)

    async def cancelled() -> None:
        async with client(engines, AsyncClient) as made:
            asked = asyncio.ensure_future(made.ask("Name a colour.", timeout=600))
            await asyncio.sleep(0.3)
            assert engines.books.seats
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    asyncio.run(cancelled())
    assert engines.books.seats == []


def test_a_model_whose_burst_has_come_stays_for_all_who_waited() -> None:
    clock = [1000.0]
    parking = Parking(power=FakePower(), keeping=lambda _: KeepPolicy(schedule=schedule("* * * * *")))
    books = Parker(parking, clock=lambda: clock[0], wall=lambda: clock[0])
    late, early = Seat(books, "a", 1000.0), Seat(books, "a", 1000.0)
    later = Seat(books, "a", 2000.0)
    stay = books.started("a", FakeEngine("a"), 1.0)
    early.release()
    clock[0] += 5.0
    assert stay.begin()
    stay.end()
    assert stay.verdict() is None
    assert not stay.retire()
    late.release()
    assert stay.retire()  # the seat in the next burst keeps nothing
    assert later.left_s() == 995.0
