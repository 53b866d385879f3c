"""The ledger's tables, and how an older file becomes a current one. SQL text only: nothing is opened here."""

from __future__ import annotations

from functools import lru_cache

# ruff: noqa: S608  only the names of columns below are put into SQL; values travel as parameters

APPLICATION_ID = 0x67726E61  # "grna" in the file's header: tells another program's database apart

CALL_COLUMNS = (
    "call_id", "created", "project", "entry", "requested_model", "model", "outcome", "reasoning", "opt_in",
    "opt_in_reason", "energy_j", "low_j", "high_j", "evidence", "method", "carbon_g", "cost_usd", "input_tokens",
    "output_tokens", "cached_tokens", "reasoning_tokens", "avoided_j", "overhead_ms", "parent", "warnings", "prompt",
    "overhead_j", "error", "classifier", "loss", "top_bad", "cache_key", "feature", "used", "asked",
    "carbon_source", "carbon_low_g", "carbon_high_g", "market_carbon_g", "embodied_carbon_g", "water_ml",
    "avoided_low_j", "avoided_high_j", "baseline", "observed", "story", "granted", "task",
)  # fmt: skip

RESERVE_COLUMNS = ("attempt_id", "call_id", "project", "model", "created", "expires", "held_j")

LABEL_COLUMNS = ("call_id", "created", "project", "method", "loss", "model", "outcome", "good", "source", "top_bad")

IDLE_COLUMNS = (
    "spell_id", "model", "kind", "began", "seconds", "energy_j", "low_j", "high_j", "staying_j", "reload_j",
    "method",
)  # fmt: skip

# What a distilled task model did for a project, in counts: nothing of any call is in it.
DISTILLED_COUNTS = (
    "answered", "abstained", "shadow_same", "shadow_other", "audit_same", "audit_other", "uncompared",
)  # fmt: skip
DISTILLED_COLUMNS = ("project", "file", "name", *DISTILLED_COUNTS, "slow", "fast", "changed")

SETTLE_COLUMNS = (
    "attempt_id", "call_id", "project", "model", "state", "created", "energy_j", "low_j", "high_j", "evidence",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "latency_s", "error", "retries",
    "settled_at",
)  # fmt: skip

ATTEMPT_COLUMNS = (*SETTLE_COLUMNS, "expires", "held_j")

# What a reader finds in a file of any version: what it lacks is NULL.
READ_COLUMNS = {
    "calls": CALL_COLUMNS,
    "attempts": ATTEMPT_COLUMNS,
    "labels": LABEL_COLUMNS,
    "offers": ("project", "feature", "day", "offered", "used"),
    "idle": IDLE_COLUMNS,
    "distilled": (*DISTILLED_COLUMNS, "fell", "guard"),
}

