"""How the exact cache enters a call: looked up first, an equal call in flight waited for, and the answer kept at last.

A cache that fails never costs the caller the answer: whatever goes wrong here is a miss.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from greenai import answerers, nudges, route
from greenai.cache import Entry, ExactCache, exact_key, policy_fingerprint
from greenai.cache.entry import copied
from greenai.cache.flights import Flight
from greenai.cache.keep import Term, class_of, is_kept, last_questions, term_for, term_of
from greenai.cache.volatility import VERSION as VOLATILITY_VERSION
from greenai.cache.volatility import volatility
from greenai.catalog import VERSION as CATALOG_VERSION
from greenai.catalog import find
from greenai.classify import VERSION as CLASSIFIER_VERSION
from greenai.errors import CacheError, InvalidRequest
from greenai.local import EngineSettings
from greenai.local.names import revision_of
from greenai.nudges import effort
from greenai.readings import Kept, Overhead
from greenai.settings.switches import asking
from greenai.steps import FUNCTION, Climbed, Flow, Plan, Steps, fail_open
from greenai.stopwatch import Stopwatch
from greenai.values import Decision, Receipt, Reply, Request, Work
from greenai.waiting import Wait

__all__ = ["forgotten", "given_again", "joined", "kept_under", "key_of", "looked_up", "store"]

_KEY = re.compile(r"[0-9a-f]{64}")

# What decides who answers, beside the registered answerers of a client. An entry of the cache holds under these only.
_VERSIONS = {
    "classifier": CLASSIFIER_VERSION,
    "nudges": nudges.VERSION,
    "catalog": CATALOG_VERSION,
    "built-in": answerers.VERSION,
    "volatility": VOLATILITY_VERSION,
}
# An equal call is waited for this long at most, in seconds, where the deadline allows more.
_LONGEST_WAIT_S = 600.0
# So many calls that fail are waited for, one after the other: each of those who wait leads one of them.
_MOST_WAITS = 3
# How often another process's call is looked for: soon at first, since many answers are short.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1

_NOT_READ = "The cache could not be read; the call goes on without it."
_NOT_STORED = "The answer could not be stored in the cache."
_UNTOLD = Term(None, "that failed; the log says why")


# --- looking up ---------------------------------------------------------------------------


def key_of(request: Request, steps: Steps) -> str | None:
    """Return the request's key in the cache; None where nothing is cached."""
    if steps.cache is None or request.options.cache == "off":
        return None
    proxied = steps.endpoint is not None or any(rung.base_url is not None for rung in steps.ladder)
    return fail_open(_NOT_READ, lambda: exact_key(request, _policy(request, steps), proxied=proxied), None)


def _policy(request: Request, steps: Steps) -> str:
    own = {"answerers": steps.own.fingerprint} if steps.own else {}
    off, _ = steps.switches(request.options.project)
    if switched := asking(off):
        own["nudges"] = switched
    return policy_fingerprint(
        ladder=(*steps.ladder, *((steps.endpoint,) if steps.endpoint else ())),
        quality=request.options.quality,
        opt_ins=request.options.opt_in,
        versions=_VERSIONS | _weights(request, steps) | own,
    )


def _weights(request: Request, steps: Steps) -> dict[str, str]:
    """Return which weights stand behind the local models that may answer: another quantisation answers otherwise."""
    models = (*(rung.model for rung in steps.ladder if rung.base_url is None), request.model or "")
    local = {model for model in models if model.startswith("local/")}
    if not local:
        return {}
    folder = getattr(steps.engines, "settings", EngineSettings()).weights_dir
    return {model: revision_of(model.removeprefix("local/"), folder) or "absent" for model in local}


def looked_up(request: Request, key: str | None, steps: Steps) -> Flow[Plan | None]:
    """Return the plan to give a stored answer again, or None."""
    if key is None or steps.cache is None or request.options.cache == "refresh":
        return None
    entry = yield Work("cache", partial(_read, steps.cache, key))
    return None if entry is None else given_again(request, key, entry, steps)


