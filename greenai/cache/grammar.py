"""What can be told of a text from its words in order: its numbers, its negations, what it asks for, its tense.

`small` are the words, numbers and signs of a text, in lower case and without endings such as 's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from greenai.cache import word_lists as w
from greenai.cache.thesaurus import stem

__all__ = ["SIGNS", "asker", "figures", "hanging", "kind", "modals", "negations", "numbers", "tense", "tried"]

SIGNS = frozenset(".?!;:,\n&%€$£+*/=-")

_NUMBER = re.compile(r"([0-9][0-9.,:/]*)(%|[a-z]{1,2})?$")
_NO_MATTER = re.compile(
    r"\b(?:do|did) not (?:know|understand|get|remember|see)\b|\bnot sure\b|\bno idea\b|\bor not\b|\bnot only\b|"
    r"\bwhy not\b|\bno longer\b|\bif not\b|\bno matter\b|\bno\. ?(?=[0-9])|"
    r"\b(?:is|are|do|does|did) not (?:it|they|you|he|she)\?|(?:^|[.!?]\s+)no,"
)
_OBJECT = re.compile(r"\bwho(?:m)? (?:do|does|did)\b")
_SUBJECT = re.compile(
    r"\bwho (?!is|are|was|were|do|does|did|can|could|should|would|will|has|have|"
    r"had|may|might|must)\w"
)
_TRIED = re.compile(
    r"\b(?:have|has|had|i've|already|i) (?:\w+ )?tried (?!to\b|[0-9])|\b(?:not|never|no) (?:\w+ ){0,3}help(?:ed|ing)?\b"
)
_HABIT = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bbe )(?<!\bbeen )(?<!\bwas )(?<!\bwere )(?<!\bget )(?<!\bgetting )\bused to\b|"
    r"\bdid(?: not)?\b.{1,60}\buse to\b|\bformerly\b"
)
_BECOMING = re.compile(r"\b(?:is|are|am|was|were) (?:\w+ ){0,4}(?:becoming|turning into)\b")
_NEEDS = re.compile(r"\b(?:have|has|had|need|needs) to\b")
_FUTURE = frozenset(("will", "shall", "gonna"))
_PAST = frozenset(("was", "were", "did", "had"))
_PRESENT = frozenset(("is", "are", "do", "does", "am"))


# --- numbers ------------------------------------------------------------------------------


def numbers(small: Sequence[str]) -> frozenset[str]:
    """Return the numbers, written one way: 1,000 and "a thousand" are 1000."""
    found: set[str] = set()
    spelt = 0
    joined = [word for word in small if word != "-"]  # twenty-five
    for before, word in zip(("", *joined), (*joined, ""), strict=True):
        value = w.NUMBER_WORDS.get(word) if word != "one" else None
        if value is not None:
            if value < 100 and word != "dozen":
                spelt += value
            elif spelt or before in ("a", "one") or before[:1].isdigit():  # "several thousand" is no number
                spelt = (spelt or 1) * value
            continue
        if spelt:
            found.add(str(spelt))
            spelt = 0
        if word[:1].isdigit():
            found.update(_value(word))
        elif (word in ("am", "pm") and before[:1].isdigit()) or (before == "one" and word in w.UNITS):
            found.add("1" if before == "one" else word)
    return frozenset(found)


def figures(small: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers as they are written, in order."""
    return tuple(word for word in small if word[0].isdigit() or word in w.NUMBER_WORDS)


def _value(word: str) -> tuple[str, ...]:
    match = _NUMBER.match(word)
    if match is None:
        return (word,)
    digits, unit = match[1].rstrip(".,:/").removesuffix(":00"), match[2] or ""
    if "," in digits and all(len(part) == 3 for part in digits.split(",")[1:]):
        digits = digits.replace(",", "")
    if digits.count(".") <= 1 and digits.replace(".", "").isdecimal():
        digits = f"{float(digits) * (1000 if unit == 'k' else 1):.12g}"
    return (digits, unit) if unit in ("am", "pm") else (digits,)


