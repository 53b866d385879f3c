"""One rung asked: load it, draft the request, reserve, call inside a meter window, measure what came of it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from greenai import meters, nudges, receipts, route
from greenai.background import background
from greenai.catalog import Card, find
from greenai.errors import BudgetExceeded, GreenAIError, InvalidRequest, LedgerError, OptInRequired
from greenai.grants import fix
from greenai.ledger import Hold
from greenai.local import Engine, Lease, Seat
from greenai.nudges import effort, learnt, output_length
from greenai.prompts import input_tokens_estimate
from greenai.readings import Reading
from greenai.settings.schedule import local_time
from greenai.spending.held import Held
from greenai.steps import FUNCTION, Climbed, Flow, NotBegunError, Plan, Steps, fail_open
from greenai.steps.affording import Way, afforded
from greenai.stopwatch import Stopwatch
from greenai.thoughts import shown, thinks
from greenai.values import PENDING, Assessment, Attempt, Call, Draft, Reply, Request, Rung, Try, Usage, Work
from greenai.waiting import Wait

__all__ = ["attempt", "drafted", "estimate", "foretold", "held", "is_verified"]

_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_FUNCTIONS = FUNCTION.rstrip("/")
NO_ENERGY = Reading.unknown("the energy model failed")
NOT_SENT = Reading.unknown(receipts.REFUSED)
NOT_YET = Reading.unknown("the answer comes later, and is fetched elsewhere")

# A hold outlives its call by this many seconds, for settling after the deadline.
HOLD_GRACE_S = 60.0

# A hold of a process that died must end, however long its call might have taken. A call that may take longer renews its
# hold, and a stream does as it is read; what expired may still settle.
HOLD_LONGEST_S = 600.0

# Where a local model would be that was not started because the deadline had passed: the provider refuses the call
# before it looks here.
NOT_STARTED = "http://not-started.invalid/v1"


def held(rung: Rung, attempt_id: str, request: Request, plan: Plan, steps: Steps) -> Flow[Way]:
    """Hold what asking one rung may use in its budgets, or less of it where they are short: of a cheaper rung too."""
    return (yield from afforded(rung, attempt_id, request, plan, steps, _ttl_s(request), partial(drafted, plan, steps)))


def foretold(request: Request, plan: Plan, steps: Steps) -> Flow[tuple[str, ...]]:
    """Say what is left of a call's budgets, and what they would make of it now. Nothing is held."""
    spending = steps.spending
    if spending is None or not request.scopes or not plan.rungs:
        return ()
    seen = spending.looking()
    try:
        left: tuple[str, ...] = yield Work("budget", partial(seen.shown, seen.caps_of(request)))
        way = yield from held(plan.rungs[0], f"{request.call_id}.seen", request, plan, replace(steps, spending=seen))
    except (BudgetExceeded, LedgerError) as refusal:
        return (f"By its budgets this call would be refused now: {refusal}",)
    less = tuple(f"By its budgets this call would be made less now: {note.text}." for note in way.notes)
    told = () if way.charge is None else way.charge.told
    return (f"Its budgets: {'; '.join(left)}.", *(less or told or ("They allow this call as it is.",)))


def attempt(way: Way, attempt_id: str, plan: Plan, steps: Steps, watch: Stopwatch) -> Flow[Climbed]:
    """Ask one rung, for which its budgets hold what it may use: load, draft, call inside a meter window.

    A reply's hold is left to the caller, who judges first; on any error it is settled here.
    """
    try:
        rung, lease = yield from _loaded(way, steps, watch)
    except BaseException:  # nothing was sent
        way.release()
        raise
    if rung is not way.rung:
        way = replace(way, rung=rung)
    if lease is None:
        return (yield from _asked(way, None, attempt_id, plan, steps, watch))
    try:
        return (yield from _asked(way, lease.engine, attempt_id, plan, steps, watch))
    finally:
        lease.release()  # from here on the model may be unloaded


