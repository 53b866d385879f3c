"""Random steps of one process against a model of a dozen lines, in a file and on a Redis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from greenai.budget import Amount, Budget, Hold, open_ledger
from greenai.errors import BudgetExceeded

if TYPE_CHECKING:
    from servers import RedisServer

NOON = 1_795_262_400.0
SCOPES = ("organisation", "project/a", "user/b")
BUDGETS = {"minute": Budget.parse("50 J/minute"), "day": Budget.parse("200 J/day"), "run": Budget.parse("700 J")}
ids = st.integers(0, 12).map("a{}".format)
amounts = st.integers(0, 80)


class Model:
    """What is settled and held, by scope and window; an attempt is [state, amount, expires, places, pairs]."""

    def __init__(self) -> None:
        self.now = NOON
        self.settled: dict[Any, int] = {}
        self.attempts: dict[str, list[Any]] = {}

    def place(self, scope: str, name: str) -> tuple[str, str, int]:
        length = {"minute": 60, "day": 86_400}.get(name)
        return scope, name, 0 if length is None else int(self.now) // length * length

    def held(self, place: Any) -> int:
        return sum(a[1] for a in self.attempts.values() if a[0] == "held" and place in a[3])

    def passes(self, seconds: int) -> None:
        self.now += seconds
        for attempt in self.attempts.values():
            if attempt[0] == "held" and attempt[2] <= self.now:
                attempt[0] = "expired"

    def allows(self, pairs: Any, amount: int) -> bool:
        return all(
            not amount or self.settled.get(p, 0) + self.held(p) + amount <= BUDGETS[p[1]].limit
            for p in (self.place(*pair) for pair in pairs)
        )


class Machine(RuleBasedStateMachine):
    address = ""

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.holds: dict[str, Hold] = {}
        self.folder = tempfile.TemporaryDirectory()
        address = self.address or str(Path(self.folder.name) / "budgets.db")
        self.ledger = open_ledger(address, clock=lambda: self.model.now)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()

    @rule(
        attempt_id=ids,
        amount=amounts,
        pairs=st.sets(st.tuples(st.sampled_from(SCOPES), st.sampled_from(sorted(BUDGETS))), min_size=1, max_size=4),
        ttl_s=st.sampled_from([5, 50, 500]),
    )
    def reserve(self, attempt_id: str, amount: int, pairs: set[tuple[str, str]], ttl_s: int) -> None:
        known = self.model.attempts.get(attempt_id)
        if known is not None and known[0] != "expired":
            pairs = known[4]
        budgets = [(scope, BUDGETS[name]) for scope, name in sorted(pairs)]
        try:
            self.holds[attempt_id] = self.ledger.reserve_all(
                budgets, Amount(energy_j=amount), attempt_id=attempt_id, ttl_s=ttl_s
            )
        except BudgetExceeded:
            assert known is None or known[0] == "expired"
            assert not self.model.allows(pairs, amount)
            return
        assert self.holds[attempt_id].fresh == (known is None or known[0] == "expired")
        if self.holds[attempt_id].fresh:
            assert self.model.allows(pairs, amount)
            places = [self.model.place(*pair) for pair in pairs]
            self.model.attempts[attempt_id] = ["held", amount, self.model.now + ttl_s, places, pairs]

    @rule(attempt_id=ids, amount=amounts)
    def settle(self, attempt_id: str, amount: int) -> None:
        if attempt_id in self.holds:
            self._ends(attempt_id, self.holds[attempt_id].settle(Amount(energy_j=amount)), amount)

    @rule(attempt_id=ids)
    def release(self, attempt_id: str) -> None:
        if attempt_id in self.holds:
            self._ends(attempt_id, self.holds[attempt_id].release(), 0)

    def _ends(self, attempt_id: str, ended: bool, amount: int) -> None:
        attempt = self.model.attempts[attempt_id]
        assert ended == (attempt[0] in ("held", "expired"))
        if ended:
            attempt[0] = "ended"
            for place in attempt[3]:
                self.model.settled[place] = self.model.settled.get(place, 0) + amount

    @rule(attempt_id=ids, ttl_s=st.sampled_from([5, 50]))
    def renew(self, attempt_id: str, ttl_s: int) -> None:
        if attempt_id in self.holds:
            attempt = self.model.attempts[attempt_id]
            assert self.holds[attempt_id].renew(ttl_s) == (attempt[0] in ("held", "expired"))
            if attempt[0] in ("held", "expired"):
                attempt[0], attempt[2] = "held", max(attempt[2], self.model.now + ttl_s)

    @rule(seconds=st.sampled_from([1, 7, 30, 60, 3600, 43_200]))
    def time_passes(self, seconds: int) -> None:
        self.model.passes(seconds)

    @rule()
    def the_process_restarts(self) -> None:
        self.ledger.close()

    @invariant()
    def the_sums_are_those_of_the_model(self) -> None:
        if not hasattr(self, "ledger"):
            return
        pairs = [(scope, name) for scope in SCOPES for name in BUDGETS]
        states = self.ledger.spent_all([(scope, BUDGETS[name]) for scope, name in pairs])
        for pair, state in zip(pairs, states, strict=True):
            place = self.model.place(*pair)
            assert (state.settled, state.held) == (self.model.settled.get(place, 0), self.model.held(place)), place


SETTINGS = settings(max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.timeout(240)
def test_any_steps_in_a_file() -> None:
    run_state_machine_as_test(Machine, settings=SETTINGS)


@pytest.fixture
def on_a_server(budget_server: RedisServer) -> Iterator[type[Machine]]:
    class OnServer(Machine):
        address = budget_server.url

        @initialize()
        def begin(self) -> None:
            budget_server.say(b"FLUSHALL")
            super().begin()

    return OnServer


@pytest.mark.timeout(240)
def test_any_steps_on_a_server(on_a_server: type[Machine]) -> None:
    run_state_machine_as_test(on_a_server, settings=SETTINGS)
