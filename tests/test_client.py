"""The clients over a scripted provider: both colours agree, and what comes back is openai's own."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncStream, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage

from greenai import AsyncClient, Client, Options, Receipt, errors
from greenai.nudges import learnt
from greenai.readings import Reading
from greenai.testing import FakeProvider, FakeReply, error, offline
from greenai.text import TextAnswer
from greenai.values import Overhead

SMALL, LARGE = "openai/gpt-5.4-nano", "openai/gpt-5.5"
MESSAGES = [{"role": "user", "content": "Say hello to my friend Ada."}]
TOOL = {"id": "call_1", "type": "function", "function": {"name": "open", "arguments": "{}"}}
LARGER = {"opt_in": {"large"}, "reason": "a person checks it"}


def receipt_of(response: Any) -> Receipt:
    receipt: Receipt = response.greenai
    return receipt


def comparable(receipt: Receipt) -> dict[str, Any]:
    """A receipt without what differs between any two calls: ids, times, greenai's own work."""
    blank = Reading.unknown("left out")
    own = receipt.overhead.energy if not receipt.attempts else None
    data = replace(receipt, call_id="", created=0.0, overhead=Overhead(duration_ms=0.0, energy=blank)).to_dict()
    for attempt in data["attempts"]:
        attempt |= {"attempt_id": "", "latency_s": 0.0}
    if own is not None:
        data |= dict.fromkeys(("energy", "carbon_g", "carbon_low_g", "carbon_high_g", "water_ml", "avoided"))
    return data


def asked(how: Callable[[Client], Any], script: tuple[Any, ...], **arguments: Any) -> Any:
    with offline(FakeProvider(*script), **arguments) as client:
        return how(client)


def aasked(how: Callable[[AsyncClient], Any], script: tuple[Any, ...], **arguments: Any) -> Any:
    async def run() -> Any:
        async with offline(FakeProvider(*script), client=AsyncClient, **arguments) as client:
            return await how(client)

    return asyncio.run(run())


# --- parity -------------------------------------------------------------------------------

SCENES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "small": (("Hello, Ada.",), {}),
    "ceiling, escalated": (("", "Hello, Ada."), {"model": "gpt-5.5"}),
    "calculated": ((), {"messages": [{"role": "user", "content": "What is 18% of 240?"}]}),
    "pinned": (("Hello.",), {"model": "gpt-4o-2024-08-06"}),
    "unknown model": (("Hello.",), {"model": "my-fine-tune"}),
    "tools": ((FakeReply(tool_calls=(TOOL,), finish_reason="tool_calls"),), {"tools": [TOOL], "model": "gpt-5.5"}),
    "leak": ((FakeReply(reasoning_tokens=40, reasoning="hm"),), {}),
    "no usage": ((FakeReply(input_tokens=None),), {}),
    "explicit": (("Hello.",), {"reasoning_effort": "low", "temperature": 0.2, "max_tokens": 5}),
    "local": (("Hello.",), {"model": "local/smollm2-135m"}),
}


@pytest.mark.parametrize("scene", SCENES)
def test_both_clients_give_the_same_answer_and_receipt(scene: str) -> None:
    script, arguments = SCENES[scene]
    arguments = {"messages": MESSAGES, **arguments}
    one = asked(lambda c: c.chat.completions.create(**arguments), script)
    learnt.forget()  # that a model reasoned all the same would be told of the second call
    other = aasked(lambda c: c.chat.completions.create(**arguments), script)
    assert isinstance(one, ChatCompletion)
    assert isinstance(other, ChatCompletion)
    assert comparable(receipt_of(one)) == comparable(receipt_of(other))
    assert one.choices == other.choices
    assert one.usage == other.usage


