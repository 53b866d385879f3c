"""What is said of a check: before it, what would be sent where; after it, what was found and what it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from greenai.audit import wording
from greenai.audit.shares import interval
from greenai.report.words import clean, count
from greenai.units import format_energy

if TYPE_CHECKING:
    from greenai.audit.check_plan import Planned
    from greenai.audit.judge import Verdicts
    from greenai.audit.likeness import Likeness
    from greenai.audit.rungs import Tried
    from greenai.audit.side_by_side import Check

__all__ = ["found", "free", "would"]

FEWEST_REPEATED = 20
"""Second answers of the large model, below which no share is told (likeness.py)."""


def would(plan: Planned, places: Mapping[str, str], judge: str | None = None) -> Iterator[str]:
    """Yield what would be asked of which model, and where that is; nothing was asked yet.

    Args:
        plan: what would be asked.
        places: where each model is.
        judge: compares free answers.
    """
    if not plan.pairs:
        yield "Check: there is no call to ask again."
    for model, calls in plan.models.items():
        yield f"Check: would send {count(calls)} prompts of the log to {model} ({places.get(model, 'not told')})."
    if plan.pairs:
        took = "an energy that is not known" if plan.energy_j is None else f"about {format_energy(plan.energy_j)}"
        yield f"   About {count(plan.input_tokens)} tokens of prompts, and {took}. Nothing was sent yet."
        if judge is not None:
            compared = len(plan.pairs) + len(plan.known)
            yield (
                f"   And {count(2 * compared)} comparisons to {judge} ({places.get(judge, 'not told')}): "
                f"{count(compared)} pairs of answers with their prompts, in both orders."
            )
        for model, calls in Counter(pair.model for pair in plan.again).items():
            yield f"   And {count(calls)} of the prompts once more to {model} ({places.get(model, 'not told')})."
        yield "   To ask: the same command with --budget, such as --budget 2Wh."
    yield from _left_out(plan.left_out)


def found(check: Check) -> Iterator[str]:
    """Yield what was found of what was asked."""
    models = ", ".join(check.models)
    if check.compared:
        share = interval(check.worse, check.compared) if check.verdicts or check.risk is None else check.risk.share
        yield (
            f"Check: {models} said something else than the log in {count(check.worse)} of "
            f"{count(check.compared)} answers: {wording.part(share)}. It took {format_energy(check.energy_j)}."
        )
    elif check.risk is None and not (check.verdicts and check.verdicts.judged):
        yield "Check: nothing was compared; the small model's risk is still an estimate."
    if check.verdicts is not None:
        yield from _judged(check.verdicts)
    if check.risk is not None:
        yield (
            f"   Such answers are {check.spoken_for:.0%} of those that routing would give to it: "
            + (
                "the risk above is the measured one."
                if check.stands_for_all
                else "too few to speak for all, so the risk above is still the estimate."
            )
        )
    if check.likeness is not None:
        yield from _alike(check.likeness)
    if check.failed:
        yield f"   {count(check.failed)} were not answered, and are in no share."
    if check.stopped is not None:
        yield f"   Stopped after {count(check.done)} of {count(check.planned)}: {clean(check.stopped)}"
    yield from _left_out(check.left_out)


def _judged(said: Verdicts) -> Iterator[str]:
    """Yield what a judge found, and what it is worth."""
    judge = clean(said.judge)
    if said.seen is not None:
        yield (
            f"Check: {judge} found the log's answer better in both orders in {count(said.worse)} of "
            f"{count(said.judged)} free answers, and the other in {count(said.better)}; {count(said.ties)} got two "
            f"different verdicts (a tie; {count(said.first_both)} for the first place both times), and of "
            f"{count(said.unsure)} it was unsure. Replies that could not "
            f"be read: {count(said.unreadable)}."
        )
    if said.sensitivity is not None and said.specificity is not None:
        yield (
            f"   Of {count(said.known_worse)} answers known to be worse it found {wording.part(said.sensitivity)}, and "
            f"of {count(said.known_good)} known to be as good it left {wording.part(said.specificity)} alone."
        )
    if said.why_not is not None:
        yield f"   It is not believed, and its verdicts are in no risk: {said.why_not}."
    elif said.share is not None:
        yield f"   Corrected for that, {wording.part(said.share)} of the free answers are worse."
    if said.kin is not None:
        yield f"   {clean(said.kin)}"


def _alike(said: Likeness) -> Iterator[str]:
    """Yield how alike free answers are; it is in no risk."""
    beside = [
        f"{what} {spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f}, {count(spread.pairs)})"
        for what, spread in (
            ("two answers of the large model to one prompt", said.repeated),
            ("answers to different prompts", said.unrelated),
        )
        if spread is not None
    ]
    yield (
        f"   Free answers by their vectors, median cosine (5% to 95%, pairs): the small model's and the log's "
        f"{said.small.median:.2f} ({said.small.low:.2f} to {said.small.high:.2f}, {count(said.small.pairs)})"
        + "".join(f"; {each}" for each in beside)
        + ". That is no quality, and in no risk."
    )
    if said.further is not None:
        yield (
            f"   {wording.part(said.further)} of the small model's are further from the log's than 95% of the large "
            "model's own second answers are."
        )
    else:
        own = 0 if said.repeated is None else said.repeated.pairs
        yield (
            f"   Too few to compare with: {count(own)} second answers of the large model, and {FEWEST_REPEATED} are "
            f"needed ({count(said.identical)} identical ones are not counted). --again {FEWEST_REPEATED} asks it again."
        )


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
