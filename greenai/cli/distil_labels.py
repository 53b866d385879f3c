"""`greenai distil --labels`: what asking the large model would take, the asking, and what came of it, in words."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai.cli.common import console, plain, print_json
from greenai.cli.distil_told import span
from greenai.errors import InvalidRequest
from greenai.progress import bar
from greenai.units import JOULES_PER_WH, significant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from greenai.distil.asking import Asked, Plan
    from greenai.distil.pairs import Pairs
    from greenai.distil.templates import Candidate
    from greenai.settings import Settings

__all__ = ["Answered", "Labels", "asked", "beside", "check"]

ROOM = 1.2
"""So much more than what is expected at most is proposed as a budget, which holds something for each call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What was asked for: how many labels, of whom, within what, and the file that keeps them."""

    count: int
    teacher: str
    budget: str | None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of it: the pairs with the labels, how the asking went, and which other models answered pairs."""

    pairs: Pairs
    found: Asked
    wanted: Labels
    others: tuple[str, ...] = ()

    @property
    def teachers(self) -> str:
        """Whose answers the pairs hold, in words."""
        return " and ".join((*self.others, self.found.teacher))

    def to_dict(self) -> dict[str, Any]:
        """Return how the asking went, as plain JSON values."""
        found = self.found
        return {
            "teacher": found.teacher,
            "asked": found.asked,
            "unanswered": found.first,
            "again": found.asked - found.first,
            "kept": found.kept,
            "failed": dict(found.failed),
            "stopped": found.stopped,
            "file": str(self.wanted.path),
            "budget": self.wanted.budget,
            "spent": dataclasses.asdict(found.spent),
        }


def beside(target: Path, work: Path | None) -> Path:
    """Return the file that keeps labels: in the folder of `--work`, else beside the task model's."""
    return target.with_suffix(".labels.jsonl") if work is None else work / "labels.jsonl"


def check(budget: str | None) -> None:
    """Refuse a budget that cannot be read, before a log is, and one that comes back with time.

    Raises:
        InvalidRequest: it is such a one.
    """
    from greenai.budget import Budget

    if budget is None:
        return
    told = Budget.parse(budget)
    if told.window.kind != "total":
        raise InvalidRequest(
            f'--budget "{budget}" comes back with time, and asking for labels has one budget for all its runs. Write '
            f'--budget "{told.shown(told.limit)}".'
        )


def asked(pairs: Pairs, chosen: Candidate, wanted: Labels, settings: Settings, *, as_json: bool) -> Answered | None:
    """Return the pairs with the labels that the large model gives; None where no budget allows to ask it."""
    from greenai import Client
    from greenai.distil import asking
    from greenai.distil.kept import Kept
    from greenai.distil.worth import tokens

    with closing(Kept(wanted.path)) as kept:
        plan = asking.planned(
            pairs, wanted.count, wanted.teacher, kept, models=[m for m in chosen.models[:1] if m != "?"],
            usage=tokens(chosen),
        )  # fmt: skip
        if wanted.budget is None and plan.prompts:
            _tell_plan(plan, as_json=as_json)
            return None
        if not as_json:
            _say(_plan(plan, wanted.budget))
        watched = not as_json and sys.stderr.isatty()
        with Client(settings=settings) as client, bar("asking", watched=watched) as moved:
            found = asking.asked(plan, client, wanted.budget or "", kept, moved=moved)
        merged = asking.merged(plan, kept)
    if not as_json:
        for line in _found(found, plan, merged, wanted):
            _say(line)
    return Answered(pairs=merged, found=found, wanted=wanted, others=plan.other if pairs.texts else ())


def _say(line: str) -> None:
    console().print(plain(line), markup=False, soft_wrap=True)


def _tell_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json({"would_ask": _told(plan)})
        return
    _say(_plan(plan, None))
    most = plan.expected.high_j
    within = "5Wh" if most is None else _budget(most * ROOM)
    instead = f"; to go on with those that are kept: --labels {plan.kept}" if plan.kept else ""
    _say(f'Nothing was asked yet. To ask, add what it may take: --budget "{within}"{instead}')