def _read(cache: ExactCache, key: str) -> Entry | None:
    return fail_open(_NOT_READ, lambda: cache.get(key), None)


def given_again(request: Request, key: str, entry: Entry, steps: Steps, *, shared: bool = False) -> Plan | None:
    """Return the plan to give `entry` to this request, or None where it may not have it."""

    def plan() -> Plan | None:
        age_s = time.time() - entry.created
        oldest_s = request.options.max_age_s
        if (oldest_s is not None and age_s > oldest_s) or not _is_allowed(entry, request, steps):
            return None
        why = f"The same request was answered before by {entry.model}; the answer is still valid."
        if shared:
            why = f"The same request was being answered by {entry.model}; its answer is shared."
        decision = Decision(outcome="cache", route=(), reasons=(why,), observed=request.options.observe)
        given = replace(entry, body=copied(entry.body), deltas=copied(entry.deltas)) if shared else entry
        return Plan(decision=decision, key=key, reply=_replayed(request, given), entry=entry)

    return fail_open("A cache entry could not be read; the call goes on without it.", plan, None)


def _replayed(request: Request, entry: Entry) -> Reply:
    body: dict[str, Any] = {**entry.body, "id": f"chatcmpl-{request.call_id}", "created": int(time.time())}
    choice = body["choices"][0]
    return Reply(
        model=entry.model,
        text=choice["message"].get("content") or "",
        finish_reason=choice.get("finish_reason"),
        usage=entry.usage,
        latency_s=0.0,
        body=body,
        tool_calls=bool(choice["message"].get("tool_calls")),
        deltas=entry.deltas,
    )


def _is_allowed(entry: Entry, request: Request, steps: Steps) -> bool:
    """Say whether what answered then may answer this request now: by its ladder, and by its opt-ins.

    The key says the same of what it holds. This is held against what the entry itself says.
    """
    if entry.model.startswith("greenai/") or request.api.startswith(FUNCTION):
        return True  # what answered is in the key: a function of the app's own, and its arguments
    opt_in = request.options.opt_in
    if entry.reasoning and "reasoning" not in opt_in and not effort.stated(request.arguments):
        return False
    if request.model not in (None, "auto"):
        ladder = route.ladder_for(request, steps.ladder, find, endpoint=steps.endpoint, pinned=steps.pinned)
        return any(rung.model == entry.model for rung in ladder.rungs)
    rung = next((rung for rung in steps.ladder if rung.model == entry.model), None)
    return rung is not None and (rung.tier == "small" or rung is steps.ladder[0] or "large" in opt_in)


# --- equal calls at the same time ---------------------------------------------------------


def joined(request: Request, plan: Plan, steps: Steps, watch: Stopwatch, landed: int) -> Flow[Plan]:
    """Wait for an equal call that is in flight, or lead one that others may wait for.

    `landed` is how many calls had landed before the cache was read: where it is more now, it is read again. Of other
    processes' calls that is not known, so with these it is always read again.
    """
    key = plan.key
    if plan.reply is not None or key is None or steps.cache is None or not _may_share(request):
        return plan
    for _ in range(_MOST_WAITS):
        # A stream ends when its app likes, so nobody is made to wait for one; it may wait for others.
        flight, leads = steps.flights.join(key, lead=not request.stream)
        if flight is None:
            return plan
        if leads:  # without a look at the question's class, which takes a while: it may be that nobody waits
            again = steps.flights.are_shared or steps.flights.landed != landed
            return (yield from _led(request, plan, flight, steps, watch, again=again))
        if term_of(request, _kind(request)).ttl_s is None:
            return plan
        started = time.perf_counter()
        yield Wait.of(flight.answer, _left_s(request))
        watch.away(time.perf_counter() - started)
        entry = flight.answer.result() if flight.answer.done() else None
        if entry is not None or not flight.failed:
            found = None if entry is None else given_again(request, key, entry, steps, shared=True)
            return found or plan
    return plan


