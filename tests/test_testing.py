"""The public doubles do what their users rely on."""

from __future__ import annotations

import asyncio
import doctest

import openai
import pytest

import greenai.testing
from greenai import AsyncClient, Client
from greenai.readings import Reading
from greenai.testing import FakeProvider, FakeReply, MemoryStore, ReplayMeter, error, offline
from greenai.values import Call

MESSAGES = [{"role": "user", "content": "Say hello to my friend Ada."}]
LOCAL = {"ladder": ["local/smollm2-135m"]}


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(greenai.testing).failed == 0


def test_a_script_is_played_in_order_and_then_the_default() -> None:
    def by_model(call: Call) -> str:
        return call.draft.rung.model

    provider = FakeProvider("one", FakeReply(text="two"), by_model, error(500), default="for ever")
    with offline(provider, settings={"cache": "off"}) as client:
        assert [client.ask("Say hello.").text for _ in range(3)] == ["one", "two", "openai/gpt-5.4-nano"]
        with pytest.raises(openai.InternalServerError):
            client.ask("Say hello.")
        assert [client.ask("Say hello.").text for _ in range(2)] == ["for ever", "for ever"]
    assert provider.models == ["openai/gpt-5.4-nano"] * 6
    assert provider.closed == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (503, openai.InternalServerError),
     (None, openai.APIConnectionError)],
)  # fmt: skip
def test_errors_are_openais(status: int | None, kind: type[Exception]) -> None:
    assert type(error(status)) is kind
    assert type(error(None, timeout=True)) is openai.APITimeoutError


def test_an_error_has_the_headers_it_is_given() -> None:
    failure = error(429, headers={"retry-after": "3"})
    assert isinstance(failure, openai.APIStatusError)
    assert failure.response.headers["retry-after"] == "3"


def test_the_same_exception_is_raised_anew_each_time() -> None:
    with offline(FakeProvider(default=error(500))) as client:
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as raised:
                client.ask("Say hello.", model="gpt-4o-2024-08-06")
            assert len(raised.value.__notes__) == 1


def test_tool_calls_come_whole_and_streamed() -> None:
    tool = {"id": "call_1", "type": "function", "function": {"name": "open", "arguments": "{}"}}
    reply = FakeReply(tool_calls=(tool,), finish_reason="tool_calls")
    with offline(FakeProvider(default=reply)) as client:
        whole = client.chat.completions.create(messages=MESSAGES).choices[0]
        assert whole.message.tool_calls is not None
        assert (whole.finish_reason, whole.message.content) == ("tool_calls", None)
        deltas = [c.choices[0].delta for c in client.chat.completions.create(messages=MESSAGES, stream=True)]
    (streamed,) = [d.tool_calls[0] for d in deltas if d.tool_calls]
    assert streamed.function is not None
    assert streamed.function.name == "open"


def test_recorded_readings_are_replayed_and_then_modelled() -> None:
    recorded = Reading(energy_j=3.0, low_j=2.0, high_j=4.0, evidence="measured_shared", method="recorded")
    meter = ReplayMeter(2.5, recorded, None)
    with offline(settings={**LOCAL, "cache": "off"}, meters=[meter]) as client:
        energies = [client.ask("Say hello.").greenai.energy for _ in range(4)]
    assert [(e.energy_j, e.evidence) for e in energies[:2]] == [(2.5, "measured"), (3.0, "measured_shared")]
    assert energies[1] == recorded
    assert all(e.evidence.startswith("modelled") for e in energies[2:])
    assert meter.windows == 4


def test_a_local_model_is_there_without_weights() -> None:
    provider = FakeProvider("Hi.")
    with offline(provider, settings=LOCAL) as client:
        assert client.ask("Say hello.").greenai.model == "local/smollm2-135m"
    assert provider.calls[0].draft.rung.base_url == "http://offline.invalid/v1"


def test_entries_end_with_their_time() -> None:
    store = MemoryStore()
    assert store.get("k") is None
    store.put("k", {"a": [1]}, 60.0)
    assert store.get("k") == {"a": [1]}
    store.forget("k")
    store.put("old", 1, 0.0)
    assert (store.get("k"), store.get("old")) == (None, None)


def test_clients_share_no_state() -> None:
    with offline() as one, offline() as other:
        one.ask("Say hello.", temperature=0)
        assert other.ask("Say hello.", temperature=0).greenai.outcome == "small"
        assert other.ask("Say hello.", temperature=0).greenai.outcome == "cache"


def test_it_makes_either_client() -> None:
    assert type(offline()) is Client

    async def ask() -> str:
        async with offline(FakeProvider("Hi."), client=AsyncClient) as client:
            assert type(client) is AsyncClient
            return (await client.ask("Say hello.")).text

    assert asyncio.run(ask()) == "Hi."
