"""An anthropic client that was wrapped, held against the bare one on a real socket."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import host_scenes as scenes
import pytest
from pydantic import BaseModel
from servers import Scripted, answer

import greenai
from greenai import BudgetExceeded, OptInRequired, wrap
from greenai.background import background
from greenai.integrations.wrap import host_at
from greenai.wire.exchange import Host

anthropic = pytest.importorskip("anthropic")

QUESTION = "What is the capital of France?"
ASKED: dict[str, Any] = {"model": scenes.MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}
ANSWER = scenes.either(scenes.message(), scenes.message_events())
TOOL = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}


OPENED: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def bare(server: Scripted, **changes: Any) -> Any:
    client = anthropic.Anthropic(base_url=server.origin, api_key="key", **{"max_retries": 0, **changes})
    OPENED.append(client)
    return client


@pytest.fixture
def client(scripted: Scripted) -> Any:
    scripted.play(ANSWER)
    return wrap(bare(scripted))


def test_it_is_of_the_same_type_and_the_apps_own_client_stays_bare(scripted: Scripted, client: Any) -> None:
    own = bare(scripted)
    assert isinstance(client, anthropic.Anthropic)
    assert (type(client).__name__, type(client).__module__) == (type(own).__name__, type(own).__module__)
    assert not hasattr(own.messages.create(**ASKED), "greenai")


def test_a_message_is_the_bare_one_but_for_its_receipt(scripted: Scripted, client: Any) -> None:
    theirs, ours = bare(scripted).messages.create(**ASKED), client.messages.create(**ASKED)
    assert type(ours) is type(theirs)
    dumped = ours.to_dict()
    assert dumped.pop("greenai")
    assert isinstance(ours.greenai, greenai.Receipt)
    assert dumped == theirs.to_dict()
    assert ours._request_id == theirs._request_id
    assert pickle.loads(pickle.dumps(ours)).greenai == ours.greenai
    assert scripted.bodies[0] == scripted.bodies[1]
    assert ours.greenai.attempts[0].usage.input_tokens == 127


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, client: Any) -> None:
    first, again = client.messages.create(**ASKED), client.messages.create(**ASKED)
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")
    assert {**again.to_dict(), "greenai": None, "id": ""} == {**first.to_dict(), "greenai": None, "id": ""}
    assert again.id != first.id
    with client.messages.stream(**ASKED) as stream:
        assert "".join(stream.text_stream) == "Hello there."
        assert stream.get_final_message().usage == first.usage
    assert greenai.last_receipt().outcome == "cache"  # type: ignore[union-attr]
    assert len(scripted.requests) == 1


def test_a_stream_is_relayed_and_has_its_receipt_at_the_end(scripted: Scripted, client: Any) -> None:
    theirs = [event.to_dict() for event in bare(scripted).messages.create(**ASKED, stream=True)]
    stream = client.messages.create(**ASKED, stream=True)
    assert stream.greenai is None
    assert [event.to_dict() for event in stream] == theirs
    assert stream.greenai.attempts[0].usage.output_tokens == 5
    assert scripted.bodies[0] == scripted.bodies[1]
    assert client.messages.create(**ASKED).greenai.outcome == "cache"


def test_anthropics_own_helpers_work(scripted: Scripted, client: Any) -> None:
    with client.messages.stream(**ASKED) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_text() == "Hello there."
    assert kinds[-1] == "message_stop"
    assert greenai.last_receipt().outcome == "large"  # type: ignore[union-attr]
    raw = client.messages.with_raw_response.create(**ASKED)
    assert (raw.status_code, raw.parse().content[0].text) == (200, "Hello there.")
    assert raw.greenai.outcome == "cache"
    with client.messages.with_streaming_response.create(**{**ASKED, "max_tokens": 60}) as response:
        assert b"msg_1" in response.read()
    assert response.greenai.outcome == "large"
    assert client.beta.messages.create(**ASKED).greenai.model == f"endpoint/{scenes.MODEL}"
    assert client.with_options(timeout=9).messages.create(**ASKED).greenai.outcome == "cache"


def test_a_stream_that_is_awaited_is_the_last_receipt_too(scripted: Scripted) -> None:
    scripted.play(ANSWER)

    async def receipts() -> list[Any]:
        async with anthropic.AsyncAnthropic(base_url=scripted.origin, api_key="key", max_retries=0) as own:
            client: Any = wrap(own)
            stream = await client.messages.create(**ASKED, stream=True)
            _ = [event async for event in stream]
            found = [stream.greenai, greenai.last_receipt()]
            async with client.messages.stream(**{**ASKED, "max_tokens": 60}) as helper:
                _ = [event async for event in helper]
            return [*found, greenai.last_receipt()]

    first, told, of_the_helper = asyncio.run(receipts())
    assert told == first
    assert of_the_helper.call_id not in {None, first.call_id}


def test_requests_that_ask_no_model_pass_as_they_are(scripted: Scripted, client: Any) -> None:
    scripted.play(scenes.whole({"input_tokens": 9}))
    counted = client.messages.count_tokens(model=scenes.MODEL, messages=ASKED["messages"])
    assert counted.input_tokens == 9
    assert scripted.requests[0].path == "/v1/messages/count_tokens"


def test_a_tool_loop(scripted: Scripted, client: Any) -> None:
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    called = scenes.whole(scenes.message(content=[use], stop_reason="tool_use"))
    scripted.play(called, called, ANSWER)
    first = client.messages.create(**ASKED, tools=[TOOL])
    again = client.messages.create(**ASKED, tools=[TOOL])
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "large"), "calls of tools are not kept"
    turns = [
        *ASKED["messages"],
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "22 degrees"}]},
    ]
    last = client.messages.create(**{**ASKED, "messages": turns}, tools=[TOOL])
    assert last.content[0].text == "Hello there."
    assert scripted.bodies[2]["messages"][1]["content"][0]["input"] == {"city": "Paris"}
    assert scripted.bodies[2]["tools"] == [TOOL]


def test_its_tool_runner_works(scripted: Scripted, client: Any) -> None:
    @anthropic.beta_tool
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
            city: where.
        """
        return f"22 degrees in {city}"

    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    scripted.play(scenes.whole(scenes.message(content=[use], stop_reason="tool_use")), ANSWER)
    runner = client.beta.messages.tool_runner(**ASKED, tools=[weather])
    assert runner.until_done().content[0].text == "Hello there."
    assert "22 degrees in Paris" in str(scripted.bodies[1]["messages"])
    # The provider keeps such a conversation, so an answer in it is nobody else's.
    scripted.play(scenes.whole(scenes.message(content=[use], stop_reason="tool_use")), ANSWER)
    client.beta.messages.tool_runner(**ASKED, tools=[weather]).until_done()
    assert len(scripted.requests) == 2


