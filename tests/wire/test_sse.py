"""Server-sent events, cut out of bytes wherever these break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.wire import sse
from greenai.wire.sse import DONE, Splitter, written

EVENTS = (
    b'data: {"a": 1}\n\n',
    b": a comment\n\n",
    b'event: delta\r\ndata: {"b":\r\ndata: 2}\r\n\r\n',
    b"data: caf\xc3\xa9\r\r",
    DONE,
)


@given(st.lists(st.integers(min_value=0, max_value=sum(map(len, EVENTS))), max_size=12))
def test_events_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    whole, splitter = b"".join(EVENTS), Splitter()
    edges = [0, *sorted(cuts), len(whole)]
    # Between \r and \n a line may have ended or not, so no cut is made there.
    edges = [edge for edge in edges if whole[edge - 1 : edge + 1] != b"\r\n"]
    came = [e for start, end in pairwise(edges) for e in splitter.feed(whole[start:end])]
    assert b"".join(event.raw for event in came) + splitter.rest() == whole
    named = [(event.name, event.data) for event in came if event.data]
    assert named == [
        ("", b'{"a": 1}'),
        ("delta", b'{"b":\n2}'),
        ("", "café".encode()),
        ("", b"[DONE]"),
    ]


def test_data_is_json_or_none() -> None:
    (event, other) = Splitter().feed(written({"x": "ü"}, "named") + b"data: {broken\n\n")
    assert (event.name, event.json()) == ("named", {"x": "ü"})
    assert other.json() is None


def test_what_is_no_whole_event_is_left() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: half") == []
    assert splitter.rest() == b"data: half"
    assert splitter.rest() == b""


@given(st.integers(min_value=1, max_value=9), st.sampled_from([b"\n\r\n", b"\r\n\n", b"\r\n\r\n", b"\r\r", b"\n\n"]))
def test_an_event_may_end_in_line_ends_of_mixed_kinds(size: int, end: bytes) -> None:
    whole, splitter = b"".join(b"data: %d%b" % (n, end) for n in range(3)), Splitter()
    came = [event for at in range(0, len(whole), size) for event in splitter.feed(whole[at : at + size])]
    assert [event.data for event in came if event.data] == [b"0", b"1", b"2"]
    assert b"".join(event.raw for event in came) + splitter.rest() == whole


def test_what_was_looked_at_of_a_long_event_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, plain = list[int](), sse._END

    class Counting:
        def finditer(self, text: bytearray, start: int = 0) -> Iterator[re.Match[bytes]]:
            looked.append(len(text) - start)
            return plain.finditer(text, start)

    monkeypatch.setattr(sse, "_END", Counting())
    splitter, piece = Splitter(), b"x" * 1000
    assert not any(splitter.feed(piece) for _ in range(200))
    assert sum(looked) < 2 * 200 * len(piece)