def _asked(
    way: Way, engine: Engine | None, attempt_id: str, plan: Plan, steps: Steps, watch: Stopwatch
) -> Flow[Climbed]:
    request, rung, ttl_s = way.request, way.rung, _ttl_s(way.request)
    try:
        card = find(rung.model)
        draft = way.applied(_draft(rung, card, engine, request, plan, steps))
        expected = _expected(rung, request, plan)
        row: Hold = yield _reserving(attempt_id, rung, request, expected, ttl_s, steps)
    except BaseException:  # nothing was sent
        way.release()
        raise
    hold = Held(row=row, charge=way.charge)
    window: meters.Window | None = None
    started = time.perf_counter()
    try:
        window = _window(engine, steps)
        renew = partial(hold.renew, ttl_s)
        with _renewed(renew, ttl_s, request):
            language = steps.switches(request.options.project)[1]
            draft, reply = yield from _sent(draft, way, attempt_id, renew, language)
    except BaseException as error:
        # Also GeneratorExit: the driver closes an abandoned call here. Nothing may be yielded any more.
        watch.away(time.perf_counter() - started)
        measured = _stop(window)
        used = NOT_SENT if isinstance(error, NotBegunError) else receipts.failed_energy(error, measured, expected)
        ended = receipts.failed(attempt_id, rung, error, used)
        receipts.mark(error, ended)
        hold.settle(ended, None)
        raise
    watch.away(time.perf_counter() - started)
    measured = None if window is None else _stop(window, _tokens(request, reply))
    reply = _unquoted(reply, draft)
    if rung.provider == _FUNCTIONS and (named := _named_by(reply)) is not None:
        rung, card = Rung(model=named.name, tier=named.tier), named
        draft = replace(draft, rung=rung)
    done = _done(attempt_id, card, request, draft, reply, measured)
    _learn(draft, reply, done)
    if "logprobs" not in request.arguments:
        reply = _without_logprobs(reply)
    return Climbed(reply=reply, rung=rung, draft=draft, done=done, hold=hold, less=bool(way.notes))


def drafted(plan: Plan, steps: Steps, rung: Rung, request: Request) -> Draft:
    """Return what one rung would be sent, as far as it is known before a model on this machine is loaded."""
    return _draft(rung, find(rung.model), None, request, plan, steps)


def _reserving(
    attempt_id: str, rung: Rung, request: Request, expected: Reading, ttl_s: float, steps: Steps
) -> Work[Hold]:
    return Work(
        "reserve",
        partial(
            steps.ledger.reserve,
            call_id=request.call_id,
            attempt_id=attempt_id,
            project=request.options.project,
            model=rung.model,
            estimate=expected,
            ttl_s=ttl_s,
        ),
    )


def _ttl_s(request: Request) -> float:
    return min(_left_s(request), HOLD_LONGEST_S) + HOLD_GRACE_S


def _left_s(request: Request) -> float:
    return max(request.deadline - time.monotonic(), 0.0)


def _loaded(way: Way, steps: Steps, watch: Stopwatch) -> Flow[tuple[Rung, Lease | None]]:
    rung, request = way.rung, way.request
    if rung.provider != "local" or rung.base_url is not None:
        return rung, None
    left_s = _left_s(request)
    if not left_s:
        return replace(rung, base_url=NOT_STARTED, api_key="none"), None
    started = time.perf_counter()
    seat = yield from _gathered(way, steps)
    if seat is not None:
        watch.away(time.perf_counter() - started)
        started, left_s = time.perf_counter(), _left_s(request)
    try:
        lease: Lease = yield Work(
            "load", partial(steps.engines.lease, rung.name, None if math.isinf(left_s) else left_s)
        )
    except TimeoutError:  # the provider says so in openai's words
        return replace(rung, base_url=NOT_STARTED, api_key="none"), None
    finally:
        if seat is not None:
            seat.release()
    engine = lease.engine
    elapsed_s = time.perf_counter() - started
    started_core_s = engine.take_start()
    if started_core_s is not None:
        watch.loaded(elapsed_s, started_core_s, engine.load_gpu_j)
    else:
        watch.idle_j = lease.idle_j
        watch.away(elapsed_s)  # found running, or waited for while another call started it, which is charged for it
    return replace(rung, base_url=engine.base_url, api_key=engine.api_key), lease


def _gathered(way: Way, steps: Steps) -> Flow[Seat | None]:
    """Wait for the next time at which this model is run, where the call or the settings name such times.

    Raises:
        InvalidRequest: the call's time is over before.
    """
    rung, request = way.rung, way.request
    seat = steps.engines.seat(rung.name, request.options.run_at)
    if seat is None:
        return None
    try:
        if (wait_s := seat.left_s()) >= (left_s := _left_s(request)):
            raise InvalidRequest(_too_soon(rung, seat.at, wait_s, left_s))
        yield from _waited(way, wait_s)
    except BaseException:
        seat.release()
        raise
    return seat


def _waited(way: Way, wait_s: float) -> Flow[None]:
    """Wait, maybe for hours, and keep what the budgets hold until the call is made."""
    charge, ttl_s = way.charge, _ttl_s(way.request)
    if charge is None or wait_s < ttl_s / 3:
        yield Wait.of(None, wait_s)
        return
    stop = background.every(ttl_s / 3, partial(charge.renew, ttl_s), until=way.request.deadline)
    try:
        yield Wait.of(None, wait_s)
    finally:
        stop()
    yield Work("budget", partial(charge.renew, _ttl_s(way.request)))


