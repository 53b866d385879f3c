"""What openai's clients have besides `create`: there on greenai's, by openai's own code, through the same flow."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import openai
import pytest
import servers
from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from servers import Scripted

from greenai import AsyncClient, Client, errors
from greenai.shapes import http_library
from greenai.testing import FakeProvider, FakeReply, error, offline

httpx: Any = http_library()  # httpx2 below openai 3

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello to my friend Ada."}]
KEYED = {"api_key": "sk-one", "max_retries": 0}


class Greeting(BaseModel):
    to: str


def listed(request: Any) -> Any:
    """A server that has models and no model's answers."""
    if request.url.path.endswith("/models"):
        return httpx.Response(200, json={"object": "list", "data": [{"id": "m", "object": "model", "created": 1}]})
    return httpx.Response(400, json={"error": {"message": "no messages", "code": "empty"}})


# --- model calls --------------------------------------------------------------------------


def test_a_raw_response_is_openais_and_its_call_is_routed_and_booked() -> None:
    with offline(FakeProvider(default="Hello, Ada.")) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES)
        whole = raw.parse()
        assert type(whole) is ChatCompletion
        assert (whole.model, whole.choices[0].message.content) == ("gpt-5.4-nano", "Hello, Ada.")
        assert raw.greenai.outcome == "small"  # type: ignore[attr-defined]
        assert [row["outcome"] for row in client._session.resources.ledger.recent()] == ["small"]


def test_the_same_call_again_is_answered_from_the_cache() -> None:
    provider = FakeProvider("Hello, Ada.")
    with offline(provider) as client:
        client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES, temperature=0)
        raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES, temperature=0)
        assert raw.parse().choices[0].message.content == "Hello, Ada."
        assert raw.greenai.outcome == "cache"  # type: ignore[attr-defined]
    assert len(provider.calls) == 1


def test_parse_gives_the_object_and_the_receipt() -> None:
    with offline(FakeProvider(default='{"to": "Ada"}')) as client:
        parsed = client.chat.completions.parse(model="gpt-5.5", messages=MESSAGES, response_format=Greeting)
        assert parsed.choices[0].message.parsed == Greeting(to="Ada")
        assert parsed.greenai.outcome == "small"  # type: ignore[attr-defined]


def test_the_stream_helper_gives_openais_events() -> None:
    with offline(FakeProvider(default="Hello, dear Ada.")) as client:
        with client.chat.completions.stream(model="gpt-5.5", messages=MESSAGES) as stream:
            text = "".join(event.delta for event in stream if event.type == "content.delta")
            assert stream.get_final_completion().choices[0].message.content == text == "Hello, dear Ada."
        assert [row["outcome"] for row in client._session.resources.ledger.recent()] == ["small"]


def test_the_awaited_client_has_it_too() -> None:
    async def run() -> None:
        async with offline(FakeProvider(default='{"to": "Ada"}'), client=AsyncClient) as client:
            parsed = await client.chat.completions.parse(model="gpt-5.5", messages=MESSAGES, response_format=Greeting)
            assert parsed.choices[0].message.parsed == Greeting(to="Ada")
            async with client.chat.completions.stream(model="gpt-5.5", messages=MESSAGES) as stream:
                assert [event.type async for event in stream][-1] == "content.done"

    asyncio.run(run())


