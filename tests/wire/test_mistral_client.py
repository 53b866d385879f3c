"""A client of mistralai that was wrapped, held against the bare one on a real socket; and Mistral's own chat API."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
from collections.abc import Iterator
from typing import Any

import host_scenes as scenes
import pytest
from pydantic import BaseModel
from servers import Scripted, answer, completion_body, status

import greenai
from greenai import BudgetExceeded, InvalidRequest, OptInRequired, wrap
from greenai.background import background

mistralai = pytest.importorskip("mistralai.client")

ASKED: dict[str, Any] = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
OTHER: dict[str, Any] = {**ASKED, "messages": [{"role": "user", "content": "What is the capital of Italy?"}]}
ANSWER = scenes.either(completion_body("Hello there."), scenes.chunks())
OPENED: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        client = OPENED.pop()
        if client.sdk_configuration.client is not None:
            client.sdk_configuration.client.close()


def bare(server: Scripted, **changes: Any) -> Any:
    client = mistralai.Mistral(api_key="key", server_url=server.origin, **changes)
    OPENED.append(client)
    return client


@pytest.fixture
def client(scripted: Scripted) -> Any:
    scripted.play(ANSWER)
    return wrap(bare(scripted))


def text_of(stream: Any) -> str:
    return "".join(event.data.choices[0].delta.content or "" for event in stream)


def test_it_is_of_the_same_type_and_the_apps_own_client_stays_bare(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = bare(scripted)
    assert not hasattr(own.chat.complete(**ASKED), "greenai")
    client: Any = wrap(own)
    assert isinstance(client, mistralai.Mistral)
    assert (type(client).__name__, type(client).__module__) == (type(own).__name__, type(own).__module__)
    assert type(client.chat).__name__ == type(own.chat).__name__
    assert client.chat is client.chat
    assert client.chat.complete(**ASKED).greenai.outcome == "large"
    assert not hasattr(own.chat.complete(**ASKED), "greenai")


def test_a_response_is_the_bare_one_but_for_its_receipt(scripted: Scripted, client: Any) -> None:
    own = {**ASKED, "temperature": 0.3, "reasoning_effort": "none"}
    theirs, ours = bare(scripted).chat.complete(**own), client.chat.complete(**own)
    assert type(ours) is type(theirs)
    assert ours == theirs
    assert ours.model_dump() == theirs.model_dump()
    assert isinstance(ours.greenai, greenai.Receipt)
    assert pickle.loads(pickle.dumps(ours)).greenai == ours.greenai
    assert scripted.bodies[0] == scripted.bodies[1]


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, client: Any) -> None:
    first, again = client.chat.complete(**ASKED), client.chat.complete(**ASKED)
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")
    assert again.choices == first.choices
    with client.chat.stream(**ASKED) as stream:
        *_, last = stream
    assert (stream.greenai.outcome, last.data.usage) == ("cache", first.usage)
    assert last.data.choices[0].finish_reason == "stop"
    assert len(scripted.requests) == 1


def test_a_stream_is_relayed_and_has_its_receipt_at_the_end(scripted: Scripted, client: Any) -> None:
    theirs = bare(scripted).chat.stream(**ASKED, reasoning_effort="none")
    ours = client.chat.stream(**ASKED, reasoning_effort="none")
    assert type(ours) is type(theirs)
    assert ours.greenai is None
    assert [event.data.model_dump() for event in ours] == [event.data.model_dump() for event in theirs]
    assert ours.greenai.attempts[0].usage.output_tokens == 5
    assert scripted.bodies[0] == scripted.bodies[1]
    assert "stream_options" not in scripted.bodies[1], "the API refuses a field that it does not know"


def test_its_own_helpers_work(scripted: Scripted, client: Any) -> None:
    class Place(BaseModel):
        city: str

    scripted.play(answer('{"city": "Paris"}'), ANSWER)
    parsed = client.chat.parse(Place, **ASKED)
    assert parsed.choices[0].message.parsed == Place(city="Paris")
    assert parsed.greenai.outcome == "large"
    stream = client.chat.parse_stream(Place, **OTHER)
    assert text_of(stream) == "Hello there."
    assert stream.greenai.outcome == "large"


def test_thoughts_are_told_from_the_text(scripted: Scripted, client: Any) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}
    body = completion_body()
    body["choices"][0]["message"]["content"] = [thought, {"type": "text", "text": "Paris."}]
    piece = {"index": 0, "delta": {"content": [thought]}, "finish_reason": None}
    first = f"data: {json.dumps({**body, 'object': 'chat.completion.chunk', 'choices': [piece]})}\n\n".encode()
    scripted.play(scenes.whole(body), scenes.events([first, *scenes.chunks()]))
    magistral = {**ASKED, "model": "magistral-medium-latest"}
    ours = client.chat.complete(**magistral)
    assert ours.choices[0].message.content[1].text == "Paris."
    stream = client.chat.stream(**{**OTHER, "model": "magistral-medium-latest"})
    assert len(list(stream)) == 4
    assert [one.greenai.reasoning for one in (ours, stream)] == [True, True]


def test_a_tool_loop(scripted: Scripted, client: Any) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    body = completion_body(None)
    body["choices"][0] = {"index": 0, "message": {"role": "assistant", "content": "", "tool_calls": [call]}, "finish_reason": "tool_calls"}  # fmt: skip
    scripted.play(scenes.whole(body), ANSWER)
    first = client.chat.complete(**ASKED, tools=[tool])
    assert first.choices[0].message.tool_calls[0].function.name == "weather"
    turns = [*ASKED["messages"], first.choices[0].message, {"role": "tool", "tool_call_id": "abcdefghi", "content": "22"}]  # fmt: skip
    last = client.chat.complete(**{**ASKED, "messages": turns}, tools=[tool])
    assert last.choices[0].message.content == "Hello there."
    assert [receipt.greenai.outcome for receipt in (first, last)] == ["large", "large"]


def test_requests_of_other_kinds_pass_as_they_are(scripted: Scripted, client: Any) -> None:
    scripted.play(answer("return 1"), answer("Hi."))
    assert client.fim.complete(model="codestral-latest", prompt="def one():").choices[0].message.content == "return 1"
    agent = client.agents.complete(agent_id="ag:1", messages=ASKED["messages"])
    assert agent.choices[0].message.content == "Hi."
    assert not hasattr(agent, "greenai")
    assert [r.path for r in scripted.requests] == ["/v1/fim/completions", "/v1/agents/completions"]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 429, 500, 503])
def test_errors_are_the_providers_own(scripted: Scripted, client: Any, code: int) -> None:
    scripted.play(scenes.whole({"detail": [{"loc": ["body"], "msg": "no", "type": "t"}]}, status=code))
    errors = []
    for one in (bare(scripted), client):
        with pytest.raises(mistralai.errors.MistralError) as raised:
            one.chat.complete(**ASKED)
        errors.append(raised.value)
        with pytest.raises(mistralai.errors.MistralError):
            one.chat.stream(**ASKED)
    theirs, ours = errors
    assert type(ours) is type(theirs)
    assert (ours.message, ours.status_code, ours.body) == (theirs.message, code, theirs.body)


def test_the_library_retries_as_it_does(scripted: Scripted) -> None:
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    retries = RetryConfig("backoff", BackoffStrategy(1, 2, 1.0, 5000), False)
    client = wrap(bare(scripted, retry_config=retries))
    scripted.play(status(500), status(429), ANSWER)
    assert client.chat.complete(**ASKED).choices[0].message.content == "Hello there."
    assert len(scripted.requests) == 3


def test_a_stream_that_the_server_cuts_is_settled(scripted: Scripted, client: Any) -> None:
    errors = []
    for one in (bare(scripted), client):
        scripted.play(scenes.events(scenes.chunks(), cut_after=1))
        with pytest.raises(Exception) as raised, one.chat.stream(**ASKED) as stream:  # httpx's own, whichever it is
            list(stream)
        errors.append(type(raised.value))
    assert errors[0] is errors[1]
    assert stream.greenai.attempts[0].state == "cut"


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_stream_that_is_not_read_to_its_end_is_settled(client: Any, how: str) -> None:
    stream = client.chat.stream(**ASKED)
    next(stream)
    if how == "closed":
        with stream:
            pass
        assert stream.greenai.attempts[0].state == "cut"
    del stream
    gc.collect()
    background.drain()
    ledger = client.greenai._session.resources.ledger
    (call,) = ledger.recent()
    assert [attempt["state"] for attempt in ledger.attempts(call["call_id"])] == ["cut"]


def test_a_spent_budget_is_raised_at_once_and_nothing_is_sent(scripted: Scripted) -> None:
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    scripted.play(ANSWER)
    settings = {"projects": {"bot": {"budget": {"calls": "1/hour"}}}}
    retries = RetryConfig("backoff", BackoffStrategy(1, 2, 1.0, 5000), True)
    client: Any = wrap(bare(scripted, retry_config=retries), settings=settings, project="bot")
    client.chat.complete(**ASKED)
    with pytest.raises(BudgetExceeded, match="bot"):
        client.chat.complete(**OTHER)
    with pytest.raises(BudgetExceeded, match="bot"):
        client.chat.stream(**OTHER)

    async def awaited() -> None:
        with pytest.raises(BudgetExceeded, match="bot"):
            await client.chat.complete_async(**OTHER)
        with pytest.raises(BudgetExceeded, match="bot"):
            await client.chat.stream_async(**OTHER)

    asyncio.run(awaited())
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("mistral-small-latest", {"reasoning_effort": "none"}),
        ("magistral-medium-latest", {}),
        ("mistral-large-latest", {}),
        ("a-model-nobody-knows", {}),
    ],
)
def test_without_an_opt_in_nothing_turns_reasoning_on(
    scripted: Scripted, client: Any, model: str, fields: dict[str, Any]
) -> None:
    client.chat.complete(**{**ASKED, "model": model})
    list(client.chat.stream(**{**OTHER, "model": model}))
    assert scripted.bodies == [
        {**ASKED, "model": model, "stream": False, **fields},
        {**OTHER, "model": model, "stream": True, **fields},
    ]


def test_an_explicit_field_is_the_calls_own_opt_in(scripted: Scripted, client: Any) -> None:
    receipt = client.chat.complete(**ASKED, reasoning_effort="high").greenai
    assert scripted.bodies[0]["reasoning_effort"] == "high"
    assert receipt.decision.opt_ins == ("reasoning",)


def test_reasoning_needs_an_opt_in_where_it_is_strict(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    settings: dict[str, Any] = {"strict_opt_in": True, "cache": "off"}
    client: Any = wrap(bare(scripted), settings=settings)
    client.chat.complete(**ASKED, reasoning_effort="high")
    with client.greenai.opt_in("reasoning", reason="a hard question"):
        client.chat.complete(**ASKED, reasoning_effort="high")
    assert [body["reasoning_effort"] for body in scripted.bodies] == ["none", "high"]
    refusing: Any = wrap(bare(scripted), settings={**settings, "without_opt_in": "refuse"})
    with pytest.raises(OptInRequired, match="An argument of this call asks for reasoning"):
        refusing.chat.complete(**ASKED, reasoning_effort="high")


def test_awaited_and_in_loops_one_after_another(scripted: Scripted) -> None:
    scripted.play(ANSWER)

    async def once() -> list[Any]:
        async with mistralai.Mistral(api_key="key", server_url=scripted.origin) as own:
            client: Any = wrap(own)
            whole = await client.chat.complete_async(**ASKED)
            stream = await client.chat.stream_async(**OTHER)
            said = "".join([event.data.choices[0].delta.content or "" async for event in stream])
            own.sdk_configuration.client.close()
            return [whole.greenai.outcome, stream.greenai.outcome, said]

    outcomes = [asyncio.run(once()) for _ in range(3)]
    assert outcomes == [["large", "large", "Hello there."], *[["cache", "cache", "Hello there."]] * 2]


def test_collecting_a_wrapped_client_does_not_close_the_apps_own(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = bare(scripted)
    wrap(own).chat.complete(**ASKED)
    gc.collect()
    assert own.chat.complete(**ASKED).choices
    only = wrap(bare(scripted))
    gc.collect()
    assert only.chat.complete(**ASKED).choices


def test_an_http_client_that_is_not_httpxs_is_refused(scripted: Scripted) -> None:
    class Own:
        def send(self) -> None: ...
        def build_request(self) -> None: ...
        def close(self) -> None: ...

    with pytest.raises(InvalidRequest) as raised:
        wrap(bare(scripted, client=Own()))
    assert str(raised.value) == (
        "wrap() needs an HTTP client of httpx in client= of this Mistral client, which has a "
        f"{__name__}.{Own.__qualname__}. Leave client= out, or pass one of httpx's."
    )


def test_a_client_that_is_wrapped_twice_books_a_call_once(scripted: Scripted, client: Any) -> None:
    twice: Any = wrap(client)
    assert twice.chat.complete(**ASKED).greenai.outcome == "large"
    assert len(scripted.requests) == 1
    assert len(twice.greenai._session.resources.ledger.recent()) == 1
