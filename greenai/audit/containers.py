"""Files as records: lines and streams of JSON as bytes, rows of CSV and Parquet by DuckDB, rows of SQLite by the store.

Lines of JSON are split here and not by DuckDB (2.0.0, measured): its reader of lines ends at the first byte that is no
UTF-8, and needs a buffer of 16 times the longest line. What it decompresses (zstd) and parses (CSV, Parquet) is read
by it. A record that cannot be read is a `Damaged` in its place; none ends the file.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

from greenai.audit.duck import connected, failures
from greenai.audit.pieces import Broken, pieces
from greenai.errors import LogUnreadable

if TYPE_CHECKING:
    from greenai.audit.duck import Connection

__all__ = ["Container", "Damaged", "Record", "container_of", "records"]

LONGEST = 64 * 1024 * 1024
"""Bytes of one record; a longer one is told as damaged and not held."""
_BLOCK, _HEAD = 1 << 20, 1 << 16
_ROWS = 2_000
_ZONED = "TIMESTAMP WITH TIME ZONE"
_MARKS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "parquet", b"SQLite format 3\x00": "sqlite"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM, _BLANK = b"\xef\xbb\xbf", b" \t\r\n"
# Between which no text of a log is cut: four control characters in a row.
_NEVER = "\x1c\x1d\x1e\x1f"
_KEEPING = (
    "store_rejects = true, rejects_limit = 0, strict_mode = false, parallel = false, "
    f"max_line_size = {LONGEST // 4}, buffer_size = {LONGEST}"
)
_TABLE = """header = true, null_padding = true, quote = '"', escape = '"'"""
_LINES = (
    "columns = {'line': 'VARCHAR'}, header = false, auto_detect = false, quote = '', escape = '', new_line = '\\n', "
    f"delim = '{_NEVER}', nullstr = '{_NEVER[::-1]}', compression = 'zstd'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A record that could not be read, and why."""

    why: str


