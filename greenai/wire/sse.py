"""Server-sent events: bytes cut into events where they end, with the bytes that each was, and written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DONE", "Event", "Splitter", "written"]

DONE = b"data: [DONE]\n\n"

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
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
        self._left = b""

    def feed(self, more: bytes) -> list[Event]:
        """Return the events that are whole now."""
        text, events, start = self._left + more, list[Event](), 0
        for end in _END.finditer(text):
            events.append(_event(text[start : end.end()]))
            start = end.end()
        self._left = text[start:]
        return events

    def rest(self) -> bytes:
        """Return what came after the last whole event."""
        left, self._left = self._left, b""
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
