"""Join the records of several people: a union, so that order and repetition do not matter.

Whatever was given is kept. Which of it may be shown is decided from the whole set each time: a record that was changed,
and records of one id with different content, are kept apart. One that is signed is not put aside by others that are
not: anybody could make those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from greenai.rate.record import SCHEMA, Check, Record, canonical

__all__ = ["Apart", "Merged", "merged"]

_BEST: tuple[Check, ...] = ("signed", "unchecked", "unsigned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A record that is not shown, and why."""

    record: Record
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """`records` is all that was given, each once. `shown` are those that count; `apart` the others, with the reason."""

    records: tuple[Record, ...]
    shown: tuple[Record, ...]
    apart: tuple[Apart, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: what `read` reads, and what is kept apart, for people."""
        return {
            "schema": f"{SCHEMA}-set",
            "records": [record.to_dict() for record in self.records],
            "apart": [{"id": a.record.id, "sha256": a.record.sha256, "why": a.why} for a in self.apart],
        }


def merged(records: Iterable[Record]) -> Merged:
    """Join records. Associative, commutative, and the same however often one is given."""
    spelled = {canonical(record.to_dict()): record for record in records}
    whole = tuple(spelled[key] for key in sorted(spelled))
    checked = [(record, record.check()) for record in whole]
    apart = [
        Apart(record=r, why="changed after it was written, or signed wrongly") for r, c in checked if c == "changed"
    ]
    by_id: dict[str, dict[str, list[tuple[int, Record]]]] = {}
    for record, check in checked:
        if check != "changed":
            same = by_id.setdefault(record.id, {}).setdefault(record.sha256, [])
            same.append((_BEST.index(check), record))
    shown: list[Record] = []
    for contents in by_id.values():
        # Copies of one content, signed or not, are one record; min keeps the first of equals in the sorted order.
        copies = [min(same, key=lambda pair: pair[0]) for same in contents.values()]
        signed = [record for rank, record in copies if rank == 0]
        kept = signed if len(signed) == 1 else [record for _, record in copies]
        others = [record for _, record in copies if record not in kept]
        apart += [Apart(record=record, why="not signed, and a signed record has its id") for record in others]
        if len(kept) == 1:
            shown += kept
        else:
            apart += [Apart(record=record, why=f"{len(kept)} records with this id differ") for record in kept]
    return Merged(records=whole, shown=tuple(shown), apart=tuple(apart))
