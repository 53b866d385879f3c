"""Bounds on agreement, by simulation with fixed seeds: they keep what they say, and find a change."""

from __future__ import annotations

import random

import pytest

from greenai.answerers.agreement import ALARM, bets, floor_of, interval, more_needed, share


def test_nothing_compared_rules_nothing_out() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(1, 0)
    assert 0 < low < 0.9
    assert high == 1.0


@pytest.mark.parametrize("true", [0.9, 0.98, 0.995])
def test_the_interval_holds_over_all_looks_together(true: float) -> None:
    rng, missed = random.Random(7), 0
    for _ in range(100):
        same = other = 0
        for _ in range(300):
            same, other = (same + 1, other) if rng.random() < true else (same, other + 1)
            if (same + other) % 5 == 0 and not interval(same, other)[0] <= true <= interval(same, other)[1]:
                missed += 1
                break
    assert missed <= 10


def test_some_hundred_agreements_are_enough_and_are_foretold() -> None:
    needed = more_needed(0, 0, 0.98)
    assert needed is not None
    assert 100 < needed < 300
    assert interval(needed, 0)[0] >= 0.98
    assert more_needed(needed, 0, 0.98) == 0
    assert more_needed(90, 10, 0.98) is None


def test_the_floor_heeds_what_the_large_model_would_not_say_twice() -> None:
    assert floor_of(0.98, None) == 0.98
    assert floor_of(0.98, 0.05) == pytest.approx(0.931)


def looks(rng: random.Random, agreement: float, floor: float, most: int) -> int | None:
    """Return at which audit a bet is won."""
    slow = fast = 0.0
    for look in range(1, most + 1):
        won = bets(floor, same=rng.random() < agreement)
        slow, fast = max(slow, 0.0) + won[0], max(fast, 0.0) + won[1]
        if max(slow, fast) >= ALARM:
            return look
    return None


@pytest.mark.parametrize("floor", [0.98, 0.931])
def test_a_kept_promise_raises_no_alarm_and_a_broken_one_does_soon(floor: float) -> None:
    rng = random.Random(11)
    assert sum(looks(rng, floor, floor, 1000) is not None for _ in range(100)) <= 10  # of 100,000 audits: 10 expected
    found = [looks(rng, floor - 0.2, floor, 2000) for _ in range(50)]
    assert None not in found
    assert sorted(filter(None, found))[25] < 60


def test_more_is_audited_once_there_is_a_doubt() -> None:
    assert share(0.02, 0.0) == 0.02
    assert share(0.02, ALARM / 2) == 0.2
    assert share(0.5, ALARM) == 1.0
