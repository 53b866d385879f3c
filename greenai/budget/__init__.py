"""How much may be used: budgets, and the ledger that holds an amount before a call and settles it after.

A library of its own: no settings, no calls.
"""

from __future__ import annotations

from greenai.budget.amounts import UNITS, Amount, Unit
from greenai.budget.ledger import BudgetLedger, BudgetState, Hold, OpenHold, open_ledger
from greenai.budget.limits import Budget
from greenai.budget.windows import Window
from greenai.errors import BudgetExceeded

__all__ = [
    "UNITS",
    "Amount",
    "Budget",
    "BudgetExceeded",
    "BudgetLedger",
    "BudgetState",
    "Hold",
    "OpenHold",
    "Unit",
    "Window",
    "open_ledger",
]
