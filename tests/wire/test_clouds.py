"""Anthropic's clients of Bedrock and Vertex AI that were wrapped, held against the bare ones on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import host_scenes as scenes
import pytest
from servers import Exchange as Served
from servers import Scripted

import greenai
from greenai import BudgetExceeded, collecting, instrument, uninstrument, wrap
from greenai.integrations.wrap import host_at
from greenai.values import Draft, Rung
from greenai.wire import dialect_of, frames
from greenai.wire.clouds import BEDROCK, VERTEX
from greenai.wire.exchange import Host
from greenai.wire.sse import Splitter

anthropic = pytest.importorskip("anthropic")
pytest.importorskip("botocore")
pytest.importorskip("google.auth")

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ASKED: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
EVENTS = scenes.message_events()


def answered(exchange: Served) -> None:
    """Answer as the cloud does whose path it is: whole, in events or in frames."""
    path = exchange.server.received[-1].path
    if path.endswith("invoke-with-response-stream"):
        parts = [frames.written(event.data) for part in EVENTS for event in Splitter().feed(part)]
        scenes.events(parts)(exchange)
    elif path.endswith(":streamRawPredict"):
        scenes.events(EVENTS)(exchange)
    else:
        scenes.whole(scenes.message())(exchange)


def bedrock(server: Scripted, **changes: Any) -> Any:
    return anthropic.AnthropicBedrock(
        base_url=server.origin, aws_region="us-east-1", max_retries=0, **{"api_key": "key", **changes}
    )


def signed(server: Scripted) -> Any:
    return bedrock(server, api_key=None, aws_access_key="AKIAEXAMPLE", aws_secret_key="secret")


def vertex(server: Scripted) -> Any:
    return anthropic.AnthropicVertex(
        region="us-east5", project_id="p", access_token="t", base_url=server.origin, max_retries=0
    )


CLOUDS = {"bedrock": bedrock, "bedrock signed": signed, "vertex": vertex}


@pytest.fixture(params=CLOUDS)
def made(request: pytest.FixtureRequest, scripted: Scripted) -> Iterator[Callable[[], Any]]:
    scripted.play(*[answered] * 12)
    clients: list[Any] = []

    def make() -> Any:
        clients.append(CLOUDS[request.param](scripted))
        return clients[-1]

    yield make
    uninstrument()
    for client in clients:
        client.close()


def test_a_message_is_the_bare_one_but_for_its_receipt(scripted: Scripted, made: Callable[[], Any]) -> None:
    theirs, ours = made().messages.create(**ASKED), wrap(made()).messages.create(**ASKED)
    dumped = ours.to_dict()
    assert dumped.pop("greenai")
    assert dumped == theirs.to_dict()
    assert ours.greenai.outcome == "large"
    assert ours.greenai.model.endswith(MODEL)
    assert ours.greenai.attempts[0].usage.input_tokens == 127
    bare, sent = scripted.bodies
    assert sent == bare
    assert scripted.requests[0].path == scripted.requests[1].path


def test_a_stream_is_the_bare_one_and_has_its_receipt_at_the_end(made: Callable[[], Any]) -> None:
    theirs = [event.to_dict() for event in made().messages.create(**ASKED, stream=True)]
    ours = wrap(made()).messages.create(**ASKED, stream=True)
    assert [event.to_dict() for event in ours] == theirs
    assert ours.greenai.attempts[0].usage.output_tokens == 5


def test_whole_and_streamed_answers_are_stored_for_each_other(scripted: Scripted, made: Callable[[], Any]) -> None:
    client = wrap(made())
    first = client.messages.create(**ASKED)
    again = client.messages.create(**ASKED)
    with client.messages.stream(**ASKED) as stream:
        assert stream.get_final_text() == "Hello there."
    assert [first.greenai.outcome, again.greenai.outcome] == ["large", "cache"]
    assert greenai.last_receipt() is not None
    assert greenai.last_receipt().outcome == "cache"  # type: ignore[union-attr]
    assert len(scripted.requests) == 1


def test_instrumented_clients_too(made: Callable[[], Any]) -> None:
    client = made()
    with instrument(), collecting() as receipts:
        assert client.messages.create(**ASKED).greenai.outcome == "large"
    assert not hasattr(client.messages.create(**ASKED), "greenai")
    assert len(receipts) == 1


def test_a_spent_budget_refuses_before_anything_is_sent(scripted: Scripted, made: Callable[[], Any]) -> None:
    settings = {"projects": {"bot": {"budget": {"calls": "1/hour"}}}}
    client: Any = wrap(made(), settings=settings, project="bot")
    client.messages.create(**ASKED)
    with pytest.raises(BudgetExceeded, match="bot"):
        client.messages.create(**{**ASKED, "max_tokens": 51})
    assert len(scripted.requests) == 1
    client.greenai.close()


def test_awaited(scripted: Scripted) -> None:
    scripted.play(answered, answered)

    async def asked() -> list[str]:
        async with anthropic.AsyncAnthropicBedrock(
            base_url=scripted.origin, aws_region="us-east-1", api_key="key", max_retries=0
        ) as own:
            client = wrap(own)
            whole = await client.messages.create(**ASKED)
            stream = await client.messages.create(**{**ASKED, "max_tokens": 51}, stream=True)
            kinds = [event.type async for event in stream]
            return [whole.greenai.outcome, stream.greenai.outcome, kinds[-1]]

    assert asyncio.run(asked()) == ["large", "large", "message_stop"]


def test_a_signed_request_stays_byte_for_byte_and_others_have_reasoning_off() -> None:
    http = pytest.importorskip("httpx2")
    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(json.loads(request.content))
        return http.Response(200, json=scenes.message())

    keys = [{"api_key": "key"}, {"aws_access_key": "AKIAEXAMPLE", "aws_secret_key": "secret"}]
    receipts: list[greenai.Receipt] = []
    for given in keys:
        own = anthropic.AnthropicBedrock(
            aws_region="us-east-1", http_client=http.Client(transport=http.MockTransport(answer)), **given
        )
        client: Any = wrap(own)
        receipts.append(client.messages.create(**{**ASKED, "model": "anthropic.claude-sonnet-5"}).greenai)
        client.greenai.close()
        own.close()
    assert [body.get("thinking") for body in sent] == [{"type": "disabled"}, None]
    assert [receipt.model for receipt in receipts] == ["bedrock/anthropic.claude-sonnet-5"] * 2
    assert all(receipt.energy.energy_j for receipt in receipts)
    assert [len(receipt.nudges) for receipt in receipts] == [1, 0]


@pytest.mark.parametrize(
    ("provider", "address", "host"),
    [
        ("anthropic", "https://bedrock-runtime.us-east-1.amazonaws.com", Host(provider="bedrock")),
        ("anthropic", "https://bedrock-mantle.eu-west-1.api.aws/anthropic", Host(provider="bedrock")),
        ("anthropic", "https://us-east5-aiplatform.googleapis.com/v1", Host(provider="vertex_ai")),
        ("anthropic", "https://aws-external-anthropic.us-east-1.api.aws", Host(provider="anthropic")),
        ("openai", "https://bedrock-mantle.us-east-1.api.aws/openai/v1", Host(provider="bedrock")),
        (
            "openai",
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            Host(provider="openai", base_url="https://generativelanguage.googleapis.com/v1beta/openai"),
        ),
    ],
)
def test_whose_models_an_address_has(provider: str, address: str, host: Host) -> None:
    assert host_at(provider, address) == host


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", {"anthropic_version": "x"}),
        ("/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict", {"anthropic_version": "x"}),
        ("/model/meta.llama/invoke", {}),
        ("/my-chain/invoke", {"anthropic_version": "x"}),
    ],
)
def test_what_is_no_message_is_not_read(path: str, body: dict[str, Any]) -> None:
    dialect = dialect_of("POST", path)
    assert dialect is not None
    assert dialect.read(path, {"messages": ASKED["messages"], **body}).messages == []


@pytest.mark.parametrize(
    ("dialect", "path", "written"),
    [
        (BEDROCK, "/model/old:1/invoke-with-response-stream", "/model/new:2/invoke-with-response-stream"),
        (
            VERTEX,
            "/v1/publishers/anthropic/models/old@1:rawPredict",
            "/v1/publishers/anthropic/models/new:2:rawPredict",
        ),
    ],
)
def test_another_model_is_asked_under_its_own_path(dialect: Any, path: str, written: str) -> None:
    body = {"anthropic_version": "x", "messages": ASKED["messages"]}
    asked = dialect.read(path, body)
    draft = Draft(rung=Rung(model="bedrock/new:2"), messages=tuple(asked.messages), arguments=dict(asked.arguments))
    assert dialect.written(path, body, asked, draft) == (written, body)
