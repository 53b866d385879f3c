"""What is said of a check: before it, what would be sent where; after it, what was found and what it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.report.words import clean, count
from greenai.units import format_energy

if TYPE_CHECKING:
    from greenai.audit.check_plan import Planned
    from greenai.audit.rungs import Tried
    from greenai.audit.side_by_side import Check

__all__ = ["found", "free", "would"]


def would(plan: Planned, places: Mapping[str, str]) -> Iterator[str]:
    """Yield what would be asked of which model, and where that is; nothing was asked yet.

    Args:
        plan: what would be asked.
        places: where each model is.
    """
    if not plan.pairs:
        yield "Check: there is no call to ask again."
    for model, calls in plan.models.items():
        place = places.get(model, "not told")
        yield f"Check: would send {count(calls)} prompts of the log to {model} ({place})."
    if plan.pairs:
        took = "an energy that is not known" if plan.energy_j is None else f"about {format_energy(plan.energy_j)}"
        yield f"   About {count(plan.input_tokens)} tokens of prompts, and {took}. Nothing was sent yet."
        yield "   To ask: the same command with --budget, such as --budget 2Wh."
    yield from _left_out(plan.left_out)


def found(check: Check) -> Iterator[str]:
    """Yield what was found of what was asked."""
    models = ", ".join(check.models)
    if check.risk is None:
        yield "Check: nothing was compared; the small model's risk is still an estimate."
    else:
        yield (
            f"Check: {models} said something else than the log in {count(check.worse)} of "
            f"{count(check.compared)} answers: {wording.part(check.risk.share)}. It took "
            f"{format_energy(check.energy_j)}."
        )
        yield (
            f"   Such answers are {check.covered:.0%} of those that routing would give to it: "
            + (
                "the risk above is the measured one."
                if check.stands_for_all
                else "too few to speak for all, so the risk above is still the estimate."
            )
        )
    if check.failed:
        yield f"   {count(check.failed)} were not answered, and are in no share."
    if check.stopped is not None:
        done = check.compared + check.failed
        yield f"   Stopped after {count(done)} of {count(check.planned)}: {clean(check.stopped)}"
    yield from _left_out(check.left_out)


def free(check: Check) -> Iterator[str]:
    """Yield what the ways without a general model said beside the log, those that answered nothing left out."""
    for rung in check.rungs:
        if rung.why is not None:
            yield f"Check: {clean(rung.name)} could not be tried: {clean(rung.why)}"
        elif rung.risk is not None:
            yield (
                f"Check: {clean(rung.name)} said something else than the log in {count(rung.differ)} of "
                f"{count(rung.compared)} answers: {wording.part(rung.risk.share)}. {_stands(check, rung)}"
            )
        elif rung.answered:
            yield (
                f"Check: {clean(rung.name)} would have answered {count(rung.answered, 'call')} that were looked at; "
                "none of these answers could be compared."
            )


def _stands(check: Check, rung: Tried) -> str:
    if rung.by in check.measured:
        return "Its risk above is the measured one."
    return "Too few to take the place of what is assumed."


def _left_out(left_out: Mapping[str, int]) -> Iterator[str]:
    if left_out:
        said = "; ".join(f"{why}: {count(calls)}" for why, calls in left_out.items())
        yield f"   Calls that were not to be asked again, by what stands against it: {said}."
