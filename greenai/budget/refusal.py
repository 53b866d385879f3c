"""What is said when a budget has too little left: the numbers in its own unit, its window's end, the next step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from greenai.budget.amounts import UNITS, Unit, from_parts, whole_parts
from greenai.errors import BudgetExceeded

if TYPE_CHECKING:
    from datetime import datetime

    from greenai.budget.limits import Budget
    from greenai.store.budget_base import Parts, Totals

__all__ = ["exceeded"]

_SMALLER = "use a smaller model or a shorter output"
_LESS: dict[Unit, str] = {
    "energy_j": _SMALLER,
    "usd": _SMALLER,
    "carbon_g": _SMALLER,
    "tokens": "use a shorter input or output",
    "reasoning_calls": "ask without reasoning",
}
"""What takes less of a quantity. Nothing takes less than a call."""


def exceeded(scope: str, budget: Budget, parts: Parts, totals: Totals, end: datetime | None) -> BudgetExceeded:
    """Return the error for a budget that has too little left.

    Args:
        scope: whose it is.
        budget: the budget.
        parts: what was to be held.
        totals: what is settled and held already.
        end: when the window ends, or its oldest part leaves one that rolls.
    """
    column, unit = UNITS.index(budget.unit), budget.unit
    settled, held = totals.settled[column], totals.held[column]
    left = whole_parts(budget.limit, unit) - settled - held
    needed = from_parts(parts[column], unit)

    def shown(count: int) -> str:
        return budget.shown(from_parts(count, unit))

    state = (
        f"has {shown(left)} left of its budget of {budget.text}"
        if left >= 0
        else f"has overspent its budget of {budget.text} by {shown(-left)}"
    )
    message = (
        f"{scope} {state} ({shown(settled)} settled, {shown(held)} held), and this needs {shown(parts[column])}. "
        f"{_next_step(scope, budget, parts[column], settled + held, end)}"
    )
    return BudgetExceeded(
        message,
        scope=scope,
        budget=budget.text,
        unit=budget.unit,
        needed=needed,
        left=from_parts(left, unit),
        limit=budget.limit,
        settled=from_parts(settled, unit),
        held=from_parts(held, unit),
        window_end=end,
    )


def _next_step(scope: str, budget: Budget, needed: int, used: int, end: datetime | None) -> str:
    """Say what helps: asking for less where something is left, waiting where the whole budget is enough."""
    limit, less = whole_parts(budget.limit, budget.unit), _LESS.get(budget.unit)
    ways = [f"Raise the budget to {_at_least(budget, used + needed)} at least"]
    later = _later(scope, budget, end)
    if less and (used < limit or budget.unit == "reasoning_calls"):
        ways.append(less)
    if needed <= limit:
        ways += later
    elif less and used >= limit and less not in ways:
        ways += [f"{way}, and {less}" for way in later]
    return ", or ".join((", ".join(ways[:-1]), ways[-1])) + "." if ways[1:] else f"{ways[0]}."


def _later(scope: str, budget: Budget, end: datetime | None) -> list[str]:
    if end is None:
        return ["begin a new run with a budget of its own"] if scope.startswith("run/") else []
    when = f"{end:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + f" ({budget.timezone})"
    return [f"wait until {when}" + (", when the oldest part of it is free again" if budget.window.length_s else "")]


def _at_least(budget: Budget, parts: int) -> str:
    """Format an amount so that what is written is not less."""
    amount = from_parts(parts, budget.unit) / budget.scale
    step = 10.0 ** (math.floor(math.log10(amount)) - 3)  # four digits are shown
    if budget.unit in ("tokens", "calls", "reasoning_calls"):  # all of theirs
        step = 1.0
    return budget.shown(math.ceil(amount / step - 1e-6) * step * budget.scale)
