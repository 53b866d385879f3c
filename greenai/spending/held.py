"""What one attempt is held for, and its end: settled, renewed, released, in the ledger of calls and in its budgets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from greenai._locks import Lock
from greenai.budget import Amount
from greenai.errors import LedgerError
from greenai.spending import charges

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenai.budget import Budget, Hold
    from greenai.ledger import Hold as LedgerHold
    from greenai.readings import BudgetLeft
    from greenai.settings.projects import WhenSpent
    from greenai.values import Attempt

__all__ = ["MOST_ABOVE", "Cap", "Charge", "Held", "Rule", "Spender", "Totalled", "Unchecked"]

MOST_ABOVE = 64
"""How many calls may be under way that become more than was held for them, and still overspend no budget: as long as
there is room for so many, a call is held for what it will hardly exceed; where there is less, for all it may become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens when a budget is spent, and of which shares somebody wants to hear."""

    when_spent: WhenSpent = "downgrade"
    warn_at: tuple[float, ...] = ()
    open_when_broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """One budget of one scope."""

    scope: str
    budget: Budget
    rule: Rule

    @property
    def named(self) -> str:
        """What it is called, its unit included, such as "20 calls/day of organisation"."""
        return f"{self.budget.named} of {self.scope}"

    def above(self, amount: Amount) -> Budget:
        """Return the budget without what the latest calls may become above what is held for each."""
        return replace(self.budget, limit=self.budget.limit - MOST_ABOVE * amount.of(self.budget.unit))

    def has_room(self, amount: Amount, above: Amount) -> bool:
        """Say whether an amount could fit where so much has to be left above it."""
        return amount.of(self.budget.unit) <= self.above(above).limit


class Unchecked(NamedTuple):
    """Budgets that could not be reached before a call, and its name there: it is counted at its end, if they can."""

    caps: tuple[Cap, ...]
    attempt_id: str


class Spender(Protocol):
    """What a charge needs to know of where it comes from, as `Spending` has it."""

    @property
    def tariff(self) -> charges.Tariff:
        """How calls are charged."""
        ...

    def warn_broken(self, error: LedgerError) -> str:
        """Say that budgets cannot be reached."""
        ...

    def count(self, unchecked: Unchecked, amount: Amount) -> None:
        """Count a call that went out unchecked."""
        ...

    def left(self, caps: tuple[Cap, ...]) -> tuple[BudgetLeft | None, tuple[str, ...]]:
        """Return what is left of the tightest budget, and what to say of any."""
        ...


class Totalled(Protocol):
    """What adds up its calls, as a block of code does."""

    def add(self, amount: Amount) -> None:
        """Count what a call used."""
        ...


class _Once:
    """Says yes once."""

    def __init__(self) -> None:
        self._lock, self._asked = Lock(), False

    def __call__(self) -> bool:
        with self._lock:
            first, self._asked = not self._asked, True
        return first


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one attempt is held for in its budgets. Each way to end it may be called again: the first one counts.

    `told` says what happened to the budgets: what would have been refused, what could not be checked.
    """

    spending: Spender
    caps: tuple[Cap, ...]
    amount: Amount
    holds: tuple[Hold, ...]
    unchecked: tuple[Unchecked, ...] = ()
    runs: tuple[Totalled, ...] = ()
    task: charges.Task | None = None
    told: tuple[str, ...] = ()
    _first: _Once = field(default_factory=_Once, repr=False)

    def settle(self, attempt: Attempt) -> None:
        """Replace what is held by what the attempt used, and remember it for the next of its kind."""
        tariff, task = self.spending.tariff, self.task
        amount = charges.used(attempt, tariff, reasoned=task is not None and task.reasons)
        if self.settle_at(amount) and task is not None and attempt.state in ("answered", "discarded"):
            tariff.history.add(task, attempt.usage, attempt.energy.energy_j, attempt.service)

    def settle_at(self, amount: Amount) -> bool:
        """Replace what is held by an amount; return whether nothing had ended the hold before."""
        first = self._first()
        self._end(lambda hold: hold.settle(amount))
        if not first:
            return False
        if amount != Amount():
            for unchecked in self.unchecked:
                self.spending.count(unchecked, amount)
        for run in self.runs:
            run.add(amount)
        return True

    def release(self) -> None:
        """End the hold: nothing was used."""
        self._first()
        self._end(lambda hold: hold.release())

    def renew(self, ttl_s: float) -> None:
        """Let the hold last for `ttl_s` seconds from now."""
        for hold in self.holds:
            try:
                hold.renew(ttl_s)
            except LedgerError as error:
                self.spending.warn_broken(error)

    def _end(self, end: Callable[[Hold], bool]) -> None:
        """End every hold. What cannot be told now the ledger tells later."""
        for hold in self.holds:
            try:
                end(hold)
            except LedgerError as error:
                self.spending.warn_broken(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held for one attempt in the ledger of calls and in its budgets; both end together."""

    row: LedgerHold
    charge: Charge | None = None

    def settle(self, attempt: Attempt, cost_usd: float | None) -> None:
        """Replace what is held by what the attempt used."""
        self.row.settle(attempt, cost_usd)
        if self.charge is not None:
            self.charge.settle(attempt)

    def renew(self, ttl_s: float) -> None:
        """Let both last for `ttl_s` seconds from now."""
        self.row.renew(ttl_s)
        if self.charge is not None:
            self.charge.renew(ttl_s)
