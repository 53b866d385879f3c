"""What a job remembers of its batches at a provider, so that another process goes on where one was killed.

    begun     written down with the keys of its requests, before anything is sent
    file      their file was uploaded
    batch     the provider made a batch of it
    (gone)    what came of each request is in the journal

A part without a batch may have one that nobody wrote down: its `name` is in the batch's metadata at the provider, and
in the name of its file, so that both can be found there.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from greenai.values import Note, Tier

if TYPE_CHECKING:
    from greenai.bulk.lanes import State

__all__ = ["Made", "Part", "Parts", "Record"]

_INDEX = "provider"
_DENIED = "provider.denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made of requests before they were sent: the rung, the nudges' notes, and whether they may reason."""

    model: str
    tier: Tier
    notes: tuple[Note, ...] = ()
    reasoning: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The requests of one part: by its key which of `made` holds for each, in the order of their lines."""

    options: Mapping[str, Any]
    made: tuple[Made, ...]
    keys: Mapping[str, int] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of requests, and its batch; `begun` in seconds since 1970, `account` a hash of the key."""

    name: str
    begun: float
    account: str = ""
    file: str | None = None
    batch: str | None = None


class Parts:
    """The parts of one job that are not over."""

    def __init__(self, state: State, job: str) -> None:
        self._state = state
        self._job = job
        self._open = [Part(**part) for part in json.loads(state.get(_INDEX) or "[]")]

    def __iter__(self) -> Iterator[Part]:
        return iter(tuple(self._open))

    def begin(self, record: Record, account: str) -> Part:
        """Write down a new part; nothing of it was sent."""
        digest = sha256("\n".join((self._job, *record.keys)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        part = Part(name=f"{digest}-{secrets.token_hex(4)}", begun=time.time(), account=account)
        self._state.set(_of(part), json.dumps(asdict(record)))
        self._open.append(part)
        self._write()
        return part

    def change(self, part: Part, **changes: str) -> Part:
        """Write down what a part has now."""
        changed = replace(part, **changes)  # type: ignore[arg-type]
        self._open[self._open.index(part)] = changed
        self._write()
        return changed

    def end(self, part: Part) -> None:
        """Forget a part."""
        self._open.remove(part)
        self._write()
        self._state.set(_of(part), None)

    @property
    def denied(self) -> frozenset[str]:
        """The models that the provider refused for this key."""
        return frozenset(json.loads(self._state.get(_DENIED) or "[]"))

    def deny(self, *models: str) -> None:
        """Write down that the provider refused models for this key."""
        self._state.set(_DENIED, json.dumps(sorted({*self.denied, *models})))

    def record(self, part: Part) -> Record:
        """Return the requests of a part."""
        said = json.loads(self._state.get(_of(part)) or '{"options": {}, "made": [], "keys": {}}')
        made = tuple(_made(one) for one in said["made"])
        return Record(options=said["options"], made=made, keys=said["keys"])

    def _write(self) -> None:
        self._state.set(_INDEX, json.dumps([asdict(part) for part in self._open]))


def _of(part: Part) -> str:
    return f"{_INDEX}.{part.name}"


def _made(said: Mapping[str, Any]) -> Made:
    notes = tuple(Note(**note) for note in said["notes"])
    return Made(model=said["model"], tier=said["tier"], notes=notes, reasoning=said.get("reasoning"))