def _too_soon(rung: Rung, at: float, wait_s: float, left_s: float) -> str:
    then, over = local_time(at), local_time(time.time() + left_s)
    return (
        f"{rung.model} runs next at {then:%H:%M:%S} (run_at), and this call must be answered by {over:%H:%M:%S}. Pass "
        f"timeout= with more than {math.ceil(wait_s)} s, or leave run_at out for this model or this call."
    )


def _draft(rung: Rung, card: Card | None, engine: Engine | None, request: Request, plan: Plan, steps: Steps) -> Draft:
    draft = Draft(rung=rung, messages=request.messages, arguments=dict(request.arguments))
    if engine is not None:
        draft = _with_defaults(draft, engine)
    if not request.wants_text:
        return replace(draft, reasoning=False)
    if request.options.observe:
        return draft
    if is_verified(rung, plan, steps):
        draft = replace(draft, arguments={**draft.arguments, "logprobs": True})
    off, language = steps.switches(request.options.project)
    calibrated = plan.assessment is not None and plan.assessment.calibrated
    context = nudges.NudgeContext(
        card=card,
        assessment=plan.assessment,
        options=request.options,
        explicit=frozenset(request.arguments),
        # Where the classifier failed, so may its thresholds; nothing that it guessed is held against them.
        thresholds=getattr(steps.classifier, "thresholds", {}) if calibrated else {},
        off=off,
        language=language,
        stream=request.stream,
        pinned=route.is_pin(request, steps.ladder, find, endpoint=steps.endpoint, pinned=steps.pinned),
        api=request.api,
    )
    return _nudged(draft, context, steps)


def _nudged(draft: Draft, context: nudges.NudgeContext, steps: Steps) -> Draft:
    for nudge in steps.nudges:
        draft = _after(nudge, draft, context)
    return draft


def _after(nudge: nudges.Nudge, draft: Draft, context: nudges.NudgeContext) -> Draft:
    """Return the draft after a nudge; one that fails changes nothing, and a gate that fails opens nothing.

    Raises:
        GreenAIError: the nudge refuses the call, or it is a rule of strict_opt_in and failed.
    """
    refused: list[GreenAIError] = []

    def apply() -> Draft | None:
        try:
            return nudges.apply(draft, context, (nudge,))
        except GreenAIError as error:  # a nudge may refuse, such as for a missing opt-in
            refused.append(error)
            return None

    nudged = fail_open("A nudge failed; the request goes out without it.", apply, None)
    if nudged is not None:
        return nudged
    if refused:
        raise refused[0]
    kind = nudges.gated(nudge, context)
    if kind is not None:
        raise _unread(kind, context)
    return draft


def _unread(kind: str, context: nudges.NudgeContext) -> OptInRequired:
    line = fix(kind, *context.options.opt_in)
    return OptInRequired(
        "The arguments of this call could not be held against strict_opt_in, because that check failed (the log says "
        f"how), so it is not made. Leave out what asks for the opt-in {kind}, or allow it: {line}",
        kind=kind,
        fix=line,
    )


def _with_defaults(draft: Draft, engine: Engine) -> Draft:
    arguments = {**engine.defaults, **draft.arguments}
    messages = draft.messages
    if engine.default_system and messages[0].get("role") not in ("system", "developer"):
        messages = ({"role": "system", "content": engine.default_system}, *messages)
    return replace(draft, arguments=arguments, messages=messages)


def _sent(draft: Draft, way: Way, attempt_id: str, renew: Any, language: str) -> Flow[tuple[Draft, Reply]]:
    """Send the draft; where a server refuses the field that turns reasoning off, send it again without."""
    request = way.request
    try:
        reply: Reply = yield _call(draft, request, attempt_id, renew)
    except Exception as error:
        bare = None if way.unreasoned else effort.plain(draft, request.arguments, error, language)
        if bare is None:
            raise
        refusal = error
    else:
        return draft, reply
    tried = Try(error=type(refusal).__name__, status=getattr(refusal, "status_code", None), waited_s=0.0)
    # What a budget holds was counted with the limit, whoever set it.
    bare = bare if way.charge is not None else output_length.lifted(bare, request.arguments)
    try:
        reply = yield _call(bare, request, attempt_id, renew)
    except Exception as error:
        told = refusal if getattr(error, "status_code", None) == tried.status else error
        with suppress(Exception):  # an error of somebody else's may not take attributes
            told.greenai_tries = (tried, *getattr(error, "greenai_tries", ()))  # type: ignore[attr-defined]
        if told is error:
            raise
        raise told from None
    effort.teach(draft, request.arguments, refusal)
    return bare, replace(reply, tries=(tried, *reply.tries))


def _named_by(reply: Reply) -> Card | None:
    """Return the card of the model that a reply says it is of; a snapshot that has none is its model's."""
    return find(reply.model) or find(_DATE.sub("", reply.model))


