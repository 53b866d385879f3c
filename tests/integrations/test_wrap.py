"""An openai client that was wrapped, held against the bare one on a real socket."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import openai
import pytest
from pydantic import BaseModel

import greenai
from greenai import BudgetExceeded, InvalidRequest, wrap
from greenai.background import background
from greenai.wire import relay
from tests.servers import Scripted, answer, html, status, stream, truncated

HELLO: Any = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]
MODEL = "some-model"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


_opened: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def _connections_closed() -> Iterator[None]:
    """Close what a test's clients opened: of garbage, a socket may be collected before the client that would close it."""
    yield
    while _opened:
        _opened.pop().close()


def bare(server: Scripted, **changes: Any) -> openai.OpenAI:
    client = openai.OpenAI(base_url=server.url, api_key="key", **{"max_retries": 0, **changes})
    _opened.append(client._client)
    return client


@pytest.fixture
def client(server: Scripted, tmp_path: Path) -> openai.OpenAI:
    return wrap(bare(server), settings={"state_dir": str(tmp_path / "state")})


def test_it_is_of_the_same_type_and_the_apps_own_client_stays_bare(server: Scripted, client: openai.OpenAI) -> None:
    own = bare(server)
    assert isinstance(client, openai.OpenAI)
    assert (type(client).__name__, type(client).__module__) == (type(own).__name__, type(own).__module__)
    assert client.base_url == own.base_url
    server.play(answer(), answer())
    assert not hasattr(own.chat.completions.create(model=MODEL, messages=HELLO), "greenai")
    receipt = client.chat.completions.create(model=MODEL, messages=HELLO).greenai  # type: ignore[attr-defined]
    assert (receipt.outcome, receipt.model) == ("large", f"endpoint/{MODEL}")


def test_a_response_is_the_bare_one_but_for_its_receipt(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer(), answer())
    theirs = bare(server).chat.completions.create(model=MODEL, messages=HELLO, temperature=0.3)
    ours = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0.3)
    assert type(ours) is type(theirs)
    dumped = ours.to_dict()
    assert dumped.pop("greenai")
    assert isinstance(ours.greenai, greenai.Receipt)  # type: ignore[attr-defined]
    assert dumped == theirs.to_dict()
    assert pickle.loads(pickle.dumps(ours)).greenai == ours.greenai  # type: ignore[attr-defined]
    first, second = server.bodies
    assert second == first


def test_what_is_sent_is_what_the_app_wrote(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer())
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    client.chat.completions.create(
        model=MODEL, messages=HELLO, tools=tools, seed=7, extra_body={"top_k": 3}, extra_headers={"x-own": "1"}
    )
    assert server.bodies == [{"model": MODEL, "messages": HELLO, "tools": tools, "seed": 7, "top_k": 3}]
    assert server.requests[0].headers["x-own"] == "1"
    assert server.requests[0].headers["authorization"] == "Bearer key"


def test_the_same_question_again_is_answered_from_the_cache(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer("Hello, Ada."))
    first = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
    again = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
    assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")  # type: ignore[attr-defined]
    assert again.choices[0].message.content == "Hello, Ada."
    assert len(server.requests) == 1
    pieces = client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "Hello, Ada."
    assert pieces.greenai.outcome == "cache"  # type: ignore[attr-defined]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, temperature=0)
    assert raw.parse().choices[0].message.content == "Hello, Ada."
    assert len(server.requests) == 1


def test_another_key_shares_no_answer(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer("For one."), answer("For another."))
    client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
    other = client.with_options(api_key="another")
    assert other.chat.completions.create(model=MODEL, messages=HELLO, temperature=0).choices[0].message.content == (
        "For another."
    )


def texts(server: Scripted, first: Any, second: Any) -> list[str | None]:
    """Ask the same of two clients of one cache, where the server would answer otherwise each time."""
    server.play(answer("For one."), answer("For another."))
    return [ask(model=MODEL, messages=HELLO, temperature=0).choices[0].message.content for ask in (first, second)]


BOTH = ["For one.", "For another."]