def _may_share(request: Request) -> bool:
    """Say whether one answer may serve several: where it may be stored, and the app did not ask for a new one."""
    if request.options.cache not in ("auto", "semantic") or request.options.observe:
        return False
    return term_of(request, "static").ttl_s is not None


def _led(request: Request, plan: Plan, flight: Flight, steps: Steps, watch: Stopwatch, *, again: bool) -> Flow[Plan]:
    """Lead a flight as soon as no other process does, or give the answer that it has stored meanwhile."""
    cache, started, pause_s = steps.cache, time.perf_counter(), _FIRST_PAUSE_S
    try:
        while cache is not None:
            free = flight.is_free()
            if free and not again:
                break
            entry = yield Work("cache", partial(_read, cache, flight.key))
            found = None if entry is None else given_again(request, flight.key, entry, steps, shared=True)
            if found is not None:
                flight.land(entry)
                return found
            if free or time.perf_counter() - started > _left_s(request):
                break
            again = True
            yield Wait.of(None, pause_s)
            watch.away(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    except BaseException:
        flight.land(None)
        raise
    return replace(plan, flight=flight)


def _left_s(request: Request) -> float:
    return min(max(request.deadline - time.monotonic(), 0.0), _LONGEST_WAIT_S)


# --- keeping ------------------------------------------------------------------------------


def _kind(request: Request) -> str:
    """Return the class of the question, with those before it that it may lean on."""
    if request.api == "embeddings":
        return "static"
    if request.api == "decisions":
        return fail_open(_NOT_STORED, partial(_kind_of_verdicts, request), "action")
    texts = last_questions(request)
    return fail_open(_NOT_STORED, lambda: class_of(volatility(text) for text in texts), "action")


def _kind_of_verdicts(request: Request) -> str:
    """Return the class of questions about an input: who asks does not change them, and of now some may be."""
    extra = request.arguments.get("extra_body")
    questions = extra.get("questions") if isinstance(extra, Mapping) else None
    texts = (text for question in questions or () for text in question.values() if isinstance(text, str))
    kinds = {volatility(text) for text in texts}
    return next((kind for kind in ("realtime", "daily") if kind in kinds), "unknown")


def store(
    request: Request, plan: Plan, reply: Reply, climbed: Climbed | None, own: Overhead, steps: Steps
) -> Flow[Kept | None]:
    """Keep the answer where it may be given again, and let those have it who wait for this call.

    Returns:
        What the receipt says of that; None where nothing is cached.
    """
    cache, key = steps.cache, plan.key
    if cache is None or key is None or plan.assessment is None:
        return None
    if climbed is not None and (not climbed.good or climbed.less or _stood_in(climbed)):
        return Kept(why="it was delivered for want of a better one, which the next call may get")
    # As if the question were calm: its class takes longest to tell.
    least = fail_open(_NOT_STORED, partial(_term, request, reply, climbed, "static"), _UNTOLD)
    if least.ttl_s is None:
        return Kept(why=least.why)

    def keep() -> tuple[Entry | None, Kept]:
        return _kept(key, request, reply, climbed, own, cache)

    nothing: tuple[Entry | None, Kept] = None, Kept(why=_UNTOLD.why)
    done: tuple[Entry | None, Kept] = yield Work("store", partial(fail_open, _NOT_STORED, keep, nothing))
    if plan.flight is not None:
        plan.flight.land(done[0])
    return done[1]


def _kept(
    key: str, request: Request, reply: Reply, climbed: Climbed | None, own: Overhead, cache: ExactCache
) -> tuple[Entry | None, Kept]:
    kind = "unknown" if climbed is None else _kind(request)  # a function's author said that its answer holds
    term = _term(request, reply, climbed, kind)
    if term.ttl_s is None:
        return None, Kept(why=term.why, kind=kind)
    entry = _entry(request, reply, climbed, own)
    if entry is None:
        return None, Kept(why="the answer was refused, filtered, spoken or looked up", kind=kind)
    if not cache.put(key, entry, term.ttl_s):
        return entry, Kept(why="the store did not take it", kind=kind)
    return entry, Kept(why=term.why, kind=kind, ttl_s=term.ttl_s, until=entry.created + term.ttl_s)


def _term(request: Request, reply: Reply, climbed: Climbed | None, kind: str) -> Term:
    return term_for(request, kind, reply, temperature=_temperature(request, climbed))


def _temperature(request: Request, climbed: Climbed | None) -> object:
    """Return what a model was asked with; a function does not sample, nor does a verdict, which is no text."""
    return 0 if climbed is None or request.api == "decisions" else climbed.draft.arguments.get("temperature")


def _stood_in(climbed: Climbed) -> bool:
    """Say whether the model that was chosen failed, so that another answered in its place."""
    return any(a.state == "failed" and a.model != climbed.done.model for a in climbed.attempts)


def _entry(request: Request, reply: Reply, climbed: Climbed | None, own: Overhead) -> Entry | None:
    body = _json_of(reply)
    if body is None or not is_kept(body):
        return None
    return Entry(
        body=body,
        model=climbed.rung.model if climbed is not None else reply.model,
        tier=climbed.rung.tier if climbed is not None else "small",
        reasoning=climbed.draft.reasoning if climbed is not None else None,
        energy=climbed.done.energy if climbed is not None else own.energy,
        usage=climbed.done.usage if climbed is not None else reply.usage,
        created=time.time(),
        project=request.options.project,
        deltas=reply.deltas,
    )


def _json_of(reply: Reply) -> dict[str, Any] | None:
    if reply.body is not None:
        of_reply: dict[str, Any] = copied(dict(reply.body))  # the app gets what is in the reply, those who wait this
        return of_reply
    if reply.native is None:
        return None
    body: dict[str, Any] = reply.native.to_dict(mode="json")
    body.pop("greenai", None)
    return body


# --- forgetting ---------------------------------------------------------------------------


def forgotten(answered: Receipt | str, steps: Steps, *, must: bool = False) -> Flow[bool]:
    """Take an answer out of the cache, by its receipt, its call or its key; return whether it was there.

    Raises:
        InvalidRequest: `answered` is the id of a call that the ledger does not have.
        CacheError: it `must` be done, and the store could not.
    """
    key = yield from kept_under(answered, steps)
    if key is None or steps.cache is None:
        return False
    return bool((yield Work("cache", partial(_dropped, steps.cache, key, steps, must=must))))


def kept_under(answered: Receipt | str, steps: Steps) -> Flow[str | None]:
    """Return the key of what was answered.

    Raises:
        InvalidRequest: `answered` is the id of a call that the ledger does not have.
    """
    if isinstance(answered, Receipt):
        return answered.cache_key
    if _KEY.fullmatch(answered):
        return answered
    key: str | None = yield Work("ledger", partial(_key_in, steps, answered))
    return key


def _key_in(steps: Steps, call_id: str) -> str | None:
    row = steps.ledger.call(steps.ledger.whole(call_id))
    if row is None:
        raise InvalidRequest(
            f"The ledger has no call {call_id!r}, so nothing is known of its answer. Pass the response itself, or the "
            "call_id of its receipt, on the machine that made the call."
        )
    key: str | None = row["cache_key"]
    return key


def _dropped(cache: ExactCache, key: str, steps: Steps, *, must: bool) -> bool:
    def drop() -> bool:
        was_there = cache.get(key) is not None
        if not cache.forget(key):
            why = cache.undone or "it did not say why"
            raise CacheError(
                f"The answer may still be in the cache, which could not drop it: {why}. Look whether the server runs "
                "and cache_url is right, or whether the folder can be written to and has space (greenai doctor tells), "
                "then call this again."
            )
        if steps.semantic is not None:
            steps.semantic.forget(key)
        return was_there

    return drop() if must else fail_open("A bad answer could not be taken out of the cache.", drop, otherwise=False)
