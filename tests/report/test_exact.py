"""Whole units: parts that add up to their total whatever their order."""

from __future__ import annotations

import math
import random

import pytest

from greenai.report.exact import BITS, scale_of, shares


@pytest.mark.parametrize("total", [1e-12, 0.3, 1.0, 7.5e9, 1e300])
def test_a_total_just_fits(total: float) -> None:
    units = int(total * scale_of(total))
    assert 2 ** (BITS - 1) <= units <= 2**BITS
    assert math.frexp(scale_of(total))[0] == 0.5  # a power of two: nothing is lost by scaling


@pytest.mark.parametrize("total", [None, 0.0, math.inf])
def test_of_nothing_there_is_no_scale(total: float | None) -> None:
    assert scale_of(total) == 1.0


def test_parts_add_up_to_the_last_bit_in_any_order() -> None:
    made = random.Random(1)
    for _ in range(300):
        amounts = [made.lognormvariate(0, made.choice((0.1, 3, 12))) for _ in range(made.randrange(1, 60))]
        scale = scale_of(sum(amounts))
        parts = [int(amount * scale) for amount in amounts]
        found = [share for share in shares(parts, scale) if share is not None]
        [total] = shares([sum(parts)], scale)
        assert total is not None
        made.shuffle(found)
        assert sum(found) == math.fsum(found) == total
        assert total == pytest.approx(math.fsum(amounts), rel=1e-14)


def test_a_part_keeps_its_digits() -> None:
    scale = scale_of(1e6)
    small, large = shares([int(0.002 * scale), int(1e6 * scale)], scale)
    assert small == pytest.approx(0.002, abs=1e-9)
    assert large == pytest.approx(1e6, rel=1e-15)


def test_unknown_stays_unknown_and_zero_zero() -> None:
    assert shares([None, 0, 512, None], 1.0) == [None, 0.0, 512.0, None]
    assert shares([], 1.0) == []