def test_what_a_server_tool_found_is_not_kept(scripted: Scripted, client: Any) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    for _ in range(2):
        assert client.messages.create(**ASKED, tools=[search]).greenai.outcome == "large"
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 529])
def test_errors_are_the_providers_own(scripted: Scripted, client: Any, status: int) -> None:
    errors = []
    for one in (bare(scripted), client):
        scripted.play(scenes.anthropic_error(status, **{"request-id": "r1"}))
        with pytest.raises(anthropic.APIStatusError) as raised:
            one.messages.create(**ASKED)
        errors.append(raised.value)
    theirs, ours = errors
    assert type(ours) is type(theirs)
    assert (str(ours), ours.body, ours.request_id) == (str(theirs), theirs.body, "r1")


def test_the_library_retries_as_it_does(scripted: Scripted) -> None:
    client = wrap(bare(scripted, max_retries=2))
    again = {"retry-after-ms": "1"}
    scripted.play(scenes.anthropic_error(500, **again), scenes.anthropic_error(429, **again), ANSWER)
    assert client.messages.create(**ASKED).content[0].text == "Hello there."
    assert [r.headers["x-stainless-retry-count"] for r in scripted.requests] == ["0", "1", "2"]


def test_a_stream_that_the_server_cuts_is_settled(scripted: Scripted, client: Any) -> None:
    errors = []
    for one in (bare(scripted), client):
        scripted.play(scenes.events(scenes.message_events(), cut_after=4))
        stream = one.messages.create(**ASKED, stream=True)
        with pytest.raises(Exception) as raised, stream:  # httpx's own, whichever it is
            list(stream)
        errors.append(type(raised.value))
    assert errors[0] is errors[1]
    (attempt,) = stream.greenai.attempts
    assert (attempt.state, attempt.usage.estimated) == ("cut", True)


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_stream_that_is_not_read_to_its_end_is_settled(client: Any, how: str) -> None:
    stream = client.messages.create(**ASKED, stream=True)
    next(stream)
    if how == "closed":
        stream.close()
        assert stream.greenai.attempts[0].state == "cut"
    del stream
    gc.collect()
    background.drain()
    ledger = client.greenai._session.resources.ledger
    (call,) = ledger.recent()
    assert [attempt["state"] for attempt in ledger.attempts(call["call_id"])] == ["cut"]


