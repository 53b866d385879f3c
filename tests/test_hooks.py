"""Who is told of calls: observers of the process, collecting blocks, the last receipt."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from unittest.mock import Mock

import pytest

import greenai
from greenai import AsyncClient, Receipt, errors, hooks
from greenai.background import background
from greenai.hooks import Asked
from greenai.testing import FakeProvider, FakeReply, error, offline

ADA, GRACE = "Say hello to Ada.", "Say hello to Grace."
MINE: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="")


class Seen:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.finishes: list[tuple[Receipt, Asked]] = []
        self.failures: list[tuple[BaseException, Asked]] = []

    def finished(self, receipt: Receipt, asked: Asked, /) -> None:
        self.finishes.append((receipt, asked))

    def failed(self, error: BaseException, asked: Asked, /) -> None:
        self.failures.append((error, asked))


@pytest.fixture
def seen() -> Iterator[Seen]:
    watcher = Seen()
    remove = hooks.observe(watcher)
    yield watcher
    remove()


# --- observers of the process -------------------------------------------------------------


def test_an_observer_of_the_process_sees_every_client_until_it_is_removed() -> None:
    receipts: list[Receipt] = []
    with offline() as before:
        remove = hooks.observe(receipts.append)
        with offline() as after:
            before.ask(ADA)
            after.ask("What is 18% of 240?")
            remove()
            remove()
            after.ask(GRACE)
    assert [r.outcome for r in receipts] == ["small", "answerer"]
    assert hooks.everywhere() == ()


def test_one_observer_registered_twice_is_told_twice_and_removed_once() -> None:
    receipts: list[Receipt] = []
    put = receipts.append
    first, second = hooks.observe(put), hooks.observe(put)
    with offline() as client:
        client.ask(ADA)
        first()
        client.ask(GRACE)
    second()
    assert len(receipts) == 3


def test_a_watcher_gets_the_facts_of_the_call(seen: Seen) -> None:
    with offline() as client:
        answer = client.ask(ADA, model="auto", temperature=0.5, max_tokens=20, greenai={"project": "docs"})
        again = client.escalate(answer)
    (receipt, asked), (_, escalated) = seen.finishes
    assert receipt == answer.greenai
    assert (asked.call_id, asked.entry, asked.model, asked.stream) == (receipt.call_id, "ask", "auto", False)
    assert (asked.project, asked.feature, asked.parent) == ("docs", None, None)
    assert asked.numbers == {"temperature": 0.5, "max_tokens": 20}
    assert asked.duration_ns > 0
    assert asked.started_ns / 1e9 == pytest.approx(receipt.created, abs=60)
    assert escalated.parent == receipt.call_id
    assert again.greenai.parent == receipt.call_id
    assert ADA not in repr(asked)


def test_a_watcher_is_told_of_what_failed(seen: Seen) -> None:
    with offline(FakeProvider(error(400, "no"))) as client:
        with pytest.raises(greenai.InvalidRequest):
            client.chat.completions.create(messages=[])
        with pytest.raises(Exception, match="no") as raised:
            client.ask(ADA)
    assert [type(told) for told, _ in seen.failures] == [errors.InvalidRequest, type(raised.value)]
    assert seen.failures[1][0] is raised.value
    assert seen.finishes == []


def test_a_watcher_of_one_client_is_told_of_what_failed() -> None:
    own = Seen()
    with offline(FakeProvider(error(400)), observers=[own]) as client, pytest.raises(Exception, match="scripted"):
        client.ask(ADA)
    assert len(own.failures) == 1


def test_a_cancelled_call_failed_with_a_cancelled_error(seen: Seen) -> None:
    async def everything() -> None:
        begun = asyncio.Event()

        def waiting(_: object) -> FakeReply:
            begun.set()
            return FakeReply(delay_s=30)

        async with offline(FakeProvider(waiting), client=AsyncClient) as client:
            task = asyncio.create_task(client.ask(ADA))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(everything())
    ((told, _),) = seen.failures
    assert isinstance(told, (CancelledError, asyncio.CancelledError))
    assert str(told) in ("The call was cancelled.", "")


def test_what_an_observer_raises_is_logged_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Seen):
        def failed(self, error: BaseException, asked: Asked, /) -> None:
            raise RuntimeError("broken")

        def __repr__(self) -> str:
            return "Broken()"

    remove = hooks.observe(Broken())
    with offline(FakeProvider(error(400))) as client, pytest.raises(Exception, match="scripted"):
        client.ask(ADA)
    remove()
    assert [(r.levelno, r.getMessage()) for r in caplog.records if r.name == "greenai"] == [
        (logging.WARNING, "The observer Broken() failed.")
    ]


def test_a_double_that_makes_up_attributes_is_called() -> None:
    double = Mock()
    with offline(observers=[double]) as client:
        answer = client.ask(ADA)
    double.assert_called_once_with(answer.greenai)
    double.finished.assert_not_called()


def test_the_context_of_a_call_is_the_one_it_began_in(seen: Seen) -> None:
    with offline() as client:
        MINE.set("when it began")
        stream = client.ask(ADA, stream=True)
        MINE.set("when it was read")
        list(stream)
    assert seen.finishes[0][1].context.get(MINE) == "when it began"


# --- collecting ---------------------------------------------------------------------------


def test_a_block_collects_what_is_begun_in_it() -> None:
    with offline() as client:
        client.ask(ADA)
        with greenai.collecting() as outer:
            first = client.ask(GRACE)
            with greenai.collecting() as inner:
                second = client.ask("What is 18% of 240?")
        client.ask("Say hello to Bo.")
    assert outer == [first.greenai, second.greenai]
    assert inner == [second.greenai]


def test_a_block_collects_from_tasks_and_copied_contexts_but_not_from_others() -> None:
    async def everything() -> list[Receipt]:
        with offline() as other, ThreadPoolExecutor(1) as pool:
            async with offline(client=AsyncClient) as client:
                with greenai.collecting() as receipts:
                    await asyncio.gather(client.ask(ADA), client.ask(GRACE))
                    await asyncio.to_thread(other.ask, "Say hello to Bo.")
                    pool.submit(other.ask, "Say hello to Cy.").result()
                return receipts

    assert len(asyncio.run(everything())) == 3


def test_two_tasks_collect_their_own() -> None:
    async def one(client: AsyncClient, *names: str) -> list[str]:
        with greenai.collecting() as receipts:
            answers = [await client.ask(f"Say hello to {name}.") for name in names]
        assert receipts == [a.greenai for a in answers]
        return [r.call_id for r in receipts]

    async def everything() -> None:
        async with offline(FakeProvider(default=FakeReply(delay_s=0.01)), client=AsyncClient) as client:
            mine, yours = await asyncio.gather(one(client, "Ada", "Bo"), one(client, "Cy", "Di", "Ed"))
        assert (len(mine), len(yours), len({*mine, *yours})) == (2, 3, 5)

    asyncio.run(everything())


def test_a_stream_that_was_begun_in_a_block_counts_when_it_ends() -> None:
    with offline() as client:
        with greenai.collecting() as receipts:
            read, dropped = client.ask(ADA, stream=True), client.ask(GRACE, stream=True)
            next(iter(dropped))
        assert receipts == []
        list(read)
        assert receipts == [read.greenai]
        del dropped
        gc.collect()
        background.drain()
        assert len(receipts) == 2


# --- the last receipt ---------------------------------------------------------------------


def in_new_context(work: object) -> None:
    contextvars.Context().run(work)  # type: ignore[arg-type]


def test_the_last_receipt_is_that_of_the_latest_call() -> None:
    def everything() -> None:
        assert greenai.last_receipt() is None
        with offline(FakeProvider("Hi.", error(400))) as client:
            answer = client.ask(ADA)
            assert greenai.last_receipt() is answer.greenai
            with pytest.raises(Exception, match="scripted"):
                client.ask(GRACE)
            assert greenai.last_receipt() is answer.greenai
            client.ask("What is 18% of 240?")
            assert greenai.last_receipt().outcome == "answerer"  # type: ignore[union-attr]

    in_new_context(everything)


def test_a_streams_receipt_is_the_last_one_once_it_was_read() -> None:
    def everything() -> None:
        with offline() as client:
            stream = client.ask(ADA, stream=True)
            next(iter(stream))
            assert greenai.last_receipt() is None
            list(stream)
            assert greenai.last_receipt() is stream.greenai

    in_new_context(everything)


def test_awaited_calls_leave_their_receipt_in_their_own_task() -> None:
    async def one(client: AsyncClient, name: str, calls: int) -> Receipt | None:
        for n in range(calls):
            answer = await client.ask(f"Say hello to {name} {n}.")
            assert greenai.last_receipt() is answer.greenai
            await asyncio.sleep(0)
            assert greenai.last_receipt() is answer.greenai
        return greenai.last_receipt()

    async def everything() -> None:
        async with offline(FakeProvider(default=FakeReply(delay_s=0.002)), client=AsyncClient) as client:
            mine, yours = await asyncio.gather(one(client, "Ada", 5), one(client, "Bo", 7))
            assert mine is not None
            assert yours is not None
            assert mine.call_id != yours.call_id
            assert greenai.last_receipt() is None
            stream = await client.chat.completions.create(messages=[{"role": "user", "content": ADA}], stream=True)
            async for _ in stream:
                pass
            assert greenai.last_receipt() is stream.greenai

    in_new_context(lambda: asyncio.run(everything()))


def test_a_thread_has_its_own_last_receipt() -> None:
    found: list[Receipt | None] = []
    with offline() as client:
        client.ask(ADA)
        thread = threading.Thread(target=lambda: found.append(greenai.last_receipt()))
        thread.start()
        thread.join()
    assert found == [None]
