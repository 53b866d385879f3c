"""`greenai audit --check`: the small model is asked beside the log, within a budget; without one, nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.audit.estimate import Looked
    from greenai.audit.side_by_side import Check, Planned
    from greenai.audit.sufficing import Texts
    from greenai.progress import Moved
    from greenai.settings import Settings

__all__ = ["Checking"]

JOURNAL = "check.jsonl"
HERE = "on this machine"


@dataclass(slots=True, kw_only=True)
class Checking:
    """What an audit calls with what it looked at. `plan` is what would be asked, once it is known."""

    most: int
    budget: str | None
    folder: Path | None
    settings: Settings
    ladder: tuple[str, ...]
    plan: Planned | None = None

    def __post_init__(self) -> None:
        """Refuse, before a log is read, a budget that cannot be read.

        Raises:
            InvalidRequest: it cannot be.
        """
        if self.budget is not None:
            from greenai.budget.limits import Budget

            Budget.parse(self.budget)

    def __call__(self, looked: Looked, texts: Texts, moved: Moved | None) -> Check | None:
        """Ask, where there is a budget; None where there is none."""
        from greenai.audit.side_by_side import asked, planned

        self.plan = planned(looked, texts, self.most, ladder=self.ladder)
        if self.budget is None:
            return None
        from greenai import Client

        journal = None if self.folder is None else self.folder / JOURNAL
        with Client(settings=self.settings) as client:
            return asked(self.plan, client, self.budget, journal=journal, moved=moved)

    def said(self, check: Check | None) -> tuple[str, ...]:
        """Return what is said of it, in lines."""
        from greenai.audit import check_words

        if check is not None:
            return tuple(check_words.found(check))
        return () if self.plan is None else tuple(check_words.would(self.plan, self.places()))

    def places(self) -> Mapping[str, str]:
        """Return where each model of the ladder is."""
        return {
            rung.model: HERE if rung.model.startswith("local/") else rung.base_url or f"at {rung.model.split('/')[0]}"
            for rung in self.settings.ladder or ()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what would be asked, as plain JSON values."""
        if self.plan is None:
            return {}
        return {
            "would_send": dict(self.plan.models), "to": dict(self.places()), "input_tokens": self.plan.input_tokens,
            "energy_j": self.plan.energy_j, "left_out": dict(self.plan.left_out), "covered": self.plan.covered,
        }  # fmt: skip
