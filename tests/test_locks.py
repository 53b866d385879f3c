from __future__ import annotations

import os
import threading

import pytest

from greenai._locks import Lock


def test_it_keeps_others_out_and_is_let_go_after_an_error() -> None:
    lock, order = Lock(), []

    def second() -> None:
        with lock:
            order.append("second")

    def first() -> None:
        with lock:
            thread.start()
            thread.join(0.05)
            order.append("first")
            raise ValueError

    thread = threading.Thread(target=second)
    with pytest.raises(ValueError):
        first()
    thread.join(5)
    assert order == ["first", "second"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_finds_it_free_though_another_thread_of_the_parent_holds_it() -> None:
    lock, held, go = Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(5)
    child = os.fork()
    if child == 0:
        taken = lock._lock.acquire(timeout=2)
        os._exit(0 if taken else 1)
    _, status = os.waitpid(child, 0)
    assert not lock._lock.acquire(blocking=False), "in the parent it is still held"
    go.set()
    thread.join(5)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_lock_that_is_gone_is_forgotten() -> None:
    from greenai import _locks

    before = len(_locks._all)
    lock = Lock()
    assert len(_locks._all) == before + 1
    del lock
    assert len(_locks._all) == before
