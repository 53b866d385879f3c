"""The tables of budgets, and how an older file becomes a current one. SQL text only: nothing is opened here."""

from __future__ import annotations

# ruff: noqa: S608  only the names of columns below are put into SQL; values travel as parameters

APPLICATION_ID = 0x67726E62  # "grnb" in the file's header

_AMOUNTS = ("energy", "usd", "tokens", "calls", "reasoning_calls", "carbon")
_SETTLED = tuple(f"settled_{name}" for name in _AMOUNTS)
_HELD = tuple(f"held_{name}" for name in _AMOUNTS)


def _zero(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in names)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


# One entry per schema version, each a list of statements that run in one transaction. Append only.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # AUTOINCREMENT: a late settlement must not meet another window under the number of one that was forgotten.
        f"""
        CREATE TABLE counters (
            id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, window TEXT NOT NULL, start INTEGER NOT NULL,
            keep_until REAL, {_zero(_SETTLED)}, {_zero(_HELD)}, UNIQUE (scope, window, start)
        )
        """,
        "CREATE INDEX counters_keep ON counters (keep_until) WHERE keep_until IS NOT NULL",
        f"""
        CREATE TABLE holds (
            attempt_id TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL CHECK (state IN ('held', 'expired', 'settled', 'released')),
            signature TEXT NOT NULL, counters TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, ended REAL,
            {_zero(_AMOUNTS)}
        )
        """,
        # Only open holds are in it, so it stays small.
        "CREATE INDEX holds_open ON holds (expires) WHERE state = 'held'",
        "CREATE INDEX holds_lost ON holds (expires) WHERE state = 'expired'",
        "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), last REAL NOT NULL, ahead_s REAL NOT NULL)",
        "INSERT INTO clock VALUES (1, 0.0, 0.0)",
    ),
    (
        # To when the time last went back, and from when; when it last went on by much.
        "ALTER TABLE clock ADD COLUMN anchor REAL NOT NULL DEFAULT 0",
        "ALTER TABLE clock ADD COLUMN before REAL NOT NULL DEFAULT 0",
        "ALTER TABLE clock ADD COLUMN jumped REAL NOT NULL DEFAULT 0",
    ),
)

# With when the next hold is due, so that one statement tells that nothing is.
LAST = "SELECT last, ahead_s, anchor, before, jumped, (SELECT min(expires) FROM holds WHERE state = 'held') FROM clock"
TICK = "UPDATE clock SET last = ?, ahead_s = ?"
JUMP = "UPDATE clock SET jumped = ?"
GO_BACK = "UPDATE clock SET last = ?1, ahead_s = 0, anchor = ?1, before = ?2, jumped = 0"
# What was held while the clock was ahead does not hold until the clock is there again.
HOLDS_GO_BACK = """
    UPDATE holds SET expires = min(expires - max(created - ?1, 0), ?1 + ?2), created = min(created, ?1)
    WHERE state = 'held' AND (created > ?1 OR expires > ?1 + ?2)
"""

_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in (*_SETTLED, *_HELD))
_ANY = " + ".join((*_SETTLED, *_HELD))
SUMS = (
    f"SELECT {_SUMS}, min(start) FILTER (WHERE {_ANY} > 0) FROM counters "
    "WHERE scope = ? AND window = ? AND start BETWEEN ? AND ?"
)
# The same of one slot, which takes half as long.
SLOT = f"SELECT {', '.join((*_SETTLED, *_HELD))} FROM counters WHERE scope = ? AND window = ? AND start = ?"
# Not an upsert: each time, one on AUTOINCREMENT writes the page with the last number too.
COUNTER = "SELECT id FROM counters WHERE scope = ? AND window = ? AND start = ?"
ADD = (
    f"INSERT INTO counters (scope, window, start, keep_until, {', '.join((*_SETTLED, *_HELD))}) "
    f"VALUES ({_marks(4 + len(_SETTLED) + len(_HELD))})"
)
# When it may be forgotten is written only where it changes, since an index has it.
TOUCH = "UPDATE counters SET keep_until = ? WHERE id = ?"
CHARGE = "UPDATE counters SET " + ", ".join(f"{name} = {name} + ?" for name in (*_SETTLED, *_HELD)) + " WHERE id = ?"
SCOPES = "SELECT scope FROM counters WHERE id = ?"
FORGET_COUNTERS = "DELETE FROM counters WHERE keep_until < ?"

FIND = f"SELECT state, signature, created, counters, {', '.join(_AMOUNTS)} FROM holds WHERE attempt_id = ?"
ADD_HOLD = (
    "INSERT OR REPLACE INTO holds (attempt_id, state, signature, counters, created, expires, ended, "
    f"{', '.join(_AMOUNTS)}) VALUES ({_marks(7 + len(_AMOUNTS))})"
)
DUE = f"SELECT attempt_id, counters, expires, {', '.join(_AMOUNTS)} FROM holds WHERE state = 'held' AND expires <= ?"
# What most ends need, in one statement.
END = (
    "UPDATE holds SET state = ?, ended = ? WHERE attempt_id = ? AND state = 'held' "
    f"RETURNING counters, {', '.join(_AMOUNTS)}"
)
SET_STATE = "UPDATE holds SET state = ?, ended = ? WHERE attempt_id = ?"
RENEW = "UPDATE holds SET state = 'held', ended = NULL, expires = max(expires, ?) WHERE attempt_id = ?"
FORGET = "DELETE FROM holds WHERE attempt_id = ?"
UNSETTLED = (
    f"SELECT attempt_id, created, expires, state, counters, {', '.join(_AMOUNTS)} FROM holds "
    "WHERE state IN ('held', 'expired') ORDER BY created"
)
# The oldest ones are looked at, a few at a time: no index is needed for it, which every settlement would pay for.
FORGET_HOLDS = (
    "DELETE FROM holds WHERE rowid IN (SELECT rowid FROM holds ORDER BY rowid LIMIT 1000) AND "
    "(state IN ('settled', 'released') AND ended < ? OR state = 'expired' AND ended < ?)"
)
# In memory only the newest are kept.
FORGET_OLDEST = (
    "DELETE FROM holds WHERE rowid <= (SELECT max(rowid) FROM holds) - ? AND state IN ('settled', 'released')"
)
COUNTS = (
    "SELECT (SELECT count(*) FROM counters), (SELECT count(*) FROM holds), "
    "(SELECT count(*) FROM holds WHERE state = 'held')"
)
