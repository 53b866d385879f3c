"""Calls become replies: what is read of answers that are odd, what is kept secret, which client serves whom."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import traceback
from typing import TYPE_CHECKING, Any

import openai
import pytest
import servers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from greenai import AsyncClient, Client
from greenai.errors import MissingKey
from greenai.shapes import chunk_from, completion_from, read
from greenai.streams import Seen
from greenai.values import Usage

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
SETTINGS = {"cache": "off", "ledger": ":memory:"}
SECRET = "sk-secret-0123456789abcdef"  # looked for wherever it must not be


def green(scripted: servers.Scripted, **arguments: Any) -> Client:
    """A client whose model the catalog knows, so that its energy can be modelled."""
    ladder = [{"model": "openai/gpt-4.1", "base_url": scripted.url}]
    return Client(**{"max_retries": 0, "settings": {**SETTINGS, "ladder": ladder}, **arguments})


def answered(scripted: servers.Scripted, **body: Any) -> Any:
    scripted.play(servers.answer(**body))
    with green(scripted) as client:
        return client.chat.completions.create(messages=MESSAGES)


# --- usage that cannot be true ------------------------------------------------------------

IMPOSSIBLE: dict[str, Any] = {
    "missing": None,
    "empty": {},
    "negative": {"prompt_tokens": -5, "completion_tokens": -1, "total_tokens": -6},
    "absurd": {"prompt_tokens": 10**12, "completion_tokens": 10**12, "total_tokens": 2 * 10**12},
    "text": {"prompt_tokens": "many", "completion_tokens": "few", "total_tokens": "some"},
    "fractions": {"prompt_tokens": 1.5, "completion_tokens": 2.5, "total_tokens": 4.0},
    "no object": "none",
    "a list": [1, 2, 3],
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_usage_that_cannot_be_true_is_estimated_and_never_zero(scripted: servers.Scripted, case: str) -> None:
    response = answered(scripted, usage=IMPOSSIBLE[case])
    receipt = response.greenai
    assert response.choices[0].message.content == "Hello there."
    assert receipt.attempts[0].usage == Usage(input_tokens=4, output_tokens=3, estimated=True)
    assert receipt.energy.evidence == "modelled_api"
    assert 0 < receipt.energy.low_j < receipt.energy.energy_j < receipt.energy.high_j < 1e4


def test_no_more_is_cached_than_was_sent(scripted: servers.Scripted) -> None:
    receipt = answered(scripted, usage={**servers.USAGE, "prompt_tokens_details": {"cached_tokens": 10**6}}).greenai
    assert receipt.attempts[0].usage == Usage(input_tokens=11, output_tokens=5, cached_tokens=11)
    assert receipt.cost_usd < 1e-3


def test_reasoning_beyond_the_output_is_counted_all_the_same(scripted: servers.Scripted) -> None:
    # Some providers leave it out of the output's tokens.
    usage = {**servers.USAGE, "completion_tokens_details": {"reasoning_tokens": 500}}
    told, plain = answered(scripted, usage=usage).greenai, answered(scripted).greenai
    assert told.attempts[0].usage.reasoning_tokens == 500
    assert told.energy.energy_j > 5 * plain.energy.energy_j


@pytest.mark.parametrize("energy", [float("inf"), float("-inf"), -1.0, 0, True, "much", None, float("nan")])
def test_an_energy_that_a_provider_cannot_mean_is_modelled_instead(scripted: servers.Scripted, energy: Any) -> None:
    reading = answered(scripted, energy={"energy_joules": energy}).greenai.energy
    assert reading.evidence == "modelled_api"
    assert math.isfinite(reading.energy_j)


def test_an_energy_that_a_provider_reports_is_taken_over(scripted: servers.Scripted) -> None:
    reading = answered(scripted, energy={"energy_joules": 12.5}).greenai.energy
    assert (reading.energy_j, reading.evidence) == (12.5, "provider_reported")


# --- answers that are odd -----------------------------------------------------------------

ODD: dict[str, Any] = {
    "no choices": {"choices": []},
    "choices are null": {"choices": None},
    "choices are no list": {"choices": {"0": "a"}},
    "a choice that is none": {"choices": [None]},
    "no message": {"choices": [{"index": 0, "finish_reason": "stop"}]},
    "content is a list": {"choices": [{"index": 0, "message": {"role": "assistant", "content": [1]}}]},
    "another object": {"object": "something", "model": None, "id": None},
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_answer_arrives_as_the_bare_client_gives_it(scripted: servers.Scripted, case: str) -> None:
    response = answered(scripted, **ODD[case])
    assert isinstance(response, ChatCompletion)
    receipt, response.greenai = response.greenai, None
    assert receipt.outcome == "large"
    with openai.OpenAI(base_url=scripted.url, api_key="no-key") as bare:
        expected = bare.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
    assert {**response.model_dump(warnings=False), "greenai": None} == {
        **expected.model_dump(warnings=False),
        "greenai": None,
    }


def test_an_answer_without_text_is_no_error(scripted: servers.Scripted) -> None:
    response = answered(scripted, text=None)
    assert response.choices[0].message.content is None
    assert response.greenai.attempts[0].state == "answered"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**13), 10**13) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def shaped(*names: str, **nested: Any) -> Any:
    fields = dict.fromkeys(names, JSON) | {n: s | JSON for n, s in nested.items()}
    return st.fixed_dictionaries({}, optional=fields)


USAGES = shaped("prompt_tokens", "completion_tokens", prompt_tokens_details=shaped("cached_tokens"))
DELTAS = shaped("content", "role", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning")
COMPLETIONS = shaped(
    "id", "model", "created", "energy", usage=USAGES,
    choices=st.lists(shaped("index", "finish_reason", message=DELTAS), max_size=2),
)  # fmt: skip
CHUNKS = shaped(
    "id", "model", "created", "energy", usage=USAGES,
    choices=st.lists(shaped("index", "finish_reason", "logprobs", delta=DELTAS), max_size=2),
)  # fmt: skip


def plausible(usage: Usage) -> bool:
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)
    return all(c is None or 0 <= c < 10**9 for c in counts)


@given(COMPLETIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_can_be_read_as_an_answer(body: dict[str, Any]) -> None:
    reply = read(completion_from(body), "m", 0.1)
    assert isinstance(reply.text, str)
    assert plausible(reply.usage)


@given(st.lists(CHUNKS, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_can_be_read_as_a_stream(bodies: list[dict[str, Any]], complete: bool) -> None:
    seen = Seen("m")
    for body in bodies:
        seen.add(chunk_from(body))
    reply = seen.reply(0.1, complete=complete)
    assert isinstance(reply.text, str)
    assert plausible(reply.usage)


@pytest.mark.parametrize("body", [5, "text", [], {}, {"choices": [{}]}, {"choices": [{"delta": {"content": [1]}}]}])
def test_an_odd_chunk_ends_no_stream(scripted: servers.Scripted, body: Any) -> None:
    word, end = servers.chunk_body({"content": "word"}), servers.chunk_body({}, "stop")
    scripted.play(servers.stream(0, bodies=[word, body, word, end]))
    with openai.OpenAI(base_url=scripted.url, api_key="no-key") as bare:
        expected = list(bare.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True))
    with green(scripted) as client:
        stream: Any = client.chat.completions.create(messages=MESSAGES, stream=True)
        assert list(stream) == expected
    (attempt,) = stream.greenai.attempts
    assert (attempt.state, attempt.usage.output_tokens, attempt.usage.estimated) == ("answered", 2, True)


# --- streams that are cut -----------------------------------------------------------------


# A chunk is a token at least, and four characters are about one: three words of six characters make four.
@pytest.mark.parametrize(("after", "tokens"), [(0, 0), (1, 1), (3, 4)])
@pytest.mark.parametrize("how", ["close", "clean", "error"])
def test_a_cut_stream_is_charged_for_what_came(scripted: servers.Scripted, how: str, after: int, tokens: int) -> None:
    scripted.play(servers.stream(5, cut_after=after, how=how))
    # Which error it is, test_errors_parity says; a clean end is none.
    broken = contextlib.nullcontext() if how == "clean" else pytest.raises(Exception, match=r".")
    with green(scripted) as client:
        stream: Any = client.chat.completions.create(messages=MESSAGES, stream=True)
        with broken:
            list(stream)
    (attempt,) = stream.greenai.attempts
    assert attempt.state == "cut"
    assert attempt.usage == Usage(input_tokens=4, output_tokens=tokens, estimated=True)
    assert attempt.energy.energy_j > 0
    assert "The stream ended before its last chunk; energy and tokens count what was seen." in stream.greenai.warnings


def test_a_cut_stream_that_had_told_its_usage_is_charged_for_that(scripted: servers.Scripted) -> None:
    scripted.play(servers.stream(5, cut_after=2, how="usage"))
    with green(scripted) as client:
        stream: Any = client.chat.completions.create(messages=MESSAGES, stream=True)
        with pytest.raises(Exception, match=r"peer closed|Connection error"):
            list(stream)
    assert stream.greenai.attempts[0].usage == Usage(input_tokens=11, output_tokens=5)


def test_a_cut_stream_is_never_stored(scripted: servers.Scripted, tmp_path: Path) -> None:
    scripted.play(servers.stream(5, cut_after=2, how="clean"), servers.stream(5))
    ladder = [{"model": "openai/gpt-4.1", "base_url": scripted.url}]
    with Client(settings={"ladder": ladder, "state_dir": str(tmp_path)}) as client:
        texts = []
        for _ in range(3):
            stream = client.chat.completions.create(messages=MESSAGES, stream=True)
            texts.append("".join(c.choices[0].delta.content or "" for c in stream))
    assert texts == ["word0 word1 ", *["word0 word1 word2 word3 word4 "] * 2]


# --- keys ---------------------------------------------------------------------------------

FAILURES: dict[str, servers.Scene] = {
    "refused key": servers.status(401),
    "server error": servers.status(500),
    "echoed key": servers.status(401, message=f"Incorrect API key provided: {SECRET}"),
    "page": servers.html(),
    "reset": servers.reset(),
    "malformed": servers.malformed(),
}


def told(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error))
    return f"{error!r} {error} {getattr(error, '__notes__', '')} {lines}"


@pytest.mark.parametrize("given_as", ["argument", "environment", "ladder"])
@pytest.mark.parametrize("case", FAILURES)
def test_a_key_is_in_no_error_no_log_and_no_file(
    scripted: servers.Scripted,
    case: str,
    given_as: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    scripted.play(FAILURES[case], servers.answer())
    settings: dict[str, Any] = {"state_dir": str(tmp_path)}
    arguments: dict[str, Any] = {"base_url": scripted.url}
    if given_as == "argument":
        arguments["api_key"] = SECRET
    elif given_as == "environment":
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    else:
        monkeypatch.setenv("SHOP_KEY", SECRET)
        arguments = {}
        settings["ladder"] = [{"model": "openai/gpt-4.1", "base_url": scripted.url, "api_key_env": "SHOP_KEY"}]
    model: dict[str, Any] = {} if given_as == "ladder" else {"model": servers.MODEL}
    with Client(max_retries=0, settings=settings, **arguments) as client:
        with pytest.raises(Exception, match=r".") as caught:
            client.chat.completions.create(messages=MESSAGES, **model)
        # What a server says about the key is the server's to say; greenai adds nothing to it.
        assert case == "echoed key" or SECRET not in told(caught.value)
        response: Any = client.chat.completions.create(messages=[*MESSAGES] * 3, **model)
        assert SECRET not in json.dumps(response.greenai.to_dict())
        assert SECRET not in f"{client!r} {client._session.config!r} {client.settings!r} {response!r}"
    assert any(r.headers["authorization"] == f"Bearer {SECRET}" for r in scripted.requests)
    assert SECRET not in caplog.text
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert written
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path


def test_a_key_for_one_address_is_not_sent_to_another(scripted: servers.Scripted) -> None:
    """`api_key` belongs to the client's own address; a rung elsewhere gets its own key, or none."""
    with green(scripted, api_key=SECRET) as client:
        client.chat.completions.create(messages=MESSAGES)
    assert SECRET not in str(scripted.requests[0].headers)


