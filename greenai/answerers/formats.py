r"""Whether a text is valid JSON, and whether a regular expression matches a text.

JSON is read by two parsers, which have to agree. A regular expression is run only where it can be slow on no text: no
repetition of a repetition or of alternatives, no back-references, no look-around, and short texts. Python's dialect is
meant; whether "matches" means the whole text or a part of it, the answer says.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from greenai.answerers.wording import SIGNS, Answered, Question

MOST_CHARS = 20_000
OPENING_CHARS = 120
MOST_PATTERN = 100
MOST_SUBJECT = 200
MOST_REPEATS = 3  # without an upper limit: each may try every length, so time grows with this power
MOST_DEPTH = 50

_ASKS_JSON = re.compile(
    r"\s*(?:please |can you |could you )*(?:tell me (?:if|whether) )?(?:"
    r"(?:is|check (?:if|whether|that)|whether|validate|verify (?:if|whether|that)?) ?"
    r"(?:the following|this|it|that)?(?: string| text| snippet)?(?: (?:is|a))* ?(?:valid|correct|well-formed) json"
    r"|(?:validate|check) (?:the following|this) json(?: for validity)?)\s*[:?]?\s*",
    re.IGNORECASE,
)
_AFTER_JSON = re.compile(
    r"(?P<json>[\[{].*[\]}])\s*(?:is this|is it|valid|is that) (?:valid )?json\s*\??\s*", re.DOTALL | re.IGNORECASE
)
_IS_JSON = re.compile(r"is (?P<json>[\[{].*[\]}]) valid json\s*\??", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)\n?\s*```\s*[?.]?", re.DOTALL | re.IGNORECASE)
_Q = "[\"'`/]"
_A_REGEX = rf"(?:the |this )?(?:regex(?:p)?|regular expression|pattern) (?P<q>{_Q})(?P<pattern>.+?)(?P=q)"
_A_TEXT = r"(?:the )?(?:string |text |word )?(?P<r>[\"'`])(?P<subject>.*?)(?P=r)"
_REGEX = (
    re.compile(rf"(?:does|do|will|would|can) {_A_REGEX} match {_A_TEXT}\s*\??", re.IGNORECASE),
    re.compile(rf"does {_A_TEXT} match {_A_REGEX}\s*\??", re.IGNORECASE),
)
_TRIGGER = re.compile(r"\bjson\b|\bregex|\bregular expression\b|\bpattern\b", re.IGNORECASE)


def answer(question: Question) -> Answered | None:
    """Answer whether a text is valid JSON, or whether a regular expression matches a text."""
    text = question.text
    if len(text) > MOST_CHARS:
        return None
    if not _TRIGGER.search(text, 0, OPENING_CHARS) and not _TRIGGER.search(text, max(len(text) - 40, 0)):
        return None
    payload = _payload(text)
    return _json(payload) if payload is not None else _regex(text.translate(SIGNS))


# --- JSON -----------------------------------------------------------------------------------


def _payload(text: str) -> str | None:
    """Return what is to be read as JSON: all that stands beside the question."""
    asked = _ASKS_JSON.match(text)
    if asked:
        rest = text[asked.end() :]
        fenced = _FENCE.fullmatch(rest)
        payload = fenced[1] if fenced else rest.strip().strip("`").strip()
        # Prose after the text is not part of it, and without a fence nobody can tell where it begins.
        return payload if fenced or (payload[:1] in "[{" and payload[-1:] in "]}" and payload) else None
    found = _AFTER_JSON.fullmatch(text) or _IS_JSON.fullmatch(text)
    return found["json"] if found else None


def _json(payload: str) -> Answered | None:
    if max(map(payload.count, "[{")) > MOST_DEPTH:
        return None
    try:
        value = json.loads(payload, object_pairs_hook=_pairs, parse_constant=_refuse)
    except _UnsureError:
        return None
    except ValueError as error:
        return _invalid(payload, error)
    if _second_opinion(payload) is not None or json.loads(json.dumps(value)) != value:
        return None
    kind = "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else "a value"
    return Answered(text="Yes, it is valid JSON.", working=f"read as {kind} by two parsers")


class _UnsureError(Exception):
    """Some parsers read it, and others do not."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _UnsureError
    return dict(pairs)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _invalid(payload: str, error: ValueError) -> Answered | None:
    if _second_opinion(payload) is None:
        return None
    where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return Answered(text=f"No, it is not valid JSON: {what}{where}.", working=f"{what}{where}; two parsers refuse it")


def _second_opinion(payload: str) -> str | None:
    """Return what pydantic's parser has against it, or None."""
    from pydantic_core import from_json

    try:
        from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        return str(error)
    return None


# --- regular expressions --------------------------------------------------------------------

# back-references, look-around and flags; and what Python warns may mean a nested set one day
_SPECIAL = re.compile(r"\\[1-9]|\(\?(?!:)|\[\^?\[|--|&&|~~|\|\|")
_REPEAT = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


def _regex(text: str) -> Answered | None:
    found = next((found for pattern in _REGEX if (found := pattern.fullmatch(text))), None)
    if found is None or not is_fast(found["pattern"]) or len(found["subject"]) > MOST_SUBJECT:
        return None
    try:
        compiled = re.compile(found["pattern"])
    except re.error:
        return None
    subject = found["subject"]
    whole, part = compiled.fullmatch(subject), compiled.search(subject)
    if whole:
        return Answered(text="Yes, it matches the whole text.", working=f"{subject!r} from 0 to {len(subject)}")
    if part:
        shown = f"{part[0]!r} from {part.start()} to {part.end()}"
        return Answered(text=f"It matches a part of the text ({shown}), and not the whole.", working=shown)
    return Answered(text="No, it matches no part of the text.", working=f"no match in {subject!r}")


def is_fast(pattern: str) -> bool:
    """Say whether a pattern is quick on any short text: nothing repeated holds a repetition or alternatives."""
    if len(pattern) > MOST_PATTERN or _SPECIAL.search(pattern):
        return False
    bare = _CLASS.sub("x", re.sub(r"\\.", "x", pattern))
    if sum(bare.count(sign) for sign in "*+") + len(re.findall(r"\{[0-9]+,\}", bare)) > MOST_REPEATS:
        return False
    if any(int(n) > 50 for n in re.findall(r"[0-9]+", "".join(re.findall(r"\{[0-9,]+\}", bare)))):
        return False
    while True:  # innermost groups first: one that repeats or chooses inside must not be repeated itself
        inner = re.search(r"\((?:\?:)?([^()]*)\)", bare)
        if inner is None:
            return True
        after = bare[inner.end() :]
        moving = "|" in inner[1] or _REPEAT.search(inner[1]) is not None or "~" in inner[1]
        if moving and _REPEAT.match(after):
            return False
        bare = f"{bare[: inner.start()]}{'~' if moving else 'x'}{after}"