def test_another_server_shares_no_answer(server: Scripted, client: openai.OpenAI) -> None:
    with Scripted() as other:
        other.play(answer("For another."))
        moved = client.with_options(base_url=other.url)
        assert texts(server, client.chat.completions.create, moved.chat.completions.create) == BOTH


def test_another_deployment_or_version_of_it_shares_no_answer(server: Scripted, tmp_path: Path) -> None:
    def create(deployment: str, version: str = "2024-10-21") -> Any:
        own = openai.AzureOpenAI(
            azure_endpoint=server.origin, azure_deployment=deployment, api_version=version, api_key="key"
        )
        _opened.append(own._client)
        return wrap(own, settings={"state_dir": str(tmp_path / "state")}).chat.completions.create

    assert texts(server, create("one"), create("another")) == BOTH
    assert texts(server, create("third"), create("third", "2025-01-01")) == BOTH


@pytest.mark.parametrize(
    "header", ["cookie", "ocp-apim-subscription-key", "cf-aig-authorization", "openai-organization", "a-new-header"]
)
def test_another_caller_by_any_header_shares_no_answer(server: Scripted, client: openai.OpenAI, header: str) -> None:
    ours, theirs = (client.with_options(default_headers={header: value}) for value in ("a=1", "a=2"))
    assert texts(server, ours.chat.completions.create, theirs.chat.completions.create) == BOTH


@pytest.mark.parametrize("header", ["x-stainless-helper", "traceparent", "x-datadog-trace-id", "idempotency-key"])
def test_a_header_of_one_message_makes_no_other_answer(server: Scripted, client: openai.OpenAI, header: str) -> None:
    ours, theirs = (client.with_options(default_headers={header: value}) for value in ("1", "2"))
    assert texts(server, ours.chat.completions.create, theirs.chat.completions.create) == ["For one."] * 2


def test_a_load_balancers_cookie_makes_no_other_answer(server: Scripted, client: openai.OpenAI) -> None:
    theirs = client.with_options(default_headers={"cookie": "__cf_bm=abc; _cfuvid=1"})
    assert texts(server, client.chat.completions.create, theirs.chat.completions.create) == ["For one."] * 2


def test_a_copy_with_options_passes_greenai_too(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer())
    response = client.with_options(timeout=5).chat.completions.create(model=MODEL, messages=HELLO)
    assert response.greenai.outcome == "large"  # type: ignore[attr-defined]


def test_a_stream_is_relayed_and_has_its_receipt_at_the_end(server: Scripted, client: openai.OpenAI) -> None:
    server.play(stream(4), stream(4))
    theirs = [chunk.to_dict() for chunk in bare(server).chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True})]  # fmt: skip
    pieces = client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert pieces.greenai is None  # type: ignore[attr-defined]
    assert [chunk.to_dict() for chunk in pieces] == theirs
    receipt = pieces.greenai  # type: ignore[attr-defined]
    assert receipt.attempts[0].usage.output_tokens == theirs[-1]["usage"]["completion_tokens"]  # type: ignore[index]


def test_a_usage_chunk_that_nobody_asked_for_is_kept_back(server: Scripted, client: openai.OpenAI) -> None:
    server.play(stream(4))
    pieces = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    assert all(chunk.choices for chunk in pieces)
    assert server.bodies[0]["stream_options"] == {"include_usage": True}
    assert pieces.greenai.attempts[0].usage.input_tokens is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["closed", "dropped", "in a with"])
def test_a_stream_that_is_not_read_to_its_end_is_settled(server: Scripted, client: openai.OpenAI, ending: str) -> None:
    server.play(stream(4))
    pieces = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    next(pieces)
    if ending == "closed":
        pieces.close()
    elif ending == "in a with":
        with pieces:
            pass
    if ending == "dropped":
        del pieces
        gc.collect()
        background.drain()
    else:
        assert pieces.greenai.attempts[0].state == "cut"  # type: ignore[attr-defined]
    ledger = client.greenai._session.resources.ledger  # type: ignore[attr-defined]
    (call,) = ledger.recent()
    assert [attempt["state"] for attempt in ledger.attempts(call["call_id"])] == ["cut"]


