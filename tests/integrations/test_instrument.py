"""`instrument()`: clients of this process pass greenai, old and new ones, and stop doing so without a trace."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

import greenai
from greenai import BudgetExceeded, InvalidRequest, collecting, green, instrument, uninstrument
from tests.servers import Scripted, answer, status, stream

HELLO: Any = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]
MODEL = "some-model"
MADE: list[openai.OpenAI] = []
"""What a test leaves open is closed after it: the collector might find a socket before its client."""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        scripted.play(*[answer()] * 40)
        yield scripted
    while MADE:
        MADE.pop().close()


def bare(server: Scripted, **changes: Any) -> openai.OpenAI:
    client = openai.OpenAI(base_url=server.url, api_key="key", **{"max_retries": 0, **changes})
    MADE.append(client)
    return client


def asked(client: openai.OpenAI, **changes: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": HELLO, **changes})


def is_green(response: object) -> bool:
    return isinstance(getattr(response, "greenai", None), greenai.Receipt)


def test_clients_of_before_and_after_pass_it_until_it_is_undone(server: Scripted) -> None:
    old = bare(server)
    asked(old)
    http = old._client
    with instrument(project="patched"):
        new = bare(server)
        assert [asked(client).greenai.project for client in (old, new)] == ["patched"] * 2
    assert not any(is_green(asked(client)) for client in (old, new, bare(server)))
    assert old._client is http
    assert "request" not in vars(openai.OpenAI)
    assert "request" not in vars(openai.AsyncOpenAI)
    old.close()
    assert http.is_closed


def test_it_is_idempotent_and_refuses_other_options() -> None:
    first = instrument(project="one")
    assert instrument(project="one") is first
    with pytest.raises(InvalidRequest) as refused:
        instrument(project="other")
    assert str(refused.value) == (
        "greenai.instrument() was called before with other options, and they hold for the whole process. "
        "Undo it first: greenai.uninstrument()."
    )
    uninstrument()
    uninstrument()
    first.undo()
    assert instrument(project="other") is not first


def test_it_may_begin_again_with_the_same_clients(server: Scripted) -> None:
    client = bare(server)
    for project in ("one", "two"):
        with instrument(project=project):
            copied = client.with_options(timeout=3)
            assert [asked(client).greenai.project, asked(copied).greenai.project] == [project] * 2
        assert not is_green(asked(copied))


def test_copies_that_were_never_used_stop_as_well(server: Scripted) -> None:
    with instrument():
        client = bare(server)
        asked(client)
        copied = client.with_options(timeout=3)
    with collecting() as receipts:
        assert not is_green(asked(copied))
    assert receipts == []


def test_streams_and_raw_responses_have_the_receipt(server: Scripted) -> None:
    server.play(stream(3))
    with instrument():
        client = bare(server)
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        assert is_green(raw)
        chunks = asked(client, stream=True, temperature=1)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).startswith("word0")
        assert is_green(chunks)


def test_awaited_clients_too(server: Scripted) -> None:
    async def main() -> bool:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="key", max_retries=0) as client:
            return is_green(await client.chat.completions.create(model=MODEL, messages=HELLO))

    with instrument():
        assert [asyncio.run(main()) for _ in range(3)] == [True] * 3
    assert not asyncio.run(main())


def test_anthropics_clients_too(server: Scripted) -> None:
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": "Hello."}],
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }  # fmt: skip
    import json

    from tests.servers import raw

    with Scripted() as other, instrument(project="patched"):
        other.play(raw(json.dumps(body).encode()))
        client = anthropic.Anthropic(base_url=other.origin, api_key="key", max_retries=0)
        message: Any = client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)
        assert message.content[0].text == "Hello."
        assert message.greenai.project == "patched"
        client.close()


def test_the_apps_own_http_client_is_left_as_it_is(server: Scripted) -> None:
    with httpx.Client() as http:
        own = http._transport
        with instrument():
            client = bare(server, http_client=http)
            assert is_green(asked(client))
            assert http._transport is own
        assert client._client is http
        assert not http.is_closed


def test_wrapped_clients_and_greenais_own_are_not_taken_twice(server: Scripted) -> None:
    wrapped: Any = greenai.wrap(bare(server), project="wrapped")
    with instrument(project="patched"), collecting() as receipts:
        assert asked(wrapped).greenai.project == "wrapped"
        with greenai.Client(base_url=server.url, api_key="key", project="own") as client:
            client.chat.completions.create(model=MODEL, messages=HELLO)
    assert [receipt.project for receipt in receipts] == ["wrapped", "own"]
    wrapped.greenai.close()


def test_decorated_functions_around_it_give_project_and_budget(server: Scripted) -> None:
    client = bare(server)

    @green(project="bot")
    def reply(prompt: str) -> Any:
        return asked(client, messages=[{"role": "user", "content": prompt}])

    with instrument(project="patched"), collecting() as receipts:
        assert reply("Say hello to Ada.").greenai.project == "bot"
        tight = green(budget="0.001 mWh", when_spent="refuse")(reply)
        with pytest.raises(BudgetExceeded, match=r"its budget of 0\.001 mWh"):
            tight("Say hello to Grace.")
    assert len(receipts) == 1


def test_errors_and_retries_stay_the_librarys(server: Scripted) -> None:
    with Scripted() as failing, instrument():
        failing.play(status(500), answer(), status(400))
        client = bare(failing, max_retries=1)
        assert is_green(asked(client))
        assert [r.headers.get("x-stainless-retry-count") for r in failing.requests] == ["0", "1"]
        with pytest.raises(openai.BadRequestError, match="scripted failure"):
            asked(client, temperature=1)


def test_who_patched_the_method_since_keeps_it(server: Scripted) -> None:
    seen: list[str] = []
    handle = instrument()
    before = openai.OpenAI.request

    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append("traced")
        return before(self, *args, **kwargs)

    openai.OpenAI.request = traced  # type: ignore[method-assign,assignment]
    try:  # not by monkeypatch, which would put back what it found: a patch that is undone by then
        client = bare(server)
        assert is_green(asked(client))
        handle.undo()
        assert not is_green(asked(client))
        assert seen == ["traced", "traced"]
    finally:
        del openai.OpenAI.request


def test_clients_are_not_kept_alive(server: Scripted) -> None:
    with instrument():
        client = openai.OpenAI(base_url=server.url, api_key="key")
        asked(client)
        dead = weakref.ref(client)
        client.close()
        del client
        gc.collect()
        assert dead() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_passes_it_as_well(server: Scripted) -> None:
    script = f"""
import os, openai, greenai
greenai.instrument(project="patched")
def ask(n):
    client = openai.OpenAI(base_url={server.url!r}, api_key="key", max_retries=0)
    return client.chat.completions.create(
        model="some-model", messages=[{{"role": "user", "content": f"Say hello {{n}}."}}]
    ).greenai.project
assert ask(1) == "patched"
child = os.fork()
if child == 0:
    os._exit(0 if ask(2) == "patched" else 1)
assert os.waitpid(child, 0)[1] == 0
assert ask(3) == "patched"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_two_interpreters_share_no_patch(server: Scripted) -> None:
    script = "import openai; print('request' in vars(openai.OpenAI))"
    with instrument():
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"
