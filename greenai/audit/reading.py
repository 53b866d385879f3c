"""Logs as calls: which files, of which format and why, read in chunks; what cannot be read is counted, never fatal.

A file goes through three hands: `containers` splits it into records, a format makes calls of each, and what is told of
the whole file (rows, damage, what no call of it says) is counted here. `parsed` is a pure function of records, so that
another process may do it.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, cast

from greenai import hosts
from greenai.audit.containers import Container, Damaged, Record, container_of, records
from greenai.audit.formats import (
    ASKED,
    FORMATS,
    Format,
    NoCall,
    Recognised,
    Sample,
    Unreadable,
    chosen,
    known,
)
from greenai.audit.values import Logged, Malformed, Missing, Source
from greenai.errors import GreenAIError, LogUnreadable
from greenai.store.reading import foreign, looked_at, reading

__all__ = [
    "BROKEN",
    "Chunk",
    "Opened",
    "Paths",
    "Tally",
    "chunks",
    "opened",
    "parsed",
    "records_at",
    "require_calls",
    "summed",
]

Paths: TypeAlias = "str | PathLike[str] | Sequence[str | PathLike[str]]"

CHUNK = 1_000
"""Records that are read at once, and their bytes at most."""
CHUNK_BYTES = 8 << 20
SHOWN = 20
_SAMPLE = 20
_DATABASES = (".db", ".sqlite", ".sqlite3")
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", *_DATABASES, ".gz", ".zst")

# What comes of values of another kind than their names say, in records that nobody has seen.
BROKEN = (Unreadable, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)

# What the finding cannot say where no call of a file has a field.
COSTS: Mapping[str, str] = {
    "messages": "no repeats, templates, or what would have sufficed: only sums by model and hour",
    "answer": "no check whether answers were the same, and no template that a task model could learn",
    "input_tokens": "energy and cost of prompts are estimated from their length",
    "output_tokens": "energy and cost of answers are estimated from their length",
    "created": "no hours, no repeats within a cache's lifetime, nothing always on",
    "model": "no energy, and no smaller model to compare with",
    "cached_tokens": "prefixes that a provider's cache served already are not told from those that it did not",
    "reasoning_tokens": "reasoning is counted where the model always does it, else not told apart",
    "project": "one finding for all, not one for each project",
    "latency_s": "energy of models on own machines is estimated from tokens",
    "cost_usd": "cost is computed from the catalog's prices",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One file of a log: how it is split, its format, why that was chosen, and whether somebody named it."""

    container: Container
    format: Format
    reason: str
    version: str | None = None
    named: bool = False

    @property
    def path(self) -> Path:
        """The file."""
        return self.container.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one file as they stand in it.

    Attributes:
        name: the file's name, for `where`.
        format: the format's name.
        records: where each stands (line or row), and itself.
        read: bytes of the file read so far.
    """

    name: str
    format: str
    records: tuple[tuple[int, Record], ...]
    read: int

    @property
    def last(self) -> int:
        """The line or row that was read last."""
        return self.records[-1][0] if self.records else 0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was counted while a file was read; `ends_broken` where its last record could not be: it may not be whole."""

    rows: int = 0
    skipped: int = 0
    malformed: list[Malformed] = field(default_factory=list)
    malformed_count: int = 0
    present: set[str] = field(default_factory=set)
    ends_broken: bool = False

    def add(self, other: Tally) -> None:
        """Count another part of the same file."""
        self.rows += other.rows
        self.skipped += other.skipped
        self.malformed_count += other.malformed_count
        self.malformed = [*self.malformed, *other.malformed][:SHOWN]
        self.present |= other.present
        self.ends_broken = other.ends_broken

    def damaged(self, where: str, why: str) -> None:
        """Count a record that could not be read."""
        self.malformed_count += 1
        if len(self.malformed) < SHOWN:
            self.malformed.append(Malformed(where=where, why=why))


# --- files and their formats --------------------------------------------------------------