def _budget(energy_j: float) -> str:
    wh = energy_j / JOULES_PER_WH
    return f"{significant(wh)}Wh" if wh >= 0.1 else f"{significant(wh * 1e3)}mWh"


def _told(plan: Plan) -> Mapping[str, Any]:
    return {
        "teacher": plan.teacher,
        "prompts": len(plan.prompts),
        "unanswered": plan.first,
        "again": len(plan.prompts) - plan.first,
        "kept": plan.kept,
        "expected_j": plan.expected.energy_j,
        "expected_low_j": plan.expected.low_j,
        "expected_high_j": plan.expected.high_j,
    }


def _plan(plan: Plan, budget: str | None) -> str:
    again = len(plan.prompts) - plan.first
    parts = [f"{plan.first:,} without a whole answer in the log"] if plan.first else []
    parts += [f"{again:,} again, which tells how often it does not say the same twice"] if again else []
    kept = f" {plan.kept:,} more are kept from before." if plan.kept else ""
    if not plan.prompts:
        return f"Nothing is left to ask {plan.teacher}: {plan.kept:,} labels are kept from before."
    within = "" if budget is None else _within(plan, budget)
    return f"Asks {plan.teacher} {len(plan.prompts):,} prompts: {', '.join(parts)}.{kept} {_expects(plan)}{within}."


def _within(plan: Plan, text: str) -> str:
    from greenai.budget import Budget

    budget = Budget.parse(text)
    spent = plan.spent.of(budget.unit)
    left = max(budget.limit - spent, 0.0)
    said = f", {budget.shown(left)} left of {text}" if spent else f" of {text}"
    expected = plan.expected.energy_j
    if budget.unit == "energy_j" and expected and expected > left:
        said += f": enough for about {int(len(plan.prompts) * left / expected):,} of them"
    return said


def _expects(plan: Plan) -> str:
    if plan.expected.energy_j is None:
        return f"What that takes is not known ({plan.expected.method}),"
    return f"Expected: {span(plan.expected)}"


def _found(found: Asked, plan: Plan, merged: Pairs, wanted: Labels) -> Iterator[str]:
    from greenai.distil.threshold import REPEATS

    none = sum(found.failed.values())
    why = f" No label: {', '.join(f'{n:,} {why}' for why, n in sorted(found.failed.items()))}." if none else ""
    if found.asked:
        yield (
            f"{found.teacher} answered {found.asked - none:,} of {found.asked:,} prompts ({found.first:,} without a "
            f"whole answer in the log, {found.asked - found.first:,} again).{why}"
        )
    yield f"Asking took {span(found.reading)} in all; answers are kept in {wanted.path}."
    if found.stopped is not None:
        left = len(plan.prompts) - found.asked
        yield f"Ended with {left:,} prompts left: {found.stopped} {_go_on(found, wanted)}"
    elif any(why.endswith("Error") for why in found.failed):
        yield "The same line asks those again that failed, and no others."
    if plan.other:
        yield (
            f"The log's answers are of {' and '.join(plan.other)}, and {found.teacher} may say otherwise: the task "
            "model learns both. Where that is not wanted, ask the log's own model."
        )
    repeated = len(merged.texts) - len(set(merged.texts))
    if found.asked > found.first and repeated < REPEATS:
        needed = found.kept + found.asked + REPEATS - repeated
        how = f": --labels {needed}" if needed <= len(plan.every) else ", and the log has not as many"
        yield f"Prompts answered twice: {repeated:,}; from {REPEATS} on they tell how often the model slips{how}."


def _go_on(found: Asked, wanted: Labels) -> str:
    more = f', with a larger --budget than "{wanted.budget}"' if "budget" in (found.stopped or "").lower() else ""
    return f"The same line goes on{more}: what was answered is not asked again."