def test_an_error_of_the_provider_is_openais() -> None:
    with (
        offline(FakeProvider(default=lambda _: error(429, "too many"))) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.chat.completions.with_raw_response.create(model="gpt-4o-2024-08-06", messages=MESSAGES)


def test_a_spent_budget_is_greenais_error() -> None:
    with offline(FakeProvider(default=FakeReply())) as client, client.budget("1 calls", when_spent="refuse"):
        raw = client.chat.completions.with_raw_response
        raw.create(model="gpt-5.5", messages=MESSAGES)
        with pytest.raises(errors.BudgetExceeded):
            raw.create(model="gpt-5.5", messages=[{"role": "user", "content": "Say hello to Bob."}])


# --- without a key, and without a network -------------------------------------------------


def test_without_a_key_only_what_has_to_go_to_openai_is_refused() -> None:
    with Client(max_retries=0) as client:
        raw = client.chat.completions.with_raw_response
        answered = raw.create(messages=[{"role": "user", "content": "What is 18% of 240?"}], model="auto")
        assert answered.parse().choices[0].message.content == "43.2"
        with pytest.raises(errors.MissingKey, match="This call goes to OpenAI, and no API key was found"):
            raw.create(model="gpt-4o-2024-08-06", messages=MESSAGES)
        with pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
        assert refused.value.body == {
            "message": (
                "This request goes to OpenAI, and no API key was found. Set one with: export OPENAI_API_KEY=... (in "
                "Python also: Client(api_key=...))."
            ),
            "type": "greenai_refused",
        }


def test_an_offline_client_sends_nothing() -> None:
    with offline() as client, pytest.raises(openai.NotFoundError, match="An offline client answers calls of models"):
        client.models.list()


# --- requests that ask no model -----------------------------------------------------------


def test_what_asks_no_model_goes_to_the_server_as_it_is() -> None:
    with httpx.Client(transport=httpx.MockTransport(listed)) as http, Client(**KEYED, http_client=http) as client:
        assert [model.id for model in client.models.list()] == ["m"]
        assert client.get("/models", cast_to=httpx.Response).json()["object"] == "list"
        assert client._session.resources.ledger.recent() == []


def test_a_call_without_messages_is_the_servers_to_judge() -> None:
    with (
        httpx.Client(transport=httpx.MockTransport(listed)) as http,
        Client(**KEYED, http_client=http) as client,
        pytest.raises(openai.BadRequestError, match="no messages"),
    ):
        client.chat.completions.create(model="gpt-5.5", messages=[])


# --- arguments, attributes and copies -----------------------------------------------------


def test_arguments_of_openais_constructor() -> None:
    with Client(**KEYED, admin_api_key="sk-admin", webhook_secret="whsec") as client:
        assert (client.api_key, client.admin_api_key, client.webhook_secret) == ("sk-one", "sk-admin", "whsec")
        assert (str(client.base_url), client.max_retries) == ("https://api.openai.com/v1/", 0)
    for wrong, said in (
        ({"nonsense": 1}, r"Client\(\) got an unexpected keyword argument 'nonsense'"),
        ({"max_retries": None}, r"max_retries cannot be None\. For no retries pass 0; leave it out for the settings"),
        ({"http_client": httpx.AsyncClient()}, r"Invalid `http_client` argument; Expected an instance of `httpx\.Clie"),
    ):
        with pytest.raises(TypeError, match=said):
            Client(**wrong)
    with pytest.raises(openai.OpenAIError, match="arguments are mutually exclusive"):
        Client(api_key="sk-one", workload_identity={"provider": {}})


def test_what_is_set_later_holds_for_every_call(scripted: Scripted) -> None:
    with Client(**KEYED, base_url="http://127.0.0.1:9/v1") as client:
        completions = client.chat.completions
        client.base_url = scripted.url
        client.api_key = "sk-two"
        completions.create(model="m", messages=MESSAGES)
        completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "Say hello to Bob."}])
        assert str(client.base_url) == f"{scripted.url}/"
    assert [request.headers["authorization"] for request in scripted.requests] == ["Bearer sk-two"] * 2


def test_a_copys_headers_join_those_there_are_and_its_connections_are_shared() -> None:
    with Client(**KEYED, default_headers={"x-one": "1"}) as client:
        joined = client.with_options(default_headers={"x-two": "2"})
        assert (joined.default_headers["x-one"], joined.default_headers["x-two"]) == ("1", "2")
        replaced = client.copy(set_default_headers={"x-two": "2"})
        assert "x-one" not in replaced.default_headers
        with pytest.raises(
            ValueError, match="`default_query` and `set_default_query` arguments are mutually exclusive"
        ):
            client.copy(default_query={"a": "1"}, set_default_query={})
        assert client.copy(timeout=5.0).timeout == 5.0
        assert joined._rest.connections is client._rest.connections
        joined.close()
        assert (joined.is_closed(), client.is_closed()) == (True, False)
    assert client.is_closed()


def test_each_try_says_which_it_is(scripted: Scripted) -> None:
    again = servers.status(500, headers={"retry-after-ms": "1"})
    with Client(base_url=scripted.url, max_retries=1) as client:
        for n, call in enumerate((client.chat.completions.create, client.chat.completions.with_raw_response.create)):
            scripted.play(again, servers.answer())
            call(model="m", messages=[{"role": "user", "content": f"Say hello to guest {n}."}])
            assert [request.headers["x-stainless-retry-count"] for request in scripted.requests] == ["0", "1"]


def three_loops(url: str) -> list[str | None]:
    client = AsyncClient(base_url=url, max_retries=0)

    async def ask(n: int) -> str | None:
        messages: list[Any] = [{"role": "user", "content": f"Say hello to guest {n}."}]
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=messages)
        return raw.parse().choices[0].message.content

    return [asyncio.run(ask(n)) for n in range(3)]


# What an app leaves open in a loop that ends, that loop's connections say when they are collected.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_after_another_has_connections_of_its_own(scripted: Scripted) -> None:
    assert three_loops(scripted.url) == ["Hello there."] * 3
    gc.collect()


def test_openais_own_helpers_take_a_client() -> None:
    body = json.dumps({"choices": []}).encode()
    with offline() as client:
        stream = openai.Stream(
            cast_to=ChatCompletion,
            client=client,
            response=httpx.Response(200, content=b"data: " + body + b"\n\ndata: [DONE]\n\n"),
        )
        assert [chunk.choices for chunk in stream] == [[]]
