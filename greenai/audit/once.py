"""Which records are one call: a batch's request with its answer, a record in two exports, a call in two spans.

Told by the rows of the store once all is read, without a text; what memory cannot hold, DuckDB has on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.audit.rows import COLUMNS

if TYPE_CHECKING:
    from greenai.audit.duck import Connection

__all__ = ["TABLES", "count_once"]

TABLES = (
    "CREATE TABLE requests AS FROM calls LIMIT 0",
    "CREATE TABLE asked_at (source INTEGER, position BIGINT, part INTEGER, of_source INTEGER, of_position BIGINT)",
    "CREATE TABLE folded (source INTEGER, position BIGINT, part INTEGER)",
)
"""What is put beside `calls`: `requests`, whose answers stand in another file, `asked_at`, which of them an answer is
of, and `folded`, the outer spans of calls that are counted."""


def count_once(connection: Connection) -> None:
    """Leave one row of each call in `calls`; a second time it changes nothing."""
    _join(connection)
    for statement in (_BY_ID, _BY_MOMENT):
        connection.execute(statement)
    _fold(connection)


# --- requests of batches and their answers ------------------------------------------------

_OF_ANSWER = frozenset(
    (
        "source", "position", "part", "created", "model", "provider", "kind", "trace", "call", "ok", "status",
        "attempt", "finish_reason", "tool_calls", "called", "used", "input_tokens", "output_tokens", "cached_tokens",
        "reasoning_tokens", "cost_usd", "latency_s", "energy_j", "energy_low_j", "energy_high_j", "evidence",
        "answer", "answer_chars", "is_json", "batch", "span", "parent",
    )
)  # fmt: skip
"""What a line of answers tells; all else of a call stands in its request."""

_ASKED = ", ".join(f"r.{name}" for name in COLUMNS if name not in _OF_ANSWER)
_MERGED = ", ".join(
    (
        *(f"coalesce(r.{name}, a.{name}) AS {name}" for name in COLUMNS if name not in _OF_ANSWER),
        "coalesce(a.model, r.model) AS model",
        "coalesce(a.provider, r.provider) AS provider",
        "CASE WHEN a.kind = 'chat' THEN coalesce(r.kind, a.kind) ELSE a.kind END AS kind",
        # Vectors write nothing, and their usage does not say so.
        "coalesce(a.output_tokens, CASE WHEN r.kind = 'embeddings' AND a.input_tokens > 0 THEN 0 END) AS output_tokens",
        "CASE WHEN r.call IS NULL THEN a.batch ELSE 'joined' END AS batch",
    )
)
_ANSWERED = "SELECT DISTINCT format FROM calls JOIN sources USING (source) WHERE batch IN ('answered', 'joined')"
_JOINING = (
    # Without answers requests are calls; a later run may bring the answers.
    f"""
    INSERT INTO requests SELECT c.* FROM calls c JOIN sources USING (source)
    WHERE batch = 'asked' AND format IN ({_ANSWERED})
    """,  # noqa: S608 - of this module, as all below
    "DELETE FROM calls WHERE batch = 'asked' AND source IN (SELECT source FROM requests)",
    "DELETE FROM asked_at",
    # An id that two batches gave to different requests, as `request-1` is, tells of none.
    f"""
    INSERT INTO asked_at
    WITH told AS (
        SELECT format, call, min({{'source': r.source, 'position': r.position}}) AS first
        FROM requests r JOIN sources USING (source) GROUP BY ALL HAVING count(DISTINCT hash({_ASKED})) = 1
    )
    SELECT a.source, a.position, a.part, first.source, first.position
    FROM calls a JOIN sources USING (source) JOIN told USING (format, call) WHERE batch IN ('answered', 'joined')
    """,  # noqa: S608
)
_JOINED = (
    f"""
    CREATE TABLE merged AS SELECT a.* REPLACE ({_MERGED})
    FROM calls a LEFT JOIN asked_at p ON a.source = p.source AND a.position = p.position AND a.part = p.part
    LEFT JOIN requests r ON r.source = p.of_source AND r.position = p.of_position
    """,  # noqa: S608
    "DROP TABLE calls",
    "ALTER TABLE merged RENAME TO calls",
)
_IS_NEW = "SELECT count(*) FROM calls JOIN asked_at USING (source, position, part) WHERE batch = 'answered'"


def _join(connection: Connection) -> None:
    """Put what was asked into the rows of a batch's answers, and its requests out of the calls."""
    if not connection.execute(_ANSWERED).fetchall():
        return
    connection.execute("BEGIN")
    for statement in _JOINING:
        connection.execute(statement)
    if connection.execute(_IS_NEW).fetchall() != [(0,)]:
        for statement in _JOINED:
            connection.execute(statement)
    connection.execute("COMMIT")


