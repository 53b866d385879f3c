"""Budgets are kept by holding an amount before a call, and settling what was used after it.

    reserve ──> Hold ──> settle      what was used, also where that is more than was held
                  │────> release     nothing was used
                  │────> renew       a long call goes on
                  └────> (process died) ──> the hold expires, and may still settle

A reservation checks settled + held + amount against every limit, and holds the amount in all of them or in none. A
settlement belongs to the windows in which its hold was reserved. Every step is idempotent by attempt id: the first end
wins. A store that fails raises `LedgerError`: whether a call may then go out is for others to decide.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from greenai.budget.amounts import UNITS, Amount, amount_from, from_parts, parts_of, whole_parts
from greenai.budget.refusal import exceeded
from greenai.budget.untold import Untold
from greenai.budget.windows import span_at
from greenai.errors import InvalidRequest, LedgerError, SettingsError
from greenai.store.budget_base import KEEP_EXPIRED_S, Again, Check, Counter, Plan, Refused, Ticket, Unanswered
from greenai.store.budget_looking import Looking

if TYPE_CHECKING:
    from greenai.budget.limits import Budget
    from greenai.store.budget_base import BudgetStore, End, Totals

__all__ = ["BudgetLedger", "BudgetState", "Hold", "OpenHold", "open_ledger"]

T = TypeVar("T")

TTL_S = 600.0
_MOST_TTL_S = KEEP_EXPIRED_S
_KEEP_RUN_S = 30 * 86_400
_SERVERS = ("redis://", "rediss://", "unix://", "valkey://", "valkeys://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An amount held for one attempt. Each way to end it may be called again, or late: the first one counts.

    Attributes:
        attempt_id: the attempt.
        amount: what is held.
        fresh: False where the attempt was known already, so that nothing more is held.
    """

    attempt_id: str
    amount: Amount
    fresh: bool
    ledger: BudgetLedger
    ticket: Ticket

    def settle(self, amount: Amount) -> bool:
        """Replace the held amount by what was used, which may be more; return whether this ended the hold.

        Raises:
            LedgerError: the store cannot be used. It is told with the next step that reaches it.
        """
        return self.ledger.end(self.ticket, "settled", amount)

    def release(self) -> bool:
        """End the hold: nothing was used; return whether this ended it.

        Raises:
            LedgerError: the store cannot be used. It is told with the next step that reaches it.
        """
        return self.ledger.end(self.ticket, "released", Amount())

    def renew(self, ttl_s: float = TTL_S) -> bool:
        """Let the hold last for `ttl_s` seconds from now; return False where it has ended.

        Raises:
            InvalidRequest: `ttl_s` is no number of seconds up to a week.
            LedgerError: the store cannot be used.
        """
        return self.ledger.renew(self.attempt_id, ttl_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """What a scope has used of a budget. Quantities are in the unit of `budget.unit`: joules, US dollars and so on.

    Attributes:
        scope: whose it is.
        budget: the budget.
        settled: what was used.
        held: what may be used by calls that have not ended.
        window_start: where the window begins, in the budget's time zone; None where it has no beginning.
        window_end: where it ends, or the oldest part of one that rolls leaves it; None where it never does.
        all_settled: every quantity that was used in this window, limited or not.
        all_held: every quantity that is held in it.
    """

    scope: str
    budget: Budget
    settled: float
    held: float
    window_start: datetime | None
    window_end: datetime | None
    all_settled: Amount
    all_held: Amount

    @property
    def limit(self) -> float:
        """What may be used in all."""
        return self.budget.limit

    @property
    def left(self) -> float:
        """What may still be used; negative where more was used than was held."""
        unit = self.budget.unit
        used = whole_parts(self.settled, unit) + whole_parts(self.held, unit)
        return from_parts(whole_parts(self.limit, unit) - used, unit)

    @property
    def debt(self) -> float:
        """What was used beyond the limit; 0 where nothing was."""
        return max(self.settled - self.limit, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """A hold that has not ended; `expired` where its time is over, so that it no longer counts."""

    attempt_id: str
    scopes: tuple[str, ...]
    amount: Amount
    reserved_at: datetime
    expires_at: datetime
    expired: bool


class BudgetLedger:
    """What was used of budgets, and what is held. Safe from any thread; get one from `open_ledger`."""

    def __init__(self, store: BudgetStore) -> None:
        self._store = store
        self._untold = Untold(store)

    def reserve(self, scope: str, budget: Budget, amount: Amount, *, attempt_id: str, ttl_s: float = TTL_S) -> Hold:
        """Hold an amount for one attempt, as `reserve_all` does with one budget."""
        return self.reserve_all([(scope, budget)], amount, attempt_id=attempt_id, ttl_s=ttl_s)

    def reserve_all(
        self, budgets: Sequence[tuple[str, Budget]], amount: Amount, *, attempt_id: str, ttl_s: float = TTL_S
    ) -> Hold:
        """Hold an amount against every budget, or against none. A quantity of 0 is never refused.

        Reserving an attempt again holds nothing more, also after it has ended. One whose hold expired is held anew.

        Args:
            budgets: whose they are, such as "project/support-bot", and what they allow.
            amount: what the attempt may use.
            attempt_id: names this attempt, and no other, in all processes.
            ttl_s: for how long to hold it, in seconds, if nobody ends the hold; a week at most.

        Raises:
            BudgetExceeded: a budget has too little left; nothing is held.
            InvalidRequest: an argument cannot be, or the attempt is known with other budgets.
            LedgerError: the store cannot be used; nothing may be taken as held, and what is held is let go of with the
                next step that reaches it.
        """
        pairs = tuple(dict.fromkeys((_name(scope, "scope"), budget) for scope, budget in budgets))
        if not pairs:
            raise InvalidRequest("reserve_all() needs a budget. Pass at least one pair of a scope and a Budget.")
        attempt_id, ttl_s = _name(attempt_id, "attempt_id"), _seconds(ttl_s)
        parts = parts_of(amount)
        signature = "\n".join(sorted({f"{b.unit} {b.window.key(b.timezone)} {scope}" for scope, b in pairs}))

        def plan(now: float) -> Plan:
            return _plan(pairs, now)

        self._untold.tries_again(attempt_id)
        try:
            outcome = self._do(lambda store: store.reserve(attempt_id, signature, parts, ttl_s, plan))
        except Unanswered:
            self._untold.doubted(attempt_id)
            raise
        if isinstance(outcome, Refused):
            scope, budget = pairs[outcome.check]
            end = _end(outcome.plan.counters[outcome.plan.checks[outcome.check].counter], outcome.totals, budget)
            raise exceeded(scope, budget, parts, outcome.totals, end)
        if isinstance(outcome, Again) and not outcome.same:
            raise InvalidRequest(
                f"The attempt {attempt_id} is known already, with other budgets. Give each attempt an id of its own."
            )
        self._untold.works()
        return Hold(
            attempt_id=attempt_id,
            amount=amount,
            fresh=not isinstance(outcome, Again),
            ledger=self,
            ticket=outcome.ticket,
        )

    def looking(self) -> BudgetLedger:
        """Return a ledger that refuses as this one would, and holds and counts nothing."""
        return BudgetLedger(Looking(self._store))

    def end(self, ticket: Ticket, end: End, amount: Amount) -> bool:
        """End a hold; `Hold.settle` and `Hold.release` are the ways to call it."""
        parts = parts_of(amount)
        try:
            ended = self._do(lambda store: store.end(ticket, end, parts))
        except LedgerError:
            self._untold.ended(ticket, end, parts)
            raise
        self._untold.works()
        return ended

    def renew(self, attempt_id: str, ttl_s: float = TTL_S) -> bool:
        """Let a hold last for `ttl_s` seconds from now; return False where it has ended."""
        seconds = _seconds(ttl_s)
        return self._do(lambda store: store.renew(attempt_id, seconds))

    def spent(self, scope: str, budget: Budget) -> BudgetState:
        """Return what a scope has used of a budget in the present window.

        Raises:
            LedgerError: the store cannot be used.
        """
        return self.spent_all([(scope, budget)])[0]

    def spent_all(self, budgets: Sequence[tuple[str, Budget]]) -> list[BudgetState]:
        """Return what was used of several budgets, at one moment.

        Raises:
            LedgerError: the store cannot be used.
        """
        pairs = [(_name(scope, "scope"), budget) for scope, budget in budgets]
        plan, totals = self._do(lambda store: store.totals(lambda now: _plan(pairs, now)))
        return [
            _state(scope, budget, plan.counters[check.counter], totals[check.counter])
            for (scope, budget), check in zip(pairs, plan.checks, strict=True)
        ]

    def unsettled(self) -> list[OpenHold]:
        """Return the holds that have not ended, the oldest first; for a week also those that expired.

        Raises:
            LedgerError: the store cannot be used.
        """
        return [
            OpenHold(
                attempt_id=hold.attempt_id,
                scopes=hold.scopes,
                amount=amount_from(hold.parts),
                reserved_at=datetime.fromtimestamp(hold.created, UTC),
                expires_at=datetime.fromtimestamp(hold.expires, UTC),
                expired=hold.expired,
            )
            for hold in self._do(lambda store: store.unsettled())
        ]

    def close(self) -> None:
        """Tell the store what is still to be told, and close what is open; the next use opens it again."""
        self._untold.finish()
        self._store.close()

    def _do(self, work: Callable[[BudgetStore], T]) -> T:
        if self._untold:
            self._untold.tell()
        return work(self._store)


def _plan(pairs: Sequence[tuple[str, Budget]], now: float) -> Plan:
    counters: dict[tuple[str, str], Counter] = {}
    checks: list[Check] = []
    for scope, budget in pairs:
        place = (scope, budget.window.key(budget.timezone))
        if place not in counters:
            counters[place] = _counter(scope, budget, now)
        checks.append(
            Check(
                counter=list(counters).index(place),
                column=UNITS.index(budget.unit),
                limit=whole_parts(budget.limit, budget.unit),
            )
        )
    return Plan(counters=tuple(counters.values()), checks=tuple(checks))


def _counter(scope: str, budget: Budget, now: float) -> Counter:
    span = span_at(budget.window, budget.timezone, now)
    is_run = span.end is None and scope.startswith("run/")
    keep_until = int(now) + _KEEP_RUN_S if is_run else None
    if span.end is not None:
        keep_until = span.end + KEEP_EXPIRED_S + (budget.window.length_s or 0)
    return Counter(
        scope=scope,
        window=budget.window.key(budget.timezone),
        since=span.since,
        start=span.start,
        end=span.end,
        step=span.step,
        keep_until=keep_until,
        lives_on=is_run,
    )


def _end(counter: Counter, totals: Totals, budget: Budget) -> datetime | None:
    """Return when a window ends, or when the oldest slot of one that rolls leaves it."""
    if counter.end is None:
        return None
    end = counter.end
    if counter.step:
        oldest = counter.start if totals.oldest is None else totals.oldest
        end = oldest + (counter.start - counter.since) + counter.step
    return _at(end, budget)


def _at(moment: int, budget: Budget) -> datetime:
    return datetime.fromtimestamp(moment, ZoneInfo(budget.timezone))


def _state(scope: str, budget: Budget, counter: Counter, totals: Totals) -> BudgetState:
    column = UNITS.index(budget.unit)
    return BudgetState(
        scope=scope,
        budget=budget,
        settled=from_parts(totals.settled[column], budget.unit),
        held=from_parts(totals.held[column], budget.unit),
        window_start=None if counter.end is None else _at(counter.since, budget),
        window_end=_end(counter, totals, budget),
        all_settled=amount_from(totals.settled),
        all_held=amount_from(totals.held),
    )


def _name(text: object, what: str) -> str:
    if not isinstance(text, str) or not text.strip() or len(text) > 500:
        raise InvalidRequest(f"{what}={text!r} names nothing. Pass a text of 1 to 500 characters.")
    return text.encode("utf-8", "backslashreplace").decode()


def _seconds(ttl_s: object) -> float:
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, (int, float)) or not 0 < ttl_s <= _MOST_TTL_S:
        raise InvalidRequest(f"ttl_s={ttl_s!r} is no time to hold for. Pass seconds, up to {_MOST_TTL_S} (a week).")
    return float(ttl_s)


def open_ledger(address: str | os.PathLike[str], *, clock: Callable[[], float] | None = None) -> BudgetLedger:
    """Return the ledger at an address. No file and no connection is opened before it is used.

    Args:
        address: a file's path, ":memory:" (this process alone), `redis://`, `rediss://` (TLS), `unix://` or `valkey://`.
        clock: seconds since 1970; None is this machine's time for a file, and the server's on a server.

    Raises:
        SettingsError: the address is none.
        MissingExtra: it is a server's, and the package `redis` is not installed.
    """
    place = os.fspath(address)
    if place.startswith(_SERVERS):
        from greenai.store.budget_redis import BudgetRedis

        return BudgetLedger(BudgetRedis(place, clock=clock))
    if "://" in place or not place.strip():
        raise SettingsError(
            f"{place.partition('://')[0]!r} is no address of a budget ledger. Write a file's path, "
            '":memory:", or a server such as "redis://127.0.0.1:6379/0" (or rediss://, unix://, valkey://).'
        )
    from greenai.store.budget_db import BudgetDb

    path = None if place == ":memory:" else Path(place).expanduser()
    return BudgetLedger(BudgetDb(path, clock=clock or time.time))
