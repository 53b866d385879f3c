"""What steps the flow: cancellation, the endings of streams, loops, threads, forks and contexts."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import json
import os
import random
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import servers

from greenai import AsyncClient, Client
from greenai.background import background
from greenai.drivers import Threads
from greenai.errors import BudgetExceeded
from greenai.ledger import Hold, Ledger
from greenai.testing import FakeProvider, FakeReply, error, offline
from greenai.values import Call

MESSAGES = [{"role": "user", "content": "Say hello to my friend Ada."}]
STREAMED = "one two three four five six seven eight nine ten"


def ledger_of(client: Client | AsyncClient) -> Ledger:
    return client._session.resources.ledger


def holds(client: Client | AsyncClient) -> int:
    assert background.drain()
    count: int = ledger_of(client).check()["holds"]
    return count


def rows(client: Client | AsyncClient) -> list[dict[str, Any]]:
    assert background.drain()
    return ledger_of(client).recent(10_000)


def states(client: Client | AsyncClient) -> list[str]:
    assert background.drain()
    con = ledger_of(client)._db._connection
    assert con is not None
    return sorted(state for (state,) in con.execute("SELECT state FROM attempts"))


def slow_work(client: Client | AsyncClient, rng: random.Random, most_s: float = 0.001) -> None:
    """Let every use of the ledger and the cache take its time, so that cancellations find it at work."""
    resources = client._session.resources

    def slowed(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            time.sleep(rng.random() * most_s)
            result = work(*args, **kwargs)
            time.sleep(rng.random() * most_s)
            return result

        return run

    for target, names in ((resources.ledger, ("reserve", "settle_and_record")), (resources._store, ("get", "put"))):
        for name in names:
            setattr(target, name, slowed(getattr(target, name)))


# --- cancellation -------------------------------------------------------------------------


def test_a_thousand_randomly_cancelled_calls_leave_no_hold_and_disturb_nobody() -> None:
    rng = random.Random(2)
    provider = FakeProvider(default=lambda _: FakeReply(text=STREAMED, delay_s=rng.random() * 0.006, pause_s=0.0003))
    faults: list[dict[str, Any]] = []

    async def whole(client: AsyncClient, n: int) -> str:
        response = await client.chat.completions.create(messages=[{"role": "user", "content": f"Greet guest {n}."}])
        return response.choices[0].message.content or ""

    async def streamed(client: AsyncClient, n: int) -> str:
        text = ""
        async with await client.ask(f"Greet guest {n}.", stream=True) as stream:
            async for piece in stream:
                text += piece
        return text

    async def cancelled(client: AsyncClient, n: int, within_s: float) -> bool:
        task = asyncio.create_task((whole, streamed)[n % 2](client, n))
        await asyncio.sleep(rng.random() * within_s)
        task.cancel()
        if n % 7 == 0:
            await asyncio.sleep(0)
            task.cancel()
        try:
            assert await task == STREAMED
        except asyncio.CancelledError:
            return True
        return False

    async def everything() -> tuple[int, int, Counter[str]]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with offline(provider, client=AsyncClient) as client:
            slow_work(client, rng)
            broken, undisturbed = 0, 0
            await asyncio.gather(whole(client, 30_000), streamed(client, 30_001))  # openai is imported here
            began = time.perf_counter()  # a busy machine takes longer: the delays must still hit every part of a call
            await asyncio.gather(*((whole, streamed)[n % 2](client, 20_000 + n) for n in range(50)))
            within_s = 1.2 * (time.perf_counter() - began)
            for start in range(0, 1000, 50):
                steady = [asyncio.create_task(whole(client, 10_000 + start + n)) for n in range(3)]
                broken += sum(await asyncio.gather(*(cancelled(client, start + n, within_s) for n in range(50))))
                undisturbed += sum(text == STREAMED for text in await asyncio.gather(*steady))
            assert undisturbed == 60
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return broken, await asyncio.to_thread(holds, client), Counter(states(client))

    broken, left, ends = asyncio.run(everything())
    assert left == 0
    assert faults == []
    assert broken > 100
    # The delays hit calls while they wait for a provider, while they stream and while their answer is stored.
    assert ends["failed"] > 10
    assert ends["cut"] > 10
    assert ends["answered"] > 110 + (1000 - broken)


def at(client: AsyncClient, target: Any, name: str, reached: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Make one use of ledger or cache take 50 ms, and say when it has begun."""
    work = getattr(target, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        time.sleep(0.05)
        return work(*args, **kwargs)

    setattr(target, name, run)


@pytest.mark.parametrize(
    ("where", "ends"),
    [("get", []), ("reserve", ["failed"]), ("put", ["answered"]), ("settle_and_record", ["answered"])],
)
def test_a_cancellation_waits_for_the_step_in_progress(where: str, ends: list[str]) -> None:
    async def everything() -> None:
        async with offline(client=AsyncClient) as client:
            resources = client._session.resources
            reached = asyncio.Event()
            target = resources._store if where in ("get", "put") else resources.ledger
            at(client, target, where, reached, asyncio.get_running_loop())
            task = asyncio.create_task(client.ask("Say hello to Ada.", temperature=0))
            await reached.wait()
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
            task.cancel()  # a second one must not cut the wait short
            with pytest.raises(asyncio.CancelledError):
                await task
            assert holds(client) == 0
            assert states(client) == ends

    asyncio.run(everything())


def test_a_cancelled_call_to_a_provider_is_settled_as_failed() -> None:
    async def everything() -> None:
        asked = asyncio.Event()

        def waiting(_: Call) -> FakeReply:
            asked.set()
            return FakeReply(delay_s=30)

        async with offline(FakeProvider(waiting), client=AsyncClient) as client:
            task = asyncio.create_task(client.ask("Say hello to Ada."))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert states(client) == ["failed"]

    asyncio.run(everything())


def test_a_coroutine_that_is_closed_settles_its_hold() -> None:
    async def everything() -> None:
        async with offline(FakeProvider(FakeReply(delay_s=30)), client=AsyncClient) as client:
            asked = client.ask("Say hello to Ada.")
            task = asyncio.ensure_future(asyncio.sleep(0))
            # Step it by hand to its provider, then drop it as a loop that ends early does.
            future = asked.send(None)
            while not client._session.resources.ledger.check()["holds"]:
                await asyncio.wait([future])
                future = asked.send(None)
            await task
            asked.close()
            assert holds(client) == 0

    asyncio.run(everything())


def test_a_keyboard_interrupt_settles_and_is_raised() -> None:
    def interrupted(_: Call) -> str:
        raise KeyboardInterrupt

    with offline(FakeProvider(interrupted)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.ask("Say hello to Ada.")
        assert states(client) == ["failed"]


def test_a_keyboard_interrupt_while_the_answer_is_stored_settles() -> None:
    with offline() as client:

        def interrupted(*args: Any) -> None:
            raise KeyboardInterrupt

        client._session.resources._store.put = interrupted  # type: ignore[method-assign,assignment]
        with pytest.raises(KeyboardInterrupt):
            client.ask("Say hello to Ada.", temperature=0)
        assert states(client) == ["answered"]


def test_a_real_interrupt_in_the_middle_of_a_call_leaves_no_hold() -> None:
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))

    def asked(_: Call) -> FakeReply:
        timer.start()
        return FakeReply(delay_s=30)

    with offline(FakeProvider(asked)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.ask("Say hello to Ada.")
        timer.join()
        assert states(client) == ["failed"]


def over_http(server: servers.Scripted, client: type[Any], **arguments: Any) -> Any:
    settings = {"ledger": ":memory:", "cache": "off"}
    return client(base_url=server.url, api_key="key", settings=settings, max_retries=0, **arguments)


def streamed(exchange: servers.Exchange) -> None:
    # Looks at no request: cancelled ones arrive half.
    exchange.begin_stream()
    for body in (*[servers.chunk_body({"content": "word "})] * 3, servers.chunk_body({}, "stop")):
        exchange.chunk(servers.event(body))
        exchange.pause(0.003)
    exchange.chunk(b"data: [DONE]\n\n")
    exchange.end_stream()


@pytest.mark.parametrize("stream", [False, True])
def test_cancelled_calls_over_http_leave_no_hold_and_no_task(scripted: servers.Scripted, stream: bool) -> None:
    rng = random.Random(3)
    whole = servers.raw(json.dumps(servers.completion_body()).encode())
    scripted.play(servers.sleeps(0.01, streamed if stream else whole))
    faults: list[dict[str, Any]] = []

    async def everything() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with over_http(scripted, AsyncClient) as client:

            async def one(n: int) -> bool:
                answer = await client.ask(f"Greet guest {n}.", model="m", stream=stream)
                text = "".join([piece async for piece in answer]) if stream else answer.text
                return bool(text)

            async def cancelled(n: int) -> None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rng.random() * 0.04):
                        assert await one(n)

            for start in range(0, 100, 10):
                await asyncio.gather(*(cancelled(start + n) for n in range(10)))
            assert await one(101)
            # openai leaves a generator to the loop at the end of each stream, which closes it in a task of its own.
            await asyncio.wait(
                asyncio.all_tasks() - {asyncio.current_task()} or {asyncio.ensure_future(asyncio.sleep(0))}
            )
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert await asyncio.to_thread(holds, client) == 0

    asyncio.run(everything())
    assert faults == []