def opened(
    paths: Paths,
    format: str | None = None,  # noqa: A002 - the option's name
    left: list[Source] | None = None,
) -> tuple[Opened, ...]:
    """Find the files of a log, and look at each.

    Args:
        paths: files, folders (all logs in them) or patterns such as `logs/*.jsonl`.
        format: the format of all of them, where it shall not be found out.
        left: takes the files of folders and patterns that are no logs; without it, such a file is refused as well.

    Raises:
        LogUnreadable: there is no such file, it cannot be read, or nobody knows its format.
    """
    if format is not None and format not in FORMATS:
        raise LogUnreadable(f'There is no format "{format}". Name one of these:\n{known()}')
    given = [paths] if isinstance(paths, (str, PathLike)) else list(paths)
    # A file that two patterns find is one: its calls were made once.
    found = {path.resolve(): path for name in reversed(given) for path in reversed(_files(Path(name)))}
    named = {Path(name) for name in given}
    read: list[Opened] = []
    unknown: list[tuple[Path, LogUnreadable]] = []
    for path in reversed(found.values()):
        try:
            read.append(_opened(path, format))
        except LogUnreadable as error:
            if path in named or left is None:
                raise
            unknown.append((path, error))
    if unknown and not read:
        raise unknown[0][1]
    if left is not None:
        left.extend(_left_out(path, error) for path, error in unknown)
    return tuple(read)


def _left_out(path: Path, error: LogUnreadable) -> Source:
    why = str(error).partition("\n")[0].partition(". ")[0].replace(f"{path} ", "it ")
    left = f"{why[:1].lower()}{why[1:]}"
    return Source(path=str(path), format="unknown", reason="", size_bytes=path.stat().st_size, left_out=left)


def require_calls(files: Sequence[Opened], read: Sequence[Source]) -> None:
    """Refuse a log of which nothing could be read as the format that `--format` names.

    Raises:
        LogUnreadable: no record of any file is a call.
    """
    if any(source.rows for source in read):
        return
    for file, source in zip(files, read, strict=True):
        count = source.malformed_count + source.skipped
        seen = chosen(_sample(file.container)) if file.named and count else None
        if file.named and count and (seen is None or seen[0] is not file.format):
            raise LogUnreadable(_other(file, source, count, seen))


def _other(file: Opened, source: Source, count: int, seen: tuple[Format, Recognised] | None) -> str:
    first = f" The first: {source.malformed[0].where}: {source.malformed[0].why}." if source.malformed else ""
    like = f"It looks like {seen[0].name} ({seen[1].reason})" if seen else "It looks like no format that is known"
    return (
        f"None of the {count:,} records of {file.path} is a call as {file.format.name} writes it.{first} {like}: leave "
        "--format out."
    )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in _SUFFIXES)
        if not inside:
            raise LogUnreadable(f"There is no log in {path}: no file that ends in {', '.join(_SUFFIXES)}. Name a file.")
        return inside
    if path.exists():
        return [path]
    matched = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - a whole pattern
    if not matched:
        raise LogUnreadable(f"There is no file {path}. Check the name with: ls {path.parent}")
    return [file for file in matched if file.is_file()]


def _opened(path: Path, name: str | None) -> Opened:
    try:
        container = container_of(path)
        if name is not None:
            return Opened(container=container, format=FORMATS[name], reason="--format names it", named=True)
        found = chosen(_sample(container))
    except OSError as error:
        raise LogUnreadable(f"{path} cannot be read: {error.strerror or error}. Check who may: ls -l {path}") from error
    except GreenAIError as error:
        raise LogUnreadable(str(error)) from error
    if found is None:
        raise LogUnreadable(_unknown(path, container))
    form, seen = found
    return Opened(container=container, format=form, reason=seen.reason, version=seen.version)


def _unknown(path: Path, container: Container) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty. Name a file that has calls."
    if container.packed and path.suffixes[-2:-1] and path.suffixes[-2].lower() in _DATABASES:
        unpack = "gunzip -k" if container.packed == "gzip" else "zstd -d"
        return f"{path} is a compressed database, and one is read as it is only. Unpack it first: {unpack} {path}"
    return (
        f"No format is known that {path} is of ({container.kind}). Name it with --format if it is one of these:\n"
        f"{known()}\nElse write each call as a line: "
        '{"request": {"model": "...", "messages": [...]}, "response": {...}, "created": 1763800000}'
    )


def _sample(container: Container) -> Sample:
    if container.kind == "sqlite":
        tables, owner = looked_at(container.path)
        return Sample(tables=tables, application_id=owner)
    read: list[Mapping[str, Any]] = []
    with records(container) as found:
        for _, record, _ in islice(found, _SAMPLE * 5):
            with suppress(Unreadable):
                read.append(_object(record))
            if len(read) >= _SAMPLE:
                break
    return Sample(records=tuple(read))