def test_a_spent_budget_is_raised_at_once_and_nothing_is_sent(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    settings = {"projects": {"bot": {"budget": {"calls": "1/hour"}}}}
    client = wrap(bare(scripted, max_retries=2), settings=settings, project="bot")
    client.messages.create(**ASKED)
    with pytest.raises(BudgetExceeded, match="bot"):
        client.messages.create(**{**ASKED, "max_tokens": 51})
    with pytest.raises(BudgetExceeded, match="bot"), client.messages.stream(**{**ASKED, "max_tokens": 51}):
        pass
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("claude-haiku-4-5", {}),
        ("claude-opus-4-8", {}),
        ("claude-sonnet-5", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
        ("claude-opus-5-5", {"output_config": {"effort": "low"}}),
        ("a-model-nobody-knows", {}),
    ],
)
def test_without_an_opt_in_nothing_turns_reasoning_on(
    scripted: Scripted, client: Any, model: str, fields: dict[str, Any]
) -> None:
    client.messages.create(**{**ASKED, "model": model})
    assert scripted.bodies == [{**ASKED, "model": model, **fields}]
    list(client.messages.create(**{**ASKED, "model": model, "max_tokens": 51}, stream=True))
    assert scripted.bodies[1] == {**ASKED, "model": model, "max_tokens": 51, "stream": True, **fields}


@pytest.mark.parametrize(
    "own",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        {"output_config": {"effort": "medium"}},
    ],
)
def test_an_explicit_field_is_the_calls_own_opt_in(scripted: Scripted, client: Any, own: dict[str, Any]) -> None:
    asked = {**ASKED, "max_tokens": 4000, "model": "claude-sonnet-5", **own}
    receipt = client.messages.create(**asked).greenai
    assert scripted.bodies == [asked]
    assert receipt.decision.opt_ins == ("reasoning",)


