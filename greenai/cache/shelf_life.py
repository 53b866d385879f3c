"""The rules behind volatility.py: what is asked of which text, and which signs of time or of a person it shows."""

from __future__ import annotations

import re

from greenai.cache import time_words as at
from greenai.cache import wishes
from greenai.cache.volatility import Volatility

__all__ = ["class_of"]

_MAX_CHARS = 1500  # of either end: time must not grow with the text
_MAX_LINES = 300  # characters; of a longer text the first line and the last say what is asked
_FEW_LINES = 2
_QUOTED = re.compile(
    r"\"[^\"\n]{1,600}\"|\u201c[^\u201d]{1,600}\u201d|«[^»]{1,600}»|(?<!\w)'[^'\n]{2,600}'(?!\w)|"
    r"(?<!\w)\u2018[^\u2019\n]{2,600}\u2019(?!\w)"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_SPACE = re.compile(r"\s+")
_LATIN = re.compile(r"[a-z]{2}")


def class_of(text: str) -> Volatility:
    """Return the class of a text."""
    head, given = _instruction(text)
    if _LATIN.search(head) is None:
        return "static" if given or at.SUM.search(head) else _elsewhere(head)
    return _wished(head, given=given) or _timed(head, given=given) or _calm(head, given=given)


def _instruction(text: str) -> tuple[str, bool]:
    """Return what is asked, in lower case and without quoted text, and whether a text to work on came with it."""
    if len(text) > 2 * _MAX_CHARS:
        text = f"{text[:_MAX_CHARS]}\n\n{text[-_MAX_CHARS:]}"
    bare = _QUOTED.sub(' "" ', _CODE.sub(' "" ', text.strip().replace("\u2019", "'")))
    given = '""' in bare
    bare = bare.lower()
    cut = wishes.PAYLOAD.match(bare)
    if cut is not None:
        return _opened(cut["head"]), True
    lines = [line for line in bare.splitlines() if line.strip()]
    if len(lines) > 1 and len(bare) > _MAX_LINES:
        bare = f"{lines[0]} {lines[-1]}"
    return _opened(bare), given or len(lines) > _FEW_LINES or at.FACTS.search(bare) is not None


def _opened(text: str) -> str:
    return wishes.opened(_SPACE.sub(" ", text).strip())


def _wished(head: str, *, given: bool) -> Volatility | None:
    """Return the class of a wish: something done, something new, something of one's own."""
    if wishes.worked_on(head, given=given):
        return None
    if wishes.is_action(head):
        return "action"
    if wishes.is_new(head):
        return "nondeterministic"
    if wishes.is_personal(head, given=given):
        return "personal"
    return None


def _timed(head: str, *, given: bool) -> Volatility | None:
    """Return the class of what changes with time, None where nothing hints at it."""
    if wishes.worked_on(head, given=given) or (given and at.FACTS.search(head)):
        return "static"
    if at.is_past(head) or at.is_lesson(head) or wishes.supposed(head):
        return None
    if at.is_live(head):
        return "realtime"
    if at.is_of_the_day(head):
        return "daily"
    if at.is_slow(head):
        return "slow"
    return _elsewhere(head) if at.FOREIGN.search(head) else None


def _calm(head: str, *, given: bool) -> Volatility:
    """Return the class where nothing changes: static where the form is that of a question about how things are."""
    if wishes.CREATIVE.search(head):
        return "unknown"
    return "static" if given or at.ASKS.match(head) or at.SUM.search(head) else "unknown"


def _elsewhere(head: str) -> Volatility:
    """Return the class of a text in another language, of whose words a few are known."""
    return "realtime" if at.FOREIGN.search(head) else "unknown"
