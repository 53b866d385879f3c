"""Reasoning off unless somebody opted in and the classifier expects it to help, in the fields each model understands.

The opt-in allows reasoning; it does not ask for it on every call. What asks is the app's own argument, which is always
honoured, or P(reasoning turns a wrong answer right) at the classifier's threshold, unless the model is nearly sure to
be right without. A classifier without a threshold for it has nothing to say, and the opt-in then holds for every call.

What turns reasoning off differs between models, and for some nothing does, so the fields come from the model's card.
A model without a card gets nothing sent: a guessed field may be refused, or turn reasoning on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from greenai.catalog import Card, Status, find
from greenai.values import Draft, Note

if TYPE_CHECKING:
    from greenai.nudges.context import NudgeContext
    from greenai.values import Assessment

__all__ = ["EXPLICIT", "Effort", "nudge", "resolve", "stated"]

NAME = "effort"
OVERRIDE = 'with_options(opt_in={"reasoning"}, reason="...")'
ASK_FOR_IT = 'reasoning_effort="medium"'
LEAVE_IT = 'reasoning_effort="none"'
GAIN = "reasoning_gain"
SURE = 0.9
"""P(right without reasoning) from which on there is nothing to gain. Chosen so that word problems of grade school,
which models of today solve, do not reason, and competition problems do."""

OPENAI_NAMES = frozenset(("reasoning_effort", "extra_body"))
"""Fields that openai's own `create` has; every other field is a provider's own."""

EXPLICIT = frozenset(
    ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "think", "output_config")
)
"""Arguments with which an app says itself how much a model shall reason."""

TEMPLATE_KEYS = frozenset(("enable_thinking", "thinking"))
NESTED = frozenset(("extra_body", "chat_template_kwargs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The least reasoning that a model allows, and the native fields that ask for it (empty: send nothing)."""

    status: Status
    fields: Mapping[str, Any]


def resolve(model: str) -> Effort:
    """Return how to turn `model`'s reasoning off; for a model without a card the status is `unknown`."""
    return _effort(find(model))


def _effort(card: Card | None) -> Effort:
    if card is None:
        return Effort(status="unknown", fields={})
    return Effort(status=card.reasoning.status, fields=card.reasoning.off)


def nudge(draft: Draft, context: NudgeContext, /) -> Draft:
    """Put the fields that turn reasoning off into the draft, or those that turn it on where that was opted in."""
    card = context.card or find(draft.rung.model)
    opted_in = "reasoning" in context.options.opt_in
    said = {**stated(draft.arguments), **stated(draft.extra)}
    if said and (opted_in or not context.options.strict_opt_in):
        return replace(draft, reasoning=_asks_for_reasoning(said))
    if said:
        draft = _without(draft, said)
    if not opted_in:
        return _off(draft, card)
    return _decided(draft, card, context)


def _decided(draft: Draft, card: Card | None, context: NudgeContext) -> Draft:
    """Decide a call that may reason: by the classifier's probability, where it has a threshold to hold it against."""
    threshold = context.thresholds.get(GAIN)
    status = _effort(card).status
    if threshold is None or context.assessment is None or status not in ("off", "lowest"):
        return _on(draft, card)  # no opinion on this call, or a model that never reasons or always does
    gain = context.assessment.reasoning_gain
    right = _right_anyway(draft.rung.model, context.assessment)
    if gain >= threshold and right is None:
        decided, how, override = _on(draft, card), "on", LEAVE_IT
    else:
        decided, how, override = (
            _off(draft, card, told=False),
            "off" if status == "off" else "at its lowest",
            ASK_FOR_IT,
        )
    why = f"P(it helps) {gain:.2f} {'reaches' if gain >= threshold else 'is below'} {threshold:.2f}"
    if gain >= threshold and right is not None:
        why = f"P(right without it) {right:.2f} reaches {SURE:.2f}"
    text = f"reasoning {how} for {draft.rung.model}: {why}"
    return replace(decided, notes=(*draft.notes, Note(nudge=NAME, text=text, override=override)))


def _right_anyway(model: str, assessment: Assessment) -> float | None:
    """Return P(this model is right without reasoning) where that is nearly sure, so that there is nothing to gain.

    The recorded gains are of models of 2022; what those got right only by thinking, a model of today may just know.
    """
    right = None if assessment.suffices is None else assessment.small_suffices(model)
    return right if right is not None and right >= SURE else None


