"""Whether feedback keeps what quality promises: simulated projects, whose small models are not what was shipped.

    python benchmarks/feedback_promises.py           about half a minute, no model, no network

Each project labels some answers of its small model, within the shipped floor; then the share of bad answers that small
rungs give on new traffic is compared with the promise. Losses are drawn from a beta distribution (1.2, 5).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from greenai.correction import logit
from greenai.feedback import correction_of
from greenai.route import FLOORS

PROJECTS = 150
REQUESTS = 1500
LABELS = (30, 100, 300)


def shifted(slope: float, shift: float) -> Callable[[float], float]:
    return lambda loss: 1 / (1 + math.exp(-slope * logit(loss) - shift))


TRUTHS: dict[str, Callable[[float], float]] = {
    "as shipped": shifted(1, 0),
    "worse": shifted(1, 1),
    "better": shifted(1, -1),
    "steeper": shifted(2, 1),
    "in two steps": lambda loss: 0.05 if loss < 0.1 else 0.4,
    "15% bad, whatever the loss": lambda _: 0.15,
}


def project(
    truth: Callable[[float], float], quality: str, promised: float, count: int, seed: int
) -> tuple[float, float, float]:
    """Return the share of bad answers uncorrected and corrected, and the share of requests that small rungs answer."""
    drawn = random.Random(seed)
    labels: list[tuple[float, bool]] = []
    while len(labels) < count:
        loss = drawn.betavariate(1.2, 5)
        if loss <= promised:
            labels.append((loss, drawn.random() >= truth(loss)))
    found = correction_of(labels, FLOORS)
    traffic = [drawn.betavariate(1.2, 5) for _ in range(REQUESTS)]
    before = [truth(loss) for loss in traffic if loss <= promised]
    after = before
    if found is not None:
        floor = min(promised, found.of(found.limits.get(quality, 1.0)))
        after = [truth(loss) for loss in traffic if found.of(loss) <= floor]
    return mean(before), mean(after), len(after) / REQUESTS


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def main() -> None:
    print("small model                 quality   labels  promised  uncorrected  corrected  over in  small answers")
    for name, truth in TRUTHS.items():
        for quality, promised in FLOORS.items():
            for count in LABELS:
                rows = [project(truth, quality, promised, count, 1000 * n + count) for n in range(PROJECTS)]
                before, after, small = (mean(list(column)) for column in zip(*rows, strict=True))
                over = mean([float(row[1] > promised) for row in rows])
                print(
                    f"{name:27s} {quality:9s} {count:6d} {promised:9.2f} {before:12.3f} {after:10.3f} "
                    f"{over:8.0%} {small:14.0%}"
                )


if __name__ == "__main__":
    main()
