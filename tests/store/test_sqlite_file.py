"""Threads that write at once share a commit: each is told what came of its own step, and only once that is certain."""

from __future__ import annotations

import _thread
import gc
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from greenai.errors import LedgerError
from greenai.store.files import FileLock
from greenai.store.sqlite_file import SqliteFile

FOREVER_S = 20.0


class Notes(SqliteFile):
    """Names, each of which can be noted once."""

    what = "notebook"
    application_id = 7
    elsewhere = "Name another file."
    without = "do without"

    def __init__(self, path: Path | None, timeout_s: float = FOREVER_S) -> None:
        super().__init__(
            path, timeout_s=timeout_s, migrations=(("CREATE TABLE notes (name TEXT UNIQUE, turn INTEGER)",),)
        )

    def note(self, name: str) -> str:
        return self._write(lambda con: self._noted(con, name))

    def _noted(self, con: sqlite3.Connection, name: str) -> str:
        con.execute("INSERT INTO notes VALUES (?, ?)", (name, self._turns))
        return f"noted {name}"

    def turns(self) -> dict[str, int]:
        return dict(self._read(lambda con: con.execute("SELECT name, turn FROM notes").fetchall()))


class Caller(threading.Thread):
    """A thread that does one thing, and keeps what came of it."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._act()
        except BaseException as error:  # noqa: BLE001  whatever it is, the test looks at it
            self.error = error


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "notes.db")
    notes.note("first")
    yield notes
    notes.close()


@contextmanager
def queued(notes: Notes, *acts: Callable[[], Any]) -> Iterator[list[Caller]]:
    """Let callers come, in this order, while another process has the file: the first leads, the others queue."""
    assert notes.path is not None
    other = FileLock(notes.path.with_name("notes.db.lock"))
    other.acquire(time.monotonic() + 1)
    callers = []
    for place, act in enumerate(acts):
        callers.append(Caller(act))
        until(lambda place=place: len(notes._queue) == place and notes._thread_lock.locked())
    yield callers
    other.close()
    for caller in callers:
        caller.join(FOREVER_S)
        assert not caller.is_alive()


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + FOREVER_S
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.001)


def noting(notes: Notes, *names: str) -> list[Callable[[], str]]:
    return [lambda name=name: notes.note(name) for name in names]


def test_those_who_wait_share_a_commit(notes: Notes) -> None:
    with queued(notes, *noting(notes, "a", "b", "c", "d")) as callers:
        pass
    assert [caller.result for caller in callers] == ["noted a", "noted b", "noted c", "noted d"]
    turns = notes.turns()
    assert len({turns[name] for name in "abcd"}) == 1
    assert turns["a"] != turns["first"]
    assert not notes._queue


@pytest.mark.parametrize("twice", [0, 1, 3])
def test_a_step_that_fails_does_so_for_its_own_caller_alone(notes: Notes, twice: int) -> None:
    names = ["a", "b", "c", "d"]
    names[twice] = "first"
    with queued(notes, *noting(notes, *names)) as callers:
        pass
    failed = callers.pop(twice).error
    assert isinstance(failed, LedgerError)
    assert isinstance(failed.__cause__, sqlite3.IntegrityError)
    assert str(failed) == (
        f"The notebook {notes.path} cannot be used: UNIQUE constraint failed: notes.name. Free some space or make it "
        "writable, or do without"
    )
    assert [caller.error for caller in callers] == [None] * 3
    assert sorted(notes.turns()) == sorted({"first", *names})


def test_any_other_error_leaves_as_it_is(notes: Notes) -> None:
    def wrong(con: sqlite3.Connection) -> None:
        notes._noted(con, "wrong")
        raise ZeroDivisionError

    with queued(notes, *noting(notes, "a"), lambda: notes._write(wrong), *noting(notes, "b")) as callers:
        pass
    assert [type(caller.error) for caller in callers] == [type(None), ZeroDivisionError, type(None)]
    assert sorted(notes.turns()) == ["a", "b", "first"]


def test_a_commit_that_fails_has_failed_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(sqlite3.Connection):
        fails = False

        def execute(self, sql: str, *args: Any) -> Any:
            if sql == "COMMIT" and Broken.fails:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = 1034  # SQLITE_IOERR_FSYNC
                raise error
            return super().execute(sql, *args)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Broken, **more))
    notes = Notes(tmp_path / "notes.db")
    notes.note("first")
    with queued(notes, *noting(notes, "a", "b", "c")) as callers:
        Broken.fails = True
    Broken.fails = False
    said = (
        f"The notebook {notes.path} cannot be used: disk I/O error. Free some space or make it writable, or do without"
    )
    assert [str(caller.error) for caller in callers] == [said] * 3
    assert len({id(caller.error) for caller in callers}) == 3  # each its own, with its own traceback
    assert all(isinstance(caller.error.__cause__, sqlite3.OperationalError) for caller in callers if caller.error)
    assert sorted(notes.turns()) == ["first"]
    assert notes.note("a") == "noted a"
    notes.close()


def test_a_step_whose_time_is_over_is_withdrawn(notes: Notes) -> None:
    def hasty() -> str:
        notes._timeout_s = 0.2
        try:
            return notes.note("b")
        finally:
            notes._timeout_s = FOREVER_S

    with queued(notes, *noting(notes, "a"), hasty) as callers:
        callers[1].join(FOREVER_S)
        assert not notes._queue
    assert str(callers[1].error) == (
        f"The notebook {notes.path} was in use by other threads of this process for 0.2 s. Make fewer calls at once, or "
        "look whether its disk is slow."
    )
    assert sorted(notes.turns()) == ["a", "first"]


def test_a_step_that_is_taken_is_waited_for(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.db", timeout_s=0.3)
    notes.note("first")
    taken = threading.Event()

    def slow(con: sqlite3.Connection) -> str:
        taken.set()
        time.sleep(0.8)
        return notes._noted(con, "slow")

    begun, go = threading.Event(), threading.Event()

    def leader(con: sqlite3.Connection) -> None:
        begun.set()
        go.wait(FOREVER_S)

    first = Caller(lambda: notes._write(leader))
    begun.wait(FOREVER_S)
    second = Caller(lambda: notes._write(slow))
    until(lambda: len(notes._queue) == 1)
    go.set()
    for caller in (first, second):
        caller.join(FOREVER_S)
    assert second.result == "noted slow"
    assert notes.turns() == {"first": 1, "slow": 2}
    notes.close()


def test_nobody_is_told_before_the_commit(notes: Notes) -> None:
    go = threading.Event()
    others: list[Caller] = []

    def last(con: sqlite3.Connection) -> None:
        time.sleep(0.2)
        assert all(other.is_alive() for other in others)
        go.set()

    with queued(notes, *noting(notes, "a", "b"), lambda: notes._write(last)) as callers:
        others += callers[:2]
    assert go.is_set()
    assert [caller.error for caller in callers] == [None] * 3


def test_an_interrupt_of_one_who_leads_costs_no_other_its_step(notes: Notes) -> None:
    runs = []

    def interrupted(con: sqlite3.Connection) -> None:
        runs.append(1)
        raise KeyboardInterrupt

    with queued(notes, *noting(notes, "a"), lambda: notes._write(interrupted), *noting(notes, "b")) as callers:
        pass
    # The first one leads, and it is in its thread that the interrupt was: as with any other, what it did is rolled back.
    assert isinstance(callers[0].error, KeyboardInterrupt)
    assert [type(callers[1].error), callers[2].error] == [KeyboardInterrupt, None]
    assert len(runs) == 2
    assert sorted(notes.turns()) == ["b", "first"]
    assert notes.note("a") == "noted a"


def test_an_interrupt_of_one_who_waits_withdraws_its_step(notes: Notes) -> None:
    with queued(notes, *noting(notes, "a")) as callers:
        Caller(lambda: (until(lambda: len(notes._queue) == 1), _thread.interrupt_main()))
        with pytest.raises(KeyboardInterrupt):
            notes.note("b")
        assert not notes._queue
    assert callers[0].result == "noted a"
    assert sorted(notes.turns()) == ["a", "first"]


def test_a_step_within_a_step_is_refused_in_time_and_harms_nothing(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.db", timeout_s=0.2)

    class Finalized:
        def __del__(self) -> None:
            try:
                notes.note("inner")
            except LedgerError as error:
                said.append(str(error))

    said: list[str] = []

    def outer(con: sqlite3.Connection) -> str:
        Finalized()
        gc.collect()
        return notes._noted(con, "outer")

    assert notes._write(outer) == "noted outer"
    assert len(said) == 1
    assert "was in use by other threads of this process for 0.2 s" in said[0]
    assert sorted(notes.turns()) == ["outer"]
    notes.close()


def test_whoever_is_forgotten_does_its_own_step(notes: Notes) -> None:
    notes._thread_lock.acquire()
    caller = Caller(lambda: notes.note("a"))
    until(lambda: len(notes._queue) == 1)
    notes._queue.clear()  # as by an interrupt of the thread that has just taken it
    notes._thread_lock.release()  # and wakes nobody
    caller.join(FOREVER_S)
    assert caller.result == "noted a"


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_many_threads_lose_nothing_whatever_fails(tmp_path: Path, kind: str) -> None:
    notes = Notes(tmp_path / "notes.db" if kind == "file" else None)
    notes.note("first")

    def run(name: int) -> list[str]:
        done = []
        for n in range(100):
            try:
                notes.note("first" if n % 10 == 0 else f"{name}-{n}")
            except LedgerError:
                assert n % 10 == 0
            else:
                done.append(f"{name}-{n}")
        return done

    callers = [Caller(lambda name=name: run(name)) for name in range(8)]
    for caller in callers:
        caller.join(FOREVER_S)
    assert [caller.error for caller in callers] == [None] * 8
    noted = notes.turns()
    assert sorted(noted) == sorted(["first", *(name for caller in callers for name in caller.result)])
    notes.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_forks_amid_threads_that_queue(tmp_path: Path) -> None:
    script = """
        import json, os, sys, threading
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_sqlite_file import Notes

        notes, stop, done = Notes(Path(sys.argv[1])), threading.Event(), []

        def busy(name):
            n = 0
            while not stop.is_set():
                notes.note(f"{name}-{n}")
                done.append(f"{name}-{n}")
                n += 1

        threads = [threading.Thread(target=busy, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        codes = []
        for child in range(15):
            pid = os.fork()
            if pid == 0:
                notes.note(f"child-{child}")
                os._exit(0)
            codes.append(os.waitpid(pid, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
        wanted = {*done, *(f"child-{n}" for n in range(15))}
        print(json.dumps([set(codes) == {0}, set(notes.turns()) == wanted]))
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "notes.db", Path(__file__).parent],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (found.stdout, found.stderr) == ("[true, true]\n", "")
