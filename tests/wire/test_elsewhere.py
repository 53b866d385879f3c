"""The Responses API on rungs that speak chat: through greenai's own client, whose provider is scripted."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from greenai import AsyncClient
from greenai.testing import FakeProvider, FakeReply, offline

IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"}
WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


def test_another_rung_is_asked_in_chats_words() -> None:
    provider = FakeProvider(default="Hello, Ada.")
    turns: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is on it?"}, IMAGE]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"},
    ]
    with offline(provider) as client:
        answered: Any = client.responses.create(
            model="gpt-5.5", input=turns, instructions="Be kind.", tools=[WEATHER], store=False,
            include=["reasoning.encrypted_content"], text={"format": {"type": "json_object"}},
        )  # fmt: skip
    draft = provider.calls[-1].draft
    function = {"name": "weather", "arguments": "{}"}
    assert list(draft.messages) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is on it?"},
            {"type": "image_url", "image_url": {"url": IMAGE["image_url"], "detail": "low"}},
        ]},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
        {"role": "tool", "content": "12 degrees", "tool_call_id": "call_1"},
    ]  # fmt: skip
    assert draft.arguments["tools"] == [
        {"type": "function", "function": {"name": "weather", "parameters": WEATHER["parameters"]}}
    ]
    assert draft.arguments["response_format"] == {"type": "json_object"}
    assert not {"extra_body", "store"} & draft.arguments.keys()
    assert isinstance(answered, openai.types.responses.Response)
    assert (answered.output_text, answered.greenai.model) == ("Hello, Ada.", "openai/gpt-5.5")


def test_what_needs_no_model_is_answered_without_one() -> None:
    with offline(FakeProvider()) as client:
        answered: Any = client.responses.create(model="auto", input="What is 18% of 240?")
    assert (answered.output_text, answered.greenai.outcome) == ("43.2", "answerer")


@pytest.mark.parametrize(
    "given",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
    ],
)
def test_what_leans_on_the_provider_stays_on_the_model_that_was_named(given: Any) -> None:
    with offline(FakeProvider(default="Hello, Ada.")) as client:
        free: Any = client.responses.create(model="gpt-5.5", input="Say hello to Ada.")
        leaning: Any = client.responses.create(model="gpt-5.5", input="Say hello to Ada.", **given)
    assert (free.greenai.model, leaning.greenai.model) == ("openai/gpt-5.4-nano", "openai/gpt-5.5")


def test_a_stream_of_another_rung_is_its_whole_answer() -> None:
    with offline(FakeProvider(default="Hello, Ada.")) as client:
        stream: Any = client.responses.create(model="gpt-5.5", input="Say hello to Ada.", stream=True)
        events = list(stream)
        assert events[-1].response.output_text == "Hello, Ada."
        assert stream.greenai.attempts[0].usage.output_tokens == events[-1].response.usage.output_tokens
        with client.responses.stream(model="gpt-5.5", input="Say hello to Bob.") as helper:
            assert helper.get_final_response().output_text == "Hello, Ada."


def test_a_call_of_a_tool_comes_back_as_an_item() -> None:
    function = {"name": "weather", "arguments": '{"town": "Ulm"}'}
    reply = FakeReply(
        text="", finish_reason="tool_calls", tool_calls=({"id": "call_1", "type": "function", "function": function},)
    )
    with offline(FakeProvider(default=reply)) as client:
        answered: Any = client.responses.create(model="gpt-5.5", input="What is it like in Ulm?", tools=[WEATHER])
    (item,) = answered.output
    assert (item.type, item.name, item.arguments) == ("function_call", "weather", '{"town": "Ulm"}')


def test_vectors_come_from_the_host_alone() -> None:
    with offline(FakeProvider()) as client, pytest.raises(openai.NotFoundError, match="offline client"):
        client.embeddings.create(model="text-embedding-3-small", input="hello")


def test_an_awaited_stream_does_the_same() -> None:
    async def run() -> str:
        async with offline(FakeProvider(default="Hello, Ada."), client=AsyncClient) as client:
            stream: Any = await client.responses.create(model="gpt-5.5", input="Say hello to Ada.", stream=True)
            events = [event async for event in stream]
            text: str = events[-1].response.output_text
            return text

    assert asyncio.run(run()) == "Hello, Ada."