# A connection belongs to its loop: what a loop leaves open when it ends is warned of, as with openai's own client.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_three_loops_in_a_row_over_http(scripted: servers.Scripted) -> None:
    client = over_http(scripted, AsyncClient)

    async def ask(n: int) -> str:
        return (await client.ask(f"Greet guest {n}.", model="m")).text

    assert [asyncio.run(ask(n)) for n in range(3)] == ["Hello there."] * 3
    asyncio.run(client.close())


# --- streams ------------------------------------------------------------------------------


def test_an_exhausted_stream_is_settled_with_its_usage() -> None:
    with offline(FakeProvider(STREAMED)) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        assert stream.greenai is None
        assert "".join(c.choices[0].delta.content or "" for c in stream) == STREAMED
        assert states(client) == ["answered"]
        assert stream.greenai is not None
        assert stream.greenai.attempts[0].usage.input_tokens == 12
        assert not stream.greenai.attempts[0].usage.estimated


def test_a_stream_closed_early_is_settled_at_what_was_seen() -> None:
    with offline(FakeProvider(STREAMED)) as client:
        with client.chat.completions.create(messages=MESSAGES, stream=True) as stream:
            for _ in range(4):
                next(stream)
        assert states(client) == ["cut"]
        assert stream.greenai is not None
        assert (stream.greenai.attempts[0].usage.output_tokens, stream.greenai.attempts[0].usage.estimated) == (3, True)
        assert (
            "The stream ended before its last chunk; energy and tokens count what was seen." in stream.greenai.warnings
        )
        assert list(stream) == []


