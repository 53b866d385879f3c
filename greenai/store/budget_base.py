"""What a store of budgets is asked, and what it answers. Amounts are six whole numbers, whatever they count.

Every step is one transaction. A store has the time, and windows are planned for its moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from greenai.errors import LedgerError

__all__ = [
    "COLUMNS",
    "FAR_S",
    "JUMP_S",
    "KEEP_ENDED_S",
    "KEEP_EXPIRED_S",
    "SURE_S",
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
    "carried",
    "put_back",
]

COLUMNS = 6
KEEP_ENDED_S = 86_400
"""How long the end of an attempt is remembered, so that an end that is delivered again changes nothing."""
FAR_S = 2 * 86_400
"""A clock that is behind by more had been ahead, or was set to something else: it is believed."""
JUMP_S = 7 * 86_400
"""A clock that goes on by more may be ahead: nothing is forgotten until it has said so for `SURE_S`."""
SURE_S = 86_400
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
    """Return the time, and by how much it is ahead of the clock from now on.

    Where a clock was put back, the time goes on from where it was, half as fast until the clock has caught up, so
    that no window opens again. Where that is by more than `FAR_S`, the time goes back with it.

    Args:
        wall: what the clock says, in seconds since 1970.
        last: the last time that was used.
        ahead_s: by how much the time was ahead of the clock.
    """
    if last - wall > FAR_S:
        return wall, 0.0
    passed = wall - (last - ahead_s)
    ahead_s = last - wall if passed < 0 else max(ahead_s - passed / 2, 0.0)
    return max(wall + ahead_s, last), ahead_s


def carried(plan: Planner, planned: Plan, anchor: float, before: float) -> dict[int, Counter]:
    """Return what counts besides: the windows from which the time went back, where it went back to the present ones.

    Args:
        plan: makes the plan of a moment.
        planned: the plan of the present one.
        anchor: to when the time last went back; 0 never.
        before: from when.
    """
    if not anchor or not any(counter.since <= anchor for counter in planned.counters):
        return {}
    pairs = enumerate(zip(planned.counters, plan(before).counters, strict=True))
    return {place: old for place, (new, old) in pairs if new.since <= anchor and new.start < old.start}


def put_back(before: float, now: float) -> str:
    """Say that the time of a ledger went back."""
    was, is_ = (f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}" for moment in (before, now))
    return (
        f"The clock of the budget ledger went back from {was} to {is_} UTC, and budgets go on from there. Where that "
        "is wrong, set the clock. What was used just before counts in the present windows as well."
    )