@pytest.mark.parametrize("scene", ["small", "calculated", "pinned", "unknown model", "tools", "explicit", "local"])
def test_a_stream_says_what_the_whole_answer_says(scene: str) -> None:
    script, arguments = SCENES[scene]
    arguments = {"messages": MESSAGES, **arguments}
    whole = asked(lambda c: c.chat.completions.create(**arguments), script)

    def streamed(client: Client) -> Any:
        stream = client.chat.completions.create(**arguments, stream=True)
        return list(stream), stream.greenai  # type: ignore[attr-defined]

    async def astreamed(client: AsyncClient) -> Any:
        stream = await client.chat.completions.create(**arguments, stream=True)
        return [c async for c in stream], stream.greenai

    for chunks, receipt in (asked(streamed, script), aasked(astreamed, script)):
        assert all(isinstance(c, ChatCompletionChunk) for c in chunks)
        assert all(c.choices for c in chunks), "the usage chunk that nobody asked for must stay hidden"
        deltas = [c.choices[0].delta for c in chunks]
        assert "".join(d.content or "" for d in deltas) == (whole.choices[0].message.content or "")
        assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
        for field in ("model", "outcome", "cost_usd", "reasoning", "stars", "warnings"):
            assert getattr(receipt, field) == getattr(receipt_of(whole), field), field
        # A stream is never limited: nobody could ask for the rest of it.
        assert receipt.nudges == tuple(n for n in receipt_of(whole).nudges if n.nudge != "output_length")
        if receipt.attempts:  # else it is greenai's own work, which takes its time
            assert receipt.energy == receipt_of(whole).energy


def test_the_usage_chunk_is_there_where_it_was_asked_for() -> None:
    for text in ("Say hello to Ada.", "What is 18% of 240?"):
        with offline() as client:
            stream = client.chat.completions.create(
                messages=[{"role": "user", "content": text}], stream=True, stream_options={"include_usage": True}
            )
            *_, last = stream
            assert last.choices == []
            assert last.usage is not None


def test_both_clients_ask_alike() -> None:
    one = asked(lambda c: c.ask("Say hello to Ada.", system="Be kind."), ("Hello.",))
    other = aasked(lambda c: c.ask("Say hello to Ada.", system="Be kind."), ("Hello.",))
    assert isinstance(one, TextAnswer)
    assert (one.text, one.finish_reason, str(one)) == (other.text, other.finish_reason, "Hello.")
    assert comparable(one.greenai) == comparable(other.greenai)

    async def pieces(client: AsyncClient) -> tuple[list[str], Any]:
        async with await client.ask("Say hello to Ada.", stream=True) as stream:
            return [piece async for piece in stream], stream.greenai

    def texts(client: Client) -> tuple[list[str], Any]:
        with client.ask("Say hello to Ada.", stream=True) as stream:
            return list(stream), stream.greenai

    (first, receipt), (second, areceipt) = asked(texts, ("Hello, dear Ada.",)), aasked(pieces, ("Hello, dear Ada.",))
    assert first == second == ["Hello, ", "dear ", "Ada."]
    assert comparable(receipt) == comparable(areceipt)


def test_a_calculated_text_stream_is_one_piece_with_its_receipt() -> None:
    with offline() as client, client.ask("What is 18% of 240?", stream=True) as stream:
        assert stream.greenai is not None
        assert list(stream) == ["43.2"]


def test_both_clients_explain_alike() -> None:
    for question in ("Say hello to Ada.", MESSAGES, "What is 18% of 240?"):
        provider = FakeProvider()
        with offline(provider) as client:
            one = client.explain(question, model="gpt-5.5")
        other = aasked(lambda c, q=question: c.explain(q, model="gpt-5.5"), ())
        assert one == other
        assert provider.calls == []
        assert json.dumps(one.to_dict())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_both_clients_raise_alike(status: int) -> None:
    def failing(client: Any) -> Any:
        return client.chat.completions.create(messages=MESSAGES, model="gpt-5.5-2026-01-01")

    with pytest.raises(openai.APIStatusError) as one:
        asked(failing, (error(status),))
    with pytest.raises(openai.APIStatusError) as other:
        aasked(failing, (error(status),))
    assert type(one.value) is type(other.value)
    assert one.value.status_code == status
    assert one.value.__notes__ == other.value.__notes__


