"""JSON over many lines (an array, or objects one after another) cut into its objects, of a file of any size.

Each is cut by its brackets and parsed later: a damaged one costs itself, and no more than one is held.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import IO

__all__ = ["Broken", "pieces"]

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SIGN = re.compile(rb'[{}"]')
_QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class Broken(str):
    """What is told in the place of an object that is not whole."""

    __slots__ = ()


def pieces(file: IO[bytes], longest: int) -> Iterator[bytes | Broken]:
    """Cut a file into the objects of its outermost level.

    Args:
        file: read from its beginning.
        longest: bytes of one object; a longer one is told and not held.
    """
    buffer = bytearray(file.read(_BLOCK).removeprefix(_BOM))
    while True:
        used = yield from _whole(buffer)
        del buffer[:used]
        more = file.read(_BLOCK)
        if not more:
            if buffer.find(b"{") >= 0:
                yield Broken("an object that is not closed: the file breaks off in it")
            return
        if len(buffer) > longest:
            yield Broken(f"an object of more than {longest:,} bytes")
            buffer.clear()
        # So much is looked at again as is held: blocks that grow with it keep that in proportion.
        buffer += more + (file.read(len(buffer)) if len(buffer) > _BLOCK else b"")


def _whole(buffer: bytearray) -> Generator[bytes, None, int]:
    """Give the objects that are whole; return how many bytes are done with."""
    done = 0
    while (begin := buffer.find(b"{", done)) >= 0:
        end = _end(buffer, begin)
        if end < 0:
            return begin
        yield bytes(buffer[begin:end])
        done = end
    return len(buffer)


def _end(buffer: bytearray, begin: int) -> int:
    """Return where the object that begins there ends; -1 where that is not in the buffer."""
    depth, at = 0, begin
    while found := _SIGN.search(buffer, at):
        sign, at = buffer[found.start()], found.end()
        if sign == 0x22:
            quoted = _QUOTED.match(buffer, found.start())
            if quoted is None:
                return -1
            at = quoted.end()
            continue
        depth += 1 if sign == 0x7B else -1
        if depth == 0:
            return at
    return -1
