"""What is said when a budget has too little left: the numbers in its own unit, its window's end, the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.budget.amounts import UNITS, from_parts, whole_parts
from greenai.errors import BudgetExceeded

if TYPE_CHECKING:
    from datetime import datetime

    from greenai.budget.limits import Budget
    from greenai.store.budget_base import Parts, Totals

__all__ = ["exceeded"]


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
        f"{_next_step(budget, needed, end)}"
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


def _next_step(budget: Budget, needed: float, end: datetime | None) -> str:
    if needed > budget.limit:
        return f"Raise the budget to {budget.shown(needed)} at least, or use a smaller model or a shorter output."
    if end is None:
        return "Raise the budget, use a smaller model or a shorter output, or begin a new run with a budget of its own."
    when = f"{end:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + f" ({budget.timezone})"
    wait = f"wait until {when}" + (", when the oldest part of it is free again" if budget.window.length_s else "")
    return f"Raise the budget, use a smaller model or a shorter output, or {wait}."