# --- openai's own types -------------------------------------------------------------------


def test_streams_are_openais_streams() -> None:
    with offline() as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        assert isinstance(stream, Stream)
        assert stream.response.status_code == 200
        with stream as same:
            assert same is stream
            assert isinstance(next(stream), ChatCompletionChunk)
        assert stream.greenai is not None  # type: ignore[attr-defined]
        stream.close()  # a second time is harmless
        calculated = client.chat.completions.create(
            messages=[{"role": "user", "content": "What is 18% of 240?"}], stream=True
        )
        assert isinstance(calculated, Stream)
        assert calculated.greenai is not None  # type: ignore[attr-defined]
        calculated.close()
        assert list(calculated) == []

    async def everything() -> None:
        async with offline(client=AsyncClient) as aclient:
            stream = await aclient.chat.completions.create(messages=MESSAGES, stream=True)
            assert isinstance(stream, AsyncStream)
            async with stream as same:
                assert same is stream
                assert isinstance(await anext(stream), ChatCompletionChunk)
            assert stream.greenai is not None  # type: ignore[attr-defined]
            await stream.close()

    asyncio.run(everything())


def test_a_receipt_comes_with_the_last_chunk_of_a_stream() -> None:
    with offline(FakeProvider("one two")) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        while True:
            assert stream.greenai is None  # type: ignore[attr-defined]
            try:
                next(stream)
            except StopIteration:
                break
        assert receipt_of(stream).model == SMALL


def test_a_response_goes_through_json_pickle_and_copy() -> None:
    response = asked(lambda c: c.chat.completions.create(messages=MESSAGES), ("Hello, Ada.",))
    assert ChatCompletion.model_validate_json(response.model_dump_json()).choices == response.choices
    assert json.loads(response.to_json())["choices"][0]["message"]["content"] == "Hello, Ada."
    for again in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response), copy.copy(response)):
        assert again.choices == response.choices
        assert receipt_of(again) == receipt_of(response)
    receipt = receipt_of(response)
    assert pickle.loads(pickle.dumps(receipt)) == receipt
    assert copy.deepcopy(receipt) == receipt
    assert json.loads(json.dumps(receipt.to_dict()))["stars"]["text"] == str(receipt.stars)


def test_a_text_answer_pickles() -> None:
    answer = asked(lambda c: c.ask("Say hello to Ada."), ("Hello.",))
    again = pickle.loads(pickle.dumps(answer))
    assert (again.text, again.greenai) == (answer.text, answer.greenai)


# --- arguments ----------------------------------------------------------------------------


def test_openais_sentinels_count_as_absent() -> None:
    provider = FakeProvider()
    with offline(provider) as client:
        client.chat.completions.create(
            messages=MESSAGES,
            model=openai.NOT_GIVEN,  # type: ignore[arg-type]
            stream=openai.NOT_GIVEN,  # type: ignore[arg-type]
            temperature=openai.NOT_GIVEN,  # type: ignore[arg-type]
            tools=openai.omit,  # type: ignore[arg-type]
            timeout=openai.NOT_GIVEN,  # type: ignore[arg-type]
        )
    assert provider.calls[0].draft.arguments == {"reasoning_effort": "none", "max_completion_tokens": 4096}


def test_arguments_reach_the_provider_as_they_were_given() -> None:
    provider = FakeProvider()
    tools = [{"type": "function", "function": {"name": "open", "parameters": {}}}]
    with offline(provider) as client:
        client.chat.completions.create(
            messages=MESSAGES,
            model="our-own-model",
            temperature=0.0,
            max_tokens=7,
            seed=1,
            tools=(tool for tool in tools),  # type: ignore[arg-type,misc]
            extra_body={"custom": True},
            extra_headers={"X-A": "b"},
            extra_query={"q": 1},
            timeout=5.0,
        )
    call = provider.calls[0]
    assert dict(call.draft.arguments) == {
        "temperature": 0.0, "max_tokens": 7, "seed": 1, "tools": tools, "extra_body": {"custom": True},
    }  # fmt: skip
    assert (call.transport.extra_headers, call.transport.extra_query) == ({"X-A": "b"}, {"q": 1})
    assert call.transport.timeout_s == 5.0


