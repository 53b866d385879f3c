"""AWS's event streams: bytes cut into frames where they end, with the bytes that each was, and written.

    length of all, length of headers, checksum    12 bytes
    headers                                       name, kind 7 (text), value
    payload                                       here {"bytes": an event's JSON in base64}
    checksum                                      4 bytes

Source: the specification of application/vnd.amazon.eventstream, smithy.io/2.0/aws/amazon-eventstream.html, 2026-11-22.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from binascii import crc32

from greenai.wire.fields import mapping, text
from greenai.wire.sse import Event

__all__ = ["MEDIA_TYPE", "Frames", "written"]

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_LEAST = _PRELUDE.size + _CHECKSUM.size
_MOST = 24 * 1024 * 1024
_TEXT = 7


class Frames:
    """Cuts a stream of bytes into frames; what is none goes on as it came, and says nothing."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._strange = False

    def feed(self, more: bytes) -> list[Event]:
        """Return the frames that are whole now."""
        self._left += more
        found: list[Event] = []
        while len(self._left) >= _PRELUDE.size and not self._strange:
            length, headers, checksum = _PRELUDE.unpack_from(self._left)
            self._strange = checksum != crc32(self._left[: _PRELUDE.size - 4]) or not _LEAST <= length <= _MOST
            if self._strange or len(self._left) < length:
                break
            raw = bytes(self._left[:length])
            del self._left[:length]
            found.append(Event(raw, "", _payload(raw[_PRELUDE.size + headers : -_CHECKSUM.size])))
        if self._strange and self._left:
            found.append(Event(self.rest(), "", b""))
        return found

    def rest(self) -> bytes:
        """Return what came after the last whole frame."""
        left, self._left = bytes(self._left), bytearray()
        return left


def _payload(given: bytes) -> bytes:
    """Return the event's JSON that a frame carries; of an exception, its own."""
    try:
        inner = mapping(json.loads(given)).get("bytes")
        return given if inner is None else b64decode(text(inner))
    except ValueError:
        return b""


def written(data: bytes) -> bytes:
    """Return an event's JSON as a frame."""
    said = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(_header(name.encode(), value.encode()) for name, value in said.items())
    payload = json.dumps({"bytes": b64encode(data).decode()}).encode()
    lengths = struct.pack(">II", _LEAST + len(headers) + len(payload), len(headers))
    begun = lengths + _CHECKSUM.pack(crc32(lengths)) + headers + payload
    return begun + _CHECKSUM.pack(crc32(begun))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + bytes((_TEXT,)) + _SHORT.pack(len(value)) + value
