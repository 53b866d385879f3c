"""Reasoning off unless somebody opted in and the classifier expects it to help, in the fields each model understands.

The opt-in allows reasoning; it does not ask for it on every call. What asks is the app's own argument, which is always
honoured, or P(reasoning turns a wrong answer right) at the classifier's threshold, unless the model is nearly sure to
be right without. A classifier without a threshold for it has nothing to say, and the opt-in then holds for every call.

What turns reasoning off differs between models, and for some nothing does, so the fields come from the catalog: from
the model's card, or from the row of its provider and name. A model that no row fits gets nothing sent: a guessed field
may be refused, or turn reasoning on. What came back of it is in learnt.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from greenai.catalog import Switch, switch_of
from greenai.nudges import learnt
from greenai.nudges.asking import ask_for_it, leave_it
from greenai.nudges.messages import say
from greenai.values import Draft, Note

if TYPE_CHECKING:
    from greenai.nudges.context import NudgeContext
    from greenai.values import Assessment, Rung

__all__ = [
    "EXPLICIT",
    "STATED_IN",
    "Effort",
    "asks",
    "expected_gain",
    "nudge",
    "plain",
    "resolve",
    "stated",
    "teach",
    "texts",
    "why_not_off",
]

NAME = "effort"
OVERRIDE = 'with_options(opt_in={"reasoning"}, reason="...")'
GAIN = "reasoning_gain"
SURE = 0.9
"""P(right without reasoning) from which on there is nothing to gain. Chosen so that word problems of grade school,
which models of today solve, do not reason, and competition problems do."""

OPENAI_NAMES = frozenset(("reasoning_effort", "extra_body"))
"""Fields that openai's own `create` has; every other field is a provider's own."""

RESPONSES_NAME = "reasoning.effort"
"""What `reasoning_effort` is called in openai's Responses API, and in its refusals."""

EXPLICIT = frozenset(
    (
        "reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "think", "output_config",
        "thinking_config", "thinkingConfig", "thinking_token_budget", "reasoning_budget", "prompt_mode",
        "include_reasoning", "thinking_mode", "reasoning_config", "reasoningConfig",
    )
)  # fmt: skip
"""Arguments with which an app says itself how much a model shall reason."""

TEMPLATES = ("chat_template_kwargs", "chat_template_args")
TEMPLATE_KEYS = frozenset(
    ("enable_thinking", "thinking", "thinking_mode", "reasoning", "reasoning_effort", "thinking_budget")
)
HOLDERS = ("extra_body", "google", "generationConfig", "additionalModelRequestFields")
"""Tables whose fields a provider takes as its own."""
NESTED = frozenset((*HOLDERS, *TEMPLATES, "output_config", "reasoning"))

STATED_IN = EXPLICIT.union(HOLDERS, TEMPLATES)
"""Arguments that may say so, themselves or in what they hold."""

BESIDES: Mapping[str, frozenset[str]] = {
    "output_config": frozenset(("format",)),
    "reasoning": frozenset(("exclude", "summary", "generate_summary", "context")),
}
"""Parts of such arguments that say something else: the form of the answer, and what is shown of the reasoning."""

_SHOWN = frozenset(("exclude", "summary", "format", "includeThoughts", "include_thoughts"))
_OFF = ("none", "off", "disabled", "chat", 0)
_OFF_TOO = ("between_tools",)

LOCAL = "litellm.UnsupportedParamsError"
"""litellm's, of its own tables of fields: nothing was sent, and no text decides it."""

