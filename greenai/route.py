"""Which models may answer a request, in which order, and whether a reply suffices. Pure: no I/O, no state.

`ladder_for` decides what may be substituted: `auto` is the settings' ladder, an undated name of the catalog is a
ceiling, everything else is a pin. `route` decides where on that ladder to start, and whether one escalation may follow.
`suffices` judges the reply. Trying the rungs, budgets and errors of providers are left to the flow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from greenai.errors import NoSufficientModel, OptInRequired
from greenai.values import Assessment, Check, Quality, Reply, Request, Rung, text_of

if TYPE_CHECKING:
    from greenai.catalog import Card

__all__ = ["THRESHOLDS", "Ladder", "Route", "ladder_for", "route", "suffices"]

THRESHOLDS: Mapping[Quality, float] = {"basic": 0.8, "standard": 0.5, "high": 0.2}
"""`large_gain` from which the smallest rung is not expected to suffice, by quality. Set by hand, like the rules."""

_CHARS_PER_TOKEN = 3  # cautious: English takes about 4, so a prompt is rather taken for too long
_REASONING_ARGUMENTS = frozenset(("reasoning_effort", "reasoning", "thinking"))
_LENGTH_ARGUMENTS = frozenset(("max_tokens", "max_completion_tokens"))

FindCard = Callable[[str], "Card | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The models that may answer, least energy first.

    `named` is the rung of the model that the app wrote, None where it left the choice. `substitutable` says that
    greenai chooses among `rungs`. `escalates` is False where the model must not change between attempts. `raised`
    says that every small rung was left out, so that even the lowest one needs the opt-in "large". `fallback` is the
    model that the app named, asked where a substitute fails.
    """

    rungs: tuple[Rung, ...]
    named: str | None
    substitutable: bool
    reason: str
    escalates: bool = True
    raised: bool = False
    fallback: Rung | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The rungs to try, one or two, with the checks, the reasons in words and the opt-ins that were used."""

    rungs: tuple[Rung, ...]
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()
    opt_ins: tuple[str, ...] = ()


# --- what may be substituted ----------------------------------------------------------------


def ladder_for(
    request: Request,
    settings_ladder: Sequence[Rung],
    find_card: FindCard,
    *,
    endpoint: Rung | None = None,
    pinned: bool = False,
    previous: str | None = None,
    denied: frozenset[str] = frozenset(),
) -> Ladder:
    """Return the models that may answer `request`.

    Args:
        request: the call as the app wrote it.
        settings_ladder: the rungs of the settings, least energy first.
        find_card: the catalog's look-up, by exact name or alias.
        endpoint: the rung of the named model at the client's own `base_url`, if it has one.
        pinned: True for surfaces where a name of the catalog is no ceiling (`wrap`, `@green`, the gateway).
        previous: the model that answered the beginning of this conversation.
        denied: models that this key may not use, as the provider said before.

    Raises:
        NoSufficientModel: no model of the settings' ladder can take the request.
    """
    if request.model in (None, "auto"):
        return _auto(request, settings_ladder, find_card, previous, denied)
    named, rungs, reason = _up_to(request, settings_ladder, find_card, endpoint, pinned)
    if len(rungs) == 1:
        return Ladder(rungs=(named,), named=named.model, substitutable=False, reason=reason, escalates=False)
    needs = _needs(request)
    able = [r for r in rungs[:-1] if not _lacks(find_card(r.model), needs, request, strict=True)]
    fitting = [r for r in able if r.model not in denied]
    left_out = [r.model for r in rungs[:-1] if r not in fitting]
    if left_out:
        reason += f" Left out, because this key or this request rules them out: {', '.join(left_out)}."
    return replace(_settled(request, (*fitting, named), named.model, previous, reason), fallback=named)


def is_pin(
    request: Request,
    settings_ladder: Sequence[Rung],
    find_card: FindCard,
    *,
    endpoint: Rung | None,
    pinned: bool = False,
) -> bool:
    """Say whether the request must reach exactly the model that it names: then no tool answers it either."""
    model, substitute = request.model, request.options.substitute
    if model is None or model == "auto" or substitute is not None:
        return substitute is False
    card = find_card(model) if endpoint is None else None
    if _below_in(settings_ladder, model, card, endpoint) is not None:
        return False
    return _why_pin(model, card, endpoint, pinned) is not None


def _auto(
    request: Request, settings_ladder: Sequence[Rung], find_card: FindCard, previous: str | None, denied: frozenset[str]
) -> Ladder:
    needs = _needs(request)
    lacking = {r.model: _lacks(find_card(r.model), needs, request, strict=False) for r in settings_ladder}
    fitting = [r for r in settings_ladder if not lacking[r.model]]
    if not fitting:
        raise NoSufficientModel(_nothing_fits(settings_ladder, lacking))
    # Where the key was refused everywhere, the provider's own error says more than one of ours would.
    allowed = [r for r in fitting if r.model not in denied] or fitting
    reason = f"No model was named, so the settings' ladder applies: {_names(settings_ladder)}."
    if len(allowed) < len(settings_ladder):
        out = [r for r in settings_ladder if r not in allowed]
        reason += f" Left out, because this key or this request rules them out: {_names(out, ', ')}."
    raised = allowed[0].tier == "large" and any(r.tier == "small" for r in settings_ladder)
    return replace(_settled(request, tuple(allowed), None, previous, reason), raised=raised)


def _settled(request: Request, rungs: tuple[Rung, ...], named: str | None, previous: str | None, reason: str) -> Ladder:
    """Keep to one model where the conversation has begun: its beginning's, or in a tool loop the named one."""
    looping = _in_tool_loop(request.messages)
    if request.floor is None:
        kept = tuple(r for r in rungs if r.model == previous)
        if not kept and looping and named is not None:
            kept = rungs[-1:]
        if kept:
            why = f"The conversation stays on {kept[0].model}, which answered its beginning."
            if kept[0].model != previous:
                why = f"A tool loop never changes model: {kept[0].model} was named."
            return Ladder(rungs=kept, named=named, substitutable=named is None, reason=why, escalates=False)
    return Ladder(rungs=rungs, named=named, substitutable=True, reason=reason, escalates=not looping)


