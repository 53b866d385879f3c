"""Reading a ledger: no writer waits, nothing is written, and files of any age and state are told of."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bookkeeping import Book, fill

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.report.aggregate import aggregate
from greenai.store import schema
from greenai.store.ledger_db import LedgerDb
from greenai.store.reading import reading

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder with spaces? #1" / "ledger.db"


def test_there_is_none_yet(path: Path) -> None:
    with reading(path) as reader:
        assert reader is None
    with reading(None) as reader:
        assert reader is None
    assert not path.parent.exists()


def test_a_reader_sees_one_moment_and_locks_no_writer(path: Path) -> None:
    book = fill(Book(path))
    with reading(path) as reader:
        assert reader is not None
        before = reader.rows("SELECT count(*) AS calls FROM calls")[0]["calls"]
        writer = threading.Thread(target=book.call)
        writer.start()
        writer.join(30)
        assert not writer.is_alive()
        assert reader.rows("SELECT count(*) AS calls FROM calls") == [{"calls": before}]
    with reading(path) as reader:
        assert reader is not None
        assert reader.rows("SELECT count(*) AS calls FROM calls") == [{"calls": before + 1}]


def test_a_reader_cannot_write(path: Path) -> None:
    Book(path).db.close()

    def write() -> None:
        with reading(path) as reader:
            assert reader is not None
            reader.rows("DELETE FROM main.calls")

    with pytest.raises(LedgerError, match="readonly"):
        write()


def test_what_a_reader_keeps_is_not_in_the_file(path: Path) -> None:
    fill(Book(path)).db.close()
    with reading(path) as reader:
        assert reader is not None
        reader.keep("cells", "SELECT outcome FROM calls WHERE project = ?", ("desk",))
        reader.keep("cells", "SELECT outcome FROM calls WHERE project = ?", ("shop",))
        assert len(reader.rows("SELECT * FROM cells")) == 6
    con = sqlite3.connect(path)
    assert con.execute("SELECT count(*) FROM sqlite_master WHERE name = 'cells'").fetchone() == (0,)
    con.close()


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_a_file_of_any_version_is_read_as_it_is(path: Path, version: int) -> None:
    path.parent.mkdir()
    db = LedgerDb(path, migrations=schema.MIGRATIONS[:version])
    db.check()
    db.close()
    con = sqlite3.connect(path)
    with con:
        con.execute(
            "INSERT INTO calls (call_id, created, project, entry, outcome, evidence, method, energy_j) "
            "VALUES ('a', 1.0, 'p', 'ask', 'small', 'measured', 'm', 2.5)"
        )
    con.close()
    with reading(path) as reader:
        assert reader is not None
        report = aggregate(reader)
    assert (report.total.calls, report.total.energy_j, report.total.water_ml) == (1, 2.5, None)
    con = sqlite3.connect(path)
    assert con.execute("PRAGMA user_version").fetchone() == (version,)
    con.close()


def test_an_empty_file_has_no_rows(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with reading(path) as reader:
        assert reader is not None
        assert aggregate(reader).total.calls == 0


def test_a_damaged_file_is_told_as_the_ledger_tells_it(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and it is long enough to be taken for one" * 100)
    with pytest.raises(LedgerCorrupt) as caught, reading(path):
        pass
    assert str(caught.value) == (
        f"The ledger {path} is damaged (file is not a database). It was left as it is. Save what can be read with: "
        f"sqlite3 {path} .recover | sqlite3 recovered.db   Then start a new one with: mv {path} {path}.damaged"
    )


def test_another_programs_file_is_told(path: Path) -> None:
    path.parent.mkdir()
    con = sqlite3.connect(path)
    with con:
        con.execute("CREATE TABLE t (x)")
    con.close()
    with pytest.raises(LedgerError) as caught, reading(path):
        pass
    assert str(caught.value) == (
        f'{path} is a database of another program (application id 0x0). Name the ledger with: ledger = "..."'
    )


@pytest.fixture
def shut() -> Iterator[Path]:
    """A folder that may be read and not written to, whoever runs the tests."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    os.seteuid(os.getuid())
    folder.chmod(0o700)
    shutil.rmtree(folder)


def shut_it(folder: Path, *, mode: int = 0o644) -> None:
    for file in folder.iterdir():
        file.chmod(mode)
    folder.chmod(0o555)
    if os.getuid() == 0:  # root may write everywhere
        os.seteuid(65534)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no users to change to")
def test_a_ledger_in_a_folder_that_may_not_be_written_to_is_read(shut: Path) -> None:
    fill(Book(shut / "ledger.db")).db.close()
    shut_it(shut)
    with reading(shut / "ledger.db") as reader:
        assert reader is not None
        assert aggregate(reader).total.calls == 7


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no users to change to")
def test_rows_that_are_in_the_log_alone_are_never_left_out_silently(shut: Path, tmp_path: Path) -> None:
    book = fill(Book(tmp_path / "ledger.db"))
    for name in ("ledger.db", "ledger.db-wal"):
        shutil.copy(tmp_path / name, shut / name)
    book.db.close()
    shut_it(shut)
    with pytest.raises(LedgerError) as caught, reading(shut / "ledger.db"):
        pass
    assert str(caught.value) == (
        f"The last rows of {shut / 'ledger.db'} are in its log, which cannot be read here: the folder may not be written "
        "to. Run this as somebody who may, or copy ledger.db and ledger.db-wal to a folder of yours."
    )


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no users to change to")
def test_a_file_that_may_not_be_read_is_told(shut: Path) -> None:
    Book(shut / "ledger.db").db.close()
    shut_it(shut, mode=0o000)
    with pytest.raises(LedgerError, match="Check who may read it with: ls -l"), reading(shut / "ledger.db"):
        pass
