from __future__ import annotations

import asyncio
import gc
import itertools
import math
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.errors import EngineError
from greenai.local.batcher import Answered, MicroBatcher, divide


class Engine:
    """Doubles numbers, remembers its batches, and can be held at the door; negative numbers are poison."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()
        self.used = 0

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.busy.set()
        assert self.free.wait(30)
        self.batches.append(list(items))
        self.used += 1000 + sum(abs(item) for item in items)
        for item in items:
            if item < 0:
                raise ValueError(f"{item} is poison")
        return [2 * item for item in items]

    def hold(self, batcher: MicroBatcher[int, int]) -> Future[Answered[int]]:
        """Occupy the engine until `free` is set, so that what follows waits."""
        self.free.clear()
        self.busy.clear()
        held = batcher.submit(0)
        assert self.busy.wait(30)
        return held


def test_what_waits_is_done_together_and_in_order() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=8, window_s=0.0)
    held = engine.hold(batcher)
    futures = [batcher.submit(n) for n in range(1, 12)]
    engine.free.set()
    assert [future.result(30).result for future in futures] == [2 * n for n in range(1, 12)]
    assert engine.batches == [[0], list(range(1, 9)), [9, 10, 11]]
    assert (held.result().batch, futures[0].result().batch, futures[-1].result().batch) == (1, 8, 3)
    batcher.close()


def test_a_thousand_concurrent_items_are_neither_lost_nor_mixed_up_and_their_shares_add_up() -> None:
    engine = Engine()
    batcher = MicroBatcher(
        engine, most=16, window_s=0.002, length=lambda n: n, work=lambda n, _: n + 1.0, meter=lambda: engine.used
    )
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: batcher.submit(n, owner=n % 7).result(60), range(1000)))
    batcher.close()
    assert [answer.result for answer in answers] == [2 * n for n in range(1000)]
    assert sorted(n for batch in engine.batches for n in batch) == list(range(1000))
    assert sum(answer.used or 0 for answer in answers) == engine.used
    for batch in engine.batches:
        mine = [answers[n] for n in batch]
        assert sum(answer.used or 0 for answer in mine) == mine[0].batch_used
        assert [answer.used for answer in mine] == divide(mine[0].batch_used or 0, [n + 1.0 for n in batch])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 40), max_size=40), st.integers(1, 9))
def test_whoever_spoils_a_batch_fails_alone(items: list[int], most: int) -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=most, window_s=0.0)
    held = engine.hold(batcher)
    futures = [batcher.submit(item) for item in items]
    engine.free.set()
    held.result(30)
    for item, future in zip(items, futures, strict=True):
        if item < 0:
            assert str(future.exception(30)) == f"{item} is poison"
        else:
            assert future.result(30).result == 2 * item
    batcher.close()


def test_one_spoiler_costs_a_logarithm_of_runs() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=64, window_s=0.0)
    held = engine.hold(batcher)
    futures = [batcher.submit(-1 if n == 37 else n) for n in range(64)]
    engine.free.set()
    held.result(30)
    assert isinstance(futures[37].exception(30), ValueError)
    assert sum(future.result(30).result for n, future in enumerate(futures) if n != 37) == 2 * (63 * 32 - 37)
    assert len(engine.batches) == 1 + 1 + 2 * 6
    batcher.close()


def test_a_result_too_few_is_told_to_who_asked() -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(lambda _: [], window_s=0.0)
    with pytest.raises(EngineError) as told:
        batcher.ask(1)
    assert str(told.value) == "The engine returned 0 results for 1 items."
    batcher.close()


def test_a_meter_that_fails_costs_nobody_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    reads: Iterator[int | OSError] = iter([1, OSError("the counter is gone"), 5, 9])

    def meter() -> int:
        found = next(reads)
        if isinstance(found, OSError):
            raise found
        return found

    batcher = MicroBatcher(Engine(), window_s=0.0, meter=meter)
    first, then = batcher.submit(1).result(10), batcher.submit(2).result(10)
    assert (first.result, first.used, first.batch_used) == (2, None, None)
    assert (then.result, then.used, then.batch_used) == (4, 4, 4)
    assert [record.message for record in caplog.records] == ["The meter of a batch failed; its shares are unknown."]
    batcher.close()


def test_work_that_cannot_be_weighed_is_shared_equally(caplog: pytest.LogCaptureFixture) -> None:
    clock = itertools.count(step=10)
    batcher = MicroBatcher(Engine(), most=2, window_s=9.0, work=lambda *_: 1 / 0, meter=lambda: next(clock))
    futures = [batcher.submit(n) for n in (1, 2)]
    assert [future.result(10).used for future in futures] == [5, 5]
    assert "could not be weighed" in caplog.records[0].message
    batcher.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StopIteration("over"), "The engine ended with StopIteration: over"),
        (StopAsyncIteration(), "The engine ended with StopAsyncIteration"),
        (asyncio.CancelledError(), "The engine ended with CancelledError"),
        (SystemExit(3), "The engine ended with SystemExit: 3"),
        (KeyboardInterrupt(), "The engine ended with KeyboardInterrupt"),
    ],
)
def test_what_would_end_a_loop_or_a_task_is_told_as_an_error(error: BaseException, told: str) -> None:
    def spoilt(_: object) -> list[int]:
        raise error

    batcher: MicroBatcher[int, int] = MicroBatcher(spoilt, window_s=0.0)
    with pytest.raises(EngineError, match=f"^{told}$") as found:
        batcher.ask(1)
    assert found.value.__cause__ is error

    async def asked() -> None:
        async with asyncio.timeout(10):
            await batcher.ask_async(2)

    with pytest.raises(EngineError, match=f"^{told}$"):
        asyncio.run(asked())
    batcher.close()


def test_a_thread_that_the_system_refused_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    batcher = MicroBatcher(Engine(), window_s=0.0)

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            batcher.submit(1)
    assert batcher.waiting() == 0
    assert batcher.submit(2).result(10).result == 4
    batcher.close()


def test_one_that_is_cancelled_while_it_waits_is_not_done() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=8, window_s=0.0)
    held = engine.hold(batcher)
    futures = [batcher.submit(n) for n in range(1, 5)]
    assert futures[1].cancel()
    assert not held.cancel()
    assert batcher.waiting() == 3
    engine.free.set()
    assert [f.result(30).result for n, f in enumerate(futures) if n != 1] == [2, 6, 8]
    assert engine.batches == [[0], [1, 3, 4]]
    with pytest.raises(CancelledError):
        futures[1].result()
    batcher.close()


def test_event_loops_may_ask_and_a_cancelled_task_leaves_the_line() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=4, window_s=0.0)

    async def ask_them() -> list[int]:
        engine.hold(batcher)
        tasks = [asyncio.create_task(batcher.ask_async(n)) for n in range(1, 6)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        with suppress(asyncio.CancelledError):
            await tasks[2]
        engine.free.set()
        return [await task for n, task in enumerate(tasks) if n != 2]

    assert asyncio.run(ask_them()) == [2, 4, 8, 10]
    assert engine.batches == [[0], [1, 2, 4, 5]]
    batcher.close()


def test_close_does_what_waits_and_takes_no_more() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=3, window_s=1000.0)
    futures = [batcher.submit(n) for n in range(2)]
    batcher.close()
    batcher.close()
    assert [future.result(0).result for future in futures] == [0, 2]
    with pytest.raises(EngineError) as refused:
        batcher.submit(1)
    assert str(refused.value) == "This batcher is closed and takes no more items. Make a new one."


def test_close_without_flush_cancels_what_waits() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=3, window_s=1000.0)
    futures = [batcher.submit(n) for n in range(2)]
    batcher.close(flush=False)
    assert [future.cancelled() for future in futures] == [True, True]
    assert engine.batches == []


def test_the_interpreters_end_does_what_waits() -> None:
    code = (
        "from greenai.local.batcher import MicroBatcher\n"
        "batcher = MicroBatcher(lambda items: [print(item, flush=True) for item in items], window_s=1000.0)\n"
        "batcher.submit('one'); batcher.submit('two')\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["one", "two"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_line_of_its_own() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=8, window_s=1000.0)
    waiting = batcher.submit(1)
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            batcher._window_s = 0.0
            batcher.forget_parents_items()
            os._exit(7 if batcher.ask(21) == 42 and batcher.waiting() == 0 else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert not waiting.done()
    batcher.close()
    assert waiting.result(0).result == 2


def test_a_deadline_goes_before_the_window_is_over() -> None:
    engine = Engine()
    batcher = MicroBatcher(engine, most=8, window_s=1000.0)
    calm = batcher.submit(1)
    assert batcher.submit(2, within_s=0.05).result(30).result == 4
    assert calm.result(30).batch == 2
    batcher.close()


@given(st.integers(0, 10**15), st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_shares_are_whole_near_fair_and_add_up(amount: int, weights: list[float]) -> None:
    shares = divide(amount, weights)
    total = math.fsum(weights)
    assert sum(shares) == amount
    assert all(share >= 0 for share in shares)
    if total:
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - amount * weight / total) <= 1 + 1e-9 * amount


def test_shares_of_nothing_are_equal() -> None:
    assert divide(10, [0.0, 0.0, math.nan]) == [3, 4, 3]
    assert divide(10, []) == []
    assert divide(7, [math.inf, 1.0]) == [0, 7]


def test_limits_that_make_no_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="A batch") as refused:
        MicroBatcher(Engine(), most=0)
    assert str(refused.value) == "A batch has at least 1 item and its window 0 s or more, not 0 and 0.01 s."


def test_nothing_of_many_items_is_kept() -> None:
    batcher = MicroBatcher(Engine(), most=8, window_s=0.0)
    draw = random.Random(3)
    for _ in range(300):
        batcher.submit(draw.randrange(9), owner=draw.randrange(99)).result(30)
    batcher.close()
    gc.collect(1)
    assert len(batcher._line) == 0
    assert not batcher._line._last_turn
    assert not batcher._line._in_bucket
