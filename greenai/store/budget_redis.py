"""Budgets in Redis or Valkey, for a fleet: each step is one script and one round trip, at the server's own time.

A server that is down, full or slow raises `LedgerError` within a bounded time; nothing is counted anywhere else.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.errors import LedgerError
from greenai.store.budget_base import (
    COLUMNS,
    FAR_S,
    KEEP_ENDED_S,
    KEEP_EXPIRED_S,
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
    carried,
    put_back,
)
from greenai.store.budget_lua import SCRIPT
from greenai.store.redis import connect, reached, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BudgetRedis"]

ROOT = "{greenai:budgets}:"
TIMEOUT_S = 2.0
"""How long the server may take to answer, in seconds; a call to the store waits twice that at most."""
CONNECT_S = 0.5
"""How long a connection may take."""
REST_S = 1.0
"""How long a server that did not answer in time is taken for down, so that not every call waits for it."""
_TRIES = 4

_log = logging.getLogger("greenai")


class BudgetRedis:
    """Counters and holds on a server. Nothing there is read and then written: one script does both at once.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, or `valkey://`.
        clock: seconds since 1970 in place of the server's time.

    Raises:
        MissingExtra: `redis` is not installed.
        SettingsError: the address is not one.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None) -> None:
        self._client = connect(
            url, TIMEOUT_S, connect_s=CONNECT_S, key="budget_url", purpose="A budget ledger in Redis or Valkey"
        )
        self._clock = clock
        self._seen: tuple[float, float] | None = None
        self._back = (b"", b"")  # to when the server's time last went back, and from when
        self._sha = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
        self._lock = Lock()
        self._met = False
        self._down_until = 0.0

    def reserve(
        self, attempt_id: str, signature: str, parts: Parts, ttl_s: float, plan: Planner
    ) -> Held | Again | Refused:
        """Hold `parts` in every counter of the plan, or in none. A known attempt is not held twice."""
        given = {"attempt": attempt_id, "signature": signature, "parts": _texts(parts), "ttl": ttl_s}
        planned, (said, now, *rest) = self._planned("reserve", given, plan)
        if said == b"refused":
            return Refused(plan=planned, check=rest[0], totals=_totals(rest[1]))
        created = float(rest[0] if said == b"again" else now)
        ticket = Ticket(attempt_id=attempt_id, created=created, counters=planned.counters)
        return Again(ticket=ticket, same=rest[1].decode() == signature) if said == b"again" else Held(ticket=ticket)

    def end(self, ticket: Ticket, end: End, parts: Parts) -> bool:
        """End a hold and add `parts` to what is settled; return False where it has ended before."""
        given = {
            "attempt": ticket.attempt_id,
            "created": ticket.created,
            "counters": _counters(ticket.counters),
            "state": end,
            "parts": _texts(parts),
        }
        return bool(self._run("end", given)[0])

    def forget(self, attempt_id: str) -> bool:
        """Take back a reservation, as if it had never been; return False where there is none that has not ended."""
        return bool(self._run("forget", {"attempt": attempt_id})[0])

    def renew(self, attempt_id: str, ttl_s: float) -> bool:
        """Let a hold last for `ttl_s` from now; return False where it has ended."""
        return bool(self._run("renew", {"attempt": attempt_id, "ttl": ttl_s})[0])

    def totals(self, plan: Planner) -> tuple[Plan, tuple[Totals, ...]]:
        """Return the plan of this moment and what its counters hold."""
        planned, (_, _, found, *_) = self._planned("totals", {}, plan)
        return planned, tuple(_totals(row) for row in found)

    def unsettled(self) -> list[Unsettled]:
        """Return the holds that have not ended, the oldest first."""
        rows = self._run("unsettled", {})[2]
        return sorted((_unsettled(row) for row in rows), key=lambda hold: hold.created)

    def close(self) -> None:
        """Close every connection that no thread is using; the next use opens one again."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    # How.

    def _planned(self, step: str, given: Mapping[str, object], plan: Planner) -> tuple[Plan, list[Any]]:
        """Run a step with the plan of the server's moment; where that is in another window than thought, anew."""
        now = self._guess()
        for _ in range(_TRIES):
            planned = plan(now)
            checks = [{"counter": c.counter, "column": c.column, "limit": c.limit} for c in planned.checks]
            back = self._back
            also = carried(plan, planned, float(back[0] or 0), float(back[1] or 0))
            told = {"counters": _counters(planned.counters, also), "checks": checks, "anchor": back[0].decode()}
            answer = self._run(step, {**given, **told})
            if answer[0] != b"stale":
                return planned, answer
            now, self._back = float(answer[1]), (answer[2], answer[3])
        raise LedgerError(f"The budget ledger in {self._place} changed its time while it was asked. Try again.")

    def _run(self, step: str, given: Mapping[str, object]) -> list[Any]:
        told = {
            "step": step,
            "root": ROOT,
            "far_s": FAR_S,
            "tick_s": TICK_S,
            "keep_ended": KEEP_ENDED_S,
            "keep_expired": KEEP_EXPIRED_S,
            **({} if self._clock is None else {"now": self._clock()}),
            **given,
        }
        answer = self._sent(json.dumps(told))
        now, seen = float(answer[1]), self._seen
        self._seen = (now, time.monotonic())
        if seen is not None and now < seen[0] - FAR_S:
            _log.warning("%s", put_back(seen[0], now))
        return answer

    def _guess(self) -> float:
        """Return about what the server's time is, so that the plan for it is mostly the right one."""
        return time.time() if self._seen is None else self._seen[0] + time.monotonic() - self._seen[1]

    def _sent(self, told: str) -> list[Any]:
        """Send one step. A connection that is gone is tried once more on a new one: every step may be repeated."""
        from redis.exceptions import ConnectionError as Gone
        from redis.exceptions import RedisError, ResponseError

        if time.monotonic() < self._down_until:
            raise LedgerError(self._down("it did not a moment ago"))
        sent = False
        try:
            self._meet()
            sent = True
            try:
                return self._evaluated(told)
            except Gone:
                self.close()
                return self._evaluated(told)
        except ResponseError as error:  # out of memory, a replica that is read only, no right to run scripts
            raise StepRefused(
                f"The budget ledger in {self._place} refused a step ({error}). "
                "Give the server memory, or name one that may be written to and runs scripts."
            ) from error
        except (RedisError, OSError, ValueError) as error:  # ValueError: a host that is no name
            self._fail(error)
            raise (Unanswered if sent else LedgerError)(self._down(str(error).rstrip("."))) from error

    def _evaluated(self, told: str) -> list[Any]:
        from redis.exceptions import NoScriptError

        keys = (ROOT + "clock", ROOT + "open", ROOT + "lost")
        try:
            answer: Any = self._client.evalsha(self._sha, len(keys), *keys, told)
        except NoScriptError:  # a new server, or one whose scripts were flushed
            answer = self._client.eval(SCRIPT, len(keys), *keys, told)
        return list(answer)

    def _meet(self) -> None:
        """Connect for the first time, or again after a failure; look whether the server may drop what is counted."""
        if self._met:
            return
        try:
            in_time = reached(self._client, 2 * CONNECT_S)
        except RuntimeError:  # no thread can be started while Python ends
            in_time = self._client.ping()
        if not in_time:
            raise TimeoutError(f"no connection within {2 * CONNECT_S:g} s")
        with self._lock:
            first, self._met = not self._met, True
        if first:
            self._look()

    def _look(self) -> None:
        from redis.exceptions import ResponseError

        try:
            memory: Any = self._client.info("memory")
        except ResponseError:  # not allowed to ask
            return
        policy = memory.get("maxmemory_policy", "noeviction")
        if memory.get("maxmemory", 0) and policy != "noeviction":
            _log.warning(
                "The budget ledger in %s may lose what was counted: where memory is short, the server drops keys "
                "(maxmemory-policy %s). Give budgets a server with: maxmemory-policy noeviction",
                self._place,
                policy,
            )

    def _fail(self, error: Exception) -> None:
        from redis.exceptions import TimeoutError as Slow

        self._met = False
        if isinstance(error, (Slow, TimeoutError)):
            self._down_until = time.monotonic() + REST_S
        self.close()

    @property
    def _place(self) -> str:
        return shown(self._client)

    def _down(self, why: str) -> str:
        return f"The budget ledger in {self._place} does not answer ({why}). Look whether the server runs."