def test_a_key_that_is_missing_for_openai() -> None:
    with Client(settings=SETTINGS) as client, pytest.raises(MissingKey) as caught:
        client.chat.completions.create(model="gpt-4.1-2025-04-14", messages=MESSAGES)
    assert str(caught.value) == (
        "This call goes to OpenAI, and no API key was found. Set one with: export OPENAI_API_KEY=... (in Python also: "
        "Client(api_key=...)), or use the model on this machine: --model local/smollm2-135m "
        '(in Python: model="local/smollm2-135m").'
    )


def test_a_key_that_is_missing_for_another_provider() -> None:
    with Client(settings=SETTINGS) as client, pytest.raises(MissingKey) as caught:
        client.chat.completions.create(model="gemini/gemini-unheard-of", messages=MESSAGES)
    assert str(caught.value) == (
        "This call goes to gemini, and no API key was found: GEMINI_API_KEY or GOOGLE_API_KEY is not set. "
        "Set one with: export GEMINI_API_KEY=..., or use the model on this machine: --model local/smollm2-135m "
        '(in Python: model="local/smollm2-135m").'
    )


# --- connections --------------------------------------------------------------------------


def test_a_client_works_in_several_loops_one_after_the_other(scripted: servers.Scripted) -> None:
    client = AsyncClient(base_url=scripted.url, api_key="no-key", settings=SETTINGS)

    async def call() -> str | None:
        response = await client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
        await client._session._provider.opened().aclose()  # type: ignore[union-attr]
        return response.choices[0].message.content

    assert [asyncio.run(call()) for _ in range(3)] == ["Hello there."] * 3
    asyncio.run(client.close())


def test_the_apps_own_http_client_is_used(scripted: servers.Scripted) -> None:
    own = openai.DefaultHttpxClient(headers={"x-own": "yes"})
    with Client(base_url=scripted.url, api_key="no-key", http_client=own, settings=SETTINGS) as client:
        client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
    assert scripted.requests[0].headers["x-own"] == "yes"
    assert own.is_closed


def test_a_connection_is_used_again(scripted: servers.Scripted) -> None:
    with green(scripted) as client:
        for _ in range(3):
            client.chat.completions.create(messages=MESSAGES)
        http = next(iter(client._session._provider.opened()._openai._clients.values()))._client  # type: ignore[union-attr]
        assert len(http._transport._pool.connections) == 1
