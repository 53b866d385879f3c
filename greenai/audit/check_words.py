"""What is said of a check: before it, what would be sent where; after it, what was found and what it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.report.words import count
from greenai.units import format_energy

if TYPE_CHECKING:
    from greenai.audit.side_by_side import Check, Planned

__all__ = ["found", "would"]


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
    """Yield what was found."""
    models = ", ".join(check.models)
    if check.risk is None:
        yield "Check: nothing was compared; every risk is still an estimate."
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
        yield f"   Stopped after {count(done)} of {count(check.planned)}: {check.stopped}"
    yield from _left_out(check.left_out)


def _left_out(left_out: Mapping[str, int]) -> Iterator[str]:
    if left_out:
        said = "; ".join(f"{why}: {count(calls)}" for why, calls in left_out.items())
        yield f"   Calls that were not to be asked again, by what stands against it: {said}."
