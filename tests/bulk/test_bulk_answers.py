"""Receipts that come back from JSON, and sums in which nothing counts twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.bulk.answers import REPEATED, receipt_of, repeated, summed
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from greenai import Receipt


@pytest.fixture(scope="module")
def receipts() -> list[Receipt]:
    with offline(FakeProvider(default="Yes.")) as client:
        asked = ["Write a line about rain", "What is 18% of 240?", "Write a line about snow"]
        first = [client.ask(text, model="gpt-5.5").greenai for text in asked]
        opted = client.with_options(opt_in={"reasoning"}, reason="checked by a person", cache="off")
        return [*first, opted.ask("Write a line about wind", model="gpt-5.5").greenai]


def test_a_receipt_comes_back_from_json_as_it_was(receipts: list[Receipt]) -> None:
    for receipt in receipts:
        assert receipt_of(json.loads(json.dumps(receipt.to_dict()))) == receipt


def test_a_receipt_of_another_version_has_what_is_known_here(receipts: list[Receipt]) -> None:
    data = {**receipts[0].to_dict(), "later_field": 1}
    assert receipt_of(data) == receipts[0]


def test_a_repeat_has_nothing_of_its_own(receipts: list[Receipt]) -> None:
    again = repeated(receipts[0], 41)
    assert (again.energy.energy_j, again.energy.low_j, again.energy.high_j) == (0.0, 0.0, 0.0)
    assert again.energy.method == REPEATED
    assert (again.cost_usd, again.carbon_g, again.attempts, again.overhead.energy.energy_j) == (0.0, 0.0, (), 0.0)
    assert again.decision.reasons[0].startswith("The same request as number 42 of this batch")
    assert again.avoided is not None
    assert again.avoided.energy == receipts[0].energy


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=600))
def test_sums_count_each_call_once_whatever_its_repeats(receipts: list[Receipt], rows: list[tuple[int, int]]) -> None:
    counts = {"requests": 0, "answered": 0, "failed": 0, "open": 0, "repeats": 0}
    told = summed(((json.dumps(receipts[n].to_dict()), more) for n, more in rows), counts)
    energies = [receipts[n].energy for n, _ in rows]
    assert told.energy.energy_j == pytest.approx(sum(e.energy_j or 0.0 for e in energies))
    assert told.energy.low_j == pytest.approx(sum(e.low_j or 0.0 for e in energies))
    assert told.energy.high_j == pytest.approx(sum(e.high_j or 0.0 for e in energies))
    assert sum(one.count for one in told.by_outcome.values()) == len(rows)
    assert told.cost_usd == pytest.approx(sum(receipts[n].cost_usd or 0.0 for n, _ in rows))
    again = sum((receipts[n].energy.energy_j or 0.0) * more for n, more in rows)
    found = 0.0 if told.repeats_avoided is None else told.repeats_avoided.energy_j
    assert found == pytest.approx(again)
    assert told.unknown == 0


def test_where_no_call_was_answered_nothing_is_said_to_be_measured() -> None:
    told = summed([], {"requests": 2, "answered": 0, "failed": 2, "open": 0, "repeats": 0})
    assert str(told) == "2 requests: 0 answered, 2 failed."


def test_one_unknown_makes_the_sum_unknown_and_says_so(receipts: list[Receipt]) -> None:
    data = receipts[0].to_dict()
    unknown = {**data, "energy": {**data["energy"], "energy_j": None, "low_j": None, "high_j": None}, "cost_usd": None}
    counts = {"requests": 2, "answered": 2, "failed": 0, "open": 0, "repeats": 0}
    told = summed([(json.dumps(data), 0), (json.dumps(unknown), 0)], counts)
    assert (told.energy.energy_j, told.unknown, told.cost_usd) == (None, 1, None)
    assert told.known.energy_j == receipts[0].energy.energy_j
    assert str(told).splitlines()[1].startswith("Energy: unknown for 1 call; ")
    assert json.loads(json.dumps(told.to_dict()))["unknown"] == 1
    alone = summed([(json.dumps(unknown), 0)], {**counts, "requests": 1, "answered": 1})
    assert str(alone).splitlines()[1] == "Energy: unknown for 1 call"
