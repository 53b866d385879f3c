"""Calls as columns: from values, and from the store of an audit, the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from audit_logs import LARGE, START, call

from greenai.audit.columns import Calls, columns, stored, system_of, texts_of
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.rows import PREFIX_CHARS
from greenai.audit.store import working
from greenai.readings import Reading


def test_what_the_log_does_not_say_is_nan_and_no_code() -> None:
    made = columns([call("hello", created=None, input_tokens=None, project=None, answer=None)])
    assert np.isnan([made.created[0], made.input_tokens[0], made.answer_chars[0], made.energy_j[0]]).all()
    assert (made.project.codes[0], made.answer.codes[0], made.prefix.codes[0]) == (-1, -1, -1)
    assert made.project.name(-1) == "not told"


def test_equal_requests_have_one_key_and_others_their_own() -> None:
    log = [call("a"), call("a"), call("b"), call("a", arguments={"temperature": 1}), call("a", project="other")]
    assert columns(log).key.codes.tolist() == [0, 0, 1, 2, 3]


def test_answers_are_the_same_whatever_case_and_blanks_are_around_them() -> None:
    assert columns([call("a", answer="Spam\n"), call("b", answer="spam")]).answer.codes.tolist() == [0, 0]


def test_a_call_can_be_judged_if_it_is_a_chat_that_was_answered_and_whose_prompt_is_kept() -> None:
    log = [call("a"), call("a", messages=None), call("a", ok=False), call("a", kind="embeddings")]
    assert columns(log).judged.tolist() == [True, False, False, False]


def test_a_prefix_is_told_of_long_prompts_only() -> None:
    long = "x" * PREFIX_CHARS
    made = columns([call("a", system=long), call("b", system=long), call("a", system=long[:-50])])
    assert made.prefix.codes.tolist() == [0, 0, -1]


def test_the_limit_and_the_ledgers_energy_are_kept() -> None:
    energy = Reading(energy_j=3.0, low_j=1.0, high_j=9.0, evidence="measured")
    made = columns([call("a", arguments={"max_tokens": 7}, energy=energy, finish_reason="length", provider="openai")])
    assert (made.max_tokens[0], made.energy_j[0], made.energy_low_j[0], made.energy_high_j[0]) == (7, 3, 1, 9)
    assert made.truncated.tolist() == [True]
    assert made.model.names == (LARGE,)


def test_a_template_is_named_by_its_system_prompt_without_a_store() -> None:
    assert system_of(call("a", system="Label it.")) == system_of(call("b", system="Label it."))
    assert system_of(call("a")) is None


def test_a_store_gives_the_same_columns(tmp_path: Path) -> None:
    lines = [
        {
            "request": {"model": "gpt-5.5", "temperature": 0, "messages": [{"role": "user", "content": text}]},
            "response": {
                "id": f"c{at}", "object": "chat.completion", "model": "gpt-5.5", "created": int(START) + at,
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"It is {text}"}}
                ],
                "usage": {"prompt_tokens": 10 + at, "completion_tokens": 5, "total_tokens": 15 + at},
            },
        }
        for at, text in enumerate(["one", "two", "one", "three"])
    ]  # fmt: skip
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with working(None) as store:
        ingest(opened([path]), store)
        made, texts = stored(store), texts_of(store)([0, 3])
    assert isinstance(made, Calls)
    assert made.input_tokens.tolist() == [10, 11, 12, 13]
    assert made.judged.all()
    assert made.key.codes[0] == made.key.codes[2] != made.key.codes[1]
    assert [text.messages[-1]["content"] for text in texts if text is not None and text.messages] == ["one", "three"]
    same = columns([text for text in texts if text is not None])
    assert same.input_tokens.tolist() == [10, 13]
    assert same.model.names == made.model.names