def test_what_the_app_passed_is_not_changed() -> None:
    messages = copy.deepcopy(MESSAGES)
    body: dict[str, Any] = {"custom": {"deep": [1]}}
    with offline() as client:
        client.chat.completions.create(messages=messages, model="deepseek/deepseek-chat", extra_body=body)
    assert messages == MESSAGES
    assert body == {"custom": {"deep": [1]}}


def test_messages_may_be_openais_objects_or_come_from_a_generator() -> None:
    provider = FakeProvider()
    turn = ChatCompletionMessage(role="assistant", content="Hi.")
    with offline(provider) as client:
        client.chat.completions.create(
            messages=(m for m in [*MESSAGES, turn, {"role": "user", "content": "And to Grace."}])  # type: ignore[arg-type,misc]
        )
    assert provider.calls[0].draft.messages[1] == {"role": "assistant", "content": "Hi."}
    assert len(provider.calls[0].draft.messages) == 3


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (
            "hello",
            (
                "messages must be a list of messages, not str. Pass messages=[{'role': 'user', 'content': '...'}], or use "
                "client.ask('...')."
            ),
        ),
        (
            None,
            (
                "messages must be a list of messages, not NoneType. Pass messages=[{'role': 'user', 'content': '...'}], "
                "or use client.ask('...')."
            ),
        ),
        (
            [7],
            (
                "messages[0] is of type int. Each message must be a dictionary with 'role' and 'content', or openai's "
                "message object."
            ),
        ),
        ([], "The call has no messages. Pass at least one, such as {'role': 'user', 'content': '...'}."),
    ],
)
def test_messages_of_another_form_are_refused(messages: Any, said: str) -> None:
    with offline() as client, pytest.raises(errors.InvalidRequest) as raised:
        client.chat.completions.create(messages=messages)
    assert str(raised.value) == said


def test_an_unknown_keyword_is_a_type_error_that_names_the_way_through() -> None:
    with offline() as client:
        for call in (
            lambda: client.chat.completions.create(messages=MESSAGES, temprature=1),  # type: ignore[call-overload]
            lambda: client.ask("Hello, you.", temprature=1),  # type: ignore[call-overload]
        ):
            with pytest.raises(TypeError) as raised:
                call()
            assert str(raised.value) == (
                "Completions.create() got an unexpected keyword argument 'temprature'. "
                "A field that only this provider knows goes in extra_body={'temprature': ...}."
            )


@pytest.mark.parametrize(("text", "said"), [
    (7, "ask takes a string, not int. For a list of messages use create()."),
    (" ", "The question is empty. Pass some text, as in client.ask('What is 18% of 240?')."),
])  # fmt: skip
def test_a_question_that_is_none_is_refused(text: Any, said: str) -> None:
    with offline() as client, pytest.raises(errors.InvalidRequest) as raised:
        client.ask(text)
    assert str(raised.value) == said


@pytest.mark.parametrize("timeout", [0, -1.5, float("nan")])
def test_a_timeout_that_leaves_no_time_is_refused(timeout: float) -> None:
    with offline() as client, pytest.raises(errors.InvalidRequest) as raised:
        client.ask("Hello, you.", timeout=timeout)
    assert str(raised.value) == f"timeout={timeout} leaves no time for the call. Pass seconds above 0, or None."


def test_no_timeout_is_no_deadline() -> None:
    provider = FakeProvider()
    with offline(provider) as client:
        client.ask("Hello, you.", timeout=None)
    assert provider.calls[0].deadline == float("inf")


def test_odd_messages_are_passed_on_and_cost_nothing_else() -> None:
    odd: list[Any] = [
        {"role": "user"}, {"role": ["user"], "content": "x"}, {"role": "user", "content": 5},
        {"role": "assistant", "content": None}, {"role": "user", "content": "half a \ud800 pair"},
    ]  # fmt: skip
    provider = FakeProvider()
    with offline(provider) as client:
        response = client.chat.completions.create(messages=odd)
        assert receipt_of(response).outcome == "small"
        assert client._session.resources.ledger.check()["calls"] == 1
    assert list(provider.calls[0].draft.messages) == odd