@pytest.mark.parametrize("read", [0, 1, 5])
def test_a_dropped_stream_is_settled_in_the_background(read: int) -> None:
    gc.disable()  # so that it is the last reference going that ends it, not a collection
    try:
        with offline(FakeProvider(STREAMED)) as client:
            stream = client.chat.completions.create(messages=MESSAGES, stream=True)
            for _ in range(read):
                next(stream)
            assert holds(client) == 1
            del stream
            assert holds(client) == 0
            assert states(client) == ["cut"]
            assert len(rows(client)) == 1
    finally:
        gc.enable()


def test_a_finalizer_closes_and_settles_on_the_settler_even_where_closing_raises() -> None:
    closed_on: list[str] = []

    def broken() -> None:
        closed_on.append(threading.current_thread().name)
        raise OSError("broken")

    with offline(FakeProvider(STREAMED)) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        next(stream)
        stream._relay.close = broken
        del stream
        gc.collect()
        assert states(client) == ["cut"]
        assert closed_on == ["greenai"]


def test_a_stream_dropped_after_its_finish_was_seen_is_whole() -> None:
    with offline(FakeProvider(STREAMED)) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        for chunk in stream:
            if chunk.choices and chunk.choices[0].finish_reason:
                break
        del stream, chunk
        assert states(client) == ["answered"]


def test_a_dropped_text_stream_is_settled() -> None:
    with offline(FakeProvider(STREAMED)) as client:
        stream = client.ask("Say hello to Ada.", stream=True)
        for _ in stream:
            break
        del stream, _
        assert states(client) == ["cut"]


def test_a_stream_cut_by_the_provider_raises_and_is_settled() -> None:
    with offline(FakeProvider(FakeReply(text=STREAMED, cut_after=3))) as client:
        stream = client.chat.completions.create(messages=MESSAGES, stream=True)
        with pytest.raises(Exception, match="Connection error") as raised:
            list(stream)
        assert type(raised.value).__name__ == "APIConnectionError"
        assert states(client) == ["cut"]
        assert stream.greenai is not None


