"""Whether a distilled task model says what the large model says: bounds that hold however often they are looked at.

    shadow ── counts ── interval ── its lower bound at the floor or above: it may be switched on
    audits ── bets ── worst stretch ── one of two bets is won: it falls back to shadow

An interval is a confidence sequence: the mixture of Robbins (1970) for shares, with a Beta prior. A bet multiplies its
stake by a likelihood ratio of "fewer agree than the floor allows" against the floor; starting anew whenever it has lost
(a CUSUM of e-values: Shin, Ramdas and Rinaldo, "E-detectors", 2024) it finds a change at any time, and where agreement
keeps to the floor it takes `ALARM_AFTER` audits on average, or more, before it is won by chance.

The floor is what is promised, less the large model's own inconsistency: of answers that it would not give twice, no
other model can give more.
"""

from __future__ import annotations

import math

__all__ = ["ALARM", "ALARM_AFTER", "AUDITED", "LEAST_AUDITED", "bets", "floor_of", "interval", "more_needed", "share"]

AUDITED = 0.02
LEAST_AUDITED = 0.01
"""Part of the answered calls that the large model answers too: what is usual, and the least. Assumption."""

SUSPECTED = 10
"""How many times as many are audited while a bet stands at a quarter of the alarm or more. Assumption."""

ALARM_AFTER = 10_000
ALARM = math.log(2 * ALARM_AFTER)
"""The logarithm at which one of two bets is won: their mean is then as large as `ALARM_AFTER`."""

RAISED = (2.0, 6.0)
"""How many times the disagreement that the floor allows each bet expects."""

MOST_DISAGREEMENT = 0.9

PRIOR = (9.5, 0.5)
"""Of the mixture: most of it at high shares, since such are promised. It moves where the interval is narrow."""

ERROR = 0.1
"""The share of sequences of looks in which some interval does not hold the true one, at most."""


def floor_of(promise: float, inconsistency: float | None) -> float:
    """Return the agreement with single answers of the large model that a kept promise looks like."""
    return promise * (1 - min(max(inconsistency or 0.0, 0.0), 0.5))


def interval(same: int, other: int) -> tuple[float, float]:
    """Return the shares that are not ruled out by so many comparisons, with 90% confidence over all looks together."""
    count = same + other
    if not count:
        return 0.0, 1.0
    likeliest = same / count
    return _edge(same, other, likeliest, 0.0), _edge(same, other, likeliest, 1.0)


def _edge(same: int, other: int, inside: float, outside: float) -> float:
    """Return the last share on the way to `outside` that is not ruled out."""
    if _evidence(same, other, outside) < -math.log(ERROR):
        return outside
    for _ in range(50):
        middle = (inside + outside) / 2
        if _evidence(same, other, middle) < -math.log(ERROR):
            inside = middle
        else:
            outside = middle
    return inside


def _evidence(same: int, other: int, share: float) -> float:
    """Return the logarithm of what the mixture has won against a share."""
    if (share <= 0 and same) or (share >= 1 and other):
        return math.inf
    expected = (same * math.log(share) if same else 0.0) + (other * math.log1p(-share) if other else 0.0)
    return _log_beta(PRIOR[0] + same, PRIOR[1] + other) - _log_beta(*PRIOR) - expected


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def more_needed(same: int, other: int, floor: float) -> int | None:
    """Return about how many more comparisons bring the lower bound to the floor, if they go as those up to now.

    None: as many agree that the floor would never be reached, or later than anybody will wait.
    """
    if interval(same, other)[0] >= floor:
        return 0
    agreeing = (same + 1) / (same + other + 1)  # nothing is known yet: as if the first one agreed
    more = 16
    while more <= 1_000_000 and agreeing > floor:
        both = same + other + more
        if interval(round(both * agreeing), both - round(both * agreeing))[0] >= floor:
            return more
        more = more * 5 // 4
    return None


def bets(floor: float, *, same: bool) -> tuple[float, float]:
    """Return by what one audit changes the logarithms of the slow and the fast bet."""
    allowed = 1 - floor
    expected = [min(allowed * raised, max(MOST_DISAGREEMENT, allowed)) for raised in RAISED]
    found = [math.log((1 - e) / floor) if same else math.log(e / allowed) for e in expected]
    return found[0], found[1]


def share(audited: float, evidence: float) -> float:
    """Return the part of the answered calls to audit, where the larger bet stands at `evidence`."""
    return min(1.0, audited * SUSPECTED) if evidence >= ALARM / 4 else audited
