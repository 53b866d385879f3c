"""`openai.OpenAI` and `greenai.Client` against the same real server, llama.cpp's own: the same suite, the same results.

What may differ is `.greenai`, ids, the time of creation and the server's timings; every other field is compared, by
its type too. The server has one slot, temperature 0, a fixed seed and no prompt cache, so it repeats itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import openai
import pytest
from openai import AsyncStream, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from greenai import AsyncClient, Client

if TYPE_CHECKING:
    from servers import LlamaServer

pytestmark = pytest.mark.needs_weights

SETTINGS = {"cache": "off", "ledger": ":memory:"}
PLAIN: dict[str, Any] = {
    "model": "smollm2-135m",
    "messages": [{"role": "user", "content": "Name a colour."}],
    "temperature": 0,
    "seed": 7,
    "max_tokens": 6,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
COLOUR_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "colour",
        "schema": {
            "type": "object",
            "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
            "required": ["colour"],
        },
    },
}
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "system and earlier turns": {
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "Name a colour."},
        ]
    },
    "text parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Name a colour."}]}]},
    "max_completion_tokens": {"max_completion_tokens": 3},
    "stop": {"stop": [" of", ","], "max_tokens": 12},
    "n": {"n": 1},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "json_schema": {"response_format": COLOUR_SCHEMA, "max_tokens": 16},
    "tools": {"tools": [WEATHER]},
    "a tool that must be called": {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 40},
    "penalties": {"frequency_penalty": 0.5, "presence_penalty": 0.5, "top_p": 0.9},
    "extra_body": {"extra_body": {"top_k": 1, "min_p": 0.1}},
    "usage asked for": {"stream_options": {"include_usage": True}},
}
REFUSED: dict[str, dict[str, Any]] = {
    "more answers than slots": {"n": 2},
    "response_format": {"response_format": {"type": "nonsense"}},
    "a picture for a model without eyes": {"messages": PICTURE},
    "grammar": {"extra_body": {"grammar": "root ::= ("}},
    "a prompt beyond the context": {"messages": [{"role": "user", "content": "word " * 3000}]},
    "a path that is not there": {"base": "/nowhere"},
}

VARIES = ("id", "created", "timings", "greenai")
Colour = Literal["create", "stream", "async create", "async stream"]
COLOURS: tuple[Colour, ...] = ("create", "stream", "async create", "async stream")

# In all four colours; the others in one of each kind, because every answer takes its time here.
THOROUGH = ("plain", "stop", "logprobs", "json_schema", "tools")
AGREE = [(case, colour) for case in CASES for colour in COLOURS[:: 1 if case in THOROUGH else 3]]


def bare(url: str, *, is_async: bool = False) -> Any:
    return (openai.AsyncOpenAI if is_async else openai.OpenAI)(base_url=url, api_key="no-key", max_retries=0)


def green(url: str, *, is_async: bool = False) -> Any:
    return (AsyncClient if is_async else Client)(base_url=url, api_key="no-key", max_retries=0, settings=SETTINGS)


def settled(value: Any) -> Any:
    """Return plain data without what may vary from call to call."""
    if isinstance(value, dict):
        return {k: settled(v) for k, v in value.items() if k not in VARIES}
    if isinstance(value, list):
        return [settled(v) for v in value]
    return value


def fields(response: Any) -> Any:
    return type(response), settled(response.model_dump(exclude={"greenai"}, warnings=False))


def run(make: Any, url: str, colour: Colour, arguments: dict[str, Any]) -> Any:
    """Return everything that an app sees of one call: the fields of the answer, of each chunk, or the error."""
    arguments = {**PLAIN, **arguments}
    url += arguments.pop("base", "")
    if colour.startswith("async"):
        return asyncio.run(arun(make(url, is_async=True), colour, arguments))
    client = make(url)
    try:
        if colour == "create":
            arguments.pop("stream_options", None)
            return fields(client.chat.completions.create(**arguments))
        stream = client.chat.completions.create(**arguments, stream=True)
        assert isinstance(stream, Stream)
        return [fields(chunk) for chunk in stream]
    except openai.APIError as error:
        return failure(error)
    finally:
        client.close()


async def arun(client: Any, colour: Colour, arguments: dict[str, Any]) -> Any:
    try:
        if colour == "async create":
            arguments.pop("stream_options", None)
            return fields(await client.chat.completions.create(**arguments))
        stream = await client.chat.completions.create(**arguments, stream=True)
        assert isinstance(stream, AsyncStream)
        return [fields(chunk) async for chunk in stream]
    except openai.APIError as error:
        return failure(error)
    finally:
        await client.close()


def failure(error: openai.APIError) -> Any:
    return type(error), getattr(error, "status_code", None), error.body, error.code, error.message


@pytest.mark.parametrize(("case", "colour"), AGREE)
def test_agrees(llama: LlamaServer, case: str, colour: Colour) -> None:
    expected = run(bare, llama.url, colour, CASES[case])
    got = run(green, llama.url, colour, CASES[case])
    assert got == expected
    if colour.endswith("create"):
        assert got[0] is ChatCompletion
    else:
        assert {kind for kind, _ in got} == {ChatCompletionChunk}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("case", REFUSED)
def test_refuses_alike(llama: LlamaServer, case: str, colour: Colour) -> None:
    expected = run(bare, llama.url, colour, REFUSED[case])
    got = run(green, llama.url, colour, REFUSED[case])
    assert got == expected
    assert issubclass(got[0], openai.APIError)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_early_break(llama: LlamaServer, count: int) -> None:
    arguments = {**PLAIN, "max_tokens": 400, "stream": True}
    seen = []
    for make in (bare, green):
        with make(llama.url) as client:
            stream = client.chat.completions.create(**arguments)
            chunks = []
            if count:
                for chunk in stream:
                    chunks.append(fields(chunk))
                    if len(chunks) == count:
                        break
            stream.close()
            seen.append(chunks)
            # The slot is free again at once: the server noticed that nobody reads any more.
            after = client.chat.completions.create(**PLAIN)
            assert after.choices[0].message.content
    assert seen[0] == seen[1]
    assert len(seen[1]) == count
    assert stream.greenai.attempts[0].state == "cut"
    assert "The stream ended before its last chunk; energy and tokens count what was seen." in stream.greenai.warnings


def test_early_break_awaited(llama: LlamaServer) -> None:
    arguments = {**PLAIN, "max_tokens": 400, "stream": True}

    async def first(make: Any) -> tuple[Any, Any]:
        async with make(llama.url, is_async=True) as client:
            async with await client.chat.completions.create(**arguments) as stream:
                chunk = await anext(stream)
            after = await client.chat.completions.create(**PLAIN)
            assert after.choices[0].message.content
            return fields(chunk), stream

    expected, _ = asyncio.run(first(bare))
    got, stream = asyncio.run(first(green))
    assert got == expected
    assert stream.greenai.attempts[0].state == "cut"


def test_a_stream_says_what_create_says(llama: LlamaServer) -> None:
    with green(llama.url) as client:
        whole = client.chat.completions.create(**PLAIN)
        stream = client.chat.completions.create(**PLAIN, stream=True)
        text = "".join(c.choices[0].delta.content or "" for c in stream)
    assert text == whole.choices[0].message.content
    assert stream.greenai.attempts[0].usage == whole.greenai.attempts[0].usage
    assert whole.usage.completion_tokens == whole.greenai.attempts[0].usage.output_tokens == PLAIN["max_tokens"]


def test_concurrent_calls_on_one_client(llama: LlamaServer) -> None:
    """Six at once through one slot: all are answered, and each like the first."""

    async def several() -> list[str]:
        async with green(llama.url, is_async=True) as client:
            calls = [client.chat.completions.create(**PLAIN) for _ in range(6)]
            return [r.choices[0].message.content for r in await asyncio.gather(*calls)]

    answers = asyncio.run(several())
    assert len(set(answers)) == 1
    assert answers[0] == run(bare, llama.url, "create", {})[1]["choices"][0]["message"]["content"]
