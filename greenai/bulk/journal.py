"""What survives of a job: its requests, and what came of each, in a file of its own in the state folder.

Whatever `keep` has returned from is on the disk: it is there after a crash of the process or a power failure, and that
item is never asked again. Prompts and answers are in
the file, which its owner alone may read; `forget` deletes it. One process at a time has a job: a lock that ends with
the process says so.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from greenai.bulk.answers import Answer, BatchReceipt, receipt_of, repeated, summed
from greenai.bulk.items import Given
from greenai.bulk.values import Answered, Failure, Item
from greenai.errors import BatchError, InvalidRequest
from greenai.store.batch_db import ANSWERED, FAILED, OPEN, UNSURE, BatchDb, ItemRow, Row
from greenai.store.files import FileLock, private_folder

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend, State
    from greenai.settings import Settings

__all__ = ["FOLDER", "Counts", "Journal", "folder_of", "jobs"]

FOLDER = "batches"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NOT_ASKED = Failure(code="not_asked", message="It was not asked yet: run the job again.", final=False)
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a job is. An item is a request, or several that are the same."""

    requests: int
    items: int
    answered: int
    failed: int
    unsure: int

    @property
    def left(self) -> int:
        """How many items are to be asked."""
        return self.items - self.answered - self.failed


def folder_of(settings: Settings) -> Path | None:
    """Return where journals are; None where this machine has no folder for state."""
    return None if settings.state_dir is None else settings.state_dir / FOLDER


def jobs(settings: Settings) -> list[Journal]:
    """Return the journals that there are, by name."""
    folder = folder_of(settings)
    if folder is None or not folder.is_dir():
        return []
    return [Journal(folder, path.stem) for path in sorted(folder.glob("*.db")) if _NAME.fullmatch(path.stem)]


