"""How values stand in logs: numbers as text, JSON inside of text, moments in five spellings; read, or None."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from greenai.reported import count

__all__ = ["count_of", "dollars", "found", "items", "json_of", "mapping", "moment", "number", "snake", "text", "truth"]

# Below the first it is seconds since 1970, below the next milliseconds, microseconds, else nanoseconds.
_SCALES = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))
_LATEST_S = 4_102_444_800.0
"""The year 2100: a later moment, or one before 1970, is no time at which a call was made."""
_MOST_USD = 1e6
"""No call costs that much; a larger figure is a bug of who wrote the log, and would be all of the sum."""
_JSON_BEGINS = ("{", "[", '"')


def text(value: object) -> str | None:
    """Return a text that says something."""
    if value is None or isinstance(value, (bool, Mapping, list)):
        return None
    said = value if isinstance(value, str) else str(value)
    return said or None


def number(value: object) -> float | None:
    """Return a number, also one that is written as text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        read = float(cast("Any", value))
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def dollars(value: object) -> float | None:
    """Return what a call cost, also where it is written as text; None for less than nothing and what is absurd."""
    read = number(value)
    return read if read is not None and 0 <= read <= _MOST_USD else None


def count_of(value: object) -> int | None:
    """Return a count of tokens, also one that a table wrote as 12.0 or as text."""
    if type(value) is int:
        return count(value)
    read = number(value)
    return count(int(read)) if read is not None and read.is_integer() else None


def truth(value: object) -> bool | None:
    """Return whether something is so, where it says that in any spelling."""
    if isinstance(value, bool):
        return value
    said = str(value).strip().lower() if value is not None else ""
    return True if said in {"true", "1", "yes"} else False if said in {"false", "0", "no"} else None


def json_of(value: object) -> Any:
    """Return what JSON in a text says; what is no JSON stays as it is."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) or not value.lstrip().startswith(_JSON_BEGINS):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object, also one that stands as JSON in a text; an empty one for anything else."""
    read = json_of(value)
    return cast("Mapping[str, Any]", read) if isinstance(read, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """Return a list, also one that stands as JSON in a text; an empty one for anything else."""
    read = json_of(value)
    return cast("Sequence[Any]", read) if isinstance(read, (list, tuple)) else ()


def moment(value: object) -> float | None:
    """Return seconds since 1970 of a number in any scale, of an ISO date (UTC where it names no zone), of a date."""
    try:
        read = _seconds(value)
    except ValueError:
        return None
    return read if read is not None and 0 < read < _LATEST_S else None


def _seconds(value: object) -> float | None:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    read = number(value)
    if read is not None:
        return next(read / scale for limit, scale in _SCALES if abs(read) < limit)
    if not isinstance(value, str):
        return None
    return _seconds(datetime.fromisoformat(value.strip().removesuffix(" UTC")))


def found(holder: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of the named values that says anything."""
    for name in names:
        value = holder.get(name)
        if value is not None and value != "":
            return value
    return None


def snake(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its names in snake_case: an API writes `startTime` where its export has `start_time`."""
    return {_snake(name): value for name, value in record.items()}


def _snake(name: str) -> str:
    if name.islower():
        return name
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name.replace(" ", "_")).lstrip("_")