def _on(draft: Draft, card: Card | None) -> Draft:
    if card is None or card.reasoning.status == "unknown":
        return replace(draft, reasoning=None)
    if card.reasoning.status == "none":
        return replace(draft, reasoning=False)
    return replace(_with(draft, card.reasoning.on), reasoning=True)


def _off(draft: Draft, card: Card | None, *, told: bool = True) -> Draft:
    effort = _effort(card)
    draft = _with(draft, effort.fields)
    if effort.status == "none":
        return replace(draft, reasoning=False)
    if effort.status == "unknown":
        return replace(draft, reasoning=None)
    reasons = effort.status != "off"
    notes = (*draft.notes, _note(draft.rung.model, effort)) if told else draft.notes
    return replace(draft, reasoning=reasons, notes=notes)


def _note(model: str, effort: Effort) -> Note:
    if effort.status == "off":
        return Note(nudge=NAME, text=f"reasoning off for {model}", override=OVERRIDE)
    if effort.status == "lowest":
        sent = ", ".join(f"{key}={value!r}" for key, value in effort.fields.items())
        return Note(nudge=NAME, text=f"reasoning at its lowest for {model}: {sent}", override=OVERRIDE)
    return Note(nudge=NAME, text=f"{model} always reasons; it offers no way to turn that off")


def _with(draft: Draft, fields: Mapping[str, Any]) -> Draft:
    """Return the draft with `fields` sorted into openai's arguments and the provider's own."""
    if not fields:
        return draft
    ours = {key: value for key, value in fields.items() if key in OPENAI_NAMES}
    native = {key: value for key, value in fields.items() if key not in OPENAI_NAMES}
    # Where the app's own extra_body holds the field already, it is completed there: of two places one would be lost.
    body = draft.arguments.get("extra_body")
    inside = {key: native.pop(key) for key in tuple(native) if isinstance(body, Mapping) and key in body}
    if inside:
        ours["extra_body"] = {**ours.get("extra_body", {}), **inside}
    return replace(draft, arguments=_merged(draft.arguments, ours), extra=_merged(draft.extra, native))


def _merged(place: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return `place` with `fields`; what the app put inside a nested field stays."""
    merged = {**place, **fields}
    for key in NESTED & fields.keys() & place.keys():
        if isinstance(place[key], Mapping):
            merged[key] = _merged(place[key], fields[key])
    return merged


# --- what the app said itself ---------------------------------------------------------------------


def stated(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reasoning fields in `arguments`, those inside `extra_body` and the template's arguments too."""
    found = {key: arguments[key] for key in EXPLICIT & arguments.keys() if arguments[key] is not None}
    template = arguments.get("chat_template_kwargs")
    if isinstance(template, Mapping):
        found.update({key: template[key] for key in TEMPLATE_KEYS & template.keys()})
    body = arguments.get("extra_body")
    if isinstance(body, Mapping):
        found.update(stated(body))
    return found


def _asks_for_reasoning(stated: Mapping[str, Any]) -> bool:
    return not any(_says_off(value) for value in stated.values())


def _says_off(value: object) -> bool:
    if isinstance(value, Mapping):
        kind = value.get("type", value.get("effort"))
        return kind in {"disabled", "none"} or value.get("enabled") is False
    return value is False or value in ("none", 0)


def _without(draft: Draft, stated: Mapping[str, Any]) -> Draft:
    """Return the draft without the app's reasoning fields, with a note that says why."""
    names = ", ".join(sorted(stated))
    note = Note(nudge=NAME, text=f"{names} not sent: strict_opt_in is set and nobody opted in", override=OVERRIDE)
    return replace(
        draft,
        arguments=_cleared(draft.arguments),
        extra=_cleared(draft.extra),
        notes=(*draft.notes, note),
    )


def _cleared(place: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in place.items() if key not in EXPLICIT}
    for key in NESTED:
        inner = kept.get(key)
        if isinstance(inner, Mapping):
            dropped = TEMPLATE_KEYS if key == "chat_template_kwargs" else frozenset[str]()
            kept[key] = _cleared({k: v for k, v in inner.items() if k not in dropped})
    return kept
