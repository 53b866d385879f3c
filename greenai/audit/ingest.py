"""A log into the store: one process reads and writes, others parse and digest; in order, and from where it stopped."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, Protocol, TypeAlias

from greenai.audit.reading import BROKEN, Chunk, Opened, Tally, chunks, parsed, require_calls, summed
from greenai.audit.rows import row
from greenai.audit.store import Store
from greenai.audit.values import Source

__all__ = ["Moved", "ingest"]

WORTH_WORKERS = 64 << 20
"""A log of fewer bytes is read before other processes have started."""
AHEAD = 3
"""Chunks that each process has before it."""
COMMIT = 20_000
TOLD_S = 0.5

_Rows: TypeAlias = "tuple[list[tuple[Any, ...]], int, Tally, int]"


class Moved(Protocol):
    """Is told how far it is, in bytes of all files, and how many calls were read."""

    def __call__(self, done: int, of: int, calls: int) -> None:
        """Show it."""


def ingest(
    files: Sequence[Opened], store: Store, *, workers: int = 2, moved: Moved | None = None
) -> tuple[Source, ...]:
    """Read a log into a store; what was read before is not read again.

    Args:
        files: what `reading.opened` found.
        store: where the rows go.
        workers: processes that parse; a small log is parsed by this one.
        moved: told after each transaction, and at least about every second.

    Raises:
        LogUnreadable: nothing can be read as the format that was named.
    """
    skips = store.begin(files)
    sizes = [file.path.stat().st_size for file in files]
    tallies: list[Tally] = []
    total = sum(sizes)
    with _parsing(workers if total >= WORTH_WORKERS else 0) as parse:
        for number, (file, skip) in enumerate(zip(files, skips, strict=True)):
            tally = store.tally(number)
            if skip >= 0:
                before = sum(sizes[:number])
                for read in _one(number, file, skip, tally, store, parse):
                    if moved is not None:
                        moved(before + min(read, sizes[number]), total, tally.rows)
            tallies.append(tally)
    require_calls(files, [summed(file, tally) for file, tally in zip(files, tallies, strict=True)])
    store.settle()
    return tuple(summed(file, tally) for file, tally in zip(files, store.told(tallies), strict=True))


def _one(number: int, file: Opened, skip: int, tally: Tally, store: Store, parse: _Parse) -> Iterator[int]:
    """Read one file into the store; yields the bytes read so far, after each transaction and each second."""
    held: list[tuple[Any, ...]] = []
    last, told = skip, time.monotonic()
    for rows, at, counted, read in parse(number, chunks(file, skip)):
        held.extend(rows)
        tally.add(counted)
        last = max(last, at)
        if len(held) >= COMMIT:
            store.add(number, held, last, tally, done=False)
            held = []
        if not held or time.monotonic() - told >= TOLD_S:
            told = time.monotonic()
            yield read
    store.add(number, held, last, tally, done=True)
    yield file.path.stat().st_size


class _Parse(Protocol):
    def __call__(self, number: int, given: Iterator[Chunk]) -> Iterator[_Rows]: ...


@contextmanager
def _parsing(workers: int) -> Generator[_Parse]:
    """Give what parses chunks in order: here, or in processes that are begun with nothing of this one."""
    if workers < 2:

        def here(number: int, given: Iterator[Chunk]) -> Iterator[_Rows]:
            for chunk in given:
                yield _rows(number, chunk)

        yield here
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin) as pool:

        def there(number: int, given: Iterator[Chunk]) -> Iterator[_Rows]:
            waiting: deque[Future[_Rows]] = deque()
            for chunk in given:
                waiting.append(pool.submit(_rows, number, chunk))
                if len(waiting) >= workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        yield there


def _begin() -> None:
    """Have a process that parses end when the one that began it is gone."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()  # killed, it has told nobody: a pool's processes would wait for ever
        os._exit(1)


def _rows(number: int, chunk: Chunk) -> _Rows:
    calls, tally = parsed(chunk)
    parts: dict[int, int] = {}
    rows: list[tuple[Any, ...]] = []
    for call in calls:
        position = int(call.where.rpartition(":")[2])
        part = parts[position] = parts.get(position, -1) + 1
        try:
            rows.append(row(call, number, position, part))
        except BROKEN:
            tally.damaged(call.where, "values of another kind than expected")
            tally.rows -= 1
    return rows, chunk.last, tally, chunk.read
