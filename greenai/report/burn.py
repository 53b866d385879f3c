"""The state of every budget of the settings, how it burns down, and when it will be spent at this pace.

The amounts are the budget ledger's. How they came about over the window is read from the ledger of calls: it knows
projects and features, no users and no keys. The forecast is linear: what was settled since the window began, carried on
at the same pace. It knows of no weekends; it is told as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from greenai import spending
from greenai.budget import BudgetState, open_ledger
from greenai.spending import Cap, SpendingSettings
from greenai.store.reading import LedgerReader

__all__ = ["EACH", "METHOD", "Burn", "burns", "points"]

METHOD = "linear: what was settled since the window began, carried on at the same pace"
EACH = ("user", "key")
LEAST_S = 60.0
STEPS = 96

_MEMORY = ":memory:"
_AMOUNTS = {
    "energy_j": "energy_j",
    "usd": "cost_usd",
    "carbon_g": "carbon_g",
    "tokens": "coalesce(input_tokens, 0) + coalesce(output_tokens, 0)",
    "calls": "1",
    "reasoning_calls": "CASE WHEN reasoning THEN 1 END",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """One budget of one scope: its state at `now`, its rule, and what it will be at this pace.

    Attributes:
        state: what was settled, held and is left, in the unit of `Amount`.
        when_spent: what happens when nothing is left.
        now: when this was read.
        at_end: what will be used when the window ends; None where nothing can be said.
        spent_at: when it will be spent, if that is before the window's end; the present where it is spent.
        why_none: why there is no forecast, in words; empty where there is one.
    """

    state: BudgetState
    when_spent: str
    now: datetime
    at_end: float | None = None
    spent_at: datetime | None = None
    why_none: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; amounts in `unit`, and moments in the budget's time zone."""
        state, budget = self.state, self.state.budget
        return {
            "scope": state.scope,
            "budget": budget.text,
            "unit": budget.unit,
            "limit": state.limit,
            "settled": state.settled,
            "held": state.held,
            "left": state.left,
            "debt": state.debt,
            "timezone": budget.timezone,
            "window": budget.window.kind,
            "window_start": _iso(state.window_start),
            "window_end": _iso(state.window_end),
            "when_spent": self.when_spent,
            "forecast": {
                "method": METHOD,
                "at": _iso(self.now),
                "spent_at": _iso(self.spent_at),
                "used_at_window_end": self.at_end,
                "none_because": self.why_none or None,
            },
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def burns(settings: SpendingSettings, scopes: Sequence[str] = (), now: datetime | None = None) -> list[Burn]:
    """Return every budget of the settings that has one scope, and those of the users and keys named in `scopes`.

    Args:
        settings: the tables.
        scopes: only these, such as "project/support-bot" or "user/3f2a..."; all that are known where it is empty.
        now: the present, if it is not now.

    Raises:
        LedgerError: where they are counted cannot be read.
    """
    pairs = _pairs(spending.caps(settings), scopes)
    if not pairs:
        return []
    address = spending.address(settings)
    if "://" not in address and not Path(address).exists():
        address = _MEMORY  # nothing was counted yet, and looking makes no file
    ledger = open_ledger(address)
    try:
        states = ledger.spent_all([(cap.scope, cap.budget) for cap in pairs])
    finally:
        ledger.close()
    present = now or datetime.now(UTC)
    return [_burn(cap, state, present) for cap, state in zip(pairs, states, strict=True)]


def _pairs(caps: Mapping[str, Sequence[Cap]], scopes: Sequence[str]) -> list[Cap]:
    if not scopes:
        return [cap for scope, each in caps.items() if scope not in EACH for cap in each]
    found: list[Cap] = []
    for scope in scopes:
        each = caps.get(scope) or caps.get(scope.partition("/")[0], ())
        found += (Cap(scope=scope, budget=cap.budget, rule=cap.rule) for cap in each)
    return found


def _burn(cap: Cap, state: BudgetState, now: datetime) -> Burn:
    at_end, spent_at, why_none = _forecast(state, now)
    return Burn(
        state=state, when_spent=cap.rule.when_spent, now=now, at_end=at_end, spent_at=spent_at, why_none=why_none
    )


def _forecast(state: BudgetState, now: datetime) -> tuple[float | None, datetime | None, str]:
    """Return what will be used at the window's end, when the budget will be spent, and why nothing can be said."""
    if state.left <= 0:
        return None, now, ""
    start, end = state.window_start, state.window_end
    if state.budget.window.kind == "rolling" or start is None or end is None:
        return None, None, "its window rolls: what is used leaves it again"
    elapsed_s = (now - start).total_seconds()
    if elapsed_s < LEAST_S:
        return None, None, "its window has just begun"
    if state.settled <= 0:
        return 0.0 + state.held, None, ""
    pace = state.settled / elapsed_s
    at_end = state.settled + state.held + pace * (end - now).total_seconds()
    spent_at = now + timedelta(seconds=min(state.left / pace, 1e9))
    return at_end, spent_at if spent_at < end else None, ""


def points(reader: LedgerReader | None, burn: Burn) -> list[tuple[datetime, float]]:
    """Return how much was used at moments of the window, from its beginning until now.

    The shape is that of the ledger of calls, the height the budget's: calls of no known price or energy are charged at
    a default there. Without rows of calls it is the straight line between both ends.
    """
    state = burn.state
    start = state.window_start
    if start is None:
        return [(burn.now, state.settled)]
    rows = [] if reader is None else _used(reader, burn, start.timestamp())
    total = sum(amount for _, amount in rows)
    found = [(start, 0.0)]
    if total > 0:
        so_far = 0.0
        for moment, amount in rows:
            so_far += amount
            found.append((datetime.fromtimestamp(moment, start.tzinfo), state.settled * so_far / total))
    return [*found, (burn.now.astimezone(start.tzinfo), state.settled)]


def _used(reader: LedgerReader, burn: Burn, since: float) -> list[tuple[float, float]]:
    kind, _, name = burn.state.scope.partition("/")
    if kind not in ("organisation", "project", "feature"):
        return []
    until = burn.now.timestamp()
    step_s = max((until - since) / STEPS, 1.0)
    whose = "" if kind == "organisation" else f"AND {kind} = :name"
    amount = _AMOUNTS[burn.state.budget.unit]
    rows = reader.rows(
        f"SELECT max(created) AS moment, coalesce(sum({amount}), 0) AS amount FROM calls "  # noqa: S608 (text of here)
        f"WHERE created >= :since AND created < :until {whose} "
        "GROUP BY CAST((created - :since) / :step AS INTEGER) ORDER BY 1",
        {"since": since, "until": until, "name": name, "step": step_s},
    )
    return [(row["moment"], float(row["amount"])) for row in rows]
