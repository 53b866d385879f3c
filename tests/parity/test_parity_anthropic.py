"""anthropic's library bare and through `wrap`, over a real model behind the same API: only `.greenai` differs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from held_against import MODEL, each, failure, got, headers_of, table, taken, within

anthropic = pytest.importorskip("anthropic")

SAY: Any = [{"role": "user", "content": "Say hello."}]
BASE: dict[str, Any] = {"model": MODEL, "messages": SAY, "system": "Be brief.", "max_tokens": 3, "temperature": 0}
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
RESULT: Any = [
    *SAY,
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}]},
]

messages = table()


async def create(client: Any, **changes: Any) -> Any:
    return await got(client.messages.create(**{**BASE, **changes}))


@messages
async def a_message(c: Any) -> Any:
    return await create(c)


@messages
async def a_system_prompt_in_blocks(c: Any) -> Any:
    return await create(c, system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}])


@messages
async def text_in_blocks(c: Any) -> Any:
    return await create(c, messages=[{"role": "user", "content": [{"type": "text", "text": "Grüße, 你好 👩‍🚀"}]}])


@messages
async def earlier_turns(c: Any) -> Any:
    turns = [*SAY, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Again."}]
    return await create(c, messages=turns)


@messages
async def a_message_in_the_next_request(c: Any) -> Any:
    first = await create(c)
    return await create(
        c, messages=[*SAY, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Again."}]
    )


@messages
async def stop_words(c: Any) -> Any:
    return await create(c, stop_sequences=["!"], max_tokens=6)


@messages
async def sampling(c: Any) -> Any:
    return await create(c, extra_body={"seed": 3}, metadata={"user_id": "ada"})


@messages
async def a_tool_that_may_be_called(c: Any) -> Any:
    return await create(c, tools=[WEATHER])


@messages
async def a_tools_answer(c: Any) -> Any:
    return await create(c, messages=RESULT, tools=[WEATHER])


@messages
async def a_stream(c: Any) -> Any:
    stream = await create(c, stream=True)
    return [type(stream), await taken(stream)]


@messages
async def a_stream_in_a_with(c: Any) -> Any:
    async with within(await create(c, stream=True)) as stream:
        return [type(event) for event in await taken(stream)]


@messages
async def a_stream_closed_in_the_middle(c: Any) -> Any:
    stream = await create(c, stream=True)
    first = await taken(stream, 1)
    return [first, await got(stream.close())]


@messages
async def streamed_text(c: Any) -> Any:
    async with within(c.messages.stream(**BASE)) as stream:
        text = "".join([piece async for piece in each(stream.text_stream)])
        return [type(stream), text, await got(stream.get_final_message()), await got(stream.get_final_text())]


@messages
async def streamed_events(c: Any) -> Any:
    async with within(c.messages.stream(**BASE)) as stream:
        return [[type(event), event.type] for event in await taken(stream)]


@messages
async def streamed_and_left(c: Any) -> Any:
    async with within(c.messages.stream(**BASE)) as stream:
        async for event in each(stream):
            return event
    return None


@messages
async def raw(c: Any) -> Any:
    response = await got(c.messages.with_raw_response.create(**BASE))
    assert response.elapsed.total_seconds() > 0
    about = [type(response), response.status_code, headers_of(response.headers), response.retries_taken]
    return [*about, response.http_request.content, await got(response.parse())]


@messages
async def a_raw_stream(c: Any) -> Any:
    response = await got(c.messages.with_raw_response.create(**BASE, stream=True))
    stream = await got(response.parse())
    return [headers_of(response.headers), type(stream), len(await taken(stream))]


@messages
async def streaming_response_parsed(c: Any) -> Any:
    async with within(c.messages.with_streaming_response.create(**BASE)) as response:
        return [type(response), response.status_code, headers_of(response.headers), await got(response.parse())]


@messages
async def streaming_response_in_lines(c: Any) -> Any:
    async with within(c.messages.with_streaming_response.create(**BASE, stream=True)) as response:
        return [line for line in await taken(response.iter_lines()) if line.startswith("event: ")]


@messages
async def tokens_counted(c: Any) -> Any:
    return await got(c.messages.count_tokens(model=MODEL, messages=SAY, system="Be brief."))


@messages
async def more_than_the_context_holds(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[{"role": "user", "content": "hello " * 2100}]))


@messages
async def messages_that_are_none(c: Any) -> Any:
    return await failure(lambda: create(c, messages="hello"))


@messages
async def no_messages(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[]))


@messages
async def a_missing_argument(c: Any) -> Any:
    return await failure(lambda: c.messages.create(model=MODEL))


@messages
async def pickled(c: Any) -> Any:
    message = await create(c)
    again = pickle.loads(pickle.dumps(message))
    assert again == message
    return again


@messages
async def copied(c: Any) -> Any:
    message = await create(c)
    copies = [copy.copy(message), copy.deepcopy(message), message.model_copy(deep=True)]
    assert all(other == message for other in copies)
    return copies


@messages
async def dumped(c: Any) -> Any:
    message = await create(c)
    return [
        set(message.to_dict()) - {"greenai"},
        message.content[0].to_json(),
        repr(message.content),
        str(message.usage),
    ]


@messages
async def with_options(c: Any) -> Any:
    other = c.with_options(timeout=20, max_retries=1)
    return [type(other), other.timeout, other.max_retries, c.timeout, await create(other)]


@messages
async def its_options(c: Any) -> Any:
    names = {name for name in dir(c) if not name.startswith("_")} - {"greenai"}
    return [type(c), c.base_url, c.timeout, c.max_retries, c.api_key, names]


@messages
async def closed(c: Any) -> Any:
    async with within(c) as same:
        inside = [same is c, c.is_closed()]
    return [inside, c.is_closed(), await failure(lambda: create(c))]


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("name", messages.cases)
def test_only_greenai_differs(origin: str, same: Callable[..., None], name: str, awaited: bool) -> None:
    kind = anthropic.AsyncAnthropic if awaited else anthropic.Anthropic
    same(messages.cases[name], lambda: kind(base_url=origin, api_key="key", max_retries=0), asynchronous=awaited)
