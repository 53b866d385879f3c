"""One call, top to bottom: the order of the steps, and nothing else.

    answer ── decide ──┬─ 1 request     check it                              InvalidRequest
              │        ├─ 2 cache       the same request before?              a hit
              │        ├─ 3 classify    what does it need?
              │        ├─ 4 answerers   can it be answered without a model?   a sure answer
              │        ├─ 5 semantic cache, where opted in (a later release)
              │        └─ 6 route       which rungs, least energy first?      NoSufficientModel
              ├── climb ──── 7 per rung: reserve, draft, call, judge, settle  good enough; else the next rung, once
              └── finish ─── 8 store, receipt, observers

`answer` is a generator. It waits for nothing itself: it yields `Work` (disk, loading a model) and `Call` (a
provider), and is sent the result or thrown the error. The clients drive it. Closing it, as a cancelled call
does, runs the `except` in `attempt`, which settles the hold. This is the one module that may catch broadly: a
meter, nudge, cache or observer that fails never costs the caller the answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

from greenai import advice, answerers, hooks, meters, nudges, receipts, route
from greenai.budget import Hold, Ledger
from greenai.cache import Entry, ExactCache, exact_key, policy_fingerprint, ttl_for
from greenai.catalog import VERSION as CATALOG_VERSION
from greenai.catalog import Card, find
from greenai.classify import VERSION as CLASSIFIER_VERSION
from greenai.classify import Classifier
from greenai.conversations import Conversations
from greenai.errors import GreenAIError, InvalidRequest, MissingExtra, ModelMissing, RequestTooLarge
from greenai.local import Engine, Engines
from greenai.receipts import Site, Stopwatch
from greenai.units import format_bytes
from greenai.values import (
    Answer,
    Assessment,
    Attempt,
    Avoided,
    Call,
    Decision,
    Draft,
    Outcome,
    Overhead,
    Reading,
    Receipt,
    Reply,
    Request,
    Rung,
    RungEstimate,
    Usage,
    Work,
    text_of,
    total,
)

logger = logging.getLogger("greenai")

T = TypeVar("T")
Flow: TypeAlias = Generator["Call | Work[Any]", Any, T]

# Statuses by which a provider says that this key may not use this model: a sibling is then skipped and remembered.
NOT_FOR_THIS_KEY = (401, 403, 404)

NO_ENERGY = Reading.unknown("the energy model failed")

# An engine that is running already is found in less time than this; anything longer was spent on starting it.
FOUND_RUNNING_S = 0.05

# A hold outlives its call by this many seconds, for settling after the deadline.
HOLD_GRACE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The collaborators of one client: what the steps need besides the request."""

    classifier: Classifier
    ledger: Ledger
    engines: Engines
    site: Site
    ladder: tuple[Rung, ...]
    endpoint: Rung | None = None
    cache: ExactCache | None = None
    nudges: Sequence[nudges.Nudge] = nudges.DEFAULT
    meters: Sequence[meters.Meter] = meters.METERS
    observers: Sequence[hooks.Observer] = hooks.DEFAULT
    max_prompt_bytes: int = 4_000_000
    store_prompts: bool = False
    denied: set[str] = field(default_factory=set)
    memory: Conversations = field(default_factory=Conversations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was decided before anything was spent."""

    decision: Decision
    ladder: route.Ladder | None = None
    rungs: tuple[Rung, ...] = ()
    assessment: Assessment | None = None
    key: str | None = None
    reply: Reply | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What came of climbing: the reply that is delivered, every attempt, and the hold of the last one."""

    reply: Reply
    rung: Rung
    draft: Draft
    done: Attempt
    hold: Hold
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[str, ...] = ()


# --- the call -----------------------------------------------------------------------------


def answer(request: Request, steps: Steps) -> Flow[Answer]:
    """Answer one request with the least energy that still answers well.

    Raises:
        GreenAIError: what greenai itself refuses; see errors.py.
        openai.OpenAIError: what the provider's failure is to an app that uses openai.
    """
    watch = Stopwatch()
    plan = yield from decide(request, steps)
    if request.options.observe:
        plan = as_written(request, plan, steps)
    if plan.reply is not None:
        return (yield from finish(request, plan, plan.reply, None, steps, watch))
    climbed = yield from climb(request, plan, steps, watch)
    try:
        return (yield from finish(request, plan, climbed.reply, climbed, steps, watch))
    except BaseException:
        # Also a call that is cancelled while its answer is stored. A hold that is settled already stays as it is.
        climbed.hold.settle(climbed.done, receipts.attempt_cost_usd(climbed.done))
        raise


def explain(request: Request, steps: Steps) -> Flow[Decision]:
    """Decide without calling any model; the decision lists the estimated energy of every rung."""
    plan = yield from decide(request, steps)
    if plan.ladder is None or plan.assessment is None:
        return plan.decision
    estimates = tuple(_estimate(rung, plan, request) for rung in plan.ladder.rungs)
    return replace(plan.decision, estimates=estimates)


# --- steps 1 to 6 -------------------------------------------------------------------------


def decide(request: Request, steps: Steps) -> Flow[Plan]:
    """Decide how to answer, spending nothing: steps 1 to 6."""
    check(request, steps.max_prompt_bytes)

    key = _key(request, steps)
    entry: Entry | None = None
    if key is not None and steps.cache is not None and request.options.cache != "refresh":
        entry = yield Work("cache", partial(_read, steps.cache, key))
    if entry is not None and (replayed := _replayed(request, entry)) is not None:
        return Plan(decision=_hit(request, entry), key=key, reply=replayed, entry=entry)

    assessment = steps.classifier.assess(request.messages)

    if request.floor is None and (reply := answerers.answer(request, assessment)) is not None:
        return Plan(decision=_calculated(request), key=key, assessment=assessment, reply=reply)

    ladder = route.ladder_for(
        request,
        steps.ladder,
        find,
        endpoint=steps.endpoint,
        previous=steps.memory.find(request),
        denied=frozenset(steps.denied),
    )
    chosen = route.route(request, assessment, ladder)
    decision = Decision(
        outcome=_outcome(chosen.rungs[0]),
        route=tuple(r.model for r in chosen.rungs),
        reasons=(*assessment.why, ladder.reason, *chosen.reasons),
        checks=chosen.checks,
        opt_ins=tuple(sorted({*chosen.opt_ins, *(request.options.opt_in & {"reasoning"})})),
        observed=request.options.observe,
    )
    return Plan(decision=decision, ladder=ladder, rungs=chosen.rungs, assessment=assessment, key=key)


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


def as_written(request: Request, plan: Plan, steps: Steps) -> Plan:
    """Observe mode: keep the decision for the receipt, and send the request to the model that it names."""
    model = steps.ladder[-1].model if request.model in (None, "auto") else request.model
    pinned = replace(request, model=model, options=replace(request.options, substitute=False))
    ladder = route.ladder_for(pinned, steps.ladder, find, endpoint=steps.endpoint)
    return replace(plan, ladder=ladder, rungs=ladder.rungs, reply=None)


def _key(request: Request, steps: Steps) -> str | None:
    if steps.cache is None or request.options.cache == "off":
        return None
    options = request.options
    policy = policy_fingerprint(
        ladder=(*steps.ladder, *((steps.endpoint,) if steps.endpoint else ())),
        quality=options.quality,
        opt_ins=options.opt_in,
        versions={"classifier": CLASSIFIER_VERSION, "nudges": nudges.VERSION, "catalog": CATALOG_VERSION},
    )
    return exact_key(request, policy)


def _read(cache: ExactCache, key: str) -> Entry | None:
    try:
        return cache.get(key)
    except Exception:  # fail open: a broken cache is a miss
        logger.warning("The cache could not be read; the call goes on without it.", exc_info=True)
        return None


def _hit(request: Request, entry: Entry) -> Decision:
    return Decision(
        outcome="cache",
        route=(),
        reasons=(f"The same request was answered before by {entry.model}; the answer is still valid.",),
        observed=request.options.observe,
    )


def _replayed(request: Request, entry: Entry) -> Reply | None:
    body: dict[str, Any] = {**entry.body, "id": f"chatcmpl-{request.call_id}", "created": int(time.time())}
    try:
        choice = body["choices"][0]
        text, finish_reason = choice["message"].get("content") or "", choice.get("finish_reason")
    except Exception:  # fail open: an entry of another form is a miss
        logger.warning("A cache entry could not be read; the call goes on without it.", exc_info=True)
        return None
    return Reply(model=entry.model, text=text, finish_reason=finish_reason, usage=entry.usage, latency_s=0.0, body=body)


def _calculated(request: Request) -> Decision:
    return Decision(
        outcome="answerer",
        route=(),
        reasons=("The whole question is arithmetic, so it was calculated; no model was asked.",),
        observed=request.options.observe,
    )


def _outcome(rung: Rung) -> Outcome:
    return rung.tier


def _excluded(rung: Rung, plan: Plan) -> str | None:
    order = [r.model for r in plan.ladder.rungs] if plan.ladder is not None else []
    if rung.model not in order or rung.model in plan.decision.route:
        return None
    if order.index(rung.model) < order.index(plan.rungs[0].model):
        return "not expected to suffice"
    return "a smaller model is expected to suffice, or it needs an opt-in"


def _estimate(rung: Rung, plan: Plan, request: Request) -> RungEstimate:
    card = find(rung.model)
    usage = Usage(
        input_tokens=receipts.input_tokens_estimate(request),
        output_tokens=plan.assessment.expected_output_tokens[0] if plan.assessment else 1,
        estimated=True,
    )
    try:
        energy = receipts.modelled(card, usage)
    except Exception:  # an energy model that fails never costs the caller the answer
        logger.warning("The energy of %s could not be estimated.", rung.model, exc_info=True)
        energy = NO_ENERGY
    return RungEstimate(model=rung.model, tier=rung.tier, energy=energy, excluded=_excluded(rung, plan))


# --- step 7 -------------------------------------------------------------------------------


def climb(request: Request, plan: Plan, steps: Steps, watch: Stopwatch) -> Flow[Climbed]:
    """Try the rungs in order, least energy first, until a reply is good enough; at most one escalation."""
    attempts: list[Attempt] = []
    best: Climbed | None = None
    rungs = list(plan.rungs)
    while rungs:
        rung = rungs.pop(0)
        attempt_id = f"{request.call_id}.{len(attempts)}"
        try:
            climbed = yield from attempt(rung, attempt_id, request, plan, steps, watch)
        except Exception as error:
            attempts.append(receipts.failed(attempt_id, rung, error))
            if best is not None:
                # The discarded answer is worth more to the caller than the error of the rung above it.
                return replace(best, attempts=tuple(attempts), warnings=(*best.warnings, _above_failed(rung, error)))
            if _may_skip(rung, error, plan):
                steps.denied.add(rung.model)
                rungs = rungs or (yield from _others(request, plan, attempts, steps))
            else:
                rungs = []  # a failure is no reason to spend more on the rung above
            if not rungs:
                advice.annotate(error, rung, attempts)
                raise
            continue
        good, why = _judged(climbed.reply, request)
        if good or not rungs or request.stream:
            return replace(climbed, attempts=(*attempts, climbed.done))
        discarded = replace(climbed.done, state="discarded", error=why)
        attempts.append(discarded)
        yield Work("settle", partial(climbed.hold.settle, discarded, receipts.attempt_cost_usd(discarded)))
        best = replace(climbed, done=discarded)
    raise AssertionError("a plan without rungs never gets here")


def _others(request: Request, plan: Plan, attempts: Sequence[Attempt], steps: Steps) -> Flow[list[Rung]]:
    """Route anew without what this key was denied: no rung is asked twice, and none that needs an opt-in."""
    again = yield from decide(request, steps)
    tried = {a.model for a in attempts}
    named = plan.ladder.named if plan.ladder is not None else None
    free = named is not None or "large" in request.options.opt_in
    return [r for r in again.rungs if r.model not in tried and (free or r.tier == plan.rungs[0].tier)]


def attempt(rung: Rung, attempt_id: str, request: Request, plan: Plan, steps: Steps, watch: Stopwatch) -> Flow[Climbed]:
    """Ask one rung: load, draft, reserve, call inside a meter window.

    A reply's hold is left to the caller, who judges first; on any error it is settled here.
    """
    rung, engine = yield from _loaded(rung, steps, watch)
    card = find(rung.model)
    draft = _draft(rung, card, engine, request, plan, steps)
    estimate = _estimate(rung, plan, request).energy
    left_s = max(request.deadline - time.monotonic(), 0.0)
    hold: Hold = yield Work(
        "reserve",
        partial(
            steps.ledger.reserve,
            call_id=request.call_id,
            attempt_id=attempt_id,
            project=request.options.project,
            model=rung.model,
            estimate=estimate,
            ttl_s=left_s + HOLD_GRACE_S,
        ),
    )
    window: meters.Window | None = None
    started = time.perf_counter()
    try:
        window = _window(engine, steps)
        reply: Reply = yield _call(draft, request, attempt_id, partial(hold.renew, left_s + HOLD_GRACE_S))
    except BaseException as error:
        # Also GeneratorExit: the driver closes an abandoned call here. Nothing may be yielded any more.
        watch.away(time.perf_counter() - started)
        _stop(window)
        hold.settle(receipts.failed(attempt_id, rung, error), None)
        raise
    watch.away(time.perf_counter() - started)
    measured = _stop(window)
    done = _done(attempt_id, card, request, draft, reply, measured)
    return Climbed(reply=reply, rung=rung, draft=draft, done=done, hold=hold)


def _loaded(rung: Rung, steps: Steps, watch: Stopwatch) -> Flow[tuple[Rung, Engine | None]]:
    if rung.provider != "local" or rung.base_url is not None:
        return rung, None
    started = time.perf_counter()
    engine: Engine = yield Work("load", partial(steps.engines.get, rung.name))
    elapsed_s = time.perf_counter() - started
    if elapsed_s > FOUND_RUNNING_S:
        watch.loaded(elapsed_s, meters.cpu.core_seconds(engine.pid))
    return replace(rung, base_url=engine.base_url, api_key=engine.api_key), engine


def _draft(rung: Rung, card: Card | None, engine: Engine | None, request: Request, plan: Plan, steps: Steps) -> Draft:
    draft = Draft(rung=rung, messages=request.messages, arguments=dict(request.arguments))
    if engine is not None:
        draft = _with_defaults(draft, engine)
    if request.options.observe or plan.assessment is None:
        return draft
    context = nudges.NudgeContext(
        card=card,
        assessment=plan.assessment,
        options=request.options,
        explicit=frozenset(request.arguments),
    )
    try:
        return nudges.apply(draft, context, steps.nudges)
    except GreenAIError:
        raise
    except Exception:  # a nudge that fails never costs the caller the answer
        logger.warning("A nudge failed; the request goes out as written.", exc_info=True)
        return draft


def _with_defaults(draft: Draft, engine: Engine) -> Draft:
    arguments = {**engine.defaults, **draft.arguments}
    messages = draft.messages
    if engine.default_system and messages[0].get("role") not in ("system", "developer"):
        messages = ({"role": "system", "content": engine.default_system}, *messages)
    return replace(draft, arguments=arguments, messages=messages)


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


def _window(engine: Engine | None, steps: Steps) -> meters.Window | None:
    if engine is None:
        return None
    try:
        return meters.window(engine.pid, watts_per_core=steps.site.watts_per_core, meters=steps.meters)
    except Exception:  # a meter that fails never costs the caller the answer
        logger.warning("The meter failed to start; this call's energy is modelled instead.", exc_info=True)
        return None


def _stop(window: meters.Window | None) -> Reading | None:
    if window is None:
        return None
    try:
        return window.stop()
    except Exception:  # a meter that fails never costs the caller the answer
        logger.warning("The meter failed; this call's energy is modelled instead.", exc_info=True)
        return None


def _done(
    attempt_id: str, card: Card | None, request: Request, draft: Draft, reply: Reply, measured: Reading | None
) -> Attempt:
    try:
        return receipts.done(attempt_id, card, request, draft, reply, measured)
    except Exception:  # an energy model that fails never costs the caller the answer
        logger.warning("The energy of this call could not be modelled.", exc_info=True)
        return receipts.done(attempt_id, card, request, draft, replace(reply, reported_energy_j=None), NO_ENERGY)


def _judged(reply: Reply, request: Request) -> tuple[bool, str]:
    try:
        return route.suffices(reply, request)
    except Exception:  # an answer that cannot be judged is still an answer
        logger.warning("The answer could not be judged; it is delivered.", exc_info=True)
        return True, "not judged"


def _may_skip(rung: Rung, error: Exception, plan: Plan) -> bool:
    """Say whether another rung may be asked instead: only where greenai, not the app, chose this one."""
    if plan.ladder is None or not plan.ladder.substitutable or rung.model == plan.ladder.named:
        return False
    if isinstance(error, (ModelMissing, MissingExtra)):
        return len(plan.ladder.rungs) > 1
    return getattr(error, "status_code", None) in NOT_FOR_THIS_KEY and len(plan.ladder.rungs) > 1


def _above_failed(rung: Rung, error: Exception) -> str:
    return f"{rung.model} was asked for a better answer and failed ({type(error).__name__}); this is the earlier one."


# --- step 8 -------------------------------------------------------------------------------


def finish(
    request: Request, plan: Plan, reply: Reply, climbed: Climbed | None, steps: Steps, watch: Stopwatch
) -> Flow[Answer]:
    """Settle, store, write the receipt, tell the observers: step 8."""
    attempts = climbed.attempts if climbed is not None else ()
    reasoning = climbed.draft.reasoning if climbed is not None else None
    if climbed is not None:
        yield from _store(request, plan, climbed, steps)
        if plan.ladder is not None and plan.ladder.substitutable:
            steps.memory.remember(request, reply, climbed.rung.model)
    elif plan.entry is not None:
        steps.memory.remember(request, reply, plan.entry.model)
    own = receipts.overhead(watch, steps.site)
    receipt = receipts.build(
        request,
        outcome=_outcome(climbed.rung) if climbed is not None else plan.decision.outcome,
        decision=plan.decision,
        answered_by=plan.entry.model if plan.entry is not None else reply.model,
        attempts=attempts,
        own=own,
        site=steps.site,
        saved=_saved(request, plan, reply, attempts, own, steps),
        notes=climbed.draft.notes if climbed is not None else (),
        reasoning=reasoning,
        warnings=_warnings(climbed, plan),
    )
    prompt = request.last_user_text if steps.store_prompts else None
    yield Work("record", partial(_record, steps.ledger, receipt, request, prompt))
    for observer in steps.observers:
        try:
            observer(receipt)
        except Exception:  # telemetry fails open
            logger.warning("The observer %r failed.", observer, exc_info=True)
    return Answer(reply=reply, receipt=receipt, request=request)


def _record(ledger: Ledger, receipt: Receipt, request: Request, prompt: str | None) -> None:
    costs = {a.attempt_id: receipts.attempt_cost_usd(a) for a in receipt.attempts}
    ledger.settle_and_record(receipt, request.options.reason, prompt, entry=request.entry, costs=costs)


def _store(request: Request, plan: Plan, climbed: Climbed, steps: Steps) -> Flow[None]:
    if plan.key is None or plan.assessment is None or request.options.cache == "read" or steps.cache is None:
        return
    if climbed.done.state == "discarded":  # delivered only because the rung above it failed
        return
    try:
        ttl_s = ttl_for(request, plan.assessment, climbed.reply)
        if ttl_s is not None:
            yield Work("store", partial(_write, steps.cache, plan.key, climbed, ttl_s))
    except Exception:  # fail open: an answer that cannot be stored is still an answer
        logger.warning("The answer could not be stored in the cache.", exc_info=True)


def _write(cache: ExactCache, key: str, climbed: Climbed, ttl_s: float) -> None:
    body = _json_of(climbed.reply)
    if body is None:
        return
    last = climbed.done
    entry = Entry(
        body=body,
        model=climbed.rung.model,
        tier=climbed.rung.tier,
        reasoning=climbed.draft.reasoning,
        energy=last.energy,
        usage=last.usage,
        created=time.time(),
    )
    cache.put(key, entry, ttl_s)


def _json_of(reply: Reply) -> dict[str, Any] | None:
    if reply.body is not None:
        return dict(reply.body)
    if reply.native is None:
        return None
    body: dict[str, Any] = reply.native.to_dict(mode="json")
    body.pop("greenai", None)
    return body


def _saved(
    request: Request, plan: Plan, reply: Reply, attempts: Sequence[Attempt], own: Overhead, steps: Steps
) -> Avoided | None:
    try:
        if request.options.observe:
            return receipts.would_avoid(request, plan.decision, attempts, reply)
        if plan.entry is not None:
            return receipts.avoided_by_cache(plan.entry.energy, plan.entry.model)
        used = total([a.energy for a in receipts.counted(attempts)]) if attempts else own.energy
        baseline = steps.ladder[-1].model if request.model in (None, "auto") else str(request.model)
        return receipts.avoided(request, attempts, reply, used, baseline)
    except Exception:  # an energy model that fails never costs the caller the answer
        logger.warning("What this call avoided could not be modelled.", exc_info=True)
        return None


def _warnings(climbed: Climbed | None, plan: Plan) -> tuple[str, ...]:
    if climbed is None:
        return ()
    volatile = plan.assessment.volatile if plan.assessment is not None else 0.0
    return (*climbed.warnings, *receipts.warnings(climbed.done, volatile))
