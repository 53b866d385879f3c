"""The rules behind volatility.py: what is asked of which text, and which signs of time or of a person it shows."""

from __future__ import annotations

import re

from greenai.cache import evidence, languages, subjects, wishes
from greenai.cache import time_words as at
from greenai.cache.names import capitals
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
# What is quoted is what is asked about only where words are: not in "Did 'Bayern' win?".
_ABOUT_WORDS = re.compile(
    r"(?i)\b(?:mean|means|meaning|say|said|words?|phrase|sentence|sentiment|translat\w*|tense|plural|idiom|acronym|"
    r"synonyms?|antonyms?|define|definition|spell|spelling|pronounce|summari[sz]e|rewrite|rephrase|correct|classify|"
    r"grammar|proofread|paraphrase|rhymes?|between|stand for|origin|expression|letters|count|reverse|extract)\b"
)
_LATIN = re.compile(r"[a-z]{2}")


def class_of(text: str) -> Volatility:
    """Return the class of a text."""
    head, given = _instruction(text)
    if _LATIN.search(head) is None:
        return "static" if given and head.isascii() else _unlettered(head, text)
    large = frozenset[str]() if given else capitals(text[:_MAX_CHARS])
    if languages.is_foreign(head) or text.lstrip().startswith(("\u00bf", "\u00a1")):
        return _elsewhere(head, large)
    if not given and subjects.is_to_somebody(head, large):
        return "action"
    return _wished(head, given=given) or _timed(head, text, large, given=given) or _calm(head, given=given)


def _instruction(text: str) -> tuple[str, bool]:
    """Return what is asked, in lower case and without quoted text, and whether a text to work on came with it."""
    if len(text) > 2 * _MAX_CHARS:
        text = f"{text[:_MAX_CHARS]}\n\n{text[-_MAX_CHARS:]}"
    bare = text.strip().replace("\u2019", "'")
    if "`" in bare:
        bare = _CODE.sub(' "" ', bare)
    given = '""' in bare
    if bare.count('"') > 1 or bare.count("'") > 1 or not bare.isascii():
        bare = _QUOTED.sub(' "" ', bare)
    given = given or ('""' in bare and _ABOUT_WORDS.search(bare) is not None)
    bare = bare.lower()
    cut = wishes.PAYLOAD.match(bare)
    if cut is not None:
        return _opened(cut["head"]), True
    lines = [line for line in bare.splitlines() if line.strip()]
    if len(lines) > 1 and len(bare) > _MAX_LINES:
        bare = f"{lines[0]} {lines[-1]}"
    return _opened(bare), given or len(lines) > _FEW_LINES or at.FACTS.is_in(bare)


def _opened(text: str) -> str:
    return wishes.opened(" ".join(text.split()))


def _unlettered(head: str, text: str) -> Volatility:
    """Return the class of a text without two Latin letters in a row, once what it was opened with is gone."""
    if at.SUM.search(head):
        return "static"
    if head.isascii():
        return "personal" if _LATIN.search(text.lower()) else "unknown"
    return _elsewhere(head)


def _wished(head: str, *, given: bool) -> Volatility | None:
    """Return the class of a wish: something done, something new, something of one's own."""
    if wishes.worked_on(head, given=given):
        return None
    if wishes.is_action(head) or (not given and evidence.is_device(head)):
        return "action"
    if wishes.is_new(head):
        return "nondeterministic"
    if wishes.is_personal(head, given=given):
        return "personal"
    return None


def _timed(head: str, text: str, large: frozenset[str], *, given: bool) -> Volatility | None:
    """Return the class of what changes with time or is not in the text, None where nothing hints at it."""
    if wishes.supposed(head) or (given and at.FACTS.is_in(head)):
        return "static"
    if wishes.worked_on(head, given=given):
        return "static" if given or not evidence.leans_on_more(head, text=text) else "personal"
    over = at.is_past(head)
    found = None if over or at.is_lesson(head) else _by_time(head)
    if found == "realtime" or given:
        return found
    return _named(head, text, large, found) or ("static" if found is None and over else _at_last(head, found))


def _named(head: str, text: str, large: frozenset[str], found: Volatility | None) -> Volatility | None:
    """Return the class by whom or what it names, or leaves out."""
    if subjects.is_of_somebody(head, large):
        return "personal"
    told = subjects.known(head, large) if found is None else None
    if told is None and evidence.leans_on_more(head, text=text, daily=found == "daily"):
        return "personal"
    return told


def _at_last(head: str, found: Volatility | None) -> Volatility | None:
    return "realtime" if found != "daily" and evidence.is_of_the_moment(head) else found


def _by_time(head: str) -> Volatility | None:
    if at.is_live(head):
        return "realtime"
    if at.is_of_the_day(head):
        return "daily"
    return "slow" if at.is_slow(head) else None


def _calm(head: str, *, given: bool) -> Volatility:
    """Return the class where nothing changes: static where the form is that of a question about how things are."""
    if wishes.CREATIVE.is_in(head) and not evidence.is_code_task(head):
        return "unknown"
    if given or at.SUM.search(head) or evidence.is_general(head):
        return "static"
    return "personal" if evidence.is_about_somebody(head) else "unknown"


def _elsewhere(head: str, large: frozenset[str] = frozenset()) -> Volatility:
    """Return the class of a text in another language, of whose words a few are known."""
    if at.FOREIGN.search(head):
        return "realtime"
    if at.SUM.search(head) or languages.is_general_elsewhere(head):
        return "static"
    return subjects.known_elsewhere(head, large) or "foreign"
