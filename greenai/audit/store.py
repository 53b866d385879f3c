"""What an audit keeps while it works: a DuckDB file of rows without texts, in a folder of its own.

Rows are added with how far each file was read in one transaction, so that an audit that was killed goes on where it
was. Texts stay in the log: who needs some of them reads them there again (`Store.texts`).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from greenai.audit import once
from greenai.audit.duck import connected, failures
from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL, SHARE, WHOLE
from greenai.audit.labels import LEAST as LEAST_LABELLED
from greenai.audit.reading import Opened, Tally, parsed, records_at
from greenai.audit.rows import COLUMNS, MARKS, row, table
from greenai.audit.skeleton import BARE
from greenai.audit.values import Logged, Malformed
from greenai.errors import LogUnreadable
from greenai.store.files import private_folder

if TYPE_CHECKING:
    from greenai.audit.containers import Record
    from greenai.audit.duck import Connection

    _Key: TypeAlias = tuple[int, int, int]
    _Place: TypeAlias = tuple[int, int]

__all__ = ["Store", "in_memory", "working"]

VERSION = "audit-5"
FILE = "audit.duckdb"
_HEAD = 1 << 16
HELD_CHARS = 64 << 20
"""Requests of batches that are read at once, to stand beside their answers."""
LEAST, SMALL, COVERED = 20, 0.05, 0.9
"""A beginning is gone into where prompts gather at its longer ones: at least so many different prompts and such a share
of it at each, most of which go on with the same word, and this share of it in all. What gathers nowhere stays."""
OWN, HOLDS, MANY = 0.01, 0.8, 0.1
"""Among prompts of any kind, a beginning of three words is a template of its own if it is such a share of them and so
many of its prompts go on with the same word, or if it is as many of them as the last; so is an end of six words with
the first share, whatever comes before it."""

TELLS = 0.5
"""Prompts whose answers are a few labels are not parted where that removes such a share of the errors of always saying
the commonest label (Goodman and Kruskal's lambda): what tells the answer is what is asked about. Assumption."""

CHANCE, SLOT = 3.0, 5
"""Nor are they parted where labels fall alike in that many parts or more: Pearson's chi-squared is at most so many
standard deviations above what chance gives. A name or a greeting parts no task. Assumption."""

_COLUMNS = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
_WHOLE = f"coalesce(finish_reason IN {tuple(filter(None, WHOLE))}, true)"
_SOURCES = (
    "source INTEGER PRIMARY KEY, path VARCHAR, format VARCHAR, size BIGINT, head VARCHAR, last BIGINT, done BOOLEAN, "
    "tally VARCHAR"
)
_MADE = (
    f"CREATE TABLE calls ({_COLUMNS})",
    f"CREATE TABLE sources ({_SOURCES})",
    f"CREATE TABLE about AS SELECT '{VERSION}' AS version",
    *once.TABLES,
)


class Store:
    """The rows of an audit. Made by `working`."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self.files: tuple[Opened, ...] = ()

    # Writing.

    def begin(self, files: Sequence[Opened]) -> tuple[int, ...]:
        """Take the files of a log; return how many lines or rows of each were read before, -1 for all of them.

        Raises:
            LogUnreadable: the folder holds the audit of other files.
        """
        self.files = tuple(files)
        before = {path: (source, last, done) for source, path, last, done in self._sources()}
        named = [str(file.path.resolve()) for file in files]
        if before and not set(before) <= set(named):
            raise LogUnreadable(
                f"{self.path.parent} holds the audit of other files ({', '.join(sorted(before))}). "
                "Name another folder with --work, or remove that one."
            )
        return tuple(
            self._begun(number, file, name) for number, (file, name) in enumerate(zip(files, named, strict=True))
        )

    def _sources(self) -> list[tuple[Any, ...]]:
        return self._connection.execute("SELECT source, path, last, done FROM sources").fetchall()

    def _begun(self, number: int, file: Opened, path: str) -> int:
        head, size = _head(file.path), file.path.stat().st_size
        held = self._connection.execute(
            "SELECT head, last, done, size, format, source FROM sources WHERE path = ?", [path]
        )
        was = held.fetchone()
        if was is not None and was[5] == number and was[0] == head and was[4] == file.format.name and was[3] <= size:
            if not was[2]:
                return int(was[1])
            # A database changes in its middle, and in a log beside it: it is read anew.
            if file.container.kind != "sqlite":
                return -1 if was[3] == size else self._grown(number, int(was[1]))
        for rows in ("calls", "requests", "folded"):
            self._connection.execute(f"DELETE FROM {rows} WHERE source = ?", [number])  # noqa: S608 - as listed
        self._connection.execute("DELETE FROM sources WHERE source = ? OR path = ?", [number, path])
        values = [number, path, file.format.name, size, head, json.dumps(asdict(Tally(), dict_factory=_plain))]
        self._connection.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?, 0, false, ?)", values)
        return 0

    def _grown(self, source: int, last: int) -> int:
        """Return where to go on in a file that was read to its end; a last line that was being written is read anew."""
        tally = self.tally(source)
        if not tally.ends_broken:
            return last
        tally.malformed_count -= 1
        tally.malformed = [one for one in tally.malformed if not one.where.endswith(f":{last}")]
        told = json.dumps(asdict(tally, dict_factory=_plain))
        self._connection.execute("UPDATE sources SET last = ?, tally = ? WHERE source = ?", [last - 1, told, source])
        return last - 1

    def add(self, source: int, rows: Sequence[Sequence[Any]], last: int, tally: Tally, *, done: bool) -> None:
        """Add rows of a file, and how far it is read: both or neither."""
        self._connection.execute("BEGIN")
        self.insert(rows)
        told = json.dumps(asdict(tally, dict_factory=_plain))
        self._connection.execute(
            "UPDATE sources SET last = ?, done = ?, tally = ?, size = ? WHERE source = ?",
            [last, done, told, self.files[source].path.stat().st_size, source],
        )
        self._connection.execute("COMMIT")

    def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows of calls."""
        if rows:
            self._connection.register("given", _arrays(table(rows)))
            casts = ", ".join(f"{name}::{kind}" for name, kind in COLUMNS.items())
            self._connection.execute(f"INSERT INTO calls SELECT {casts} FROM given")  # noqa: S608 - names of columns
            self._connection.unregister("given")

    def tally(self, source: int) -> Tally:
        """Return what was counted of a file so far."""
        (held,) = cast(
            "tuple[str]", self._connection.execute("SELECT tally FROM sources WHERE source = ?", [source]).fetchone()
        )
        read = json.loads(held)
        return Tally(
            rows=read["rows"],
            skipped=read["skipped"],
            malformed=[Malformed(**one) for one in read["malformed"]],
            malformed_count=read["malformed_count"],
            present=set(read["present"]),
            ends_broken=read.get("ends_broken", False),
        )

    # Reading.

    def sql(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds in the tables `calls` (see `rows.COLUMNS`), `templates` and `sources`."""
        return self._connection.execute(query, list(values)).fetchall()

    def arrays(self, query: str, values: Sequence[Any] = ()) -> dict[str, Any]:
        """Return what a query finds as numpy's arrays by the names of their columns, masked where it is NULL."""
        return cast("dict[str, Any]", self._connection.execute(query, list(values)).fetchnumpy())

    def settle(self) -> None:
        """Count each call once and find its template, once all is read.

        Makes `templates` (source, position, part, template, depth). Which records are one call, `once` tells.
        """
        once.count_once(self._connection)
        for statement in _settling():
            self._connection.execute(statement)

    def told(self, tallies: Sequence[Tally]) -> tuple[Tally, ...]:
        """Return what was counted of each file: answers of batches tell what their requests do, which are no calls."""
        made = [replace(tally, present=set(tally.present)) for tally in tallies]
        for source, of in self.sql("SELECT DISTINCT source, of_source FROM asked_at"):
            made[source].present |= tallies[of].present
        for source, requests in self.sql("SELECT source, count(*) FROM requests GROUP BY source"):
            made[source].rows -= requests
            made[source].skipped += requests
        return tuple(made)

    def folded(self) -> int:
        """Return how many spans stand around a call that is counted, and are none of their own."""
        ((spans,),) = self.sql("SELECT count(*) FROM folded")
        return int(spans)

    def texts(self, wanted: Iterable[_Key]) -> Iterator[tuple[_Key, Logged]]:
        """Read some calls in the log again, by source, position and part; one that is gone is left out."""
        keys = sorted(wanted)
        asked_at = self._asked_at(keys)
        for portion in _portions(keys, {key: chars for key, (_, chars) in asked_at.items()}):
            requests = self._requests({key: asked_at[key][0] for key in portion if key in asked_at})
            for source, of in groupby(portion, key=itemgetter(0)):
                parts = {position: [part for *_, part in at] for position, at in groupby(of, key=itemgetter(1))}
                for position, chunk in records_at(self.files[source], parts):
                    calls, _ = parsed(chunk, requests.get(source))
                    yield from (
                        ((source, position, part), calls[part]) for part in parts[position] if part < len(calls)
                    )

    def _asked_at(self, keys: Sequence[_Key]) -> dict[_Key, tuple[_Place, int]]:
        """Return where the requests of a batch's answers stand among these calls, and how many characters they have."""
        import numpy as np

        if not keys or not self.sql("SELECT 1 FROM asked_at LIMIT 1"):
            return {}
        columns = np.array(keys, np.int64).T
        self._connection.register("wanted", dict(zip(("source", "position", "part"), columns, strict=True)))
        found = self.sql(
            "SELECT source, position, part, of_source, of_position, coalesce(prompt_chars, 0) "
            "FROM asked_at JOIN wanted USING (source, position, part) JOIN calls USING (source, position, part)"
        )
        self._connection.unregister("wanted")
        return {(source, position, part): ((of, at), chars) for source, position, part, of, at, chars in found}

    def _requests(self, asked_at: Mapping[_Key, _Place]) -> dict[int, dict[int, Record]]:
        """Read the requests of answers; by the answers' source and position."""
        found: dict[int, dict[int, Record]] = {}
        answers: dict[int, dict[int, _Key]] = {}
        for key, (source, position) in asked_at.items():
            answers.setdefault(source, {})[position] = key
        for source, positions in answers.items():
            for position, chunk in records_at(self.files[source], positions):
                at, answer, _ = positions[position]
                found.setdefault(at, {})[answer] = chunk.records[0][1]
        return found

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _portions(keys: Sequence[_Key], held: Mapping[_Key, int]) -> Iterator[list[_Key]]:
    """Part calls so that the requests of those among them that are answers of a batch can be held."""
    portion: list[_Key] = []
    chars = 0
    for key in keys:
        portion.append(key)
        chars += held.get(key, 0)
        if chars >= HELD_CHARS:
            yield portion
            portion, chars = [], 0
    yield portion


def _settling() -> Iterator[str]:
    """Yield the statements that find templates: one look at each level, from the shortest beginning on."""
    yield "DROP TABLE IF EXISTS templates"
    label = f"CASE WHEN ok AND NOT tool_calls AND {_WHOLE} AND answer_chars <= {LONGEST_LABEL} THEN answer END AS label"
    columns = f"source, position, part, 0 AS depth, mark_0 AS template, asked, {label}, {', '.join(MARKS)}"
    yield f"CREATE TABLE templates AS SELECT {columns} FROM calls WHERE mark_0 IS NOT NULL"  # noqa: S608 - as below
    for level in range(1, len(MARKS) - 1):
        yield _split(
            level, level - 1, f"(big AND together >= {COVERED} * of){' OR holds' if level == 1 else ''}", SMALL
        )
    yield _split(len(MARKS) - 1, 0, "big", OWN)
    for mark in (*MARKS[1:], "asked", "label"):
        yield f"ALTER TABLE templates DROP COLUMN {mark}"
    yield "CHECKPOINT"


def _split(level: int, above: int, when: str, small: float) -> str:
    """Return the statement that takes prompts which gather at a level out of what they were in `above` it."""
    mark, following, last = MARKS[level], MARKS[min(level + 1, len(MARKS) - 2)], level == len(MARKS) - 1
    return f"""
    UPDATE templates SET depth = {level}, template = templates.{mark} FROM (
        WITH grandchildren AS (
            SELECT template, {mark} AS child, count(DISTINCT asked) AS n FROM templates
            WHERE depth = {above} GROUP BY template, {mark}, {following}
        ),
        children AS (SELECT template, child, sum(n) AS n, max(n) AS most FROM grandchildren GROUP BY ALL),
        parents AS (SELECT template, sum(n) AS n FROM children GROUP BY ALL),
        sized AS (
            SELECT c.*, p.n AS of, c.n >= {small} * p.n AND (c.most >= {HOLDS} * c.n OR {last}) AS big,
                (c.most >= {HOLDS} * c.n AND c.n >= {OWN} * p.n) OR c.n >= {MANY} * p.n AS holds
            FROM children c JOIN parents p USING (template) WHERE c.n >= {LEAST}
        ),
        gathered AS (SELECT *, sum(n) FILTER (big) OVER (PARTITION BY template) AS together FROM sized),
        moved AS (SELECT template, child FROM gathered WHERE {when}),
        {_telling(mark, above)}
        SELECT template, child FROM moved ANTI JOIN telling USING (template)
    ) AS split
    WHERE templates.template = split.template AND templates.{mark} = split.child AND templates.depth = {above}
    """  # noqa: S608 - names of columns and constants of this module


def _telling(mark: str, above: int) -> str:
    """Return the tables that end in `telling`: templates of labels whose parts would be of one task all the same."""
    return f"""
        said AS (
            SELECT template, {mark} AS child, label, count(*) AS n FROM templates
            WHERE depth = {above} AND label IS NOT NULL AND template NOT IN ({", ".join(map(str, BARE))})
            GROUP BY ALL
        ),
        labels AS (SELECT template, label, sum(n) AS n FROM said GROUP BY ALL),
        few AS (
            SELECT template, max(n) / sum(n) AS commonest FROM labels GROUP BY ALL
            HAVING sum(n) >= {LEAST_LABELLED} AND sum(n) FILTER (n >= {FEWEST_OF_LABEL}) >= {SHARE} * sum(n)
                AND count(*) FILTER (n >= {FEWEST_OF_LABEL}) BETWEEN 2 AND sum(n) / {2 * FEWEST_OF_LABEL}
        ),
        each AS (
            SELECT template, child, sum(n) AS n, max(n) AS most FROM said JOIN moved USING (template, child)
            GROUP BY ALL
        ),
        parted AS (SELECT said.* FROM said JOIN moved USING (template, child) JOIN few USING (template)),
        part AS (SELECT template, child, sum(n) AS whole FROM parted GROUP BY ALL),
        kinds AS (
            SELECT template, label, sum(n) AS often FROM parted GROUP BY ALL HAVING sum(n) >= {FEWEST_OF_LABEL}
        ),
        expected AS (
            SELECT template, coalesce(p.n, 0) AS n, whole * often / sum(whole) OVER of_label AS mean,
                count(DISTINCT child) OVER of_all AS parts,
                (parts - 1) * (count(DISTINCT label) OVER of_all - 1) AS free
            FROM part JOIN kinds USING (template) LEFT JOIN parted p USING (template, child, label)
            WINDOW of_label AS (PARTITION BY template, label), of_all AS (PARTITION BY template)
        ),
        telling AS (
            SELECT template FROM each JOIN few USING (template) GROUP BY template, commonest
            HAVING sum(most) - commonest * sum(n) >= {TELLS} * (1 - commonest) * sum(n)
            UNION
            SELECT template FROM expected GROUP BY template
            HAVING max(parts) >= {SLOT}
                AND sum((n - mean) ** 2 / mean) <= max(free) + {CHANCE} * sqrt(2 * max(free))
        )
    """  # noqa: S608 - as below


def _plain(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, set) else value for name, value in pairs}


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEAD)).hexdigest()[:32]


