"""`greenai audit --check`: cheaper answers beside the logged ones.

What is free is compared at once; the small model is asked within a budget, and without one nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.audit.check_plan import Planned
    from greenai.audit.estimate import Looked
    from greenai.audit.side_by_side import Check
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
        """Refuse, before a log is read, a budget that cannot be read, or one for models that nobody names.

        Raises:
            InvalidRequest: that is so.
        """
        if self.budget is None:
            return
        from greenai.audit.check_plan import NO_LADDER
        from greenai.budget.limits import Budget
        from greenai.errors import InvalidRequest

        Budget.parse(self.budget)
        if not self.ladder:
            raise InvalidRequest(NO_LADDER)

    def __call__(self, looked: Looked, texts: Texts, moved: Moved | None) -> Check:
        """Compare what is free, and ask, where there is a budget."""
        from greenai.audit.check_plan import planned
        from greenai.audit.rungs import tried
        from greenai.audit.side_by_side import asked, unasked

        if moved is not None:
            moved("checking", done=0, total=None, said="what answers without a general model")
        rungs = tried(looked, texts, [table.file for table in self.settings.distilled])
        self.plan = planned(looked, texts, self.most, ladder=self.ladder) if self.ladder else None
        if self.budget is None or self.plan is None:
            return unasked(rungs)
        from greenai import Client

        journal = None if self.folder is None else self.folder / JOURNAL
        with Client(settings=self.settings) as client:
            return asked(self.plan, client, self.budget, rungs=rungs, journal=journal, moved=moved)

    def said(self, check: Check | None) -> tuple[str, ...]:
        """Return what is said of it, in lines."""
        from greenai.audit import check_words
        from greenai.audit.check_plan import NO_LADDER

        if check is None:
            return ()
        if self.budget is not None:
            asked = check_words.found(check)
        else:
            asked = iter((f"Check: {NO_LADDER}",)) if self.plan is None else check_words.would(self.plan, self.places())
        return (*check_words.free(check), *asked)

    def places(self) -> Mapping[str, str]:
        """Return where each model of the ladder is."""
        return {
            rung.model: HERE if rung.model.startswith("local/") else rung.base_url or f"at {rung.model.split('/')[0]}"
            for rung in self.settings.ladder or ()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what would be asked, as plain JSON values; nothing where it was asked."""
        if self.plan is None or self.budget is not None:
            return {}
        return {
            "would_send": dict(self.plan.models), "to": dict(self.places()), "input_tokens": self.plan.input_tokens,
            "energy_j": self.plan.energy_j, "left_out": dict(self.plan.left_out), "covered": self.plan.covered,
        }  # fmt: skip
