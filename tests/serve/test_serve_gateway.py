"""The gateway in front of a scripted provider, as openai's own clients and raw requests see it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from servers import USAGE, answer, chunk_body, closed_port_url, event, raw, sleeps, status, stream
from serving import MESSAGES, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from servers import Scripted
    from serving import Served

SAID = ("call_id", "outcome", "model", "energy_j", "low_j", "high_j", "evidence", "cost_usd")


def receipt_of(response: Any) -> dict[str, Any]:
    return json.loads(response.headers["x-greenai-receipt"])


# --- whole answers --------------------------------------------------------------------------


def test_a_call_goes_to_the_provider_with_the_gateways_key_and_comes_back_with_a_receipt(
    gateway: Served, scripted: Scripted
) -> None:
    scripted.play(answer("Hello.", headers={"x-request-id": "req-of-the-provider", "set-cookie": "a=b"}))
    with gateway.client("the-callers-own-key") as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES)
    said = receipt_of(raw)
    assert tuple(said) == SAID
    assert said["outcome"] == "large"
    assert raw.headers["x-request-id"] == "req-of-the-provider"
    assert raw.headers["x-greenai-call-id"] == said["call_id"]
    assert "set-cookie" not in raw.headers
    completion = raw.parse()
    assert completion.choices[0].message.content == "Hello."
    assert completion.model_extra == {"greenai": said}
    (sent,) = scripted.requests
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == "Bearer sk-of-the-gateway"
    assert sent.body["model"] == "gpt-5.5"
    assert sent.body["messages"] == MESSAGES
    assert "the-callers-own-key" not in str(sent.headers)


def test_the_second_time_the_answer_comes_from_the_cache(gateway: Served, scripted: Scripted) -> None:
    with gateway.client() as client:
        for outcome in ("large", "cache"):
            raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES, temperature=0)
            assert receipt_of(raw)["outcome"] == outcome
            assert raw.parse().choices[0].message.content == "Hello there."
            if outcome == "cache":
                assert raw.headers["x-request-id"] == receipt_of(raw)["call_id"]
    assert len(scripted.requests) == 1


def test_the_asynchronous_client_is_served_alike(gateway: Served) -> None:
    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key="none", max_retries=0) as client:
            whole = await client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
            return [whole.choices[0].message.content]

    assert asyncio.run(ask()) == ["Hello there."]


@pytest.mark.parametrize("code", [400, 401, 404, 422, 429, 500, 503])
def test_the_providers_errors_come_as_they_were(gateway: Served, scripted: Scripted, code: int) -> None:
    scripted.play(status(code, headers={"retry-after": "7"}, message="as the provider said it"))
    with gateway.client() as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    assert caught.value.status_code == code
    assert caught.value.response.headers["retry-after"] == "7"
    assert "as the provider said it" in str(caught.value)
    assert len(scripted.requests) == 1


def test_a_provider_that_is_not_there_is_a_502() -> None:
    with (
        serving(upstream=closed_port_url()) as served,
        served.client() as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    assert caught.value.status_code == 502
    assert caught.value.body == {
        "message": "The provider could not be reached (ConnectError).",
        "type": "server_error",
        "param": None,
        "code": "upstream_unreachable",
    }


def test_a_provider_that_is_too_slow_is_a_504(gateways: Callable[..., Any], scripted: Scripted) -> None:
    scripted.play(sleeps(30, answer()))
    with (
        gateways({"timeout_s": 0.3}) as served,
        served.client() as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    assert caught.value.status_code == 504


def test_embeddings_and_responses_go_to_their_own_paths(gateway: Served, scripted: Scripted) -> None:
    vectors = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    response = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5.5", "status": "completed",
        "output": [{"id": "m", "type": "message", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2,
                  "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7},
    }  # fmt: skip
    scripted.play(raw(json.dumps(vectors).encode()), raw(json.dumps(response).encode()))
    with gateway.client() as client:
        made = client.embeddings.with_raw_response.create(
            model="text-embedding-3-small", input="a text", encoding_format="float"
        )
        said = client.responses.with_raw_response.create(model="gpt-5.5", input="Say hello.")
    assert made.parse().data[0].embedding == [0.25, -0.5]
    assert said.parse().output_text == "Hello."
    assert [request.path for request in scripted.requests] == ["/v1/embeddings", "/v1/responses"]
    assert tuple(receipt_of(made)) == tuple(receipt_of(said)) == SAID


def test_what_a_provider_has_no_api_for_is_a_400_with_the_next_step() -> None:
    with serving() as served, served.client() as client:
        with pytest.raises(openai.BadRequestError) as said:
            client.responses.create(model="anthropic/claude-sonnet-4-5", input="Say hello.")
        with pytest.raises(openai.BadRequestError) as made:
            client.embeddings.create(model="gemini/gemini-embedding-001", input="a text")
    for caught, model in ((said, "anthropic/claude-sonnet-4-5"), (made, "gemini/gemini-embedding-001")):
        assert caught.value.body == {
            "message": f"{model} is reached by chat completions only. Call /v1/chat/completions, or name a model of "
            "OpenAI or of a server that speaks its API.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_request",
        }


def test_a_streamed_response_has_its_receipt_in_an_event_of_its_own_where_it_was_asked_for(
    gateway: Served, scripted: Scripted
) -> None:
    begun = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5.5", "status": "in_progress",
        "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    text = {"item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hello.", "logprobs": []}
    usage = {
        "input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7,
    }  # fmt: skip
    events = [
        ("response.created", {"response": begun}),
        ("response.output_text.delta", text),
        ("response.completed", {"response": {**begun, "status": "completed", "usage": usage}}),
    ]

    def scene(exchange: Any) -> None:
        exchange.begin_stream()
        for number, (name, data) in enumerate(events):
            exchange.chunk(event({"type": name, "sequence_number": number, **data}))
        exchange.end_stream()

    scripted.play(scene)
    names = [name for name, _ in events]
    with gateway.client() as client:
        asked: Any = {"model": "gpt-5.5", "input": "Say hello.", "stream": True}
        assert [e.type for e in client.responses.create(**asked)] == names
        told: list[Any] = list(client.responses.create(extra_headers={"x-greenai-receipt": "body"}, **asked))
    assert [e.type for e in told] == [*names, "greenai.receipt"]
    assert told[-1].greenai["outcome"] == "large"
    assert gateway.live()["by_outcome"][0]["calls"] == 2


# --- what is refused ------------------------------------------------------------------------


def test_a_spent_budget_is_a_403_that_no_client_retries(gateways: Callable[..., Any], scripted: Scripted) -> None:
    settings = {"projects": {"default": {"budget": {"calls": "1/day", "timezone": "UTC", "when_spent": "refuse"}}}}
    with gateways(settings) as served, served.client(max_retries=5) as client:
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Another one."}])
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
    error: Any = caught.value.body
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert (error["code"], error["type"], error["param"]) == ("budget_exceeded", "budget_exceeded", None)
    numbers = {name: error["greenai"][name] for name in ("scope", "budget", "unit", "left", "limit", "settled")}
    assert numbers == {
        "scope": "project/default", "budget": "1/day", "unit": "calls", "left": 0.0, "limit": 1.0, "settled": 1.0,
    }  # fmt: skip
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "The request's content is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        (b"[]", "The request's content must be a JSON object."),
        (b'{"model": "gpt-5.5", "messages": []}',
         "The call has no messages. Pass at least one, such as {'role': 'user', 'content': '...'}."),
    ],
)  # fmt: skip
def test_what_is_no_request_is_a_400(gateway: Served, scripted: Scripted, content: bytes, message: str) -> None:
    code, error, headers = posted(gateway, "/v1/chat/completions", content)
    assert (code, error["message"], error["param"]) == (400, message, None)
    assert headers["x-request-id"].startswith("req_")
    assert scripted.requests == []


@pytest.mark.parametrize("path", ["/v1/files", "/v1/messages", "/v1/models/x:generateContent"])
def test_a_path_that_is_not_served_is_a_404(gateway: Served, path: str) -> None:
    code, error, _ = posted(gateway, path, b"{}")
    assert (code, error["code"]) == (404, "not_found")
    assert error["message"] == f"There is nothing at {path}. This gateway answers calls of models only."


def posted(
    gateway: Served, path: str, content: bytes, headers: dict[str, str] | None = None
) -> tuple[int, Any, dict[str, str]]:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.request("POST", path, content, {"content-type": "application/json", **(headers or {})})
        came = connection.getresponse()
        body = json.loads(came.read())
        return came.status, body.get("error", body), {n.lower(): v for n, v in came.getheaders()}
    finally:
        connection.close()


# --- options --------------------------------------------------------------------------------


def test_headers_are_options_and_a_field_of_the_content_is_none(gateway: Served, scripted: Scripted) -> None:
    with gateway.client() as client:
        client.chat.completions.create(
            model="gpt-5.5", messages=MESSAGES, reasoning_effort="high",
            extra_headers={"x-greenai-opt-in": "reasoning", "x-greenai-reason": "checked by a person",
                           "x-greenai-project": "search", "x-greenai-cache": "off"},
            extra_body={"greenai": {"project": "stolen", "opt_in": ["large"], "reason": "none"}},
        )  # fmt: skip
    (sent,) = scripted.requests
    assert "greenai" not in sent.body
    assert not [name for name in sent.headers if name.startswith("x-greenai")]
    assert "greenai_calls_total" in gateway.get("/metrics").decode()
    assert 'project="search"' in gateway.get("/metrics").decode()
    assert 'project="stolen"' not in gateway.get("/metrics").decode()


def test_an_option_that_there_is_not_is_a_400(gateway: Served) -> None:
    content = json.dumps({"model": "gpt-5.5", "messages": MESSAGES}).encode()
    code, error, _ = posted(gateway, "/v1/chat/completions", content, {"x-greenai-cache": "sometimes"})
    assert (code, error["code"]) == (400, "invalid_request")
    assert error["message"].startswith("cache='sometimes' is no cache. Pass 'auto' or ")
    code, error, _ = posted(gateway, "/v1/chat/completions", content, {"x-greenai-opt-in": "reasoning"})
    assert code == 400
    assert "reason" in error["message"]


# --- streams --------------------------------------------------------------------------------


def test_a_stream_comes_byte_for_byte_and_settles(gateway: Served, scripted: Scripted) -> None:
    scripted.play(stream(3))
    with gateway.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        chunks = list(raw.parse())
    assert [c.choices[0].delta.content for c in chunks] == ["word0 ", "word1 ", "word2 ", None]
    assert receipt_of(raw)["outcome"] is None  # nothing is known yet of what it took
    assert gateway.live()["total"]["calls"] == 1


def test_the_receipt_is_in_a_streams_last_chunk_where_it_was_asked_for(gateway: Served, scripted: Scripted) -> None:
    scripted.play(stream(2))
    asks: Any = {"model": "gpt-5.5", "messages": MESSAGES, "stream": True, "temperature": 0,
                 "extra_headers": {"x-greenai-receipt": "body"}}  # fmt: skip
    with gateway.client() as client:
        for outcome in ("large", "cache"):
            last = list(client.chat.completions.create(**asks))[-1]
            assert last.choices == []
            assert last.model_extra is not None
            assert tuple(last.model_extra["greenai"]) == SAID
            assert last.model_extra["greenai"]["outcome"] == outcome


def test_usage_is_in_a_stream_only_where_the_caller_asked(gateway: Served, scripted: Scripted) -> None:
    scripted.play(stream(1))
    with gateway.client() as client:
        asked = list(
            client.chat.completions.create(
                model="gpt-5.5", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )
        plain = list(client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True))
    assert asked[-1].usage is not None
    assert asked[-1].usage.to_dict() == USAGE
    assert all(chunk.usage is None for chunk in plain)


def test_a_stream_that_breaks_ends_with_an_error(gateway: Served, scripted: Scripted) -> None:
    scripted.play(stream(5, cut_after=2))
    with gateway.client() as client:
        chunks = client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        assert [next(chunks).choices[0].delta.content for _ in range(2)] == ["word0 ", "word1 "]
        with pytest.raises(openai.APIError, match=r"The provider could not be reached \(RemoteProtocolError\)\."):
            next(chunks)


def test_a_caller_that_goes_away_ends_the_call_upstream_and_it_settles(gateway: Served, scripted: Scripted) -> None:
    scripted.play(stream(1000, every_s=0.05))
    with gateway.client() as client:
        opened = client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        next(iter(opened))
        opened.close()
    deadline = time.monotonic() + 10
    while (figures := gateway.live())["total"].get("calls", 0) == 0 and time.monotonic() < deadline:
        pass
    assert figures["total"]["calls"] == 1
    assert figures["inside"] == 0


def test_a_caller_that_goes_away_before_an_answer_cancels_it(gateway: Served, scripted: Scripted) -> None:
    scripted.play(sleeps(20, answer()))
    with gateway.client(timeout=0.5) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    deadline = time.monotonic() + 10
    while json.loads(gateway.get("/live.json"))["inside"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads(gateway.get("/live.json"))["inside"] == 0


def test_two_hundred_streams_are_open_at_once(gateway: Served, scripted: Scripted) -> None:
    together = threading.Barrier(201, timeout=60)

    def scene(exchange: Any) -> None:
        exchange.begin_stream()
        exchange.chunk(event(chunk_body({"content": "first"})))
        together.wait()
        exchange.chunk(event(chunk_body({"content": " last"})))
        exchange.chunk(event(chunk_body({}, "stop")))
        exchange.chunk(b"data: [DONE]\n\n")
        exchange.end_stream()

    scripted.play(scene)

    async def one(client: openai.AsyncOpenAI) -> str:
        opened = await client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in opened])

    async def all_of_them() -> tuple[list[str], int]:
        async with openai.AsyncOpenAI(base_url=gateway.url, api_key="none", max_retries=0) as client:
            tasks = [asyncio.ensure_future(one(client)) for _ in range(200)]
            inside = 0
            while inside < 200:
                await asyncio.sleep(0.05)
                inside = json.loads(await asyncio.to_thread(gateway.get, "/live.json"))["inside"]
            await asyncio.to_thread(together.wait)
            return await asyncio.gather(*tasks), inside

    said, inside = asyncio.run(all_of_them())
    assert inside == 200
    assert said == ["first last"] * 200


# --- models ---------------------------------------------------------------------------------


def test_auto_is_the_default_ladder_where_the_settings_name_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with (
        serving({"weights_dir": tmp_path}) as served,
        served.client() as client,
        pytest.raises(openai.InternalServerError) as raised,
    ):
        client.chat.completions.create(model="auto", messages=MESSAGES)
    said = (
        "The weights of local/smollm2-135m are not on this machine. Bring them with: greenai models pull smollm2-135m"
    )
    assert raised.value.body["message"] == said  # type: ignore[index]


def test_the_models_are_listed_and_found_by_name() -> None:
    with serving({"ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"]}) as served, served.client() as client:
        names = [model.id for model in client.models.list()]
        assert names[:3] == ["auto", "openai/gpt-5.4-nano", "openai/gpt-5.5"]
        assert client.models.retrieve("auto").owned_by == "greenai"
        with pytest.raises(openai.NotFoundError, match="lists no model 'nothing'"):
            client.models.retrieve("nothing")
