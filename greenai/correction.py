"""What a project's feedback taught about the classifier's probabilities, as a value: routes are corrected by it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Correction", "logit"]

LEAST = 0.001  # no probability of the classifier is surer than this, either way


def logit(probability: float) -> float:
    """Return the log-odds of a probability, which is taken to lie between 0.001 and 0.999."""
    kept = min(max(probability, LEAST), 1 - LEAST)
    return math.log(kept / (1 - kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """logit(loss) becomes `slope` x logit(loss) + `shift`.

    `limits` holds, by quality, the shipped loss up to which the labelled answers kept what the quality promises; one
    that is missing has no limit. `labels` counts the answers that this rests on.
    """

    slope: float
    shift: float
    labels: int
    limits: Mapping[str, float]

    def of(self, loss: float) -> float:
        """Return the loss as this project's answers say."""
        return 1 / (1 + math.exp(-self.slope * logit(loss) - self.shift))