def test_asynchronous_streams_end_in_every_way() -> None:
    async def everything() -> None:
        async with offline(FakeProvider(default=STREAMED), client=AsyncClient) as client:

            async def opened() -> Any:
                return await client.chat.completions.create(messages=MESSAGES, stream=True)

            with_cache_off = client.with_options(cache="off")
            exhausted = await with_cache_off.chat.completions.create(messages=MESSAGES, stream=True)
            assert len([c async for c in exhausted]) > 10
            assert exhausted.greenai is not None
            assert states(client) == ["answered"]

            closed = await with_cache_off.chat.completions.create(messages=MESSAGES, stream=True)
            await anext(closed)
            await closed.close()
            assert closed.greenai is not None
            dropped = await with_cache_off.chat.completions.create(messages=MESSAGES, stream=True)
            await anext(dropped)
            del dropped
            gc.collect()
            assert states(client) == ["answered", "cut", "cut"]

            text = await with_cache_off.ask("Say hello to Ada.", stream=True)
            async for _ in text:
                break
            del text
            gc.collect()
            await asyncio.sleep(0.01)  # the loop closes the generator that was left
            gc.collect()
            assert states(client) == ["answered", "cut", "cut", "cut"]

    asyncio.run(everything())


def test_a_stream_cancelled_between_two_chunks_is_settled() -> None:
    async def everything() -> None:
        async with offline(FakeProvider(FakeReply(text=STREAMED, pause_s=30)), client=AsyncClient) as client:
            stream = await client.chat.completions.create(messages=MESSAGES, stream=True)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await anext(stream)
            assert stream.greenai is not None
            assert states(client) == ["cut"]

    asyncio.run(everything())


def test_a_chunk_whose_coroutine_is_closed_settles_its_stream() -> None:
    async def everything() -> None:
        async with offline(FakeProvider(FakeReply(text=STREAMED, pause_s=30)), client=AsyncClient) as client:
            stream = await client.chat.completions.create(messages=MESSAGES, stream=True)
            waiting = stream.__anext__()
            waiting.send(None)
            waiting.close()
            assert states(client) == ["cut"]

    asyncio.run(everything())


def test_a_stream_left_by_a_loop_that_ended_is_settled() -> None:
    client = offline(FakeProvider(STREAMED), client=AsyncClient)

    async def left() -> Any:
        stream = await client.ask("Say hello to Ada.", stream=True)
        async for _ in stream:
            break
        return stream

    stream = asyncio.run(left())
    del stream
    gc.collect()
    assert holds(client) == 0


def test_an_error_at_opening_a_stream_is_raised_there() -> None:
    with offline(FakeProvider(error(429))) as client:
        with pytest.raises(Exception, match="scripted") as raised:
            client.chat.completions.create(messages=MESSAGES, stream=True)
        assert type(raised.value).__name__ == "RateLimitError"
        assert states(client) == ["failed"]


def test_a_long_stream_renews_its_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[float] = []
    monkeypatch.setattr("greenai.streams.RENEW_EVERY_S", 0.0)
    monkeypatch.setattr(Hold, "renew", lambda self, ttl_s: renewed.append(ttl_s))
    with offline(FakeProvider(" ".join("x" * 200))) as client:
        list(client.chat.completions.create(messages=MESSAGES, stream=True))
    assert len(renewed) >= 1


def test_the_background_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    done = threading.Event()
    background.start()
    background.put(broken)
    background.put(done.set)
    assert done.wait(5)
    assert [r.message for r in caplog.records] == ["Work in the background failed."]


# --- loops, threads, processes ------------------------------------------------------------


def test_one_asynchronous_client_serves_three_loops_in_a_row() -> None:
    client = offline(client=AsyncClient)

    async def ask(n: int) -> str:
        return (await client.ask(f"Greet guest {n}.")).text

    assert [asyncio.run(ask(n)) for n in range(3)] == ["A scripted answer."] * 3
    asyncio.run(client.close())
    assert asyncio.run(ask(4)) == "A scripted answer."  # closing lets go of threads; a later call takes new ones
    assert holds(client) == 0


def in_threads(work: Callable[[int], None], count: int = 8) -> None:
    failures: list[BaseException] = []

    def run(n: int) -> None:
        try:
            work(n)
        except BaseException as failure:  # noqa: BLE001  # asserted on by the test
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_threads_with_loops_of_their_own_share_one_asynchronous_client() -> None:
    client = offline(FakeProvider(default=FakeReply(text="Hi.", delay_s=0.002)), client=AsyncClient)

    async def ask(n: int) -> None:
        answers = await asyncio.gather(*(client.ask(f"Greet guest {n}-{m}.") for m in range(10)))
        assert {a.text for a in answers} == {"Hi."}

    in_threads(lambda n: asyncio.run(ask(n)))
    assert len(rows(client)) == 80
    assert holds(client) == 0