def test_a_huge_prompt_is_refused_by_every_way_in_and_stays_the_apps() -> None:
    huge = "a" * 10_000_000
    provider = FakeProvider()
    with offline(provider) as client:
        for call in (
            lambda: client.ask(huge),
            lambda: client.explain(huge),
            lambda: client.chat.completions.create(messages=[{"role": "user", "content": huge}]),
            lambda: client.chat.completions.create(messages=[{"role": "user", "content": huge}], stream=True),
        ):
            with pytest.raises(errors.RequestTooLarge):
                call()
        assert provider.calls == []
        rows = client._session.resources.ledger.recent()
        assert [(row["outcome"], row["error"]) for row in rows] == [("refused", "RequestTooLarge")] * 3


# --- options ------------------------------------------------------------------------------


def test_options_of_one_call() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        by_mapping = client.ask("Greet guest 1.", greenai={"project": "support-bot"})
        by_object = client.ask("Greet guest 2.", greenai=Options(project="support-bot"))
    assert by_mapping.greenai.project == by_object.greenai.project == "support-bot"


def test_copies_share_everything_but_their_options() -> None:
    provider = FakeProvider(default="Hi.")
    with offline(provider) as client:
        careful = client.with_options(opt_in={"reasoning"}, reason="tax advice is checked by a person")
        assert careful.settings is client.settings
        receipt = careful.ask("Greet guest 1.", model="gpt-5.5").greenai
        assert receipt.decision.opt_ins == ("reasoning",)
        assert client.ask("Greet guest 1.", model="gpt-5.5").greenai.decision.opt_ins == ()
        rows = client._session.resources.ledger.recent()
        assert [r["opt_in_reason"] for r in rows] == [None, "tax advice is checked by a person"]
        assert careful.with_options(project="p").ask("Greet guest 3.", temperature=0).greenai.project == "p"


def test_closing_a_copy_leaves_the_client_open() -> None:
    provider = FakeProvider(default="Hi.")
    with offline(provider) as client:
        with client.with_options(project="p") as careful:
            careful.ask("Greet guest 1.", temperature=0)
        assert provider.closed == 0
        assert client.ask("Greet guest 1.", temperature=0, greenai={"project": "p"}).greenai.outcome == "cache"
    assert provider.closed == 1
    client.close()  # a second time is harmless


def test_a_copy_with_its_own_connection_closes_that() -> None:
    provider = FakeProvider(default="Hi.")
    with offline(provider) as client:
        with client.with_options(base_url="http://127.0.0.1:9/v1") as elsewhere:
            elsewhere.ask("Greet guest 1.", model="my-model")
        assert provider.models == ["endpoint/my-model"]
        assert provider.calls[0].draft.rung.base_url == "http://127.0.0.1:9/v1"
        assert provider.closed == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"opt_in": {"reasoning"}},
            'The opt-in reasoning needs a reason, which the ledger keeps: pass reason="why this is worth it" with it.',
        ),
        (
            {"opt_in": "everything", "reason": "why not"},
            "Unknown opt-in 'everything'. Known opt-ins: large, long_output, reasoning, semantic_cache.",
        ),
        (
            {"qualty": "high"},
            (
                "Unknown option 'qualty'. Known options: cache, cache_also, feature, max_age, namespace, observe, "
                "opt_in, project, quality, reason, run_at, strict_opt_in, substitute, tenant, ttl, urgent, user_scope, verify, "
                "without_opt_in."
            ),
        ),
    ],
)
def test_options_that_are_none_are_refused_by_every_way_in(changes: dict[str, Any], said: str) -> None:
    with offline() as client:

        def block() -> None:
            with client.options(**changes):
                pass

        for call in (
            lambda: client.with_options(**changes),
            block,
            lambda: client.ask("Greet guest 1.", greenai=changes),
        ):
            with pytest.raises(errors.InvalidRequest) as raised:
                call()
            assert str(raised.value) == said