# --- exports that overlap -----------------------------------------------------------------

_SAME = "call, created, model, input_tokens, output_tokens, asked, ok, attempt"
_OFTEN = (
    "SELECT call FROM calls WHERE call IS NOT NULL AND created IS NOT NULL GROUP BY call, created HAVING count(*) > 1"
)
_BY_ID = f"""
DELETE FROM calls WHERE rowid IN (
    SELECT rowid FROM (
        SELECT rowid, row_number() OVER (PARTITION BY {_SAME} ORDER BY source, position, part) AS place
        FROM calls WHERE created IS NOT NULL AND call IN ({_OFTEN})
    ) WHERE place > 1
)
"""  # noqa: S608
"""Two records with an id are one call where the moment, the model, the tokens and the prompt are the same, too."""

_ALIKE = (
    "created, model, provider, kind, project, user_digest, trace, asked, answer, input_tokens, output_tokens, "
    "latency_s, ok, status, attempt"
)
_WITHOUT = "call IS NULL AND (created != floor(created) OR (NOT ok AND created IS NOT NULL AND asked IS NOT NULL))"
_BY_MOMENT = f"""
DELETE FROM calls WHERE rowid IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY {_ALIKE}, nth ORDER BY source) AS place FROM (
            SELECT rowid AS id, *, row_number() OVER (PARTITION BY {_ALIKE}, source ORDER BY position, part) AS nth
            FROM calls WHERE {_WITHOUT} AND created IN (
                SELECT created FROM calls WHERE {_WITHOUT} GROUP BY created HAVING count(DISTINCT source) > 1
            )
        )
    ) WHERE place > 1
)
"""  # noqa: S608
"""Failed calls have no id of an answer: in two files they are one where all that is told is the same, and so are
others whose moment is told to less than a second. Within one file each record is a call."""


# --- a call in two spans ------------------------------------------------------------------

_TOLD = "coalesce({0}.input_tokens, 0) + coalesce({0}.output_tokens, 0) > 0"
_FOLDING = f"""
CREATE TEMP TABLE outer_spans AS
WITH RECURSIVE direct AS (
    SELECT p.rowid AS above, c.rowid AS below FROM calls c JOIN calls p ON c.parent = p.span AND c.rowid != p.rowid
    WHERE c.trace IS NOT DISTINCT FROM p.trace AND (c.kind = 'embeddings') = (p.kind = 'embeddings')
),
link AS (FROM direct UNION SELECT link.above, direct.below FROM link JOIN direct ON link.below = direct.above),
known AS (
    SELECT l.*, {_TOLD.format("p")} AS above_told, {_TOLD.format("c")} AS below_told, c.ok AS below_ok
    FROM link l JOIN calls p ON p.rowid = l.above JOIN calls c ON c.rowid = l.below
)
SELECT above AS id FROM known WHERE below_told
UNION SELECT below FROM known WHERE above_told AND NOT below_told AND below_ok
UNION SELECT above FROM known WHERE NOT above_told AND above NOT IN (SELECT below FROM known WHERE above_told)
"""  # noqa: S608
"""Of spans in one another that are all of a model's call the innermost with tokens is the call; where none has any, the
innermost. A failed one within is a try of its own. Vectors within a chat are no part of it."""


def _fold(connection: Connection) -> None:
    """Take the spans around a call out of the calls, and keep where they stood."""
    if connection.execute("SELECT 1 FROM calls WHERE parent IS NOT NULL LIMIT 1").fetchall():
        for statement in (
            "BEGIN",
            _FOLDING,
            "INSERT INTO folded SELECT source, position, part FROM calls WHERE rowid IN (FROM outer_spans)",
            "DELETE FROM calls WHERE rowid IN (FROM outer_spans)",
            "DROP TABLE outer_spans",
            "COMMIT",
        ):
            connection.execute(statement)
