"""google-genai bare and through `wrap`, over a real model behind Google's API: only `.greenai` differs.

Awaited, both sides are given an HTTP client of httpx. Bare and without one the library takes aiohttp where that is
installed, whose errors it (3.4) cannot read; a wrapped client sends with httpx always.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from gemini_front import Front
from held_against import failure, got, table, taken

genai = pytest.importorskip("google.genai")
types = pytest.importorskip("google.genai.types")

MODEL = "gemini-2.5-flash"
SHORT: dict[str, Any] = {"max_output_tokens": 3, "temperature": 0}

models = table()


@pytest.fixture(scope="module")
def front(origin: str) -> Iterator[str]:
    with Front(origin) as server:
        yield server.url


async def generate(client: Any, contents: Any = "Say hello.", model: str = MODEL, **changes: Any) -> Any:
    config = types.GenerateContentConfig(**{**SHORT, **changes})
    return await got(client.models.generate_content(model=model, contents=contents, config=config))


async def streamed(client: Any, contents: Any = "Say hello.", **changes: Any) -> Any:
    config = types.GenerateContentConfig(**{**SHORT, **changes})
    return await got(client.models.generate_content_stream(model=MODEL, contents=contents, config=config))


@models
async def a_text(c: Any) -> Any:
    response = await generate(c)
    return [type(response), response.model_dump(exclude={"sdk_http_response"}), response.text]


@models
async def its_http_response(c: Any) -> Any:
    response = (await generate(c)).sdk_http_response
    return [type(response), sorted(response.headers)]


@models
async def a_system_instruction(c: Any) -> Any:
    return (await generate(c, system_instruction="Be brief.")).candidates


@models
async def contents_in_parts(c: Any) -> Any:
    parts = [types.Part(text="Grüße, "), types.Part(text="你好 👩‍🚀")]
    return (await generate(c, [types.Content(role="user", parts=parts)])).candidates


@models
async def earlier_turns(c: Any) -> Any:
    turns = [("user", "Hello."), ("model", "Hi."), ("user", "Again.")]
    contents = [types.Content(role=role, parts=[types.Part(text=text)]) for role, text in turns]
    return (await generate(c, contents)).candidates


@models
async def stop_words(c: Any) -> Any:
    return (await generate(c, stop_sequences=["!"], max_output_tokens=6)).candidates


@models
async def an_object(c: Any) -> Any:
    schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
    response = await generate(c, response_mime_type="application/json", response_schema=schema, max_output_tokens=20)
    return [response.text, response.parsed]


@models
async def a_stream(c: Any) -> Any:
    return [part.model_dump(exclude={"sdk_http_response"}) for part in await taken(await streamed(c))]


@models
async def a_streams_kind(c: Any) -> Any:
    parts = await streamed(c)
    return [type(parts).__name__, [type(part) for part in await taken(parts)]]


@models
async def a_stream_left_early(c: Any) -> Any:
    parts = await streamed(c)
    first = await taken(parts, 1)
    return [first[0].text, await got(parts.aclose() if hasattr(parts, "aclose") else parts.close())]


@models
async def a_chat(c: Any) -> Any:
    chat = c.chats.create(model=MODEL, config=types.GenerateContentConfig(**SHORT))
    said = [(await got(chat.send_message(text))).text for text in ("Hello.", "Again.")]
    return [type(chat), said, [content.model_dump() for content in chat.get_history()]]


@models
async def a_model_that_is_not_there(c: Any) -> Any:
    return await failure(lambda: generate(c, model="nowhere"))


@models
async def two_candidates(c: Any) -> Any:
    return await failure(lambda: generate(c, candidate_count=2))


@models
async def more_than_the_context_holds(c: Any) -> Any:
    return await failure(lambda: generate(c, "hello " * 2100))


@models
async def pickled(c: Any) -> Any:
    response = await generate(c)
    again = pickle.loads(pickle.dumps(response))
    return [type(again), again.candidates, again.usage_metadata]


@models
async def copied(c: Any) -> Any:
    response = await generate(c)
    return [copy.copy(response).candidates, copy.deepcopy(response).candidates, response.model_copy().text]


@models
async def its_class(c: Any) -> Any:
    names = {name for name in dir(c) if not name.startswith("_")} - {"greenai"}
    return [type(c), type(c.models), names]


@pytest.mark.parametrize("awaited", [False, True], ids=["blocking", "awaited"])
@pytest.mark.parametrize("name", models.cases)
def test_only_greenai_differs(front: str, same: Callable[..., None], name: str, awaited: bool) -> None:
    case = models.cases[name]
    clients: list[httpx.AsyncClient] = []

    async def of_one_colour(client: Any) -> Any:
        seen = await case(client.aio if awaited else client)
        for http in clients:
            await http.aclose()
        return seen

    def bare() -> Any:
        clients[:] = [httpx.AsyncClient()] if awaited else []
        given = {"httpx_async_client": clients[0]} if awaited else {}
        return genai.Client(api_key="key", http_options={"base_url": front, **given})

    same(of_one_colour, bare, asynchronous=awaited)
