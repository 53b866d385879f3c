"""Intervals of shares: counted as Clopper and Pearson's, weighed, mixed, and corrected for a judge that errs."""

from __future__ import annotations

import numpy as np
import pytest

from greenai.audit.shares import corrected, counted, interval, measured, mixed, weighed, youden


@pytest.mark.parametrize(("count", "of"), [(0, 20), (3, 20), (20, 20), (40, 100)])
def test_draws_of_a_count_have_clopper_and_pearsons_ends(count: int, of: int) -> None:
    told, exact = counted(count, of).span(), interval(count, of)
    assert (told.mid, told.low, told.high) == pytest.approx((exact.mid, exact.low, exact.high), abs=0.006)


def test_equal_weights_are_a_count_and_others_widen_the_interval() -> None:
    flags = [True] * 10 + [False] * 30
    assert measured(flags, [7.0] * 40) == interval(10, 40)
    heavy = measured(flags, [4.0] * 10 + [1.0] * 30)
    assert heavy.mid == pytest.approx(40 / 70)
    even = interval(23, 40)  # about the same share
    assert heavy.high - heavy.low > even.high - even.low
    assert weighed([False, False], [1.0, 2.0]).span().low == 0.0


def test_a_perfect_judge_changes_nothing_but_the_interval() -> None:
    told = corrected(counted(20, 100, 1), counted(200, 200, 2), counted(200, 200, 3)).span()
    plain = interval(20, 100)
    assert told.mid == pytest.approx(0.2)
    assert plain.low - 0.03 < told.low <= plain.low + 0.01
    assert plain.high - 0.01 <= told.high < plain.high + 0.03


def test_what_a_judge_overlooks_and_sees_wrongly_is_made_good() -> None:
    # 0.3 worse, seen by 80% sensitivity and 90% specificity: 0.3 * 0.8 + 0.7 * 0.1 = 0.31
    told = corrected(counted(310, 1000, 1), counted(800, 1000, 2), counted(900, 1000, 3)).span()
    assert told.mid == pytest.approx(0.3)
    assert told.low < 0.3 < told.high < 0.4


def test_a_judge_no_better_than_chance_says_nothing() -> None:
    useless = counted(25, 50, 2), counted(25, 50, 3)
    told = corrected(counted(30, 60, 1), *useless).span()
    assert (told.low, told.high) == (0.0, 1.0)
    assert youden(*useless).low < 0 < youden(*useless).high


def test_parts_are_mixed_by_their_weights() -> None:
    told = mixed([(1.0, counted(50, 100, 1)), (3.0, counted(10, 100, 2))]).span()
    assert told.mid == pytest.approx(0.2)
    assert told.low < 0.2 < told.high


@pytest.mark.parametrize(("true", "sensitivity", "specificity"), [(0.1, 0.9, 0.95), (0.5, 0.7, 0.8), (0.02, 0.8, 0.9)])
def test_the_corrected_interval_covers_the_true_share(true: float, sensitivity: float, specificity: float) -> None:
    rng = np.random.default_rng(5)
    seen = true * sensitivity + (1 - true) * (1 - specificity)
    covered = 0
    for _ in range(150):
        told = corrected(
            counted(rng.binomial(80, seen), 80, 1),
            counted(rng.binomial(40, sensitivity), 40, 2),
            counted(rng.binomial(40, specificity), 40, 3),
        ).span()
        covered += told.low <= true <= told.high
    assert covered >= 0.9 * 150
