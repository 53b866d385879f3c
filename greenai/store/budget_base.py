"""What a store of budgets is asked, and what it answers. Amounts are six whole numbers, whatever they count.

Every step is one transaction. A store has the time, which it never lets go back: windows are planned for its moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from greenai.errors import LedgerError

__all__ = [
    "COLUMNS",
    "KEEP_ENDED_S",
    "KEEP_EXPIRED_S",
    "STEP_S",
    "TICK_S",
    "Again",
    "BudgetStore",
    "Check",
    "Counter",
    "End",
    "Held",
    "Parts",
    "Plan",
    "Planner",
    "Refused",
    "StepRefused",
    "Ticket",
    "Totals",
    "Unanswered",
    "Unsettled",
    "agreed",
]

COLUMNS = 6
KEEP_ENDED_S = 86_400
"""How long the end of an attempt is remembered, so that an end that is delivered again changes nothing."""
STEP_S = 60.0
"""A clock that goes back by more was set; for less, the time stands still until it has caught up."""
TICK_S = 0.25
"""How seldom the time is written at most, so that a step that changes nothing writes nothing. What a window holds is
kept, so that one which a clock enters again for so short a time is no new one."""
KEEP_EXPIRED_S = 7 * 86_400
"""How long an expired hold may still settle."""

Parts: TypeAlias = tuple[int, ...]
End: TypeAlias = Literal["settled", "released"]


class Unanswered(LedgerError):
    """A step was sent, and no answer came: it may have been done."""


class StepRefused(LedgerError):
    """The store answers, and refuses this step: others may be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """What one scope used in one window, or in one slot of a window that rolls. Times are seconds since 1970.

    Attributes:
        scope: whose it is.
        window: which window, the same text for all budgets that share it.
        since: where what counts begins; before `start` in a window that rolls.
        start: where the slot begins to which an amount is added.
        end: where that slot ends; None never.
        step: how long a slot is; 0 where there is one only.
        keep_until: when it may be forgotten; None never.
        lives_on: whether each change puts that off.
    """

    scope: str
    window: str
    since: int
    start: int
    end: int | None
    step: int
    keep_until: int | None
    lives_on: bool = False

    def is_at(self, now: float) -> bool:
        """Say whether `now` is in its slot."""
        return self.start <= now and (self.end is None or now < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A limit: `limit` of the amount at `column`, in the counter at place `counter` of the plan."""

    counter: int
    column: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an attempt is counted in at one moment, and what it is held against."""

    counters: tuple[Counter, ...]
    checks: tuple[Check, ...]


Planner: TypeAlias = Callable[[float], Plan]
"""Makes the plan of a moment, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What ends a hold, also where the store has lost it: the windows in which it was reserved, and when."""

    attempt_id: str
    created: float
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The amount is held."""

    ticket: Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The attempt is known: held already, or ended. `same` says whether it was for the same budgets."""

    ticket: Ticket
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a counter's window holds: settled, held, and where its first slot with anything in it begins."""

    settled: Parts
    held: Parts
    oldest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing is held: the check at place `check` of `plan` does not allow it."""

    plan: Plan
    check: int
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A hold that has not ended: open, or expired where its process died."""

    attempt_id: str
    created: float
    expires: float
    expired: bool
    scopes: tuple[str, ...]
    parts: Parts


class BudgetStore(Protocol):
    """Where budgets are counted. Every method may be called again with the same arguments, from any thread.

    Raises:
        LedgerError: the store cannot be used; nothing was changed, or what was changed may be repeated.
    """

    def reserve(
        self, attempt_id: str, signature: str, parts: Parts, ttl_s: float, plan: Planner
    ) -> Held | Again | Refused:
        """Hold `parts` in every counter of the plan, or in none. A known attempt is not held twice."""
        ...

    def end(self, ticket: Ticket, end: End, parts: Parts) -> bool:
        """End a hold and add `parts` to what is settled; return False where it has ended before."""
        ...

    def forget(self, attempt_id: str) -> bool:
        """Take back a reservation, as if it had never been; return False where there is none that has not ended."""
        ...

    def renew(self, attempt_id: str, ttl_s: float) -> bool:
        """Let a hold last for `ttl_s` from now; return False where it has ended."""
        ...

    def totals(self, plan: Planner) -> tuple[Plan, tuple[Totals, ...]]:
        """Return the plan of this moment and what its counters hold."""
        ...

    def unsettled(self) -> list[Unsettled]:
        """Return the holds that have not ended, the oldest first."""
        ...

    def close(self) -> None:
        """Close what is open; the next use opens it again."""
        ...


def agreed(wall: float, last: float, ahead_s: float) -> tuple[float, float]:
    """Return the time, which never goes back, and by how much it is ahead of the clock from now on.

    A clock that is put back goes on from where it was. Once it has caught up by itself, it is right again.

    Args:
        wall: what the clock says, in seconds since 1970.
        last: the last time that was used.
        ahead_s: by how much the time was ahead of the clock.
    """
    if wall >= last:
        return wall, 0.0
    if last - wall - ahead_s > STEP_S:
        ahead_s = last - wall
    return max(wall + ahead_s, last), ahead_s
