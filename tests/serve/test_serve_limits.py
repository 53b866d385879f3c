"""What is too much, too slow or too large: how many at once, how large, how long."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from servers import answer, stream
from serving import MESSAGES

from greenai.serve.gate import Busy, Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers import Scripted
    from serving import Served

BODY = json.dumps({"model": "gpt-5.5", "messages": MESSAGES}).encode()


# --- the gate -------------------------------------------------------------------------------


def test_those_who_wait_come_in_one_after_the_other() -> None:
    async def run() -> list[int]:
        gate, came, most = Gate(2, 10, 5), list[int](), 0

        async def one(n: int) -> None:
            nonlocal most
            async with gate.entered():
                most = max(most, gate.inside)
                came.append(n)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(one(n) for n in range(10)))
        assert (most, gate.inside, gate.waiting) == (2, 0, 0)
        return came

    assert asyncio.run(run()) == list(range(10))


def test_beyond_the_queue_and_after_too_long_a_wait_it_is_busy() -> None:
    async def run() -> None:
        gate = Gate(1, 1, 0.05)
        async with gate.entered():
            waiting = asyncio.ensure_future(anext(aiter(entering(gate))))
            await asyncio.sleep(0)
            with pytest.raises(Busy) as caught:
                await anext(aiter(entering(gate)))
            assert str(caught.value) == (
                "1 requests are being answered and 1 wait; the gateway takes 1 and 1. Ask again in a moment."
            )
            with pytest.raises(Busy, match=r"^The request waited 0.05 s for one of 1 places. Ask again in a moment.$"):
                await waiting
        assert (gate.inside, gate.waiting) == (0, 0)

    async def entering(gate: Gate) -> Any:
        async with gate.entered():
            yield

    asyncio.run(run())


def test_who_stops_waiting_leaves_no_place_taken() -> None:
    async def run() -> None:
        gate = Gate(1, 5, 5)

        async def enter() -> None:
            async with gate.entered():
                pass

        async with gate.entered():
            tasks = [asyncio.ensure_future(enter()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[2].cancel()
            await asyncio.sleep(0)
            assert gate.waiting == 1
        await asyncio.wait(tasks)
        async with gate.entered():
            assert gate.inside == 1
        # A place that is handed over in the very moment in which its taker is cancelled is not lost either.
        async with gate.entered():
            late = asyncio.ensure_future(enter())
            await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait([late])
        assert (gate.inside, gate.waiting) == (0, 0)

    asyncio.run(run())


def test_too_many_at_once_are_a_429_that_clients_retry_later(gateways: Callable[..., Any], scripted: Scripted) -> None:
    goes_on = threading.Event()

    def scene(exchange: Any) -> None:
        goes_on.wait(30)
        answer()(exchange)

    scripted.play(scene)
    with gateways({"serve": {"at_once": 1, "waiting": 0}}) as served, served.client() as client:
        first = threading.Thread(target=lambda: client.chat.completions.create(model="gpt-5.5", messages=MESSAGES))
        first.start()
        while not json.loads(served.get("/live.json"))["inside"]:
            time.sleep(0.02)
        with served.client() as second, pytest.raises(openai.RateLimitError) as caught:
            second.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
        assert caught.value.response.headers["retry-after"] == "1"
        assert caught.value.code == "too_many_requests"
        goes_on.set()
        first.join()


# --- content and time -----------------------------------------------------------------------


def spoken(served: Served, *parts: bytes, pause_s: float = 0.0, most_s: float = 20.0) -> bytes:
    """Send parts by hand, and return what comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=most_s) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause_s)
        except OSError:
            pass
        came = b""
        try:
            while more := connection.recv(65536):
                came += more
        except OSError:
            pass
        return came


def head(length: str, *more: str) -> bytes:
    lines = ("POST /v1/chat/completions HTTP/1.1", "host: 127.0.0.1", "connection: close", length, *more, "", "")
    return "\r\n".join(lines).encode()


def error_of(came: bytes) -> Any:
    return json.loads(came.partition(b"\r\n\r\n")[2])["error"]


@pytest.fixture
def strict(gateways: Callable[..., Any]) -> Any:
    with gateways({"serve": {"largest_body": "1MB", "slowest_request": "0.5s", "slowest_reader": "0.5s"}}) as served:
        yield served


def test_content_that_is_too_large_is_a_413_before_it_is_read(strict: Served, scripted: Scripted) -> None:
    came = spoken(strict, head("content-length: 1000001"))
    assert came.startswith(b"HTTP/1.1 413 ")
    assert error_of(came)["message"] == (
        "The request's content has 1000001 bytes or more, and 1000000 are the most. Send less, or raise largest_body "
        "in the gateway's settings (the table serve)."
    )
    part = b"%x\r\n%b\r\n" % (500_001, b"x" * 500_001)
    came = spoken(strict, head("transfer-encoding: chunked"), part, part)
    assert came.startswith(b"HTTP/1.1 413 ")
    assert scripted.requests == []


def test_content_that_comes_too_slowly_is_a_408(strict: Served) -> None:
    came = spoken(strict, head(f"content-length: {len(BODY)}"), BODY[:5])
    assert came.startswith(b"HTTP/1.1 408 ")
    assert error_of(came)["message"] == "The request's content did not come within 0.5 s. Send it at once."


def test_a_header_that_comes_too_slowly_or_is_too_large_is_cut_off(strict: Served) -> None:
    assert spoken(strict, b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127") == b""
    assert spoken(strict, head("x-large: " + "x" * 70_000)).startswith(b"HTTP/1.1 400 ")


def test_a_connection_that_is_kept_has_the_same_time_for_its_next_header(strict: Served) -> None:
    whole = head(f"content-length: {len(BODY)}").replace(b"connection: close\r\n", b"") + BODY
    came = spoken(strict, whole, b"POST /v1/chat", pause_s=0.3)
    assert came.count(b"HTTP/1.1 ") == 1


def test_a_reader_that_takes_nothing_is_left_and_its_call_settles(strict: Served, scripted: Scripted) -> None:
    scripted.play(stream(30_000, bodies=[{"choices": [{"index": 0, "delta": {"content": "x" * 2000}}]}] * 30_000))
    body = json.dumps({"model": "gpt-5.5", "messages": MESSAGES, "stream": True}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", strict.port))
        connection.sendall(head(f"content-length: {len(body)}") + body)
        deadline = time.monotonic() + 30
        while (figures := strict.live())["total"].get("calls", 0) == 0 and time.monotonic() < deadline:
            pass
    assert figures["total"]["calls"] == 1
    assert figures["inside"] == 0