class Journal:
    """The journal of one job. Nothing is opened or made before it is first used.

    Args:
        folder: where its file is; None keeps it in memory, for as long as this object lives.
        name: the job's.

    Raises:
        InvalidRequest: the name is none.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name!r} is no name for a batch. Pass up to 100 letters, digits and _ - . that do not begin with a "
                'dot or a dash, such as "reviews-2026-11".'
            )
        self.name = name
        self.path = None if folder is None else folder / f"{name}.db"
        self._db = BatchDb(self.path)

    def exists(self) -> bool:
        """Say whether there is one already. Asking makes none."""
        return (self.path is None or self.path.exists()) and self._db.fact("digest") is not None

    # Who has it.

    @contextmanager
    def held(self) -> Generator[None]:
        """Have the job for as long as the block runs.

        Raises:
            BatchError: another process has it, or another job of this one; or its folder cannot be written to.
        """
        if self.path is None:
            yield
            return
        try:
            private_folder(self.path.parent)
            path = self.path.with_suffix(".held")
            lock = FileLock(path)
        except OSError as error:
            raise BatchError(
                f"The journal of {self.name} cannot be kept in {self.path.parent}: {error.strerror}. Make that folder "
                'writable, or name another one with: state_dir = "..."'
            ) from error
        try:
            try:
                lock.acquire(time.monotonic())
            except BlockingIOError:
                raise BatchError(self._busy()) from None
            if not lock.is_at(path):  # it was forgotten between the two: another process may have a new one
                raise BatchError(f"The batch {self.name} was forgotten by another process just now. Run it again.")
            yield
        finally:
            lock.close()

    def _busy(self) -> str:
        counts = self.counts()
        holder: dict[str, Any] = json.loads(self._db.fact("holder") or "{}")
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}" if holder else "another process"
        stop = f", or stop it there with: kill -INT {holder['pid']}" if holder else "."
        return (
            f"The batch {self.name} is being run by {who}: {counts.items - counts.left:,} of {counts.items:,} done. "
            f"What it has answered is kept. Wait until it ends{stop}"
        )

    # What is in it.

    def begin(
        self,
        given: Given | None,
        backend: Backend,
        by: datetime | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the requests, unless they are there; `None`: go on with those that are.

        Args:
            given: the requests.
            backend: how they are asked.
            by: until when.
            options: what holds for all of them, as `with_options` takes it.

        Raises:
            BatchError: the name is that of a job with other requests, or of none where none are given.
        """
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).strftime("%F %T UTC")}
        facts = [("holder", _encode(holder)), ("backend", backend), ("options", _encode(options or {}))]
        if by is not None:
            facts.append(("by", by.isoformat()))
        if given is None or self._db.fact("digest") == given.digest:
            self.require()
            self._db.remember(facts)
            return
        self.refuse_others(given)
        created = self._db.fact("created") or datetime.now(UTC).isoformat()
        facts += [("digest", given.digest), ("created", created)]
        self._db.lay_down(lambda: _rows(given), lambda: _items(given), facts)

    def require(self) -> None:
        """Refuse a name that no job has.

        Raises:
            BatchError: it is none.
        """
        if not self.exists():
            where = "" if self.path is None else f" in {self.path.parent}"
            raise BatchError(f"There is no batch {self.name}{where}. List those there are with: greenai batch --list")

    def refuse_others(self, given: Given) -> None:
        """Refuse requests that are others than the job has, unless they are all there and more were added.

        Raises:
            BatchError: they are others.
        """
        known = self._db.keys()
        gone = sum(key not in given.items for key in known)
        if gone:
            raise BatchError(
                f"The name {self.name} is that of a batch of {len(known):,} other requests: {gone:,} of them are not "
                f"among the {len(given.items):,} given now. Requests may be added, not taken away or changed. Give "
                f"another name, or delete that batch and its answers with: greenai batch --forget {self.name}"
            )

    def left(self) -> list[Item]:
        """Return the items that are to be asked, in the order given; those that failed before come last."""
        return [
            Item(key=key, body=json.loads(body), options=json.loads(options)) for key, body, options in self._db.left()
        ]

    def keys_done(self) -> frozenset[str]:
        """Return the keys of the items that have an answer, or failed for good."""
        return frozenset(self._db.done())

    def keep(self, key: str, answered: Answered) -> bool:
        """Keep what came of an item, durably; return False where it had an answer before, which stays."""
        error = answered.error
        state = ANSWERED if error is None else FAILED if error.final else UNSURE
        response = None if answered.response is None else _encode(answered.response)
        receipt = None if answered.receipt is None else _encode(answered.receipt)
        return self._db.keep(key, state, response, receipt, None if error is None else _encode(asdict(error)))

    def counts(self) -> Counts:
        """Return how far the job is."""
        states = self._db.counts()
        return Counts(
            requests=self._db.size(),
            items=sum(states.values()),
            answered=states.get(ANSWERED, 0),
            failed=states.get(FAILED, 0),
            unsure=states.get(UNSURE, 0),
        )

    def by(self) -> datetime | None:
        """Return until when the job was to be done; None where nobody said, or that is over."""
        said = self._db.fact("by")
        found = None if said is None else datetime.fromisoformat(said)
        return found if found is not None and found > datetime.now(UTC) else None

    def backend(self) -> Backend | None:
        """Return how the job was begun to be asked."""
        return cast("Backend | None", self._db.fact("backend"))

    def options(self) -> dict[str, Any]:
        """Return what holds for all its requests, as `with_options` takes it."""
        found: dict[str, Any] = json.loads(self._db.fact("options") or "{}")
        return found

    def created(self) -> datetime | None:
        """Return when the job was first run."""
        said = self._db.fact("created")
        return None if said is None else datetime.fromisoformat(said)

    @property
    def state(self) -> State:
        """What a lane remembers here."""
        return _Notes(self._db)

    @property
    def digest(self) -> str:
        """What its requests are, as a hash."""
        return self._db.fact("digest") or ""

    # What came of it.

    def answers(self) -> Iterator[Answer]:
        """Return an answer for each request, in the order given."""
        for number, first, custom_id, state, response, receipt, error in self._db.results():
            failure = None if error is None else Failure(**json.loads(error))
            if state == OPEN:
                failure = _NOT_ASKED
            again = None if first == number else first
            completion = None if response is None else _completion(response, receipt, again)
            yield Answer(index=number, custom_id=custom_id, response=completion, error=failure)

    def receipt(self) -> BatchReceipt:
        """Return what the job took so far."""
        counts = {"requests": 0, "answered": 0, "failed": 0, "open": 0, "repeats": 0}
        for state, repeats, count in self._db.tally():
            counts["requests"] += count
            counts["repeats"] += count if repeats else 0
            counts[{OPEN: "open", ANSWERED: "answered"}.get(state, "failed")] += count
        return summed(self._db.receipts(), counts)

    # The end of it.

    def close(self) -> None:
        """Close the file; a later use opens it again."""
        self._db.close()

    def delete(self) -> None:
        """Delete the job: requests, answers and all. For who has it."""
        self._db.close()
        copies = [] if self.path is None else self.path.parent.glob(f"{self.path.name}.v*.bak")
        self._delete(
            ["", "-wal", "-shm", *(copy.name.removeprefix(f"{self.name}.db") for copy in copies), ".lock", ".held"]
        )

    def _delete(self, ends: Sequence[str]) -> None:
        if self.path is None:
            return
        for end in ends:
            file = self.path.with_suffix(end) if end == ".held" else self.path.with_name(self.path.name + end)
            with suppress(FileNotFoundError):
                file.unlink()


def _rows(given: Given) -> Iterator[Row]:
    firsts: dict[str, int] = {}
    return ((n, key, firsts.setdefault(key, n), own) for n, (key, own) in enumerate(given.order))


def _items(given: Given) -> Iterator[ItemRow]:
    return ((item.key, _encode(item.body), _encode(item.options)) for item in given.items.values())


class _Notes:
    """What a lane remembers, under names of its own."""

    def __init__(self, db: BatchDb) -> None:
        self._db = db

    def get(self, name: str) -> str | None:
        return self._db.fact(f"lane.{name}")

    def set(self, name: str, text: str | None) -> None:
        self._db.remember([(f"lane.{name}", text)])


def _completion(response: str, receipt: str | None, first: int | None) -> Any:
    from greenai import shapes

    completion = shapes.completion_from(json.loads(response))
    if receipt is None:
        return completion
    told = receipt_of(json.loads(receipt))
    return shapes.with_receipt(completion, told if first is None else repeated(told, first))
