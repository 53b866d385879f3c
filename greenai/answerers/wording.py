"""One question as every answerer reads it: the text as written, and the same words in one plain form.

It decides what is only a frame ("could you please tell me …?", "… thanks") and takes it off. What is left says what is
asked; an answerer has to understand all of it, or it keeps silent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

MAX_CHARS = 300
"""Longer texts have no plain form: nobody asks for a sum or a date at that length, and reading them takes time."""

Clock = Callable[[], datetime]


def local_now() -> datetime:
    """Return this machine's time, with its zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an answerer is sure of.

    Attributes:
        text: the answer.
        working: how it came about, in one line.
        live: whether it holds only for now, as the time of day does.
    """

    text: str
    working: str
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        text: as written, without white space around it.
        core: in lower case, with single spaces and plain signs, without its frame; empty where `text` is too long.
        words: the words of `core`, for a quick look whether a question can be an answerer's at all.
        clock: what time it is, where the answer depends on it.
    """

    text: str
    core: str
    words: frozenset[str]
    clock: Clock = field(default=local_now, repr=False)


def question_of(text: str, clock: Clock = local_now) -> Question:
    """Return the question in `text`."""
    text = text.strip()
    core = core_of(text) if len(text) <= MAX_CHARS else ""
    return Question(text=text, core=core, words=frozenset(_WORD.findall(core)), clock=clock)


def words(text: str) -> frozenset[str]:
    """Return the words of a table, written as one text."""
    return frozenset(text.split())


def has_digit(text: str) -> bool:
    """Say whether a text has one of the digits 0 to 9."""
    return _DIGIT.search(text) is not None


# --- frames ---------------------------------------------------------------------------------

_WORD = re.compile("[a-z]+")
_DIGIT = re.compile("[0-9]")
# typographic signs: minus, dashes, multiplication, division, spaces, apostrophes, quotation marks, degree look-alikes
SIGNS = str.maketrans(
    {
        "\u2212": "-", "\u2013": "-", "\u2014": " - ", "\u00d7": "*", "\u00f7": "/", "\u00a0": " ", "\u202f": " ",
        "\u2009": " ", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00ba": "°", "\u02da": "°",
    }
)  # fmt: skip
_POLITE = re.compile(
    r"""(?:hey|hi|hello|okay|ok|so|please|pls|kindly|quick[ ]question
    | (?:can|could|would|will)[ ]you(?:[ ]please)?(?:[ ]help[ ]me(?:[ ]to)?)?
    | (?:can|could|may)[ ]i[ ](?:know|ask)
    | (?:please[ ])?(?:tell|remind|inform)[ ](?:me|us)(?:[ ]of)? | let[ ]me[ ]know | help[ ]me(?:[ ]to)?
    | would[ ]you[ ]mind[ ]telling[ ]me
    | do[ ]you[ ]know | does[ ]anyone[ ]know | i[ ]wonder | i'm[ ]wondering
    | i(?:'d|[ ]would)?[ ](?:need|want|wanna|like|love|have)(?:[ ]you)?(?:[ ]to)?(?:[ ]know|[ ]find[ ]out|[ ]tell[ ]me)
    | i[ ]wanna[ ]know
    )\b[ ,:!-]*(?![ ]*[=+*/])""",
    re.VERBOSE,
)
_CLOSING = re.compile(
    r"(?:[ ,]+(?:please|pls|thanks|thank you|thx|for me|exactly|if you can|do you know)|[ ]?(?<![?!.])[?!.])$"
)
_LONGEST_CLOSING = 20
_INDIRECT = re.compile(r"(what|which|whats|who|how many|how much|how long)\b(.*?) (is|are|was|were|will be)$")


def core_of(text: str) -> str:
    """Return a text in lower case with single spaces and plain signs, without politeness around it."""
    rest = " ".join(text.translate(SIGNS).lower().split())
    before = None
    while before != rest:
        before = rest
        rest = rest.rstrip(" ?")
        found = _CLOSING.search(rest, max(len(rest) - _LONGEST_CLOSING, 0))
        rest = rest[: found.start()] if found else rest
    while polite := _POLITE.match(rest):
        rest = rest[polite.end() :]
    return _direct(rest.replace("what's ", "what is ").replace("whats ", "what is "))


def _direct(text: str) -> str:
    """Turn "what the date is" into "what is the date"; a question with its verb in front stays as it is."""
    found = _INDIRECT.fullmatch(text)
    if found is None or re.match(r" (?:is|are|was|were|would|does|do|did)\b", found[2]):
        return text
    if found[2].endswith(" it"):  # "what time it is"
        return f"{found[1]}{found[2].removesuffix(' it')} {found[3]} it"
    return f"{found[1]} {found[3]}{found[2]}"
