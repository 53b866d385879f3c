"""The ledger's database: holds, attempts and calls as rows. It decides nothing about what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.errors import LedgerCorrupt
from greenai.store import schema
from greenai.store.sqlite_file import LOCK_TIMEOUT_S, SqliteFile, damaged

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LedgerDb", "damaged"]

Row = Sequence[object]

MEMORY_ROWS = 10_000


def _execute(con: sqlite3.Connection, sql: str, row: Row) -> sqlite3.Cursor:
    """Run one statement; what SQLite cannot hold (half a surrogate pair, a count of 20 digits) is written as it can."""
    try:
        return con.execute(sql, row)
    except (UnicodeEncodeError, OverflowError):
        return con.execute(sql, [_storable(value) for value in row])


def _insert(
    con: sqlite3.Connection, statement: Callable[[tuple[str, ...]], str], columns: Sequence[str], row: Row
) -> None:
    """Insert what a row has: to sqlite3 a None is a value to be adapted, which takes ten times as long as a text."""
    held = [(name, value) for name, value in zip(columns, row, strict=True) if value is not None]
    _execute(con, statement(tuple([name for name, _ in held])), [value for _, value in held])


def _storable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return float(value) if type(value) is int else value


def _distilled(row: Row) -> dict[str, Any]:
    return dict(zip(schema.READ_COLUMNS["distilled"], row, strict=True))


class LedgerDb(SqliteFile):
    """The ledger's database: rows in, rows out, each method one transaction. Safe from any thread and process.

    Args:
        path: the file; None keeps the ledger in memory, of which only the latest 10,000 calls.
        timeout_s: how long to wait for other processes, in seconds.
    """

    what = "ledger"
    application_id = schema.APPLICATION_ID
    elsewhere = 'Name another file with: ledger = "..."'
    without = 'keep the ledger in memory with: ledger = ":memory:"'

    def __init__(
        self,
        path: Path | None,
        *,
        timeout_s: float = LOCK_TIMEOUT_S,
        migrations: Sequence[Sequence[str]] = schema.MIGRATIONS,
    ) -> None:
        super().__init__(path, timeout_s=timeout_s, migrations=migrations)
        self._writes = 0

    # Writing. Every statement is idempotent, so a caller may repeat any of them.

    def reserve(self, row: Row) -> None:
        """Add a hold: attempt_id, call_id, project, model, created, expires, held_j."""
        self._write(lambda con: _execute(con, schema.RESERVE, row))

    def renew(self, attempt_id: str, expires: float) -> None:
        """Let an open hold last until `expires`."""
        self._write(lambda con: con.execute(schema.RENEW, (expires, attempt_id)))

    def release(self, attempt_id: str, error: str | None, now: float) -> None:
        """End a hold under which nothing was used."""
        self._write(lambda con: _execute(con, schema.RELEASE, (error, now, attempt_id)))

    def settle(self, rows: Sequence[Row], call: Row | None = None) -> None:
        """Write attempts (`SETTLE_COLUMNS`) and, with them, a call (`CALL_COLUMNS`): all or nothing."""

        def work(con: sqlite3.Connection) -> None:
            for row in rows:
                _insert(con, schema.settling, schema.SETTLE_COLUMNS, row)
            if call is not None:
                _insert(con, schema.recording, schema.CALL_COLUMNS, call)

        self._write(work)

    def expire(self, now: float) -> int:
        """Mark the holds that ended before `now` as expired; return how many."""
        return self._write(lambda con: con.execute(schema.EXPIRE, (now, now)).rowcount)

    def label(self, row: Row) -> None:
        """Keep what was said of a call's answer (`LABEL_COLUMNS`); the last word wins."""
        self._write(lambda con: _execute(con, schema.LABEL, row))

    def tally(self, project: str, method: str, era: int, counts: Mapping[int, int]) -> None:
        """Add counts of decisions to an era's bins; the first era, this one and the one before it are kept."""

        def work(con: sqlite3.Connection) -> None:
            rows = [(project, method, era, position, count) for position, count in counts.items()]
            con.executemany(schema.TALLY, rows)
            con.execute(schema.FORGET_ERAS, (project, method, era - 1))

        self._write(work)

    def ask_choice(self, project: str, now: float) -> bool:
        """Note that a project is asked for its choice; return whether this is the first time."""
        return self._write(lambda con: con.execute(schema.ASK_CHOICE, (project, now)).rowcount > 0)

    def offer(self, project: str, feature: str, day: int, offered: int, used: int) -> None:
        """Add to what a feature gave on a day, and to how much of it was used."""
        self._write(lambda con: _execute(con, schema.OFFER, (project, feature, day, offered, used)))

    def idle(self, rows: Sequence[Row]) -> None:
        """Add times in which nobody asked a model on this machine (`IDLE_COLUMNS`)."""

        def work(con: sqlite3.Connection) -> None:
            for row in rows:
                _execute(con, schema.IDLE, row)

        self._write(work)

    def distilled(self, row: Row, alarm: float, guard: Callable[[str | None], str] | None = None) -> dict[str, Any]:
        """Add to the counts of a distilled task model (`DISTILLED_COLUMNS`); return what they are now.

        It falls where one of its bets comes to `alarm`. `guard` makes of the line that is kept of its guard a new one.
        """

        def work(con: sqlite3.Connection) -> Any:
            key = row[:2]
            _execute(con, schema.DISTILLED, row)
            con.execute(schema.DISTILLED_FELL, (*key, alarm))
            found = con.execute(schema.DISTILLED_OF, key).fetchone()
            if guard is None:
                return found
            con.execute(schema.DISTILLED_GUARD, (guard(found[-1]), *key))
            return con.execute(schema.DISTILLED_OF, key).fetchone()

        return _distilled(self._write(work))

    def distilled_again(self, file: str) -> bool:
        """Forget that a distilled task model fell; return whether there is such a one."""
        return self._write(lambda con: con.execute(schema.DISTILLED_AGAIN, (file,)).rowcount > 0)

    def use(self, call_id: str) -> bool:
        """Note that what a call gave was used; return whether there is such a call."""
        return self._write(lambda con: con.execute(schema.USE, (call_id,)).rowcount > 0)

    def absorb(self, other: LedgerDb) -> None:
        """Take the rows of a ledger in memory over, and empty it."""

        def work(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
            target.executemany(schema.RESERVE, source.execute(schema.ALL_HOLDS))
            target.executemany(schema.settling(), source.execute(schema.ALL_ENDED))
            target.executemany(schema.recording(), source.execute(schema.ALL_CALLS))
            target.executemany(schema.LABEL, source.execute(schema.ALL_LABELS))
            target.executemany(schema.TALLY, source.execute(schema.ALL_TALLIES))
            target.executemany(schema.OFFER, source.execute(schema.ALL_OFFERS))
            target.executemany(schema.IDLE, source.execute(schema.ALL_IDLE))
            counts = [row[: len(schema.DISTILLED_COLUMNS)] for row in source.execute(schema.ALL_DISTILLED)]
            target.executemany(schema.DISTILLED, counts)
            for statement in schema.EMPTY:
                source.execute(statement)

        other._write(lambda source: self._write(lambda target: work(source, target), alone=True), alone=True)

    # Reading.

    def recent(self, count: int) -> list[dict[str, Any]]:
        """Return the last `count` calls, the newest first."""
        rows = self._read(lambda con: con.execute(schema.RECENT, (count,)).fetchall())
        return [dict(zip(schema.CALL_COLUMNS, row, strict=True)) for row in rows]

    def call(self, call_id: str) -> dict[str, Any] | None:
        """Return one call, or None."""
        row = self._read(lambda con: con.execute(schema.CALL, (call_id,)).fetchone())
        return None if row is None else dict(zip(schema.CALL_COLUMNS, row, strict=True))

    def keys_of(self, first: str, last: str) -> list[tuple[str, str | None]]:
        """Return (id, the cache's key) of the calls with ids from `first` to `last`, some if these are very many."""
        return self._read(lambda con: con.execute(schema.KEYS, (first, last)).fetchall())

    def served(self, outcome: str, since: float) -> tuple[int, int, float]:
        """Return how many calls there were since then, how many ended so, and the joules that these avoided."""
        calls, ended, avoided_j = self._read(lambda con: con.execute(schema.SERVED, (outcome, since)).fetchone())
        return calls, ended, avoided_j

    def taken(self, project: str, task: str, most: int) -> list[tuple[str, bool, int | None, int, float | None]]:
        """Return (model, whether it reasoned, input and output tokens, joules) of a task's attempts, newest first."""
        rows = self._read(lambda con: con.execute(schema.TAKEN, (project, task, most)).fetchall())
        return [(model, bool(reasoned), read, written, joules) for model, reasoned, read, written, joules in rows]

    def labels(self, project: str, method: str, since: float, most: int) -> list[tuple[str, float, bool, float]]:
        """Return (call id, loss, good, top_bad) of the latest labels that have a loss, the oldest first."""
        rows = self._read(lambda con: con.execute(schema.LABELS, (project, method, since, most)).fetchall())
        return [(call_id, loss, bool(good), top_bad) for call_id, loss, good, top_bad in rows]

    def tallies(self, project: str, method: str) -> list[tuple[int, int, int]]:
        """Return (era, bin, count) of a project's decisions."""
        return self._read(lambda con: con.execute(schema.TALLIES, (project, method)).fetchall())

    def methods(self, project: str) -> list[str]:
        """Return the classifiers under which a project has labels or decisions."""
        return self._read(lambda con: [method for (method,) in con.execute(schema.METHODS, (project,))])

    def all_distilled(self) -> list[dict[str, Any]]:
        """Return the counts of every distilled task model, by project."""
        return self._read(lambda con: [_distilled(row) for row in con.execute(schema.ALL_DISTILLED)])

    def attempts(self, call_id: str) -> list[dict[str, Any]]:
        """Return every attempt of one call, in the order in which they began."""

        def work(con: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = con.execute("SELECT * FROM attempts WHERE call_id = ? ORDER BY created, rowid", (call_id,))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self._read(work)

    def check(self) -> dict[str, Any]:
        """Return the schema's version, the counts, the open holds and what SQLite's own check says.

        Raises:
            LedgerCorrupt: the file is damaged.
        """

        def work(con: sqlite3.Connection) -> dict[str, Any]:
            calls, attempts, holds, held_j = con.execute(schema.COUNTS).fetchone()
            (found,) = con.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = con.execute("PRAGMA user_version").fetchone()
            if found != "ok":
                raise LedgerCorrupt(damaged(self.path, str(found)))
            return {"version": version, "calls": calls, "attempts": attempts, "holds": holds, "held_j": held_j}

        return self._read(work)

    def _trim(self, con: sqlite3.Connection) -> None:
        self._writes += 1
        if self._writes % 1000 == 0:
            for statement in schema.TRIM:
                con.execute(statement, (MEMORY_ROWS,))