# One entry per schema version, each a list of statements that run in one transaction. Append only.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE calls (
            call_id TEXT PRIMARY KEY, created REAL NOT NULL, project TEXT NOT NULL, entry TEXT NOT NULL,
            requested_model TEXT, model TEXT, outcome TEXT NOT NULL, reasoning INTEGER, opt_in TEXT,
            opt_in_reason TEXT, energy_j REAL, low_j REAL, high_j REAL, evidence TEXT NOT NULL,
            method TEXT NOT NULL, carbon_g REAL, cost_usd REAL, input_tokens INTEGER, output_tokens INTEGER,
            cached_tokens INTEGER, reasoning_tokens INTEGER, avoided_j REAL, overhead_ms REAL, parent TEXT,
            warnings TEXT, prompt TEXT
        )
        """,
        """
        CREATE TABLE attempts (
            attempt_id TEXT PRIMARY KEY, call_id TEXT NOT NULL, project TEXT NOT NULL, model TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN
                ('held', 'answered', 'discarded', 'failed', 'cut', 'released', 'expired')),
            created REAL NOT NULL, expires REAL, held_j REAL, energy_j REAL, low_j REAL, high_j REAL,
            evidence TEXT, input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER,
            reasoning_tokens INTEGER, cost_usd REAL, latency_s REAL, error TEXT, retries TEXT, settled_at REAL
        )
        """,
        # Only open holds are in it, so it stays small however long the ledger grows.
        "CREATE INDEX attempts_held ON attempts (expires) WHERE state = 'held'",
    ),
    (
        "ALTER TABLE calls ADD COLUMN overhead_j REAL",
        "ALTER TABLE calls ADD COLUMN error TEXT",
        "CREATE INDEX attempts_call ON attempts (call_id)",
    ),
    (
        "ALTER TABLE calls ADD COLUMN classifier TEXT",
        "ALTER TABLE calls ADD COLUMN loss REAL",
        """
        CREATE TABLE labels (
            call_id TEXT PRIMARY KEY, created REAL NOT NULL, project TEXT NOT NULL, method TEXT NOT NULL, loss REAL,
            model TEXT, outcome TEXT NOT NULL, good INTEGER NOT NULL, source TEXT NOT NULL
        )
        """,
        "CREATE INDEX labels_project ON labels (project, method, created)",
        # Decisions counted by their large_gain: what the drift alarm compares.
        """
        CREATE TABLE drift (
            project TEXT NOT NULL, method TEXT NOT NULL, era INTEGER NOT NULL, bin INTEGER NOT NULL,
            count INTEGER NOT NULL, PRIMARY KEY (project, method, era, bin)
        ) WITHOUT ROWID
        """,
    ),
    # P(the ladder's top does not answer well either): what a bad answer says of the rung that gave it depends on it.
    (
        "ALTER TABLE calls ADD COLUMN top_bad REAL",
        "ALTER TABLE labels ADD COLUMN top_bad REAL",
    ),
    # So that a bad answer can be taken out of the cache by its call, from any process.
    ("ALTER TABLE calls ADD COLUMN cache_key TEXT",),
    # Which feature of the app a call was made for, whether somebody used what it gave (1), and a digest of who asked
    # what, by which asking again within minutes is seen. `offers` counts what each feature gave in a day, generated or
    # not, and how much of it was used; a day is counted in days since 1970, UTC.
    (
        "ALTER TABLE calls ADD COLUMN feature TEXT",
        "ALTER TABLE calls ADD COLUMN used INTEGER",
        "ALTER TABLE calls ADD COLUMN asked TEXT",
        """
        CREATE TABLE offers (
            project TEXT NOT NULL, feature TEXT NOT NULL, day INTEGER NOT NULL, offered INTEGER NOT NULL,
            used INTEGER NOT NULL, PRIMARY KEY (project, feature, day)
        ) WITHOUT ROWID
        """,
    ),
    # What a report tells of carbon, water and what was avoided (against which `baseline`; in observe mode it only would
    # have been), and the decision as JSON, without what was asked. Reports read a span of time.
    (
        "ALTER TABLE calls ADD COLUMN carbon_source TEXT",
        "ALTER TABLE calls ADD COLUMN carbon_low_g REAL",
        "ALTER TABLE calls ADD COLUMN carbon_high_g REAL",
        "ALTER TABLE calls ADD COLUMN market_carbon_g REAL",
        "ALTER TABLE calls ADD COLUMN embodied_carbon_g REAL",
        "ALTER TABLE calls ADD COLUMN water_ml REAL",
        "ALTER TABLE calls ADD COLUMN avoided_low_j REAL",
        "ALTER TABLE calls ADD COLUMN avoided_high_j REAL",
        "ALTER TABLE calls ADD COLUMN baseline TEXT",
        "ALTER TABLE calls ADD COLUMN observed INTEGER",
        "ALTER TABLE calls ADD COLUMN story TEXT",
        "CREATE INDEX calls_created ON calls (created)",
    ),
    # Each opt-in that held for a call, as JSON: who gave it, why and until when. `asked_choices` are the projects that
    # were asked once what a call shall get that needs an opt-in nobody gave.
    (
        "ALTER TABLE calls ADD COLUMN granted TEXT",
        "CREATE TABLE asked_choices (project TEXT PRIMARY KEY, created REAL NOT NULL) WITHOUT ROWID",
    ),
    # What kind of task the classifier took a call for: what it will hardly exceed is told by others of its kind.
    ("ALTER TABLE calls ADD COLUMN task TEXT",),
    # Times in which nobody asked a model on this machine: idling in memory (`warm`, which took energy), or unloaded
    # (`parked`, with what staying would have taken, and the reload that ended it, which is charged to its call).
    (
        """
        CREATE TABLE idle (
            spell_id TEXT PRIMARY KEY, model TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('warm', 'parked')),
            began REAL NOT NULL, seconds REAL NOT NULL, energy_j REAL NOT NULL, low_j REAL NOT NULL,
            high_j REAL NOT NULL, staying_j REAL NOT NULL, reload_j REAL NOT NULL, method TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX idle_began ON idle (began)",
    ),
    # How often a distilled task model (`file` begins its hash) said what the model said that it stands in for. `slow`
    # and `fast` are the logarithms of two bets that it no longer keeps its promise, `fell` when one of them was won.
    (
        """
        CREATE TABLE distilled (
            project TEXT NOT NULL, file TEXT NOT NULL, name TEXT NOT NULL, answered INTEGER NOT NULL,
            abstained INTEGER NOT NULL, shadow_same INTEGER NOT NULL, shadow_other INTEGER NOT NULL,
            audit_same INTEGER NOT NULL, audit_other INTEGER NOT NULL, uncompared INTEGER NOT NULL,
            slow REAL NOT NULL, fast REAL NOT NULL, changed REAL NOT NULL, fell REAL, PRIMARY KEY (project, file)
        ) WITHOUT ROWID
        """,
    ),
    # What is known of the scores of its prompts, and whether it is under guard, as `answerers.guard` writes it.
    ("ALTER TABLE distilled ADD COLUMN guard TEXT",),
)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


