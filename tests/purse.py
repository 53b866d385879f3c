"""Budgets of a test's client, and what is counted in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenai.background import background
from greenai.budget import Amount, Budget
from greenai.errors import BudgetExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenai.client import AsyncClient, Client

STREAMED = "one two three four five six seven eight nine ten"


def limited(**budget: Any) -> dict[str, Any]:
    """Settings with a budget for the default project."""
    return {"projects": {"default": {"budget": budget}}, "cache": "off", "without_opt_in": "downgrade"}


def used(client: Client | AsyncClient, text: str = "1000000/hour", scope: str = "project/default") -> Amount:
    """What is settled in the window of a budget; nothing may be held."""
    assert background.drain()
    state = client._session.resources.spending.ledger.spent(scope, Budget.parse(text, unit="calls"))
    assert state.all_held == Amount()
    assert client._session.resources.ledger.check()["holds"] == 0
    return state.all_settled


def messages(n: int = 0) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Say hello to my friend Ada, number {n}."}]


def ending(call: Callable[[], object]) -> str:
    """Make a call, and say how it ended: answered, or the words in which it was refused."""
    try:
        call()
    except BudgetExceeded as refusal:
        return str(refusal)
    return "answered"
