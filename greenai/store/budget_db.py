"""Budgets in a SQLite file, for the processes of one machine; or in memory, for one process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import budget_schema as schema
from greenai.store.budget_base import (
    COLUMNS,
    JUMP_S,
    KEEP_ENDED_S,
    KEEP_EXPIRED_S,
    SURE_S,
    TICK_S,
    Again,
    Counter,
    End,
    Held,
    Parts,
    Plan,
    Planner,
    Refused,
    StepRefused,
    Ticket,
    Totals,
    Unanswered,
    Unsettled,
    agreed,
    carried,
    put_back,
)
from greenai.store.files import primary_code
from greenai.store.sqlite_file import SqliteFile, damaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

__all__ = ["WAIT_S", "BudgetDb"]

WAIT_S = 5.0
"""How long a caller waits for other processes, in seconds; then its store counts as broken."""
_TIDY_EVERY = 500
_MOST_IN_MEMORY = 50_000
"""Of how many attempts the end is remembered in memory: about 10 MB."""
_log = logging.getLogger("greenai")
_UNSURE = frozenset((10, 13))  # SQLITE_IOERR, SQLITE_FULL: also where a commit failed
_NOTHING = (0,) * COLUMNS


class BudgetDb(SqliteFile):
    """Counters and holds in one file. Each step is one transaction behind one lock, so none sees half of another.

    Args:
        path: the file; None counts in memory.
        timeout_s: how long to wait for other processes, in seconds.
        clock: seconds since 1970.
    """

    what = "budget ledger"
    application_id = schema.APPLICATION_ID
    elsewhere = "Name another file."
    never_anew = True
    without = 'count on a server with: budget_url = "redis://127.0.0.1:6379/0"'

    def __init__(
        self,
        path: Path | None,
        *,
        timeout_s: float = WAIT_S,
        clock: Callable[[], float] = time.time,
        migrations: Sequence[Sequence[str]] = schema.MIGRATIONS,
    ) -> None:
        super().__init__(path, timeout_s=timeout_s, migrations=migrations)
        self._clock = clock
        self._steps = 0
        self._back = (0.0, 0.0)
        self._turn, self._moment, self._sure = 0, 0.0, False

    def reserve(
        self, attempt_id: str, signature: str, parts: Parts, ttl_s: float, plan: Planner
    ) -> Held | Again | Refused:
        """Hold `parts` in every counter of the plan, or in none. A known attempt is not held twice."""
        likely = plan(self._clock())  # planned while nobody waits for it, and almost always for the right windows

        def work(con: sqlite3.Connection) -> Held | Again | Refused:
            now = self._now(con)
            known = con.execute(schema.FIND, (attempt_id,)).fetchone()
            planned = likely if all(counter.is_at(now) for counter in likely.counters) else plan(now)
            if known is not None and known[0] != "expired":
                ticket = Ticket(attempt_id=attempt_id, created=known[2], counters=planned.counters)
                return Again(ticket=ticket, same=known[1] == signature)
            refused = _refusal(con, planned, carried(plan, planned, *self._back), parts)
            if refused is not None:
                return refused
            numbers = _added(con, planned.counters, _NOTHING, parts)
            con.execute(schema.ADD_HOLD, (attempt_id, "held", signature, numbers, now, now + ttl_s, None, *parts))
            return Held(ticket=Ticket(attempt_id=attempt_id, created=now, counters=planned.counters))

        return self._write(work)

    def end(self, ticket: Ticket, end: End, parts: Parts) -> bool:
        """End a hold and add `parts` to what is settled; return False where it has ended before."""

        def work(con: sqlite3.Connection) -> bool:
            now = self._now(con)
            ended = con.execute(schema.END, (end, now, ticket.attempt_id)).fetchone()
            if ended is None:
                return _end_late(con, ticket, end, parts, now)
            _charge(con, ended[0], parts, [-part for part in ended[1:]])
            return True

        return self._write(work)

    def forget(self, attempt_id: str) -> bool:
        """Take back a reservation, as if it had never been; return False where there is none that has not ended."""

        def work(con: sqlite3.Connection) -> bool:
            self._now(con)
            known = con.execute(schema.FIND, (attempt_id,)).fetchone()
            if known is None or known[0] not in ("held", "expired"):
                return False
            if known[0] == "held":
                _charge(con, known[3], _NOTHING, [-part for part in known[4:]])
            con.execute(schema.FORGET, (attempt_id,))
            return True

        return self._write(work)

    def renew(self, attempt_id: str, ttl_s: float) -> bool:
        """Let a hold last for `ttl_s` from now; return False where it has ended."""

        def work(con: sqlite3.Connection) -> bool:
            now = self._now(con)
            known = con.execute(schema.FIND, (attempt_id,)).fetchone()
            if known is None or known[0] not in ("held", "expired"):
                return False
            if known[0] == "expired":  # its call goes on, so that what it may use counts again
                _charge(con, known[3], _NOTHING, known[4:])
            con.execute(schema.RENEW, (now + ttl_s, attempt_id))
            return True

        return self._write(work)

    def totals(self, plan: Planner) -> tuple[Plan, tuple[Totals, ...]]:
        """Return the plan of this moment and what its counters hold."""

        def work(con: sqlite3.Connection) -> tuple[Plan, tuple[Totals, ...]]:
            planned = plan(self._now(con))
            return planned, _all_totals(con, planned, carried(plan, planned, *self._back))

        return self._write(work)

    def unsettled(self) -> list[Unsettled]:
        """Return the holds that have not ended, the oldest first."""

        def work(con: sqlite3.Connection) -> list[Unsettled]:
            self._now(con)
            return [_unsettled(con, row) for row in con.execute(schema.UNSETTLED).fetchall()]

        return self._write(work)

    def check(self) -> dict[str, Any]:
        """Return the schema's version, the counts, the open holds and what SQLite's own check says.

        Raises:
            LedgerCorrupt: the file is damaged.
        """

        def work(con: sqlite3.Connection) -> dict[str, Any]:
            counters, attempts, holds = con.execute(schema.COUNTS).fetchone()
            (found,) = con.execute("PRAGMA integrity_check(1)").fetchone()
            (version,) = con.execute("PRAGMA user_version").fetchone()
            if found != "ok":
                raise LedgerCorrupt(damaged(self.path, str(found), self.what))
            return {"version": version, "counters": counters, "attempts": attempts, "holds": holds}

        return self._read(work)

    def _trim(self, con: sqlite3.Connection) -> None:
        if self._steps % _TIDY_EVERY == 1:
            con.execute(schema.FORGET_OLDEST, (_MOST_IN_MEMORY,))

    def _translated(self, error: sqlite3.Error) -> LedgerError:
        import sqlite3

        found = super()._translated(error)
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError)):
            return StepRefused(str(found))
        return Unanswered(str(found)) if primary_code(error) in _UNSURE else found

    def _now(self, con: sqlite3.Connection) -> float:
        """Return the time of this transaction, and let what is due by then expire."""
        if self._turn != self._turns:  # steps that share a transaction share its moment
            self._moment, self._sure = self._agree(con)
            self._turn = self._turns
        self._steps += 1
        if self._steps % _TIDY_EVERY == 1 and self._sure:
            con.execute(schema.FORGET_COUNTERS, (self._moment,))
            con.execute(schema.FORGET_HOLDS, (self._moment - KEEP_ENDED_S, self._moment - KEEP_EXPIRED_S))
        return self._moment

    def _agree(self, con: sqlite3.Connection) -> tuple[float, bool]:
        """Return the time, and whether it is sure enough to forget what is old."""
        last, ahead_s, anchor, before, jumped, due = con.execute(schema.LAST).fetchone()
        now, new_ahead_s = agreed(self._clock(), last, ahead_s)
        if now < last:
            _log.warning("%s", put_back(last, now))
            con.execute(schema.GO_BACK, (now, last))
            con.execute(schema.HOLDS_GO_BACK, (now, KEEP_EXPIRED_S))
            anchor, before, jumped, due = now, last, 0.0, now  # it may be due, since the holds' ends have changed
        elif now - last > TICK_S or (new_ahead_s != ahead_s and now == last):
            con.execute(schema.TICK, (now, new_ahead_s))
        if last and now - last > JUMP_S:
            con.execute(schema.JUMP, (now,))
            jumped = now
        self._back = anchor, before
        if due is not None and due <= now:
            _expire(con, now)
        return now, not 0 <= now - jumped < SURE_S


def _expire(con: sqlite3.Connection, now: float) -> None:
    for attempt_id, numbers, expires, *held in con.execute(schema.DUE, (now,)).fetchall():
        _charge(con, numbers, _NOTHING, [-part for part in held])
        con.execute(schema.SET_STATE, ("expired", expires, attempt_id))


def _refusal(con: sqlite3.Connection, plan: Plan, also: Mapping[int, Counter], parts: Parts) -> Refused | None:
    totals = _all_totals(con, plan, also)
    for place, check in enumerate(plan.checks):
        found, need = totals[check.counter], parts[check.column]
        if need and found.settled[check.column] + found.held[check.column] + need > check.limit:
            return Refused(plan=plan, check=place, totals=found)
    return None


def _all_totals(con: sqlite3.Connection, plan: Plan, also: Mapping[int, Counter]) -> tuple[Totals, ...]:
    return tuple(_totals(con, counter, also.get(place)) for place, counter in enumerate(plan.counters))


def _totals(con: sqlite3.Connection, counter: Counter, also: Counter | None) -> Totals:
    name = (counter.scope, counter.window)
    if counter.since == counter.start and also is None:
        slot = con.execute(schema.SLOT, (*name, counter.start)).fetchone() or (*_NOTHING, *_NOTHING)
        with suppress(TypeError):  # a damaged row has something else than numbers, which are for SQLite to add
            oldest = counter.start if sum(slot) > 0 else None
            return Totals(settled=slot[:COLUMNS], held=slot[COLUMNS:], oldest=oldest)
    *sums, oldest = con.execute(schema.SUMS, (*name, counter.since, counter.start)).fetchone()
    if also is not None:
        *more, _ = con.execute(schema.SUMS, (*name, max(also.since, counter.start + 1), also.start)).fetchone()
        sums = [one + other for one, other in zip(sums, more, strict=True)]
    return Totals(settled=tuple(sums[:COLUMNS]), held=tuple(sums[COLUMNS:]), oldest=oldest)


def _added(con: sqlite3.Connection, counters: Iterable[Counter], settled: Parts, held: Parts) -> str:
    """Add to counters, made where there are none; return the numbers of all."""
    numbers: list[str] = []
    for counter in counters:
        name = (counter.scope, counter.window, counter.start)
        found = con.execute(schema.COUNTER, name).fetchone()
        if found is None:
            number = con.execute(schema.ADD, (*name, counter.keep_until, *settled, *held)).lastrowid
        else:
            (number,) = found
            con.execute(schema.CHARGE, (*settled, *held, number))
            if counter.lives_on:
                con.execute(schema.TOUCH, (counter.keep_until, number))
        numbers.append(str(number))
    return ",".join(numbers)


def _charge(con: sqlite3.Connection, numbers: str, settled: Iterable[int], held: Iterable[int]) -> None:
    change = (*settled, *held)
    for number in filter(None, numbers.split(",")):
        con.execute(schema.CHARGE, (*change, int(number)))


def _end_late(con: sqlite3.Connection, ticket: Ticket, end: End, parts: Parts, now: float) -> bool:
    """End a hold that is not open: it expired, or has ended, or was lost."""
    known = con.execute(schema.FIND, (ticket.attempt_id,)).fetchone()
    if known is None:
        return _end_lost(con, ticket, end, parts, now)
    if known[0] != "expired":
        return False
    _charge(con, known[3], parts, _NOTHING)
    con.execute(schema.SET_STATE, (end, now, ticket.attempt_id))
    return True


def _end_lost(con: sqlite3.Connection, ticket: Ticket, end: End, parts: Parts, now: float) -> bool:
    """End a hold that is not here, such as after the file was replaced: what was used was used."""
    if now - ticket.created >= KEEP_ENDED_S:  # it may have ended, and been forgotten since
        return False
    numbers = _added(con, ticket.counters, parts, _NOTHING)
    row = (ticket.attempt_id, end, "", numbers, ticket.created, now, now, *_NOTHING)
    con.execute(schema.ADD_HOLD, row)
    return True


def _unsettled(con: sqlite3.Connection, row: Sequence[Any]) -> Unsettled:
    attempt_id, created, expires, state, numbers, *parts = row
    found = [con.execute(schema.SCOPES, (int(number),)).fetchone() for number in filter(None, numbers.split(","))]
    return Unsettled(
        attempt_id=attempt_id,
        created=created,
        expires=expires,
        expired=state == "expired",
        scopes=tuple(dict.fromkeys(scope for (scope,) in filter(None, found))),
        parts=tuple(parts),
    )
