"""Whether feedback keeps to what quality allows: simulated projects, whose small models are not what was shipped.

    python benchmarks/feedback_promises.py           about three minutes, no model, no network

Each project labels some answers of its small model, within the shipped floor; then the share of new answers of small
rungs that are lost (bad where the ladder's top is not) is compared with the largest loss that the quality allows. For
half of the projects there are 15% of questions that no model gets right, which the classifier knows. Losses are drawn
from a beta distribution (1.2, 5).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import product

from greenai.correction import logit
from greenai.feedback import correction_of
from greenai.route import FLOORS

PROJECTS = 150
REQUESTS = 1500
LABELS = (30, 100, 300)
NOBODY = (0.0, 0.15)


def shifted(slope: float, shift: float) -> Callable[[float], float]:
    return lambda loss: 1 / (1 + math.exp(-slope * logit(loss) - shift))


TRUTHS: dict[str, Callable[[float], float]] = {
    "as shipped": shifted(1, 0),
    "worse": shifted(1, 1),
    "better": shifted(1, -1),
    "steeper": shifted(2, 1),
    "in two steps": lambda loss: 0.05 if loss < 0.1 else 0.4,
    "15% lost, whatever the loss": lambda _: 0.15,
    "20% lost, whatever the loss": lambda _: 0.2,
}


def project(
    truth: Callable[[float], float], nobody: float, quality: str, allowed: float, count: int, seed: int
) -> tuple[float, float, float]:
    """Return the share of lost answers uncorrected and corrected, and the share of requests that small rungs answer."""
    drawn = random.Random(seed)
    labels: list[tuple[float, bool, float]] = []
    while len(labels) < count:
        loss = drawn.betavariate(1.2, 5)
        if loss <= allowed:
            labels.append((loss, drawn.random() >= truth(loss) + nobody, nobody))
    found = correction_of(labels, FLOORS)
    traffic = [drawn.betavariate(1.2, 5) for _ in range(REQUESTS)]
    before = [truth(loss) for loss in traffic if loss <= allowed]
    after = before
    if found is not None:
        floor = min(allowed, found.of(found.limits.get(quality, 1.0)))
        after = [truth(loss) for loss in traffic if found.of(loss) <= floor]
    return mean(before), mean(after), len(after) / REQUESTS


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def main() -> None:
    print(
        "small model                  nobody  quality   labels  allowed  uncorrected  corrected  over in  small answers"
    )
    for (name, truth), nobody in product(TRUTHS.items(), NOBODY):
        for (quality, allowed), count in product(FLOORS.items(), LABELS):
            rows = [project(truth, nobody, quality, allowed, count, 1000 * n + count) for n in range(PROJECTS)]
            before, after, small = (mean(list(column)) for column in zip(*rows, strict=True))
            over = mean([float(row[1] > allowed) for row in rows])
            print(
                f"{name:28s} {nobody:6.2f}  {quality:9s} {count:6d} {allowed:8.2f} {before:12.3f} {after:10.3f} "
                f"{over:8.0%} {small:12.0%}"
            )


if __name__ == "__main__":
    main()
