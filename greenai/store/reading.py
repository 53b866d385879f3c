"""The ledger for those who only look: a connection that cannot write and locks no writer. A door to sqlite3.

It reads files of every schema version: a column that an older file lacks is NULL, a table that it lacks is empty. All
that is read through one reader is one moment's state.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from greenai.errors import LedgerCorrupt, LedgerError
from greenai.store import schema
from greenai.store.files import CORRUPT, primary_code
from greenai.store.ledger_db import damaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["LedgerReader", "foreign", "looked_at", "reading"]

TIMEOUT_S = 5.0
_EFFECTIVE = os.access in os.supports_effective_ids
# SQLITE_READONLY and SQLITE_CANTOPEN: SQLite wants to make its shared memory in a folder that may not be written to.
_NO_SHARED_MEMORY = (8, 14)


class LedgerReader:
    """Answers queries on the views `calls`, `attempts`, `labels` and `offers`, which have every column of today."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """Return what a query finds, each row by the names of its columns."""
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[dict[str, Any]]:
        """Return what a query finds row by row, so that a table of any size may be read."""
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def keep(self, table: str, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> None:
        """Keep what a query finds as a table of this reader alone, which is gone with it; the ledger stays as it is."""
        self._connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        self._connection.execute(f"CREATE TEMP TABLE {table} AS {sql}", values)


@contextmanager
def reading(path: Path | None) -> Generator[LedgerReader | None]:
    """Open a ledger for reading; yields None where there is none yet.

    Raises:
        LedgerCorrupt: the file is damaged.
        LedgerError: it cannot be read, or is another program's.
    """
    import sqlite3

    if path is None or not path.exists():
        yield None
        return
    try:
        connection = _opened(path)
        try:
            yield LedgerReader(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        if primary_code(error) in CORRUPT:
            raise LedgerCorrupt(damaged(path, str(error))) from error
        raise LedgerError(_unreadable(path, error)) from error
    except UnicodeDecodeError as error:  # text that SQLite never wrote
        raise LedgerCorrupt(damaged(path, str(error))) from error


@contextmanager
def foreign(path: Path) -> Generator[LedgerReader]:
    """Open another program's database for reading, as it lies there; one whose log holds no rows is not locked either.

    Raises:
        LedgerError: it cannot be read.
    """
    import sqlite3

    address = path.resolve().as_uri()
    written = _is_written(path)
    try:
        connection = sqlite3.connect(f"{address}?mode=ro{'' if written else '&immutable=1'}", uri=True)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            yield LedgerReader(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LedgerError(
            f"The database {path} cannot be read: {error}. Copy it elsewhere with its -wal file and name the copy."
        ) from error


def looked_at(path: Path) -> tuple[frozenset[str], int]:
    """Return the names of a database's tables, and the application that it is of."""
    with foreign(path) as reader:
        tables = reader.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        (owner,) = reader.rows("PRAGMA application_id")
        return frozenset(str(row["name"]) for row in tables), int(owner["application_id"])


def _opened(path: Path) -> sqlite3.Connection:
    import sqlite3

    address = path.resolve().as_uri()
    try:
        return _prepared(f"{address}?mode=ro", path)
    except sqlite3.OperationalError as error:
        if primary_code(error) not in _NO_SHARED_MEMORY or not os.access(path, os.R_OK, effective_ids=_EFFECTIVE):
            raise
        if _is_written(path):
            raise LedgerError(
                f"The last rows of {path} are in its log, which cannot be read here: the folder may not be written to. "
                f"Run this as somebody who may, or copy {path.name} and {path.name}-wal to a folder of yours."
            ) from error
        return _prepared(f"{address}?mode=ro&immutable=1", path)


def _is_written(path: Path) -> bool:
    """Say whether the log has rows that the file itself has not."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _prepared(address: str, path: Path) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(address, uri=True, timeout=TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and owner != schema.APPLICATION_ID:
            raise LedgerError(
                f"{path} is a database of another program (application id {owner:#x}). "
                f'Name the ledger with: ledger = "..."'
            )
        for table, names in schema.READ_COLUMNS.items():
            connection.execute(_view(connection, table, names))
        connection.execute("BEGIN")
    except BaseException:
        connection.close()
        raise
    return connection


def _view(connection: sqlite3.Connection, table: str, names: Sequence[str]) -> str:
    """Return the view that stands before a table, and has the columns that an older file lacks."""
    there = _columns(connection, table)
    columns = ", ".join(name if name in there else f"NULL AS {name}" for name in names)
    source = f"FROM main.{table}" if there else "WHERE 0"
    return f"CREATE TEMP VIEW {table} AS SELECT {columns} {source}"


def _columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    found = connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,)).fetchall()
    return frozenset(name for (name,) in found)


def _unreadable(path: Path, error: Exception) -> str:
    return (
        f"The ledger {path} cannot be read: {error}. Check who may read it with: ls -l {path}   or name another one "
        'in the settings: ledger = "..."'
    )
