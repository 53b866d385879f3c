"""openai's decision endpoint: what a client that has it sends, taken through a wrapped one's HTTP client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from greenai import last_receipt, wrap
from greenai.values import Usage
from tests.servers import Scripted, raw
from tests.wire.responses_scenes import USAGE

ANSWERS = [{"type": "predicate", "name": "spam", "probability": 0.9}]
ASKED: Any = {
    "model": "gpt-6-luna",
    "input": [{"role": "user", "content": "Name a colour."}],
    "questions": [{"type": "predicate", "name": "spam", "question": "Is it spam?"}],
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


def verdict(*answers: Any) -> Any:
    return raw(json.dumps({"answers": list(answers), "model": "gpt-6-luna", "usage": USAGE}).encode())


def test_a_decision_passes_and_is_counted(server: Scripted, tmp_path: Path) -> None:
    server.play(verdict(*ANSWERS))
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        client: Any = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        if hasattr(client, "decisions"):  # openai 3.52 and later
            answered = client.decisions.create(**ASKED)
            assert answered.answers[0].probability == 0.9
            assert answered.greenai == last_receipt()
        else:
            assert client.post("/decisions", body=ASKED, cast_to=object)["answers"] == ANSWERS
    assert server.bodies == [ASKED]
    receipt = last_receipt()
    assert receipt is not None
    usage = Usage(input_tokens=12, output_tokens=7, cached_tokens=4, reasoning_tokens=0)
    assert [(a.model, a.usage) for a in receipt.attempts] == [("endpoint/gpt-6-luna", usage)]
    assert receipt.nudges == ()


def test_a_verdict_is_given_again_from_the_cache(server: Scripted, tmp_path: Path) -> None:
    server.play(verdict(*ANSWERS))
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        client = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        answered = [client.post("/decisions", body=ASKED, cast_to=object) for _ in range(2)]
        rows = client.greenai._session.resources.ledger.recent()  # type: ignore[attr-defined]
    assert answered[0] == answered[1]
    assert len(server.requests) == 1
    assert [row["outcome"] for row in rows] == ["cache", "large"]


def test_another_question_about_the_same_input_is_asked(server: Scripted, tmp_path: Path) -> None:
    server.play(verdict(*ANSWERS))
    other = {**ASKED, "questions": [{"type": "predicate", "name": "spam", "question": "Is it polite?"}]}
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        client = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        for asked in (ASKED, other):
            client.post("/decisions", body=asked, cast_to=object)
    assert len(server.requests) == 2


def test_a_verdict_about_now_is_not_kept(server: Scripted, tmp_path: Path) -> None:
    server.play(verdict(*ANSWERS))
    about_now = {**ASKED, "questions": [{"type": "predicate", "name": "open", "question": "Is the shop open now?"}]}
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        client = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        client.post("/decisions", body=about_now, cast_to=object)
    receipt = last_receipt()
    assert receipt is not None
    assert str(receipt.cache) == "not stored: its answer may change at any moment (realtime)"


def test_a_question_that_was_declined_is_asked_again(server: Scripted, tmp_path: Path) -> None:
    server.play(verdict({"type": "refusal", "name": "spam"}))
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        client = wrap(own, settings={"state_dir": str(tmp_path / "state"), "cache_also": ["sampled"]})
        for _ in range(2):
            client.post("/decisions", body=ASKED, cast_to=object)
    assert len(server.requests) == 2