def _texts(parts: Parts) -> list[str]:
    return [str(part) for part in parts]


def _counters(counters: Iterable[Counter], also: Mapping[int, Counter] | None = None) -> list[dict[str, object]]:
    """Return counters for the script; what has no end or is kept for ever is left out, since null is true in Lua."""
    told: list[dict[str, object]] = [
        {
            "scope": counter.scope,
            "window": counter.window,
            "since": counter.since,
            "start": counter.start,
            "stop": counter.end,
            "step": counter.step,
            "keep_until": counter.keep_until,
            "lives_on": counter.lives_on or None,
            "also": [also[place].since, also[place].start] if also and place in also else None,
        }
        for place, counter in enumerate(counters)
    ]
    return [{key: value for key, value in counter.items() if value is not None} for counter in told]


def _totals(row: list[bytes]) -> Totals:
    sums = [int(value) for value in row[: 2 * COLUMNS]]
    return Totals(settled=tuple(sums[:COLUMNS]), held=tuple(sums[COLUMNS:]), oldest=int(row[12]) if row[12] else None)


def _unsettled(row: list[Any]) -> Unsettled:
    attempt_id, created, expires, which, keys, parts = row
    # <root>w:<window>:<start>:<scope>; only a rolling window's name and a calendar's time zone have a colon before it
    names = [key.removeprefix(ROOT + "w:") for key in json.loads(keys)]
    scopes = [name.split(":", 2 if name.startswith("total") else 3)[-1] for name in names]
    return Unsettled(
        attempt_id=attempt_id.decode(),
        created=float(created),
        expires=float(expires),
        expired=which == b"lost",
        scopes=tuple(dict.fromkeys(scopes)),
        parts=tuple(int(part) for part in parts),
    )
