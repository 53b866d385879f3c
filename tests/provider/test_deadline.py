"""`timeout` is the deadline of the whole call: whatever drips or stalls, and however often it was sent again."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
import servers

from greenai import AsyncClient, Client
from greenai.shapes import http_library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
SETTINGS = {"cache": "off", "ledger": ":memory:"}
DEADLINE_S = 0.5

# Beyond the deadline: what the machine, which is shared with other work, may take to raise the error.
SLACK_S = 0.3

LATE = (openai.APITimeoutError, http_library().ReadTimeout)


def headers_then_stall(after_s: float) -> servers.Scene:
    def play(exchange: servers.Exchange) -> None:
        exchange.pause(after_s)
        exchange.whole(200, b'{"id": ', {"content-length": "1000"})
        exchange.pause(60)

    return play


WHOLE: dict[str, servers.Scene] = {
    "no answer": servers.sleeps(60),
    "the answer drips": servers.drips(0.03),
    "the answer drips slowly": servers.drips(0.4),
    "it stalls late, after the headers": headers_then_stall(0.4),
    "every try fails late": servers.sleeps(0.3, then=servers.status(503, headers={"retry-after-ms": "10"})),
}
STREAMED: dict[str, servers.Scene] = {
    "no answer": servers.sleeps(60),
    "many chunks": servers.stream(1000, every_s=0.03),
    "few chunks": servers.stream(1000, every_s=0.4),
    "it stalls": servers.stream(3, cut_after=2, how="stall"),
    "it stalls late": servers.stream(3, cut_after=1, how="stall", every_s=0.4),
}


@contextmanager
def on_time() -> Iterator[None]:
    started = time.perf_counter()
    yield
    took_s = time.perf_counter() - started
    assert DEADLINE_S * 0.5 <= took_s <= DEADLINE_S + SLACK_S


def green(kind: type[Any], scripted: servers.Scripted, **arguments: Any) -> Any:
    given = {"api_key": "no-key", "settings": SETTINGS, "timeout": DEADLINE_S, **arguments}
    return kind(base_url=scripted.url, **given)


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_answer_waited_for(scripted: servers.Scripted, case: str) -> None:
    scripted.play(WHOLE[case])
    with green(Client, scripted) as client, on_time(), pytest.raises(openai.APIError) as caught:
        client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
    assert isinstance(caught.value, openai.APITimeoutError) or case == "every try fails late"


@pytest.mark.parametrize("case", [*WHOLE, "the headers drip"])
def test_a_whole_answer_awaited(scripted: servers.Scripted, case: str) -> None:
    scripted.play(WHOLE.get(case, servers.headers_drip(0.03)))

    async def call() -> None:
        async with green(AsyncClient, scripted) as client:
            with on_time(), pytest.raises(openai.APIError) as caught:
                await client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
        assert isinstance(caught.value, openai.APITimeoutError) or case == "every try fails late"

    asyncio.run(call())


@pytest.mark.parametrize("case", STREAMED)
def test_a_stream_waited_for(scripted: servers.Scripted, case: str) -> None:
    scripted.play(STREAMED[case])
    stream: Any = None
    with green(Client, scripted) as client:
        with on_time(), pytest.raises(LATE):
            list(stream := client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True))
        assert stream is None or stream.greenai.attempts[0].state == "cut"


@pytest.mark.parametrize("case", STREAMED)
def test_a_stream_awaited(scripted: servers.Scripted, case: str) -> None:
    scripted.play(STREAMED[case])

    async def call() -> None:
        stream: Any = None
        async with green(AsyncClient, scripted) as client:
            with on_time(), pytest.raises(LATE):  # noqa: PT012  # either statement may be the one that is late
                stream = await client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True)
                async for _ in stream:
                    pass
            assert stream is None or stream.greenai.attempts[0].state == "cut"

    asyncio.run(call())


def test_the_apps_own_http_client_is_held_to_it_as_far_as_chunks_come(scripted: servers.Scripted) -> None:
    scripted.play(servers.stream(1000, every_s=0.05))
    with green(Client, scripted, http_client=openai.DefaultHttpxClient()) as client, on_time(), pytest.raises(LATE):
        for _ in client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True):
            pass


def test_a_read_time_out_bounds_each_read_and_not_the_whole_stream(scripted: servers.Scripted) -> None:
    scripted.play(servers.stream(6, every_s=0.1))
    timeout = http_library().Timeout(30.0, read=0.4)
    with green(Client, scripted, timeout=timeout) as client:
        stream = client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in stream) == "word0 word1 word2 word3 word4 word5 "
        scripted.play(servers.stream(6, cut_after=2, how="stall"))
        started = time.perf_counter()
        with pytest.raises(LATE):
            list(client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True))
        assert time.perf_counter() - started < 0.4 + SLACK_S


def test_a_late_call_takes_no_other_down(scripted: servers.Scripted) -> None:
    """One connection is shut down at its deadline; the others, and the pool, go on."""
    results: dict[str, Any] = {}

    def call(name: str, client: Client) -> None:
        try:
            stream = client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True)
            results[name] = "".join(c.choices[0].delta.content or "" for c in stream)
        except LATE as error:
            results[name] = type(error)

    scripted.play(servers.stream(8, every_s=0.1))
    with green(Client, scripted, timeout=30) as patient:
        hasty = patient.with_options(timeout=0.3)
        threads = [threading.Thread(target=call, args=(n, c)) for n, c in (("patient", patient), ("hasty", hasty))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        scripted.play(servers.answer())
        for _ in range(3):
            assert patient.chat.completions.create(model=servers.MODEL, messages=MESSAGES).choices
    assert results["patient"] == "".join(f"word{n} " for n in range(8))
    assert results["hasty"] in LATE


def test_a_finished_answer_leaves_nothing_watched(scripted: servers.Scripted) -> None:
    from greenai.provider.deadline import _watch

    with green(Client, scripted, timeout=30) as client:
        client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
        stream = client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True)
        next(stream)
        stream.close()
        del stream
        list(client.chat.completions.create(model=servers.MODEL, messages=MESSAGES, stream=True))
    assert _watch._guards == {}


@pytest.mark.parametrize("call", ["create", "stream"])
def test_no_timeout_is_no_deadline(scripted: servers.Scripted, call: str) -> None:
    scripted.play(servers.sleeps(0.1))
    with green(Client, scripted) as client:
        response = client.chat.completions.create(
            model=servers.MODEL, messages=MESSAGES, stream=call == "stream", timeout=None
        )
        if call == "stream":
            assert len(list(response)) == 4
        assert response.greenai.attempts[0].state == "answered"


def test_after_a_fork_deadlines_hold_in_the_child_too(scripted: servers.Scripted) -> None:
    import multiprocessing

    def late_in_child(send: Callable[[str], None]) -> None:
        with green(Client, scripted) as client:
            try:
                client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
            except openai.APITimeoutError:
                send("late")

    with green(Client, scripted, timeout=30) as client:
        client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)  # the parent's watch runs
    scripted.play(headers_then_stall(0.3))
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=late_in_child, args=(send.send,))
    process.start()
    process.join(10)
    assert receive.poll()
    assert receive.recv() == "late"
    receive.close()
    send.close()