Least = Literal["off", "lowest", "always_on", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The least reasoning that a model allows, and the fields at the wire that ask for it (empty: nothing is sent).

    A model that has no reasoning is `off`, and nothing has to be sent for it.
    """

    status: Least
    fields: Mapping[str, Any]


def resolve(model: str, base_url: str | None = None) -> Effort:
    """Return what is sent for `model` when nobody opted in; `unknown` where neither a card nor a row fits it."""
    switch = switch_of(model, base_url)
    fields = {key: value for key, value in switch.off.items() if key != "extra_body"} | switch.off.get("extra_body", {})
    return Effort(status="off" if switch.status == "none" else switch.status, fields=fields)


def why_not_off(rung: Rung) -> str | None:
    """Return why a rung's model reasons whatever is sent, None where it can be switched off or nothing is known."""
    if learnt.leaks(rung.model, rung.base_url):
        return "reasoned although that was switched off"
    if learnt.reasons(rung.model, rung.base_url):
        return "reasons, and nothing is known that switches it off"
    if switch_of(rung.model, rung.base_url).status in ("lowest", "always_on"):
        return "reasons, and that cannot be switched off"
    return None


def nudge(draft: Draft, context: NudgeContext, /) -> Draft:
    """Put the fields that turn reasoning off into the draft, or those that turn it on where that was opted in."""
    switch = switch_of(draft.rung.model, draft.rung.base_url)
    if learnt.refuses(draft.rung.model, draft.rung.base_url):
        switch = Switch()
    opted_in = "reasoning" in context.options.opt_in
    said = {**stated(draft.arguments), **stated(draft.extra)}
    if said and (opted_in or not context.options.strict_opt_in or all(map(_is_only_off, said.values()))):
        return replace(draft, reasoning=_asks_for_reasoning(said))
    if said:
        draft = _without(draft, said, context.language)
    if not opted_in:
        return _noted(_off(draft, switch), switch, context.language)
    return _decided(draft, switch, context)


def _decided(draft: Draft, switch: Switch, context: NudgeContext) -> Draft:
    """Decide a call that may reason: by the classifier's probability, where it has a threshold to hold it against."""
    threshold = context.thresholds.get(GAIN)
    if threshold is None or context.assessment is None or switch.status not in ("off", "lowest"):
        return _on(draft, switch)  # no opinion on this call, or a model that never reasons or always does
    gain = context.assessment.reasoning_gain
    right = _right_anyway(draft.rung.model, context.assessment)
    data = {"model": draft.rung.model, "gain": gain, "threshold": threshold}
    if gain >= threshold and right is None:
        leave = leave_it(context.api, draft.rung.model, switch.off)
        return _with_note(_on(draft, switch), _note("on", data, context.language, leave))
    why = "gains_little" if gain < threshold else "right_anyway"
    data = data if gain < threshold else {"model": draft.rung.model, "right": right, "threshold": SURE}
    ask = ask_for_it(context.api, draft.rung.model)
    return _with_note(_off(draft, switch), _note(f"{why}_{switch.status}", data, context.language, ask))


def expected_gain(rung: Rung, assessment: Assessment | None, thresholds: Mapping[str, float]) -> float | None:
    """Return P(reasoning helps) of a call that would reason with the opt-in; None of one that would not even then."""
    threshold = thresholds.get(GAIN)
    if threshold is None or assessment is None:
        return None
    if switch_of(rung.model, rung.base_url).status not in ("off", "lowest"):
        return None
    gain = assessment.reasoning_gain
    return gain if gain >= threshold and _right_anyway(rung.model, assessment) is None else None


def _right_anyway(model: str, assessment: Assessment) -> float | None:
    """Return P(this model is right without reasoning) where that is nearly sure, so that there is nothing to gain.

    The recorded gains are of models of 2022; what those got right only by thinking, a model of today may just know.
    """
    right = None if assessment.suffices is None else assessment.small_suffices(model)
    return right if right is not None and right >= SURE else None


def _on(draft: Draft, switch: Switch) -> Draft:
    if switch.status == "unknown":
        return replace(draft, reasoning=None)
    if switch.status == "none":
        return replace(draft, reasoning=False)
    return _with(draft, switch.on, reasoning=True)


def _off(draft: Draft, switch: Switch) -> Draft:
    if switch.status == "unknown":
        return _with(draft, switch.off, reasoning=None)
    return _with(draft, switch.off, reasoning=switch.status not in ("none", "off"))


def _noted(draft: Draft, switch: Switch, language: str) -> Draft:
    """Return the draft with a note of what was switched off; none where there was nothing to switch."""
    rung, data = draft.rung, {"model": draft.rung.model}
    if switch.status == "off":
        leaks = learnt.leaks(rung.model, rung.base_url)
        return _with_note(draft, _note("off_again" if leaks else "off", data, language, OVERRIDE))
    if switch.status == "lowest":
        sent = ", ".join(f"{key}={value!r}" for key, value in switch.off.items())
        return _with_note(draft, _note("lowest", {**data, "sent": sent}, language, OVERRIDE))
    return _with_note(draft, _note("always_on", data, language)) if switch.status == "always_on" else draft


def _note(what: str, data: Mapping[str, Any], language: str, override: str | None = None) -> Note:
    text_id = f"{NAME}.{what}"
    return Note(nudge=NAME, text=say(text_id, data, language), override=override, id=text_id, data=data)


def _with_note(draft: Draft, note: Note) -> Draft:
    return replace(draft, notes=(*draft.notes, note))


# --- a server that refuses the field ----------------------------------------------------------------


def plain(draft: Draft, arguments: Mapping[str, Any], error: Exception, language: str = "en") -> Draft | None:
    """Return the draft as the app wrote it, where a server refused a field of this nudge; None where it did not.

    A refusal names the field. What the app said itself is its own affair, and so is reasoning that was opted in.
    """
    if getattr(error, "status_code", None) not in (400, 422) or stated(arguments) or not _sends_off(draft):
        return None
    said, names = _said(error), _names({**draft.arguments, **draft.extra})
    if not (said.names(names) or said.mentions(names, tuple(texts(draft.messages)))):
        return None
    bare = replace(draft, arguments=_cleared(draft.arguments), extra=_cleared(draft.extra), reasoning=None)
    note = _note("refused", {"model": draft.rung.model}, language)
    return replace(bare, notes=(*(n for n in draft.notes if n.nudge != NAME), note))


def teach(draft: Draft, arguments: Mapping[str, Any], error: Exception) -> None:
    """Learn from a refusal that an answer without the field followed: it holds for other calls too.

    Nothing is learnt where it may be of this call alone: it names another argument of it, or its text names the field.
    """
    said, names = _said(error), _names({**draft.arguments, **draft.extra})
    body = arguments.get("extra_body")
    sent = {**arguments, **(body if isinstance(body, Mapping) else {})}
    others = {key for key, value in sent.items() if value is not None and key != "extra_body"} - names
    if any(_is_word(other, said.message) for other in others):
        return
    own = tuple(texts(draft.messages))
    if said.names(names) or str(error).startswith(LOCAL):
        learnt.refused(draft.rung.model, draft.rung.base_url)
    elif not any(_is_word(name, text) for name in names for text in own):
        learnt.refused(draft.rung.model, draft.rung.base_url, text="\n".join(own))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a server said of a request that it refused: the fields it points at, and its words."""

    fields: frozenset[str]
    message: str

    def names(self, names: set[str]) -> bool:
        return not self.fields.isdisjoint(name.lower() for name in names)

    def mentions(self, names: set[str], texts: tuple[str, ...]) -> bool:
        """Say whether its own words name a field.

        Where the app's text names it too, the words may quote that: only a name that stands alone counts then.
        """
        message = self.message
        for text in sorted(texts, key=len, reverse=True):
            message = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", " ", message) if text and text in message else message
        return any(
            _is_alone(name, message) if any(_is_word(name, text) for text in texts) else _is_word(name, message)
            for name in names
        )


def _is_word(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _is_alone(name: str, text: str) -> bool:
    """Say whether a name is in quotes, or before a colon, as servers write fields."""
    found = rf"(?<!\w)(['\"`]){re.escape(name)}[\w.]*\1|(?<!\w){re.escape(name)}[\w.]*:"
    return re.search(found, text, re.IGNORECASE) is not None


def _said(error: Exception) -> _Said:
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(inner, Mapping):
        return _Said(fields=frozenset(), message=_own_words(inner if isinstance(inner, str) else str(error)))
    detail = inner.get("detail")
    param = inner.get("param")
    fields = {param.lower(), *_parts(param)} if isinstance(param, str) else set[str]()
    entries = [entry for entry in detail if isinstance(entry, Mapping)] if isinstance(detail, list) else []
    for entry in entries:
        fields |= {part.lower() for part in entry.get("loc") or () if isinstance(part, str)}
    message = inner.get("message") or (detail if isinstance(detail, str) else "")
    return _Said(fields=frozenset(fields), message=_own_words(message if isinstance(message, str) else ""))


def _parts(path: str) -> list[str]:
    return re.split(r"[.\[\]]+", path.lower())


def _own_words(message: str) -> str:
    """Return a message without the request that a server's checks of fields echo at its end."""
    return re.split(r"['\"]input['\"]\s*:", message, maxsplit=1)[0]


def texts(part: object) -> Iterator[str]:
    """Yield every text in messages."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for key, value in part.items():
            if key not in ("role", "type"):
                yield from texts(value)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from texts(item)


def _sends_off(draft: Draft) -> bool:
    """Say whether the reasoning fields of a draft are those that turn it off, or down, and no others."""
    off = stated(switch_of(draft.rung.model, draft.rung.base_url).off)
    sent = stated({**draft.arguments, **draft.extra})
    return bool(sent) and sent.keys() == off.keys() and all(_holds(sent[key], off[key]) for key in off)


def _holds(sent: object, off: object) -> bool:
    if isinstance(sent, Mapping) and isinstance(off, Mapping):
        return all(key in sent and sent[key] == value for key, value in off.items())
    return sent == off


def _names(fields: Mapping[str, Any]) -> set[str]:
    """Return the names of the reasoning fields, those around and inside them too."""
    around = {key for key in NESTED & fields.keys() if key != "extra_body" and stated({key: fields[key]})}
    found = {*stated(fields), *around}
    return {*found, RESPONSES_NAME} if "reasoning_effort" in found else found


def _with(draft: Draft, fields: Mapping[str, Any], **changes: Any) -> Draft:
    """Return the draft with `fields` sorted into openai's arguments and the provider's own, and `changes` made."""
    if not fields:
        return replace(draft, **changes)
    ours = {key: value for key, value in fields.items() if key in OPENAI_NAMES}
    native = {key: value for key, value in fields.items() if key not in OPENAI_NAMES}
    # Where the app's arguments hold the field already, it is completed there: of two places one would be lost.
    ours |= {key: native.pop(key) for key in tuple(native) if draft.arguments.get(key) is not None}
    body = draft.arguments.get("extra_body")
    inside = {key: native.pop(key) for key in tuple(native) if isinstance(body, Mapping) and key in body}
    if inside:
        ours["extra_body"] = {**ours.get("extra_body", {}), **inside}
    return replace(draft, arguments=_merged(draft.arguments, ours), extra=_merged(draft.extra, native), **changes)


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
    if STATED_IN.isdisjoint(arguments):
        return {}
    found = {key: arguments[key] for key in EXPLICIT & arguments.keys() if _speaks(key, arguments[key])}
    for name in TEMPLATES:
        template = arguments.get(name)
        if isinstance(template, Mapping):
            found.update({key: template[key] for key in TEMPLATE_KEYS & template.keys()})
    for holder in HOLDERS:
        body = arguments.get(holder)
        if isinstance(body, Mapping):
            found.update(stated(body))
    return found


def _speaks(key: str, value: object) -> bool:
    """Say whether a field speaks of how much to reason, and not only of what it holds besides, or of what is shown."""
    if _hides(key, value):
        return False
    return value is not None and not (isinstance(value, Mapping) and value and value.keys() <= BESIDES.get(key, set()))


def _hides(key: str, value: object) -> bool:
    """Say whether a field only hides what was reasoned: OpenRouter takes `include_reasoning` for that, or to reason."""
    return key == "include_reasoning" and value is False


def asks(arguments: Mapping[str, Any]) -> bool | None:
    """Say whether arguments ask for reasoning (True) or for none of it (False); None where they say nothing."""
    said = stated(arguments)
    return _asks_for_reasoning(said) if said else None


def _asks_for_reasoning(stated: Mapping[str, Any]) -> bool:
    return not all(_says_off(value) for value in stated.values())


def _says_off(value: object) -> bool:
    if isinstance(value, Mapping):
        kind = value.get("type", value.get("effort"))
        budget = value.get("thinkingBudget", value.get("thinking_budget"))
        return kind in ("disabled", "none", "between_tools") or value.get("enabled") is False or budget == 0
    return value is False or value in _OFF


def _is_only_off(value: object) -> bool:
    """Say whether a field says off, and nothing in it speaks against that: which of two counts, servers differ in."""
    parts = value.items() if isinstance(value, Mapping) else ((None, value),)
    return _says_off(value) and all(_says_off(part) or part in _OFF_TOO or key in _SHOWN for key, part in parts)


def _without(draft: Draft, stated: Mapping[str, Any], language: str) -> Draft:
    """Return the draft without the app's reasoning fields, with a note that says why."""
    note = _note("gated", {"names": ", ".join(sorted(stated))}, language, OVERRIDE)
    return replace(
        draft,
        arguments=_cleared(draft.arguments),
        extra=_cleared(draft.extra),
        notes=(*draft.notes, note),
    )


def _cleared(place: Mapping[str, Any]) -> dict[str, Any]:
    """Return `place` without what speaks of reasoning; what such a field holds besides stays."""
    kept: dict[str, Any] = {}
    for key, value in place.items():
        if key in EXPLICIT and not _hides(key, value):
            rest = {k: v for k, v in value.items() if k in BESIDES.get(key, ())} if isinstance(value, Mapping) else {}
            if rest:
                kept[key] = rest
        elif key in NESTED and isinstance(value, Mapping) and value:
            template = key in TEMPLATES
            if inner := {k: v for k, v in value.items() if k not in TEMPLATE_KEYS} if template else _cleared(value):
                kept[key] = inner
        else:
            kept[key] = value
    return kept