def test_openais_own_helpers_work(server: Scripted, client: openai.OpenAI) -> None:
    class Place(BaseModel):
        city: str

    server.play(answer('{"city": "Paris"}'), stream(4), stream(4), answer())
    parsed = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Place)
    assert parsed.choices[0].message.parsed == Place(city="Paris")
    assert parsed.greenai.outcome == "large"  # type: ignore[attr-defined]
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as events:
        kinds = {event.type for event in events}
    assert {"chunk", "content.delta", "content.done"} <= kinds
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=HELLO, stream=True) as response:
        assert b"".join(response.iter_bytes()).endswith(b"data: [DONE]\n\n")
    assert response.greenai.outcome == "large"  # type: ignore[attr-defined]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert raw.status_code == 200
    assert raw.elapsed.total_seconds() > 0
    assert raw.parse().choices[0].message.content == "Hello there."


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_errors_are_the_providers_own(server: Scripted, client: openai.OpenAI, code: int) -> None:
    errors = []
    for one in (bare(server), client):
        server.play(status(code, headers={"x-own": "1"}))
        with pytest.raises(openai.APIStatusError) as raised:
            one.chat.completions.create(model=MODEL, messages=HELLO)
        errors.append(raised.value)
    theirs, ours = errors
    assert type(ours) is type(theirs)
    assert (str(ours), ours.body, ours.response.headers["x-own"]) == (str(theirs), theirs.body, "1")


def test_the_library_retries_as_it_does(server: Scripted) -> None:
    client = wrap(bare(server, max_retries=2))
    server.play(status(500, headers={"retry-after-ms": "1"}), status(429, headers={"retry-after-ms": "1"}), answer())
    assert client.chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content == "Hello there."
    assert [r.headers["x-stainless-retry-count"] for r in server.requests] == ["0", "1", "2"]


@pytest.mark.parametrize("scene", [html(), truncated()])
def test_a_response_that_is_no_answer_comes_as_to_the_bare_client(server: Scripted, scene: Any, tmp_path: Path) -> None:
    came = []
    for one in (bare(server), wrap(bare(server), settings={"state_dir": str(tmp_path / "state")})):
        server.play(scene)
        try:
            came.append(str(one.chat.completions.create(model=MODEL, messages=HELLO)))
        except openai.APIError as error:
            came.append(type(error).__name__)
    assert came[0] == came[1]


def test_a_spent_budget_is_raised_at_once_and_nothing_is_sent(server: Scripted, tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path / "state"), "projects": {"bot": {"budget": {"calls": "1/hour"}}}}
    client = wrap(bare(server, max_retries=2), settings=settings, project="bot")
    server.play(answer())
    client.chat.completions.create(model=MODEL, messages=HELLO)
    started = time.perf_counter()
    with pytest.raises(BudgetExceeded, match="bot"):
        client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0.9)
    assert time.perf_counter() - started < 0.4, "the library waits 0.5 s at least before it tries again"
    assert len(server.requests) == 1


def test_reasoning_needs_an_opt_in_where_it_is_strict(server: Scripted, tmp_path: Path) -> None:
    client = wrap(bare(server), settings={"state_dir": str(tmp_path / "state"), "strict_opt_in": True})
    server.play(answer(), answer())
    client.chat.completions.create(model="gpt-5.5", messages=HELLO, reasoning_effort="high")
    with client.greenai.opt_in("reasoning", reason="a hard question"):  # type: ignore[attr-defined]
        client.chat.completions.create(model="gpt-5.5", messages=HELLO, reasoning_effort="high")
    assert [body.get("reasoning_effort") for body in server.bodies] == ["none", "high"]


