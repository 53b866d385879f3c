"""openai's library bare, through `wrap` and as `greenai.Client`, over a real model: only `.greenai` differs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import openai
import pytest
from held_against import MODEL, described, each, failure, got, headers_of, table, taken, within
from pydantic import BaseModel

import greenai

SAY: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
BASE: dict[str, Any] = {"model": MODEL, "messages": SAY, "max_tokens": 3, "temperature": 0, "seed": 1}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLED: Any = [
    *SAY,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "Rain, 4 degrees."},
]


class Place(BaseModel):
    """What structured output is read into."""

    city: str


FORMAT: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "place",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
GRAMMAR = {"grammar": 'root ::= "{\\"city\\": \\"Oslo\\"}"'}

chat, helpers, wrapped_only = table(), table(), table()
"""Held against every client but `AsyncClient`; against all four; and against wrapped ones alone."""


async def create(client: Any, **changes: Any) -> Any:
    return await got(client.chat.completions.create(**{**BASE, **changes}))


# --- whole answers ------------------------------------------------------------------------


@chat
async def a_text(c: Any) -> Any:
    return await create(c)


@chat
async def without_a_system_prompt(c: Any) -> Any:
    return await create(c, messages=SAY[1:])


@chat
async def earlier_turns(c: Any) -> Any:
    turns = [*SAY, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Again."}]
    return await create(c, messages=turns)


@chat
async def text_in_parts(c: Any) -> Any:
    return await create(
        c, messages=[{"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}]}]
    )


@chat
async def other_scripts(c: Any) -> Any:
    return await create(c, messages=[SAY[0], {"role": "user", "content": "Grüße, 你好, שלום, 👩‍🚀 \u2028 \x00 \ud7ff"}])


@chat
async def a_lone_surrogate(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[SAY[0], {"role": "user", "content": "\ud800"}]))


@chat
async def a_long_prompt(c: Any) -> Any:
    return await create(c, messages=[SAY[0], {"role": "user", "content": "one two three " * 10}])


@chat
async def stop_words(c: Any) -> Any:
    return await create(c, stop=["!"], max_tokens=8)


@chat
async def a_stop_word_as_text(c: Any) -> Any:
    return await create(c, stop="!")


@chat
async def log_probabilities(c: Any) -> Any:
    return await create(c, logprobs=True, top_logprobs=2, max_tokens=2)


@chat
async def the_newer_limit(c: Any) -> Any:
    return await create(c, max_tokens=openai.NOT_GIVEN, max_completion_tokens=3)


@chat
async def sampling(c: Any) -> Any:
    return await create(c, temperature=0.7, top_p=0.9, seed=7, presence_penalty=0.1, frequency_penalty=0.1)


@chat
async def a_bias(c: Any) -> Any:
    return await create(c, logit_bias={"19556": -100})


@chat
async def names_of_nothing(c: Any) -> Any:
    return await create(c, user="ada", metadata={"a": "b"}, store=False)


@chat
async def fields_of_the_server(c: Any) -> Any:
    return await create(c, extra_body={"top_k": 1, "min_p": 0.1, "repeat_penalty": 1.1})


@chat
async def more_headers_and_a_query(c: Any) -> Any:
    return await create(c, extra_headers={"x-own": "1"}, extra_query={"a": "b"})


@chat
async def a_deadline(c: Any) -> Any:
    return await create(c, timeout=30)


@chat
async def an_object_as_text(c: Any) -> Any:
    return await create(c, response_format={"type": "json_object"}, extra_body=GRAMMAR, max_tokens=20)


@chat
async def a_schema(c: Any) -> Any:
    return await create(c, response_format=FORMAT, max_tokens=8)


@chat
async def a_tool_that_must_be_called(c: Any) -> Any:
    return await create(c, tools=[WEATHER], tool_choice="required", max_tokens=8)


@chat
async def a_tool_that_may_be_called(c: Any) -> Any:
    return await create(c, tools=[WEATHER], max_tokens=4)


@chat
async def no_tool(c: Any) -> Any:
    return await create(c, tools=[WEATHER], tool_choice="none", parallel_tool_calls=False)


@chat
async def a_tools_answer(c: Any) -> Any:
    return await create(c, messages=CALLED, tools=[WEATHER])


@chat
async def a_tool_loop(c: Any) -> Any:
    turns, seen = list(SAY), []
    for answer in ("Rain.", "Sun."):
        response = await create(c, messages=turns)
        seen.append(response)
        turns += [response.choices[0].message.to_dict(), {"role": "user", "content": answer}]
    return [*seen, turns]


@chat
async def a_response_in_the_next_request(c: Any) -> Any:
    first = await create(c)
    return await create(c, messages=[*SAY, first.choices[0].message, {"role": "user", "content": "Again."}])


@chat
async def the_same_twice(c: Any) -> Any:
    first, second = await create(c), await create(c)
    return [first.choices[0].message, second.choices[0].message, type(second), second.usage]


# --- streams ------------------------------------------------------------------------------


@chat
async def a_stream(c: Any) -> Any:
    stream = await create(c, stream=True)
    return [type(stream), await taken(stream)]


@chat
async def a_stream_with_usage(c: Any) -> Any:
    return await taken(await create(c, stream=True, stream_options={"include_usage": True}))


@chat
async def a_stream_that_wants_no_usage(c: Any) -> Any:
    return await taken(await create(c, stream=True, stream_options={"include_usage": False}))


@chat
async def a_stream_in_a_with(c: Any) -> Any:
    async with within(await create(c, stream=True)) as stream:
        return [type(stream), await taken(stream)]


@chat
async def a_stream_left_early(c: Any) -> Any:
    seen = []
    async with within(await create(c, stream=True)) as stream:
        async for chunk in each(stream):
            seen.append(chunk)
            if len(seen) == 2:
                break
    return seen


@chat
async def a_stream_closed_in_the_middle(c: Any) -> Any:
    stream = await create(c, stream=True)
    first = await taken(stream, 1)
    await got(stream.close())
    return [first, await got(stream.close())]


@chat
async def a_stream_read_past_its_end(c: Any) -> Any:
    stream = await create(c, stream=True)
    whole = await taken(stream)
    return [whole, await taken(stream)]


@chat
async def a_stream_and_its_response(c: Any) -> Any:
    stream = await create(c, stream=True)
    response = stream.response
    return [response.status_code, headers_of(response.headers), response.http_version, len(await taken(stream))]


@chat
async def a_stream_with_probabilities(c: Any) -> Any:
    return await taken(await create(c, stream=True, logprobs=True, top_logprobs=1, max_tokens=2))


@chat
async def a_stream_with_tools(c: Any) -> Any:
    return await taken(await create(c, stream=True, tools=[WEATHER]))


@chat
async def a_stream_that_is_refused(c: Any) -> Any:
    return await failure(lambda: create(c, stream=True, n=2))


# --- errors -------------------------------------------------------------------------------


@chat
async def two_choices(c: Any) -> Any:
    return await failure(lambda: create(c, n=2))


@chat
async def more_than_the_context_holds(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[{"role": "user", "content": "hello " * 2100}]))


@wrapped_only
async def messages_that_are_none(c: Any) -> Any:
    return await failure(lambda: create(c, messages="hello"))


@wrapped_only
async def no_messages(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[]))


@chat
async def a_role_that_is_none(c: Any) -> Any:
    return await failure(lambda: create(c, messages=[{"role": "wizard", "content": "Hello."}]))


@chat
async def a_temperature_that_is_none(c: Any) -> Any:
    return await failure(lambda: create(c, temperature="warm"))


@chat
async def a_grammar_that_is_none(c: Any) -> Any:
    return await failure(lambda: create(c, extra_body={"grammar": "root ::="}))


@wrapped_only
async def an_argument_that_is_none(c: Any) -> Any:
    return await failure(lambda: c.chat.completions.create(**BASE, tempature=0))


@chat
async def a_missing_argument(c: Any) -> Any:
    return described(await failure(lambda: c.chat.completions.create(model=MODEL)))["class"]


# --- objects ------------------------------------------------------------------------------


@chat
async def pickled(c: Any) -> Any:
    response = await create(c)
    again = [pickle.loads(pickle.dumps(response, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    assert all(other == response for other in again)
    return again


@chat
async def a_pickled_chunk(c: Any) -> Any:
    return [pickle.loads(pickle.dumps(chunk)) for chunk in await taken(await create(c, stream=True))]


@chat
async def a_pickled_error(c: Any) -> Any:
    error = await failure(lambda: create(c, n=2))
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception as why:  # noqa: BLE001
        return type(why)


@chat
async def copied(c: Any) -> Any:
    response = await create(c)
    copies = [copy.copy(response), copy.deepcopy(response), response.model_copy(), response.model_copy(deep=True)]
    assert all(other == response for other in copies)
    return copies


@chat
async def dumped(c: Any) -> Any:
    response = await create(c)
    keys = set(response.model_dump()) - {"greenai"}
    message = response.choices[0].message
    return [
        keys,
        message.model_dump(),
        message.model_dump_json(),
        message.to_json(),
        response.usage.to_dict(),
        str(message),
        repr(message),
    ]


@chat
async def read_back(c: Any) -> Any:
    response = await create(c)
    plain = {name: value for name, value in response.to_dict().items() if name != "greenai"}
    return type(response).model_validate(plain)


@chat
async def in_a_match(c: Any) -> Any:
    match await create(c):
        case openai.types.chat.ChatCompletion(choices=[openai.types.chat.chat_completion.Choice(finish_reason=why)]):
            return why
    return None


@chat
async def its_request(c: Any) -> Any:
    response = await create(c)
    return [response._request_id, response.object, response.system_fingerprint, response.model]


# --- openai's helpers and raw responses ---------------------------------------------------


@helpers
async def parsed(c: Any) -> Any:
    arguments = {**BASE, "max_tokens": 20, "extra_body": GRAMMAR}
    response = await got(c.chat.completions.parse(**arguments, response_format=Place))
    return [response, response.choices[0].message.parsed]


@helpers
async def parsed_from_half_an_object(c: Any) -> Any:
    return await failure(
        lambda: c.chat.completions.parse(**{**BASE, "max_tokens": 2}, response_format=Place, extra_body=GRAMMAR)
    )


@helpers
async def streamed_events(c: Any) -> Any:
    async with within(c.chat.completions.stream(**BASE)) as events:
        seen = await taken(events)
        final = await got(events.get_final_completion())
    return [[event.type for event in seen], seen[-1], final]


@helpers
async def streamed_and_parsed(c: Any) -> Any:
    arguments = {**BASE, "max_tokens": 20, "extra_body": GRAMMAR}
    async with within(c.chat.completions.stream(**arguments, response_format=Place)) as events:
        return [type(events), await got(events.get_final_completion())]


@helpers
async def streamed_and_left(c: Any) -> Any:
    async with within(c.chat.completions.stream(**BASE)) as events:
        async for event in each(events):
            if event.type == "content.delta":
                return event
    return None


@helpers
async def raw(c: Any) -> Any:
    response = await got(c.chat.completions.with_raw_response.create(**BASE))
    assert response.elapsed.total_seconds() > 0
    request = response.http_request
    parsed = await got(response.parse())
    about = [response.status_code, headers_of(response.headers), response.http_version, response.is_closed]
    sent = [request.method, str(request.url.path), sorted(request.headers), request.content]
    return [type(response), about, sent, response.retries_taken, response.request_id, parsed]


@helpers
async def raw_text(c: Any) -> Any:
    response = await got(c.chat.completions.with_raw_response.create(**BASE))
    return [type(response.text), type(response.content), set(response.json()) if hasattr(response, "json") else None]


@helpers
async def a_raw_stream(c: Any) -> Any:
    response = await got(c.chat.completions.with_raw_response.create(**BASE, stream=True))
    stream = await got(response.parse())
    return [response.status_code, headers_of(response.headers), type(stream), await taken(stream)]


@helpers
async def a_raw_error(c: Any) -> Any:
    return await failure(lambda: c.chat.completions.with_raw_response.create(**BASE, n=2))


@helpers
async def streaming_response_parsed(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE)) as response:
        return [type(response), response.status_code, headers_of(response.headers), await got(response.parse())]


@helpers
async def streaming_response_as_json(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE)) as response:
        return await got(response.json())


@helpers
async def streaming_response_in_lines(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE, stream=True)) as response:
        lines = await taken(response.iter_lines())
    return [len([line for line in lines if line]), [line for line in lines if line][-1]]


@helpers
async def streaming_response_in_bytes(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE, stream=True)) as response:
        whole = b"".join(await taken(response.iter_bytes()))
    return [whole.count(b"data: "), whole[-16:]]


@helpers
async def streaming_response_in_text(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE, stream=True)) as response:
        return "".join(await taken(response.iter_text())).count("data: ")


@helpers
async def streaming_response_not_read(c: Any) -> Any:
    async with within(c.chat.completions.with_streaming_response.create(**BASE)) as response:
        open_ = response.is_closed
    return [open_, response.is_closed]


@helpers
async def the_list_of_models(c: Any) -> Any:
    page = await got(c.models.list())
    return [type(page), [model.id async for model in each(c.models.list())], page.has_next_page()]


@helpers
async def the_older_completions(c: Any) -> Any:
    return await got(c.completions.create(model=MODEL, prompt="Once", max_tokens=3, temperature=0, seed=1))


@helpers
async def the_older_completions_in_a_stream(c: Any) -> Any:
    asked = {"model": MODEL, "prompt": "Once", "max_tokens": 3, "temperature": 0, "seed": 1}
    return await taken(await got(c.completions.create(**asked, stream=True)))


@helpers
async def embeddings_that_are_not_served(c: Any) -> Any:
    return await failure(lambda: c.embeddings.create(model=MODEL, input="hello"))


@helpers
async def what_is_not_there(c: Any) -> Any:
    return await failure(c.files.list)


@helpers
async def responses_text(c: Any) -> Any:
    response = await got(c.responses.create(model=MODEL, input="Say hello.", max_output_tokens=4, temperature=0))
    return [response, response.output_text]


@helpers
async def responses_of_turns(c: Any) -> Any:
    turns = [{"role": "user", "content": "Say hello."}]
    return await got(
        c.responses.create(model=MODEL, input=turns, instructions="Be brief.", max_output_tokens=3, temperature=0)
    )


@helpers
async def responses_in_a_stream(c: Any) -> Any:
    stream = await got(
        c.responses.create(model=MODEL, input="Say hello.", max_output_tokens=3, temperature=0, stream=True)
    )
    return [type(stream), [[type(event), event.type] for event in await taken(stream)]]


@helpers
async def responses_refused(c: Any) -> Any:
    return await failure(lambda: c.responses.create(model=MODEL, input=3, max_output_tokens=3))


@helpers
async def responses_raw(c: Any) -> Any:
    response = await got(
        c.responses.with_raw_response.create(model=MODEL, input="Hi.", max_output_tokens=2, temperature=0)
    )
    return [response.status_code, headers_of(response.headers), (await got(response.parse())).output_text]


# --- the client itself --------------------------------------------------------------------


@wrapped_only
async def its_class(c: Any) -> Any:
    return [
        type(c),
        type(c).__name__,
        type(c).__doc__,
        [described(kind) for kind in type(c).__mro__ if kind.__module__ != "abc"][-3:],
    ]


@wrapped_only
async def its_options(c: Any) -> Any:
    return [
        c.base_url,
        c.timeout,
        c.max_retries,
        c.api_key,
        c.organization,
        c.default_headers.keys(),
        c.is_closed(),
        c.user_agent,
    ]


@wrapped_only
async def what_it_has(c: Any) -> Any:
    return {name for name in dir(c) if not name.startswith("_")} - {"greenai"}


@wrapped_only
async def its_resources(c: Any) -> Any:
    return [
        type(getattr(c, name)) for name in ("chat", "completions", "models", "files", "responses", "embeddings", "beta")
    ]


@wrapped_only
async def with_options(c: Any) -> Any:
    other = c.with_options(timeout=20, max_retries=1, default_headers={"x-own": "1"})
    return [type(other), other.timeout, other.max_retries, c.timeout, await create(other)]


@wrapped_only
async def a_copy(c: Any) -> Any:
    other = c.copy(api_key="other")
    return [type(other), other.api_key, c.api_key, await create(other)]


@wrapped_only
async def a_shallow_copy(c: Any) -> Any:
    return await create(copy.copy(c))


@wrapped_only
async def another_timeout(c: Any) -> Any:
    c.timeout = 25
    return [c.timeout, await create(c)]


@wrapped_only
async def another_path(c: Any) -> Any:
    return await failure(lambda: create(c.with_options(base_url=str(c.base_url) + "nowhere")))


@wrapped_only
async def its_own_verbs(c: Any) -> Any:
    body = {**BASE, "max_tokens": 2}
    posted = await got(c.post("/chat/completions", cast_to=object, body=body))
    return [posted["choices"], set(await got(c.get("/models", cast_to=object)))]


@wrapped_only
async def a_verb_into_openais_class(c: Any) -> Any:
    return await got(c.post("/chat/completions", cast_to=openai.types.chat.ChatCompletion, body=BASE))


@wrapped_only
async def closed(c: Any) -> Any:
    async with within(c) as same:
        inside = [same is c, same.is_closed()]
    return [inside, c.is_closed(), await failure(lambda: create(c))]


@wrapped_only
async def pickling_the_client(c: Any) -> Any:
    return isinstance(await failure(lambda: pickle.dumps(c)), (TypeError, pickle.PicklingError))


# --- both runs ----------------------------------------------------------------------------

WAYS = ("wrap", "wrap, awaited", "Client", "AsyncClient")
CASES = {
    **{(name, way): case for name, case in chat.cases.items() for way in WAYS[:3]},
    **{(name, way): case for name, case in helpers.cases.items() for way in WAYS},
    **{(name, way): case for name, case in wrapped_only.cases.items() for way in WAYS[:2]},
}


@pytest.mark.parametrize(("name", "way"), CASES, ids=lambda part: part)
def test_only_greenai_differs(origin: str, same: Callable[..., None], name: str, way: str) -> None:
    asynchronous = way in ("wrap, awaited", "AsyncClient")
    given: dict[str, Any] = {"base_url": f"{origin}/v1", "api_key": "key", "max_retries": 0}

    def bare() -> Any:
        return (openai.AsyncOpenAI if asynchronous else openai.OpenAI)(**given)

    def own() -> Any:
        return (greenai.AsyncClient if asynchronous else greenai.Client)(**given)

    same(CASES[name, way], bare, ours=own if "Client" in way else None, asynchronous=asynchronous)
