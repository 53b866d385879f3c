"""A limit on how long an answer may become, where nobody set one: well above what its task needs.

    limit      LIMIT, where MARGIN x the 90th percentile that the classifier expects fits into it; else none
    lifted     by the opt-in long_output, or by a limit that the call has itself
    never      on streams, tools, forms of answer, several choices, pictures and files, exact models, addresses of the
               app's own, prompts that leave too little room, or where the model reasons: several providers count
               reasoning inside such a limit

It stops answers that run on; docs/opt-ins.md says how many real ones it would cut. What it did cut is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenai.grants import fix
from greenai.nudges.messages import say
from greenai.values import Draft, Note, Reply, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenai.nudges.context import NudgeContext
    from greenai.values import Assessment, Message, Rung

__all__ = ["LIMIT", "LIMITS", "MARGIN", "cut", "is_met", "lifted", "limit_of", "nudge"]

NAME = "output_length"
BUDGET = "budget"
"""The nudge of a note that says to what a budget limited an answer, as `limit` in its data."""

OVERRIDE = 'with_options(opt_in={"long_output"}, reason="...")'

MARGIN = 3
"""How far above the expected 90th percentile the limit is: models write at greater length than those it was held
against, and a limit that is never met is no loss."""

LIMIT = 4096
"""Tokens. One for all, since a lower one for tasks that look short would let the wording of a prompt raise it, and no
text may; and no higher one, since there are models that refuse to be asked for more."""

LIMITS = frozenset(("max_tokens", "max_completion_tokens"))
"""openai's own names of such a limit."""

_NATIVE = frozenset(
    (*LIMITS, "max_output_tokens", "maxOutputTokens", "max_new_tokens", "num_predict", "n_predict", "max_length")
)
"""Under these names a provider's own field limits the answer."""

_FORMS = frozenset(("tools", "functions", "response_format", "modalities", "audio", "prediction", "web_search_options"))


def limit_of(assessment: Assessment) -> int | None:
    """Return the limit for an answer in tokens; None where the classifier failed, or expects too long an answer."""
    fits = assessment.calibrated and MARGIN * assessment.expected_output_tokens[1] <= LIMIT
    return LIMIT if fits else None


def nudge(draft: Draft, context: NudgeContext, /) -> Draft:
    """Put the limit into the draft, in the field that its provider knows."""
    limit = None if context.assessment is None else limit_of(context.assessment)
    if limit is None or "long_output" in context.options.opt_in or not _fits(draft, context):
        return draft
    own = {name: draft.arguments[name] for name in sorted(LIMITS) if draft.arguments.get(name) is not None}
    if own:
        return _gated(draft, own, limit, context.language) if context.options.strict_opt_in else draft
    if _limited_natively(draft.arguments.get("extra_body")) or _limited_natively(draft.extra):
        return draft
    note = _note("limited", {"limit": limit}, context.language)
    return replace(draft, arguments={**draft.arguments, _field(draft.rung): limit}, notes=(*draft.notes, note))


def lifted(draft: Draft, arguments: Mapping[str, Any]) -> Draft:
    """Return the draft without a limit that the app did not write: its model may reason now, which would use it up."""
    if not any(note.nudge == NAME for note in draft.notes) or any(arguments.get(name) is not None for name in LIMITS):
        return draft
    kept = {name: value for name, value in draft.arguments.items() if name not in LIMITS}
    return replace(draft, arguments=kept, notes=tuple(note for note in draft.notes if note.nudge != NAME))


def is_met(draft: Draft, reply: Reply) -> bool:
    """Say whether an answer was cut at this nudge's limit or a budget's, and not at one of the model's own."""
    if reply.finish_reason != "length" or not _is_limited(draft):
        return False
    return reply.usage.output_tokens is None or reply.usage.output_tokens >= _set(draft)


def cut(draft: Draft, reply: Reply, held: Iterable[str] = ()) -> str | None:
    """Return what to say of an answer that met such a limit, None of any other; `held` are opt-ins to keep."""
    if not is_met(draft, reply):
        return None
    budget = _of_budget(draft)
    if budget is not None:
        return (
            f"The answer was cut at {_set(draft)} tokens, to stay within {budget.data['budget']}. A longer one: raise "
            "that budget, or wait until its window ends."
        )
    return (
        f"The answer was cut at {_set(draft)} tokens, greenai's limit for this kind of task. A longer one: pass "
        f"max_tokens, or {fix('long_output', *held)}"
    )


def _is_limited(draft: Draft) -> bool:
    limited = _of_budget(draft) is not None or any(note.nudge == NAME for note in draft.notes)
    return limited and any(draft.arguments.get(name) is not None for name in LIMITS)


def _of_budget(draft: Draft) -> Note | None:
    return next((note for note in draft.notes if note.nudge == BUDGET and "limit" in note.data), None)


def _set(draft: Draft) -> int:
    return min(int(draft.arguments[name]) for name in LIMITS if draft.arguments.get(name) is not None)


# --- where it fits ------------------------------------------------------------------------


def _fits(draft: Draft, context: NudgeContext) -> bool:
    several = draft.arguments.get("n") not in (None, 1)
    formed = any(draft.arguments.get(name) is not None for name in _FORMS)
    # None: it is not known whether the model reasons.
    if context.stream or context.pinned or several or formed or draft.reasoning is not False:
        return False
    return all(map(_is_text, draft.messages)) and _has_room(draft, context)


def _has_room(draft: Draft, context: NudgeContext) -> bool:
    """Say whether the model surely takes the prompt and the limit together: some servers refuse what is too much."""
    room = None if context.card is None else context.card.context_tokens
    if room is None or draft.rung.site == "endpoint":
        return False
    return sum(len(text_of(message.get("content"))) for message in draft.messages) + LIMIT <= room


def _is_text(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, (list, tuple)):
        return all(isinstance(part, Mapping) and part.get("type") == "text" for part in content)
    return True


def _limited_natively(fields: object) -> bool:
    """Say whether a provider's own field limits the answer, also inside a nested table."""
    if not isinstance(fields, Mapping):
        return False
    return any(name in _NATIVE or _limited_natively(value) for name, value in fields.items())


def _field(rung: Rung) -> str:
    """Return the field that OpenAI's models of today take, or the older one that everybody else does."""
    return "max_completion_tokens" if rung.site == "openai" else "max_tokens"


def _gated(draft: Draft, own: Mapping[str, Any], limit: int, language: str) -> Draft:
    """Return the draft with the app's own limits lowered: strict_opt_in is set and nobody opted in."""
    above = {name: value for name, value in own.items() if isinstance(value, int) and value > limit}
    if not above:
        return draft
    given = ", ".join(f"{name}={value}" for name, value in above.items())
    note = _note("lowered", {"given": given, "limit": limit}, language)
    arguments = {**draft.arguments, **dict.fromkeys(above, limit)}
    return replace(draft, arguments=arguments, notes=(*draft.notes, note))


def _note(what: str, data: Mapping[str, Any], language: str) -> Note:
    text_id = f"{NAME}.{what}"
    return Note(nudge=NAME, text=say(text_id, data, language), override=OVERRIDE, id=text_id, data=data)
