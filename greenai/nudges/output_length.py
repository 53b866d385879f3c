"""A limit on how long an answer may become, where nobody set one: well above what its task needs.

    limit      LIMIT, where MARGIN x the 90th percentile that the classifier expects fits into it; else none
    lifted     by the opt-in long_output, or by a limit that the call has itself
    never      on streams, tools, forms of answer, several choices, pictures and files, exact models, addresses of the
               app's own, prompts that leave too little room, or where the model reasons: several providers count
               reasoning inside such a limit

It stops answers that run on; docs/opt-ins.md says how many real ones it would cut. What it did cut is told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenai.grants import fix
from greenai.nudges.messages import say
from greenai.values import Draft, Note, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenai.nudges.context import NudgeContext
    from greenai.values import Assessment, Message, Rung

__all__ = ["LIMIT", "LIMITS", "MARGIN", "cut", "is_met", "lifted", "limit_of", "limited", "nudge"]

NAME = "output_length"
_LIMITED, _LOWERED = f"{NAME}.limited", f"{NAME}.lowered"
GATED = "strict_opt_in"
"""In a note's data: a limit of the app's own would be lowered too."""

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

_FORMS = frozenset(
    (
        "tools", "functions", "response_format", "modalities", "audio", "prediction", "web_search_options",
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs", "format", "grammar",
        "json_schema", "regex", "ebnf", "responseSchema", "responseJsonSchema", "responseMimeType",
    )
)  # fmt: skip
"""openai's names of what shapes an answer, and those of the servers that take more than openai's."""

_OPEN = _FORMS | {"metadata"}
"""Tables whose names are the app's own, such as a schema's properties."""

_COUNTS = frozenset(("n", "best_of", "num_return_sequences", "candidateCount"))


def limit_of(assessment: Assessment) -> int | None:
    """Return the limit for an answer in tokens; None where the classifier failed, or expects too long an answer."""
    fits = assessment.calibrated and MARGIN * assessment.expected_output_tokens[1] <= LIMIT
    return LIMIT if fits else None


def nudge(draft: Draft, context: NudgeContext, /) -> Draft:
    """Put the limit into the draft, in the field that its provider knows.

    With `strict_opt_in` the app's own limits are lowered also where this nudge is switched off: that is a rule.
    """
    if "long_output" in context.options.opt_in:
        return draft
    if context.options.strict_opt_in:
        draft = _gated(draft, context)
    limit = None if context.assessment is None else limit_of(context.assessment)
    if limit is None or NAME in context.off or _is_limited_by_app(draft) or not _fits(draft, context):
        return draft
    gated = {GATED: True} if context.options.strict_opt_in else {}
    note = _note("limited", {"limit": limit, **gated}, context.language)
    return replace(limited(draft, limit), notes=(*draft.notes, note))


def limited(draft: Draft, limit: int) -> Draft:
    """Return the draft with a limit, in the field that it has for one already, else in the one its provider knows.

    A note of a limit that this one replaces goes.
    """
    own = next((name for name in sorted(LIMITS) if draft.arguments.get(name) is not None), _field(draft.rung))
    # An app's None goes too: some servers refuse both names in one request, whatever their values.
    kept = {name: value for name, value in draft.arguments.items() if name not in LIMITS or value is not None}
    notes = tuple(note for note in draft.notes if note.id != _LIMITED)
    return replace(draft, arguments={**kept, own: limit}, notes=notes)


def lifted(draft: Draft, arguments: Mapping[str, Any]) -> Draft:
    """Return the draft without a limit that the app did not write: its model may reason now, which would use it up.

    An app's None goes too.
    """
    put = any(note.id == _LIMITED for note in draft.notes)
    if any(arguments.get(name) is not None for name in LIMITS):
        return draft
    kept = {n: value for n, value in draft.arguments.items() if n not in LIMITS or (value is not None and not put)}
    if kept == draft.arguments:
        return draft
    return replace(draft, arguments=kept, notes=tuple(note for note in draft.notes if note.id != _LIMITED))


def is_met(draft: Draft, reply: Reply) -> bool:
    """Say whether an answer was cut at this nudge's limit or a budget's, and not at one of the app's or the model's."""
    limit = _set(draft)
    if reply.finish_reason != "length" or limit is None:
        return False
    written = reply.usage.output_tokens
    return limit <= _own(draft) if written is None else written >= limit


def cut(draft: Draft, reply: Reply, held: Iterable[str] = ()) -> str | None:
    """Return what to say of an answer that met such a limit, None of any other; `held` are opt-ins to keep."""
    if not is_met(draft, reply):
        return None
    at = f"The answer was cut at {_set(draft)} tokens"
    budget = _of_budget(draft)
    if budget is not None:
        named = str(budget.data["budget"])
        wait = "" if " of run/" in named else ", or wait until its window ends"  # a block of code has none
        return f"{at}, to stay within {named}. A longer one: raise that budget{wait}."
    gated = any(note.id == _LOWERED or GATED in note.data for note in draft.notes)
    how = ", and strict_opt_in is set. A longer one:" if gated else ". A longer one: pass max_tokens, or"
    return f"{at}, greenai's limit for this kind of task{how} {fix('long_output', *held)}"


def _of_budget(draft: Draft) -> Note | None:
    return next((note for note in draft.notes if note.nudge == BUDGET and "limit" in note.data), None)


def _set(draft: Draft) -> int | None:
    """Return the limit that was set here or by a budget, wherever it stands; None where none was."""
    of_these = (note.data for note in draft.notes if note.nudge in (NAME, BUDGET))
    return min((int(data["limit"]) for data in of_these if "limit" in data), default=None)


def _own(draft: Draft) -> float:
    """Return the least limit among openai's own fields of the draft."""
    given = (draft.arguments.get(name) for name in LIMITS)
    return min((limit for limit in given if type(limit) is int), default=math.inf)


