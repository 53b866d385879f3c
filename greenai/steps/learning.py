"""How feedback enters a call, and how it is given: what the project taught is read, decisions counted, labels kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from greenai.correction import Correction, Label
from greenai.errors import InvalidRequest
from greenai.ledger import shipped
from greenai.steps import Flow, Plan, Steps, caching, fail_open, meaning
from greenai.values import Assessment, Receipt, Request, Work

__all__ = ["corrected", "drift", "flush", "learn", "told"]


# --- within a call --------------------------------------------------------------------------


def corrected(request: Request, assessment: Assessment, steps: Steps) -> Flow[Correction | None]:
    """Return what the project's feedback taught; it is read once, and then every few minutes."""
    project, method = request.options.project, assessment.method
    if not steps.feedback.is_read(project, method):
        read = partial(steps.feedback.read, project, method)
        yield Work("feedback", partial(fail_open, "Feedback could not be read; the call goes on without.", read, None))
    return steps.feedback.correction(project, method)


def drift(request: Request, plan: Plan, steps: Steps) -> tuple[str, ...]:
    """Count a decision, and return the warning that its project has drifted, once."""
    if plan.ladder is None or plan.assessment is None or not plan.assessment.calibrated:
        return ()
    count = partial(steps.feedback.count, request.options.project, plan.assessment.method, plan.assessment.large_gain)
    said = fail_open("A decision could not be counted.", count, None)
    return () if said is None else (said,)


def flush(receipt: Receipt, steps: Steps) -> None:
    """Write what was counted, once it is worth a write; it waits for the disk."""
    write = partial(steps.feedback.flush, receipt.project, receipt.decision.method)
    fail_open("Counted decisions could not be written.", write, None)


# --- after it -------------------------------------------------------------------------------


def learn(answered: Receipt | str, steps: Steps, *, good: bool, source: str) -> Flow[None]:
    """Learn from one answer; a bad one is not given again from the cache.

    Raises:
        InvalidRequest: `answered` is no id of a call of the ledger, nor how a single one begins.
    """
    label = yield Work("feedback", partial(_label, answered, steps, good=good, source=source))
    if isinstance(answered, str) and label is not None:
        answered = label.call_id
    if label is not None and label.outcome == "semantic_cache":
        # The stored answer is another question's, for which nobody said that it was bad.
        if not good:
            yield from meaning.refuted(answered, steps)
    elif not good:
        yield from caching.forgotten(answered, steps)
    if label is not None:
        yield Work("feedback", partial(fail_open, _FAILED, partial(steps.feedback.label, label), None))


_FAILED = "What was said of an answer could not be kept."


def _label(answered: Receipt | str, steps: Steps, *, good: bool, source: str) -> Label | None:
    if isinstance(answered, str):
        return _of_call(answered, steps, good=good, source=source)
    decision = answered.decision
    loss, top_bad = shipped(answered)
    return Label(
        call_id=answered.call_id,
        project=answered.project,
        method=decision.method,
        loss=loss,
        model=answered.model,
        outcome=answered.outcome,
        good=good,
        source=source,
        top_bad=top_bad or 0.0,
    )


def _of_call(call_id: str, steps: Steps, *, good: bool, source: str) -> Label:
    row = steps.ledger.call(call_id := steps.ledger.whole(call_id))
    if row is None:
        raise InvalidRequest(
            f"The ledger has no call {call_id!r}, so nothing can be learnt from it. Pass the response itself, or the "
            "call_id of its receipt, on the machine that made the call."
        )
    return Label(
        call_id=call_id,
        project=row["project"],
        method=row["classifier"] or "",
        loss=row["loss"],
        model=row["model"],
        outcome=row["outcome"],
        good=good,
        source=source,
        top_bad=row["top_bad"] or 0.0,
    )


def told(answered: Any, wish: str) -> Receipt | str:
    """Return the receipt of a response, or what was given: a receipt, or a call's id."""
    found = answered if isinstance(answered, (str, Receipt)) else getattr(answered, "greenai", None)
    if isinstance(found, (str, Receipt)):
        return found
    if answered is None or isinstance(answered, (bool, int, float, bytes)):
        raise InvalidRequest(
            f"{answered!r} is no answer, so greenai cannot {wish}. Pass what client.chat.completions.create() or "
            "client.ask() returned, its receipt, or the receipt's call_id."
        )
    raise InvalidRequest(
        f"This {type(answered).__name__} has no receipt, so greenai did not give it and cannot {wish}. Pass what "
        "client.chat.completions.create() or client.ask() returned, its receipt, or the receipt's call_id."
    )