def test_a_receipts_line_can_be_written_as_it_is(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer(), answer(), answer())
    first = client.chat.completions.create(model="gpt-5.5", messages=HELLO)
    line = next(note.override for note in first.greenai.nudges if note.nudge == "effort")  # type: ignore[attr-defined]
    assert line == 'with_options(opt_in={"reasoning"}, reason="...")'
    careful: openai.OpenAI = eval(f"client.{line}", {"client": client})
    assert type(careful) is type(client)
    second = careful.chat.completions.create(model="gpt-5.5", messages=HELLO, temperature=0.5)
    (given,) = second.greenai.opt_ins  # type: ignore[attr-defined]
    assert (given.kind, given.reason) == ("reasoning", "...")
    assert client.chat.completions.create(model="gpt-5.5", messages=HELLO, temperature=0.7).greenai.opt_ins == ()  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="reason"):
        client.with_options(opt_in={"reasoning"})  # type: ignore[call-arg]


def test_other_requests_pass_as_they_are(server: Scripted, client: openai.OpenAI) -> None:
    server.play(answer())
    assert client.post("/foo/bar", cast_to=object, body={"a": 1}) is not None
    assert server.bodies == [{"a": 1}]
    server.play(status(400), status(400))
    for one in (bare(server), client):
        with pytest.raises(openai.BadRequestError):
            one.chat.completions.create(model=MODEL, messages=[])


def test_what_greenai_does_not_change_goes_out_byte_for_byte(server: Scripted, client: openai.OpenAI) -> None:
    contents = [
        b'{"model" : "m",  "temperature": 1.0, "messages": [{"role": "user", "content": "caf\\u00e9"}]}',
        b'{"messages": [{"role": "user", "content": "half of a pair: \\ud800"}], "model": "m"}',
        b'{"messages": ["no message"], "model": "m"}',
        b'{"messages": [{"role": "user", "content": "Hello."}]}',
        b'{"messages": [{"role": "user", "content": "Hello."}], "model": "auto"}',
        b'{"messages": [{"role": "user", "content": "Hello."}], "model": 5}',
    ]
    for content in contents:
        server.play(answer())
        response = client._client.post(f"{server.url}/chat/completions", content=content)
        assert (response.status_code, [request.raw for request in server.requests]) == (200, [content])


def test_half_of_a_pair_is_no_reason_to_fail(server: Scripted, client: openai.OpenAI) -> None:
    content = b'{"messages": [{"role": "user", "content": "\\ud800"}], "model": "gpt-5.5", "stream": true}'
    response = client._client.post(f"{server.url}/chat/completions", content=content)
    assert (response.status_code, server.bodies[0]["messages"][0]["content"]) == (200, "\ud800")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_redirection_is_followed_and_is_no_answer(server: Scripted, client: openai.OpenAI, *, streamed: bool) -> None:
    server.play(lambda e: e.whole(307, b"", {"location": "/v1/moved/chat/completions"}), answer())
    response: Any = client.chat.completions.create(model=MODEL, messages=HELLO, stream=streamed)
    assert [chunk.id for chunk in response] if streamed else response.choices
    ledger = client.greenai._session.resources.ledger  # type: ignore[attr-defined]
    states = [attempt["state"] for call in ledger.recent() for attempt in ledger.attempts(call["call_id"])]
    assert sorted(states) == ["answered", "failed"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("reserve", "A call could not be taken through greenai; it is sent as it is."),
        ("settle_and_record", "could not be settled"),
    ],
)
def test_a_failure_of_greenais_own_costs_nobody_the_call(
    server: Scripted, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    broken: str, said: str, *, streamed: bool,
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(client.greenai._session.resources.ledger, broken, fail)  # type: ignore[attr-defined]
    response: Any = client.chat.completions.create(model=MODEL, messages=HELLO, stream=streamed)
    assert len(list(response)) == 4 if streamed else response.choices
    assert (len(server.requests), response.greenai) == (1, None)
    assert any(said in record.getMessage() for record in caplog.records)


def test_an_event_that_cannot_be_read_is_delivered(
    server: Scripted, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("greenai.wire.chat.ChatSeen.add", fail)
    server.play(stream(4))
    pieces = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    assert len([chunk for chunk in pieces if chunk.choices]) == 5
    assert pieces.greenai.attempts[0].state == "cut"  # type: ignore[attr-defined]
    assert [record.getMessage() for record in caplog.records] == [
        "An event of a stream could not be read; its call is settled without."
    ]


def test_a_copy_of_a_wrapped_client_is_wrapped_whatever_its_options(server: Scripted, client: openai.OpenAI) -> None:
    http = httpx.Client()
    _opened.append(http)
    for made in (client.with_options(timeout=5), client.copy(http_client=http), client.with_options(http_client=http)):
        assert made.greenai is client.greenai  # type: ignore[attr-defined]
        assert made.chat.completions.create(model=MODEL, messages=HELLO).greenai  # type: ignore[attr-defined]


def test_a_client_of_a_class_of_the_apps_own_is_wrapped(server: Scripted) -> None:
    class Ours(openai.OpenAI):
        def __init__(self, team: str) -> None:
            super().__init__(base_url=server.url, api_key="key", max_retries=0)
            self.team = team

    own = Ours("search")
    _opened.append(own._client)
    assert not hasattr(own.chat.completions.create(model=MODEL, messages=HELLO), "greenai")
    wrapped = wrap(own)
    assert isinstance(wrapped, Ours)
    assert (wrapped.team, wrapped.chat.completions._client) == ("search", wrapped)
    assert wrapped.chat.completions.create(model=MODEL, messages=HELLO).greenai  # type: ignore[attr-defined]
    assert not hasattr(own.chat.completions.create(model=MODEL, messages=HELLO), "greenai")


def test_a_server_that_knows_no_stream_options_is_asked_without(server: Scripted, client: openai.OpenAI) -> None:
    def refusing(exchange: Any) -> None:
        known = "stream_options" not in exchange.server.received[-1].body
        (stream(3) if known else status(400, message="Unrecognized request argument: stream_options"))(exchange)

    server.play(refusing)
    for _ in range(2):
        pieces = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        assert len(list(pieces)) == 4
        assert pieces.greenai.attempts[0].usage.estimated  # type: ignore[attr-defined]
    assert ["stream_options" in body for body in server.bodies] == [True, False, False]
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True})