def test_threads_share_one_client() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        in_threads(lambda n: [client.ask(f"Greet guest {n}-{m}.") for m in range(10)] and None)
        assert len(rows(client)) == 80
        assert holds(client) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_calling() -> None:
    with offline(FakeProvider(default="Hi.")) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested here
        aclient = offline(FakeProvider(default="Hi."), client=AsyncClient)
        client.ask("Greet guest 1.")
        stream = client.ask("Greet guest 2.", stream=True)
        next(iter(stream))

        async def ask(n: int) -> str:
            return (await aclient.ask(f"Greet guest {n}.")).text

        asyncio.run(ask(1))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(10)
                assert client.ask("Greet guest 3.").text == "Hi."
                assert asyncio.run(ask(2)) == "Hi."
                dropped = client.ask("Greet guest 4.", stream=True)
                next(iter(dropped))
                del dropped
                assert background.drain()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert client.ask("Greet guest 5.").text == "Hi."


# --- stays on one thread ------------------------------------------------------------------


def noting(client: AsyncClient, where: dict[str, str]) -> None:
    """Note on which thread each use of the cache and the ledger is."""
    resources = client._session.resources

    def noted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            where[name] = threading.current_thread().name
            return work(*args, **kwargs)

        return run

    for target, names in ((resources._store, ("get", "put")), (resources.ledger, ("reserve", "settle_and_record"))):
        for name in names:
            setattr(target, name, noted(name, getattr(target, name)))


def test_short_works_stay_on_one_thread_before_the_provider_and_after() -> None:
    where: dict[str, str] = {}

    async def everything() -> None:
        async with offline(client=AsyncClient) as client:
            noting(client, where)
            await asyncio.gather(*(client.ask(f"Greet guest {n}.", temperature=0) for n in range(4)))
            where.clear()
            await client.ask("Say hello to Ada.", temperature=0)

    asyncio.run(everything())
    assert list(where) == ["get", "reserve", "put", "settle_and_record"]
    assert where["get"] == where["reserve"]
    assert where["put"] == where["settle_and_record"]
    assert all(name.startswith("greenai") for name in where.values())


def test_observers_are_told_where_the_app_made_its_call() -> None:
    told: list[int] = []

    def observer(_: Any) -> None:
        asyncio.get_running_loop()
        told.append(threading.get_ident())

    async def everything() -> None:
        async with offline(client=AsyncClient, observers=[observer]) as client:
            for _ in range(2):  # an answer of a model, and one of the cache
                await client.ask("Say hello to Ada.", temperature=0)

    asyncio.run(everything())
    assert told == [threading.get_ident()] * 2


def test_an_awaited_function_with_the_name_of_a_short_work_is_awaited_on_the_loop() -> None:
    async def store(question: str) -> str:
        await asyncio.sleep(0)
        return f"{question} {threading.current_thread() is threading.main_thread()}"

    async def everything() -> str:
        async with offline(client=AsyncClient) as client:
            client.answerer(examples=["where is the store"])(store)
            return (await client.ask("where is the store")).text

    assert asyncio.run(everything()) == "where is the store True"


def test_a_coroutine_that_is_closed_while_a_thread_is_at_work_leaves_no_hold() -> None:
    async def everything() -> None:
        async with offline(client=AsyncClient) as client:
            await client.ask("Greet guest 1.")  # what a first call reads is read
            reached, ledger = asyncio.Event(), ledger_of(client)
            at(client, ledger, "reserve", reached, asyncio.get_running_loop())
            asked = client.ask("Say hello to Ada.")
            asked.send(None)
            await reached.wait()
            asked.close()
            assert await asyncio.to_thread(holds, client) == 0
            assert states(client) == ["answered", "failed"]

    asyncio.run(everything())


def test_what_a_work_raises_reaches_its_caller() -> None:
    async def everything() -> None:
        budget = {"projects": {"default": {"budget": {"calls": "1/day", "timezone": "UTC", "when_spent": "refuse"}}}}
        async with offline(FakeProvider(default="Hi."), client=AsyncClient, settings=budget) as client:
            assert (await client.ask("Greet guest 1.")).text == "Hi."
            with pytest.raises(BudgetExceeded):
                await client.ask("Greet guest 2.")

    asyncio.run(everything())


def test_a_work_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    faults: list[dict[str, Any]] = []

    async def everything() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        threads = Threads()
        future = threads.submit(contextvars.copy_context(), lambda: time.sleep(0.01))
        future.cancel()
        assert await threads.submit(contextvars.copy_context(), lambda: "done") == "done"
        await asyncio.sleep(0.02)
        threads.close()

    asyncio.run(everything())
    assert faults == []