# --- what is asked ------------------------------------------------------------------------


def negations(lower: str, small: Sequence[str]) -> int:
    """Count the words that deny something; "I do not know how" denies nothing of what is asked."""
    count = sum(word in w.NEGATIVES for word in small)
    return max(0, count - len(_NO_MATTER.findall(lower))) if count else 0


def kind(small: Sequence[str]) -> str:
    """Return what is asked for: who, when, where, why, how many, "yes" for yes or no; "" where it does not say."""
    start, asked = True, ""
    for place, word in enumerate(small):
        if word in SIGNS:
            start = True
        elif word in w.QUESTION_WORDS and (start or word in ("why", "who")):
            return _asked(word, small[place + 1 : place + 4])
        elif start and word in w.AUXILIARIES and not asked:
            asked = "" if _requests(small[place + 1 : place + 6]) else "yes"
            start = not asked
        elif asked == "yes" and word in w.REQUESTS:
            asked, start = "", True
        elif word not in w.FILLERS and word not in w.FUNCTION:
            start = False
        elif word in w.ASK_AGAIN:
            start = True
    return asked


def _requests(following: Sequence[str]) -> bool:
    """Say whether a question that begins with a verb is a request: could you tell me, may I know, are there any."""
    if not following:
        return False
    if following[0] == "there":
        return True
    return (following[0] == "you" and not w.TELL.isdisjoint(following)) or list(following[:2]) == ["i", "know"]


def _asked(word: str, following: Sequence[str]) -> str:
    first = following[0] if following else ""
    if word == "how":
        return "why" if first == "come" else w.HOW.get(first) or ("how" if first in w.HOW_TO else "")
    if word == "what" and first in w.AUXILIARIES and following[2:] == ["do"]:  # what should I do
        return "how"
    if word in ("what", "which"):
        return w.WHAT.get(first) or ("what" if word == "what" and first in w.BE else "")
    return w.STRONG.get(word, "")


def hanging(small: Sequence[str]) -> str:
    """Return the preposition that a question leaves behind at its end: what is it a factor for?"""
    for place, word in enumerate(small):
        if word in "?." and place > 1 and small[place - 1] in w.PREPOSITIONS:
            verb = small[place - 2]
            return small[place - 1] if stem(verb) == verb else ""  # made of, used for
    return ""


def asker(text: str) -> str:
    """Return whether "who" does it ("who beat them") or has it done to them ("who did they beat"); "" for neither."""
    if _OBJECT.search(text):
        return "object"
    return "subject" if _SUBJECT.search(text) else ""


# --- tense and mood -----------------------------------------------------------------------


def tense(lower: str, small: Sequence[str]) -> frozenset[str]:
    """Return the signs of time that verbs carry."""
    known = frozenset(small)
    found = set[str]()
    if "use" in lower and _HABIT.search(lower):
        found.add("used to")
    if _BECOMING.search(lower):
        found.add("becoming")
    if not known.isdisjoint(_FUTURE) or "going to" in lower or "'ll " in lower:
        found.add("future")
    if not known.isdisjoint(_PAST):
        found.add("past")
    elif not known.isdisjoint(_PRESENT):
        found.add("present")
    if any(_is_past_form(word) for word in known - w.FUNCTION):
        found.add("past form")
    return frozenset(found)


def _is_past_form(word: str) -> bool:
    return word.isalpha() and not word.endswith(("s", "ing")) and stem(word) != word


def modals(lower: str, known: frozenset[str]) -> frozenset[str]:
    """Return whether something may, can, should or must be."""
    found = {w.MODALS[word] for word in known if word in w.MODALS}
    if _NEEDS.search(lower):
        found.add("force")
    return frozenset(found)


def tried(lower: str) -> bool:
    """Say whether something is told that was tried, or did not help."""
    return _TRIED.search(lower) is not None
