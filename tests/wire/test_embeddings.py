"""Vectors through a wrapped openai client: kept as they came, counted, and touched by nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest

from greenai import BudgetExceeded, wrap
from greenai.values import Usage
from tests.servers import Scripted, status
from tests.wire.responses_scenes import HTTP, vectors

MODEL = "text-embedding-3-small"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


@pytest.fixture
def bare(server: Scripted) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        yield own


@pytest.fixture
def client(bare: openai.OpenAI, tmp_path: Path) -> openai.OpenAI:
    return wrap(bare, settings={"state_dir": str(tmp_path / "state")})


def receipt_of(answered: Any) -> Any:
    return answered.greenai


@pytest.mark.parametrize("given", ["hello", ["hello", "you"], [1, 2, 3], [[1, 2], [3]]])
@pytest.mark.parametrize("form", ["float", "base64", openai.omit])
def test_vectors_are_the_bare_ones_but_for_the_receipt(
    server: Scripted, bare: openai.OpenAI, client: openai.OpenAI, given: Any, form: Any
) -> None:
    server.play(vectors(2, base64=form != "float"))
    asked: Any = {"model": MODEL, "input": given, "encoding_format": form, "dimensions": 3, "user": "u"}
    theirs, ours, again = (one.embeddings.create(**asked) for one in (bare, client, client))
    assert type(ours) is type(theirs)
    for one in (ours, again):
        dumped = one.to_dict(
            warnings=False
        )  # base64 that was asked for is no list of numbers, and openai's types say so
        assert dumped.pop("greenai")
        assert dumped == theirs.to_dict(warnings=False)
    assert (receipt_of(ours).outcome, receipt_of(again).outcome) == ("large", "cache")
    first, second = server.bodies
    assert second == first


def test_equal_text_has_equal_vectors_for_a_month(server: Scripted, client: openai.OpenAI) -> None:
    server.play(vectors())
    receipt = receipt_of(client.embeddings.create(model=MODEL, input="What is the weather today?"))
    assert str(receipt.cache) == "stored for 30 days: its answer does not change (static)"
    assert receipt.decision.reasons[0] == "no text is to be written, so nothing is classified"


@pytest.mark.parametrize(
    "changes",
    [{"input": ["b", "a"]}, {"input": ["a"]}, {"dimensions": 8}, {"encoding_format": "float"}, {"model": "another"}],
)
def test_another_request_has_other_vectors(server: Scripted, client: openai.OpenAI, changes: Mapping[str, Any]) -> None:
    server.play(vectors())
    for asked in ({}, changes):
        client.embeddings.create(**{"model": MODEL, "input": ["a", "b"], **asked})
    assert len(server.requests) == 2


def test_only_what_was_read_is_counted(server: Scripted, client: openai.OpenAI) -> None:
    server.play(vectors(tokens=8))
    (attempt,) = receipt_of(client.embeddings.create(model=MODEL, input="hello")).attempts
    assert attempt.usage == Usage(input_tokens=8, output_tokens=0, reasoning_tokens=0)


def test_its_energy_is_that_of_reading_where_the_size_is_known(server: Scripted, tmp_path: Path, bare: Any) -> None:
    cards = [{"name": "endpoint/e5", "total_params_b": 0.3}]
    client = wrap(bare, settings={"state_dir": str(tmp_path / "state"), "cards": cards})
    readings = []
    for tokens, text in ((100, "one"), (1000, "another")):
        server.play(vectors(tokens=tokens))
        readings.append(receipt_of(client.embeddings.create(model="e5", input=text)).energy)
    few, many = readings
    assert few.components["decode"] == 0
    assert many.energy_j > few.energy_j > 0
    assert few.low_j < few.energy_j < few.high_j


def test_openais_own_have_a_price_and_no_size_that_anybody_states(tmp_path: Path) -> None:
    def play(_: Any) -> Any:
        usage = {"prompt_tokens": 1000, "total_tokens": 1000}
        data = [{"object": "embedding", "index": 0, "embedding": [1.0]}]
        return HTTP.Response(200, json={"object": "list", "data": data, "model": MODEL, "usage": usage})

    with HTTP.Client(transport=HTTP.MockTransport(play)) as http:
        own = openai.OpenAI(api_key="key", base_url="https://api.openai.com/v1", http_client=http)
        client = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        receipt = receipt_of(client.embeddings.create(model=MODEL, input="hello", encoding_format="float"))
    assert receipt.model == f"openai/{MODEL}"
    assert str(receipt.energy) == f"unknown (physics-2: no size is stated for openai/{MODEL})"
    assert receipt.cost_usd == pytest.approx(0.02e-3)
    assert str(receipt.stars) == "not rated"


def test_no_nudge_touches_a_request_whose_model_has_kin_that_reason(server: Scripted, client: openai.OpenAI) -> None:
    asked: Any = {"input": "hello", "model": "Qwen/Qwen3-Embedding-8B", "encoding_format": "float"}
    server.play(vectors(base64=False))
    receipt = receipt_of(client.embeddings.create(**asked))
    assert server.bodies == [asked]
    assert receipt.nudges == ()
    assert receipt.reasoning is False


def test_an_error_is_the_providers_and_an_empty_answer_is_not_kept(server: Scripted, client: openai.OpenAI) -> None:
    server.play(status(400, message="nope"), vectors(0), vectors(0))
    with pytest.raises(openai.BadRequestError, match="nope"):
        client.embeddings.create(model=MODEL, input="hello")
    for _ in range(2):
        assert client.embeddings.create(model=MODEL, input="hello", encoding_format="float").data == []
    assert len(server.requests) == 3


def test_a_similar_text_is_not_given_the_vectors_of_another(server: Scripted, bare: Any, tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path / "state"), "opt_in": ["semantic_cache"], "opt_in_reason": "of this test"}
    client = wrap(bare, settings=settings)
    server.play(vectors())
    for text in ("What is the capital of France?", "what's the capital of France"):
        client.embeddings.create(model=MODEL, input=text)
    assert len(server.requests) == 2


def test_a_spent_budget_refuses_vectors_too(server: Scripted, bare: Any, tmp_path: Path) -> None:
    budget = {"calls": "1/day", "timezone": "UTC"}
    settings = {"state_dir": str(tmp_path / "state"), "projects": {"bot": {"budget": budget}}}
    client = wrap(bare, settings=settings, project="bot")
    server.play(vectors())
    client.embeddings.create(model=MODEL, input="hello")
    with pytest.raises(BudgetExceeded):
        client.embeddings.create(model=MODEL, input="another")
    assert client.embeddings.create(model=MODEL, input="hello").greenai.outcome == "cache"


def test_an_awaited_client_does_the_same(server: Scripted, tmp_path: Path) -> None:
    async def run() -> None:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        async with wrap(own, settings={"state_dir": str(tmp_path / "state")}) as client:
            server.play(vectors())
            found = [await client.embeddings.create(model=MODEL, input="hello") for _ in range(2)]
            assert [receipt_of(one).outcome for one in found] == ["large", "cache"]
            assert [one.data[0].embedding for one in found] == [[1.0, 2.0, 3.0]] * 2

    asyncio.run(run())
