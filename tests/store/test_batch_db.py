"""A job's rows: kept once, in order, and in a file that says whose it is."""

from __future__ import annotations

import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from greenai.errors import LedgerError
from greenai.store.batch_db import ANSWERED, FAILED, UNSURE, BatchDb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def db(tmp_path: Path) -> Iterator[BatchDb]:
    found = BatchDb(tmp_path / "batches" / "job.db")
    rows = [(0, "a", 0, "x"), (1, "b", 1, None), (2, "a", 0, "y"), (3, "c", 3, None)]
    found.lay_down(lambda: rows, lambda: [(key, "{}", "{}") for key in "abc"], [("digest", "d")])
    yield found
    found.close()


def test_results_are_in_the_order_given_and_a_repeat_has_the_first_ones(db: BatchDb) -> None:
    assert db.keep("a", ANSWERED, "A", "RA", None)
    assert db.keep("c", FAILED, None, None, "E")
    assert list(db.results()) == [
        (0, 0, "x", ANSWERED, "A", "RA", None),
        (1, 1, None, 0, None, None, None),
        (2, 0, "y", ANSWERED, "A", "RA", None),
        (3, 3, None, FAILED, None, None, "E"),
    ]
    assert list(db.receipts()) == [("RA", 1)]
    assert sorted(db.tally()) == [(0, 0, 1), (ANSWERED, 0, 1), (ANSWERED, 1, 1), (FAILED, 0, 1)]
    assert db.counts() == {0: 1, ANSWERED: 1, FAILED: 1}
    assert (db.size(), db.keys(), sorted(db.done())) == (4, ["a", "b", "c"], ["a", "c"])


def test_an_answer_and_a_failure_for_good_stay(db: BatchDb) -> None:
    assert db.keep("a", UNSURE, None, None, "later")
    assert [key for key, _, _ in db.left()] == ["b", "c", "a"]  # those that were not asked come first
    assert db.keep("a", ANSWERED, "A", None, None)
    assert not db.keep("a", FAILED, None, None, "E")
    assert not db.keep("a", ANSWERED, "B", None, None)
    assert not db.keep("nobody", ANSWERED, "B", None, None)
    assert next(db.results())[4] == "A"
    assert [key for key, _, _ in db.left()] == ["b", "c"]


def test_more_requests_leave_answers_where_they_are(db: BatchDb) -> None:
    db.keep("b", ANSWERED, "B", None, None)
    rows = [(0, "z", 0, None), (1, "b", 1, None), (2, "a", 2, None), (3, "c", 3, None)]
    db.lay_down(lambda: rows, lambda: [(key, "{}", "{}") for key in "zbac"], [("digest", "e")])
    assert [row[4] for row in db.results()] == [None, "B", None, None]
    assert db.fact("digest") == "e"
    db.remember([("note", "n"), ("digest", None)])
    assert (db.fact("note"), db.fact("digest")) == ("n", None)


def test_many_threads_keep_at_once(tmp_path: Path) -> None:
    db = BatchDb(tmp_path / "many.db")
    keys = [f"k{n}" for n in range(400)]
    db.lay_down(
        lambda: [(n, key, n, None) for n, key in enumerate(keys)], lambda: [(key, "{}", "{}") for key in keys], []
    )
    kept: list[bool] = []

    def work(mine: list[str]) -> None:
        kept.extend(db.keep(key, ANSWERED, key, None, None) for key in mine)

    threads = [threading.Thread(target=work, args=(keys[n % 4 :: 4],)) for n in range(8)]  # each key by two of them
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(kept) == 400
    assert [row[4] for row in db.results()] == keys  # over the edges of its pages
    db.close()


def test_a_commit_waits_for_the_disk(db: BatchDb) -> None:
    assert db._read(lambda con: con.execute("PRAGMA synchronous").fetchone()) == (2,)  # FULL


def test_the_file_is_the_owners_alone(db: BatchDb, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "batches").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "batches" / "job.db").stat().st_mode) == 0o600


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE t (x)")
    con.close()
    with pytest.raises(LedgerError) as refused:
        BatchDb(path).size()
    assert str(refused.value) == (
        f"{path} is a database of another program (application id 0x0). Give the job another name with: name=..."
    )
