"""AWS's event streams: cut wherever the bytes come apart, and written as botocore reads them."""

from __future__ import annotations

import json

import pytest

from greenai.wire.frames import Frames, written

EVENTS = [b'{"type":"message_start"}', '{"type":"ping","said":"Grüße"}'.encode(), b"{}"]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_frames_are_cut_where_they_end(size: int) -> None:
    stream, frames = b"".join(map(written, EVENTS)), Frames()
    found = [event for at in range(0, len(stream), size) for event in frames.feed(stream[at : at + size])]
    assert [event.data for event in found] == EVENTS
    assert b"".join(event.raw for event in found) == stream
    assert frames.rest() == b""


def test_what_is_cut_off_is_left() -> None:
    frames, one = Frames(), written(EVENTS[0])
    assert frames.feed(one + one[:20]) != []
    assert frames.rest() == one[:20]


@pytest.mark.parametrize("strange", [b'event: message_start\ndata: {"type": "message_start"}\n\n', b"\0" * 40])
def test_what_is_no_frame_goes_on_as_it_came(strange: bytes) -> None:
    frames = Frames()
    found = [*frames.feed(strange[:30]), *frames.feed(strange[30:])]
    assert b"".join(event.raw for event in found) == strange
    assert [event.data for event in found] == [b"", b""]


def test_botocore_reads_them() -> None:
    botocore = pytest.importorskip("botocore.eventstream")
    buffer = botocore.EventStreamBuffer()  # which checks both checksums
    buffer.add_data(written(EVENTS[1]))
    (message,) = buffer
    assert message.headers == {
        ":event-type": "chunk", ":content-type": "application/json", ":message-type": "event",
    }  # fmt: skip
    assert json.loads(message.payload).keys() == {"bytes"}