def _object(record: Record) -> Mapping[str, Any]:
    """Return a record as an object.

    Raises:
        Unreadable: it is none.
    """
    if isinstance(record, Damaged):
        raise Unreadable(record.why)
    if not isinstance(record, bytes):
        return record
    try:
        value = json.loads(record)
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"no JSON: {str(error).partition(':')[0].lower()}") from None
    if not isinstance(value, dict):
        raise Unreadable(f"JSON, but a {type(value).__name__} instead of an object")
    return cast("dict[str, Any]", value)


# --- records and calls --------------------------------------------------------------------


def records_at(source: Opened, positions: Iterable[int]) -> Iterator[tuple[int, Chunk]]:
    """Yield some records of a file by the lines or rows that they stand at, each as a chunk of its own."""
    left = set(positions)
    for chunk in chunks(source) if left else ():
        for record in chunk.records:
            if record[0] in left:
                left.remove(record[0])
                yield record[0], replace(chunk, records=(record,))
        if not left or chunk.last >= max(left):
            return


def chunks(source: Opened, skip: int = 0) -> Iterator[Chunk]:
    """Read a file's records after its first `skip` lines or rows."""
    held: list[tuple[int, Record]] = []
    size = read = 0
    with _records(source, skip) as found:
        for number, record, done in found:
            held.append((number, record))
            size, read = size + (len(record) if isinstance(record, bytes) else 1_000), done
            if len(held) >= CHUNK or size >= CHUNK_BYTES:
                yield _chunk(source, held, read)
                held, size = [], 0
    if held:
        yield _chunk(source, held, read)


def _chunk(source: Opened, held: Sequence[tuple[int, Record]], read: int) -> Chunk:
    return Chunk(name=source.path.name, format=source.format.name, records=tuple(held), read=read)


@contextmanager
def _records(source: Opened, skip: int) -> Generator[Iterator[tuple[int, Record, int]]]:
    """Give a file's records; of a database, those that its format reads."""
    if source.container.kind != "sqlite" or source.format.rows is None:
        with records(source.container, skip) as found:
            yield found
        return
    own = source.format.name == "greenai"
    with reading(source.path) if own else foreign(source.path) as reader:
        rows = source.format.rows(reader, skip)
        yield ((number, row, 0) for number, row in enumerate(rows, start=skip + 1))


def parsed(chunk: Chunk, requests: Mapping[int, Record] | None = None) -> tuple[tuple[Logged, ...], Tally]:
    """Make calls of records; what is none, or cannot be read, is counted.

    Args:
        chunk: the records.
        requests: for answers of batches, the records that they answer, by where the answer stands.
    """
    form, tally = FORMATS[chunk.format], Tally()
    calls: list[Logged] = []
    for number, record in chunk.records:
        where = f"{chunk.name}:{number}"
        tally.ends_broken = False
        try:
            row = _object(record)
            if requests and number in requests:
                row = {**row, ASKED: _object(requests[number])}
            calls.extend(map(_whole, form.calls(row, where)))
        except NoCall:
            tally.skipped += 1
        except BROKEN as error:
            tally.damaged(
                where, str(error) if isinstance(error, Unreadable) else "values of another kind than expected"
            )
            tally.ends_broken = True
    tally.rows = len(calls)
    for name in COSTS.keys() - tally.present:
        if any(getattr(call, name) is not None for call in calls):
            tally.present.add(name)
    return tuple(calls), tally


def _whole(call: Logged) -> Logged:
    """Return a call with its provider by the name used here, and all of its tokens.

    Parts that are more than what should hold them were counted apart.
    """
    parts = (("input_tokens", "cached_tokens"), ("output_tokens", "reasoning_tokens"))
    known: dict[str, Any] = {} if call.provider is None else {"provider": hosts.named(call.provider)}
    known |= {
        whole: count + part
        for whole, name in parts
        if (count := getattr(call, whole)) is not None and (part := getattr(call, name)) is not None and part > count
    }
    if call.kind == "embeddings" and call.output_tokens is None and call.input_tokens is not None:
        known["output_tokens"] = 0  # it writes nothing, and its usage does not say so
    return replace(call, **known) if known else call


def summed(source: Opened, tally: Tally) -> Source:
    """Return what is told of a file after it was read."""
    lacking = [name for name in COSTS if name not in tally.present] if tally.rows else []
    return Source(
        path=str(source.path),
        format=source.format.name,
        reason=source.reason,
        version=source.version,
        size_bytes=source.path.stat().st_size,
        rows=tally.rows,
        skipped=tally.skipped,
        malformed=tuple(tally.malformed),
        malformed_count=tally.malformed_count,
        missing=tuple(Missing(field=name, costs=COSTS[name]) for name in lacking),
    )
