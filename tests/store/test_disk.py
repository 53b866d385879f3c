from __future__ import annotations

import json
import logging
import os
import pickle
import random
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import pytest

from greenai.store.disk import JsonCache


class Bomb:
    """Unpickling one leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def forge(folder: Path, **columns: object) -> None:
    con = sqlite3.connect(folder / "cache.db")
    names = ", ".join(f"{name} = ?" for name in columns)
    con.execute(f"UPDATE Cache SET {names}", tuple(columns.values()))
    con.commit()
    con.close()


@pytest.fixture
def cache(tmp_path: Path) -> JsonCache:
    return JsonCache(tmp_path / "cache")


def test_files_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        JsonCache(tmp_path / "a" / "cache").put("key", "x" * 100_000, 60.0)
    finally:
        os.umask(old)
    folder = tmp_path / "a" / "cache"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == dict.fromkeys(
        ("cache.db", "cache.db-wal", "cache.db-shm"), 0o600
    )


def test_forget_and_clear(cache: JsonCache) -> None:
    for key in ("a", "b", "c"):
        cache.put(key, key, 60.0)
    cache.forget("a")
    assert [cache.get(key) for key in ("a", "b", "c")] == [None, "b", "c"]
    cache.clear()
    assert cache.get("b") is None


def test_the_size_is_limited(tmp_path: Path) -> None:
    cache = JsonCache(tmp_path / "cache", size_limit=500_000)
    for n in range(300):
        cache.put(f"key-{n}", os.urandom(5000).hex(), 60.0)
    assert cache.get("key-0") is None
    assert cache.get("key-299") is not None
    assert (tmp_path / "cache" / "cache.db").stat().st_size < 1_000_000


def test_short_processes_limit_the_size_too(tmp_path: Path) -> None:
    for n in range(120):
        cache = JsonCache(tmp_path / "cache", size_limit=500_000)
        cache.put(f"key-{n}", os.urandom(17_000).hex(), 60.0)
        cache.close()
    assert (tmp_path / "cache" / "cache.db").stat().st_size < 1_000_000


def test_without_a_folder_nothing_is_kept() -> None:
    cache = JsonCache(None)
    assert not cache.put("key", 1, 60.0)
    assert cache.get("key") is None


# --- forged rows --------------------------------------------------------------------------


def test_a_pickle_is_a_miss_and_never_opened(cache: JsonCache, tmp_path: Path) -> None:
    cache.put("key", "good", 60.0)
    cache.close()
    mark = tmp_path / "mark"
    forge(tmp_path / "cache", mode=4, value=pickle.dumps(Bomb(mark)))
    assert JsonCache(tmp_path / "cache").get("key") is None
    (tmp_path / "cache" / "bomb.val").write_bytes(pickle.dumps(Bomb(mark)))
    forge(tmp_path / "cache", mode=4, value=None, filename="bomb.val")
    assert JsonCache(tmp_path / "cache").get("key") is None
    assert not mark.exists()


def test_a_pickled_key_is_never_opened(cache: JsonCache, tmp_path: Path) -> None:
    cache.put("key", "good", 60.0)
    cache.close()
    mark = tmp_path / "mark"
    forge(tmp_path / "cache", raw=0, key=pickle.dumps(Bomb(mark)))
    again = JsonCache(tmp_path / "cache")
    assert again.get("key") is None
    again.clear()
    assert not mark.exists()


@pytest.mark.parametrize(
    "columns",
    [
        {"value": b"no zlib"},
        {"value": zlib.compress(b"no json")},
        {"value": zlib.compress(b"[" * 100_000)},
        {"value": zlib.compress(b" " * 200_000_000)},
        {"value": "text"},
        {"value": 7},
        {"mode": 2, "filename": "../outside"},
        {"mode": 3, "filename": "/etc/hostname"},
    ],
    ids=["not-zlib", "not-json", "deep", "bomb", "text", "number", "file-outside", "absolute-file"],
)
def test_a_row_that_is_not_ours_is_a_miss(cache: JsonCache, tmp_path: Path, columns: dict[str, object]) -> None:
    cache.put("key", "good", 60.0)
    cache.close()
    forge(tmp_path / "cache", **columns)
    again = JsonCache(tmp_path / "cache")
    assert again.get("key") is None
    assert again.problem is None
    assert again.put("key", "new", 60.0)
    assert again.get("key") == "new"


def test_a_forged_name_removes_no_file(cache: JsonCache, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    cache.put("key", "good", 60.0)
    cache.close()
    forge(tmp_path / "cache", filename="../precious")
    again = JsonCache(tmp_path / "cache")
    again.put("key", "new", 60.0)
    again.clear()
    assert precious.read_text() == "keep"


# --- damage -------------------------------------------------------------------------------


def text_file(path: Path) -> None:
    path.write_text("this is no database\n" * 1000)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flipped(path: Path) -> None:
    rng = random.Random(7)
    data = bytearray(path.read_bytes())
    for page in range(0, len(data), 4096):
        for _ in range(60):
            data[page + rng.randrange(4096)] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [text_file, truncated, flipped])
def test_a_damaged_cache_is_moved_aside_and_starts_again(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    cache = JsonCache(tmp_path / "cache")
    for n in range(200):
        cache.put(f"key-{n}", {"text": "answer " * 50, "n": n}, 60.0)
    cache.close()
    damage(tmp_path / "cache" / "cache.db")  # type: ignore[operator]
    again = JsonCache(tmp_path / "cache")
    with caplog.at_level(logging.WARNING, "greenai"):
        for n in range(200):
            assert again.get(f"key-{n}") in (None, {"text": "answer " * 50, "n": n})
        assert again.put("new", 1, 60.0)
    assert again.get("new") == 1
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert message.startswith(f"The answer cache in {tmp_path / 'cache'} is damaged (")
    assert message.endswith(f"). It was moved to {tmp_path / 'cache.damaged'} and starts empty.")
    assert (tmp_path / "cache.damaged" / "cache.db").exists()


def test_an_empty_file_becomes_a_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "cache.db").touch()
    cache = JsonCache(tmp_path / "cache")
    assert cache.put("key", 1, 60.0)
    assert cache.get("key") == 1


def test_a_folder_that_cannot_be_made_turns_the_cache_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = JsonCache(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING, "greenai"):
        assert cache.get("key") is None
        assert not cache.put("key", 1, 60.0)
        assert cache.get("key") is None
    assert [record.getMessage() for record in caplog.records] == [
        (
            f"The answer cache in {tmp_path / 'file' / 'cache'} cannot be used ([Errno 20] Not a directory: "
            f"'{tmp_path / 'file' / 'cache'}'). Calls go on without it. Free some space or make the folder writable; "
            "it is tried again every 30 s."
        )
    ]


def test_a_locked_cache_is_a_miss_at_once(tmp_path: Path) -> None:
    JsonCache(tmp_path / "cache").put("key", 1, 60.0)
    con = sqlite3.connect(tmp_path / "cache" / "cache.db", isolation_level=None)
    con.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    cache = JsonCache(tmp_path / "cache")
    assert cache.get("key") is None
    assert time.monotonic() - started < 2.0
    con.rollback()
    con.close()
    assert cache.get("key") == 1
    assert cache.problem is None


def python(script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_a_read_only_folder_turns_both_stores_off_and_loses_no_call(tmp_path: Path) -> None:
    out = python(
        """
        import json, os, sys
        from pathlib import Path
        import diskcache, sqlite3
        from greenai.ledger import Ledger
        from greenai.readings import Reading
        from greenai.store.disk import JsonCache
        from greenai.store.ledger_db import LedgerDb

        folder = Path(sys.argv[1])
        folder.chmod(0o555)
        for parent in folder.parents:
            if parent.owner() != "root" or parent.name.startswith("pytest"):
                parent.chmod(0o755)
        if os.geteuid() == 0:
            os.setuid(65534)  # root may write everywhere
        cache, ledger = JsonCache(folder / "cache"), Ledger(LedgerDb(folder / "ledger.db"))
        kept = cache.put("key", 1, 60.0)
        ledger.reserve("c1", "a1", "p", "m", Reading.unknown("-"), 60.0)
        print(json.dumps([kept, cache.problem is None, ledger.attempts("c1")[0]["state"], ledger.check()["ok"]]))
        """,
        tmp_path,
    )
    assert json.loads(out) == [False, False, "held", False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_child_reads_and_writes_what_its_parent_does(tmp_path: Path) -> None:
    out = python(
        """
        import os, sys
        from pathlib import Path
        from greenai.store.disk import JsonCache

        cache = JsonCache(Path(sys.argv[1]))
        cache.put("parent", 1, 60.0)
        pid = os.fork()
        if pid == 0:
            fine = cache.get("parent") == 1 and cache.put("child", 2, 60.0)
            os._exit(0 if fine else 1)
        print(os.waitpid(pid, 0)[1], cache.get("child"), cache.put("after", 3, 60.0), cache.problem)
        """,
        tmp_path / "cache",
    )
    assert out == "0 2 True None\n"
