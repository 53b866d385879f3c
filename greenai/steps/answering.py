"""Answer without a general model: built-in tools (step 3), then what the project registered, then live data (step 4).

    built-in tool sure? ── its answer; nothing is classified
    a distilled task model has this prompt's template, and is sure? ── distilling.py ── its answer
    registered function, FAQ or task near enough? ── run it ── text: its answer
                                                            └─ None, an error, not sure: the next one
    one of a closed list, and a model to pick it? ── choosing.py ── sure: the label
    a question for live data, through `ask`, and nothing
    brings them along? ── outcome lookup_needed, whose reasons say how to register one
    else ── the route to a model

An app's function that fails never costs the caller the answer: it is logged, and the receipt says so.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from dataclasses import replace
from functools import partial

from greenai import answerers, meters, receipts
from greenai.answerers.registered import Outcome as Ran
from greenai.answerers.registered import run
from greenai.answerers.registry import Candidate
from greenai.answerers.tasks import Solved, TaskSpec
from greenai.cache.volatility import volatility
from greenai.classify import UNREAD
from greenai.readings import Reading
from greenai.steps import CLOSING, Answering, Flow, Steps, fail_open
from greenai.steps.choosing import chosen
from greenai.steps.distilling import distilled
from greenai.values import FORM_ARGUMENTS, Assessment, Attempt, Check, Outcome, Request, Usage, Work, text_of

__all__ = ["answered", "assessed", "computed", "solve"]

logger = logging.getLogger("greenai")

# What an app shows to its users; what its developer can do is among the reasons.
LOOKUP = (
    "This needs live data (such as the weather, prices, opening hours or the state of an order), "
    "which this assistant does not have."
)
NO_METER = "no meter could tell"
NOT_SURE = "not sure enough"

UNWRITTEN = replace(
    UNREAD,
    volatile=0.0,
    one_off=False,
    large_gain=0.0,
    reasoning_gain=0.0,
    expected_output_tokens=(0, 0),
    why=("no text is to be written, so nothing is classified",),
)
"""What is taken for granted of a request for vectors or verdicts."""

# From this much text around it, a question may bring its facts along.
FACTS_CHARS = 300
FACTS_NUMBERS = 3

# From here on the classifier takes a question for one about live data rather than not.
HALF_SURE = 0.5


def computed(request: Request, steps: Steps) -> Answering:
    """Answer with a built-in tool, if one is sure: asked before the classifier, which takes ten times as long."""
    ask_tools = partial(answerers.answer, request, steps.clock)
    found = fail_open("A built-in tool failed; the call goes on without it.", ask_tools, None)
    if found is None:
        return Answering()
    return Answering(outcome="answerer", reply=found.reply, reasons=found.reasons)


def assessed(request: Request, steps: Steps) -> Flow[Assessment]:
    """Judge the request; a classifier that fails costs nobody the answer."""
    if not request.wants_text:
        return UNWRITTEN

    def assess() -> Assessment:
        return steps.classifier.assess(request.messages)

    said = "The classifier failed; the request is taken for one of which nothing is known."
    if not steps.classifier.is_read:
        found: Assessment = yield Work("weights", partial(fail_open, said, assess, UNREAD))
        return found
    return fail_open(said, assess, UNREAD)


def answered(
    request: Request, assessment: Assessment, steps: Steps, *, dry: bool, pinned: bool = False
) -> Flow[Answering]:
    """Answer without a general model, if anything is sure. A `dry` run only says what of the app's would be run.

    Where the app's words `pinned` the model, only what was distilled of that model's answers may stand in for it.
    """
    own = (yield from distilled(request, steps, dry=dry)) if steps.shelf else Answering()
    if pinned or own.outcome is not None:
        return own
    if steps.own:
        own = yield from _own(request, steps, own, dry=dry)
    if own.outcome is None and steps.chooser is not None:
        own = yield from chosen(request, steps, own, dry=dry)
    return own if own.outcome is not None else _lookup(request, assessment, own)


# --- what the project registered ----------------------------------------------------------


def _own(request: Request, steps: Steps, so_far: Answering, *, dry: bool) -> Flow[Answering]:
    if not answerers.may_answer_registered(request):
        return so_far
    warnings: tuple[str, ...] = ()
    if steps.own.is_due():
        warnings = yield Work("index", partial(_refreshed, steps))
    nobody: tuple[Candidate, ...] = ()
    match = partial(steps.own.candidates, request.last_user_text)
    candidates = fail_open("The registered answerers could not be matched; the call goes on.", match, nobody)
    checks = tuple(check for one in candidates for check in one.checks)
    so_far = replace(so_far, checks=(*so_far.checks, *checks), warnings=warnings)
    for candidate in candidates:
        if not candidate.fires:
            continue
        if dry:
            return replace(so_far, outcome=_outcome(candidate), reasons=(_would(candidate),))
        so_far = yield from _asked(candidate, request, steps, so_far)
        if so_far.outcome is not None:
            return so_far
    return so_far


def _refreshed(steps: Steps) -> tuple[str, ...]:
    """Bring the index up to date; return what the receipt has to say where that failed."""
    message = "What was registered could not be indexed, and does not answer."

    def refresh() -> tuple[str, ...]:
        steps.own.refresh()
        return ()

    return fail_open(message, refresh, (message,))


def _outcome(candidate: Candidate) -> Outcome:
    return "task_model" if candidate.task is not None else "answerer"


def _would(candidate: Candidate) -> str:
    return f"{candidate.why} {candidate.model} would be asked first, and a model only where it has no answer."


def _asked(candidate: Candidate, request: Request, steps: Steps, so_far: Answering) -> Flow[Answering]:
    if candidate.function is not None:
        return (yield from _function(candidate, request, so_far))
    if candidate.task is not None:
        return (yield from _task(candidate, candidate.task, request, steps, so_far))
    return _said(candidate, candidate.text or "", request, so_far)


def _said(candidate: Candidate, text: str, request: Request, so_far: Answering, latency_s: float = 0.0) -> Answering:
    reply = answerers.reply_of(request.call_id, candidate.model, text, latency_s)
    reasons = (candidate.why, f"{candidate.model} answered; no language model was asked.", answerers.OVERRIDE)
    return replace(so_far, outcome=_outcome(candidate), reply=reply, reasons=reasons)


def _function(candidate: Candidate, request: Request, so_far: Answering) -> Flow[Answering]:
    function = candidate.function
    if function is None:
        return so_far
    left_s = request.deadline - time.monotonic()
    limit_s = None if math.isinf(left_s) else max(left_s, 0.0)
    ran: Ran = yield Work(function.name, partial(run, function.call, candidate.given, limit_s))
    so_far = replace(so_far, away_s=so_far.away_s + max(ran.elapsed_s - ran.core_s, 0.0))
    if ran.error is not None:
        failed = f"{candidate.model} failed ({type(ran.error).__name__}) and was passed over."
        logger.warning(failed, exc_info=ran.error)
        return replace(so_far, warnings=(*so_far.warnings, failed))
    if ran.text is None:
        none = f"{candidate.model} was asked first and had no answer."
        return replace(so_far, reasons=(*so_far.reasons, none))
    return replace(_said(candidate, ran.text, request, so_far, ran.elapsed_s), keep=not function.volatile)


# --- tasks --------------------------------------------------------------------------------


def _task(candidate: Candidate, task: TaskSpec, request: Request, steps: Steps, so_far: Answering) -> Flow[Answering]:
    try:
        solved, made = yield from solve(task, candidate.given, candidate.question, request, steps)
    except Exception as error:  # as with a function of the app's: the next rung answers
        if isinstance(error.__context__, CLOSING):
            raise
        failed = f"{candidate.model} failed ({type(error).__name__}) and was passed over."
        logger.warning(failed, exc_info=error)
        return replace(so_far, warnings=(*so_far.warnings, failed))
    after = replace(
        so_far,
        attempts=(*so_far.attempts, *made.attempts),
        away_s=so_far.away_s + made.away_s,
        checks=(*so_far.checks, *made.checks),
    )
    if solved.sure:
        return _said(candidate, solved.text, request, after)
    return replace(after, reasons=(*after.reasons, f"{candidate.model} was asked first and was {NOT_SURE}."))


def solve(
    task: TaskSpec, text: str, question: str | None, request: Request, steps: Steps
) -> Flow[tuple[Solved, Answering]]:
    """Run a task model on a text; its energy is measured where it is more than arithmetic."""
    if task.in_process:
        solved = task.run(text, question)
        return solved, Answering(checks=_confidence(task, solved))
    begin = partial(meters.window, os.getpid(), watts_per_core=steps.site.watts_per_core, meters=steps.meters)
    window = fail_open("The meter failed; this task's energy is unknown.", begin, None)
    started = time.perf_counter()
    try:
        solved = yield Work(f"task {task.name}", partial(task.run, text, question))
    finally:
        elapsed_s = time.perf_counter() - started
        reading = None if window is None else fail_open("The meter failed.", window.stop, None)
    attempt = Attempt(
        attempt_id=f"{request.call_id}.task",
        model=task.model,
        state="answered" if solved.sure else "discarded",
        energy=reading or Reading.unknown(NO_METER),
        usage=Usage(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0),
        latency_s=elapsed_s,
        error=None if solved.sure else NOT_SURE,
    )
    return solved, Answering(checks=_confidence(task, solved), attempts=(attempt,), away_s=elapsed_s)


def _confidence(task: TaskSpec, solved: Solved) -> tuple[Check, ...]:
    if solved.confidence is None:
        return ()
    return (
        Check(
            name=f"confidence of task:{task.name}",
            value=solved.confidence,
            threshold=solved.threshold,
            source=task.model,
        ),
    )


# --- live data ----------------------------------------------------------------------------


def _lookup(request: Request, assessment: Assessment, own: Answering) -> Answering:
    """Say what is missing, where a question asks for live data and nothing around it brings them."""
    threshold = _threshold(request, assessment)
    if request.entry != "ask" or assessment.volatile < threshold or _brings_facts(request) or not _asks(request):
        return own
    why = f"The question asks for live data (probability {assessment.volatile:.2f}, from {threshold:.2f} on)"
    check = Check(name="live data", value=assessment.volatile, threshold=threshold, source=assessment.method)
    how = _how(request.last_user_text, (*own.reasons, *own.warnings))
    return replace(
        own,
        outcome="lookup_needed",
        reply=answerers.reply_of(request.call_id, "greenai/lookup", LOOKUP, 0.0),
        reasons=(*own.reasons, f"{why}, which no model knows; none was asked.", how, answerers.OVERRIDE),
        checks=(*own.checks, check),
    )


def _asks(request: Request) -> bool:
    """Say whether anything is asked: a wish to write, to thank or to work on a text, and a statement need no data."""

    def asks() -> bool:
        from greenai.answerers.live import asks_for_a_fact  # its rules take some hundredths of a second to compile

        return asks_for_a_fact(request.last_user_text)

    return fail_open("The question's form could not be read; a model is asked.", asks, otherwise=False)


def _threshold(request: Request, assessment: Assessment) -> float:
    """Return from which probability on a question asks for live data: where all else says so too, half is enough."""
    likely = assessment.calibrated and HALF_SURE <= assessment.volatile < receipts.LIVE_DATA
    if not likely or assessment.needs_generation > HALF_SURE:
        return receipts.LIVE_DATA
    kind = fail_open("The question's words could not be read.", partial(volatility, request.last_user_text), "unknown")
    return HALF_SURE if kind in ("realtime", "personal") else receipts.LIVE_DATA


def _how(question: str, said: tuple[str, ...]) -> str:
    """Say to the app's developer what would answer it; the text is for the app's users."""
    if any(line.startswith("greenai/registered:") for line in said):  # what knows it is there
        return "What is registered for it did not answer: mend it and ask again, or put the facts into the question."
    short = " ".join(question.split())
    example = json.dumps(short if len(short) <= 80 else f"{short[:77]}...", ensure_ascii=False)
    return (
        "Register a function that knows it, or put the facts into the question:\n"
        f"@client.answerer(examples=[{example}])\n"
        "def look_up(question):\n"
        "    return ...  # the text of the answer, or None"
    )


def _brings_facts(request: Request) -> bool:
    """Say whether the facts may stand around the question: in a tool, a web search, other messages, its own text."""
    if FORM_ARGUMENTS & request.arguments.keys():
        return True
    for message in request.messages:
        text = text_of(message.get("content"))
        if message.get("role") not in ("user", "system", "developer") or not isinstance(message.get("content"), str):
            return True
        numbers = sum(1 for word in text.split() if any(c.isdigit() for c in word))
        if len(text) > FACTS_CHARS or numbers >= FACTS_NUMBERS or "\n" in text.strip():
            return True
    return sum(1 for message in request.messages if message.get("role") == "user") > 1