def test_nothing_is_shared_between_projects_tenants_and_keys() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        client.ask("Greet guest 1.", temperature=0)
        for other in ({"project": "p"}, {"tenant": "t"}, {"api_key": "another"}):
            assert client.with_options(**other).ask("Greet guest 1.", temperature=0).greenai.outcome == "small"
        assert client.ask("Greet guest 1.", temperature=0).greenai.outcome == "cache"


def test_the_cache_can_be_left_out_and_refreshed() -> None:
    provider = FakeProvider("one", "two", "three", default="four")
    with offline(provider) as client:
        assert client.ask("Greet guest 1.", temperature=0).text == "one"
        assert client.ask("Greet guest 1.", temperature=0, greenai={"cache": "off"}).text == "two"
        assert client.ask("Greet guest 1.", temperature=0).text == "one"
        assert client.ask("Greet guest 1.", temperature=0, greenai={"cache": "refresh"}).text == "three"
        assert client.ask("Greet guest 1.", temperature=0).text == "three"


# --- escalate -----------------------------------------------------------------------------


def test_escalating_asks_one_rung_up_and_links_the_receipts() -> None:
    provider = FakeProvider("Hello.", "Hello, dear Ada.")
    with offline(provider) as client:
        first = client.chat.completions.create(messages=MESSAGES, temperature=0)
        second = client.escalate(first)
        assert isinstance(second, ChatCompletion)
        assert provider.models == [SMALL, LARGE]
        assert receipt_of(second).parent == receipt_of(first).call_id
        assert provider.calls[1].draft.arguments["temperature"] == 0
        with pytest.raises(errors.NoSufficientModel) as raised:
            client.escalate(second)
        assert str(raised.value) == (
            f"{LARGE} answered already and is the top of the ladder ({SMALL} < {LARGE}), so there is no rung above "
            'it. Name a larger model with model="...", or add one to ladder in the settings.'
        )
        refused, row, _ = client._session.resources.ledger.recent()
        assert (row["parent"], row["opt_in_reason"]) == (receipt_of(first).call_id, "escalate")
        assert (refused["outcome"], refused["parent"]) == ("refused", receipt_of(second).call_id)


def test_both_clients_escalate_alike() -> None:
    def twice(client: Client) -> TextAnswer:
        return client.escalate(client.ask("Say hello to Ada."))

    async def atwice(client: AsyncClient) -> TextAnswer:
        return await client.escalate(await client.ask("Say hello to Ada."))

    one, other = asked(twice, ("Hello.", "Hello!")), aasked(atwice, ("Hello.", "Hello!"))
    assert (one.text, other.text) == ("Hello!", "Hello!")
    assert one.greenai.model == other.greenai.model == LARGE


def test_escalating_a_cached_answer_goes_above_the_model_that_gave_it() -> None:
    provider = FakeProvider(FakeReply(text="Hello.", model="gpt-5.4-nano-2026-03-01"), "Hello!")
    with offline(provider) as client:
        client.ask("Say hello to Ada.", temperature=0)
        cached = client.ask("Say hello to Ada.", temperature=0)
        assert cached.greenai.outcome == "cache"
        assert client.escalate(cached).greenai.model == LARGE
        assert provider.models == [SMALL, LARGE]


def test_escalating_a_calculated_answer_asks_a_model() -> None:
    provider = FakeProvider("It is 43.2.")
    with offline(provider) as client:
        again = client.escalate(client.ask("What is 18% of 240?"))
    assert again.text == "It is 43.2."
    assert provider.models == [SMALL]


