"""`greenai audit --check`: cheaper answers beside the logged ones.

What is free is compared at once; the small model is asked within a budget, and without one nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.audit.check_plan import Planned
    from greenai.audit.estimate import Looked
    from greenai.audit.side_by_side import Check, With
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
    judge: str | None = None
    again: int = 0
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
        from greenai.audit.rungs import tried
        from greenai.audit.side_by_side import asked, unasked

        if moved is not None:
            moved("checking", done=0, total=None, said="what answers without a general model")
        rungs = tried(looked, texts, [table.file for table in self.settings.distilled])
        self.plan = self._planned(looked, texts) if self.ladder else None
        if self.budget is None or self.plan is None:
            return unasked(rungs)
        from greenai import Client

        free = self._free(looked, texts, self.plan)
        journal = None if self.folder is None else self.folder / JOURNAL
        with Client(settings=self.settings) as client:
            return asked(self.plan, client, self.budget, free=free, rungs=rungs, journal=journal, moved=moved)

    def _planned(self, looked: Looked, texts: Texts) -> Planned:
        from greenai.audit.check_plan import once_more, planned
        from greenai.audit.judge import planted
        from greenai.audit.likeness import is_there

        free = self.judge is not None or is_there()
        plan = planned(looked, texts, self.most, ladder=self.ladder, free=free)
        if self.judge is not None:
            plan = replace(plan, known=planted(plan.pairs))
        return once_more(plan, self.again)

    def _free(self, looked: Looked, texts: Texts, plan: Planned) -> With:
        """Return what free answers are compared with."""
        from greenai.audit.judge import kin
        from greenai.audit.likeness import is_there, repeated, unrelated
        from greenai.audit.side_by_side import With

        logged = [pair.call.model or "" for pair in plan.pairs]
        relation = None if self.judge is None else kin(self.judge, logged, tuple(plan.models))
        if not is_there() or all(pair.form is not None for pair in plan.pairs):
            return With(judge=self.judge, kin=relation)
        own, identical = repeated(looked, texts)
        return With(
            judge=self.judge, kin=relation, embeds=True, repeated=tuple(own), identical=identical,
            unrelated=tuple(unrelated(plan.pairs)),
        )  # fmt: skip

    def said(self, check: Check | None) -> tuple[str, ...]:
        """Return what is said of it, in lines."""
        from greenai.audit import check_words
        from greenai.audit.check_plan import NO_LADDER

        if check is None:
            return ()
        if self.budget is not None:
            asked = check_words.found(check)
        else:
            would = () if self.plan is None else check_words.would(self.plan, self.places(), self.judge)
            asked = iter((f"Check: {NO_LADDER}",) if self.plan is None else would)
        return (*check_words.free(check), *asked)

    def places(self) -> Mapping[str, str]:
        """Return where each model is that would be asked."""
        named = [] if self.judge is None else [self.judge]
        named += [] if self.plan is None else [pair.model for pair in self.plan.again]
        place = {rung.model: rung.base_url for rung in self.settings.ladder or ()}
        return {
            model: HERE if model.startswith("local/") else place.get(model) or f"at {model.split('/')[0]}"
            for model in (*place, *named)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what would be asked, as plain JSON values; nothing where it was asked."""
        if self.plan is None or self.budget is not None:
            return {}
        plan = self.plan
        return {
            "would_send": dict(plan.models), "to": dict(self.places()), "input_tokens": plan.input_tokens,
            "comparisons": 0 if self.judge is None else 2 * (len(plan.pairs) + len(plan.known)),
            "again": len(plan.again), "energy_j": plan.energy_j, "left_out": dict(plan.left_out),
            "covered": plan.covered, "free": plan.free,
        }  # fmt: skip
