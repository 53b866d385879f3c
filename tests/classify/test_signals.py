"""Signals by hand-counted examples, and features that agree with counting."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.classify.features import PAIRS, pairs_of
from greenai.classify.signals import SIGNALS, signals_of


def named(text: str, words: list[str], *, strangers: int = 0, numerals: int = 0) -> dict[str, float]:
    return dict(zip(SIGNALS, signals_of(text, words, strangers=strangers, numerals=numerals), strict=True))


def test_a_question() -> None:
    found = named("how many is 12 + 3?", ["how", "many", "is", "12", "+", "3", "?"], numerals=2)
    assert found["characters"] == math.log1p(19)
    assert found["share of numbers"] == pytest.approx(2 / 7)
    assert found["numbers"] == math.log1p(2)
    assert found["operators"] == math.log1p(1)
    assert found["question words"] == 1.0
    assert found["begins with how"] == found["begins with a question word"] == 1.0
    assert found["begins with an instruction"] == 0.0


def test_options() -> None:
    found = named("which?\na. red\nb. deep blue\nanswer:", ["which", "?"])
    assert found["answer options"] == math.log1p(2)
    assert found["length of options"] > 0


def test_nothing() -> None:
    found = named("", [])
    assert all(math.isfinite(v) for v in found.values())
    assert found["characters"] == found["words"] == 0.0


@given(st.text(max_size=200), st.lists(st.text(min_size=1, max_size=12), max_size=30))
def test_always_as_many_and_finite(text: str, words: list[str]) -> None:
    found = signals_of(text.lower(), words, strangers=1, numerals=0)
    assert len(found) == len(SIGNALS)
    assert all(math.isfinite(v) for v in found)


@given(st.lists(st.integers(-1, 5), max_size=60))
def test_pairs_as_counting_them(sequence: list[int]) -> None:
    ids, weights = pairs_of(sequence)
    known = [(a, b) for a, b in pairwise(sequence) if a >= 0 and b >= 0]
    mixed = [(a * 1_000_003 + b * 8_191 + 7) & 0x7FFFFFFF for a, b in known]
    counts = Counter((m ^ (m >> 13)) % PAIRS for m in mixed)
    assert dict(zip(ids.tolist(), weights.tolist(), strict=True)).keys() == counts.keys()
    norm = math.sqrt(sum((1 + math.log(c)) ** 2 for c in counts.values())) or 1.0
    for number, weight in zip(ids.tolist(), weights.tolist(), strict=True):
        assert weight == pytest.approx((1 + math.log(counts[number])) / norm, rel=1e-5)
