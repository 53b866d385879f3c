"""A batch's database: its requests and what came of them, as rows. One file for each job; what is in it is for others.

Deleting the file deletes the prompts and answers. Whatever was written is there after a crash of the process, and of
the machine: an answer was paid, and the id of a provider's batch that got lost would have it paid twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.store.sqlite_file import LOCK_TIMEOUT_S, SqliteFile

if TYPE_CHECKING:
    import sqlite3

__all__ = ["ANSWERED", "FAILED", "OPEN", "UNSURE", "BatchDb", "ItemRow", "Row"]

APPLICATION_ID = 0x67726E62  # "grnb" in the file's header
PAGE = 500

OPEN, ANSWERED, UNSURE, FAILED = 0, 1, 2, 3
"""What became of an item: nothing yet, an answer, a failure after which it may be asked again, a failure for good."""

Row: TypeAlias = "tuple[int, str, int, str | None]"
"""Number in the order given, the item's key, the number of the first row with that key, custom_id."""
ItemRow: TypeAlias = "tuple[str, str, str]"
"""Key, body, options."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, text TEXT NOT NULL)",
        """
        CREATE TABLE requests (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL, first INTEGER NOT NULL, custom_id TEXT
        )
        """,
        """
        CREATE TABLE items (
            place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL, options TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE answers (
            place INTEGER PRIMARY KEY, state INTEGER NOT NULL, response TEXT, receipt TEXT, error TEXT
        )
        """,
    ),
)

_ADD = "INSERT INTO items (key, body, options) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
_KEEP = """
    INSERT INTO answers SELECT place, ?, ?, ?, ? FROM items WHERE key = ?
    ON CONFLICT (place) DO UPDATE SET state = excluded.state, response = excluded.response,
        receipt = excluded.receipt, error = excluded.error WHERE answers.state = 2
"""
_RESULTS = """
    SELECT number, first, custom_id, coalesce(state, 0), response, receipt, error
    FROM requests JOIN items USING (key) LEFT JOIN answers USING (place) WHERE number >= ? ORDER BY number LIMIT ?
"""
_REPEATS = "SELECT place, count(*) - 1 FROM requests JOIN items USING (key) GROUP BY place HAVING count(*) > 1"
_TALLY = """
    SELECT coalesce(state, 0), first < number, count(*)
    FROM requests JOIN items USING (key) LEFT JOIN answers USING (place) GROUP BY 1, 2
"""


class BatchDb(SqliteFile):
    """The requests of one job, each method one transaction. Safe from any thread and process.

    Args:
        path: the file; None keeps the job in memory.
    """

    what = "batch journal"
    application_id = APPLICATION_ID
    elsewhere = "Give the job another name with: name=..."
    without = 'keep it elsewhere with: state_dir = "..."'

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, timeout_s=LOCK_TIMEOUT_S, migrations=MIGRATIONS)

    def _prepare(self, con: sqlite3.Connection) -> None:
        super()._prepare(con)
        # Each commit waits for the disk (some milliseconds, for all threads that commit together), as no call's ledger
        # does: here nothing waits for it but the next request.
        con.execute("PRAGMA synchronous = FULL")

    def fact(self, name: str) -> str | None:
        """Return what was remembered under a name."""

        def work(con: sqlite3.Connection) -> str | None:
            found = con.execute("SELECT text FROM facts WHERE name = ?", (name,)).fetchone()
            return None if found is None else str(found[0])

        return self._read(work)

    def remember(self, facts: Iterable[tuple[str, str | None]]) -> None:
        """Remember texts by name; None forgets one."""

        def work(con: sqlite3.Connection) -> None:
            for name, text in facts:
                if text is None:
                    con.execute("DELETE FROM facts WHERE name = ?", (name,))
                else:
                    con.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, text))

        self._write(work)

    def keys(self) -> list[str]:
        """Return the keys of all items."""
        return self._read(lambda con: [str(key) for (key,) in con.execute("SELECT key FROM items ORDER BY place")])

    def done(self) -> list[str]:
        """Return the keys of the items that have an answer, or failed for good."""
        sql = "SELECT key FROM items JOIN answers USING (place) WHERE state IN (1, 3)"
        return self._read(lambda con: [str(key) for (key,) in con.execute(sql)])

    def lay_down(
        self,
        rows: Callable[[], Iterable[Row]],
        items: Callable[[], Iterable[ItemRow]],
        facts: Sequence[tuple[str, str]],
    ) -> None:
        """Write a job's requests in the place of earlier ones, and the items that are new: all or nothing.

        `rows` and `items` are gone through as they are written: all of them at once may be gigabytes.
        """

        def work(con: sqlite3.Connection) -> None:
            con.execute("DELETE FROM requests")
            con.executemany("INSERT INTO requests VALUES (?, ?, ?, ?)", rows())
            con.executemany(_ADD, items())
            con.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)

        self._write(work)

    def keep(self, key: str, state: int, response: str | None, receipt: str | None, error: str | None) -> bool:
        """Keep what came of an item; return False where it had an answer, or failed for good, before."""
        return self._write(lambda con: con.execute(_KEEP, (state, response, receipt, error, key)).rowcount > 0)

    def counts(self) -> dict[int, int]:
        """Return how many items there are by state."""
        sql = "SELECT coalesce(state, 0), count(*) FROM items LEFT JOIN answers USING (place) GROUP BY 1"
        return self._read(lambda con: dict(con.execute(sql).fetchall()))

    def size(self) -> int:
        """Return how many requests there are, repeated ones too."""
        return self._read(lambda con: int(con.execute("SELECT count(*) FROM requests").fetchone()[0]))

    def left(self) -> list[ItemRow]:
        """Return the items that are to be asked, in the order given; those that failed before come last."""
        sql = """
            SELECT key, body, options FROM items LEFT JOIN answers USING (place)
            WHERE coalesce(state, 0) IN (0, 2) ORDER BY coalesce(state, 0), place
        """
        return self._read(lambda con: con.execute(sql).fetchall())

    def receipts(self) -> Iterator[tuple[str, int]]:
        """Return the receipts of all items that have one, each once, with how many requests more have the same one."""
        more = self._read(lambda con: dict(con.execute(_REPEATS).fetchall()))
        sql = "SELECT place, receipt FROM answers WHERE receipt IS NOT NULL AND place > ? ORDER BY place LIMIT ?"
        last = 0
        while page := self._page(sql, last):
            last = page[-1][0]
            yield from ((receipt, more.get(place, 0)) for place, receipt in page)

    def tally(self) -> list[tuple[int, int, int]]:
        """Return how many requests there are by state, and by whether they repeat an earlier one."""
        return self._read(lambda con: con.execute(_TALLY).fetchall())

    def results(self) -> Iterator[tuple[int, int, str | None, int, str | None, str | None, str | None]]:
        """Return number, first, custom_id, state, response, receipt and error of each request, in the order given."""
        number = 0
        while page := self._page(_RESULTS, number):
            number = page[-1][0] + 1
            yield from page

    def _page(self, sql: str, start: int) -> list[Any]:
        return self._read(lambda con: con.execute(sql, (start, PAGE)).fetchall())
