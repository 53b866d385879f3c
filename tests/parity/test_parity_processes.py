"""Loops, threads, forks and executors around a client: bare and wrapped, they see the same."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import openai
import pytest
from held_against import MODEL, described

from greenai import wrap

BASE: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hi."}], "max_tokens": 2}
BASE |= {"temperature": 0, "seed": 1}


@pytest.fixture(params=["bare", "wrapped"])
def through(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Both sides of every test here: what it asserts holds for each."""
    return wrap if request.param == "wrapped" else lambda client: client


def blocking(origin: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{origin}/v1", api_key="key", max_retries=0)


def awaited(origin: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{origin}/v1", api_key="key", max_retries=0)


def said(response: Any) -> str:
    return str(response.choices[0].message.content)


@pytest.fixture(scope="module")
def expected(origin: str) -> str:
    with blocking(origin) as client:
        return said(client.chat.completions.create(**BASE))


def test_three_loops_with_a_client_each(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    async def once(number: int) -> str:
        async with through(awaited(origin)) as client:
            return said(await client.chat.completions.create(**BASE, user=str(number)))

    assert [asyncio.run(once(n)) for n in range(3)] == [expected] * 3


def test_three_loops_with_a_stream_each(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    async def once() -> str:
        async with through(awaited(origin)) as client:
            stream = await client.chat.completions.create(**BASE, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert [asyncio.run(once()) for _ in range(3)] == [expected] * 3


def test_a_blocking_client_in_three_loops(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    with through(blocking(origin)) as client:

        async def once(number: int) -> str:
            return said(await asyncio.to_thread(client.chat.completions.create, **BASE, user=str(number)))

        assert [asyncio.run(once(n)) for n in range(3)] == [expected] * 3


def test_many_at_once_in_a_loop(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    async def all_at_once() -> list[str]:
        async with through(awaited(origin)) as client:
            calls = [client.chat.completions.create(**BASE, user=str(n)) for n in range(4)]
            return [said(response) for response in await asyncio.gather(*calls)]

    assert asyncio.run(all_at_once()) == [expected] * 4


def test_threads_with_loops_of_their_own(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    seen: list[str] = []

    async def once(number: int) -> None:
        async with through(awaited(origin)) as client:
            seen.append(said(await client.chat.completions.create(**BASE, user=str(number))))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(once(n))) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 3


def test_one_client_in_many_threads(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    with through(blocking(origin)) as client, ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(client.chat.completions.create, **BASE, user=str(n)) for n in range(4)]
        assert [said(call.result()) for call in calls] == [expected] * 4


def test_a_stream_read_in_another_thread(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    with through(blocking(origin)) as client, ThreadPoolExecutor(1) as pool:
        stream = client.chat.completions.create(**BASE, stream=True)
        chunks = pool.submit(list, stream).result()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == expected


def test_another_context(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    with through(blocking(origin)) as client:
        assert said(copy_context().run(client.chat.completions.create, **BASE)) == expected


def test_a_cancelled_call_leaves_the_client_usable(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    async def cancelled() -> str:
        async with through(awaited(origin)) as client:
            task = asyncio.create_task(client.chat.completions.create(**{**BASE, "max_tokens": 30}))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return said(await client.chat.completions.create(**BASE))

    assert asyncio.run(cancelled()) == expected


def test_a_deadline_of_asyncios(origin: str, through: Callable[[Any], Any], expected: str) -> None:
    async def late() -> str:
        async with through(awaited(origin)) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.chat.completions.create(**{**BASE, "max_tokens": 30})
            return said(await client.chat.completions.create(**BASE))

    assert asyncio.run(late()) == expected


FORKING = """
import json, os, sys
import openai
from greenai import wrap
origin, how, when = sys.argv[1:]
base = json.loads(sys.stdin.read())
client = openai.OpenAI(base_url=origin + "/v1", api_key="key", max_retries=0)
if how == "wrapped":
    client = wrap(client)
said = lambda n: client.chat.completions.create(**base, user=n).choices[0].message.content
first = said("before") if when == "after" else None
read, write = os.pipe()
child = os.fork()
if child == 0:
    try:
        os.write(write, json.dumps([said("child"), said("child again")]).encode())
    finally:
        os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    told = json.loads(pipe.read() or "null")
_, status = os.waitpid(child, 0)
print(json.dumps([first, told, said("parent"), status]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["bare", "wrapped"])
def test_a_fork_and_the_first_call(origin: str, expected: str, how: str, when: str) -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", FORKING, origin, how, when],
        input=json.dumps(BASE), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = expected if when == "after" else None
    assert json.loads(done.stdout) == [first, [expected, expected], expected, 0]


def test_an_answer_of_the_cache_is_like_the_one_that_was_stored(origin: str) -> None:
    asked = {**BASE, "messages": [{"role": "user", "content": "What is the capital of France?"}], "stop": ["\n\n"]}
    asked["max_tokens"] = 40
    with blocking(origin) as bare, wrap(blocking(origin)) as client:
        theirs = described(bare.chat.completions.create(**asked))
        first = client.chat.completions.create(**asked)
        again = client.chat.completions.create(**asked)
        assert (described(first), described(again)) == (theirs, theirs)
        assert (first.greenai.outcome, again.greenai.outcome) == ("large", "cache")  # type: ignore[attr-defined]
