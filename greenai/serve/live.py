"""What the calls of the last 24 hours took, and what is left of the budgets, as plain JSON values."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from greenai import report
from greenai._locks import Lock
from greenai.report.burn import burns

if TYPE_CHECKING:
    from greenai.report.amounts import Amounts
    from greenai.settings import Settings

__all__ = ["Live"]

SPAN_S = 86_400.0
FRESH_S = 1.0


class Live:
    """Reads the ledger, at most once a second for each project, whoever looks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._read: dict[str | None, tuple[float, dict[str, Any]]] = {}

    def read(self, project: str | None) -> dict[str, Any]:
        """Return the figures of one project, or of all.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._lock:
            at, data = self._read.get(project, (-FRESH_S, {}))
            if time.monotonic() - at >= FRESH_S:
                data = self._anew(project)
                self._read[project] = time.monotonic(), data
            return data

    def _anew(self, project: str | None) -> dict[str, Any]:
        path, now = self._settings.ledger_path, time.time()
        found = None if path is None else report.read(path, since=now - SPAN_S, project=project)
        return {
            "at": round(now, 3),
            "hours": round(SPAN_S / 3600),
            "project": project,
            "ledger": path is not None,
            "total": {} if found is None else _said(found.total),
            "by_outcome": [] if found is None else [
                {"outcome": group.name, **_said(group.amounts)}
                for group in sorted(found.by_outcome, key=lambda group: -group.amounts.calls)
            ],
            "budgets": self._budgets(project),
        }  # fmt: skip

    def _budgets(self, project: str | None) -> list[dict[str, Any]]:
        scopes = () if project is None else (f"project/{project}",)
        return [
            {
                **burn.to_dict(),
                "settled_text": burn.state.budget.shown(burn.state.settled),
                "left_text": burn.state.budget.shown(max(burn.state.left, 0.0)),
            }
            for burn in burns(self._settings, scopes)
        ]


def _said(amounts: Amounts) -> dict[str, Any]:
    return {
        "calls": amounts.calls,
        "energy_j": amounts.energy_j,
        "low_j": amounts.low_j,
        "high_j": amounts.high_j,
        "energy_unknown": amounts.energy_unknown,
        "avoided_j": amounts.avoided_j,
        "cost_usd": amounts.cost_usd,
        "carbon_g": amounts.carbon_g,
    }
