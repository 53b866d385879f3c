"""The thread in the background: what it repeats, and what stops that."""

from __future__ import annotations

import queue
import time

import pytest

from greenai.background import Background


@pytest.fixture
def background() -> Background:
    background = Background()
    background.start()
    return background


def test_work_is_repeated_until_it_is_stopped(background: Background) -> None:
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    stop = background.every(0.01, lambda: done.put(1))
    assert [done.get(timeout=30) for _ in range(3)] == [1, 1, 1]
    stop()
    assert background.drain()
    left = done.qsize()
    other: queue.SimpleQueue[int] = queue.SimpleQueue()
    stop_other = background.every(0.01, lambda: other.put(1))
    for _ in range(5):  # the thread went on, and past the times of the first
        other.get(timeout=30)
    assert done.qsize() == left
    stop_other()


def test_work_that_is_not_stopped_ends_at_its_time(background: Background) -> None:
    done: list[int] = []
    background.every(0.01, lambda: done.append(1), until=time.monotonic())
    other: queue.SimpleQueue[int] = queue.SimpleQueue()
    background.every(0.02, lambda: other.put(1), until=time.monotonic() + 60)
    other.get(timeout=30)
    assert done == []


def test_what_fails_is_told_and_done_again(background: Background, caplog: pytest.LogCaptureFixture) -> None:
    done: queue.SimpleQueue[int] = queue.SimpleQueue()

    def fails() -> None:
        done.put(1)
        raise OSError("The disk is full.")

    stop = background.every(0.01, fails)
    done.get(timeout=30)
    done.get(timeout=30)
    stop()
    assert background.drain()
    assert {record.getMessage() for record in caplog.records} == {"Work in the background failed."}


def test_the_next_one_is_the_one_that_is_due_first(background: Background) -> None:
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    stops = [background.every(3600, lambda: done.put("rare")), background.every(0.01, lambda: done.put("often"))]
    assert [done.get(timeout=30) for _ in range(2)] == ["often", "often"]
    for stop in stops:
        stop()
