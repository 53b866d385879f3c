"""The budget ledger of each kind, with the time in the test's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.budget import BudgetLedger, open_ledger

if TYPE_CHECKING:
    from servers import RedisServer

NOON = 1_795_262_400.0
"""Saturday, 21 November 2026, 12:00 UTC: 13:00 in Paris."""


class Time:
    """A clock that goes on, and can be set."""

    def __init__(self) -> None:
        self.wall = NOON

    def passes(self, seconds: float) -> None:
        self.wall += seconds

    def is_set(self, by_s: float) -> None:
        self.wall += by_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budgets.db"


@pytest.fixture(scope="session")
def budget_server(redis_program: str) -> Iterator[RedisServer]:
    """A real Redis for the budgets' tests alone; each begins with an empty one."""
    from servers import RedisServer

    with RedisServer(redis_program) as server:
        yield server


@pytest.fixture
def server(redis_program: str) -> Iterator[RedisServer]:
    """A Redis for one test alone, which may kill it."""
    from servers import RedisServer

    with RedisServer(redis_program) as server:
        yield server


@pytest.fixture(params=["memory", "file", "redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, time: Time) -> Iterator[Callable[[], BudgetLedger]]:
    """What opens a ledger: in memory always the same one, else one more on the same file or server."""
    ledgers: list[BudgetLedger] = []
    address = ":memory:"
    if request.param == "file":
        address = str(tmp_path / "budgets.db")
    elif request.param == "redis":
        server = request.getfixturevalue("budget_server")
        server.say(b"FLUSHALL")
        address = server.url

    def another() -> BudgetLedger:
        if address != ":memory:" or not ledgers:
            ledgers.append(open_ledger(address, clock=lambda: time.wall))
        return ledgers[-1]

    yield another
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def ledger(opened: Callable[[], BudgetLedger]) -> BudgetLedger:
    return opened()
