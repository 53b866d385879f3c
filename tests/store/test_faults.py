"""Whatever happens to a cache's files, a call gets its answer: a miss or a rebuild, one warning, never an exception."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenai import Client
from greenai.resources import Outside
from greenai.session import Session
from greenai.store.disk import JsonCache
from greenai.store.ledger_db import LedgerDb
from greenai.testing import FakeProvider

PAGE = 4096
ENTRIES = {f"key-{n}": {"text": random.Random(n).randbytes(500).hex(), "n": n} for n in range(120)}


def filled(folder: Path) -> Path:
    cache = JsonCache(folder)
    for key, value in ENTRIES.items():
        assert cache.put(key, value, 600.0)
    cache.close()
    return folder / "cache.db"


def stays_useful(folder: Path, caplog: pytest.LogCaptureFixture, *, warned: int | None = None) -> int:
    """Use the cache in every way; return how many entries are still there. No other value may come back."""
    caplog.clear()
    cache = JsonCache(folder)
    with caplog.at_level(logging.WARNING, "greenai"):
        found = 0
        for key, value in ENTRIES.items():
            there = cache.get(key)
            assert there in (None, value), key
            found += there is not None
        assert sum(1 for _ in cache.rows()) <= 2 * len(ENTRIES)
        for n in range(20):
            cache.put(f"new-{n}", n, 600.0)
        cache.forget("key-1")
        cache.stats()
        cache._cull()
        # What failed once was moved aside, so that from now on everything works.
        assert cache.put("last", 1, 600.0)
        assert cache.get("last") == 1
    cache.close()
    assert cache.problem is None
    assert len(caplog.records) <= 1
    assert warned is None or len(caplog.records) == warned
    return found


def python(script: str, *arguments: object, timeout: float = 100) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- turned bits --------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bits", [1, 3, 40])
def test_bits_turned_in_any_page(tmp_path: Path, caplog: pytest.LogCaptureFixture, bits: int) -> None:
    whole = filled(tmp_path / "whole").read_bytes()
    rng = random.Random(bits)
    pages = range(0, len(whole), PAGE)
    assert len(pages) > 20
    for page in pages:
        data = bytearray(whole)
        for _ in range(bits):
            data[page + rng.randrange(PAGE)] ^= 1 << rng.randrange(8)
        folder = tmp_path / f"page-{page}"
        folder.mkdir()
        shutil.copy(tmp_path / "whole.key", tmp_path / f"page-{page}.key")
        (folder / "cache.db").write_bytes(data)
        stays_useful(folder, caplog)


def test_bits_turned_in_the_header_and_the_schema(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = filled(tmp_path / "whole").read_bytes()
    rng = random.Random(5)
    for n in range(60):
        data = bytearray(whole)
        for _ in range(2):
            data[rng.randrange(100 if n % 2 else 2000)] = rng.randrange(256)
        folder = tmp_path / f"case-{n}"
        folder.mkdir()
        shutil.copy(tmp_path / "whole.key", tmp_path / f"case-{n}.key")
        (folder / "cache.db").write_bytes(data)
        stays_useful(folder, caplog)


def test_bits_turned_while_it_is_open(tmp_path: Path) -> None:
    path = filled(tmp_path / "cache")
    cache = JsonCache(tmp_path / "cache")
    rng = random.Random(6)
    for _ in range(40):
        data = bytearray(path.read_bytes())
        for _ in range(30):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        for key, value in ENTRIES.items():
            assert cache.get(key) in (None, value)
            cache.put(key, value, 600.0)


# --- files of others ----------------------------------------------------------------------


def zero_length(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(8 * PAGE))


def text(path: Path) -> None:
    path.write_text("this is no database\n" * 1000)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def one_byte(path: Path) -> None:
    path.write_bytes(b"S")


def header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def foreign(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        con = sqlite3.connect(path)
        con.executescript(statement)
        con.close()

    return damage


def changed(statement: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        con = sqlite3.connect(path)
        con.executescript(statement)
        con.close()

    return damage


@pytest.mark.parametrize(
    ("damage", "warned"),
    [
        (zero_length, 0),  # SQLite takes it for a new one
        (zeros, 1),
        (text, 1),
        (half, 1),
        (one_byte, 0),
        (header_only, 1),
        (foreign("CREATE TABLE Cache (x); INSERT INTO Cache VALUES (1)"), 1),
        (foreign("CREATE TABLE Settings (a, b, c)"), 1),
        (foreign("CREATE VIEW Cache AS SELECT 1 AS key, 2 AS raw"), 1),
        (foreign("CREATE TABLE photos (id INTEGER PRIMARY KEY, name TEXT)"), 0),  # it may share the file
        (changed("DROP TABLE Settings"), 0),
        (changed("DROP TABLE Cache"), 0),
        (changed("DELETE FROM Settings"), 0),
        (changed("DROP INDEX Cache_key_raw"), 0),
        (changed("ALTER TABLE Cache RENAME COLUMN value TO content"), 1),
        (changed("ALTER TABLE Cache ADD COLUMN of_a_newer_version TEXT; PRAGMA user_version = 99"), 0),
        (changed("UPDATE Settings SET value = 'many' WHERE key = 'size'"), None),
        (changed("INSERT INTO Settings VALUES ('disk_colour', 'green'), ('sqlite_nonsense', 7), ('get', 3)"), None),
        (changed("UPDATE Cache SET value = 'text', mode = 3, filename = '/etc/hostname'"), 1),
        (changed("UPDATE Cache SET value = zeroblob(20000000) WHERE rowid = 1"), None),
        (changed("UPDATE Cache SET expire_time = NULL, access_time = 'x', size = 'y'"), None),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_files_that_are_not_what_they_were(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], warned: int | None
) -> None:
    damage(filled(tmp_path / "cache"))
    stays_useful(tmp_path / "cache", caplog, warned=warned)
    assert stays_useful(tmp_path / "cache", caplog) == 0 or warned != 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_log_that_is_not_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    path = filled(tmp_path / "cache")
    Path(f"{path}{suffix}").write_bytes(os.urandom(50_000))
    assert stays_useful(tmp_path / "cache", caplog, warned=0) == len(ENTRIES)


def test_a_folder_where_the_database_belongs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = filled(tmp_path / "cache")
    path.unlink()
    path.mkdir()
    cache = JsonCache(tmp_path / "cache")
    with caplog.at_level(logging.WARNING, "greenai"):
        assert cache.get("key-1") is None
        assert not cache.put("key-1", 1, 60.0)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("secret", [b"", b"short", os.urandom(32)])
def test_another_secret_makes_every_row_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture, secret: bytes) -> None:
    filled(tmp_path / "cache")
    (tmp_path / "cache.key").write_bytes(secret)
    assert stays_useful(tmp_path / "cache", caplog, warned=1) == 0
    assert len((tmp_path / "cache.key").read_bytes()) == 32


# --- no room, no rights -------------------------------------------------------------------


def test_modes_that_were_too_wide_are_narrowed(tmp_path: Path) -> None:
    path = filled(tmp_path / "cache")
    for file, mode in ((tmp_path / "cache", 0o755), (path, 0o644), (tmp_path / "cache.key", 0o644)):
        file.chmod(mode)
    JsonCache(tmp_path / "cache").put("key", 1, 60.0)
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "cache", path, tmp_path / "cache.key")] == [
        0o700, 0o600, 0o600,
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_a_full_disk_stops_writing_and_not_reading(tmp_path: Path) -> None:
    out = python(
        """
        import json, logging, os, resource, sys
        from pathlib import Path
        from greenai.store.disk import JsonCache
        import greenai.store.disk as disk

        told = []
        handler = logging.Handler()
        handler.emit = lambda record: told.append(record.getMessage())
        logging.getLogger("greenai").addHandler(handler)
        cache = JsonCache(Path(sys.argv[1]))
        for n in range(50):
            cache.put(f"key-{n}", os.urandom(2000).hex(), 60.0)
        before = cache.get("key-0")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        kept = [cache.put(f"more-{n}", os.urandom(2000).hex(), 60.0) for n in range(500)]
        problem = cache.problem
        still = cache.get("key-0") == before
        dropped = cache.clear()  # which makes room
        after = [cache.put("small", 1, 60.0), cache.get("small"), cache.get("key-0")]
        for n in range(500):
            cache.put(f"more-{n}", os.urandom(2000).hex(), 60.0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        cache._full_until = 0.0  # half a minute later
        again = cache.put("again", 1, 60.0) and cache.get("again") == 1
        print(json.dumps([kept[-1], problem is None, still, dropped, after, again, cache.problem, told]))
        """,
        tmp_path / "cache",
    )
    kept, fine, still, dropped, after, again, problem, told = json.loads(out)
    assert (kept, fine, still, again, problem) == (False, False, True, True, None)
    assert dropped >= 50
    assert after == [True, 1, None]
    assert len(told) == 2  # once for each time that the disk was full
    assert told[0].startswith(f"The answer cache in {tmp_path / 'cache'} cannot store (")
    assert told[0].endswith(
        "). Calls go on, with the answers that are there. Free some space or make the folder writable; it is tried "
        "again every 30 s."
    )


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("what", ["folder", "files", "both"])
def test_a_cache_that_became_read_only(tmp_path: Path, what: str) -> None:
    filled(tmp_path / "cache")
    out = python(
        """
        import json, logging, os, sys
        from pathlib import Path
        import diskcache, sqlite3
        import greenai.store.rows
        from greenai.store.disk import JsonCache

        told = []
        handler = logging.Handler()
        handler.emit = lambda record: told.append(record.getMessage())
        logging.getLogger("greenai").addHandler(handler)
        folder, what = Path(sys.argv[1]), sys.argv[2]
        for parent in folder.parents:
            if parent.owner() != "root" or parent.name.startswith("pytest"):
                parent.chmod(0o755)
        if os.geteuid() == 0:  # root may write everywhere
            for path in (*folder.iterdir(), folder, folder.with_name("cache.key"), folder.parent):
                os.chown(path, 65534, 65534)
            os.setuid(65534)
        for path in folder.iterdir():
            path.chmod(0o600 if what == "folder" else 0o400)
        folder.chmod(0o700 if what == "files" else 0o500)
        cache = JsonCache(folder)
        found = [cache.get("key-1") is not None, cache.put("new", 1, 60.0), cache.get("key-2") is not None]
        folder.chmod(0o700)
        print(json.dumps([found[1], told]))
        """,
        tmp_path / "cache",
        what,
    )
    kept, told = json.loads(out)
    assert not kept
    assert len(told) == 1
    assert "Free some space or make the folder writable; it is tried again every 30 s." in told[0]


# --- other processes ----------------------------------------------------------------------

KILLS = 500

# A parent that has everything loaded forks one writer after another, so that a start takes a millisecond. Each writes
# what it may, tells the number of each entry that it was told is kept, and is killed at any moment.
KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
import diskcache, sqlite3
import greenai.store.rows
from greenai.store.disk import JsonCache
from greenai.store.ledger_db import LedgerDb

folder, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(1)

def victim(first, pipe):
    cache = JsonCache(folder, size_limit=1_000_000_000)
    n = first
    while True:
        kept = cache.put(f"k{n}", {"n": n, "text": "answer " * 40}, 600.0)
        if n % 7 == 0:
            cache._cull()
        os.write(pipe, f"{n if kept else -1}\\n".encode())
        n += 1

acknowledged = []
for kill in range(kills):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            victim(kill * 1_000_000, writing)
        finally:
            os._exit(1)
    os.close(writing)
    seen = os.read(reading, 65536) if kill % 5 else b""  # one in five is killed while it opens the cache
    time.sleep(rng.uniform(0, 0.01))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while chunk := os.read(reading, 65536):
        seen += chunk
    os.close(reading)
    acknowledged += [int(line) for line in seen.split(b"\\n")[:-1]]
print(json.dumps(acknowledged))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and SIGKILL")
@pytest.mark.timeout(200)
def test_killed_writers_lose_nothing_that_was_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acknowledged = json.loads(python(KILLED, tmp_path / "cache", KILLS, timeout=180))
    assert len(acknowledged) >= KILLS * 4 // 5
    assert -1 not in acknowledged
    cache = JsonCache(tmp_path / "cache")
    with caplog.at_level(logging.WARNING, "greenai"):
        assert all(cache.get(f"k{n}") == {"n": n, "text": "answer " * 40} for n in acknowledged)
    assert caplog.messages == []
    assert cache.problem is None
    con = sqlite3.connect(tmp_path / "cache" / "cache.db")
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    con.close()


def test_two_versions_of_the_library_share_one_folder(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path / "cache")
    cache.put("old", 1, 600.0)
    out = python(
        """
        import sys
        from pathlib import Path
        from greenai.store import seal
        seal.SCHEMA = 2  # a library to come, which reads what it writes
        from greenai.store.disk import JsonCache
        cache = JsonCache(Path(sys.argv[1]))
        print(cache.put("new", 2, 600.0), cache.get("new"), cache.problem)
        """,
        tmp_path / "cache",
    )
    assert out == "True 2 None\n"
    assert cache.get("new") is None
    assert {row.key for row in cache.rows()} == {"old", "new"}
    assert cache.get("old") == 1
    assert cache.problem is None


def test_a_cache_that_another_process_moved_aside_is_opened_anew(tmp_path: Path) -> None:
    path = filled(tmp_path / "cache")
    one = JsonCache(tmp_path / "cache")
    assert one.get("key-1") is not None
    text(path)
    Path(f"{path}-wal").unlink(missing_ok=True)
    two = JsonCache(tmp_path / "cache")
    assert two.get("key-1") is None
    assert two.put("new", 1, 600.0)
    assert one.put("other", 2, 600.0)
    assert two.get("other") == 2
    assert one.get("new") == 1
    assert (one.problem, two.problem) == (None, None)


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    filled(tmp_path / "cache")
    cache = JsonCache(tmp_path / "cache")
    cache.get("key-1")
    shutil.rmtree(tmp_path / "cache")
    assert cache.put("new", 1, 600.0)
    assert JsonCache(tmp_path / "cache").get("new") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_children_of_busy_threads_work(tmp_path: Path) -> None:
    out = python(
        """
        import os, sys, threading, time
        from pathlib import Path
        from greenai.store.disk import JsonCache

        cache = JsonCache(Path(sys.argv[1]))
        cache.put("parent", 1, 600.0)
        stop, wrong, done = threading.Event(), [], []

        def run(name):
            n = 0
            while not stop.is_set():
                n += 1
                if not cache.put(f"{name}-{n}", n, 600.0) or cache.get(f"{name}-{n}") != n:
                    wrong.append((name, n))
            done.append(n)

        threads = [threading.Thread(target=run, args=(name,)) for name in range(3)]
        for thread in threads:
            thread.start()
        ends = []
        for child in range(40):
            pid = os.fork()
            if pid == 0:
                fine = cache.get("parent") == 1 and cache.put(f"child-{child}", child, 600.0)
                os._exit(0 if fine else 1)
            deadline = time.monotonic() + 10
            while (end := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
                time.sleep(0.001)
            if end == (0, 0):
                os.kill(pid, 9)
            ends.append(end[1] if end != (0, 0) else "hangs")
        stop.set()
        for thread in threads:
            thread.join()
        kept = sum(cache.get(f"child-{n}") == n for n in range(40))
        print(set(ends), kept, wrong, len(done), cache.problem)
        """,
        tmp_path / "cache",
    )
    assert out == "{0} 40 [] 3 None\n"
    con = sqlite3.connect(tmp_path / "cache" / "cache.db")
    assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    con.close()


# --- what goes first ----------------------------------------------------------------------


def test_what_was_used_stays(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path / "cache", size_limit=1_000_000)
    cache.put("used", "an answer", 600.0)
    cache.put("unused", "an answer", 600.0)
    for n in range(1200):
        assert cache.get("used") == "an answer"
        cache.put(f"key-{n}", os.urandom(1500).hex(), 600.0)
    assert cache.get("unused") is None
    assert cache.get("key-0") is None
    assert cache.get("key-1199") is not None
    assert (tmp_path / "cache" / "cache.db").stat().st_size < 1_500_000


def test_what_another_client_used_is_noted_when_it_is_closed(tmp_path: Path) -> None:
    cache, n = JsonCache(tmp_path / "cache", size_limit=1_000_000), 0
    cache.put("used", 1, 600.0)
    last: list[list[Any]] = []
    for size in (500_000, 930_000):  # below nine tenths nothing is about to go, and nothing is noted
        while cache.stats().size_bytes < size:
            n += 1
            cache.put(f"key-{n}", os.urandom(700).hex(), 600.0)
        reader = JsonCache(tmp_path / "cache", size_limit=1_000_000)
        assert reader.get("used") == 1
        reader.close()
        con = sqlite3.connect(tmp_path / "cache" / "cache.db")
        last.append(con.execute("SELECT key FROM Cache ORDER BY access_time DESC LIMIT 1").fetchall())
        con.close()
    assert last[0] != [("used",)]
    assert last[1] == [("used",)]


def test_what_is_cleared_is_not_in_the_files(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path / "cache")
    parts = []
    for n in range(50):
        cache.put(f"secret-{n}", os.urandom(600).hex(), 600.0)
        con = sqlite3.connect(tmp_path / "cache" / "cache.db")
        parts += [bytes(row[0])[60:90] for row in con.execute("SELECT value FROM Cache")]
        con.close()
    before = b"".join(file.read_bytes() for file in (tmp_path / "cache").iterdir())
    assert any(part in before for part in parts)
    assert cache.clear("secret-") == 50
    after = b"".join(file.read_bytes() for file in (tmp_path / "cache").iterdir())
    assert not any(part in after for part in parts)


# --- whole calls --------------------------------------------------------------------------


def folder_in_the_way(path: Path) -> None:
    path.unlink()
    path.mkdir()


def file_for_the_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")


@pytest.mark.parametrize(
    ("damage", "comes_back"),
    [(text, True), (half, True), (zero_length, True), (folder_in_the_way, False), (file_for_the_folder, False)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_call_gets_its_answer_whatever_became_of_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], comes_back: bool
) -> None:
    def asked(times: int) -> list[str]:
        session = Session.open(
            {"state_dir": tmp_path, "ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"]},
            {}, project=None, observe=None, opt_in=None, reason=None, timeout=None, max_retries=None, observers=(),
            outside=Outside(provider=lambda _: FakeProvider(default="Chlorophyll takes in red and blue light.")),
        )  # fmt: skip
        with Client._of(session, owner=True) as client:
            message: Any = {"role": "user", "content": "Why is grass green?"}
            calls = (
                client.chat.completions.create(model="gpt-5.5", temperature=0, messages=[message]) for _ in range(times)
            )
            return [call.greenai.outcome for call in calls]

    assert asked(2)[1] == "cache"
    damage(tmp_path / "cache" / "cache.db")
    with caplog.at_level(logging.WARNING, "greenai"):
        outcomes = asked(3)
    assert outcomes[0] != "cache"
    assert (outcomes[1:] == ["cache", "cache"]) is comes_back
    assert len([record for record in caplog.records if "answer cache" in record.getMessage()]) <= 1


# --- two clients of one process -----------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
@pytest.mark.parametrize("store", ["cache", "ledger"])
def test_a_second_client_does_not_give_up_the_locks_of_the_first(tmp_path: Path, store: str) -> None:
    def opened() -> JsonCache | LedgerDb:
        if store == "cache":
            cache = JsonCache(tmp_path / "cache")
            cache.put("key", 1, 600.0)
            return cache
        ledger = LedgerDb(tmp_path / "ledger.db")
        ledger.check()
        return ledger

    one, two = opened(), opened()
    path = tmp_path / "cache" / "cache.db" if store == "cache" else tmp_path / "ledger.db"
    assert Path(f"{path}-wal").exists()
    # Another process that closes the database as the last one removes the log, and it is not the last.
    python(
        """
        import sqlite3, sys
        con = sqlite3.connect(sys.argv[1])
        con.execute("CREATE TABLE another (x)")
        con.commit()
        con.close()
        """,
        path,
    )
    assert Path(f"{path}-wal").exists()
    one.close()
    two.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.timeout(120)
def test_processes_with_several_clients_each_lose_nothing(tmp_path: Path) -> None:
    out = python(
        """
        import json, multiprocessing, sys, time
        from pathlib import Path
        from greenai.store.disk import JsonCache

        folder = Path(sys.argv[1])

        def run(name, told):
            kept, n, ends = [], 0, time.monotonic() + 3
            clients = [JsonCache(folder), JsonCache(folder)]
            while time.monotonic() < ends:
                n += 1
                client = clients[n % 2]
                if client.put(f"{name}-{n}", n, 600.0):
                    kept.append(n)
                if n % 20 == 0:
                    client.close()
                if n % 50 == 0:
                    clients[0] = JsonCache(folder)
            told.put((name, kept, [client.problem for client in clients]))

        context = multiprocessing.get_context("fork")
        told = context.Queue()
        parent = JsonCache(folder)
        parent.put("parent", 1, 600.0)
        children = [context.Process(target=run, args=(name, told)) for name in range(4)]
        for child in children:
            child.start()
        rows = [told.get() for _ in children]
        for child in children:
            child.join()
        lost = sum(parent.get(f"{name}-{n}") != n for name, kept, _ in rows for n in kept)
        print(json.dumps([lost, sum(len(kept) for _, kept, _ in rows) > 50, [row[2] for row in rows]]))
        """,
        tmp_path / "cache",
    )
    assert json.loads(out) == [0, True, [[None, None]] * 4]
    assert not (tmp_path / "cache.damaged").exists()