def _arrays(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    import numpy as np

    made: dict[str, Any] = {}
    for name, values in columns.items():
        kind = COLUMNS[name]
        if kind == "VARCHAR":
            made[name] = np.array(values, dtype=object)
        else:
            dtype: Any = {"DOUBLE": np.float64, "BOOLEAN": np.bool_}.get(kind, np.int64)
            none = [value is None for value in values]
            made[name] = np.ma.masked_array(np.array([value or 0 for value in values], dtype), mask=none)
    return made


@contextmanager
def in_memory(calls: Sequence[Logged]) -> Generator[Store]:
    """Open a store of calls that stand in no file: their texts cannot be read again, and none is of a template."""
    connection = connected()
    try:
        for statement in (
            *_MADE,
            "CREATE TABLE templates AS SELECT source, position, part, mark_0 AS template FROM calls",
        ):
            connection.execute(statement)
        store = Store(connection, Path())
        store.insert([row(call, 0, position, 0) for position, call in enumerate(calls)])
        yield store
    finally:
        connection.close()


@contextmanager
def working(folder: Path | None = None) -> Generator[Store]:
    """Open the store of an audit: in a folder that is kept and gone on with, or in one that is removed at the end.

    Raises:
        LogUnreadable: the folder cannot be made, or holds something else, or the audit of another version.
    """
    if folder is not None:
        try:
            private_folder(folder)
        except OSError as error:
            raise LogUnreadable(
                f"{folder} cannot be a folder for the work ({error.strerror}). Name another one with --work."
            ) from None
        yield from _in(folder)
        return
    with tempfile.TemporaryDirectory(prefix="greenai-audit-") as temporary:
        yield from _in(Path(temporary))


def _in(folder: Path) -> Iterator[Store]:
    path = folder / FILE
    fresh = not path.exists()
    # DuckDB makes a file beside it for what was not written yet, and one for what memory cannot hold.
    mask = os.umask(0o077)
    try:
        yield from _with(path, fresh=fresh)
    finally:
        os.umask(mask)


def _with(path: Path, *, fresh: bool) -> Iterator[Store]:
    folder, connection = path.parent, _opened(path)
    try:
        path.chmod(0o600)
        connection.execute("SET temp_directory = ?", [str(folder / "spill")])
        if fresh:
            for statement in _MADE:
                connection.execute(statement)
        elif _version(connection) != VERSION:
            raise LogUnreadable(f"{path} was made by another version of greenai. Remove {folder} to begin anew.")
        yield Store(connection, path)
    except failures() as error:
        raise LogUnreadable(
            f"The work of the audit failed in {folder}: {str(error).splitlines()[0]} Where the disk is full, make room "
            "or name a folder on another one with --work."
        ) from error
    finally:
        connection.close()


def _opened(path: Path) -> Connection:
    try:
        return connected(path)
    except failures() as error:
        raise LogUnreadable(
            f"{path} cannot be opened: {str(error).splitlines()[0]} Where no other audit works in {path.parent}, "
            "remove it to begin anew, or name another folder with --work."
        ) from None


def _version(connection: Connection) -> object:
    try:
        told = connection.execute("SELECT version FROM about").fetchone()
    except failures():  # a database of something else
        return None
    return None if told is None else told[0]
