"""One call, top to bottom: the order of the steps, and nothing else. How one rung is asked is in steps/attempt.py.

    answer ── decide ──┬─ 1 request     check it                              InvalidRequest
              │        ├─ 2 cache       the same request before?              a hit
              │        ├─ 3 compute     does a built-in tool understand it?   a sure answer
              │        │    classify    else: what does it need?
              │        ├─ 4 answerers   can what the app registered answer?   a sure answer; live data is missing
              │        ├─ 5 meaning     the same question in other words?     a hit, where opted in
              │        └─ 6 route       which rungs, least energy first?      NoSufficientModel
              ├── joined ─── an equal call in flight?                         its answer is shared
              ├── climb ──── 7 per rung: reserve, draft, call, judge, settle  good; else the next, once; BudgetExceeded
              └── finish ─── 8 store, receipt, observers

`answer` is a generator. It waits for nothing itself: it yields `Work` (disk, loading a model) and `Call` (a
provider), and is sent the result or thrown the error. The clients drive it. Closing it, as a cancelled call
does, runs the `except` in `attempt`, which settles the hold, of budgets too (steps/affording.py). A meter, nudge, cache
or observer that fails never costs the caller the answer: `fail_open` (steps/) catches for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TypeVar

from greenai import advice, answerers, receipts, route
from greenai.answerers.tasks import Solved, TaskSpec
from greenai.asked import digest as asked_by
from greenai.catalog import find
from greenai.errors import (
    BudgetExceeded,
    GreenAIError,
    InvalidRequest,
    MissingExtra,
    ModelMissing,
    NoSufficientModel,
    OptInRequired,
    RequestTooLarge,
)
from greenai.meters import cost
from greenai.nudges import effort, output_length
from greenai.readings import Avoided, Overhead, total
from greenai.steps import (
    CLOSING,
    Answering,
    Climbed,
    Flow,
    Plan,
    Steps,
    advising,
    caching,
    consent,
    distilling,
    fail_open,
    learning,
    meaning,
)
from greenai.steps.affording import settled
from greenai.steps.answering import NOT_SURE, answered, assessed, computed
from greenai.steps.answering import solve as solved_by
from greenai.steps.attempt import attempt, estimate, expected_usage, foretold, held, is_verified
from greenai.steps.telling import watched
from greenai.stopwatch import Stopwatch
from greenai.units import format_bytes
from greenai.values import (
    Answer,
    Attempt,
    Decision,
    Outcome,
    Receipt,
    Reply,
    Request,
    Rung,
    Work,
    text_of,
)

T = TypeVar("T")

# Statuses by which a provider says that this key may not use this model: a sibling is then skipped and remembered.
NOT_FOR_THIS_KEY = (401, 403, 404)


# --- the call -----------------------------------------------------------------------------


def answer(request: Request, steps: Steps) -> Flow[Answer]:
    """Answer one request with the least energy that still answers well.

    Raises:
        GreenAIError: what greenai itself refuses; see errors.py.
        openai.OpenAIError: what the provider's failure is to an app that uses openai.
    """
    return watched(_answer(request, steps), request, steps, lambda answer: answer)


def _answer(request: Request, steps: Steps) -> Flow[Answer]:
    watch, landed = Stopwatch(), steps.flights.landed
    deciding = decide(request, steps) if not request.options.observe else observed(request, steps)
    plan = yield from _noted(deciding, request, steps)
    watch.away(plan.own.away_s)
    plan = yield from caching.joined(request, plan, steps, watch, landed)
    if plan.reply is not None:
        return (yield from finish(request, plan, plan.reply, None, steps, watch))
    with plan.flight or nullcontext():  # however this call ends, nobody waits for it any longer
        return (yield from asked(request, plan, steps, watch))


def asked(request: Request, plan: Plan, steps: Steps, watch: Stopwatch) -> Flow[Answer]:
    """Ask the models of the plan, and finish."""
    climbed = yield from _noted(climb(request, plan, steps, watch), request, steps)
    try:
        return (yield from finish(request, plan, climbed.reply, climbed, steps, watch))
    except BaseException:
        # Also a call that is cancelled while its answer is stored. A hold that is settled already stays as it is.
        climbed.hold.settle(climbed.done, cost.of_attempt(climbed.done))
        raise


def _noted(flow: Flow[T], request: Request, steps: Steps) -> Flow[T]:
    """Do part of a call; where that raises, the call has no receipt, and the ledger keeps that it was made."""
    try:
        return (yield from flow)
    except Exception as error:
        if not isinstance(error.__context__, CLOSING):  # a flow that is being closed may not yield
            yield Work("record", partial(_record_failure, steps, request, error))
        raise


def explain(request: Request, steps: Steps) -> Flow[Decision]:
    """Decide without calling any model."""
    plan = yield from decide(request, steps, dry=True)
    told = yield from foretold(request, plan, steps)
    return replace(plan.decision, reasons=(*plan.decision.reasons, *told)) if told else plan.decision


def solve(
    request: Request, task: TaskSpec, text: str, question: str | None, steps: Steps
) -> Flow[tuple[Solved, Answer]]:
    """Do one task on a text, because the app called it: nothing is decided, and step 8 is that of every call."""
    return watched(_solving(request, task, text, question, steps), request, steps, lambda done: done[1])


def _solving(
    request: Request, task: TaskSpec, text: str, question: str | None, steps: Steps
) -> Flow[tuple[Solved, Answer]]:
    watch = Stopwatch()
    solved, made = yield from _noted(_solved(request, task, text, question, steps), request, steps)
    watch.away(made.away_s)
    reasons = (f"The app called the task {task.name}.", *(() if solved.sure else (f"It was {NOT_SURE}.",)))
    decision = Decision(outcome="task_model", route=(), reasons=reasons, checks=made.checks)
    reply = answerers.reply_of(request.call_id, task.model, solved.text, 0.0)
    plan = Plan(decision=decision, reply=reply, own=made)
    return solved, (yield from finish(request, plan, reply, None, steps, watch))


def _solved(
    request: Request, task: TaskSpec, text: str, question: str | None, steps: Steps
) -> Flow[tuple[Solved, Answering]]:
    check(request, steps.max_prompt_bytes)
    return (yield from solved_by(task, text, question, request, steps))


# --- steps 1 to 6 -------------------------------------------------------------------------


def decide(request: Request, steps: Steps, *, dry: bool = False) -> Flow[Plan]:
    """Decide how to answer, asking no model: steps 1 to 6. A `dry` run runs no function and no task model either."""
    check(request, steps.max_prompt_bytes)

    key = caching.key_of(request, steps)
    stored = yield from caching.looked_up(request, key, steps)
    if stored is not None:
        return stored

    must_be_asked = _must_be_asked(request, steps)
    own = Answering() if must_be_asked else computed(request, steps)
    if own.outcome is not None:
        return Plan(decision=_answered(request, own, own.outcome), key=key, reply=own.reply, own=own)

    assessment = yield from assessed(request, steps)

    own = yield from answered(request, assessment, steps, dry=dry, pinned=must_be_asked)
    if own.outcome is not None:
        decision = _answered(request, own, own.outcome)
        return Plan(decision=decision, key=key, assessment=assessment, reply=own.reply, own=own)

    recalled = None if dry else (yield from meaning.recalled(request, key, steps))
    if recalled is not None:
        return recalled

    ladder = route.ladder_for(
        request,
        steps.ladder,
        find,
        endpoint=steps.endpoint,
        pinned=steps.pinned,
        previous=steps.memory.find(request),
        denied=frozenset(model for owner, model in steps.denied if owner == request.namespace),
    )
    correction = yield from learning.corrected(request, assessment, steps)
    chosen = route.route(
        request,
        assessment,
        ladder,
        partial(estimate, usage=expected_usage(request, assessment)),
        correction=correction,
        unverifiable=partial(_unverifiable, request, steps),
        reasons=None if _may_reason(request) else effort.why_not_off,
    )
    chosen = distilling.unsubstituted(own, chosen, ladder)
    told = yield from consent.settled(request, chosen, assessment, steps, dry=dry)
    own = replace(own, warnings=(*own.warnings, *told.warnings)) if told.warnings else own
    decision = Decision(
        outcome=chosen.rungs[0].tier,
        route=tuple(r.model for r in chosen.rungs),
        reasons=(*own.reasons, *assessment.why, ladder.reason, *chosen.reasons, *told.reasons),
        checks=(*own.checks, *chosen.checks),
        estimates=chosen.estimates,
        opt_ins=tuple(sorted({*chosen.opt_ins, *(request.options.opt_in & {"reasoning", "long_output"})})),
        observed=request.options.observe,
        method=assessment.method,
        verify=chosen.verify,
        task=assessment.task,
    )
    return Plan(decision=decision, ladder=ladder, rungs=chosen.rungs, assessment=assessment, key=key, own=own)


def check(request: Request, max_prompt_bytes: int) -> None:
    """Refuse what no model can be sent.

    Raises:
        InvalidRequest: there is no message.
        RequestTooLarge: the texts together exceed `max_prompt_bytes`.
    """
    if not request.messages:
        raise InvalidRequest("The call has no messages. Pass at least one, such as {'role': 'user', 'content': '...'}.")
    # A character is at least a byte: counting characters first spares encoding a prompt that is far too long.
    size = sum(_text_bytes(m.get("content"), max_prompt_bytes) for m in request.messages)
    if size > max_prompt_bytes:
        raise RequestTooLarge(
            f"The prompt has {format_bytes(size)} of text, and the limit is {format_bytes(max_prompt_bytes)}. "
            "Send the relevant part of it, or raise max_prompt_bytes in the settings "
            "(GREENAI_MAX_PROMPT_BYTES, greenai.toml or [tool.greenai]).",
            size_bytes=size,
            limit_bytes=max_prompt_bytes,
        )


def _text_bytes(content: object, enough: int) -> int:
    text = text_of(content)
    return len(text) if text.isascii() or len(text) > enough else len(text.encode("utf-8", "surrogatepass"))


def _must_be_asked(request: Request, steps: Steps) -> bool:
    """Say whether a model has to be asked: an escalation, or a call that reaches exactly what it names."""
    if request.floor is not None or request.options.substitute is False:
        return True
    return route.is_pin(request, steps.ladder, find, endpoint=steps.endpoint, pinned=steps.pinned)


def observed(request: Request, steps: Steps) -> Flow[Plan]:
    """Observe mode: keep the decision for the receipt, and send the request to the model that it names."""
    try:
        plan = yield from decide(request, steps, dry=True)
    except (NoSufficientModel, OptInRequired, RequestTooLarge) as refusal:
        # Observing changes nothing: what would have been refused is told, and sent.
        reasons = (f"Without observe this call would be refused: {refusal}",)
        plan = Plan(decision=Decision(outcome="large", route=(), reasons=reasons, observed=True))
    if request.model in (None, "auto") and not steps.ladder:
        raise NoSufficientModel(plan.decision.reasons[0])
    model = steps.ladder[-1].model if request.model in (None, "auto") else request.model
    pinned = replace(request, model=model, options=replace(request.options, substitute=False))
    ladder = route.ladder_for(pinned, steps.ladder, find, endpoint=steps.endpoint, pinned=steps.pinned)
    return replace(plan, ladder=ladder, rungs=ladder.rungs, reply=None)


def _answered(request: Request, own: Answering, outcome: Outcome) -> Decision:
    return Decision(outcome=outcome, route=(), reasons=own.reasons, checks=own.checks, observed=request.options.observe)


def _may_reason(request: Request) -> bool:
    """Say whether this call was allowed to reason, so that no model is left out for it."""
    return "reasoning" in request.options.opt_in or bool(effort.asks(request.arguments))


def _unverifiable(request: Request, steps: Steps, rung: Rung) -> str | None:
    if rung.model in steps.silent:
        return f"{rung.model} refused to return token probabilities"
    return route.unverifiable(request, rung, find(rung.model))


# --- step 7 -------------------------------------------------------------------------------


def climb(request: Request, plan: Plan, steps: Steps, watch: Stopwatch) -> Flow[Climbed]:
    """Try the rungs in order, least energy first, until a reply is good enough; at most one escalation."""
    attempts: list[Attempt] = [*plan.own.attempts]
    best: Climbed | None = None
    rungs = list(plan.rungs)
    while rungs:
        rung = wanted = rungs.pop(0)
        attempt_id = f"{request.call_id}.{len(attempts)}"
        try:
            way = yield from held(wanted, attempt_id, request, _untried(plan, wanted, attempts), steps)
            rung = way.rung  # what follows is about the rung that is asked: a cheaper one where a budget is short
            climbed = yield from attempt(way, attempt_id, plan, steps, watch)
        except Exception as error:
            if isinstance(error.__context__, CLOSING):  # the flow is being closed: no rung may follow
                raise
            attempts.append(receipts.failed(attempt_id, rung, error))
            if best is not None:
                # The discarded answer is worth more to the caller than the error of the rung above it.
                return replace(best, attempts=tuple(attempts), warnings=(*best.warnings, _above_failed(rung, error)))
            if _refuses_logprobs(rung, error, plan, steps):
                steps.silent.add(rung.model)
                rungs.insert(0, rung)  # asked again as the app wrote it; a refusal took no energy
            elif _may_skip(rung, error, plan):
                if not isinstance(error, GreenAIError):  # weights that are missing now may be there next time
                    steps.denied.add((request.namespace, rung.model))
                rungs = rungs if rung is wanted else [wanted, *rungs]  # for which a budget had another one asked
                rungs = rungs or (yield from _others(request, plan, attempts, steps))
            else:
                # Where a budget could not afford what was wanted, it cannot afford what the app named either.
                rungs = _named_instead(rung, error, plan) if rung is wanted else []
            if not rungs:
                advice.annotate(error, rung, attempts)
                raise
            continue
        good, why = _judged(climbed, request, verify=is_verified(rung, plan, steps))
        if good or not rungs or request.stream:
            doubts = () if good or not climbed.reply.complete else (f"The answer is delivered although {why}.",)
            return replace(climbed, attempts=(*attempts, climbed.done), good=good, warnings=doubts)
        discarded = replace(climbed.done, state="discarded", error=why)
        attempts.append(discarded)
        yield Work("settle", partial(climbed.hold.settle, discarded, cost.of_attempt(discarded)))
        best = replace(climbed, done=discarded)
    raise AssertionError("a plan without rungs never gets here")


def _untried(plan: Plan, wanted: Rung, attempts: Sequence[Attempt]) -> Plan:
    """Return the plan without the rungs that this call has tried: no budget may have one of them asked again."""
    if plan.ladder is None or not attempts:
        return plan
    tried = {a.model for a in attempts} - {wanted.model}
    return replace(plan, ladder=replace(plan.ladder, rungs=tuple(r for r in plan.ladder.rungs if r.model not in tried)))


def _others(request: Request, plan: Plan, attempts: Sequence[Attempt], steps: Steps) -> Flow[list[Rung]]:
    """Route anew without what this key was denied: no rung is asked twice, and none that needs an opt-in."""
    try:
        again = yield from decide(request, replace(steps, own=answerers.Registry()))
    except OptInRequired:
        return []  # the provider's own error says more
    tried = {a.model for a in attempts}
    named = plan.ladder.named if plan.ladder is not None else None
    free = named is not None or "large" in request.options.opt_in
    return [r for r in again.rungs if r.model not in tried and (free or r.tier == plan.rungs[0].tier)]


def _judged(climbed: Climbed, request: Request, *, verify: bool) -> tuple[bool, str]:
    reply = climbed.reply

    def judge() -> tuple[bool, str]:
        good, why = route.suffices(reply, request, limited=output_length.is_met(climbed.draft, climbed.reply))
        doubt = route.unsure(reply) if good and verify else None
        return (good, why) if doubt is None else (False, doubt)

    return fail_open("The answer could not be judged; it is delivered.", judge, (True, "not judged"))


def _refuses_logprobs(rung: Rung, error: Exception, plan: Plan, steps: Steps) -> bool:
    """Say whether a call was refused that asked for token probabilities, which the app had not written."""
    return getattr(error, "status_code", None) == 400 and is_verified(rung, plan, steps)


def _may_skip(rung: Rung, error: Exception, plan: Plan) -> bool:
    """Say whether another rung may be asked instead: only where greenai, not the app, chose this one."""
    if plan.ladder is None or not plan.ladder.substitutable or rung.model == plan.ladder.named:
        return False
    if isinstance(error, (ModelMissing, MissingExtra)):
        return len(plan.ladder.rungs) > 1
    return getattr(error, "status_code", None) in NOT_FOR_THIS_KEY and len(plan.ladder.rungs) > 1


def _named_instead(rung: Rung, error: Exception, plan: Plan) -> list[Rung]:
    """Return the model that the app named, where a substitute of ours failed: without us, the app would not have.

    Where the app named none, a failure is no reason to spend more on the rung above.
    """
    named = plan.ladder.fallback if plan.ladder is not None else None
    return [] if named is None or rung.model == named.model or isinstance(error, GreenAIError) else [named]


def _above_failed(rung: Rung, error: Exception) -> str:
    if isinstance(error, BudgetExceeded):
        return f"{rung.model} was not asked for a better answer, and this is the earlier one. {error}"
    return f"{rung.model} was asked for a better answer and failed ({type(error).__name__}); this is the earlier one."


# --- step 8 -------------------------------------------------------------------------------


def finish(
    request: Request, plan: Plan, reply: Reply, climbed: Climbed | None, steps: Steps, watch: Stopwatch
) -> Flow[Answer]:
    """Settle, store, write the receipt: step 8, but for the observers, who are told when the call has ended."""
    attempts = climbed.attempts if climbed is not None else plan.own.attempts
    left, said = (yield from settled(climbed.hold, climbed.done)) if climbed is not None else (None, ())
    reasoning = receipts.reasoned(climbed.draft, climbed.reply) if climbed is not None else None
    unlike = yield from distilling.compared(request, plan, climbed, steps)
    kept = None
    if climbed is not None or plan.own.keep:
        kept = yield from caching.store(request, plan, reply, climbed, receipts.overhead(watch, steps.site), steps)
        yield from meaning.learned(request, plan, reply, steps)
    if climbed is not None:
        if plan.ladder is not None and plan.ladder.substitutable:
            steps.memory.remember(request, reply, climbed.rung.model)
    elif plan.entry is not None:
        steps.memory.remember(request, reply, plan.entry.model)
    own = receipts.overhead(watch, steps.site)
    receipt = receipts.build(
        request,
        outcome=climbed.rung.tier if climbed is not None else plan.decision.outcome,
        decision=plan.decision,
        answered_by=plan.entry.model if plan.entry is not None else reply.model,
        attempts=attempts,
        own=own,
        site=steps.site,
        saved=fail_open(
            "What this call avoided could not be modelled.",
            partial(_saved, request, plan, reply, attempts, own, steps),
            None,
        ),
        notes=(*climbed.draft.notes, *advising.notes(request, reply, climbed, steps, watch)) if climbed else (),
        reasoning=reasoning,
        budget=left,
        warnings=(*_warnings(request, climbed, plan), *said, *unlike, *learning.drift(request, plan, steps)),
        cache_key=plan.key,
        kept=kept,
    )
    prompt = request.last_user_text if steps.store_prompts else None
    yield Work("record", partial(_record, steps, receipt, request, prompt))
    return Answer(reply=reply, receipt=receipt, request=request)


def _record_failure(steps: Steps, request: Request, error: Exception) -> None:
    options = request.options
    steps.ledger.record_failure(
        request.call_id,
        time.time(),
        options.project,
        request.entry,
        request.model,
        error,
        options.reason,
        feature=options.feature,
        asked=fail_open("Who asked what could not be told.", partial(asked_by, request), None),
        grants=request.grants,
        parent=request.parent,
    )


def _record(steps: Steps, receipt: Receipt, request: Request, prompt: str | None) -> None:
    costs = {a.attempt_id: cost.of_attempt(a) for a in receipt.attempts}
    steps.ledger.settle_and_record(
        receipt, request.options.reason, prompt, entry=request.entry, costs=costs, asked=asked_by(request)
    )
    learning.flush(receipt, steps)


def _saved(
    request: Request, plan: Plan, reply: Reply, attempts: Sequence[Attempt], own: Overhead, steps: Steps
) -> Avoided | None:
    if request.options.observe:
        return receipts.would_avoid(request, plan.decision, attempts, reply)
    if plan.decision.outcome == "lookup_needed":
        return None  # nothing was answered
    if plan.entry is not None:
        return receipts.avoided_by_cache(plan.entry.energy, plan.entry.model)
    used = total([a.energy for a in receipts.counted(attempts)]) if attempts else own.energy
    unnamed = request.model in (None, "auto")
    if steps.endpoint is not None or (unnamed and not steps.ladder):
        return None  # what a server behind base_url would have taken, nobody knows
    baseline = steps.ladder[-1].model if unnamed else str(request.model)
    off, _ = steps.switches(request.options.project)
    return receipts.avoided(request, attempts, reply, used, baseline, effort_on="effort" not in off)


def _warnings(request: Request, climbed: Climbed | None, plan: Plan) -> tuple[str, ...]:
    if climbed is None:
        return plan.own.warnings
    volatile = plan.assessment.volatile if plan.assessment is not None else 0.0
    cut = output_length.cut(climbed.draft, climbed.reply, request.options.opt_in)
    short = () if cut is None else (cut,)
    return (*plan.own.warnings, *short, *climbed.warnings, *receipts.warnings(climbed.done, volatile))
