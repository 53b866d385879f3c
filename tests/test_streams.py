"""The energy that a provider reports in a stream."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import servers
from openai import AsyncStream, Stream

from greenai import AsyncClient, Client, streams

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
# As Neuralwatt's API sends it.
REPORT = (
    '{"energy_joules": 74.42, "energy_kwh": 2.07e-05, "avg_power_watts": 324.3, "duration_seconds": 0.229, '
    '"attribution_method": "prorated", "attribution_ratio": 1.0}'
)


def streaming(comment: str) -> servers.Scene:
    """Two words, the usage, and a comment before the last line."""

    def play(exchange: servers.Exchange) -> None:
        usage = servers.chunk_body() | {"usage": servers.USAGE}
        chunks = [servers.chunk_body({"content": "Dark "}), servers.chunk_body({"content": "red."}, "stop"), usage]
        body = b"".join(servers.event(chunk) for chunk in chunks) + f"{comment}\n".encode() + b"data: [DONE]\n\n"
        exchange.whole(200, body, {"content-type": "text/event-stream"})

    return play


def settings(scripted: servers.Scripted) -> dict[str, Any]:
    ladder = [{"model": "openai/gpt-4.1", "base_url": scripted.url}]
    return {"cache": "off", "ledger": ":memory:", "ladder": ladder}


def read(scripted: servers.Scripted, comment: str) -> Any:
    scripted.play(streaming(comment))
    with Client(max_retries=0, settings=settings(scripted)) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        assert isinstance(stream, Stream)
        assert "".join(chunk.choices[0].delta.content for chunk in stream if chunk.choices) == "Dark red."
        return stream.greenai


async def aread(scripted: servers.Scripted, comment: str) -> Any:
    scripted.play(streaming(comment))
    async with AsyncClient(max_retries=0, settings=settings(scripted)) as client:
        stream: Any = await client.chat.completions.create(messages=MESSAGES, stream=True)
        assert isinstance(stream, AsyncStream)
        assert "".join([c.choices[0].delta.content async for c in stream if c.choices]) == "Dark red."
        return stream.greenai


def test_a_stream_reports_its_energy_in_a_comment(scripted: servers.Scripted) -> None:
    for receipt in (read(scripted, f": energy {REPORT}"), asyncio.run(aread(scripted, f": energy {REPORT}"))):
        assert receipt.energy.evidence == "provider_reported"
        assert receipt.energy.energy_j == 74.42


@pytest.mark.parametrize(
    "comment",
    [": keep-alive", ": energy", ": energy {", ": energy 5", ": energy []", ': energy {"energy_joules": 0}', ":" * 9],
)
def test_another_comment_is_no_energy(scripted: servers.Scripted, comment: str) -> None:
    receipt = read(scripted, comment)
    assert receipt.energy.evidence == "modelled_api"
    assert receipt.energy.energy_j > 0


def test_a_deep_comment_is_no_energy(scripted: servers.Scripted) -> None:
    assert read(scripted, ": energy " + "[" * 100_000).energy.evidence == "modelled_api"


def test_another_source_than_openais_stream_is_left_alone() -> None:
    own = SimpleNamespace(_decoder="its own")
    assert streams.listening(own) is None
    assert own._decoder == "its own"
    assert streams.listening(object()) is None


def test_the_decoder_of_the_installed_openai_can_listen() -> None:
    client = openai.OpenAI(api_key="k")
    stream = SimpleNamespace(_decoder=client._make_sse_decoder())
    assert isinstance(streams.listening(stream), streams.EnergyComments)


def test_a_stream_that_ended_is_freed_quietly_when_modules_are_gone(
    scripted: servers.Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter sets a module's names to None late in its exit; what it frees afterwards finds none of them."""
    scripted.play(streaming(": keep-alive"))
    with Client(max_retries=0, settings=settings(scripted)) as client:
        stream: Any = client.chat.completions.create(messages=MESSAGES, stream=True)
        stream.close()
    with monkeypatch.context() as exiting:
        for name in ("os", "_open", "background"):
            exiting.setattr(streams, name, None)
        stream.__del__()
