"""Whether the answer to a text stays true, and for whom: what may be stored, and for how long.

It decides from the words alone: which of nine classes a request belongs to. Whether a class is kept, and until when,
is the cache's business. Static is only what has the form of a general question: for a meaning, a cause, a way to do
something, a fact that stays. What points to a person or a thing that the text does not name is personal. Where a rule
is in doubt it takes the class that is not stored: a call more is a smaller loss than an answer of yesterday, or of
somebody else. Words inside quotes, code and texts that are only worked on (to be translated, summed up) count for
nothing: the answer depends on nothing but them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

__all__ = ["VERSION", "Volatility", "volatility"]

VERSION = "volatility-3"
Volatility: TypeAlias = Literal[
    "static", "unknown", "slow", "daily", "realtime", "personal", "nondeterministic", "action", "foreign"
]

# A conversation asks again about the turns before its last one, at each call. Longer texts would take up memory.
_REMEMBERED, _MAX_CHARS = 512, 2000


def volatility(text: str) -> Volatility:
    """Return how long an answer to `text` holds, and whether it holds for others.

    "static" does not change; "slow" does within months, "daily" within a day, "realtime" at any moment; "personal"
    differs by who asks; "nondeterministic" is meant to differ each time; "action" is to be done, again each time.
    "unknown" shows no sign of either, "foreign" is unknown and in another language than English. The first call
    compiles the rules, which takes some tenths of a second.
    """
    return _remembered(text) if len(text) <= _MAX_CHARS else _class_of(text)


def _class_of(text: str) -> Volatility:
    from greenai.cache.shelf_life import class_of

    return class_of(text)


_remembered = lru_cache(_REMEMBERED)(_class_of)
