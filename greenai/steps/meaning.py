"""How the semantic cache enters a call: step 5, where it is opted in, and what it learns from the answer at the end.

It takes single questions in plain text whose answers may be stored. All else about the request has to be the same for
one answer to serve two: the scope is the exact cache's key without the question. The answers themselves are the exact
cache's: what is no longer there is not given. A cache that fails never costs the caller the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from greenai.cache import Hit, SemanticTier
from greenai.steps import Flow, Plan, Steps, caching, fail_open
from greenai.units import format_duration
from greenai.values import Check, Receipt, Reply, Request, Work

__all__ = ["learned", "recalled", "refuted"]

_NOT_ASKED = "The semantic cache could not be asked; the call goes on without it."
_NOT_TOLD = "The semantic cache could not take in what became of an answer."
_SAID_CHARS = 80


def recalled(request: Request, key: str | None, steps: Steps) -> Flow[Plan | None]:
    """Return the plan to give the stored answer to a question of the same meaning, or None."""
    tier, scope = steps.semantic, _scope(request, steps)
    if tier is None or scope is None or key is None or request.options.cache == "refresh":
        return None
    find = partial(_found, request, tier, scope, steps)
    found: Plan | None = yield Work("semantic cache", partial(fail_open, _NOT_ASKED, find, None))
    return found


def _found(request: Request, tier: SemanticTier, scope: str, steps: Steps) -> Plan | None:
    def stored(ref: str) -> Plan | None:
        entry = None if steps.cache is None else steps.cache.get(ref)
        plan = None if entry is None else caching.given_again(request, ref, entry, steps)
        # The calls of tools are what such an answer says, and they are not what the tier compares.
        return None if plan is None or plan.reply is None or plan.reply.tool_calls else plan

    usable = partial(_is_there, stored)
    hit = tier.lookup(scope, request.last_user_text, usable=usable, call=request.call_id)
    plan = None if hit is None or hit.ref is None else stored(hit.ref)
    if hit is None or plan is None:
        return None
    decision = replace(
        plan.decision,
        outcome="semantic_cache",
        reasons=(_why(hit, plan),),
        checks=_checks(hit, tier),
        opt_ins=("semantic_cache",),
    )
    return replace(plan, decision=decision)


def _is_there(stored: Callable[[str], Plan | None], ref: str) -> bool:
    return stored(ref) is not None


def _why(hit: Hit, plan: Plan) -> str:
    question = hit.question if len(hit.question) <= _SAID_CHARS else f"{hit.question[: _SAID_CHARS - 3]}..."
    by = "" if plan.entry is None else f" by {plan.entry.model}"
    return (
        f'A question of the same meaning, "{question}", was answered{by} {format_duration(hit.age_s)} ago; '
        f"{hit.similarity:.2f} similar."
    )


def _checks(hit: Hit, tier: SemanticTier) -> tuple[Check, ...]:
    name = tier.encoder_name
    return (
        Check(name="same answer", value=hit.score, threshold=hit.threshold, source=name),
        Check(name="bound on wrong hits", value=hit.bound, threshold=tier.delta, source=name),
    )


def learned(request: Request, plan: Plan, reply: Reply, steps: Steps) -> Flow[None]:
    """Tell the tier what the question was answered, if that was stored: it learns what it would have got wrong."""
    tier, scope, key, cache = steps.semantic, _scope(request, steps), plan.key, steps.cache
    if tier is None or scope is None or key is None or cache is None or plan.reply is not None:
        return
    if reply.tool_calls:
        return

    def admit() -> None:
        if cache.get(key) is not None:
            tier.admit(scope, request.last_user_text, reply.text, ref=key)

    yield Work("semantic cache", partial(fail_open, _NOT_TOLD, admit, None))


def refuted(answered: Receipt | str, steps: Steps) -> Flow[None]:
    """Learn that a stored answer was wrong for a question like its own; for its own it stays.

    Raises:
        InvalidRequest: `answered` is the id of a call that the ledger does not have.
    """
    tier, ref = steps.semantic, (yield from caching.kept_under(answered, steps))
    if tier is None or ref is None:
        return

    def refute() -> None:
        # Of another process's hit, or one long ago, nobody knows the question: the answer stays for its own alone.
        if not tier.refute(answered if isinstance(answered, str) else answered.call_id):
            tier.forget(ref)

    yield Work("semantic cache", partial(fail_open, _NOT_TOLD, refute, None))


def _scope(request: Request, steps: Steps) -> str | None:
    """Return all that shapes the answer besides the question, as a key; None where the tier is not for this request."""
    if "semantic_cache" not in request.options.opt_in or request.options.observe or request.floor is not None:
        return None
    if not request.wants_text:  # the vectors of a similar text are others
        return None
    if any(not isinstance(message.get("content"), str) for message in request.messages):
        return None
    roles = [message.get("role") for message in request.messages]
    if roles.count("user") != 1 or roles[-1] != "user" or not {*roles} <= {"user", "system", "developer"}:
        return None
    last = {**request.messages[-1], "content": ""}
    return caching.key_of(replace(request, messages=(*request.messages[:-1], last)), steps)
