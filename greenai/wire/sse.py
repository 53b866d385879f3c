"""Server-sent events: bytes cut into events where they end, with the bytes that each was, and written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DONE", "Event", "Splitter", "written"]

DONE = b"data: [DONE]\n\n"

_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")  # also of mixed kinds
_LONGEST_END = 4
_LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its bytes as they came, its name, and its data."""

    raw: bytes
    name: str
    data: bytes

    def json(self) -> Mapping[str, Any] | None:
        """Return the data where it is a JSON object, else None."""
        if self.data[:1] != b"{":
            return None
        try:
            value = json.loads(self.data)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


class Splitter:
    """Cuts a stream of bytes into events."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, more: bytes) -> list[Event]:
        """Return the events that are whole now. What was looked at is not looked at again, however long an event is."""
        looked = max(len(self._left) - _LONGEST_END, 0)
        self._left += more
        ends = [end.end() for end in _END.finditer(self._left, looked)]
        if not ends:
            return []
        text = bytes(self._left[: ends[-1]])
        del self._left[: ends[-1]]
        return [_event(text[start:end]) for start, end in zip((0, *ends), ends, strict=False)]

    def rest(self) -> bytes:
        """Return what came after the last whole event."""
        left, self._left = bytes(self._left), bytearray()
        return left


def _event(raw: bytes) -> Event:
    name, data = "", list[bytes]()
    for line in _LINE.split(raw):
        key, _, value = line.partition(b":")
        if key == b"data":
            data.append(value.removeprefix(b" "))
        elif key == b"event":
            name = value.strip().decode("utf-8", "replace")
    return Event(raw, name, b"\n".join(data))


def written(data: Mapping[str, Any], name: str = "") -> bytes:
    """Return an event as bytes."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
