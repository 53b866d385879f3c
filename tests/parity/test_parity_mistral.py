"""mistralai bare and through `wrap`, over a real model: only `.greenai` differs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from held_against import MODEL, failure, got, table, taken, within

client_module = pytest.importorskip("mistralai.client")

SAY: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
BASE: dict[str, Any] = {"model": MODEL, "messages": SAY, "max_tokens": 3, "temperature": 0}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

chat = table()


async def complete(client: Any, **changes: Any) -> Any:
    given, awaited = client
    return await got((given.chat.complete_async if awaited else given.chat.complete)(**{**BASE, **changes}))


async def streamed(client: Any, **changes: Any) -> Any:
    given, awaited = client
    return await got((given.chat.stream_async if awaited else given.chat.stream)(**{**BASE, **changes}))


@chat
async def a_text(c: Any) -> Any:
    return await complete(c)


@chat
async def other_scripts(c: Any) -> Any:
    return await complete(c, messages=[{"role": "user", "content": "Grüße, 你好 👩‍🚀"}])


@chat
async def earlier_turns(c: Any) -> Any:
    turns = [*SAY, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Again."}]
    return await complete(c, messages=turns)


@chat
async def an_answer_in_the_next_request(c: Any) -> Any:
    first = await complete(c)
    return await complete(c, messages=[*SAY, first.choices[0].message, {"role": "user", "content": "Again."}])


@chat
async def stop_words(c: Any) -> Any:
    return await complete(c, stop=["!"], max_tokens=6)


@chat
async def sampling(c: Any) -> Any:
    return await complete(c, top_p=0.9, presence_penalty=0.1, frequency_penalty=0.1)


@chat
async def a_tool_that_may_be_called(c: Any) -> Any:
    return await complete(c, tools=[WEATHER])


@chat
async def a_stream(c: Any) -> Any:
    stream = await streamed(c)
    return [type(stream), await taken(stream)]


@chat
async def a_stream_in_a_with(c: Any) -> Any:
    async with within(await streamed(c)) as stream:
        return await taken(stream)


@chat
async def a_stream_left_early(c: Any) -> Any:
    async with within(await streamed(c)) as stream:
        return await taken(stream, 1)


@chat
async def two_choices(c: Any) -> Any:
    return await failure(lambda: complete(c, n=2))


@chat
async def more_than_the_context_holds(c: Any) -> Any:
    return await failure(lambda: complete(c, messages=[{"role": "user", "content": "hello " * 2100}]))


@chat
async def a_missing_argument(c: Any) -> Any:
    return await failure(lambda: c[0].chat.complete(model=MODEL))


@chat
async def pickled(c: Any) -> Any:
    response = await complete(c)
    again = pickle.loads(pickle.dumps(response))
    assert again == response
    return again


@chat
async def copied(c: Any) -> Any:
    response = await complete(c)
    return [copy.copy(response), copy.deepcopy(response), response.model_copy(deep=True)]


@chat
async def its_class(c: Any) -> Any:
    given, _ = c
    return [type(given), type(given.chat), {name for name in dir(given) if not name.startswith("_")} - {"greenai"}]


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("name", chat.cases)
def test_only_greenai_differs(origin: str, same: Callable[..., None], name: str, awaited: bool) -> None:
    case = chat.cases[name]

    async def of_one_colour(client: Any) -> Any:
        async with within(client):
            return await case((client, awaited))

    # One client has both colours, and closes with either kind of `with`.
    same(of_one_colour, lambda: client_module.Mistral(api_key="key", server_url=origin), asynchronous=awaited)