# An attempt stays with its call: set again, its entry in that index would be written anew.
_KEPT = ("attempt_id", "call_id", "created")
_SETTLED = ", ".join(f"{name} = excluded.{name}" for name in SETTLE_COLUMNS if name not in _KEPT)

RESERVE = (
    f"INSERT OR IGNORE INTO attempts ({', '.join(RESERVE_COLUMNS)}, state) "
    f"VALUES ({_marks(len(RESERVE_COLUMNS))}, 'held')"
)
RENEW = (
    "UPDATE attempts SET expires = max(expires, ?), state = 'held', settled_at = NULL "
    "WHERE attempt_id = ? AND state IN ('held', 'expired')"
)
RELEASE = (
    "UPDATE attempts SET state = 'released', error = ?, settled_at = ? "
    "WHERE attempt_id = ? AND state IN ('held', 'expired')"
)


@lru_cache(maxsize=64)
def settling(columns: tuple[str, ...] = SETTLE_COLUMNS) -> str:
    """Return what settles an attempt, given its columns that are not NULL.

    The first end of an attempt wins: settling it again, or after its release, changes nothing. What expired may still
    settle, because its energy was used. An attempt without a hold (reserved while the disk was full) is added.
    """
    return (
        f"INSERT INTO attempts ({', '.join(columns)}) VALUES ({_marks(len(columns))}) "
        f"ON CONFLICT (attempt_id) DO UPDATE SET {_SETTLED} WHERE attempts.state IN ('held', 'expired')"
    )


@lru_cache(maxsize=64)
def recording(columns: tuple[str, ...] = CALL_COLUMNS) -> str:
    """Return what records a call, given its columns that are not NULL."""
    return f"INSERT OR IGNORE INTO calls ({', '.join(columns)}) VALUES ({_marks(len(columns))})"