def test_a_prompt_is_too_long_for_greenai_only_where_the_settings_say_so(server: Scripted, tmp_path: Path) -> None:
    long: Any = [{"role": "user", "content": "word " * 1_000_000}]
    assert wrap(bare(server)).chat.completions.create(model=MODEL, messages=long).choices
    limited = wrap(bare(server), settings={"state_dir": str(tmp_path / "state"), "max_prompt_bytes": 1000})
    with pytest.raises(greenai.RequestTooLarge):
        limited.chat.completions.create(model=MODEL, messages=long)


def test_on_another_loop_than_asyncios_calls_pass_as_they_are(
    server: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    trio = pytest.importorskip("trio")

    async def call() -> None:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        async with wrap(own) as client:
            for _ in range(2):
                assert (await client.chat.completions.create(model=MODEL, messages=HELLO)).choices

    trio.run(call)
    said = [record.getMessage() for record in caplog.records if record.name == "greenai"]
    assert said == ["greenai takes awaited calls on asyncio's loop only; on this one they are sent as they are."]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("header", "value"), [("authorization", "AWS4-HMAC-SHA256 Credential=a"), ("content-digest", "sha-256=:a:")]
)
def test_signed_content_stays_as_it_is(
    server: Scripted, client: openai.OpenAI, header: str, value: str, *, streamed: bool
) -> None:
    content = b'{"model" : "gpt-5.5", "messages": [{"role": "user", "content": "Hello."}], "stream": %s}' % (
        b"true" if streamed else b"false"
    )
    url = f"{server.url}/chat/completions"
    assert client._client.post(url, content=content, headers={header: value}).status_code == 200
    assert client._client.post(url, content=content).status_code == 200
    signed, plain = server.requests
    assert signed.raw == content != plain.raw
    ledger = client.greenai._session.resources.ledger  # type: ignore[attr-defined]
    assert len(ledger.recent()) == 2


