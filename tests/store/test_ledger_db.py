from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import schema
from greenai.store.ledger_db import LedgerDb

VERSION = len(schema.MIGRATIONS)


def hold(n: int = 1) -> tuple[object, ...]:
    return (f"a{n}", f"c{n}", "shop", "openai/gpt-5.5", 100.0, 200.0, 36.0)


def settled(n: int = 1, state: str = "answered") -> tuple[object, ...]:
    row = dict.fromkeys(schema.SETTLE_COLUMNS)
    given = {
        "attempt_id": f"a{n}",
        "call_id": f"c{n}",
        "project": "shop",
        "model": "m",
        "state": state,
        "created": 100.0,
    }
    return tuple({**row, **given}.values())


def call(n: int = 1) -> tuple[object, ...]:
    row = dict.fromkeys(schema.CALL_COLUMNS)
    given = {"call_id": f"c{n}", "created": 100.0, "project": "shop", "entry": "ask", "outcome": "large"}
    return tuple({**row, **given, "evidence": "unknown", "method": "none"}.values())


def fill(path: Path, count: int) -> None:
    db = LedgerDb(path)
    for n in range(count):
        db.settle([settled(n)], call(n))
    db.close()


def python(script: str, *arguments: object, timeout_s: float = 60.0) -> str:
    """Run a script in a fresh process, so that it may fork without the threads of this one."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_are_private(tmp_path: Path) -> None:
    db = LedgerDb(tmp_path / "new" / "ledger.db")
    old = os.umask(0)
    try:
        db.reserve(hold())
    finally:
        os.umask(old)
    folder = tmp_path / "new"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"), 0o600)


def test_a_transaction_is_whole_or_absent(tmp_path: Path) -> None:
    db = LedgerDb(tmp_path / "ledger.db")
    with pytest.raises(LedgerError):
        db.settle([settled(1), settled(2, state="no such state")], call())
    assert db.check() == {"version": VERSION, "calls": 0, "attempts": 0, "holds": 0, "held_j": 0}
    db.settle([settled(1)], call())
    assert db.check()["calls"] == 1


def test_a_removed_file_is_made_again(tmp_path: Path) -> None:
    db = LedgerDb(tmp_path / "state" / "ledger.db")
    db.settle([settled(1)], call(1))
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    (tmp_path / "state").rmdir()
    db.settle([settled(2)], call(2))
    db.close()
    assert [row["call_id"] for row in LedgerDb(tmp_path / "state" / "ledger.db").recent(9)] == ["c2"]


# --- schema -------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    LedgerDb(path, migrations=(*schema.MIGRATIONS, ("ALTER TABLE calls ADD COLUMN later TEXT",))).settle([], call())
    with pytest.raises(LedgerError) as caught:
        LedgerDb(path).settle([], call(2))
    assert str(caught.value) == (
        f"The ledger {path} has schema version {VERSION + 1}; this greenai knows up to {VERSION}. It was not touched. "
        "Update with: pip install --upgrade greenai"
    )
    con = sqlite3.connect(path)
    assert con.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    con.close()


def test_an_older_schema_is_brought_up_to_date_and_a_copy_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 3)
    newer = LedgerDb(path, migrations=(*schema.MIGRATIONS, ("ALTER TABLE calls ADD COLUMN later TEXT",)))
    found = newer.check()
    assert (found["version"], found["calls"]) == (VERSION + 1, 3)
    backup = tmp_path / f"ledger.db.v{VERSION}.bak"
    assert LedgerDb(backup).check()["calls"] == 3
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_ledger_of_version_1_gets_what_version_2_added(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    con = sqlite3.connect(path)
    for statement in schema.MIGRATIONS[0]:
        con.execute(statement)
    columns = {name for _, name, *_ in con.execute("PRAGMA table_info(calls)")}
    old = {name: value for name, value in zip(schema.CALL_COLUMNS, call(1), strict=True) if name in columns}
    assert "error" not in old
    con.execute(f"INSERT INTO calls ({', '.join(old)}) VALUES ({', '.join('?' * len(old))})", tuple(old.values()))
    con.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    con.execute("PRAGMA user_version = 1")
    con.commit()
    con.close()

    db = LedgerDb(path)
    newer = dict(zip(schema.CALL_COLUMNS, call(2), strict=True)) | {"overhead_j": 0.3}
    db.settle([settled(2)], tuple(newer.values()))
    assert [(row["call_id"], row["overhead_j"], row["error"]) for row in db.recent(9)] == [
        ("c2", 0.3, None),
        ("c1", None, None),
    ]
    assert db.check()["version"] == VERSION
    con = sqlite3.connect(path)
    plan = con.execute("EXPLAIN QUERY PLAN SELECT * FROM attempts WHERE call_id = 'c2'").fetchall()
    con.close()
    assert "attempts_call" in plan[0][3]


def test_a_migration_that_fails_leaves_the_old_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 3)
    broken = (*schema.MIGRATIONS, ("ALTER TABLE calls ADD COLUMN later TEXT", "this is no SQL"))
    with pytest.raises(LedgerError, match="syntax error"):
        LedgerDb(path, migrations=broken).check()
    assert LedgerDb(path).check()["version"] == VERSION


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE calls (theirs TEXT)")
    con.close()
    with pytest.raises(LedgerError) as caught:
        LedgerDb(path).check()
    assert str(caught.value) == (
        f'{path} is a database of another program (application id 0x0). Name another file with: ledger = "..."'
    )


# --- damage -------------------------------------------------------------------------------


def test_a_truncated_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 300)
    os.truncate(path, path.stat().st_size // 2)
    before = path.read_bytes()
    with pytest.raises(LedgerCorrupt):
        LedgerDb(path).check()
    assert path.read_bytes() == before


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_never_pass_for_a_good_ledger_or_escape_as_another_error(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 300)
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for page in range(0, len(data), 4096):
        for _ in range(40):
            data[page + rng.randrange(4096)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    with pytest.raises(LedgerError):
        LedgerDb(path).check()


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    assert LedgerDb(path).check()["version"] == VERSION


# --- others -------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_waiting_for_a_lock_is_bounded(tmp_path: Path) -> None:
    import fcntl

    path = tmp_path / "ledger.db"
    with (tmp_path / "ledger.db.lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(LedgerError) as caught:
            LedgerDb(path, timeout_s=0.2).reserve(hold())
    assert 0.2 <= time.monotonic() - started < 2.0
    assert str(caught.value) == (
        f"The ledger {path} was locked by another process for 0.2 s. Find that process with: fuser -v {path}"
    )


def test_a_writer_outside_greenai_is_waited_for_too(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 1)
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("BEGIN IMMEDIATE")
    db = LedgerDb(path, timeout_s=0.2)
    with pytest.raises(LedgerError, match=r"was locked by another process for 0\.2 s"):
        db.reserve(hold(9))
    con.rollback()
    con.close()
    db.reserve(hold(9))
    assert db.check()["holds"] == 1


def test_a_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    out = python(
        """
        import json, resource, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_ledger_db import LedgerDb, LedgerError, call, settled

        db = LedgerDb(Path(sys.argv[1]))
        db.settle([settled(0)], call(0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
        kept, error = 1, None
        try:
            for n in range(1, 2000):
                db.settle([settled(n)], call(n))
                kept += 1
        except LedgerError as caught:
            error = str(caught)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        found = db.check()
        db.settle([settled(5000)], call(5000))
        print(json.dumps([kept, error, found["calls"], db.check()["calls"]]))
        """,
        tmp_path / "ledger.db",
        Path(__file__).parent,
    )
    kept, error, calls, after = json.loads(out)
    assert error is not None
    assert error.startswith(f"The ledger {tmp_path / 'ledger.db'} cannot be used: ")
    assert kept == calls
    assert after == calls + 1


def test_sixteen_processes_race_without_a_lock_error(tmp_path: Path) -> None:
    out = python(
        """
        import json, multiprocessing, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_ledger_db import LedgerDb, call, hold, settled

        def work(name, begin, results):
            db = LedgerDb(Path(sys.argv[1]))
            begin.wait()
            errors = []
            for n in range(60):
                try:
                    db.reserve(hold(name * 1000 + n))
                    db.settle([settled(name * 1000 + n)], call(name * 1000 + n))
                except Exception as error:
                    errors.append(repr(error))
            results.put(errors)

        context = multiprocessing.get_context("fork")
        begin, results = context.Barrier(16), context.Queue()
        children = [context.Process(target=work, args=(n, begin, results)) for n in range(16)]
        for child in children: child.start()
        errors = [error for _ in children for error in results.get()]
        for child in children: child.join()
        print(json.dumps([errors, LedgerDb(Path(sys.argv[1])).check()]))
        """,
        tmp_path / "ledger.db",
        Path(__file__).parent,
    )
    errors, found = json.loads(out)
    assert errors == []
    assert found == {"version": VERSION, "calls": 960, "attempts": 960, "holds": 0, "held_j": 0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_both_sides_of_a_fork_go_on(tmp_path: Path) -> None:
    out = python(
        """
        import json, os, sys, threading
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_ledger_db import LedgerDb, call, settled

        path = Path(sys.argv[1])
        db, memory = LedgerDb(path), LedgerDb(None)
        db.settle([settled(0)], call(0))
        memory.settle([], call(0))
        stop = threading.Event()
        def busy():
            n = 100_000
            while not stop.is_set():
                db.settle([settled(n)], call(n))
                n += 1
        thread = threading.Thread(target=busy)
        thread.start()
        children = []
        for child in range(1, 9):
            pid = os.fork()
            if pid == 0:
                for n in range(20):
                    db.settle([settled(child * 100 + n)], call(child * 100 + n))
                memory.settle([], call(child))
                os._exit(0 if memory.check()["calls"] == 2 else 1)
            children.append(pid)
            db.settle([settled(child)], call(child))
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        stop.set()
        thread.join()
        ids = {row["call_id"] for row in db.recent(1_000_000)}
        wanted = {f"c{n}" for n in range(9)} | {f"c{c * 100 + n}" for c in range(1, 9) for n in range(20)}
        print(json.dumps([codes, sorted(wanted - ids), memory.check()["calls"], db.check()["holds"]]))
        """,
        tmp_path / "ledger.db",
        Path(__file__).parent,
    )
    assert json.loads(out) == [[0] * 8, [], 1, 0]


def test_threads_share_one_ledger(tmp_path: Path) -> None:
    db = LedgerDb(tmp_path / "ledger.db")
    barrier = threading.Barrier(8)
    errors: list[Exception] = []

    def run(name: int) -> None:
        barrier.wait()
        for n in range(25):
            try:
                db.settle([settled(name * 100 + n)], call(name * 100 + n))
                db.recent(3)
            except LedgerError as error:
                errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert db.check()["calls"] == 200


# --- distilled task models ----------------------------------------------------------------


def counted(*, same: int = 0, other: int = 0, slow: float = 0.0, fast: float = 0.0) -> tuple[object, ...]:
    return ("shop", "0123456789ab", "intents", 1, 0, 0, 0, same, other, 0, slow, fast, 100.0)


def test_counts_of_distilled_models_add_up_and_a_won_bet_makes_one_fall(tmp_path: Path) -> None:
    db, another = LedgerDb(tmp_path / "ledger.db"), LedgerDb(tmp_path / "ledger.db")
    db.distilled(counted(same=1, slow=-0.5, fast=-0.1), 3.0)
    found = another.distilled(counted(other=1, slow=2.0, fast=1.0), 3.0)
    assert (found["answered"], found["audit_same"], found["audit_other"]) == (2, 1, 1)
    assert (found["slow"], found["fast"], found["fell"]) == (2.0, 1.0, None)  # a bet that was lost began anew
    assert another.distilled(counted(other=1, slow=1.0), 3.0)["fell"] == 100.0
    assert db.all_distilled()[0]["fell"] == 100.0
    assert db.distilled_again("0123456789ab")
    assert not db.distilled_again("another")
    (again,) = another.all_distilled()
    assert (again["answered"], again["slow"], again["fell"]) == (3, 0.0, None)
    db.close()
    another.close()


def test_what_is_kept_of_a_guard_is_changed_in_its_transaction_and_forgotten(tmp_path: Path) -> None:
    db, seen = LedgerDb(tmp_path / "ledger.db"), list[str | None]()

    def more(kept: str | None) -> str:
        seen.append(kept)
        return f"{kept or ''}+"

    db.distilled(counted(), 3.0, more)
    assert db.distilled(counted(), 3.0, more)["guard"] == "++"
    assert db.distilled(counted(), 3.0)["guard"] == "++"
    assert seen == [None, "+"]
    db.distilled_again("0123456789ab")
    assert db.all_distilled()[0]["guard"] is None
    db.close()


def test_counts_of_distilled_models_outlive_a_disk_that_failed(tmp_path: Path) -> None:
    memory, db = LedgerDb(None), LedgerDb(tmp_path / "ledger.db")
    memory.distilled(counted(same=2), 3.0)
    db.distilled(counted(same=1), 3.0)
    db.absorb(memory)
    assert [row["audit_same"] for row in db.all_distilled()] == [3]
    assert memory.all_distilled() == []
    db.close()
