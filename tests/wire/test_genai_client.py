"""A client of google-genai that was wrapped, held against the bare one on a real socket."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import host_scenes as scenes
import pytest
from pydantic import BaseModel
from servers import Scripted

import greenai
from greenai import BudgetExceeded, OptInRequired, wrap

genai = pytest.importorskip("google.genai")

QUESTION = "What is the capital of France?"
ASKED: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": QUESTION}
OTHER: dict[str, Any] = {**ASKED, "contents": "What is the capital of Italy?"}
ANSWER = scenes.either(scenes.content(), scenes.content_events())
BODY = {"contents": [{"parts": [{"text": QUESTION}], "role": "user"}]}
OPENED: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def bare(server: Scripted, **changes: Any) -> Any:
    client = genai.Client(api_key="key", http_options={"base_url": server.origin, **changes})
    OPENED.append(client)
    return client


@pytest.fixture
def client(scripted: Scripted) -> Any:
    scripted.play(ANSWER)
    return wrap(bare(scripted))


def plain(response: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = response.model_dump(exclude={"sdk_http_response"})
    return dumped


def test_it_is_of_the_same_type_and_the_apps_own_client_stays_bare(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = bare(scripted)
    client: Any = wrap(own)
    assert isinstance(client, genai.Client)
    for name in ("models", "chats", "files", "caches", "aio"):
        assert (type(getattr(client, name)).__qualname__) == type(getattr(own, name)).__qualname__
    assert isinstance(client.models, genai.models.Models)
    assert not hasattr(own.models.generate_content(**ASKED), "greenai")
    assert client.models.generate_content(**ASKED).greenai.outcome == "large"


def test_a_response_is_the_bare_one_but_for_its_receipt(scripted: Scripted, client: Any) -> None:
    config = {"temperature": 0.3, "thinking_config": {"thinking_budget": 0}}
    theirs = bare(scripted).models.generate_content(**ASKED, config=config)
    ours = client.models.generate_content(**ASKED, config=config)
    assert type(ours) is type(theirs)
    assert plain(ours) == plain(theirs)
    assert isinstance(ours.greenai, greenai.Receipt)
    assert ours.greenai.attempts[0].usage.input_tokens == 127
    assert pickle.loads(pickle.dumps(ours)).greenai == ours.greenai
    assert "greenai" not in ours.model_dump()
    assert scripted.bodies[0] == scripted.bodies[1]
    ours_headers, theirs_headers = ({**r.headers, "host": "", "content-length": ""} for r in scripted.requests)
    assert ours_headers == theirs_headers


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, client: Any) -> None:
    first, again = (client.models.generate_content(**ASKED) for _ in range(2))
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")
    assert {**plain(again), "response_id": ""} == {**plain(first), "response_id": ""}
    *_, last = client.models.generate_content_stream(**ASKED)
    assert last.greenai.outcome == "cache"
    assert len(scripted.requests) == 1


def test_another_key_shares_no_answer(scripted: Scripted, client: Any) -> None:
    client.models.generate_content(**ASKED)
    other = genai.Client(api_key="another", http_options={"base_url": scripted.origin})
    OPENED.append(other)
    assert wrap(other).models.generate_content(**ASKED).greenai.outcome == "large"


def test_a_stream_is_relayed_and_its_last_part_has_the_receipt(scripted: Scripted, client: Any) -> None:
    theirs = bare(scripted).models.generate_content_stream(**ASKED)
    ours = client.models.generate_content_stream(**ASKED)
    assert inspect.isgenerator(ours) is inspect.isgenerator(theirs)
    parts = list(ours)
    assert list(map(plain, parts)) == list(map(plain, theirs))
    assert not hasattr(parts[0], "greenai")
    assert parts[-1].greenai.attempts[0].usage.output_tokens == 5
    assert greenai.last_receipt() == parts[-1].greenai
    assert client.models.generate_content(**ASKED).greenai.outcome == "cache"


def test_chats_and_functions_that_the_library_calls_itself(scripted: Scripted, client: Any) -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"22 degrees in {city}"

    call = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
    scripted.play(scenes.whole(scenes.content(call)), ANSWER, ANSWER)
    config = {"tools": [weather]}
    answered = client.models.generate_content(**ASKED, config=config)
    assert answered.text == "Hello there."
    assert answered.greenai.outcome == "large"
    assert "22 degrees in Paris" in str(scripted.bodies[1]["contents"][2])
    chat = client.chats.create(model="gemini-2.5-flash")
    first, second = chat.send_message("Hello, who are you?"), chat.send_message("And what can you do?")
    assert (first.greenai.outcome, second.greenai.outcome) == ("large", "large")
    assert len(scripted.bodies[-1]["contents"]) == 3
    assert [part.text for part in chat.send_message_stream("Once more, please?")] == ["Hello ", "there."]


def test_requests_that_ask_no_model_pass_as_they_are(scripted: Scripted, client: Any) -> None:
    scripted.play(scenes.whole({"totalTokens": 9}))
    counted = client.models.count_tokens(**ASKED)
    assert counted.total_tokens == 9
    assert not hasattr(counted, "greenai")


def test_what_a_search_found_is_not_kept(scripted: Scripted, client: Any) -> None:
    for _ in range(2):
        answered = client.models.generate_content(**ASKED, config={"tools": [{"google_search": {}}]})
        assert answered.greenai.outcome == "large"
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_errors_are_the_providers_own(scripted: Scripted, client: Any, status: int) -> None:
    scripted.play(scenes.google_error(status))
    errors = []
    for one in (bare(scripted), client):
        with pytest.raises(genai.errors.APIError) as raised:
            one.models.generate_content(**ASKED)
        errors.append(raised.value)
        with pytest.raises(genai.errors.APIError):
            list(one.models.generate_content_stream(**ASKED))
    theirs, ours = errors
    assert type(ours) is type(theirs)
    assert (str(ours), ours.code, ours.status, ours.details) == (str(theirs), status, theirs.status, theirs.details)


def test_the_library_retries_as_it_does(scripted: Scripted) -> None:
    options = {"attempts": 3, "initial_delay": 0.001, "max_delay": 0.002}
    client = wrap(bare(scripted, retry_options=options))
    scripted.play(scenes.google_error(500), scenes.google_error(429), ANSWER)
    assert client.models.generate_content(**ASKED).text == "Hello there."
    assert len(scripted.requests) == 3


def test_a_stream_that_the_server_cuts_is_settled(scripted: Scripted, client: Any) -> None:
    errors = []
    for one in (bare(scripted), client):
        scripted.play(scenes.events(scenes.content_events("a ", "b ", "c"), cut_after=2))
        with pytest.raises(Exception) as raised:  # httpx's own, whichever it is
            list(one.models.generate_content_stream(**ASKED))
        errors.append(type(raised.value))
    assert errors[0] is errors[1]
    receipt = greenai.last_receipt()
    assert receipt is not None
    assert (receipt.attempts[0].state, receipt.attempts[0].usage.output_tokens) == ("cut", 2)


def test_a_stream_that_is_not_read_to_its_end_is_settled(client: Any) -> None:
    from greenai.background import background

    parts = client.models.generate_content_stream(**ASKED)
    next(parts)
    parts.close()
    del parts
    gc.collect()
    background.drain()
    ledger = client.greenai._session.resources.ledger
    (call,) = ledger.recent()
    assert [attempt["state"] for attempt in ledger.attempts(call["call_id"])] == ["cut"]


def test_a_spent_budget_is_raised_at_once_and_nothing_is_sent(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    settings = {"projects": {"bot": {"budget": {"calls": "1/hour"}}}}
    options = {"attempts": 3, "initial_delay": 0.001, "max_delay": 0.002}
    client: Any = wrap(bare(scripted, retry_options=options), settings=settings, project="bot")
    client.models.generate_content(**ASKED)
    with pytest.raises(BudgetExceeded, match="bot"):
        client.models.generate_content(**OTHER)
    with pytest.raises(BudgetExceeded, match="bot"):
        list(client.models.generate_content_stream(**OTHER))

    async def awaited() -> None:
        with pytest.raises(BudgetExceeded, match="bot"):
            await client.aio.models.generate_content(**OTHER)
        with pytest.raises(BudgetExceeded, match="bot"):
            async for _ in await client.aio.models.generate_content_stream(**OTHER):
                pass

    asyncio.run(awaited())
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3.5-flash", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", {"thinkingLevel": "low"}),
        ("gemini-2.5-flash-lite", None),
        ("a-model-nobody-knows", None),
    ],
)
def test_without_an_opt_in_nothing_turns_reasoning_on(
    scripted: Scripted, client: Any, model: str, fields: dict[str, Any] | None
) -> None:
    client.models.generate_content(**{**ASKED, "model": model})
    list(client.models.generate_content_stream(**{**OTHER, "model": model}))
    config = {} if fields is None else {"generationConfig": {"thinkingConfig": fields}}
    assert scripted.bodies[0] == {**BODY, **config}
    assert scripted.bodies[1].get("generationConfig") == config.get("generationConfig")
    assert [r.path.partition("/models/")[2] for r in scripted.requests] == [
        f"{model}:generateContent",
        f"{model}:streamGenerateContent?alt=sse",
    ]


def test_an_explicit_field_is_the_calls_own_opt_in(scripted: Scripted, client: Any) -> None:
    config = {"thinking_config": {"thinking_budget": 512, "include_thoughts": True}}
    receipt = client.models.generate_content(**ASKED, config=config).greenai
    assert scripted.bodies[0]["generationConfig"] == {
        "thinkingConfig": {"thinking_budget": 512, "include_thoughts": True}  # the API takes both spellings
    }
    assert receipt.decision.opt_ins == ("reasoning",)


def test_reasoning_needs_an_opt_in_where_it_is_strict(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    settings: dict[str, Any] = {"strict_opt_in": True, "cache": "off"}
    client: Any = wrap(bare(scripted), settings=settings)
    config = {"thinking_config": {"thinking_budget": 512}, "temperature": 0.5}
    client.models.generate_content(**ASKED, config=config)
    with client.greenai.opt_in("reasoning", reason="a hard question"):
        client.models.generate_content(**ASKED, config=config)
    assert [body["generationConfig"] for body in scripted.bodies] == [
        {"temperature": 0.5, "thinkingConfig": {"thinkingBudget": 0}},
        {"temperature": 0.5, "thinkingConfig": {"thinking_budget": 512}},
    ]
    refusing: Any = wrap(bare(scripted), settings={**settings, "without_opt_in": "refuse"})
    with pytest.raises(OptInRequired, match="An argument of this call asks for reasoning"):
        refusing.models.generate_content(**ASKED, config=config)


def test_awaited_and_in_loops_one_after_another(scripted: Scripted) -> None:
    scripted.play(ANSWER)

    async def once(client: Any) -> list[Any]:
        whole = await client.aio.models.generate_content(**ASKED)
        stream = await client.aio.models.generate_content_stream(**OTHER)
        assert inspect.isasyncgen(stream)
        parts = [part async for part in stream]
        chat = client.aio.chats.create(model="gemini-2.5-flash")
        said = await chat.send_message("Name a colour, please, any colour.")
        # The library closes the connections of a loop only where it is told to.
        await client._greenai_of.aio._api_client._async_httpx_client._client_for_running_loop().aclose()
        return [whole.greenai.outcome, parts[-1].greenai.outcome, "".join(p.text for p in parts), said.text]

    client = wrap(bare(scripted))
    outcomes = [asyncio.run(once(client)) for _ in range(3)]
    assert outcomes[0] == ["large", "large", "Hello there.", "Hello there."]
    assert outcomes[1] == outcomes[2] == ["cache", "cache", "Hello there.", "Hello there."]


def test_an_awaited_stream_that_is_cut_is_settled(scripted: Scripted, client: Any) -> None:
    async def cut() -> Any:
        scripted.play(scenes.events(scenes.content_events("a ", "b ", "c"), cut_after=2))
        with pytest.raises(Exception):  # noqa: B017  # httpx's own, whichever it is
            async for _ in await client.aio.models.generate_content_stream(**ASKED):
                pass
        await client._greenai_of.aio._api_client._async_httpx_client._client_for_running_loop().aclose()
        return greenai.last_receipt()

    receipt = asyncio.run(cut())
    assert receipt.attempts[0].state == "cut"


def test_closing_and_collecting(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = bare(scripted)
    wrap(own).models.generate_content(**ASKED)
    gc.collect()
    assert own.models.generate_content(**ASKED).text
    only: Any = wrap(bare(scripted))
    gc.collect()
    assert only.models.generate_content(**ASKED).text
    with only:
        assert only.models.generate_content(**ASKED).text
    assert only._greenai_of._api_client._httpx_client.is_closed
    asyncio.run(only.aio.aclose())
    assert only._greenai_of._api_client._async_httpx_client.is_closed


def test_vertex_is_booked_as_vertex(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = genai.Client(vertexai=True, api_key="key", http_options={"base_url": scripted.origin})
    OPENED.append(own)
    client: Any = wrap(own)
    assert client.vertexai
    assert client.models.generate_content(**ASKED).greenai.model == "endpoint/gemini-2.5-flash"
    assert scripted.requests[0].path.endswith("publishers/google/models/gemini-2.5-flash:generateContent")


def test_a_client_that_is_wrapped_twice_books_a_call_once(scripted: Scripted, client: Any) -> None:
    twice: Any = wrap(client)
    assert twice.models.generate_content(**ASKED).greenai.outcome == "large"
    assert len(scripted.requests) == 1
    assert len(twice.greenai._session.resources.ledger.recent()) == 1


def test_its_structured_answers_are_parsed(scripted: Scripted, client: Any) -> None:
    class Place(BaseModel):
        city: str

    scripted.play(scenes.whole(scenes.content('{"city": "Paris"}')))
    config = {"response_mime_type": "application/json", "response_schema": Place}
    first, again = (client.models.generate_content(**ASKED, config=config) for _ in range(2))
    assert first.parsed == again.parsed == Place(city="Paris")
    assert [response.greenai.outcome for response in (first, again)] == ["large", "cache"]