def _up_to(
    request: Request, settings_ladder: Sequence[Rung], find_card: FindCard, endpoint: Rung | None, pinned: bool
) -> tuple[Rung, tuple[Rung, ...], str]:
    """Return the rung of the named model, every rung up to it that may stand in for it, and why."""
    model = request.model or ""
    card = find_card(model) if endpoint is None else None
    named = endpoint or _named_rung(model, card)
    if request.options.substitute is False:
        return named, (named,), f"{model} is a pin: substitute=False."
    below = _below_in(settings_ladder, model, card, endpoint)
    if below is not None:
        return below[-1], below, f"{model} is a ceiling; the settings' ladder up to it applies: {_names(below)}."
    if request.options.substitute:
        rungs = (*_siblings(card, named, find_card), named)
        if len(rungs) == 1:
            rungs = (*(r for r in settings_ladder if r.model != named.model and r.tier == "small"), named)
        return named, rungs, f"{model} is a ceiling: substitute=True; the ladder is {_names(rungs)}."
    pin = _why_pin(model, card, endpoint, pinned)
    if pin is not None:
        return named, (named,), pin
    rungs = (*_siblings(card, named, find_card), named)
    if len(rungs) == 1:
        return named, rungs, f"{model} was named, and the catalog knows no smaller sibling of it."
    return named, rungs, f"{model} is a ceiling; its siblings up to it apply: {_names(rungs)}."


def _why_pin(model: str, card: Card | None, endpoint: Rung | None, pinned: bool) -> str | None:
    if endpoint is not None:
        return f"{model} is a pin: it stands behind the client's own base_url."
    if pinned:
        return f"{model} is a pin here; substitute=True in the settings allows smaller models."
    if card is None:
        return f"{model} is a pin: the catalog does not know it."
    return f"{model} is a pin: a dated snapshot." if card.dated else None


def _named_rung(model: str, card: Card | None) -> Rung:
    """The rung that sends exactly the name that the app wrote, to the provider that the catalog knows, or openai."""
    if card is None:
        return Rung(model=model if "/" in model else f"openai/{model}", tier="large")
    prefixed = model.startswith(f"{card.provider}/")
    return Rung(model=model if prefixed else f"{card.provider}/{model}", tier=card.tier)


def _below_in(
    settings_ladder: Sequence[Rung], model: str, card: Card | None, endpoint: Rung | None
) -> tuple[Rung, ...] | None:
    """Return the settings' ladder up to `model`, or None where it does not name it (at the same address)."""
    names = {model, card.name} if card is not None else {model}
    for index, rung in enumerate(settings_ladder):
        here = endpoint is None or rung.base_url == endpoint.base_url
        if here and (rung.model in names or rung.name in names):
            return tuple(settings_ladder[: index + 1])
    return None


def _siblings(card: Card | None, named: Rung, find_card: FindCard) -> tuple[Rung, ...]:
    """Return the rungs below the card at its own provider, so that the app's own key serves."""
    if card is None or card.name not in card.ladder:
        return ()
    below = [found for name in card.ladder[: card.ladder.index(card.name)] if (found := find_card(name)) is not None]
    return tuple(Rung(model=c.name, tier=c.tier, base_url=named.base_url, api_key=named.api_key) for c in below)


# --- what a request needs of a model --------------------------------------------------------

