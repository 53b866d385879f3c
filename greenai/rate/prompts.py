"""The prompts of a rating: 1,000 texts with stated lengths, made anew from templates, the same on every machine.

The public text-generation set mixes encyclopaedia, web and chat text, 369,139 input tokens in 1,000 prompts
(huggingface/AIEnergyScore @ a5b9a04, index.md; read 2026-11-21). How its lengths are distributed is not published;
a lognormal with the stated spread stands in for it. Our texts are of the same three kinds and none is copied.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from greenai.rate.estimate import Sample
from greenai.rate.words import CHAT, ENTRY, LISTS, PAGE

__all__ = ["COUNT", "HASH", "TOKENS", "VERSION", "Prompt", "digest", "lengths", "prompts", "sample"]

VERSION = "greenai-prompts-1"
HASH = "47e54a7b1c4bf502"
"""SHA-256 of every length and text, its first 16 digits: a change of a word is a new version."""

COUNT = 1000
TOKENS = 369_139
SPREAD = 0.7
"""Standard deviation of the logarithm of the lengths. Assumption, 2026-11-22: no distribution is published."""

SHORTEST, LONGEST = 16, 1500
STRIDE = 617  # shares no factor with COUNT: the first n lengths cover the distribution nearly evenly
KINDS = (ENTRY, PAGE, CHAT)
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt. `text` has at least `tokens` words, so at least as many tokens: an engine cuts it to length."""

    number: int
    tokens: int
    text: str

    def words(self, tokens_per_word: float) -> str:
        """Return the text cut to about `tokens` tokens, for a server that only takes text."""
        return " ".join(self.text.split()[: max(round(self.tokens / tokens_per_word), 1)])


@lru_cache(maxsize=1)
def lengths() -> tuple[int, ...]:
    """Return the prompts' lengths in tokens; they add up to the public set's."""
    normal = NormalDist(0.0, SPREAD)
    shape = [math.exp(normal.inv_cdf((i + 0.5) / COUNT)) for i in range(COUNT)]
    low, high = 1.0, 1000.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if sum(_clipped(shape, middle)) < TOKENS else (low, middle)
    found = _clipped(shape, low)
    for i in range(TOKENS - sum(found)):  # what rounding left, in the middle of the distribution
        found[COUNT // 2 + i] += 1
    return tuple(found[(i * STRIDE) % COUNT] for i in range(COUNT))


def _clipped(shape: list[float], scale: float) -> list[int]:
    return [min(max(round(scale * s), SHORTEST), LONGEST) for s in shape]


def prompts(count: int = COUNT) -> tuple[Prompt, ...]:
    """Return the first `count` prompts; the more, the closer their lengths are to those of all."""
    return tuple(_prompt(number, tokens) for number, tokens in enumerate(lengths()[:count]))


def sample(count: int) -> Sample:
    """Say which part of all prompts the first `count` are, and how much longer the mean of all is."""
    return Sample(part=count / COUNT, longer=TOKENS / COUNT / (sum(lengths()[:count]) / count))


def digest() -> str:
    """Return the hash of all prompts as they are made now."""
    told = hashlib.sha256()
    for prompt in prompts():
        told.update(f"{prompt.tokens}\n{prompt.text}\n".encode())
    return told.hexdigest()[:16]


def _prompt(number: int, tokens: int) -> Prompt:
    """Put sentences of one kind together until there are words enough; no template comes twice in a row."""
    templates, draw = KINDS[number % len(KINDS)], _Draw(number)
    sentences, count, last = list[str](), 0, -1
    while count < tokens:
        place = (last + 1 + draw.below(len(templates) - 1)) % len(templates)
        sentence = _SLOT.sub(lambda slot: draw.of(LISTS[slot[1]]), templates[place])
        sentences.append(sentence[0].upper() + sentence[1:])
        count, last = count + len(sentence.split()), place
    return Prompt(number=number, tokens=tokens, text=" ".join(sentences))


class _Draw:
    """Draws that are the same under every version of Python: bytes of a hash chain."""

    def __init__(self, number: int) -> None:
        self.state = hashlib.sha256(f"{VERSION}:{number}".encode()).digest()

    def below(self, limit: int) -> int:
        self.state = hashlib.sha256(self.state).digest()
        return int.from_bytes(self.state[:8], "big") % limit

    def of(self, choices: tuple[str, ...]) -> str:
        return choices[self.below(len(choices))]
