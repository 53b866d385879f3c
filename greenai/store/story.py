"""What a ledger keeps of a call's decision, as compact JSON: probabilities, thresholds, rungs, reasons and notes.

Reasons may quote the question (the word that looks like live data, a tool's working). Those are left out unless prompts
are kept: what is left says why, and nothing of what was asked.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenai.values import Check, Receipt, RungEstimate

__all__ = ["read", "written"]

# Only these were decided by a route; the reasons of the others tell what their tool or the cache read.
_ROUTED = ("small", "large")
_QUOTES = re.compile(r'"[^"]*"')
_CODE = re.compile(r'\b(?:quality|model|opt_in|reason|base_url)=(?:\{"[^"]*"\}|"[^"]*")')
_WORDS = ("words that ask", "Working: ")
# What an app puts into a note is written as it can: a story that fails would cost the row.
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def written(receipt: Receipt, *, whole: bool = False) -> str | None:
    """Return the story of a decision as JSON; None where there is nothing that the other columns do not tell.

    Args:
        receipt: the finished call.
        whole: keep the reasons that may quote the question too.
    """
    decision = receipt.decision
    reasons = decision.reasons
    if not whole:
        reasons = tuple(r for r in reasons if _is_told(r)) if decision.outcome in _ROUTED else ()
    told: dict[str, Any] = {
        "route": decision.route,
        "why": reasons,
        "checks": [_check(check, whole=whole) for check in decision.checks],
        "rungs": [_rung(estimate) for estimate in decision.estimates],
        "notes": [(note.nudge, note.text, note.override) for note in receipt.nudges],
        "budget": None if receipt.budget is None else receipt.budget.text,
        "observed": decision.observed or None,
    }
    kept = {name: value for name, value in told.items() if value}
    return _encode(kept) if kept else None


def read(story: str | None) -> dict[str, Any]:
    """Return a kept story with names instead of positions; empty where none was kept or it cannot be read."""
    try:
        data = json.loads(story) if story else {}
        if not isinstance(data, dict):
            return {}
        names = {
            "checks": ("name", "value", "threshold", "source"),
            "rungs": ("model", "tier", "energy_j", "p_good", "loss", "excluded"),
            "notes": ("nudge", "text", "override"),
        }
        return {
            key: [dict(zip(names[key], row, strict=True)) for row in value] if key in names else value
            for key, value in data.items()
        }
    except (ValueError, TypeError):
        return {}


def _is_told(reason: str) -> bool:
    if reason.startswith(_WORDS):
        return False
    return '"' not in reason or _QUOTES.search(_CODE.sub("", reason)) is None


def _check(check: Check, *, whole: bool) -> tuple[str, float, float, str | None]:
    source = check.source if whole or _is_told(check.source) else None
    return check.name, round(check.value, 4), round(check.threshold, 4), source


def _rung(estimate: RungEstimate) -> tuple[object, ...]:
    energy_j, p_good, loss = _short(estimate.energy.energy_j), _short(estimate.p_good), _short(estimate.loss)
    return estimate.model, estimate.tier, energy_j, p_good, loss, estimate.excluded


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
