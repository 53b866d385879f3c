"""Ask for a short answer where the task is short, in projects that switched it on: the only nudge that adds words.

One sentence is put after the system prompt, or in its place where there is none, so that every call of a project
begins alike. Nothing is added where the app constrains the answer itself, where a long one was opted in to or asked
for, or where the classifier expects one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from greenai.nudges.messages import say
from greenai.values import FORM_ARGUMENTS, Note, text_of

if TYPE_CHECKING:
    from greenai.nudges.context import NudgeContext
    from greenai.values import Draft, Message

__all__ = ["nudge"]

NAME = "brevity"
OVERRIDE = "nudges = { brevity = false }"
SENTENCE = "Answer briefly, in at most two sentences."
SHORT_TOKENS = 150
"""The expected length, in tokens, up to which a task counts as short."""
SHORT_PROMPT_CHARS = 600

LIMITS = frozenset(("max_tokens", "max_completion_tokens", "verbosity"))
_WANTS_LENGTH = re.compile(
    r"\b(in detail|detailed|step by step|explain|essay|list|write|compare|describe|summari[sz]e|translate|code"
    r"|\d+ (words|sentences|paragraphs|lines|items|examples))\b",
    re.IGNORECASE,
)


def nudge(draft: Draft, context: NudgeContext, /) -> Draft:
    """Return the draft with a request for a short answer, where the task is short."""
    assessment = context.assessment
    if assessment is None or "long_output" in context.options.opt_in or not _may(draft):
        return draft
    expected = assessment.expected_output_tokens[0]
    if expected > SHORT_TOKENS:
        return draft
    data = {"expected_tokens": expected}
    text = say("brevity.asked", data, context.language)
    note = Note(nudge=NAME, text=text, override=OVERRIDE, id="brevity.asked", data=data)
    return replace(draft, messages=_asked(draft.messages), notes=(*draft.notes, note))


def _may(draft: Draft) -> bool:
    """Say whether the app left the form of the answer open, and the question does not ask for a long one."""
    if (FORM_ARGUMENTS | LIMITS) & draft.arguments.keys() or not draft.messages:
        return False
    last = draft.messages[-1]
    text = text_of(last.get("content"))
    return last.get("role") == "user" and len(text) <= SHORT_PROMPT_CHARS and _WANTS_LENGTH.search(text) is None


def _asked(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    first = messages[0]
    if first.get("role") not in ("system", "developer"):
        return ({"role": "system", "content": SENTENCE}, *messages)
    content = first.get("content")
    if isinstance(content, str):
        return ({**first, "content": f"{content}\n\n{SENTENCE}"}, *messages[1:])
    return (first, {"role": first["role"], "content": SENTENCE}, *messages[1:])