# The last word about a call wins.
LABEL = (
    f"INSERT INTO labels ({', '.join(LABEL_COLUMNS)}) VALUES ({_marks(len(LABEL_COLUMNS))}) ON CONFLICT (call_id) DO "
    "UPDATE SET created = excluded.created, good = excluded.good, source = excluded.source"
)
# The latest ones, the oldest of them first.
LABELS = (
    "SELECT call_id, loss, good, coalesce(top_bad, 0.0) FROM "
    "(SELECT * FROM labels WHERE project = ? AND method = ? AND loss IS NOT NULL "
    "AND created > ? ORDER BY created DESC LIMIT ?) ORDER BY created"
)
TALLY = (
    "INSERT INTO drift (project, method, era, bin, count) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (project, method, era, bin) DO UPDATE SET count = count + excluded.count"
)
FORGET_ERAS = "DELETE FROM drift WHERE project = ? AND method = ? AND era > 0 AND era < ?"
TALLIES = "SELECT era, bin, count FROM drift WHERE project = ? AND method = ?"
METHODS = "SELECT method FROM labels WHERE project = ?1 UNION SELECT method FROM drift WHERE project = ?1"
OFFER = (
    "INSERT INTO offers (project, feature, day, offered, used) VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, feature, "
    "day) DO UPDATE SET offered = offered + excluded.offered, used = used + excluded.used"
)
IDLE = f"INSERT OR IGNORE INTO idle ({', '.join(IDLE_COLUMNS)}) VALUES ({_marks(len(IDLE_COLUMNS))})"
# A bet that is lost starts anew: what it measures is the worst stretch up to now. The first fall counts.
_COUNTED = ", ".join(f"{name} = distilled.{name} + excluded.{name}" for name in DISTILLED_COUNTS)
DISTILLED = (
    f"INSERT INTO distilled ({', '.join(DISTILLED_COLUMNS)}) VALUES ({_marks(len(DISTILLED_COLUMNS))}) "
    f"ON CONFLICT (project, file) DO UPDATE SET {_COUNTED}, changed = excluded.changed, "
    "slow = max(distilled.slow, 0.0) + excluded.slow, fast = max(distilled.fast, 0.0) + excluded.fast"
)
DISTILLED_FELL = (
    "UPDATE distilled SET fell = changed WHERE project = ? AND file = ? AND fell IS NULL AND max(slow, fast) >= ?"
)
DISTILLED_AGAIN = "UPDATE distilled SET fell = NULL, slow = 0.0, fast = 0.0, guard = NULL WHERE file = ?"
DISTILLED_GUARD = "UPDATE distilled SET guard = ? WHERE project = ? AND file = ?"
ALL_DISTILLED = f"SELECT {', '.join(DISTILLED_COLUMNS)}, fell, guard FROM distilled"
DISTILLED_OF = f"{ALL_DISTILLED} WHERE project = ? AND file = ?"
USE = "UPDATE calls SET used = 1 WHERE call_id = ?"
ASK_CHOICE = "INSERT OR IGNORE INTO asked_choices (project, created) VALUES (?, ?)"
CALL = f"SELECT {', '.join(CALL_COLUMNS)} FROM calls WHERE call_id = ?"
KEYS = "SELECT call_id, cache_key FROM calls WHERE call_id BETWEEN ? AND ? LIMIT 100"
SERVED = (
    "SELECT count(*), count(*) FILTER (WHERE outcome = ?1), coalesce(sum(avoided_j) FILTER (WHERE outcome = ?1), 0.0) "
    "FROM calls WHERE created > ?2"
)
# What the attempts of a task took lately; among the latest calls only, so that a rare task is no search of them all.
TAKEN = (
    "SELECT attempts.model, calls.reasoning, attempts.input_tokens, attempts.output_tokens, attempts.energy_j "
    "FROM calls JOIN attempts ON attempts.call_id = calls.call_id "
    "WHERE calls.rowid > (SELECT max(rowid) FROM calls) - 20000 AND calls.project = ? AND calls.task = ? "
    "AND attempts.state IN ('answered', 'discarded') AND attempts.output_tokens IS NOT NULL "
    "ORDER BY calls.rowid DESC LIMIT ?"
)
EXPIRE = "UPDATE attempts SET state = 'expired', settled_at = ? WHERE state = 'held' AND expires < ?"
RECENT = f"SELECT {', '.join(CALL_COLUMNS)} FROM calls ORDER BY rowid DESC LIMIT ?"
COUNTS = (
    "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM attempts), count(*), coalesce(sum(held_j), 0) "
    "FROM attempts WHERE state = 'held'"
)
# A ledger in memory keeps what fits, so that a service without a disk does not grow.
TRIM = (
    "DELETE FROM calls WHERE rowid <= (SELECT max(rowid) FROM calls) - ?",
    "DELETE FROM attempts WHERE rowid <= (SELECT max(rowid) FROM attempts) - ? AND state != 'held'",
)

ALL_HOLDS = f"SELECT {', '.join(RESERVE_COLUMNS)} FROM attempts WHERE state = 'held'"
ALL_ENDED = f"SELECT {', '.join(SETTLE_COLUMNS)} FROM attempts WHERE state NOT IN ('held', 'expired')"
ALL_CALLS = f"SELECT {', '.join(CALL_COLUMNS)} FROM calls"
ALL_LABELS = f"SELECT {', '.join(LABEL_COLUMNS)} FROM labels"
ALL_TALLIES = "SELECT project, method, era, bin, count FROM drift"
ALL_OFFERS = "SELECT project, feature, day, offered, used FROM offers"
ALL_IDLE = f"SELECT {', '.join(IDLE_COLUMNS)} FROM idle"
EMPTY = tuple(
    f"DELETE FROM {table}" for table in ("calls", "attempts", "labels", "drift", "offers", "idle", "distilled")
)
