"""The line of a batcher, under a clock of the test's own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.local.waiting import Line


@dataclass(frozen=True)
class Arrival:
    number: int
    at: float
    length: int
    within: float | None
    owner: int


arrivals = st.lists(
    st.tuples(
        st.floats(0, 3, allow_nan=False),
        st.integers(0, 300),
        st.one_of(st.none(), st.floats(0, 2, allow_nan=False)),
        st.integers(0, 3),
    ),
    max_size=60,
).map(
    lambda drawn: [
        Arrival(n, at, length, within, owner)
        for n, (at, length, within, owner) in enumerate(sorted(drawn, key=lambda one: one[0]))
    ]
)


def played(coming: list[Arrival], line: Line[Arrival], takes_s: float) -> list[tuple[float, list[Arrival]]]:
    """Let them come, and one engine take a batch whenever it is free and one is to start."""
    now, left, batches = 0.0, list(coming), []
    while left or len(line):
        while left and left[0].at <= now:
            one = left.pop(0)
            deadline = math.inf if one.within is None else one.at + one.within
            line.add(one, length=one.length, now=one.at, deadline=deadline, owner=one.owner)
        starts = line.starts_at()
        if starts <= now:
            batches.append((now, [place.item for place in line.take(now)]))
            line.took(takes_s)
            now += takes_s
        else:
            now = min(starts, left[0].at if left else math.inf)
    return batches


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(1, 9), st.floats(0, 0.5), st.floats(0.001, 0.3))
def test_everybody_goes_once_in_batches_of_one_length_and_no_more_than_fit(
    coming: list[Arrival], most: int, window: float, takes: float
) -> None:
    batches = played(coming, Line(most=most, window_s=window), takes)
    gone = [one.number for _, batch in batches for one in batch]
    assert sorted(gone) == list(range(len(coming)))
    for _, batch in batches:
        assert 0 < len(batch) <= most
        assert len({max(one.length - 1, 0).bit_length() for one in batch}) == 1
        assert [one.number for one in batch] == sorted(one.number for one in batch)


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(1, 9), st.floats(0, 0.5))
def test_nobody_waits_past_window_or_deadline_for_company(coming: list[Arrival], most: int, window: float) -> None:
    """With an engine that takes no time, only the rules make an item wait."""
    for now, batch in played(coming, Line(most=most, window_s=window), 0.0):
        for one in batch:
            assert now <= one.at + min(window, math.inf if one.within is None else one.within) + 1e-9


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(1, 9), st.floats(0, 0.5), st.floats(0.001, 0.3))
def test_what_one_owner_gave_of_one_length_and_no_hurry_goes_in_order(
    coming: list[Arrival], most: int, window: float, takes: float
) -> None:
    calm = [Arrival(one.number, one.at, one.length, None, one.owner) for one in coming]
    gone = [one for _, batch in played(calm, Line(most=most, window_s=window), takes) for one in batch]
    for owner in range(4):
        for bucket in range(10):
            mine = [o.number for o in gone if o.owner == owner and max(o.length - 1, 0).bit_length() == bucket]
            assert mine == sorted(mine)


def test_a_full_bucket_goes_before_its_window_is_over() -> None:
    line: Line[str] = Line(most=2, window_s=10.0)
    line.add("long", length=100, now=0.0)
    line.add("a", length=3, now=1.0)
    assert line.starts_at() == 10.0
    line.add("b", length=4, now=2.0)
    assert line.starts_at() == -math.inf
    assert [place.item for place in line.take(2.0)] == ["a", "b"]
    assert line.starts_at() == 10.0


def test_a_deadline_is_near_when_only_the_time_of_a_batch_is_left() -> None:
    line: Line[str] = Line(most=8, window_s=10.0)
    line.took(0.5)
    line.took(1.5)
    assert math.isclose(line.expected_s, 0.7 * 0.5 + 0.3 * 1.5)
    line.add("calm", length=1, now=0.0)
    line.add("soon", length=1, now=0.0, deadline=3.0)
    assert line.starts_at() == 3.0 - line.expected_s


def test_one_who_floods_does_not_keep_another_waiting() -> None:
    line: Line[str] = Line(most=2, window_s=0.0)
    for n in range(100):
        line.add(f"a{n}", length=1, now=0.0, owner="a")
    line.take(0.0)
    line.add("b0", length=1, now=1.0, owner="b")
    line.add("b1", length=1, now=1.0, owner="b")
    order = [place.item for _ in range(3) for place in line.take(1.0)]
    assert order == ["b0", "b1", "a2", "a3", "a4", "a5"]


def test_those_in_a_hurry_let_others_pass_in_between() -> None:
    line: Line[str] = Line(most=1, window_s=0.0)
    line.add("calm", length=1, now=0.0)
    for n in range(3):
        line.add(f"soon{n}", length=1, now=1.0, deadline=1.0 + n)
    assert [line.take(9.0)[0].item for _ in range(4)] == ["soon0", "calm", "soon1", "soon2"]


def test_who_leaves_is_counted_out() -> None:
    line: Line[str] = Line(most=2, window_s=5.0)
    first = line.add("a", length=1, now=0.0)
    line.add("b", length=1, now=1.0)
    assert line.remove(first)
    assert not line.remove(first)
    assert (len(line), line.starts_at()) == (1, 6.0)
    assert [place.item for place in line.drain()] == ["b"]
    assert (line.starts_at(), line.take(0.0)) == (math.inf, [])
