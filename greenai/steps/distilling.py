"""Distilled task models in a call: asked before what else is registered, compared with what the large model answers.

    decide ── asked ── sure ── its answer, outcome task_model
                    ├─ shadow, audit, held back ── unsubstituted ── climb ── compared
                    ├─ not sure ── the rungs that follow ── heard, for a label that is new
                    └─ none has this template ── the rungs that follow

A model never sees a call with tools or with a form of its answer; nor one that asks for high quality, for an
escalation, or for no substitution. What is no text has no template. What a model takes is part of the call's overhead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from greenai import answerers
from greenai.answerers.shelf import CUT, Tried
from greenai.route import Ladder, Route
from greenai.steps import FUNCTION, Answering, Climbed, Flow, Plan, Steps, fail_open
from greenai.values import Check, Request, Rung, Work, forming, text_of

__all__ = ["compared", "distilled", "unsubstituted"]

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
FAILED = "A distilled task model failed; the call goes on without it."


def distilled(request: Request, steps: Steps, *, dry: bool) -> Flow[Answering]:
    """Answer by a distilled task model, if one has this prompt's template and is sure. A `dry` run only says which."""
    some = steps.shelf.asked()
    if not some or not _may_answer(request):
        return Answering()
    limit = min((n for name in LIMITS if isinstance(n := request.arguments.get(name), int)), default=None)
    ask = partial(steps.shelf.tried, some, request.messages, request.options.project, limit=limit, dry=dry)
    none: Tried | None = None
    tried: Tried | None = yield Work("distilled", partial(fail_open, FAILED, ask, none))
    if tried is None:
        return Answering()
    away_s = max(tried.elapsed_s - tried.core_s, 0.0)
    found = replace(Answering(), checks=_checks(tried), away_s=away_s)
    if tried.said is None:
        why = f"{tried.name} was asked first and abstained: {_why(tried)}."
        return replace(found, reasons=(why,), tried=tried if tried.watched and not dry else None)
    if tried.compares is not None:
        return replace(found, reasons=(_compares(tried),), tried=None if dry else tried)
    figures = f"(confidence {tried.confidence or 0.0:.3f}, from {tried.threshold:.3f} on)"
    if dry:
        would = f"The prompt has the template of {tried.name}, which is sure of its answer {figures}."
        return replace(found, outcome="task_model", reasons=(would,))
    reply = answerers.reply_of(request.call_id, tried.name, tried.said, tried.elapsed_s)
    why = f"The prompt has the template of {tried.name}, which answered {figures}; no language model was asked."
    promise = (
        f"Promised is what {tried.model.teacher or 'the large model'} says, {tried.model.promise:.1%} of the time."
    )
    guard = () if tried.guarded is None else (f"{_guard(tried)}, and so more is asked of an answer.",)
    return replace(found, outcome="task_model", reply=reply, reasons=(why, promise, *guard, answerers.OVERRIDE))


_ABSTAINED = {
    "unsure": "it was not sure enough",
    "unlike": "the text is unlike all that it has learnt",
    "slot": "what fills the template is too long, or no text",
    "other answer": "none of its labels fits",
    CUT: "its answer is longer than the tokens that the call allows",
}


def _why(tried: Tried) -> str:
    return _ABSTAINED.get(tried.why or "", str(tried.why))


def _may_answer(request: Request) -> bool:
    given = forming(request.arguments)
    is_function = request.api.startswith(FUNCTION)
    if is_function:
        given.discard("extra_body")  # which names the function, and forms nothing
    spoken = request.api in ("chat", "responses") or (is_function and not request.stream)
    if given or request.floor is not None or not (spoken and request.distils):
        return False
    return request.options.quality != "high" and request.options.substitute is not False


def _checks(tried: Tried) -> tuple[Check, ...]:
    if tried.confidence is None:
        return ()
    name = f"confidence of distilled:{tried.model.name}"
    return (Check(name=name, value=tried.confidence, threshold=tried.threshold, source=tried.name),)


def _guard(tried: Tried) -> str:
    since = datetime.fromtimestamp(tried.guarded or 0.0, UTC)
    return (
        f"{tried.name} is under guard since {since:%Y-%m-%d %H:%M} UTC, for prompts of a kind that it never saw arrive"
    )


def _compares(tried: Tried) -> str:
    if tried.compares == "guard":
        return f"{_guard(tried)}: this answer is held back; a model of the ladder answers, and both are compared."
    if tried.compares == "audit":
        return f"{tried.name} is sure of its answer; this call is audited, so a model of the ladder answers, too."
    if tried.fell is not None and tried.listed.mode == "on":
        return f"{tried.name} fell back to shadow: a model of the ladder answers, and both are compared."
    return f"{tried.name} runs in shadow: a model of the ladder answers, and both are compared."


# --- compared -------------------------------------------------------------------------------


def unsubstituted(own: Answering, chosen: Route, ladder: Ladder) -> Route:
    """Return the route of a call that is compared: the model that the app named, and none in its place."""
    compares = own.tried is not None and own.tried.compares is not None
    named = None if not compares or ladder.named is None else _rung(ladder.rungs, ladder.named)
    if named is None:
        return chosen
    reason = f"{named.model}, which the app named, is asked itself: what is to be compared is its answer."
    return replace(chosen, rungs=(named,), reasons=(reason,))


def _rung(rungs: Sequence[Rung], name: str) -> Rung | None:
    return next((rung for rung in rungs if rung.model == name), None)


def compared(request: Request, plan: Plan, climbed: Climbed | None, steps: Steps) -> Flow[tuple[str, ...]]:
    """Count whether the large model said what the task model would have; return what the receipt has to say.

    Where the task model was not sure, what any model said is heard.
    """
    tried = plan.own.tried
    if tried is None or climbed is None or not climbed.reply.complete:
        return ()
    if tried.compares is None:
        return (yield from _heard(tried, climbed, steps))
    is_large = _is_large(climbed, request, tried.model.teacher)
    reply = text_of(climbed.reply.text) if is_large else None
    compare = partial(steps.shelf.compared, tried, reply)
    none: str | None = None
    failed = "A distilled task model's answer could not be compared."
    said: str | None = yield Work("distilled", partial(fail_open, failed, compare, none))
    return () if said is None else (said,)


def _heard(tried: Tried, climbed: Climbed, steps: Steps) -> Flow[tuple[str, ...]]:
    reply = text_of(climbed.reply.text)
    if reply:
        hear = partial(steps.shelf.heard, tried, climbed.rung.model, reply)
        failed = "What a model answered in place of a distilled task model could not be counted."
        yield Work("distilled", partial(fail_open, failed, hear, None))
    return ()


def _is_large(climbed: Climbed, request: Request, teacher: str | None) -> bool:
    """Say whether the model that answered is one to be compared with: the teacher, the one named, or a large one."""
    rung = climbed.rung
    named = request.model is not None and _bare(request.model) == _bare(rung.model)
    return rung.tier == "large" or named or (teacher is not None and _same(_bare(teacher), _bare(rung.model)))


def _bare(model: str) -> str:
    return model.rpartition("/")[2].lower()


def _same(one: str, other: str) -> bool:
    """Say whether two names mean one model, of which either may carry its date."""
    short, long = sorted((one, other), key=len)
    rest = long.removeprefix(short)
    return long.startswith(short) and (not rest or (rest[0] in "-@" and rest[1:2].isdigit()))
