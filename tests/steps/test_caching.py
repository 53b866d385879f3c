"""The exact cache within a call: what is looked up, shared and kept, through clients as an app uses them."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai.lib.streaming._deltas import accumulate_delta

from greenai import AsyncClient, CacheError, Client, InvalidRequest
from greenai.cache.flights import Flights, flights_at
from greenai.resources import Outside
from greenai.session import Session
from greenai.store.locks import KeyLocks
from greenai.testing import FakeEngines, FakeProvider, FakeReply, error, offline
from greenai.testing.machine import MemoryStore

SMALL, LARGE = "openai/gpt-5.4-nano", "openai/gpt-5.5"
FACT = "Who wrote Emma?"
QUESTION: Any = [{"role": "user", "content": FACT}]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Lyon"}'}}
TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def outcomes(client: Client, text: str, times: int = 2, **arguments: Any) -> list[str]:
    return [client.ask(text, **arguments).greenai.outcome for _ in range(times)]


# --- what is kept -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments", "kept"),
    [
        (FACT, {}, True),
        ("Write a short greeting for guest 1.", {}, False),
        ("Write a short greeting for guest 1.", {"temperature": 0}, True),
        (FACT, {"temperature": 0.7}, False),
        (FACT, {"temperature": 0.7, "greenai": {"cache_also": "sampled"}}, True),
        (FACT, {"greenai": {"ttl": 0}}, False),
        (FACT, {"greenai": {"cache": "read"}}, False),
        ("Tell me a joke.", {"temperature": 0}, False),
        ("Send Ada an email about lunch.", {"temperature": 0}, False),
        ("What did I spend on food according to my bank account?", {"temperature": 0}, False),
    ],
    ids=str,
)
def test_what_is_answered_twice_from_the_cache(text: str, arguments: dict[str, Any], kept: bool) -> None:
    with offline(FakeProvider(default="Said.")) as client:
        assert (outcomes(client, text, **arguments)[1] == "cache") == kept


def kept(client: Client, text: str, **arguments: Any) -> Any:
    return client.ask(text, **arguments).greenai.cache


def test_the_receipt_says_whether_the_answer_was_stored_and_why() -> None:
    with offline(FakeProvider(default="Said.")) as client:
        stored = kept(client, FACT)
        assert (stored.ttl_s, stored.kind) == (30 * 86_400.0, "static")
        assert stored.until == pytest.approx(time.time() + 30 * 86_400, abs=60)
        assert str(stored) == "stored for 30 days: its answer does not change (static)"
        assert kept(client, FACT) is None, "a hit stores nothing"
        unsaid = kept(client, "What did I spend on food according to my bank account?", temperature=0)
        assert str(unsaid) == "not stored: its answer differs by who asks (personal)"
        assert (unsaid.ttl_s, unsaid.until, unsaid.kind) == (None, None, "personal")
        assert str(kept(client, FACT, temperature=0.7)) == "not stored: the temperature is 0.7"
        assert kept(client, FACT, greenai={"cache": "off"}) is None
        assert client.ask("What is 2 + 2?").greenai.cache is None


def test_an_answer_that_the_store_does_not_take_is_not_called_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "put", lambda *_args: False)
    with offline(FakeProvider(default="Said.")) as client:
        assert str(kept(client, FACT)) == "not stored: the store did not take it"


@pytest.mark.parametrize("text", ["What's the weather in Montreal?", "What are my pharmacy's hours?"])
def test_what_is_true_for_a_moment_or_for_somebody_is_neither_stored_nor_served(text: str) -> None:
    with offline(FakeProvider(default="Sunny, from nine to five.")) as client:
        messages: Any = [{"role": "user", "content": text}]
        for _ in range(2):
            response = client.chat.completions.create(messages=messages, temperature=0)
            assert response.greenai.outcome in ("small", "large")
        assert not list(client._session.resources._store.rows())
        assert outcomes(client, text, temperature=0) == ["lookup_needed", "lookup_needed"]


def test_a_question_that_leans_on_a_volatile_one_is_as_volatile() -> None:
    turns: Any = [
        {"role": "user", "content": "What's the weather in Montreal?"},
        {"role": "assistant", "content": "Sunny."},
        {"role": "user", "content": "Who wrote Emma?"},
    ]
    with offline(FakeProvider(default="Said.")) as client:
        found = [client.chat.completions.create(messages=turns, temperature=0).greenai.outcome for _ in range(2)]
        assert "cache" not in found


def test_an_answer_of_a_stand_in_is_not_kept() -> None:
    provider = FakeProvider(error(500), "From the named one.", default="From the small one.")
    with offline(provider) as client:
        ask = lambda: client.ask(FACT, model="gpt-5.5")  # noqa: E731
        first, second, third = ask(), ask(), ask()
    assert (first.greenai.model, first.greenai.attempts[0].state) == (LARGE, "failed")
    assert second.greenai.outcome != "cache"
    assert third.greenai.outcome == "cache"


def test_calls_of_tools_are_kept_where_the_project_says_so() -> None:
    for also, expected in (((), "small"), (("tool_calls",), "cache")):
        provider = FakeProvider(default=FakeReply(tool_calls=(CALL,), finish_reason="tool_calls"))
        with offline(provider, settings={"cache_also": also}) as client:
            messages: Any = [{"role": "user", "content": FACT}]
            made = [client.chat.completions.create(messages=messages, tools=TOOLS, temperature=0) for _ in range(2)]
            assert made[1].greenai.outcome == expected
            if also:
                assert made[0].choices[0].message == made[1].choices[0].message
                assert made[1].id != made[0].id


def test_an_answer_may_be_too_old() -> None:
    with offline(FakeProvider("one", "two", default="three")) as client:
        assert client.ask(FACT).text == "one"
        time.sleep(0.05)
        assert client.ask(FACT, greenai={"max_age": 3600}).text == "one"
        assert client.ask(FACT, greenai={"max_age": 0.01}).text == "two"
        assert client.ask(FACT).text == "two", "the fresh answer took the old one's place"


# --- what is served -----------------------------------------------------------------------


def entry_of(client: Client) -> tuple[str, dict[str, Any]]:
    store: Any = client._session.resources._store
    ((key, (text, _)),) = store._rows.items()
    return key, json.loads(text)


@pytest.mark.parametrize(
    "change",
    [{"model": LARGE, "tier": "large"}, {"model": "openai/gpt-4.1"}, {"reasoning": True}, {"body": {"choices": []}}],
    ids=str,
)
def test_an_entry_of_what_may_not_answer_now_is_a_miss(change: dict[str, Any]) -> None:
    with offline(FakeProvider(default="Jane Austen")) as client:
        client.ask(FACT)
        key, row = entry_of(client)
        client._session.resources._store.put(key, {**row, **change}, 60.0)
        assert client.ask(FACT).greenai.outcome == "small"


def test_another_ladder_or_quantisation_shares_nothing(tmp_path: Path) -> None:
    weights = tmp_path / "model.gguf"

    def key() -> str:
        with offline(settings={"ladder": [f"local/{weights}"]}) as client:
            request = client._session.request("ask", [{"role": "user", "content": FACT}], None, False, {})
            from greenai.steps import caching

            found = caching.key_of(request, client._session.resources.steps)
            assert found is not None
            return found

    weights.write_bytes(b"GGUF, four bits")
    four = key()
    assert key() == four
    weights.write_bytes(b"GGUF, eight bits!")
    assert key() != four


def test_a_hit_takes_no_tokens_and_avoids_what_the_first_call_took() -> None:
    with offline(FakeProvider(default="Jane Austen")) as client:
        messages: Any = [{"role": "user", "content": FACT}]
        first, second = (client.chat.completions.create(messages=messages) for _ in range(2))
        assert second.usage == first.usage
        receipt = second.greenai
        assert (receipt.attempts, receipt.cost_usd) == ((), 0)
        assert receipt.avoided is not None
        assert receipt.avoided.energy == first.greenai.energy
        assert receipt.energy == receipt.overhead.energy
        row = client._session.resources.ledger.recent(1)[0]
        assert not row["input_tokens"]
        assert not row["output_tokens"]


# --- streams ------------------------------------------------------------------------------

REPLIES = {
    "text": FakeReply(text="Jane Austen wrote it, and it appeared in 1815."),
    "reasoning": FakeReply(text="Jane Austen.", reasoning="Emma is a novel of 1815, so its writer is sought."),
    "tool calls": FakeReply(tool_calls=(CALL, {**CALL, "id": "c2"}), finish_reason="tool_calls"),
}


def chunks_of(client: Client, **arguments: Any) -> tuple[list[Any], Any]:
    stream = client.chat.completions.create(
        messages=[{"role": "user", "content": FACT}],
        stream=True,
        temperature=0,
        **arguments,
    )
    return list(stream), stream.greenai


def put_together(chunks: list[Any]) -> dict[Any, Any]:
    whole: dict[Any, Any] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            whole = accumulate_delta(whole, choice.delta.to_dict(mode="json"))
    return whole


@pytest.mark.parametrize("kind", REPLIES)
def test_a_replayed_stream_amounts_to_the_live_message(kind: str) -> None:
    with offline(FakeProvider(default=REPLIES[kind]), settings={"cache_also": ["tool_calls"]}) as client:
        live, live_receipt = chunks_of(client, stream_options={"include_usage": True})
        again, receipt = chunks_of(client, stream_options={"include_usage": True})
        assert (live_receipt.outcome, receipt.outcome) == ("small", "cache")
        assert json.dumps(put_together(again)) == json.dumps(put_together(live))
        assert len(again) >= 4
        assert not again[-1].choices
        assert again[-1].usage == live[-1].usage
        assert [c.choices[0].finish_reason for c in again[-2:-1]] == [live[-2].choices[0].finish_reason]
        assert len({chunk.id for chunk in again}) == 1
        assert again[0].id != live[0].id
        plain, _ = chunks_of(client)
        assert all(chunk.choices for chunk in plain)


@pytest.mark.parametrize("kind", REPLIES)
def test_a_streamed_answer_serves_a_whole_call_and_the_other_way_round(kind: str) -> None:
    messages: Any = [{"role": "user", "content": FACT}]
    for first_streams in (True, False):
        with offline(FakeProvider(default=REPLIES[kind]), settings={"cache_also": ["tool_calls"]}) as client:
            whole = None
            if not first_streams:
                whole = client.chat.completions.create(messages=messages, temperature=0)
            chunks, _ = chunks_of(client)
            if first_streams:
                whole = client.chat.completions.create(messages=messages, temperature=0)
            assert whole is not None
            together = put_together(chunks)
            for call in together.get("tool_calls", ()):
                del call["index"]
            said = whole.choices[0].message.to_dict(mode="json")
            assert {n: v for n, v in together.items() if v} == {n: v for n, v in said.items() if v}


def test_a_stream_whose_usage_did_not_come_is_not_stored() -> None:
    messages: Any = [{"role": "user", "content": FACT}]
    with offline(FakeProvider(default="Jane Austen.")) as client:
        stream = client.chat.completions.create(messages=messages, temperature=0, stream=True)
        while next(stream).choices[0].finish_reason is None:
            pass
        stream.close()
        assert stream.greenai is not None
        assert stream.greenai.outcome == "small"
        whole = client.chat.completions.create(messages=messages, temperature=0)
        assert whole.greenai.outcome == "small"
        assert whole.usage is not None
        assert chunks_of(client)[1].outcome == "cache"


def test_a_text_stream_of_a_stored_answer_comes_in_pieces() -> None:
    with offline(FakeProvider(default=REPLIES["text"])) as client:
        text = client.ask(FACT).text
        stream = client.ask(FACT, stream=True)
        pieces = list(stream)
        assert len(pieces) > 1
        assert "".join(pieces) == text
        assert stream.greenai is not None
        assert stream.greenai.outcome == "cache"


# --- equal calls at the same time ---------------------------------------------------------


def test_equal_calls_of_threads_share_one() -> None:
    provider = FakeProvider(default=FakeReply(text="Jane Austen", delay_s=0.6))
    with offline(provider) as client, ThreadPoolExecutor(24) as pool:
        client.ask("Who wrote Hamlet?")  # rules and weights are read
        answers = list(pool.map(lambda _: client.ask(FACT), range(24)))
    assert len(provider.calls) == 2
    assert {answer.text for answer in answers} == {"Jane Austen"}
    assert sorted(answer.greenai.outcome for answer in answers) == ["cache"] * 23 + ["small"]
    shared = [a.greenai for a in answers if a.greenai.outcome == "cache"]
    assert shared[0].decision.reasons == (f"The same request was being answered by {SMALL}; its answer is shared.",)
    assert shared[0].attempts == ()
    # Of 23 threads on a busy machine some may be slow themselves; had they counted the wait, all would be.
    assert min(one.overhead.duration_ms for one in shared) < 600, "waiting is not greenai's own work"


def test_equal_calls_of_tasks_share_one_and_hold_no_thread() -> None:
    provider = FakeProvider(default=FakeReply(text="Jane Austen", delay_s=0.3))

    async def main() -> list[str]:
        async with offline(provider, client=AsyncClient) as client:
            waiting = [asyncio.create_task(client.ask(FACT)) for _ in range(50)]
            await asyncio.sleep(0.1)
            other = await client.ask("Who wrote Hamlet?")  # greenai's eight threads are free for it
            return [other.greenai.outcome, *(answer.greenai.outcome for answer in await asyncio.gather(*waiting))]

    found = asyncio.run(main())
    assert found[0] == "small"
    assert sorted(found[1:]) == ["cache"] * 49 + ["small"]
    assert len(provider.calls) == 2


@pytest.mark.parametrize("broken", [error(500), FakeReply(text="cut", finish_reason="length", delay_s=0.1)], ids=str)
def test_who_waited_for_what_came_to_nothing_goes_on_alone(broken: Any) -> None:
    started = threading.Event()

    def first(_: Any) -> Any:
        started.set()
        time.sleep(0.2)
        return broken

    provider = FakeProvider(first, default="Jane Austen")
    with offline(provider, settings={"ladder": [SMALL]}) as client, ThreadPoolExecutor(4) as pool:
        leader = pool.submit(client.ask, FACT)
        assert started.wait(5)
        others = [pool.submit(client.ask, FACT) for _ in range(3)]
        assert {other.result(10).text for other in others} == {"Jane Austen"}
        leader.exception(10)


def test_of_those_who_waited_for_a_call_that_failed_one_takes_over() -> None:
    started, release = threading.Event(), threading.Event()

    def first(_: Any) -> Any:
        started.set()
        release.wait(5)
        return error(500)

    provider = FakeProvider(first, default=FakeReply(text="Jane Austen", delay_s=0.4))
    with offline(provider, settings={"ladder": [SMALL]}) as client, ThreadPoolExecutor(13) as pool:
        leader = pool.submit(client.ask, FACT)
        assert started.wait(5)
        others = [pool.submit(client.ask, FACT) for _ in range(12)]
        time.sleep(0.3)
        release.set()
        leader.exception(10)
        answers = [other.result(10) for other in others]
    assert len(provider.calls) == 2
    assert sorted(answer.greenai.outcome for answer in answers) == ["cache"] * 11 + ["large"]


def test_of_those_who_waited_for_a_cancelled_task_one_takes_over() -> None:
    provider = FakeProvider(FakeReply(delay_s=30.0), default=FakeReply(text="Jane Austen", delay_s=0.3))

    async def main() -> list[str]:
        async with offline(provider, client=AsyncClient) as client:
            leader = asyncio.create_task(client.ask(FACT))
            while not provider.calls:  # noqa: ASYNC110  # the provider's list is no event
                await asyncio.sleep(0.01)
            others = [asyncio.create_task(client.ask(FACT)) for _ in range(20)]
            await asyncio.sleep(0.1)
            leader.cancel()
            return [answer.greenai.outcome for answer in await asyncio.gather(*others)]

    assert sorted(asyncio.run(main())) == ["cache"] * 19 + ["small"]
    assert len(provider.calls) == 2


def test_where_call_after_call_fails_nobody_waits_for_more_than_three() -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def failing(_: Any) -> Any:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return error(400)

    provider = FakeProvider(*[failing] * 16)
    with offline(provider, settings={"ladder": [SMALL]}) as client, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.ask, FACT) for _ in range(8)]
        assert all(call.exception(10) is not None for call in calls)
    assert len(provider.calls) == 8
    assert most[0] >= 4, "after three failures the others go on side by side"


def test_a_cancelled_call_frees_who_waits_for_it() -> None:
    provider = FakeProvider(FakeReply(delay_s=30.0), default="Jane Austen")

    async def main() -> str:
        async with offline(provider, client=AsyncClient) as client:
            leader = asyncio.create_task(client.ask(FACT))
            while not provider.calls:  # noqa: ASYNC110  # the provider's list is no event
                await asyncio.sleep(0.01)
            other = asyncio.create_task(client.ask(FACT))
            await asyncio.sleep(0.05)
            leader.cancel()
            return (await asyncio.wait_for(other, 5)).text

    assert asyncio.run(main()) == "Jane Austen"


def test_a_synchronous_call_does_not_wait_for_a_task_of_its_own_loop(tmp_path: Path) -> None:
    provider = FakeProvider(FakeReply(text="one", delay_s=0.3), default="two")

    async def main() -> list[str]:
        with on_disk(tmp_path, provider) as client:
            async with AsyncClient._of(client._session, owner=False) as other:
                task = asyncio.create_task(other.ask(FACT))
                while not provider.calls:  # noqa: ASYNC110  # the provider's list is no event
                    await asyncio.sleep(0.01)
                return [client.ask(FACT, timeout=20.0).text, (await task).text]

    began = time.monotonic()
    assert asyncio.run(main()) == ["two", "one"]
    assert time.monotonic() - began < 10


def test_a_waiter_keeps_its_own_deadline_and_may_be_cancelled() -> None:
    provider = FakeProvider(default=FakeReply(text="Jane Austen", delay_s=0.6))

    async def main() -> float:
        async with offline(provider, client=AsyncClient) as client:
            leader = asyncio.create_task(client.ask(FACT))
            while not provider.calls:  # noqa: ASYNC110  # the provider's list is no event
                await asyncio.sleep(0.01)
            cancelled = asyncio.create_task(client.ask(FACT))
            await asyncio.sleep(0.05)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            began = time.monotonic()
            await client.ask(FACT, timeout=0.1)  # goes on alone; the double does not mind deadlines
            waited = time.monotonic() - began
            assert (await leader).text == "Jane Austen"
            return waited

    assert asyncio.run(main()) >= 0.1


def test_a_stream_waits_for_a_call_but_nobody_for_a_stream() -> None:
    provider = FakeProvider(FakeReply(text="one", pause_s=0.05), FakeReply(text="two", delay_s=0.2), default="three")
    with offline(provider) as client, ThreadPoolExecutor(2) as pool:
        stream = client.ask(FACT, stream=True)
        next(iter(stream))
        call = pool.submit(client.ask, FACT)
        while len(provider.calls) < 2:
            time.sleep(0.005)
        with client.ask(FACT, stream=True) as waited:
            assert "".join(waited) == "two"
        assert call.result(5).text == "two"
        stream.close()
    assert len(provider.calls) == 2


@pytest.mark.parametrize(
    "options", [{"cache": "refresh"}, {"cache": "off"}, {"cache": "read"}], ids=lambda o: str(o["cache"])
)
def test_who_wants_an_answer_of_its_own_gets_one(options: dict[str, Any]) -> None:
    provider = FakeProvider(default=FakeReply(text="Jane Austen", delay_s=0.1))
    with offline(provider) as client, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: client.ask(FACT, greenai=options), range(3)))
    assert len(provider.calls) == 3


def test_two_samples_are_two_calls() -> None:
    provider = FakeProvider(default=FakeReply(text="A greeting.", delay_s=0.1))
    with offline(provider) as client, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: client.ask("Write a greeting for guest 1.", temperature=1), range(3)))
    assert len(provider.calls) == 3


def test_a_call_within_an_equal_call_does_not_wait_for_itself() -> None:
    flights = Flights()
    flight, leads = flights.join("ab", lead=True)
    assert flight is not None
    assert leads
    with flight:
        assert flights.join("ab", lead=True) == (None, False)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(flights.join, "ab", lead=True).result() == (flight, False)
    assert flight.answer.result(0) is None
    assert flights.join("ab", lead=False) == (None, False)


def test_an_equal_call_within_the_awaited_one_does_not_wait_for_it() -> None:
    class Asking(FakeProvider):
        async def asend(self, call: Any) -> Any:
            if not self.calls:
                self.calls.append(call)
                await client.ask(FACT, timeout=5)
            return await super().asend(call)

    async def main() -> float:
        async with client:
            started = time.perf_counter()
            await client.ask(FACT, timeout=5)
            return time.perf_counter() - started

    client = offline(Asking(default="Jane Austen."), client=AsyncClient)
    assert asyncio.run(main()) < 3


def test_those_who_share_an_answer_may_each_change_theirs() -> None:
    body = {"reasoning_details": [{"text": "A novel."}]}
    provider = FakeProvider(default=FakeReply(text="Jane Austen.", delay_s=0.3))
    sent = provider.send

    def send(call: Any) -> Any:
        reply = sent(call)
        message = {"role": "assistant", "content": reply.text, **body}
        return replace(reply, native=None, body={**(reply.body or {}), "choices": [_choice(message)]})

    provider.send = send  # type: ignore[method-assign]
    with offline(provider) as client, ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: client.chat.completions.create(messages=QUESTION), range(4)))
    assert len(provider.calls) == 1
    details: Any = [getattr(one.choices[0].message, "reasoning_details", None) for one in said]
    assert details == [body["reasoning_details"]] * 4
    assert len({id(one[0]) for one in details}) == 4


def _choice(message: dict[str, Any]) -> dict[str, Any]:
    return {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}


def test_what_another_process_stored_before_our_lock_is_read(tmp_path: Path) -> None:
    first, second = (FakeProvider(default=text) for text in ("The first.", "The second."))
    with on_disk(tmp_path, first) as one, on_disk(tmp_path, second) as other:
        flights = one._session.resources.steps.flights
        taken = flights.locks.take

        def late(key: str) -> bool:
            """Another process ends its call after this one has looked, and before it has the lock."""
            flights.locks.take = taken  # type: ignore[method-assign]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(flights, "_flying", {})
                other.ask(FACT)
            flights.landed = 0
            return taken(key)

        flights.locks.take = late  # type: ignore[method-assign]
        answer = one.ask(FACT)
        assert (answer.text, answer.greenai.outcome, len(first.calls)) == ("The second.", "cache", 0)


# --- between processes --------------------------------------------------------------------


def on_disk(folder: Path, provider: FakeProvider) -> Client:
    session = Session.open(
        {"state_dir": str(folder), "ladder": [SMALL, LARGE]},
        {},
        project=None, observe=None, opt_in=None, reason=None, timeout=30.0, max_retries=None, observers=(),
        outside=Outside(provider=lambda _: provider, engines=lambda _: FakeEngines(), env={}),
    )  # fmt: skip
    return Client._of(session, owner=True)


def ask_there(folder: Path, delay_s: float, results: Any) -> None:
    provider = FakeProvider(default=FakeReply(text=f"From {os.getpid()}", delay_s=delay_s))
    with on_disk(folder, provider) as client:
        results.put((client.ask(FACT).text, len(provider.calls)))


def test_equal_calls_of_processes_share_one(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("spawn")
    results: Any = fork.Queue()
    children = [fork.Process(target=ask_there, args=(tmp_path, 3.0, results)) for _ in range(3)]
    for child in children:
        child.start()
    found = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join(10)
    assert len({text for text, _ in found}) == 1
    assert sum(calls for _, calls in found) == 1


def lead_there(folder: Path, ready: Any) -> None:
    locks = KeyLocks(folder / "in-flight.lock")
    assert locks.take("ab")
    ready.set()
    time.sleep(60)


def test_a_process_that_is_killed_gives_its_locks_back(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("spawn")
    ready = fork.Event()
    child = fork.Process(target=lead_there, args=(tmp_path, ready))
    child.start()
    assert ready.wait(30)
    locks = KeyLocks(tmp_path / "in-flight.lock")
    assert not locks.take("ab")
    assert locks.take("cd"), "another key is another lock"
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(10)
    assert locks.take("ab")
    locks.release("ab")


def test_where_nothing_can_be_locked_everybody_calls(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    for path in (None, tmp_path / "a-file" / "in-flight.lock"):
        locks = KeyLocks(path)
        assert locks.take("ab")
        locks.release("ab")


def test_clients_of_one_place_share_their_flights(tmp_path: Path) -> None:
    assert flights_at(tmp_path / "x") is flights_at(tmp_path / "x")
    assert flights_at(None) is not flights_at(None)


# --- forgetting ---------------------------------------------------------------------------


def test_an_answer_is_forgotten_by_its_response_its_receipt_or_its_call() -> None:
    with offline(FakeProvider(default="Jane Austen")) as client:
        for handed in (lambda r: r, lambda r: r.greenai, lambda r: r.greenai.call_id, lambda r: r.greenai.cache_key):
            client.ask(FACT)
            hit = client.ask(FACT)
            assert hit.greenai.outcome == "cache"
            assert client.forget(handed(hit)) is True
            assert client.forget(handed(hit)) is False
            assert client.ask(FACT).greenai.outcome == "small"
        with pytest.raises(InvalidRequest, match="The ledger has no call 'nobody'"):
            client.forget("nobody")
        with pytest.raises(InvalidRequest, match=r"This object has no receipt, .* cannot forget it"):
            client.forget(object())  # type: ignore[arg-type]
        for nothing in (None, 5):
            with pytest.raises(InvalidRequest, match=f"^{nothing} is no answer, so greenai cannot forget it"):
                client.forget(nothing)  # type: ignore[arg-type]


def test_a_failed_forgetting_is_no_missing_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "forget", lambda *_: False)
    monkeypatch.setattr(MemoryStore, "undone", "it does not answer", raising=False)
    with offline(FakeProvider(default="Jane Austen")) as client:
        answer = client.ask(FACT)
        with pytest.raises(CacheError, match=r"may still be in the cache.*: it does not answer\. .*greenai doctor"):
            client.forget(answer)
        client.feedback(answer, good=False)  # what was said counts, whether or not the cache can be reached


def test_forgetting_is_awaited_too() -> None:
    async def main() -> list[Any]:
        async with offline(FakeProvider(default="Jane Austen"), client=AsyncClient) as client:
            answer = await client.ask(FACT)
            return [await client.forget(answer), await client.forget(answer)]

    assert asyncio.run(main()) == [True, False]


def test_what_was_never_stored_has_nothing_to_forget() -> None:
    with offline(FakeProvider(default="Hello."), settings={"cache": "off"}) as client:
        answer = client.ask(FACT)
        assert answer.greenai.cache_key is None
        assert client.forget(answer) is False