def _unquoted(reply: Reply, draft: Draft) -> Reply:
    """Return the reply without the mark of reasoning where only its text has it, and the prompt may have asked so."""
    if reply.reasoning_text and thinks(reply.text) and any(shown(text) for text in effort.texts(draft.messages)):
        return replace(reply, reasoning_text=False)
    return reply


def _learn(draft: Draft, reply: Reply, done: Attempt) -> None:
    """Learn from what the provider says in fields of its own; no text teaches anything of other calls."""
    if not reply.usage.reasoning_tokens and (not reply.reasoning_text or thinks(reply.text)):
        return
    if done.reasoning_leaked:
        learnt.leaked(draft.rung.model, draft.rung.base_url)
    elif draft.reasoning is None:
        learnt.reasoned(draft.rung.model, draft.rung.base_url)


def _call(draft: Draft, request: Request, attempt_id: str, renew: Any) -> Call:
    asked = (request.arguments.get("stream_options") or {}).get("include_usage")
    return Call(
        draft=draft,
        stream=request.stream,
        hide_usage_chunk=not asked,
        transport=request.transport,
        deadline=request.deadline,
        attempt_id=attempt_id,
        renew=renew,
    )


@contextmanager
def _renewed(renew: Callable[[], object], ttl_s: float, request: Request) -> Generator[None]:
    """Renew a hold in the background as long as its call is under way, where it would end before the call has to.

    A stream without a deadline is left out: one that nobody reads and nobody closes would be held for ever.
    """
    if _left_s(request) <= HOLD_LONGEST_S or (request.stream and math.isinf(request.deadline)):
        yield
        return
    stop = background.every(ttl_s / 3, renew, until=request.deadline)
    try:
        yield
    finally:
        stop()


def _window(engine: Engine | None, steps: Steps) -> meters.Window | None:
    if engine is None:
        return None
    begin = partial(meters.window, engine.pid, watts_per_core=steps.site.watts_per_core, meters=steps.meters)
    window = fail_open("The meter failed; this call's energy is modelled instead.", begin, None)
    profile = engine.profile
    return window if window is None or profile is None else meters.Noted(window, f"tuned {profile.measured[:10]}")


def _stop(window: meters.Window | None, tokens: float | None = None) -> Reading | None:
    return (
        None
        if window is None
        else fail_open("The meter failed; this call's energy is modelled instead.", lambda: window.stop(tokens), None)
    )


def _tokens(request: Request, reply: Reply) -> float | None:
    """Count a call's work: it is charged by that where other windows were open. A cut stream's prompt is estimated."""
    return fail_open(
        "The tokens of this call could not be counted; it is charged by time.",
        lambda: meters.work(receipts.filled(reply.usage, request, reply)),
        None,
    )


def _done(
    attempt_id: str, card: Card | None, request: Request, draft: Draft, reply: Reply, measured: Reading | None
) -> Attempt:
    make = partial(receipts.done, attempt_id, card, request, draft)
    if reply.finish_reason == PENDING:
        return replace(make(reply, NOT_YET), usage=Usage())
    done = fail_open("The energy of this call could not be modelled.", lambda: make(reply, measured), None)
    return done or make(replace(reply, reported_energy_j=None), NO_ENERGY)


def is_verified(rung: Rung, plan: Plan, steps: Steps) -> bool:
    """Say whether this rung's answer is held against its own token probabilities."""
    first = plan.rungs[0].model if plan.rungs else None
    return plan.decision.verify and rung.model == first and rung.model not in steps.silent


def _without_logprobs(reply: Reply) -> Reply:
    """Take the token probabilities out of what the app gets: it did not ask for them."""
    if not reply.token_logprobs:
        return reply
    for choice in getattr(reply.native, "choices", None) or ():
        choice.logprobs = None
    if reply.body is None:
        return reply
    choices = [{**choice, "logprobs": None} for choice in reply.body["choices"]]
    return replace(reply, body={**reply.body, "choices": choices})


def _expected(rung: Rung, request: Request, plan: Plan) -> Reading:
    """Return what the route was chosen by, where this rung was on the ladder."""
    weighed = (found.energy for found in plan.decision.estimates if found.model == rung.model)
    return next(weighed, None) or estimate(rung, expected_usage(request, plan.assessment))


def expected_usage(request: Request, assessment: Assessment | None) -> Usage:
    """Return the tokens that answering would take: those of the prompt, and the expected length of the answer."""
    return Usage(
        input_tokens=input_tokens_estimate(request),
        output_tokens=assessment.expected_output_tokens[0] if assessment else 1,
        estimated=True,
    )


def estimate(rung: Rung, usage: Usage) -> Reading:
    """Model what answering with these tokens on this rung would take."""
    return fail_open(
        "The energy of this call could not be modelled.", lambda: receipts.modelled(find(rung.model), usage), NO_ENERGY
    )
