"""What a store of budgets could not be told, kept until it answers: ends of holds, and reservations of doubt.

One caller at a time tells of some, within a bounded time, and the others go on: no call waits for all of them. What the
store refuses while it takes others is logged and dropped, so that one end that cannot be told holds up nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai._locks import Lock
from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store.budget_base import StepRefused

if TYPE_CHECKING:
    from greenai.store.budget_base import BudgetStore, End, Parts, Ticket

__all__ = ["Untold"]

MOST_ENDS = 10_000
MOST_DOUBTS = 1_000
AT_ONCE_S = 0.1
"""For how long one call tells of what others left."""
AT_LAST_S = 2.0
"""For how long the end of a process is held up."""
REST_S = 1.0
"""How long the store is not asked again after it refused something."""
MOST_FAILED = 3
"""How often one thing may fail as if the store were away; then it counts as refused."""
MOST_REFUSED = 3
"""How often it may refuse one thing, while it takes others; and how many in one round."""

_log = logging.getLogger("greenai")


@dataclass(slots=True)
class _Step:
    tell: Callable[[BudgetStore], object]
    is_end: bool
    refused: int = 0
    failed: int = 0
    why: str = ""


class Untold:
    """The ends, and the reservations without an answer, that one store still has to be told of."""

    def __init__(self, store: BudgetStore) -> None:
        self._store = store
        self._steps: dict[str, _Step] = {}
        self._ends = 0
        self._refused: set[str] = set()
        self._dropped = 0
        self._rest_until = 0.0
        self._teller = 0  # a process's number: in a forked child nobody tells
        self._telling = ""
        self._lock = Lock()
        _all.add(self)

    def __bool__(self) -> bool:
        return bool(self._steps)

    def ended(self, ticket: Ticket, end: End, parts: Parts) -> None:
        """Keep the end of a hold."""
        with self._lock:
            if ticket.attempt_id in self._steps:
                return
            if self._ends >= MOST_ENDS:
                self._dropped += 1
                dropped = self._dropped
            else:
                self._steps[ticket.attempt_id] = _Step(lambda store: store.end(ticket, end, parts), is_end=True)
                self._ends += 1
                dropped = 0
        if dropped == 1:
            _log.warning(
                "The budget ledger could not be told of %d calls that ended. Further ones are not kept until it can, "
                "and will be missing in what was used. Bring it back soon.",
                MOST_ENDS,
            )

    def doubted(self, attempt_id: str) -> None:
        """Keep that a reservation had no answer: it may hold what nobody will end."""
        with self._lock:
            if len(self._steps) - self._ends < MOST_DOUBTS:
                self._steps.setdefault(attempt_id, _Step(lambda store: store.forget(attempt_id), is_end=False))

    def tries_again(self, attempt_id: str) -> None:
        """Forget that a reservation had no answer: it is sent again, and holds once."""
        deadline = time.monotonic() + AT_LAST_S
        while self._steps:
            with self._lock:
                step = self._steps.get(attempt_id)
                if step is None or step.is_end:
                    return
                if self._telling != attempt_id or self._teller != os.getpid() or time.monotonic() > deadline:
                    self._taken(attempt_id)
                    return
            time.sleep(0.001)

    def tell(self, within_s: float = AT_ONCE_S) -> None:
        """Tell the store of what it missed, for so long; at once where another thread does so.

        Raises:
            LedgerError: the store cannot be used.
        """
        with self._lock:
            if self._teller == os.getpid() or time.monotonic() < self._rest_until:
                return
            self._teller = os.getpid()
        deadline, refused = time.monotonic() + within_s, set[str]()
        try:
            while (found := self._next()) and found[0] not in refused and len(refused) < MOST_REFUSED:
                told = self._told(*found)
                if told is False:
                    refused.add(found[0])
                if told is None or time.monotonic() > deadline:
                    break
        finally:
            self._telling, self._teller = "", 0
        if refused:
            self._rest_until = time.monotonic() + REST_S

    def works(self) -> None:
        """Drop what the store refused time and again: it has just taken something else."""
        if not self._refused:
            return
        with self._lock:
            refused, self._refused = self._refused, set()
            for name in refused:
                self._steps[name].refused += 1
            hopeless = [self._taken(name) for name in refused if self._steps[name].refused >= MOST_REFUSED]
        for step in hopeless:
            _log.warning("A call that ended is missing in the budgets: the ledger refuses to count it. %s", step.why)

    def finish(self) -> None:
        """Tell what can be told in a bounded time, and say how much cannot."""
        if not self._steps:
            return
        self._rest_until = 0.0
        with suppress(LedgerError):
            self.tell(AT_LAST_S)
        lost = self._ends + self._dropped
        if lost:
            why = next((step.why for step in list(self._steps.values()) if step.why), f"{AT_LAST_S:g} s are over.")
            _log.warning("%d settlements of budgets are lost. %s", lost, why)

    def close_store(self) -> None:
        """Close what the store has open."""
        self._store.close()

    def _next(self) -> tuple[str, _Step] | None:
        with self._lock:
            found = next(iter(self._steps.items()), None)
            self._telling = found[0] if found else ""
            dropped, self._dropped = (0, self._dropped) if found else (self._dropped, 0)
        if dropped:
            _log.warning("The budget ledger answers again. %d calls that ended are missing in what was used.", dropped)
        return found

    def _told(self, name: str, step: _Step) -> bool | None:
        """Tell of one thing; return False where it is refused, None where the store may be away."""
        begun = time.monotonic()
        try:
            step.tell(self._store)
        except (StepRefused, LedgerCorrupt, ArithmeticError, LookupError, TypeError, ValueError) as error:
            step.why = str(error)
            self._to_the_back(name, refused=True)
            return False
        except LedgerError as error:
            step.failed, step.why = step.failed + 1, str(error)
            self._to_the_back(name, refused=step.failed >= MOST_FAILED)
            if step.failed < MOST_FAILED:
                raise
            if time.monotonic() - begun > AT_ONCE_S:  # nobody shall wait so long for it and again for what it wants
                self._rest_until = time.monotonic() + REST_S
            return None  # whether the store is away is for the caller's own step to find out
        with self._lock:
            if name in self._steps:
                self._taken(name)
        self.works()
        return True

    def _to_the_back(self, name: str, *, refused: bool) -> None:
        with self._lock:
            if (step := self._steps.pop(name, None)) is None:
                return
            self._steps[name] = step
            if refused:
                self._refused.add(name)

    def _taken(self, name: str) -> _Step:
        step = self._steps.pop(name)
        self._ends -= step.is_end
        self._refused.discard(name)
        return step


_all: weakref.WeakSet[Untold] = weakref.WeakSet()


def _at_exit() -> None:
    for untold in tuple(_all):
        if untold:
            untold.finish()
            untold.close_store()


atexit.register(_at_exit)
