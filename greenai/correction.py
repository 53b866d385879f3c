"""What a project said of its answers, and what that taught about the classifier's probabilities: as values."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["LEAST", "Correction", "Label", "logit"]

LEAST = 0.001  # no probability of the classifier is surer than this, either way


def logit(probability: float) -> float:
    """Return the log-odds of a probability, which is taken to lie between 0.001 and 0.999."""
    kept = min(max(probability, LEAST), 1 - LEAST)
    return math.log(kept / (1 - kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Whether one answer was good, and who said so.

    `loss` is the shipped one of the rung that answered; None at a ladder's top, where nothing was lost, and where no
    route was chosen. `method` names the classifier that it comes from. `top_bad` is the probability that the ladder's
    top would not have answered well either.
    """

    call_id: str
    project: str
    method: str
    loss: float | None
    model: str | None
    outcome: str
    good: bool
    source: str = "feedback"
    top_bad: float = 0.0
    created: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """logit(loss) becomes `slope` x logit(loss) + `shift`.

    `limits` holds, by quality, the shipped loss up to which the labelled answers kept to what the quality allows; one
    that is missing has no limit. `labels` counts the answers that this rests on.
    """

    slope: float
    shift: float
    labels: int
    limits: Mapping[str, float]

    def of(self, loss: float) -> float:
        """Return the loss as this project's answers say."""
        return 1 / (1 + math.exp(-self.slope * logit(loss) - self.shift))