Record: TypeAlias = bytes | Mapping[str, Any] | Damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How a file holds its records: `lines`, `stream` (JSON over many lines), `csv`, `parquet`, `sqlite`."""

    path: Path
    kind: str
    packed: str = ""


def container_of(path: Path) -> Container:
    """Look at a file's first bytes, and at its name where these do not tell.

    Raises:
        OSError: it cannot be read.
        LogUnreadable: it is UTF-16, or cannot be unpacked.
    """
    with path.open("rb") as file:
        first = file.read(16)
    mark = next((name for begins, name in _MARKS.items() if first.startswith(begins)), "")
    if first.startswith(_UTF16):
        raise LogUnreadable(
            f"{path} is UTF-16, and logs are read as UTF-8. "
            f"Convert it: iconv -f UTF-16 -t UTF-8 {path} > utf8{path.suffix}"
        )
    if mark in {"parquet", "sqlite"}:
        return Container(path=path, kind=mark)
    names = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in {".gz", ".zst", ".zstd"}]
    if names and names[-1] in {".csv", ".tsv"}:
        return Container(path=path, kind="csv", packed=mark)
    return Container(path=path, kind=_json_kind(path, mark), packed=mark)


def _json_kind(path: Path, packed: str) -> str:
    """Say whether JSON stands one object a line, or over many lines."""
    if packed == "zstd":
        return "lines"
    head = _head(path, packed)
    line, _, rest = head.partition(b"\n")
    if head.startswith(b"["):
        return "stream"
    return "stream" if rest and line.strip() in {b"{", b""} else "lines"


def _head(path: Path, packed: str) -> bytes:
    with path.open("rb") as raw:
        head = raw.read(_HEAD)
    if packed == "gzip":
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        except zlib.error as error:
            raise LogUnreadable(f"{path} cannot be unpacked: {error}. Name a whole copy of it.") from None
    return head.removeprefix(_BOM).lstrip()


def _header(container: Container) -> tuple[str, list[str]]:
    """Return what parts the columns of a table, and their names; commas and nothing where zstd hides them."""
    if container.packed == "zstd":
        return ",", []
    line = _head(container.path, container.packed).partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    sign = max(",;\t", key=line.count)
    names = next(csv.reader([line], delimiter=sign), [])
    return sign, names if len(set(names)) == len(names) else []


@contextmanager
def records(container: Container, skip: int = 0) -> Generator[Iterator[tuple[int, Record, int]]]:
    """Give the records of a file after the first `skip`: where each stands (line, row), itself, bytes read so far."""
    if container.kind in {"csv", "parquet"} or container.packed == "zstd":
        yield _queried(container, skip)
        return
    with container.path.open("rb") as raw:
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if container.packed == "gzip" else raw
        read = _lines(file, raw, skip) if container.kind == "lines" else _streamed(file, raw, skip)
        yield read


# --- lines --------------------------------------------------------------------------------


def _lines(file: IO[bytes], raw: IO[bytes], skip: int) -> Iterator[tuple[int, Record, int]]:
    number, done = 0, 0
    packed = file is not raw
    lines = _capped(file)
    try:
        for line, length in lines:
            number += 1
            done = raw.tell() if packed and number % 1000 == 0 else done if packed else done + length
            if number <= skip:
                continue
            record = line if isinstance(line, Damaged) else line.strip(_BLANK if number > 1 else _BLANK + _BOM)
            if record:
                yield number, record, done
    except (EOFError, OSError, zlib.error) as error:  # a packed file that ends in its middle
        yield number + 1, Damaged(why=f"the packed file breaks off: {error}"), done


def _capped(file: IO[bytes]) -> Iterator[tuple[bytes | Damaged, int]]:
    """Split lines, none of them held beyond `LONGEST`."""
    while line := file.readline(LONGEST):
        length = len(line)
        if length < LONGEST or line.endswith(b"\n"):
            yield line, length
            continue
        while rest := file.readline(_BLOCK):
            length += len(rest)
            if rest.endswith(b"\n"):
                break
        yield Damaged(why=f"a line of {length:,} bytes; the most is {LONGEST:,}"), length


# --- JSON over many lines -----------------------------------------------------------------


def _streamed(file: IO[bytes], raw: IO[bytes], skip: int) -> Iterator[tuple[int, Record, int]]:
    number = 0
    try:
        for piece in pieces(file, LONGEST):
            number += 1
            if number > skip:
                yield number, Damaged(why=str(piece)) if isinstance(piece, Broken) else piece, raw.tell()
    except (EOFError, OSError, zlib.error) as error:
        yield number + 1, Damaged(why=f"the packed file breaks off: {error}"), raw.tell()


# --- by DuckDB ----------------------------------------------------------------------------


def _queried(container: Container, skip: int) -> Iterator[tuple[int, Record, int]]:
    """Read rows of CSV or Parquet, or packed lines of JSON."""
    connection = connected(threads=1)
    size, number = container.path.stat().st_size, 0
    try:
        cursor = connection.execute(*_query(container, connection))
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_ROWS):
            for row in rows:
                number += 1
                if number > skip:
                    record = row[0].encode() if container.kind == "lines" else dict(zip(names, row, strict=True))
                    yield number, record, 0
        yield from _rejected(connection, container, number, size)
    except failures() as error:
        why = str(error).partition("\n")[0]
        if not number:
            raise LogUnreadable(
                f"{container.path} cannot be read as {container.kind}: {why}. Write it anew, or convert it to JSONL."
            ) from error
        yield number + 1, Damaged(why=f"DuckDB: {why}"), size
    finally:
        connection.close()


def _query(container: Container, connection: Connection) -> tuple[str, list[Any]]:
    """Return the query that reads a file, and its values."""
    path = str(container.path)
    if container.kind == "parquet":
        return f"SELECT * {_unzoned(connection, path)} FROM read_parquet(?)", [path]  # noqa: S608 - its columns' names
    if container.kind == "lines":
        return f"SELECT line FROM read_csv(?, {_LINES}, {_KEEPING})", [path]  # noqa: S608 - constants of this module
    sign, names = _header(container)
    columns = "columns = ?, auto_detect = false" if names else "all_varchar = true"
    values = [path, sign, dict.fromkeys(names, "VARCHAR")] if names else [path, sign]
    return f"SELECT * FROM read_csv(?, delim = ?, {_TABLE}, {columns}, {_KEEPING})", values  # noqa: S608 - as above


def _unzoned(connection: Connection, path: str) -> str:
    """Return how moments with a zone are given as numbers: as what they are, DuckDB would need the package pytz."""
    found = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
    zoned = [(f'"{name.replace(chr(34), chr(34) * 2)}"', kind) for name, kind, *_ in found if _ZONED in kind]
    made = [f"{'epoch_us' if kind == _ZONED else 'to_json'}({name}) AS {name}" for name, kind in zoned]
    return f"REPLACE ({', '.join(made)})" if made else ""


def _rejected(
    connection: Connection, container: Container, number: int, size: int
) -> Iterator[tuple[int, Record, int]]:
    """Tell the lines that DuckDB could not read, after the others: it has their numbers."""
    if container.kind == "parquet":
        return
    told = "SELECT DISTINCT line, error_type::VARCHAR FROM reject_errors ORDER BY line"
    for line, kind in connection.execute(told).fetchall():
        number += 1
        yield int(line), Damaged(why=f"DuckDB: {kind.lower()}"), size