def test_a_model_of_the_settings_ladder_answers_in_place_of_the_named_one(server: Scripted, tmp_path: Path) -> None:
    with Scripted() as small:
        rungs = [
            {"model": "openai/gpt-5-nano", "base_url": small.url, "tier": "small"},
            {"model": "openai/gpt-5.5", "base_url": server.url, "tier": "large"},
        ]
        client = wrap(bare(server), settings={"state_dir": str(tmp_path / "state"), "ladder": rungs})
        small.play(answer("A small one's."))
        create = client.chat.completions.create
        assert create(model="gpt-5.5", messages=HELLO).choices[0].message.content == "A small one's."
        asked = client.chat.completions.with_streaming_response
        with asked.create(model="gpt-5.5", messages=HELLO, stream=True, extra_headers={"x-own": "1"}) as response:
            lines = [line for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        assert len(lines) == 5
        assert not server.requests
        assert {(r.headers["authorization"], r.headers.get("x-own")) for r in small.requests} == {
            ("Bearer no-key", None)
        }
        small.play(status(500, headers={"retry-after-ms": "1"}))
        assert create(model="gpt-5.5", messages=HELLO, seed=1).choices[0].message.content == "Hello there."
        client.greenai.close()  # type: ignore[attr-defined]


def test_collecting_a_wrapped_client_does_not_close_the_apps_own(server: Scripted) -> None:
    own = bare(server)
    server.play(answer(), answer(), answer())
    wrap(own).chat.completions.create(model=MODEL, messages=HELLO)
    gc.collect()
    assert not own.is_closed()
    assert own.chat.completions.create(model=MODEL, messages=HELLO).choices
    only = wrap(bare(server))
    _opened.clear()
    gc.collect()
    assert only.chat.completions.create(model=MODEL, messages=HELLO).choices
    only.close()
    own.close()


def test_loops_one_after_another(server: Scripted, tmp_path: Path) -> None:
    async def once() -> str:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        async with wrap(own, settings={"state_dir": str(tmp_path / "state")}) as client:
            server.play(answer(), stream(4))
            response = await client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0.2)
            pieces = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in pieces])
            assert (response.greenai.outcome, pieces.greenai.outcome) == ("large", "large")  # type: ignore[attr-defined]
            return text

    assert len({asyncio.run(once()) for _ in range(3)}) == 1


def test_a_cancelled_call_is_settled(server: Scripted, tmp_path: Path) -> None:
    from tests.servers import sleeps

    async def cancelled() -> None:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        client = wrap(
            own,
            settings={"state_dir": str(tmp_path / "state"), "projects": {"default": {"budget": {"calls": "5/hour"}}}},
        )
        server.play(sleeps(2, answer()))
        task = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=HELLO))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = client.greenai._session.resources.ledger.recent()  # type: ignore[attr-defined]
        assert [call["error"] for call in left] == []
        await own.close()

    asyncio.run(cancelled())


def test_a_stream_that_anyio_cancels_is_settled(server: Scripted, tmp_path: Path) -> None:
    async def cancelled() -> None:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0)
        client = wrap(own, settings={"state_dir": str(tmp_path / "state")})
        server.play(stream(2, cut_after=1, how="stall"))
        pieces = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        with anyio.move_on_after(0.2) as scope:
            async for _ in pieces:
                pass
        assert scope.cancelled_caught
        assert pieces.greenai.attempts[0].state == "cut"  # type: ignore[attr-defined]
        (call,) = client.greenai._session.resources.ledger.recent()  # type: ignore[attr-defined]
        assert call["outcome"] == "large"
        await own.close()

    asyncio.run(cancelled())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_that_closes_its_copy_of_a_stream_settles_nothing(
    server: Scripted, client: openai.OpenAI
) -> None:
    server.play(stream(4))
    pieces = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    next(pieces)
    tails = tuple(relay._open)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this process has threads, and the child uses none of theirs
        child = os.fork()
    if child == 0:
        for tail in tails:
            tail.finish(complete=False)
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(pieces)) == 4
    ledger = client.greenai._session.resources.ledger  # type: ignore[attr-defined]
    states = [attempt["state"] for call in ledger.recent() for attempt in ledger.attempts(call["call_id"])]
    assert states == ["answered"]


def test_a_client_of_another_library_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="wrap\\(\\) knows the clients of openai"):
        wrap(object())
