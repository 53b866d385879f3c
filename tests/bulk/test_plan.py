"""What a job is expected to take, by some of its items."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from greenai.bulk.items import read
from greenai.bulk.plan import outlook
from greenai.testing import FakeProvider, offline


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "model": "gpt-5.5", **more}


def test_an_answer_that_is_kept_short_is_expected_to_take_less() -> None:
    with offline() as client:
        free, short, long = (
            outlook(client._session, list(read([body("Write about rain", **more)]).items.values())).energy.energy_j
            for more in ({}, {"max_tokens": 5}, {"max_tokens": 3000})
        )
    assert free is not None
    assert short is not None
    assert short < free / 4
    assert long == free


def test_what_the_cache_knows_takes_nothing_and_is_counted() -> None:
    asked = body("What is the capital of France?", temperature=0)
    with offline(FakeProvider(default="Paris.")) as client:
        client.chat.completions.create(**asked)
        plan = client.batch([asked, "What is 18% of 240?", {"messages": [], "model": "gpt-5.5"}]).plan
    assert (plan.cached, plan.looked_at, plan.left) == (1, 3, 3)
    assert json.loads(json.dumps(plan.to_dict()))["window"]["reason"] == plan.window.reason


def test_what_needs_no_model_is_in_no_expectation() -> None:
    sums, poem = [f"What is {n} + 7?" for n in range(3)], "Write a poem about rain"
    with offline() as client:
        alone, both, none = (client.batch(asked).plan for asked in ([poem], [poem, *sums], sums))
    assert both.energy.evidence == alone.energy.evidence
    assert both.energy.energy_j == pytest.approx(alone.energy.energy_j)
    assert str(none).splitlines()[-1] == "Expected: no model is asked."
    assert none.energy.energy_j == 0


def test_who_answers_is_said_and_what_a_provider_s_batch_is_not_needed_for() -> None:
    with offline() as client:
        calls, batch = (client.batch([body("Write about rain")], backend=way).plan for way in ("calls", "provider"))
        (model,) = calls.models
        local = replace(batch, models={"local/m": 3, model: 1}, looked_at=4)
        both = replace(local, models={f"local/{name}": 1 for name in "abcde"}, looked_at=5)
    assert str(calls).splitlines()[3] == f"Models: {model}."
    assert str(batch).splitlines()[1] == "How: provider. As asked."
    assert str(local).splitlines()[1] == (
        "How: provider. As asked. About 75% of them are calls, since no model of the provider's answers them."
    )
    assert str(both).splitlines()[1].endswith(" All of them are calls, since no model of the provider's answers them.")
    assert str(both).splitlines()[3] == "Models: local/a, local/b, local/c and 2 more."


def test_what_would_be_refused_is_said() -> None:
    wrong = {**body("Write about rain"), "greenai": {"quality": "best"}}
    with offline() as client:
        plan = client.batch([wrong, "Write about snow"], model="gpt-5.5").plan
    assert plan.refused == 1
    assert str(plan).endswith("Refused: about 50% of them would be, as things are.")


def test_all_are_told_by_some_of_them() -> None:
    with offline() as client:
        items = list(read([body(f"Write line {n} of a poem") for n in range(40)]).items.values())
        whole, some = outlook(client._session, items), outlook(client._session, items, most=7)
    assert (whole.looked_at, some.looked_at) == (40, 7)
    assert some.energy.energy_j == pytest.approx(whole.energy.energy_j, rel=0.3)
    assert outlook(client._session, []).energy.energy_j is None