def test_reasoning_needs_an_opt_in_where_it_is_strict(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    settings: dict[str, Any] = {"strict_opt_in": True, "cache": "off"}
    client: Any = wrap(bare(scripted), settings=settings)
    asked = {**ASKED, "model": "claude-sonnet-5", "max_tokens": 2000}
    own = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    client.messages.create(**asked, **own)
    with client.greenai.opt_in("reasoning", reason="a hard question"):
        client.messages.create(**asked, **own)
    assert [body["thinking"]["type"] for body in scripted.bodies] == ["disabled", "enabled"]
    refusing = wrap(bare(scripted), settings={**settings, "without_opt_in": "refuse"})
    with pytest.raises(OptInRequired, match="An argument of this call asks for reasoning"):
        refusing.messages.create(**asked, **own)


def test_an_opt_in_of_the_client_asks_the_model_to_reason(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    client = wrap(bare(scripted), opt_in="reasoning", reason="proofs")
    proof = {"role": "user", "content": "Prove that there are infinitely many primes of the form 4k+3, in full."}
    client.messages.create(model="claude-haiku-4-5", max_tokens=9000, messages=[proof])
    assert scripted.bodies[0].get("thinking") in (None, {"type": "enabled", "budget_tokens": 2048})


def test_awaited_and_in_loops_one_after_another(scripted: Scripted) -> None:
    scripted.play(ANSWER)

    async def once() -> list[Any]:
        async with anthropic.AsyncAnthropic(base_url=scripted.origin, api_key="key", max_retries=0) as own:
            client: Any = wrap(own)
            assert type(client).__name__ == "AsyncAnthropic"
            whole = await client.messages.create(**ASKED)
            stream = await client.messages.create(**{**ASKED, "max_tokens": 51}, stream=True)
            kinds = [event.type async for event in stream]
            async with client.messages.stream(**{**ASKED, "max_tokens": 52}) as helper:
                said = await helper.get_final_text()
            return [whole.greenai.outcome, stream.greenai.outcome, kinds[-1], said]

    outcomes = [asyncio.run(once()) for _ in range(3)]
    assert outcomes[0] == ["large", "large", "message_stop", "Hello there."]
    assert outcomes[1] == outcomes[2] == ["cache", "cache", "message_stop", "Hello there."]


def test_threads(client: Any) -> None:
    found: list[str] = []

    def ask(n: int) -> None:
        found.append(client.messages.create(**{**ASKED, "max_tokens": 60 + n}).greenai.outcome)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["large"] * 6


def test_collecting_a_wrapped_client_does_not_close_the_apps_own(scripted: Scripted) -> None:
    scripted.play(ANSWER)
    own = bare(scripted)
    wrap(own).messages.create(**ASKED)
    gc.collect()
    assert own.messages.create(**ASKED).content
    only = wrap(bare(scripted))
    gc.collect()
    assert only.messages.create(**ASKED).content


def test_vertex_and_bedrock_clients_pass_unchanged(scripted: Scripted, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    scripted.play(ANSWER)
    own = anthropic.AnthropicVertex(
        region="us-east5", project_id="p", access_token="t", base_url=scripted.origin, max_retries=0
    )
    answered = wrap(own, settings={"state_dir": str(tmp_path)}).messages.create(**ASKED)
    assert answered.content[0].text == "Hello there."
    assert scripted.requests[0].path.endswith(f"/models/{scenes.MODEL}:rawPredict")


def test_a_ladder_of_the_settings_may_answer_in_its_place(scripted: Scripted) -> None:
    with Scripted() as other:
        other.play(answer("Paris, of course."))
        rungs = [
            {"model": "openai/tiny", "base_url": other.url, "tier": "small"},
            {"model": f"anthropic/{scenes.MODEL}", "base_url": scripted.origin},
        ]
        client: Any = wrap(bare(scripted), settings={"ladder": rungs, "cache": "off"})
        asked = {**ASKED, "model": "auto", "system": "Be kind."}
        message = client.messages.create(**asked)
        assert (message.content[0].text, message.stop_reason) == ("Paris, of course.", "end_turn")
        assert message.greenai.model == "openai/tiny"
        with client.messages.stream(**asked) as stream:
            assert stream.get_final_text() == "Paris, of course."
        system = {"role": "system", "content": "Be kind."}
        sent = {"model": "tiny", "messages": [system, *ASKED["messages"]], "max_tokens": 50}
        assert other.bodies == [sent, sent]
        client.greenai.close()
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://api.anthropic.com", Host(provider="anthropic")),
        ("https://example.services.ai.azure.com/anthropic/", Host(provider="azure_ai")),
        ("http://localhost:8000/", Host(provider="anthropic", base_url="http://localhost:8000")),
    ],
)
def test_whose_models_an_address_has(address: str, host: Host) -> None:
    assert host_at("anthropic", address) == host


def test_a_client_that_is_wrapped_twice_books_a_call_once(scripted: Scripted, client: Any) -> None:
    twice: Any = wrap(client)
    assert twice.messages.create(**ASKED).greenai.outcome == "large"
    assert len(scripted.requests) == 1
    assert len(twice.greenai._session.resources.ledger.recent()) == 1


def test_its_structured_answers_are_parsed(scripted: Scripted, client: Any) -> None:
    class Place(BaseModel):
        city: str

    scripted.play(scenes.whole(scenes.message('{"city": "Paris"}')))
    first, again = (client.messages.parse(**ASKED, output_format=Place) for _ in range(2))
    assert first.parsed_output == again.parsed_output == Place(city="Paris")
    assert [message.greenai.outcome for message in (first, again)] == ["large", "cache"]
