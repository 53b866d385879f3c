"""What disks, files and locks do to a ledger of budgets: nothing acknowledged is lost, and what happened is said."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import sqlite3
import subprocess
import sys
import time as clocks
from pathlib import Path
from typing import Any

import pytest

from greenai.budget import Amount, Budget, BudgetLedger, open_ledger
from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import budget_db, budget_schema
from greenai.store.budget_db import BudgetDb
from greenai.store.files import FileLock

SCOPE = "project/shop"
DAY = Budget.parse("100 J/day")
J = Amount(energy_j=1)


# --- 21, 23: the disk ---------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_21_a_full_disk_refuses_and_what_ended_meanwhile_is_counted_once_there_is_room(path: Path) -> None:
    script = """
    import resource, sys
    from greenai.budget import Amount, Budget, open_ledger
    from greenai.errors import LedgerError
    budget, one = Budget.parse("1 MWh/month"), Amount(energy_j=1)
    ledger = open_ledger(sys.argv[1])
    holds = [ledger.reserve("s", budget, one, attempt_id=f"a{n}") for n in range(5)]
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
    failed = 0
    for n in range(2000):
        try:
            ledger.reserve("s", budget, one, attempt_id=f"b{n}").release()
        except LedgerError as error:
            failed += 1
            said = str(error)
            if failed == 3:
                break
    assert failed == 3, failed
    print(said)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    for hold in holds:
        try:
            hold.settle(one)
        except LedgerError:
            failed += 1
    assert failed == 8, failed
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    state = ledger.spent("s", budget)
    assert state.settled == 5, state
    ledger.close()
    assert open_ledger(sys.argv[1]).spent("s", budget).settled == 5
    """
    done = subprocess.run(
        [sys.executable, "-c", "import textwrap, sys; exec(textwrap.dedent(sys.argv.pop(1)))", script, path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout
        == (
            f"The budget ledger {path} cannot be used: database or disk is full. Free some space or make it writable, or "
            'count on a server with: budget_url = "redis://127.0.0.1:6379/0"\n'
        )
        or "disk I/O error" in done.stdout
    )


def test_23_a_write_that_fails_is_never_taken_for_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(path)
    held = ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    for step in ("BEGIN IMMEDIATE", "COMMIT"):
        broken = _Broken(step)
        monkeypatch.setattr(sqlite3, "connect", broken)
        ledger._store._drop()
        with pytest.raises(LedgerError) as failed:
            ledger.reserve(SCOPE, DAY, J, attempt_id=f"b{step}")
        assert str(failed.value) == (
            f"The budget ledger {path} cannot be used: disk I/O error. Free some space or make it writable, or "
            'count on a server with: budget_url = "redis://127.0.0.1:6379/0"'
        )
        with pytest.raises(LedgerError):
            held.settle(Amount(energy_j=2))
        monkeypatch.undo()
        assert broken.closed >= 2  # each failure closes the file, and the next step opens it anew
    assert ledger.spent(SCOPE, DAY).settled == 2
    assert not held.settle(Amount(energy_j=2))
    ledger.close()


class _Broken:
    """Opens databases on which one statement fails as a disk does."""

    def __init__(self, fails_at: str) -> None:
        self._connect = sqlite3.connect
        self._fails_at = fails_at
        self.closed = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outer = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> Any:
                if sql == outer._fails_at:
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = 1034  # SQLITE_IOERR_FSYNC
                    raise error
                return super().execute(sql, *args)

            def close(self) -> None:
                outer.closed += 1
                super().close()

        return self._connect(*args, **kwargs, factory=Connection)


# --- 24, 26, 27: files --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["a file for a folder", "a folder for the file"])
def test_24_a_place_that_cannot_be_written_to_is_said(tmp_path: Path, path: Path, how: str) -> None:
    if how == "a file for a folder":
        (tmp_path / "home").write_text("")
        path = tmp_path / "home" / "budgets.db"
    else:
        path.mkdir()
    ledger = open_ledger(path)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"^The budget ledger .* cannot be used: .*count on a server with: "):
            ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    ledger.close()


def test_24_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "budgets.db"
    ledger = open_ledger(path)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1").release()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    ledger.close()


def filled(path: Path) -> bytes:
    ledger = open_ledger(path)
    for n in range(300):
        ledger.reserve(f"project/{n}", DAY, J, attempt_id=f"a{n}").settle(J)
    ledger.close()
    return path.read_bytes()


def reserve_all_projects(ledger: BudgetLedger) -> None:
    for n in range(300):
        ledger.reserve(f"project/{n}", DAY, J, attempt_id=f"b{n}")


@pytest.mark.parametrize("damage", ["text", "half", "pages"])
def test_26_a_damaged_file_is_left_as_it_is_and_said(path: Path, damage: str) -> None:
    whole = filled(path)
    if damage == "text":
        path.write_text("this is no database\n" * 500)
    elif damage == "half":
        path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    else:
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    before = path.read_bytes()
    ledger = open_ledger(path)
    for _ in range(2):
        with pytest.raises(LedgerCorrupt) as refused:
            reserve_all_projects(ledger)
        assert str(refused.value).startswith(f"The budget ledger {path} is damaged (")
        assert str(refused.value).endswith(
            f"). It was left as it is. Save what can be read with: sqlite3 {path} .recover | sqlite3 recovered.db   "
            f"Then start a new one with: mv {path} {path}.damaged"
        )
    ledger.close()
    if damage == "text":
        assert path.read_bytes() == before


@pytest.mark.timeout(120)
def test_26_turned_bits_allow_no_more_than_an_error_or_the_truth(tmp_path: Path, path: Path) -> None:
    whole = filled(path)
    rng = random.Random(26)
    told = 0
    for case in range(60):
        data = bytearray(whole)
        page = rng.randrange(len(data) // 4096) * 4096
        for _ in range(20):
            data[page + rng.randrange(4096)] ^= 1 << rng.randrange(8)
        copy = tmp_path / f"{case}.db"
        copy.write_bytes(data)
        ledger = open_ledger(copy)
        try:
            for n in range(0, 300, 30):
                ledger.reserve(f"project/{n}", DAY, J, attempt_id=f"b{n}").settle(J)
        except LedgerError:
            told += 1
        ledger.close()
    assert told > 10


def test_26_a_counter_that_holds_text_is_nothing_worse_than_wrong(path: Path) -> None:
    ledger = open_ledger(path)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1").settle(J)
    con = sqlite3.connect(path)
    con.execute("UPDATE counters SET settled_tokens = 'text'")
    con.commit()
    con.close()
    assert ledger.reserve(SCOPE, DAY, J, attempt_id="a2").settle(J)
    assert ledger.spent(SCOPE, DAY).settled == 2
    ledger.close()


def test_26_a_file_that_was_emptied_is_no_new_one(path: Path) -> None:
    filled(path)
    path.write_bytes(b"")
    ledger = open_ledger(path)
    for _ in range(2):
        with pytest.raises(LedgerCorrupt) as refused:
            ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
        assert str(refused.value) == (
            f"The budget ledger {path} is empty, and was not: something cut it off. It was left as it is. Restore it "
            f"from a copy, or count from zero in a new one with: mv {path} {path}.damaged"
        )
    assert path.read_bytes() == b""
    path.rename(path.with_name("budgets.db.damaged"))
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    ledger.close()


def test_26_a_process_that_died_while_it_made_the_file_stops_nobody(path: Path) -> None:
    path.touch()
    path.with_name(f"{path.name}.lock").touch()
    ledger = open_ledger(path)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    ledger.close()


@pytest.mark.parametrize("is_open", [True, False])
def test_26_a_file_that_is_removed_is_told_of_once(
    path: Path, caplog: pytest.LogCaptureFixture, *, is_open: bool
) -> None:
    ledger = open_ledger(path)
    ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    assert not caplog.records
    if not is_open:
        ledger.close()
    path.unlink()
    for n in range(3):
        ledger.reserve(SCOPE, DAY, J, attempt_id=f"b{n}")
    ledger.close()
    assert open_ledger(path).spent(SCOPE, DAY).held == 3
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"The budget ledger {path} was removed or replaced. What it counted is no longer known, and what is there "
            "now goes on."
        )
    ]


def test_27_a_newer_schema_is_refused_and_not_touched(path: Path) -> None:
    filled(path)
    con = sqlite3.connect(path)
    con.execute("PRAGMA user_version = 99")
    con.close()
    before = path.read_bytes()
    ledger = open_ledger(path)
    with pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    assert str(refused.value) == (
        f"The budget ledger {path} has schema version 99; this greenai knows up to {len(budget_schema.MIGRATIONS)}. "
        "It was not touched. Update with: pip install --upgrade greenai"
    )
    assert path.read_bytes() == before
    ledger.close()


def test_27_an_older_schema_is_brought_up_to_date_or_left_whole(path: Path) -> None:
    filled(path)
    broken = (*budget_schema.MIGRATIONS, ("ALTER TABLE counters ADD COLUMN later INTEGER", "this is no SQL"))
    db = BudgetDb(path, migrations=broken)
    with pytest.raises(LedgerError):
        db.check()
    whole = BudgetDb(path, migrations=(*broken[:-1], broken[-1][:1]))
    assert whole.check()["version"] == len(broken)
    assert (path.with_name(f"{path.name}.v{len(budget_schema.MIGRATIONS)}.bak")).exists()
    whole.close()
    db.close()


def test_27_a_database_of_another_program_is_not_written_to(path: Path) -> None:
    con = sqlite3.connect(path)
    con.executescript("CREATE TABLE photos (name TEXT)")
    con.close()
    ledger = open_ledger(path)
    with pytest.raises(LedgerError) as refused:
        ledger.spent(SCOPE, DAY)
    assert str(refused.value) == f"{path} is a database of another program (application id 0x0). Name another file."
    ledger.close()


# --- memory -------------------------------------------------------------------------------


def test_in_memory_only_the_newest_ends_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_db, "_TIDY_EVERY", 2)
    monkeypatch.setattr(budget_db, "_MOST_IN_MEMORY", 10)
    db = BudgetDb(None)
    ledger = BudgetLedger(db)
    held = ledger.reserve(SCOPE, DAY, J, attempt_id="held")
    for n in range(50):
        last = ledger.reserve(SCOPE, DAY, J, attempt_id=f"a{n}")
        last.settle(J)
    assert db.check()["attempts"] <= 12
    assert not last.settle(J)
    assert held.settle(J)
    assert ledger.spent(SCOPE, DAY).settled == 51


# --- 28, 29: locks ------------------------------------------------------------------------


def test_28_a_file_that_is_locked_for_long_is_waited_for_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = BudgetLedger(BudgetDb(path, timeout_s=0.3))
    held = ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    holder = FileLock(path.with_name(path.name + ".lock"))
    holder.acquire(clocks.monotonic() + 1)
    used, begun = clocks.process_time(), clocks.monotonic()
    with pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a2")
    assert str(refused.value) == (
        f"The budget ledger {path} was locked by another process for 0.3 s. Find that process with: fuser -v {path}"
    )
    with pytest.raises(LedgerError):
        held.settle(Amount(energy_j=2))
    waited = clocks.monotonic() - begun
    assert waited < 5
    assert clocks.process_time() - used < waited / 2  # no busy loop
    holder.close()
    assert ledger.spent(SCOPE, DAY).settled == 2
    ledger.close()


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_28_a_thread_that_keeps_the_ledger_is_told_from_another_process(path: Path, kind: str) -> None:
    store = BudgetDb(path if kind == "file" else None, timeout_s=0.2)
    ledger = BudgetLedger(store)
    with store._thread_lock, pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    assert str(refused.value) == (
        f"The budget ledger {path if kind == 'file' else 'in memory'} was in use by other threads of this process for "
        "0.2 s. Make fewer calls at once, or look whether its disk is slow."
    )
    ledger.close()


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_29_a_disk_without_locks_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_locks(fd: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    ledger = open_ledger(path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(LedgerError) as refused:
        ledger.reserve(SCOPE, DAY, J, attempt_id="a1")
    assert str(refused.value) == (
        f"The budget ledger {path} cannot be used: [Errno {code}] {os.strerror(code)}. Free some space or make it "
        'writable, or count on a server with: budget_url = "redis://127.0.0.1:6379/0"'
    )
    monkeypatch.undo()
    ledger.close()
