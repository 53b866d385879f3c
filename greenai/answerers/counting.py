"""Counting letters, characters and words, in a text that is quoted or otherwise clearly set apart.

It counts in ASCII text only, where everybody counts alike. Upper and lower case of a letter are counted together, and
the answer says so where that makes a difference.
"""

from __future__ import annotations

import re
from collections import Counter

from greenai.answerers.numerals import NUMBER_WORDS
from greenai.answerers.unit_table import named
from greenai.answerers.wording import SIGNS, Answered, Question, words

MOST_CHARS = 5000
OPENING_CHARS = 200

_TRIGGER = re.compile(r"\b(?:how many|count|number of|length of|how long|how often)\b", re.IGNORECASE)
_START = (
    r"(?:(?:please |hey |can you |could you |tell me |do you know )*"
    r"(?:how many|count(?: up)?(?: how many)?(?: the)?(?: number of)?|what is the number of|the number of))"
)
_QUOTED = r"(?P<open>[\"'`])(?P<text>.+)(?P=open)"
_WHERE = r"(?:the )?(?:following )?(?:word|name|string|text|sentence|phrase|term|words)?:?"
_THERE = r"(?:are |is |does |do )?(?:there )?"
_LETTER = r"(?:(?:letter |letters |character )?(?P<mark>[\"'`]?)(?P<letter>[a-z])(?P=mark)(?P<s>'?s)?(?: letters?)?)"
_TIMES = rf"times (?:does |do )?(?:the )?{_LETTER}(?: appears?| occurs?| shows? up)?"
_IN = r"(?:appear |occur |show up |come up )?(?:in|of|within|inside)"
_ENDING = r"(?: have| has| contain| contains| appear in it)?[ ?.!]*"
_WORD = r"(?P<word>[a-z]{3,45})"
_THING = r"(?P<thing>letters|characters|chars|words|vowels|consonants|digits|spaces)"
_A_TEXT = "(?:text|sentence|phrase|string)"
_FLAGS = re.IGNORECASE | re.DOTALL

_LETTERS_IN = tuple(
    re.compile(pattern, _FLAGS)
    for pattern in (
        rf"{_START} {_LETTER} {_THERE}{_IN} {_WHERE} ?{_QUOTED}{_ENDING}",
        rf"{_START} {_LETTER} {_THERE}{_IN} (?P<the>(?:the )?(?:word|name) )?{_WORD}{_ENDING}",
        rf"{_START} {_TIMES} {_IN} {_WHERE} ?{_QUOTED}{_ENDING}",
        rf"{_START} {_TIMES} {_IN} (?P<the>(?:the )?(?:word|name) )?{_WORD}{_ENDING}",
        rf"{_START} {_LETTER} (?:does|do) (?:the )?(?P<the>(?:word|name) ){_WORD}{_ENDING}",
    )
)
_THINGS_IN = tuple(
    re.compile(pattern, _FLAGS)
    for pattern in (
        rf"{_START} {_THING} {_THERE}(?:in|of) {_WHERE} ?{_QUOTED}{_ENDING}",
        rf"{_START} {_THING} (?:does|do) {_WHERE} ?{_QUOTED}{_ENDING}",
        rf"{_START} {_THING} {_THERE}(?:in|of) (?:the )?(?:word|name) {_WORD}{_ENDING}",
        rf"{_START} {_THING} (?:does|do) (?:the )?(?:word|name) {_WORD}{_ENDING}",
        rf"{_START} {_THING} {_THERE}in (?:the |this )?(?:following )?{_A_TEXT}? ?:\s*(?P<text>.+)",
        rf"(?:what is )?(?:the )?(?P<thing>length) of (?:the )?(?:word|string|text) {_QUOTED}[ ?.]*",
        rf"how (?P<thing>long) is (?:the )?(?:word|string|text) {_QUOTED}[ ?.]*",
    )
)
_PLAIN_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?[.,;:!?)]*")


def answer(question: Question) -> Answered | None:
    """Answer how often a letter, or how many letters, characters or words, are in a text."""
    text = question.text
    if len(text) > MOST_CHARS or not _TRIGGER.search(text, 0, OPENING_CHARS):
        return None
    text = text.translate(SIGNS)
    if not text.isascii():
        return None
    return _letters(text) or _things(text)


