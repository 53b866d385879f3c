"""A store of budgets that only looks: it refuses as the one behind it would, and holds and counts nothing."""

from __future__ import annotations

# ruff: noqa: ARG002  the methods are those of every store, and these need less
from typing import TYPE_CHECKING

from greenai.store.budget_base import Held, Refused, Ticket

if TYPE_CHECKING:
    from greenai.store.budget_base import BudgetStore, End, Parts, Plan, Planner, Totals, Unsettled

__all__ = ["Looking"]


class Looking:
    """Stands before a store that it reads; every attempt is a new one.

    Args:
        store: where the budgets are counted.
    """

    def __init__(self, store: BudgetStore) -> None:
        self._store = store

    def reserve(self, attempt_id: str, signature: str, parts: Parts, ttl_s: float, plan: Planner) -> Held | Refused:
        """Say whether `parts` could be held in every counter of the plan."""
        planned, totals = self._store.totals(plan)
        for place, check in enumerate(planned.checks):
            found, need = totals[check.counter], parts[check.column]
            if need and found.settled[check.column] + found.held[check.column] + need > check.limit:
                return Refused(plan=planned, check=place, totals=found)
        return Held(ticket=Ticket(attempt_id=attempt_id, created=0.0, counters=planned.counters))

    def end(self, ticket: Ticket, end: End, parts: Parts) -> bool:
        """Do nothing: nothing is held."""
        return False

    def forget(self, attempt_id: str) -> bool:
        """Do nothing: nothing is held."""
        return False

    def renew(self, attempt_id: str, ttl_s: float) -> bool:
        """Do nothing: nothing is held."""
        return False

    def totals(self, plan: Planner) -> tuple[Plan, tuple[Totals, ...]]:
        """Return the plan of this moment and what its counters hold."""
        return self._store.totals(plan)

    def unsettled(self) -> list[Unsettled]:
        """Return the holds of the store that have not ended."""
        return self._store.unsettled()

    def close(self) -> None:
        """Leave the store open: it is another's."""
