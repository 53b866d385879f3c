"""What may be substituted: `auto` is the settings' ladder, an undated name of the catalog a ceiling, all else a pin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenai.errors import NoSufficientModel
from greenai.route.needs import in_tool_loop, lacks, needs_of
from greenai.values import Request, Rung

if TYPE_CHECKING:
    from greenai.catalog import Card

__all__ = ["FindCard", "Ladder", "is_pin", "ladder_for", "names"]

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
    needs = needs_of(request)
    able = [r for r in rungs[:-1] if not lacks(find_card(r.model), needs, request, strict=True)]
    fitting = [r for r in able if r.model not in denied]
    left_out = [r.model for r in rungs[:-1] if r not in fitting]
    if left_out:
        reason += f" Left out, because this key or this request rules them out: {', '.join(left_out)}."
    return _settled(request, (*fitting, named), named.model, previous, reason, fallback=named)


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
    needs = needs_of(request)
    lacking = {r.model: lacks(find_card(r.model), needs, request, strict=False) for r in settings_ladder}
    fitting = [r for r in settings_ladder if not lacking[r.model]]
    if not fitting:
        raise NoSufficientModel(_nothing_fits(settings_ladder, lacking))
    # Where the key was refused everywhere, the provider's own error says more than one of ours would.
    allowed = [r for r in fitting if r.model not in denied] or fitting
    reason = f"No model was named, so the settings' ladder applies: {names(settings_ladder)}."
    if len(allowed) < len(settings_ladder):
        out = [r for r in settings_ladder if r not in allowed]
        reason += f" Left out, because this key or this request rules them out: {names(out, ', ')}."
    raised = allowed[0].tier == "large" and any(r.tier == "small" for r in settings_ladder)
    return replace(_settled(request, tuple(allowed), None, previous, reason), raised=raised)


def _settled(
    request: Request,
    rungs: tuple[Rung, ...],
    named: str | None,
    previous: str | None,
    reason: str,
    fallback: Rung | None = None,
) -> Ladder:
    """Keep to one model where the conversation has begun: its beginning's, or in a tool loop the named one."""
    looping = in_tool_loop(request.messages)
    if request.floor is None:
        free = named is not None or looping or "large" in request.options.opt_in
        # An opt-in for an earlier turn does not last: without one now, the conversation goes on below.
        kept = tuple(r for n, r in enumerate(rungs) if r.model == previous and (free or n == 0 or r.tier == "small"))
        if not kept and looping and named is not None:
            kept = rungs[-1:]
        if kept:
            why = f"The conversation stays on {kept[0].model}, which answered its beginning."
            if kept[0].model != previous:
                why = f"A tool loop never changes model: {kept[0].model} was named."
            return Ladder(
                rungs=kept, named=named, substitutable=named is None, reason=why, escalates=False, fallback=fallback
            )
    return Ladder(rungs=rungs, named=named, substitutable=True, reason=reason, escalates=not looping, fallback=fallback)


def _up_to(
    request: Request, settings_ladder: Sequence[Rung], find_card: FindCard, endpoint: Rung | None, pinned: bool
) -> tuple[Rung, tuple[Rung, ...], str]:
    """Return the rung of the named model, every rung up to it that may stand in for it, and why."""
    model = request.model or ""
    card = find_card(model) if endpoint is None else None
    named = endpoint or _named_rung(model, card)
    below = _below_in(settings_ladder, model, card, endpoint)
    if request.options.substitute is False:
        named = below[-1] if below is not None else named  # the settings say at which address it is
        return named, (named,), f"{model} is a pin: substitute=False."
    if below is not None:
        return below[-1], below, f"{model} is a ceiling; the settings' ladder up to it applies: {names(below)}."
    if request.options.substitute:
        rungs = (*_siblings(card, named, find_card), named)
        if len(rungs) == 1:
            rungs = (*(r for r in settings_ladder if r.model != named.model and r.tier == "small"), named)
        return named, rungs, f"{model} is a ceiling: substitute=True; the ladder is {names(rungs)}."
    pin = _why_pin(model, card, endpoint, pinned)
    if pin is not None:
        return named, (named,), pin
    rungs = (*_siblings(card, named, find_card), named)
    if len(rungs) == 1:
        return named, rungs, f"{model} was named, and the catalog knows no smaller sibling of it."
    return named, rungs, f"{model} is a ceiling; its siblings up to it apply: {names(rungs)}."


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


def names(rungs: Sequence[Rung], joint: str = " < ") -> str:
    """Return the models of some rungs as one text."""
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