# --- contexts -----------------------------------------------------------------------------


def test_a_block_of_options_is_of_its_thread() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        both = threading.Barrier(4)

        def work(n: int) -> None:
            with client.options(project=f"project-{n}"):
                both.wait()
                assert client.ask(f"Greet guest {n}.").greenai.project == f"project-{n}"
                both.wait()
            assert client.ask(f"Greet guest {n} again.").greenai.project == "default"

        in_threads(work, 4)


def test_a_block_of_options_is_of_its_task() -> None:
    async def everything() -> None:
        async with offline(FakeProvider(default=FakeReply(text="Hi.", delay_s=0.002)), client=AsyncClient) as client:

            async def work(n: int) -> None:
                with client.options(project=f"project-{n}"):
                    await asyncio.sleep(0.001)
                    assert (await client.ask(f"Greet guest {n}.")).greenai.project == f"project-{n}"
                assert (await client.ask(f"Greet guest {n} again.")).greenai.project == "default"

            await asyncio.gather(*(work(n) for n in range(20)))

    asyncio.run(everything())


def test_blocks_nest_and_are_left_after_an_error() -> None:
    with offline(FakeProvider(default="Hi.")) as client:
        with client.options(project="outer"), pytest.raises(RuntimeError), client.options(quality="high"):  # noqa: PT012
            assert client.ask("Greet guest 1.").greenai.project == "outer"
            raise RuntimeError
        assert client.ask("Greet guest 2.").greenai.project == "default"


def test_a_block_is_of_its_client_and_the_clients_copies() -> None:
    with offline(FakeProvider(default="Hi.")) as client, offline(FakeProvider(default="Hi.")) as other:
        copy = client.with_options(quality="high")
        with client.options(project="p", opt_in={"large"}, reason="checked"):
            assert copy.ask("Greet guest 1.").greenai.project == "p"
            assert other.ask("Greet guest 1.").greenai.project == "default"
            assert other.ask("Greet guest 1.", greenai={"project": "q"}).greenai.project == "q"
            assert client.ask("Greet guest 1.", greenai={"project": "q"}).greenai.project == "q"


def test_work_sees_the_callers_context() -> None:
    from contextvars import ContextVar

    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    async def everything() -> None:
        async with offline(client=AsyncClient) as client:
            ledger = ledger_of(client)
            reserve = ledger.reserve

            def watched(*args: Any, **kwargs: Any) -> Hold:
                seen.append(f"{who.get()} {threading.current_thread().name.partition('_')[0]}")
                return reserve(*args, **kwargs)

            ledger.reserve = watched  # type: ignore[method-assign]
            who.set("Ada")
            await client.ask("Greet guest 1.")

    asyncio.run(everything())
    assert seen == ["Ada greenai"]


def test_the_loop_is_free_while_a_step_waits() -> None:
    async def everything() -> None:
        async with offline(client=AsyncClient) as client:
            ledger = ledger_of(client)
            reserve = ledger.reserve

            def slow(*args: Any, **kwargs: Any) -> Hold:
                time.sleep(0.1)
                return reserve(*args, **kwargs)

            ledger.reserve = slow  # type: ignore[method-assign]
            task = asyncio.create_task(client.ask("Greet guest 1."))
            longest, last = 0.0, time.perf_counter()
            while not task.done():
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            assert longest < 0.09

    asyncio.run(everything())


@pytest.mark.parametrize("where", ["settling a failure", "closing"])
def test_the_loop_is_free_while_a_failed_call_is_settled_and_while_the_client_closes(where: str) -> None:
    async def everything() -> float:
        refusing = FakeProvider(*[error(400)] * 5)
        client = offline(refusing, client=AsyncClient)
        target, name = (
            (ledger_of(client), "settle") if where == "settling a failure" else (client._session.resources, "close")
        )
        real = getattr(target, name)

        def slow(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.1)
            return real(*args, **kwargs)

        setattr(target, name, slow)

        async def work() -> None:
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)  # type: ignore[arg-type]
            await client.close()

        task = asyncio.create_task(work())
        longest, last = 0.0, time.perf_counter()
        while not task.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await task
        return longest

    import openai  # before the clock runs

    assert asyncio.run(everything()) < 0.09


@pytest.fixture(autouse=True)
def _settled() -> Iterator[None]:
    yield
    gc.collect()
    assert background.drain()
