"""Loops that a batch API would serve, told from traffic that only looks alike."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from advised_calls import MODEL, loop, seen

from greenai.catalog import Price, find
from greenai.nudges.batching import LOOP, NOT_URGENT, Batching
from greenai.nudges.messages import say


def price() -> Price:
    card = find(MODEL)
    assert card is not None
    assert card.price is not None
    return card.price


def test_a_loop_is_pointed_out_with_what_a_batch_would_cost() -> None:
    advisor = Batching()
    *before, last = [advisor(one) for one in loop(LOOP)]
    assert before == [None] * (LOOP - 1)
    assert last is not None
    standard, batch = price(), price().services["batch"]
    usd = LOOP * (1000 * standard.input + 100 * standard.output) / 1e6
    batch_usd = LOOP * (1000 * batch.input + 100 * batch.output) / 1e6
    assert last.data["count"] == LOOP
    assert last.data["usd"] == pytest.approx(usd)
    assert last.data["batch_usd"] == pytest.approx(batch_usd)
    assert last.data["share"] == pytest.approx(batch_usd / usd)
    assert say(last.id, last.data) == (
        f"20 calls of one form to openai/gpt-5.4-nano came one after another within 20 s. Where they can wait, openai's "
        f"batch API charges 50% of the price: {batch_usd:.2g} in place of {usd:.2g} US dollars for these."
    )


def test_counting_begins_anew_after_advice() -> None:
    advisor = Batching()
    found = [advisor(one) for one in loop(2 * LOOP)]
    assert [n for n, advice in enumerate(found) if advice] == [LOOP - 1, 2 * LOOP - 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"gap_s": 0.6},  # somebody thinks between them
        {"gap_s": -0.5},  # they overlap: many people at once
        {"model": "local/smollm2-135m"},  # no batch price
        {"model": "nobody/knows-this"},
    ],
)
def test_what_is_no_loop_is_left_alone(changes: dict[str, Any]) -> None:
    advisor = Batching()
    assert [advisor(one) for one in loop(3 * LOOP, **changes)] == [None] * 3 * LOOP


def test_calls_of_many_forms_or_threads_make_no_loop() -> None:
    advisor = Batching()
    forms = ["Sort this: x", "Name the capital of France", "Greet our guests"]
    mixed = [dataclasses.replace(one, form=seen(forms[n % 3]).form) for n, one in enumerate(loop(2 * LOOP))]
    threads = [dataclasses.replace(one, thread=n % 2) for n, one in enumerate(loop(2 * LOOP))]
    assert not any(advisor(one) for one in (*mixed, *threads))


def test_a_few_calls_that_are_not_urgent_are_enough_and_need_not_follow_each_other() -> None:
    advisor = Batching()
    found = [advisor(one) for one in loop(NOT_URGENT, gap_s=60.0, options={"urgent": False})]
    assert found[:-1] == [None] * (NOT_URGENT - 1)
    assert found[-1] is not None
    assert found[-1].id == "batching.not_urgent"
    assert not any(advisor(one) for one in loop(2 * NOT_URGENT, gap_s=400.0, options={"urgent": False}))
