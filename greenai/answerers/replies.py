"""What a model replied, beside what a task model would have: whether it is the same, and whether it is a label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["QUOTES", "alike", "novelty", "written"]

LONGEST = 500  # characters in which labels are looked for
LONGEST_NAME = 60  # of an answer that may be a label
QUOTES = "\"'`*"
_WORD = re.compile(r"\w+")


def written(text: str) -> str:
    """Return an answer as it is compared: without case, quotes around it, and a full stop at its end.

    Signs alone are an answer as they are, such as stars; and a grade of A* is no A.
    """
    if any(map(str.isalnum, text)):
        text = _bare(_bare(text).rstrip("."))
    return " ".join(text.casefold().split())


def _bare(text: str) -> str:
    """Return a text without the quotes or asterisks that stand at both of its ends."""
    text = text.strip()
    while len(text) > 2 and text[0] == text[-1] and text[0] in QUOTES:
        text = text[1:-1].strip()
    return text


def alike(said: str, reply: str, tolerance: float | None = None) -> bool:
    """Say whether a model gave the same answer, or a number as near as the tolerance."""
    if tolerance is not None:
        from greenai.answerers.scores import within  # with the vectors, which only such a model needs

        return within(said, reply, tolerance)
    return written(said) == written(reply)


def novelty(reply: str, labels: Sequence[str]) -> tuple[bool, str | None]:
    """Return whether a reply is none of the labels and names none in a sentence; and what it says, if it is so short.

    Short enough to be a label itself is what has `LONGEST_NAME` characters at most.
    """
    exact, spoken = _read(tuple(labels))
    said = written(reply)
    words = _spaced(reply[:LONGEST])
    if said in exact or any(label in words for label in spoken):
        return False, None
    return True, said if len(said) <= LONGEST_NAME and any(map(str.isalnum, said)) else None


@lru_cache(maxsize=32)
def _read(labels: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    spoken = (_spaced(label) for label in labels)
    return frozenset(map(written, labels)), tuple(label for label in spoken if label.strip())


def _spaced(text: str) -> str:
    """Return the words of a text between blanks, so that a label is found as whole words only."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "
