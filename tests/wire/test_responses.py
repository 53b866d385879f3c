"""openai's Responses API through a wrapped client, on a real socket and with openai's own helpers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from greenai import BudgetExceeded, OptInRequired, wrap
from greenai.nudges import learnt
from greenai.values import Draft, Rung, Usage
from greenai.wire import chat, dialect_of, responses
from greenai.wire.sse import Splitter
from tests.servers import Scripted, completion_body, raw, status
from tests.wire.responses_scenes import (
    HTTP,
    USAGE,
    called,
    reasoned,
    refused,
    response,
    said,
    streamed,
    text_events,
    whole,
)

MODEL = "some-model"
HELLO = "Say hello to Ada in a friendly way."
KEPT: Any = {"model": MODEL, "input": HELLO, "temperature": 0, "store": False}
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


@pytest.fixture
def bare(server: Scripted) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as own:
        yield own


@pytest.fixture
def client(bare: openai.OpenAI, tmp_path: Path) -> openai.OpenAI:
    return wrap(bare, settings={"state_dir": str(tmp_path / "state")})


def receipt_of(answered: Any) -> Any:
    return answered.greenai


# --- whole responses ------------------------------------------------------------------------


def test_a_response_is_the_bare_one_but_for_its_receipt(
    server: Scripted, bare: openai.OpenAI, client: openai.OpenAI
) -> None:
    server.play(whole(said("Hello, Ada.")), whole(said("Hello, Ada.")))
    given: Any = {
        "model": MODEL, "input": HELLO, "instructions": "Be brief.", "max_output_tokens": 90, "metadata": {"a": "b"},
        "include": ["reasoning.encrypted_content"], "text": {"verbosity": "low"}, "reasoning": {"summary": "auto"},
        "tools": [WEATHER], "truncation": "auto", "extra_body": {"top_k": 3},
    }  # fmt: skip
    theirs = bare.responses.create(**given)
    ours = client.responses.create(**given)
    assert type(ours) is type(theirs)
    dumped = ours.to_dict()
    assert dumped.pop("greenai")
    assert dumped == theirs.to_dict()
    first, second = server.bodies
    assert second == first


def test_its_receipt_counts_what_the_provider_counted(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Hello, Ada.")))
    receipt = receipt_of(client.responses.create(model=MODEL, input=HELLO))
    usage = Usage(input_tokens=12, output_tokens=7, cached_tokens=4, reasoning_tokens=0)
    assert [(a.model, a.state, a.usage) for a in receipt.attempts] == [(f"endpoint/{MODEL}", "answered", usage)]


def test_the_same_question_again_is_answered_from_the_cache(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Hello, Ada.")))
    first, again = client.responses.create(**KEPT), client.responses.create(**KEPT)
    assert (receipt_of(first).outcome, receipt_of(again).outcome) == ("large", "cache")
    assert again.output_text == "Hello, Ada."
    assert again.id != first.id
    assert {**again.to_dict(), "greenai": 0, "id": 0, "created_at": 0, "completed_at": 0} == {
        **first.to_dict(), "greenai": 0, "id": 0, "created_at": 0, "completed_at": 0,
    }  # fmt: skip
    raw = client.responses.with_raw_response.create(**KEPT)
    assert raw.parse().output_text == "Hello, Ada."
    assert len(server.requests) == 1


NOT_KEPT = "the provider keeps it too, so that an app may go on from its id (store=False leaves it to this cache)"
ELSEWHERE = "it rests on what is outside the request: a link, a file, a search, a tool or a memory of the provider's"
IMAGE = {"type": "input_image", "image_url": "https://example.com/a.png"}
REFERENCE = {"type": "item_reference", "id": "msg_7"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"store": openai.omit}, NOT_KEPT),
        ({"store": True}, NOT_KEPT),
        ({"previous_response_id": "resp_1"}, ELSEWHERE),
        ({"conversation": "conv_1"}, ELSEWHERE),
        ({"prompt": {"id": "pmpt_1"}}, ELSEWHERE),
        ({"tools": [{"type": "web_search"}]}, ELSEWHERE),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, ELSEWHERE),
        ({"input": [REFERENCE, {"role": "user", "content": HELLO}]}, ELSEWHERE),
        ({"temperature": 1}, "the temperature is 1"),
    ],
)
def test_what_rests_on_more_than_the_request_is_not_kept(
    server: Scripted, client: openai.OpenAI, changes: Mapping[str, Any], why: str
) -> None:
    server.play(whole(said("Hello, Ada.")))
    given = {**KEPT, **changes}
    assert receipt_of(client.responses.create(**given)).cache.why == why
    assert receipt_of(client.responses.create(**given)).outcome == "large"
    assert len(server.requests) == 2


CITED = {"type": "url_citation", "url": "https://example.com", "title": "A", "start_index": 0, "end_index": 5}
SEARCHED = {"id": "ws_1", "type": "web_search_call", "status": "completed"}


@pytest.mark.parametrize("output", [(said("Hello.", CITED),), (SEARCHED, said("Hello.")), (refused("I can't."),)])
def test_an_answer_that_was_looked_up_or_refused_is_not_kept(
    server: Scripted, client: openai.OpenAI, output: tuple[Any, ...]
) -> None:
    server.play(whole(*output))
    assert not receipt_of(client.responses.create(**KEPT)).cache.ttl_s
    assert receipt_of(client.responses.create(**KEPT)).outcome == "large"


def test_an_answer_that_was_cut_is_not_kept(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Hello"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    cut = client.responses.create(**KEPT, max_output_tokens=16)
    assert receipt_of(cut).cache.why == "the answer was cut at its token limit"
    assert cut.status == "incomplete"


def test_an_answer_that_failed_is_no_answer(server: Scripted, client: openai.OpenAI) -> None:
    error = {"code": "server_error", "message": "nope"}
    server.play(whole(status="failed", error=error, usage=None))
    answered = client.responses.create(**KEPT)
    assert (answered.status, receipt_of(answered).attempts[0].state) == ("failed", "cut")
    assert not receipt_of(answered).cache.ttl_s


def test_a_conversation_that_is_written_out_is_kept(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Yes, Ada.")), whole(said("No, Bob.")))
    turns: Any = [
        {"role": "user", "content": HELLO},
        said("Hello, Ada."),
        {"role": "user", "content": "Say it in French."},
    ]
    for _ in range(2):
        assert client.responses.create(**{**KEPT, "input": turns}).output_text == "Yes, Ada."
    turns[0] = {"role": "user", "content": "Say hello to Bob."}
    assert client.responses.create(**{**KEPT, "input": turns}).output_text == "No, Bob."


def test_what_comes_back_in_the_answer_is_a_part_of_its_key(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Hello."), metadata={"of": "a"}), whole(said("Hello."), metadata={"of": "b"}))
    for name in ("a", "b", "a"):
        assert client.responses.create(**KEPT, metadata={"of": name}).metadata == {"of": name}
    assert len(server.requests) == 2


# --- tools, forms, background ---------------------------------------------------------------


def test_a_tool_loop_goes_on(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(reasoned(encrypted="x"), called("weather", {"town": "Ulm"})), whole(said("It is 12 degrees.")))
    turns: list[Any] = [{"role": "user", "content": "What is the weather in Ulm?"}]
    first = client.responses.create(model=MODEL, input=turns, tools=[WEATHER], store=False, temperature=0)
    assert receipt_of(first).cache.why == 'it calls tools (cache_also="tool_calls" stores that)'
    (call,) = [item for item in first.output if item.type == "function_call"]
    turns += [*first.output, {"type": "function_call_output", "call_id": call.call_id, "output": '{"degrees": 12}'}]
    last = client.responses.create(model=MODEL, input=turns, tools=[WEATHER], store=False, temperature=0)
    assert last.output_text == "It is 12 degrees."
    kinds = [item.get("type", "message") for item in server.bodies[1]["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]


def test_parse_gives_the_apps_own_class(server: Scripted, client: openai.OpenAI) -> None:
    class Place(BaseModel):
        town: str

    server.play(whole(said('{"town": "Ulm"}')))
    for outcome in ("large", "cache"):
        parsed = client.responses.parse(**KEPT, text_format=Place)
        assert parsed.output_parsed == Place(town="Ulm")
        assert receipt_of(parsed).outcome == outcome


def test_an_answer_that_comes_later_has_no_energy_yet(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(status="queued", background=True, usage=None, completed_at=None))
    receipt = receipt_of(client.responses.create(model=MODEL, input=HELLO, background=True))
    assert str(receipt.energy) == "unknown (the answer comes later, and is fetched elsewhere)"
    assert (receipt.cost_usd, receipt.attempts[0].usage, receipt.attempts[0].state) == (None, Usage(), "answered")
    assert not receipt.warnings or "cut" not in receipt.warnings[0]


def test_what_is_below_a_response_is_fetched_untouched(server: Scripted, client: openai.OpenAI) -> None:
    server.play(whole(said("Hello.")))
    fetched = client.responses.cancel("resp_1")
    assert not hasattr(fetched, "greenai") or fetched.greenai is None
    assert [r.path for r in server.requests] == ["/v1/responses/resp_1/cancel"]
    assert dialect_of("POST", "/v1/responses/resp_1/cancel") is None
    assert dialect_of("GET", "/v1/responses") is None


def test_errors_are_the_providers(server: Scripted, client: openai.OpenAI) -> None:
    server.play(status(400, message="nope"))
    with pytest.raises(openai.BadRequestError, match="nope"):
        client.responses.create(model=MODEL, input=HELLO)


# --- reasoning ------------------------------------------------------------------------------


def asked(tmp_path: Path, given: Mapping[str, Any], **settings: Any) -> tuple[Any, Any]:
    """Ask openai itself, played by a function; return what it got, and the receipt."""
    bodies: list[dict[str, Any]] = []

    def play(request: Any) -> Any:
        bodies.append(json.loads(request.content))
        return HTTP.Response(200, json=response(said("Hello, Ada.")))

    with HTTP.Client(transport=HTTP.MockTransport(play)) as http:
        client = wrap(
            openai.OpenAI(api_key="key", base_url="https://api.openai.com/v1", http_client=http),
            settings={"state_dir": str(tmp_path / "state"), **settings},
        )
        receipt = receipt_of(client.responses.create(**given))
    return bodies[0], receipt


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gpt-5.5", {"effort": "none"}),
        ("gpt-5.4-nano", {"effort": "none"}),
        ("gpt-6-luna", {"effort": "none"}),
        ("gpt-5", {"effort": "minimal"}),
        ("o3", {"effort": "low"}),
        ("gpt-5-pro", None),
        ("gpt-4.1", None),
    ],
)
def test_reasoning_is_turned_off_in_the_words_of_this_api(tmp_path: Path, model: str, sent: Any) -> None:
    body, receipt = asked(tmp_path, {"model": model, "input": HELLO})
    assert body == {"model": model, "input": HELLO, **({"reasoning": sent} if sent else {})}
    assert receipt.model == f"openai/{model}"
    assert receipt.energy.energy_j is not None


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"effort": "high"}, {"effort": "high"}),
        ({"effort": "high", "summary": "auto"}, {"effort": "high", "summary": "auto"}),
        ({"mode": "pro"}, {"mode": "pro"}),
        ({"summary": "auto"}, {"summary": "auto", "effort": "none"}),
        ({"context": "auto"}, {"context": "auto", "effort": "none"}),
        ({"effort": None}, {"effort": "none"}),
    ],
)
def test_what_the_app_says_of_reasoning_it_gets(tmp_path: Path, given: Any, sent: Any) -> None:
    body, receipt = asked(tmp_path, {"model": "gpt-5.5", "input": HELLO, "reasoning": given})
    assert body["reasoning"] == sent
    said_so = [(grant.kind, grant.by) for grant in receipt.opt_ins]
    assert said_so == ([] if sent.get("effort") == "none" else [("reasoning", "argument")])


def test_a_server_that_refuses_the_field_is_asked_without(server: Scripted, client: openai.OpenAI) -> None:
    error = {"message": "It is not supported with this model.", "param": "reasoning.effort", "code": "unsupported"}
    server.play(
        raw(json.dumps({"error": error}).encode(), status=400), whole(said("Hello, Ada.")), whole(said("Hello, Bob."))
    )
    answered = client.responses.create(model="gpt-5.5", input=HELLO)
    assert answered.output_text == "Hello, Ada."
    client.responses.create(model="gpt-5.5", input="Say hello to Bob, please.")
    assert [body.get("reasoning") for body in server.bodies] == [{"effort": "none"}, None, None]
    learnt.forget()


def test_reasoning_that_comes_back_although_it_is_off_is_told(server: Scripted, client: openai.OpenAI) -> None:
    usage = {**USAGE, "output_tokens": 90, "output_tokens_details": {"reasoning_tokens": 80}}
    server.play(whole(reasoned(encrypted="x"), said("Hello, Ada."), usage=usage))
    receipt = receipt_of(client.responses.create(model="gpt-5.5", input=HELLO))
    told = "endpoint/gpt-5.5 reasoned although reasoning was switched off; its tokens are counted."
    assert told in receipt.warnings
    assert receipt.reasoning is True
    learnt.forget()


def test_strict_opt_in_takes_reasoning_out_and_lowers_a_limit(tmp_path: Path) -> None:
    given = {"model": "gpt-5.5", "input": HELLO, "max_output_tokens": 9000}
    body, _ = asked(
        tmp_path,
        {**given, "reasoning": {"effort": "high", "summary": "auto"}},
        strict_opt_in=True,
        without_opt_in="downgrade",
    )
    assert body["reasoning"] == {"summary": "auto", "effort": "none"}
    assert body["max_output_tokens"] == 4096


def test_a_call_that_needs_an_opt_in_is_refused_where_the_project_wants_that(tmp_path: Path) -> None:
    given = {"model": "gpt-5.5", "input": HELLO, "reasoning": {"effort": "high"}}
    with pytest.raises(OptInRequired):
        asked(tmp_path, given, strict_opt_in=True, without_opt_in="refuse")


def test_a_prompt_kept_at_the_provider_names_the_model(tmp_path: Path) -> None:
    body, receipt = asked(tmp_path, {"prompt": {"id": "pmpt_1"}})
    assert body == {"prompt": {"id": "pmpt_1"}}
    assert receipt.model == "openai/unnamed"


def test_a_spent_budget_refuses_before_anything_is_sent(server: Scripted, bare: openai.OpenAI, tmp_path: Path) -> None:
    settings = {
        "state_dir": str(tmp_path / "state"),
        "projects": {"bot": {"budget": {"calls": "1/day", "timezone": "UTC"}}},
    }
    client = wrap(bare.with_options(max_retries=2), settings=settings, project="bot")
    server.play(whole(said("Hello.")))
    client.responses.create(model=MODEL, input=HELLO)
    with pytest.raises(BudgetExceeded):
        client.responses.create(model=MODEL, input=HELLO, background=True)
    assert len(server.requests) == 1


# --- streams --------------------------------------------------------------------------------


def test_a_stream_is_relayed_and_has_its_receipt_at_the_end(server: Scripted, client: openai.OpenAI) -> None:
    events = text_events("Hello, ", "Ada", ".")
    server.play(streamed(events))
    pieces: Any = client.responses.create(model=MODEL, input=HELLO, stream=True)
    assert receipt_of(pieces) is None
    assert [event.to_dict() for event in pieces] == events
    assert pieces.greenai.attempts[0].usage.output_tokens == 7
    assert server.bodies == [{"model": MODEL, "input": HELLO, "stream": True}]


@pytest.mark.parametrize("cut", [True, False])
def test_a_stream_that_breaks_or_is_left_counts_what_was_seen(
    server: Scripted, client: openai.OpenAI, *, cut: bool
) -> None:
    server.play(streamed(text_events("Hello, ", "Ada", ".")[:6], cut=cut))
    pieces: Any = client.responses.create(**KEPT, stream=True)
    if cut:
        with pytest.raises((HTTP.HTTPError, openai.APIError)):
            list(pieces)
    else:
        next(pieces)
        pieces.close()
    (attempt,) = pieces.greenai.attempts
    assert attempt.state == "cut"
    assert attempt.usage.estimated
    with client.responses.create(**KEPT, stream=True) as again:
        assert receipt_of(again) is None  # nothing was stored


def test_a_stored_answer_comes_as_the_events_of_a_stream(server: Scripted, client: openai.OpenAI) -> None:
    server.play(streamed(text_events("Hello, ", "Ada, my dear friend of so many years", ".")))
    live = list(client.responses.create(**KEPT, stream=True))
    again: Any = client.responses.create(**KEPT, stream=True)
    replayed = list(again)
    assert again.greenai.outcome == "cache"
    assert [type(event) for event in replayed][:4] == [type(event) for event in live][:4]
    assert {type(event) for event in replayed} == {type(event) for event in live}
    assert [event.sequence_number for event in replayed] == list(range(len(replayed)))
    assert client.responses.create(**KEPT).output_text == "Hello, Ada, my dear friend of so many years."
    assert len(server.requests) == 1


@pytest.mark.parametrize("outcome", ["large", "cache"])
def test_the_stream_helper_takes_live_and_stored_answers(server: Scripted, client: openai.OpenAI, outcome: str) -> None:
    server.play(streamed(text_events("Hello, ", "Ada, my dear friend of so many years", ".")))
    if outcome == "cache":
        list(client.responses.create(**KEPT, stream=True))
    with client.responses.stream(**KEPT) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == "Hello, Ada, my dear friend of so many years."
    assert receipt_of(stream._raw_stream).outcome == outcome


def test_a_stored_call_of_a_tool_is_streamed_too(server: Scripted, bare: openai.OpenAI, tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path / "state"), "cache_also": ["tool_calls"]}
    client = wrap(bare, settings=settings)
    server.play(whole(reasoned("Which town?"), called("weather", {"town": "Ulm"}), said("One moment.")))
    given = {**KEPT, "input": "What is the capital of France?", "tools": [WEATHER]}
    first = client.responses.create(**given)
    with client.responses.stream(**given) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert receipt_of(stream._raw_stream).outcome == "cache"
    assert "response.reasoning_summary_text.delta" in kinds
    assert "response.function_call_arguments.done" in kinds
    mine, theirs = ([item.to_dict() for item in given.output] for given in (final, first))
    for item in mine:
        item.pop("parsed_arguments", None)
    assert [item["type"] for item in mine] == [item["type"] for item in theirs]
    assert mine[1] == theirs[1]


# --- awaited --------------------------------------------------------------------------------


def test_an_awaited_client_does_the_same(server: Scripted, tmp_path: Path) -> None:
    async def run() -> None:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        async with wrap(own, settings={"state_dir": str(tmp_path / "state")}) as client:
            server.play(streamed(text_events("Hello, ", "Ada.")))
            pieces: Any = await client.responses.create(**KEPT, stream=True)
            assert [event.type async for event in pieces][-1] == "response.completed"
            assert pieces.greenai.outcome == "large"
            again = await client.responses.create(**KEPT)
            assert (again.output_text, receipt_of(again).outcome) == ("Hello, Ada.", "cache")
            async with client.responses.stream(**KEPT) as stream:
                assert (await stream.get_final_response()).output_text == "Hello, Ada."
            server.play(whole(said("A second one.")))
            other = await client.responses.create(**{**KEPT, "input": "Say something else, please."})
            assert other.output_text == "A second one."

    asyncio.run(run())


# --- the dialect by itself ------------------------------------------------------------------


def test_a_draft_that_changed_nothing_is_written_as_the_app_wrote_it() -> None:
    body = {
        "model": "m",
        "input": "x",
        "stream": False,
        "reasoning": {"effort": "low", "mode": "standard"},
        "user": "u",
    }
    dialect = responses.DIALECT
    read = dialect.read("/v1/responses", body)
    draft = Draft(rung=Rung(model="openai/m"), messages=tuple(read.messages), arguments=read.arguments)
    assert dialect.written("/v1/responses", body, read, draft) == ("/v1/responses", body)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"input": "x"}, {"input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]}),
        ({"input": "x", "instructions": "Old."}, {"instructions": "Be brief."}),
    ],
)
def test_what_a_nudge_says_reaches_the_model(given: Any, sent: Any) -> None:
    body, dialect = {"model": "m", **given}, responses.DIALECT
    read = dialect.read("/v1/responses", body)
    first, *rest = read.messages
    told = {**first, "content": "Be brief."} if "instructions" in given else {"role": "system", "content": "Be brief."}
    messages = (told, *rest) if "instructions" in given else (told, first, *rest)
    draft = Draft(rung=Rung(model="openai/m"), messages=messages, arguments=read.arguments)
    assert dialect.written("/v1/responses", body, read, draft)[1] == {**body, **sent}


def test_an_answer_of_a_rung_that_speaks_chat_becomes_a_response() -> None:
    reply = chat.DIALECT.reply(completion_body("Hello, Ada."), MODEL, 0.0)
    parsed = openai.types.responses.Response.model_validate(responses.DIALECT.body(reply))
    assert (parsed.output_text, parsed.status, parsed.model) == ("Hello, Ada.", "completed", reply.model)
    assert parsed.usage is not None
    assert (parsed.usage.input_tokens, parsed.usage.output_tokens) == (
        reply.usage.input_tokens,
        reply.usage.output_tokens,
    )


def test_the_whole_is_put_together_where_the_last_event_lacks_it() -> None:
    events = text_events("Hello.")
    events[-1]["response"] = {**events[-1]["response"], "output": None}
    dialect, splitter = responses.DIALECT, Splitter()
    seen = dialect.seen(MODEL, dialect.read("", {"model": MODEL, "input": "x"}))
    for event in splitter.feed(b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)):
        assert seen.add(event)
    assert seen.reply(1.0, complete=True).text == "Hello."


@pytest.mark.parametrize("kept", [{"prompt": {"id": "pmpt_1"}}, {"previous_response_id": "resp_1"}])
def test_what_goes_on_from_what_the_provider_keeps_is_metered_without_an_input(
    server: Scripted, client: openai.OpenAI, kept: Any
) -> None:
    server.play(whole(response(said("Hello there."))))
    answered: Any = client.responses.create(model=MODEL, store=False, **kept)
    assert answered.greenai.outcome == "large"
    assert answered.greenai.attempts[0].usage.output_tokens == USAGE["output_tokens"]
    assert server.bodies == [{"model": MODEL, "store": False, **kept}]