def _letters(text: str) -> Answered | None:
    for pattern in _LETTERS_IN:
        found = pattern.fullmatch(text)
        subject = _subject(found) if found else None
        if found and subject is not None and _is_one_letter(found, subject) and _is_sure(found, subject):
            return _counted(found["letter"], subject)
    return None


def _is_one_letter(found: re.Match[str], subject: str) -> bool:
    """Tell "rs" for the letter r from two letters to look for: "ss", "is" where the text has it, what "appears"."""
    letter = found["letter"].lower()
    if (found["s"] or "").lower() != "s" or found["mark"]:
        return True
    singular = found[0][: found.start("letter")].lower().rstrip().endswith(("does", "does the", "letter"))
    pair = f"{letter}s"
    return letter != "s" and not singular and (found["letter"].isupper() or pair not in subject.lower())


def _subject(found: re.Match[str]) -> str | None:
    """Return the text to count in; one with its own quotation mark inside may end earlier than it seems."""
    groups = found.groupdict()
    quoted, mark = groups.get("text"), groups.get("open")
    if quoted is not None and mark and mark in quoted:
        return None
    return quoted if quoted is not None else groups.get("word")


def _is_sure(found: re.Match[str], subject: str) -> bool:
    """Without quotation marks, the word must not be a unit or a number, and the letter must be marked as one."""
    if found.groupdict().get("text") is not None or found.groupdict().get("the"):
        return True
    said = found[0].lower()
    marked = found["mark"] or (found["s"] or "").startswith("'") or "letter" in said or "times" in said
    word = subject.lower()
    return len(word) > 3 and bool(marked) and not named(word) and word not in NUMBER_WORDS and word not in _NOT_WORDS


_NOT_WORDS = words("this that these those english total there word words alphabet each them your college school")


def _counted(letter: str, subject: str) -> Answered | None:
    positions = [i for i, c in enumerate(subject, start=1) if c.lower() == letter.lower()]
    if len(positions) != Counter(subject.lower())[letter.lower()]:
        return None
    exact = subject.count(letter)
    mixed = exact != len(positions) and any(c.isupper() for c in subject) and any(c.islower() for c in subject)
    text = f"{len(positions)}{' (upper and lower case counted alike)' if mixed else ''}"
    where = ", ".join(map(str, positions[:20])) + (", …" if len(positions) > 20 else "")
    return Answered(text=text, working=f"{letter} is at {where}" if positions else f"{letter} is nowhere in it")


def _things(text: str) -> Answered | None:
    for pattern in _THINGS_IN:
        found = pattern.fullmatch(text)
        subject = _subject(found) if found else None
        if found and subject is not None:
            return _measured(found["thing"].lower(), subject)
    return None


def _measured(thing: str, subject: str) -> Answered | None:
    if thing == "words":
        return _words(subject)
    if thing in ("characters", "chars", "length", "long"):
        spaces = sum(c.isspace() for c in subject)
        without = f" ({len(subject) - spaces} without spaces)" if spaces else ""
        return Answered(text=f"{len(subject)} characters{without}", working=f"counted in {subject!r}")
    hits = re.findall(_OF_KIND[thing], subject)
    note = " (y counted as a consonant)" if thing in ("vowels", "consonants") and "y" in subject.lower() else ""
    return Answered(text=f"{len(hits)}{note}", working=f"{thing}: {' '.join(hits[:40]) or 'none'}")


_OF_KIND = {
    "letters": "[A-Za-z]",
    "vowels": "[AEIOUaeiou]",
    "consonants": "(?![AEIOUaeiou])[A-Za-z]",
    "digits": "[0-9]",
    "spaces": " ",
}


def _words(subject: str) -> Answered | None:
    """Count words, where every word is one: "well-known" and "and/or" are one word or two."""
    parts = subject.split()
    if not parts or not all(_PLAIN_WORD.fullmatch(part.lstrip("(")) for part in parts):
        return None
    if len(parts) != len(re.findall(r"[A-Za-z']+", subject)):
        return None
    first = " ".join(parts[:3])
    return Answered(text=str(len(parts)), working=f"words between spaces, from {first!r} to {parts[-1]!r}")
