"""What a format is: a name, what it is known by, how sure a look at a file makes, and how a record becomes calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenai.audit.values import Logged

__all__ = ["ASKED", "BATCH", "Format", "NoCall", "Recognised", "Sample", "Unreadable", "made"]


ASKED = "\0asked"
"""Where a reader puts the request of an answer of a batch, to have the texts of both."""
BATCH: Mapping[str, Any] = {"service_tier": "batch"}
"""Whose price a batch has, whatever its requests say."""


class Unreadable(ValueError):
    """A record that is none of its format's; the message says why, without what it holds."""


class NoCall(Exception):
    """A record that is no call to a model, such as the span of another work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The beginning of a file: its first records, and the tables where it is a SQLite database."""

    records: tuple[Mapping[str, Any], ...] = ()
    tables: frozenset[str] = frozenset()
    application_id: int = 0

    def share(self, *names: str) -> float:
        """Return the share of the records that have all of these fields."""
        if not self.records:
            return 0.0
        return sum(all(name in record for name in names) for record in self.records) / len(self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """How sure a format is that a file is its own, of 0 to 1, and by what."""

    score: float
    reason: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format of logs.

    Attributes:
        name: what `--format` takes.
        known_by: what a file of it has, for those whose file nobody knows.
        detect: looks at a sample.
        calls: makes calls of one record; raises `Unreadable` or `NoCall`.
        lacks: fields of `Logged` that this format never tells.
        rows: reads a SQLite database; None for files of records.
    """

    name: str
    known_by: str
    detect: Callable[[Sample], Recognised | None]
    calls: Callable[[Mapping[str, Any], str], Iterable[Logged]]
    lacks: frozenset[str] = field(default=frozenset())
    rows: Callable[[Any, int], Iterable[Mapping[str, Any]]] | None = None


def made(known: Mapping[str, Any], where: str) -> Logged:
    """Return a call of what is known of it, by the names of `Logged`."""
    return Logged(where=where, **known)
