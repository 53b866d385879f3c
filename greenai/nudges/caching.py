"""Point out what keeps a cache from answering: a time or an id in equal requests, or at the start of a prompt.

Two things are looked for. Requests that are equal without their times: each was a miss, and one answer would have done.
With ids and dates that is only said where answers were equal too, because a question may be about them. And long
prompts whose first 1,000 characters differ in nothing else: a provider caches equal beginnings only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.nudges.advice import Advice, Recent
from greenai.nudges.forms import Masked, masked, prefix_of

if TYPE_CHECKING:
    from greenai.nudges.advice import Seen

__all__ = ["Caching"]

MISSES = 3
SAME_ANSWERS = 2
WITHIN_S = 3600.0
PROMPTS = 5
PREFIX_TOKENS = 1024  # the shortest prompt that providers cache: OpenAI, "Prompt caching" (2026)


@dataclass(slots=True)
class _Group:
    last: Masked
    answer: int
    began: float
    misses: int = 1
    same_answers: int = 0
    times_differ: bool = False


@dataclass(slots=True)
class _Prefix:
    last: Masked
    differ: int = 1


class Caching:
    """Keeps digests of requests without their times and ids."""

    name = "caching"

    def __init__(self) -> None:
        self._groups: Recent[tuple[object, ...], _Group] = Recent()
        self._prefixes: Recent[tuple[object, ...], _Prefix] = Recent(256)

    def __call__(self, seen: Seen, /) -> Advice | None:
        """Return advice where a group of requests has grown large enough."""
        return self._repeated(seen) or self._begins(seen)

    def _repeated(self, seen: Seen) -> Advice | None:
        if seen.options.cache == "off":
            return None
        found = masked(seen.messages)
        if not found.varies:
            return None
        answer = hash(seen.reply.casefold().strip())
        key = (seen.options.project, seen.model, found.rest)
        with self._groups.lock:
            group = self._groups.take(key, lambda: _Group(found, answer, seen.ended))
            if seen.ended - group.began > WITHIN_S:
                self._groups.drop(key)
                return None
            if (found.times, found.ids) == (group.last.times, group.last.ids):
                return None  # the first of its kind, or the very same again, which the cache was told not to answer
            group.misses += 1
            group.same_answers += answer == group.answer
            group.times_differ |= found.times != group.last.times and found.ids == group.last.ids
            group.last, group.answer = found, answer
            return _repeated(group, seen, found)

    def _begins(self, seen: Seen) -> Advice | None:
        price, tokens = None if seen.card is None else seen.card.price, seen.usage.input_tokens or 0
        if price is None or not price.cached_input or tokens < PREFIX_TOKENS or seen.usage.cached_tokens:
            return None
        found = prefix_of(seen.messages)
        if found is None or not found.varies:
            return None
        key = (seen.options.project, seen.model, found.rest)
        with self._prefixes.lock:
            prefix = self._prefixes.take(key, lambda: _Prefix(found))
            prefix.differ += found != prefix.last
            prefix.last = found
            if prefix.differ < PROMPTS:
                return None
            data = {
                "count": prefix.differ,
                "model": seen.model,
                "share": price.cached_input / price.input,
                "tokens": tokens,
                "price_source": price.source,
            }
            return Advice(id="caching.prefix", data=data, about=found.rest)


def _repeated(group: _Group, seen: Seen, found: Masked) -> Advice | None:
    if group.misses < MISSES or not (group.times_differ or group.same_answers >= SAME_ANSWERS):
        return None
    data = {
        "count": group.misses,
        "minutes": max((seen.ended - group.began) / 60, 1.0),
        "same_answers": group.same_answers,
    }
    return Advice(id="caching.time" if group.times_differ else "caching.id", data=data, about=found.rest)
