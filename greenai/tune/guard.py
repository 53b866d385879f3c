"""Whether a setting still says what the model says: token agreement and perplexity against the reference precision.

Both are taken with the text given (teacher forcing): at each place of a sample text, each setting sees the same words
before it. Agreement is the part of places at which both would write the same next token; perplexity says how likely
the text's own next token was. Letting each setting write freely would be less fair: after the first token that differs,
often one of two that were about as likely, everything else differs too, and one near-tie counts as a whole failure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenai.tune.space import Sample

__all__ = ["Agreement", "Forced", "Guard", "compare", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """What a setting would say at each place of a text: its likeliest token, and the text's own token's probability.

    `logprobs` are natural logarithms.
    """

    tops: Sequence[int]
    logprobs: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How near a setting is to the reference: the part of equal tokens, and how much larger perplexity is.

    Attributes:
        tokens: Part of the places with the same likeliest token, from 0 to 1.
        perplexity: Perplexity divided by the reference's.
        places: How many places were compared.
    """

    tokens: float
    perplexity: float
    places: int

    def __str__(self) -> str:
        return f"{self.tokens:.0%} of {self.places} tokens agree, perplexity x {self.perplexity:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What may be lost. The defaults pass the usual 4-bit quantisations and reject a broken one (docs/tune.md).

    Args:
        least_agreement: Part of the tokens that must agree.
        most_perplexity: Perplexity against the reference's, at most.
    """

    least_agreement: float = 0.85
    most_perplexity: float = 1.1

    def refuses(self, found: Agreement) -> str | None:
        """Return why a setting is rejected, or None."""
        if not math.isfinite(found.perplexity) or found.perplexity > self.most_perplexity:
            return (
                f"its perplexity is {found.perplexity:.3g} times the reference's, over the limit of "
                f"{self.most_perplexity:g}"
            )
        if found.tokens < self.least_agreement:
            return (
                f"{found.tokens:.0%} of {found.places} tokens agree with the reference, under the limit of "
                f"{self.least_agreement:.0%}"
            )
        return None


def judged(sample: Sample, found: Agreement | None) -> Sample:
    """Return a sample with what the guard saw of its setting."""
    return sample if found is None else replace(sample, agreement=found.tokens, perplexity=found.perplexity)


def compare(reference: Forced, candidate: Forced) -> Agreement:
    """Return how near `candidate` is to `reference`; raises ValueError where their texts differ in length."""
    places = len(reference.tops)
    if not places or len(candidate.tops) != places:
        raise ValueError(f"{len(candidate.tops)} places cannot be compared with {places}.")
    same = sum(a == b for a, b in zip(reference.tops, candidate.tops, strict=True))
    gap = (math.fsum(reference.logprobs) - math.fsum(candidate.logprobs)) / places
    perplexity = math.exp(gap) if gap < 700 else math.inf  # also where it is not a number
    return Agreement(tokens=same / places, perplexity=perplexity, places=places)