def test_what_greenai_did_not_give_cannot_be_escalated() -> None:
    bare = ChatCompletion.construct(id="1", choices=[])
    with offline() as client, pytest.raises(errors.InvalidRequest) as raised:
        client.escalate(bare)
    assert str(raised.value) == (
        "This response has no receipt, so greenai did not give it and cannot ask it again. "
        "Pass what client.chat.completions.create() or client.ask() returned."
    )
    with offline() as client, offline() as other:
        response = other.chat.completions.create(messages=MESSAGES)
        with pytest.raises(errors.InvalidRequest, match=r"is not among the latest 128 of this client"):
            client.escalate(response)


def test_the_requests_behind_answers_are_forgotten_in_time() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        recent = client._session._recent
        for n in range(200):
            client.chat.completions.create(messages=[{"role": "user", "content": f"Greet guest {n}."}])
        assert len(recent._requests) == 128
        first = client.chat.completions.create(messages=[{"role": "user", "content": "x" * 800_000}])
        for n in range(10):
            client.chat.completions.create(messages=[{"role": "user", "content": f"{n} " * 400_000}])
        assert len(recent._requests) == 10
        with pytest.raises(errors.InvalidRequest):
            client.escalate(first)


# --- observers, endings -------------------------------------------------------------------


def test_observers_see_every_receipt() -> None:
    seen: list[Receipt] = []
    with offline(observers=[seen.append]) as client:
        answer = client.ask("Say hello to Ada.")
        list(client.ask("Say hello to Grace.", stream=True))
        client.ask("What is 18% of 240?")
    assert [r.outcome for r in seen] == ["small", "small", "answerer"]
    assert seen[0] == answer.greenai


def test_a_dropped_client_goes_away() -> None:
    client = offline(FakeProvider(default="Hi."))
    client.ask("Say hello to Ada.")
    gone = weakref.ref(client)
    session = weakref.ref(client._session)
    del client
    gc.collect()
    assert gone() is None
    assert session() is None


def test_an_offline_client_reads_neither_files_nor_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "greenai.toml").write_text("nonsense = [", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENAI_PROJECT", "from-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    provider = FakeProvider()
    with offline(provider) as client:
        assert client.ask("Say hello to Ada.", model="gpt-5.5").greenai.project == "default"
    assert provider.models == [SMALL]
    assert {p.name for p in tmp_path.iterdir()} == {"greenai.toml"}


def test_an_offline_client_takes_no_unknown_argument() -> None:
    with pytest.raises(TypeError) as raised:
        offline(projekt="p")  # type: ignore[call-overload]
    assert str(raised.value) == "offline() got an unexpected keyword argument 'projekt'"


def test_options_of_the_client_itself() -> None:
    provider = FakeProvider(default="Hi.")
    with offline(provider, project="support-bot", opt_in={"large"}, reason="checked", timeout=7.0) as client:
        receipt = client.ask("Prove step by step that the root of 2 is irrational, and justify each lemma.").greenai
    assert (receipt.project, receipt.model) == ("support-bot", LARGE)
    assert provider.calls[0].transport.timeout_s == 7.0


def test_a_name_that_neither_client_has_is_said_to_be_this_ones() -> None:
    with offline() as client:
        for holder, name in ((client, "Client"), (client.chat, "Chat"), (client.chat.completions, "Completions")):
            with pytest.raises(AttributeError) as raised:
                holder.nonsense  # type: ignore[attr-defined]  # noqa: B018
            assert str(raised.value) == f"'{name}' object has no attribute 'nonsense'"


def test_behind_a_base_url_no_model_is_guessed(tmp_path: Path) -> None:
    with Client(base_url="http://127.0.0.1:9/v1", settings={"state_dir": tmp_path}) as client:
        assert client.ask("What is 18% of 240?").text == "43.2"
        with pytest.raises(errors.NoSufficientModel, match="No model was named and no ladder says which may answer"):
            client.ask("What is the capital of France?")
    with pytest.raises(errors.InvalidRequest, match="must begin with http"):
        Client(base_url="localhost:8080")


def test_a_receipt_prints_as_text() -> None:
    with offline() as client:
        shown = str(client.ask("What is 18% of 240?").greenai)
    assert shown.startswith("answered by     greenai/calc: a calculation or function, without a language model\n")