# --- where it fits ------------------------------------------------------------------------


def _fits(draft: Draft, context: NudgeContext) -> bool:
    formed = _is_formed(draft.arguments) or _is_formed(draft.extra)
    # None: it is not known whether the model reasons.
    if context.stream or context.pinned or formed or draft.reasoning is not False:
        return False
    return all(map(_is_text, draft.messages)) and _has_room(draft, context)


def _is_formed(fields: Mapping[str, Any]) -> bool:
    """Say whether something shapes the answer or asks for several, also inside a nested table."""
    return any(
        name in _FORMS or (name in _COUNTS and value != 1) or (isinstance(value, Mapping) and _is_formed(value))
        for name, value in fields.items()
        if value is not None
    )


def _has_room(draft: Draft, context: NudgeContext) -> bool:
    """Say whether the model surely takes the prompt and the limit together: some servers refuse what is too much."""
    room = None if context.card is None else context.card.context_tokens
    if room is None or draft.rung.site == "endpoint":
        return False
    # No token is less than a byte, and what calls of tools say is read as well.
    sent = json.dumps(draft.messages, ensure_ascii=False, default=str, separators=(",", ":"))
    return len(sent.encode("utf-8", "surrogatepass")) + LIMIT <= room


def _is_text(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, (list, tuple)):
        return all(isinstance(part, Mapping) and part.get("type") == "text" for part in content)
    return True


def _is_limited_by_app(draft: Draft) -> bool:
    own = any(draft.arguments.get(name) is not None for name in LIMITS)
    return own or _limited_natively(draft.arguments.get("extra_body")) or _limited_natively(draft.extra)


def _limited_natively(fields: object) -> bool:
    """Say whether a provider's own field limits the answer, also inside a nested table."""
    if not isinstance(fields, Mapping):
        return False
    return any((name in _NATIVE and value is not None) or _limited_natively(value) for name, value in fields.items())


def _field(rung: Rung) -> str:
    """Return the field that OpenAI's models of today take, or the older one that everybody else does."""
    return "max_completion_tokens" if rung.site == "openai" else "max_tokens"


def _gated(draft: Draft, context: NudgeContext) -> Draft:
    """Return the draft with the app's own limits lowered: strict_opt_in is set and nobody opted in.

    Not where the task needs a longer answer, nor the room for reasoning that somebody opted in to. A classifier that
    failed lifts nothing.
    """
    assessment = context.assessment
    if assessment is not None and assessment.calibrated and limit_of(assessment) is None:
        return draft
    if draft.reasoning is not False and "reasoning" in context.options.opt_in:
        return draft
    given: dict[str, object] = {}
    arguments, extra = _lowered(draft.arguments, given), _lowered(draft.extra, given)
    if not given:
        return draft
    said = ", ".join(f"{name}={value}" for name, value in sorted(given.items()))
    note = _note("lowered", {"given": said, "limit": LIMIT}, context.language)
    return replace(draft, arguments=arguments, extra=extra, notes=(*draft.notes, note))


def _lowered(fields: Mapping[str, Any], given: dict[str, object]) -> dict[str, Any]:
    """Return fields with every limit above this one's lowered, also in nested tables; `given` takes what they were."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _NATIVE and _is_above(value):
            given[name] = value
            found[name] = LIMIT
        elif isinstance(value, Mapping) and name not in _OPEN:
            found[name] = _lowered(value, given)
        else:
            found[name] = value
    return found


def _is_above(value: object) -> bool:
    """Say whether a limit is above this one's; below 0 stands for none at several servers."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        return not 0 <= float(value) <= LIMIT
    except ValueError:
        return False
    except OverflowError:  # an integer that no float holds
        return True


def _note(what: str, data: Mapping[str, Any], language: str) -> Note:
    text_id = f"{NAME}.{what}"
    return Note(nudge=NAME, text=say(text_id, data, language), override=OVERRIDE, id=text_id, data=data)