_PARTS = {
    "image_url": "vision",
    "input_image": "vision",
    "file": "vision",
    "input_file": "vision",
    "input_audio": "audio",
}
_CARDED = frozenset(("tools", "vision", "json_schema", "audio"))


def _needs(request: Request) -> frozenset[str]:
    """Return the capabilities that the request takes for granted."""
    arguments = request.arguments
    needs = {_PARTS[kind] for kind in _part_kinds(request.messages) if kind in _PARTS}
    if arguments.get("tools") or arguments.get("functions") or _in_tool_loop(request.messages):
        needs.add("tools")
    form = arguments.get("response_format")
    if form is not None and not (isinstance(form, Mapping) and form.get("type") in ("text", "json_object")):
        needs.add("json_schema")
    if arguments.get("audio") or "audio" in (arguments.get("modalities") or ()):
        needs.add("audio")
    if arguments.get("web_search_options"):
        needs.add("web_search")
    return frozenset(needs)


def _part_kinds(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    return {
        str(part.get("type"))
        for message in messages
        if isinstance(content := message.get("content"), (list, tuple))
        for part in content
        if isinstance(part, Mapping)
    }


def _in_tool_loop(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(m.get("role") in ("tool", "function") or m.get("tool_calls") for m in messages)


def _lacks(card: Card | None, needs: frozenset[str], request: Request, *, strict: bool) -> str:
    """Return what the model lacks for the request in words, or nothing.

    `strict` is for a substitute of a named model: it must be known to do all that was asked. A model that the
    settings name without a card is taken at the settings' word.
    """
    if card is None:
        return "no card in the catalog" if strict else ""
    missing = sorted((needs if strict else needs & _CARDED) - card.capabilities)
    if missing:
        return "no " + " or ".join(missing)
    tokens = sum(len(text_of(m.get("content"))) for m in request.messages) // _CHARS_PER_TOKEN
    if card.context_tokens is not None and tokens > card.context_tokens:
        return f"room for {card.context_tokens} tokens, and the prompt has about {tokens}"
    if strict and card.reasoning.status == "none" and _asks_for_reasoning(request):
        return "no reasoning, which the call's arguments set"
    return ""


def _asks_for_reasoning(request: Request) -> bool:
    given = {n: v for n in _REASONING_ARGUMENTS if (v := request.arguments.get(n)) is not None}
    return any(v != "none" and not (isinstance(v, Mapping) and v.get("type") == "disabled") for v in given.values())


def _names(rungs: Sequence[Rung], joint: str = " < ") -> str:
    return joint.join(r.model for r in rungs)


def _nothing_fits(ladder: Sequence[Rung], lacking: Mapping[str, str]) -> str:
    if not ladder:
        return (
            "No model was named and no ladder says which may answer (behind a base_url, only the settings' own ladder "
            'counts). Name one with model="...", or set ladder = ["provider/name", ...] in the settings.'
        )
    each = "; ".join(f"{r.model}: {lacking[r.model]}" for r in ladder)
    return (
        f"No model of the ladder can take this request ({each}). "
        'Name one that can with model="...", or add one to ladder in the settings.'
    )


# --- where to start -------------------------------------------------------------------------


def route(request: Request, assessment: Assessment, ladder: Ladder) -> Route:
    """Return the one or two rungs to try: the least energy that is expected to suffice, and the rung above it.

    Without a named ceiling, rungs above the small one need the opt-in "large". A stream gets one rung: what was sent
    cannot be taken back. `request.floor` (from `escalate`) starts one rung above that model.

    Raises:
        NoSufficientModel: `request.floor` is the top of the ladder already.
        OptInRequired: every small rung was left out, and nobody opted in to the large ones.
    """
    if ladder.raised and "large" not in request.options.opt_in:
        raise OptInRequired(
            f"Only {_names(ladder.rungs, ' or ')} can take this request, and above the small rung the opt-in large is "
            f"needed. {ladder.reason} "
            'To allow it: with_options(opt_in={"large"}, reason="..."), or name the model with model="...".',
            kind="large",
        )
    if request.floor is not None and any(r.model == request.floor for r in ladder.rungs):
        return _above_floor(request, ladder)
    if len(ladder.rungs) == 1:
        return Route(rungs=ladder.rungs)
    wanted, checks, reasons = _start(assessment, request.options.quality, ladder.rungs)
    allowed = _allowed(request, ladder)
    start = min(wanted, allowed - 1)
    if start < wanted:
        reasons.append(_needs_opt_in(ladder.rungs[wanted].model, ladder.rungs[start].model))
    last = start + 1 if request.stream or not ladder.escalates else start + 2
    rungs = ladder.rungs[start : min(last, allowed)]
    return Route(rungs=rungs, checks=tuple(checks), reasons=tuple(reasons), opt_ins=_used(request, ladder, start))


def _start(assessment: Assessment, quality: Quality, rungs: Sequence[Rung]) -> tuple[int, list[Check], list[str]]:
    """Hold `large_gain` against one threshold per rung, evenly spaced from the quality's up to 1."""
    first = THRESHOLDS[quality]
    steps = len(rungs) - 1
    source = f'quality="{quality}"; {assessment.method}{"" if assessment.calibrated else ", not calibrated"}'
    checks: list[Check] = []
    for index, rung in enumerate(rungs[:-1]):
        threshold = round(first + (1 - first) * index / steps, 3)
        checks.append(Check(name="large_gain", value=assessment.large_gain, threshold=threshold, source=source))
        if assessment.large_gain < threshold:
            return index, checks, [f"{rung.model} is expected to suffice: {_against(checks[-1])}."]
    return steps, checks, [f"A larger model is expected to answer better: {_against(checks[-1])}."]


def _against(check: Check) -> str:
    below = "below" if check.value < check.threshold else "at or above"
    return f"large_gain {check.value:.2f} is {below} {check.threshold:.2f}"


def _allowed(request: Request, ladder: Ladder) -> int:
    """Return how many rungs from the bottom may be used."""
    if ladder.named is not None or "large" in request.options.opt_in:
        return len(ladder.rungs)
    small = 1
    while small < len(ladder.rungs) and ladder.rungs[small].tier == "small":
        small += 1
    return small


def _needs_opt_in(wanted: str, used: str) -> str:
    return (
        f"{wanted} needs the opt-in large, so {used} answers. "
        'To allow it: with_options(opt_in={"large"}, reason="...").'
    )


def _used(request: Request, ladder: Ladder, start: int) -> tuple[str, ...]:
    above_small = ladder.named is None and start > 0 and ladder.rungs[start].tier == "large"
    return ("large",) if above_small and "large" in request.options.opt_in else ()


def _above_floor(request: Request, ladder: Ladder) -> Route:
    index = next(i for i, r in enumerate(ladder.rungs) if r.model == request.floor)
    if index + 1 == len(ladder.rungs):
        raise NoSufficientModel(
            f"{request.floor} answered already and is the top of the ladder ({_names(ladder.rungs)}), so there is no "
            'rung above it. Name a larger model with model="...", or add one to ladder in the settings.'
        )
    above = ladder.rungs[index + 1]
    return Route(
        rungs=(above,),
        reasons=(f"escalate asked for the rung above {request.floor}: {above.model}.",),
        opt_ins=("escalate",),
    )


# --- whether a reply suffices ---------------------------------------------------------------

_REFUSAL = re.compile(
    r"\W*(?:i'?m sorry|i am sorry|sorry|i apologi[sz]e|unfortunately)?\W*(?:but )?(?:as an ai[^,.]{0,40}, ?)?"
    r"i(?: am|'m)? ?(?:can'?t|cannot|can not|not able to|unable to|won'?t) "
    r"(?:help|assist|answer|do that|comply|provide|fulfil|fulfill|complete)\b",
    re.IGNORECASE,
)
_REFUSAL_CHARS = 300  # a longer text that begins so has said something else too


def suffices(reply: Reply, request: Request) -> tuple[bool, str]:
    """Tell whether `reply` can be delivered, and in words why not. It judges form, never whether the text is true."""
    why = _insufficient(reply, request)
    return why is None, why or "the reply is complete"


def _insufficient(reply: Reply, request: Request) -> str | None:
    if not reply.complete:
        return "the reply was cut"
    if reply.tool_calls:
        return None
    capped = any(request.arguments.get(name) is not None for name in _LENGTH_ARGUMENTS)
    faults = (
        (_refused(reply), "the model refused"),
        (reply.finish_reason == "length" and not capped, "the reply reached the model's length limit"),
        (not reply.text.strip(), "the reply is empty"),
        (_wants_json(request) and not _is_json(reply.text), "the reply is not the JSON that response_format asks for"),
    )
    return next((why for fault, why in faults if fault), None)


def _refused(reply: Reply) -> bool:
    message = _message(reply)
    declared = message.get("refusal") if isinstance(message, Mapping) else getattr(message, "refusal", None)
    if declared or reply.finish_reason == "content_filter":
        return True
    text = reply.text.replace("\u2019", "'")
    return len(text) <= _REFUSAL_CHARS and _REFUSAL.match(text) is not None


def _message(reply: Reply) -> Any:
    if reply.body is not None:
        listed = reply.body.get("choices")
        return listed[0].get("message") if listed else None
    choices = getattr(reply.native, "choices", None)
    return getattr(choices[0], "message", None) if choices else None


def _wants_json(request: Request) -> bool:
    form = request.arguments.get("response_format")
    single = request.arguments.get("n") in (None, 1)
    return single and isinstance(form, Mapping) and form.get("type") in ("json_object", "json_schema")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
