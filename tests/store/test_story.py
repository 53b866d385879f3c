"""What the ledger keeps of a decision: enough to tell why, and nothing of what was asked."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenai.readings import BudgetLeft
from greenai.store import story
from greenai.testing import FakeProvider, offline
from greenai.values import Check, Note, Receipt

NONCES = ("zorbleflux", "quindaril", "7461839")


def asked(question: str, **options: object) -> Receipt:
    with offline(FakeProvider(default="Because it is so, as far as anybody knows.")) as client:
        return client.ask(question, model="gpt-5.5", **options).greenai


def test_a_routed_call_keeps_its_probabilities_rungs_and_reasons() -> None:
    receipt = asked("Why is Paris the capital of France?")
    told = story.read(story.written(receipt))
    assert told["route"] == list(receipt.decision.route)
    assert [check["name"] for check in told["checks"]] == ["loss"]
    assert told["checks"][0]["value"] == pytest.approx(receipt.decision.checks[0].value, abs=1e-4)
    assert told["checks"][0]["threshold"] == 0.16
    assert [rung["model"] for rung in told["rungs"]] == ["openai/gpt-5.4-nano", "openai/gpt-5.5"]
    assert told["rungs"][0]["energy_j"] == pytest.approx(receipt.decision.estimates[0].energy.energy_j, abs=1e-4)
    assert "openai/gpt-5.4-nano is expected to suffice: loss 0.05 is within 0.16." in told["why"]
    assert told["notes"][0]["nudge"] == "effort"


def test_what_was_asked_is_not_in_it() -> None:
    forms = (
        "What is {} times {}?",
        "Explain what the bitcoin price of {} does today in the poem {}",
        "Prove that {} implies {}, step by step, and optimise the algorithm for {}.",
        "What is the weather in {} now, and who is the president of {}?",
        'Write "{}" backwards, then sort "{}".',
    )
    for form, first, second in itertools.product(forms, NONCES, NONCES):
        kept = story.written(asked(form.format(first, second, first))) or ""
        assert not [nonce for nonce in NONCES if nonce in kept], kept


def test_prompts_that_are_kept_anyway_may_be_quoted() -> None:
    receipt = asked("What is 18% of 240?")
    assert receipt.outcome == "answerer"
    assert story.written(receipt) is None
    assert "Working: 18% of 240 = 43.2" in story.read(story.written(receipt, whole=True))["why"]


def test_a_source_that_quotes_is_left_out() -> None:
    receipt = asked("Why is Paris the capital of France?")
    check = Check(name="task:tone", value=0.5, threshold=0.4, source='it also says "zorbleflux", and that does not')
    told = story.read(story.written(replace(receipt, decision=replace(receipt.decision, checks=(check,)))))
    assert told["checks"] == [{"name": "task:tone", "value": 0.5, "threshold": 0.4, "source": None}]


def test_what_an_app_puts_into_a_note_is_written_as_it_can() -> None:
    note: Any = Note(nudge="own", text=Path("a"), override=object)  # type: ignore[arg-type]
    told = story.read(story.written(replace(asked("Why is Paris the capital of France?"), nudges=(note,))))
    assert told["notes"] == [{"nudge": "own", "text": "a", "override": "<class 'object'>"}]


def test_what_is_left_of_a_budget_is_told() -> None:
    left = BudgetLeft(
        scope="organisation",
        budget="50 Wh/day",
        left=12.0,
        limit=50.0,
        unit="Wh",
        ends=None,
        text="12 Wh of 50 Wh/day left",
    )
    receipt = replace(asked("Why is Paris the capital of France?"), budget=left)
    assert story.read(story.written(receipt))["budget"] == "12 Wh of 50 Wh/day left"


@pytest.mark.parametrize("kept", [None, "", "[]", "{", '{"checks": [[1]]}', '{"checks": 3}', "3"])
def test_what_cannot_be_read_is_no_story(kept: str | None) -> None:
    assert story.read(kept) == {}


def test_it_is_json_without_blanks() -> None:
    kept = story.written(asked("Why is Paris the capital of France?"))
    assert kept is not None
    assert kept == json.dumps(json.loads(kept), separators=(",", ":"))
