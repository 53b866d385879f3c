"""A ledger for tests, written row by row: a few calls whose sums can be checked by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenai.store.ledger_db import LedgerDb
from greenai.store.schema import CALL_COLUMNS, SETTLE_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_793_491_200.0  # 2026-11-01 00:00 UTC, a Sunday
MIDNIGHT = "2026-11-01 00:00:00 UTC"
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31mred\u202e[bold]=1+1"


class Book:
    """Writes rows to a ledger as the library does, each with only what a test is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = LedgerDb(path)
        self.db.check()
        self._calls = 0

    def call(self, outcome: str = "small", energy_j: float | None = 10.0, **more: Any) -> str:
        self._calls += 1
        call_id = more.pop("call_id", f"{self._calls:032x}")
        attempts = more.pop("attempts", ())
        row: dict[str, Any] = {
            "call_id": call_id,
            "created": BEGIN + self._calls,
            "project": "shop",
            "entry": "create",
            "requested_model": "gpt-5.5",
            "model": "openai/gpt-5.4-nano",
            "outcome": outcome,
            "opt_in": "[]",
            "energy_j": energy_j,
            "low_j": None if energy_j is None else energy_j / 2,
            "high_j": None if energy_j is None else energy_j * 3,
            "evidence": "unknown" if energy_j is None else "modelled_api",
            "method": "physics-2",
            **more,
        }
        self.db.settle(
            [self._attempt(call_id, n, a) for n, a in enumerate(attempts)], [row.get(n) for n in CALL_COLUMNS]
        )
        return call_id

    def attempt(self, call_id: str, **more: Any) -> None:
        self.db.settle([self._attempt(call_id, 0, more)])

    @staticmethod
    def _attempt(call_id: str, number: int, more: dict[str, Any]) -> list[Any]:
        row = {
            "attempt_id": f"{call_id}.{number}",
            "call_id": call_id,
            "project": "shop",
            "model": "openai/gpt-5.4-nano",
            "state": "answered",
            "created": BEGIN,
            **more,
        }
        return [row.get(name) for name in SETTLE_COLUMNS]


def fill(book: Book) -> Book:
    """Five outcomes, two projects, an unknown model and a failed call."""
    grid = {"carbon_source": "World grid mix, 2023", "carbon_g": 0.5, "carbon_low_g": 0.2, "carbon_high_g": 1.5}
    book.call("small", 10.0, **grid, water_ml=2.0, cost_usd=0.001, avoided_j=90.0, avoided_low_j=30.0,
              avoided_high_j=270.0, baseline="openai/gpt-5.5, without any reasoning", attempts=[{}])  # fmt: skip
    book.call("large", 0.1, model="openai/gpt-5.5", reasoning=True, opt_in='["reasoning"]', project="desk",
              cost_usd=0.02, attempts=[{"state": "discarded", "energy_j": 3.0}, {}])  # fmt: skip
    book.call("large", 0.2, model="openai/gpt-5.5", reasoning=False, cost_usd=0.01, attempts=[{}], parent="1")
    book.call(
        "cache", 0.3, avoided_j=7.0, baseline="openai/gpt-5.4-nano, asked again", feature="search_summary", used=1
    )
    book.call(
        "answerer", 1e-7, model="greenai/calc", feature="search_summary", observed=1, avoided_j=5.0, baseline="as is"
    )
    book.call("large", None, model="vendor/unlisted", attempts=[{"energy_j": None}])
    book.call(
        "failed", None, model=None, attempts=[{"state": "failed", "energy_j": 4.0}, {"state": "failed", "high_j": 9.0}]
    )
    return book
