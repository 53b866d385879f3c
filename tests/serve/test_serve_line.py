"""One connection to a provider, before servers that say whatever they like."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from greenai.serve.pool import Spread
from greenai.shapes import http_library

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

http = http_library()
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def _asked(
    *said: bytes, ends: bool = False, then: Callable[[Spread, str], Awaitable[Any]]
) -> tuple[Any, list[bytes]]:
    """Return what came of `then`, and the requests that a server read that answers with `said`, one after another."""
    read: list[bytes] = []
    answers = iter(said)
    serving: list[asyncio.Task[Any] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        while head := await reader.read(65_536):
            read.append(head)
            writer.write(next(answers))
            if ends:
                break
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Spread(http)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
    try:
        return await then(pool, url), read
    finally:
        await pool.aclose()
        server.close()
        await asyncio.gather(*(task for task in serving if task is not None), return_exceptions=True)


async def _whole(pool: Spread, url: str, wait_s: float | None = 5.0) -> bytes:
    response = await pool.handle_async_request(pool.request(url, {"x-name": "caf\xe9"}, b"{}", 5.0, wait_s))
    try:
        return b"".join([part async for part in response.aiter_bytes()])
    finally:
        await response.aclose()


def test_a_request_is_written_as_it_was_given() -> None:
    content, (read,) = asyncio.run(_asked(PLAIN, then=_whole))
    line, host, rest = read.split(b"\r\n", 2)
    assert content == b"hi"
    assert line == b"POST /v1/chat/completions HTTP/1.1"
    assert host.startswith(b"host: 127.0.0.1:")
    assert rest == b"x-name: caf\xe9\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("said", "content"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n", b"hi ho"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + PLAIN, b"hi"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 24\r\ncontent-encoding: gzip\r\n\r\n", b"hi ho"),
    ],
)
def test_content_comes_whole_however_it_is_framed(said: bytes, content: bytes) -> None:
    packed = gzip.compress(b"hi ho")
    whole = said.replace(b"content-length: 24", b"content-length: %d" % len(packed)) + (
        packed if b"gzip" in said else b""
    )
    assert asyncio.run(_asked(whole, then=_whole))[0] == content


def test_a_response_without_length_ends_with_its_connection() -> None:
    came, _ = asyncio.run(_asked(b"HTTP/1.1 200 OK\r\n\r\nhi", ends=True, then=_whole))
    assert came == b"hi"


@pytest.mark.parametrize(
    ("said", "ends", "error", "message"),
    [
        (b"", True, http.RemoteProtocolError, "Server disconnected without sending a response."),
        (b"", False, http.ReadTimeout, "The provider did not answer in time."),
        (b"nonsense\r\n\r\n", False, http.RemoteProtocolError, "illegal status line: bytearray(b'nonsense')"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", True, http.RemoteProtocolError,
            "peer closed connection without sending complete message body (received 2 bytes, expected 9)",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_told_as_httpx_names_it(said: bytes, ends: bool, error: Any, message: str) -> None:
    async def asking(pool: Spread, url: str) -> str:
        with pytest.raises(error) as raised:
            await _whole(pool, url, 0.2)
        assert [len(free) for free in pool._free.values()] == [0]  # such a connection is not used again
        return str(raised.value)

    assert asyncio.run(_asked(said, ends=ends, then=asking))[0] == message


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    async def twice(pool: Spread, url: str) -> list[bytes]:
        first = await _whole(pool, url)
        await asyncio.sleep(0.05)  # until the end of the connection is seen here
        return [first, await _whole(pool, url)]

    assert asyncio.run(_asked(PLAIN, PLAIN, ends=True, then=twice))[0] == [b"hi", b"hi"]


def test_a_response_that_nobody_reads_to_its_end_is_cut_off() -> None:
    async def left(pool: Spread, url: str) -> list[int]:
        response = await pool.handle_async_request(pool.request(url, {}, b"{}", 5.0, 5.0))
        await response.aclose()
        return [len(free) for free in pool._free.values()]

    said = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"
    assert asyncio.run(_asked(said, then=left))[0] == [0]


def test_much_content_waits_until_it_is_read() -> None:
    size = 20_000_000

    async def slowly(pool: Spread, url: str) -> tuple[int, int]:
        response = await pool.handle_async_request(pool.request(url, {}, b"{}", 5.0, 5.0))
        await asyncio.sleep(0.2)
        lying = response._line._unread
        taken = sum([len(part) async for part in response.stream])
        await response.aclose()
        return lying, taken

    said = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    (lying, taken), _ = asyncio.run(_asked(said, then=slowly))
    assert taken == size
    assert 0 < lying < size / 4


def test_where_nobody_listens_nothing_is_connected() -> None:
    async def nobody() -> None:
        pool = Spread(http)
        with pytest.raises(http.ConnectError):
            await _whole(pool, "http://127.0.0.1:9/v1")

    asyncio.run(nobody())


def test_who_is_not_who_they_should_be_is_not_spoken_to() -> None:
    async def plain(pool: Spread, url: str) -> None:
        with pytest.raises(http.ConnectError):
            await _whole(pool, url.replace("http://", "https://"))

    asyncio.run(_asked(PLAIN, ends=True, then=plain))
