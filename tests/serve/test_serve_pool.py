"""Connections to providers, before servers that say whatever they like."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from greenai.serve import pool
from greenai.serve.pool import Outgoing, Pool
from greenai.shapes import http_library

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

http = http_library()
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"


class Scene:
    """A server that gives the same few answers on every connection, and the pool that asks it."""

    def __init__(self, said: tuple[bytes, ...], *, ends: bool, tls: ssl.SSLContext | None) -> None:
        self.read: list[bytes] = []
        self.connections = 0
        self.heard, self.closed = asyncio.Event(), asyncio.Event()
        self.url = ""
        self.pool = Pool(http)
        self._said = said
        self._ends = ends
        self._tls = tls
        self._serving: list[asyncio.Task[Any] | None] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}/v1/chat/completions"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.aclose()
        self._server.close()
        await asyncio.gather(*(task for task in self._serving if task is not None), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.append(asyncio.current_task())
        self.connections += 1
        answers = iter(self._said)
        with suppress(OSError, EOFError):
            while (head := await _request(reader)) and (answer := next(answers, None)) is not None:
                self.read.append(head)
                self.heard.set()
                writer.write(answer)
                await writer.drain()
                if self._ends:
                    break
            writer.close()
            await writer.wait_closed()
        self.closed.set()

    def asked(self, wait_s: float | None = 5.0, **more: Any) -> Outgoing:
        """Return a request."""
        given: dict[str, Any] = {"url": self.url, "headers": {"x-name": "1"}, "content": b"{}", **more}
        return Outgoing(connect_s=5.0, wait_s=wait_s, **given)

    async def whole(self, wait_s: float | None = 5.0, **more: Any) -> bytes:
        """Ask, and return the whole content."""
        response = await self.pool.handle_async_request(self.asked(wait_s, **more))
        try:
            return b"".join([part async for part in response.aiter_bytes()])
        finally:
            await response.aclose()


async def _request(reader: asyncio.StreamReader) -> bytes:
    came = await reader.read(65_536)
    length = came.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    missing = int(length or 0) - len(came.partition(b"\r\n\r\n")[2])
    return came + (await reader.readexactly(missing) if missing > 0 else b"")


def _run(
    *said: bytes,
    ends: bool = False,
    tls: ssl.SSLContext | None = None,
    then: Callable[[Scene], Awaitable[Any]] = Scene.whole,
) -> Any:
    async def playing() -> Any:
        async with Scene(said, ends=ends, tls=tls) as scene:
            return await then(scene)

    return asyncio.run(playing())


def test_a_request_has_the_headers_that_it_was_given_and_no_more() -> None:
    async def asking(scene: Scene) -> bytes:
        assert await scene.whole() == b"hi"
        return scene.read[0]

    line, host, rest = _run(PLAIN, then=asking).split(b"\r\n", 2)
    assert line == b"POST /v1/chat/completions HTTP/1.1"
    assert host.startswith(b"Host: 127.0.0.1:")
    assert rest == b"x-name: 1\r\nContent-Length: 2\r\n\r\n{}"


def test_much_content_is_sent_whole() -> None:
    content = b"x" * 3_000_000

    async def asking(scene: Scene) -> bytes:
        await scene.whole(content=content)
        await scene.closed.wait()
        return b"".join(scene.read)

    head, _, came = _run(PLAIN, ends=True, then=asking).partition(b"\r\n\r\n")
    assert b"Content-Length: 3000000" in head
    assert came == content


@pytest.mark.parametrize(
    ("said", "content"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n", b"hi ho"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + PLAIN, b"hi"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 24\r\ncontent-encoding: gzip\r\n\r\n", b"hi ho"),
        (b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 60_000 + b"\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
    ],
    ids=["chunked", "early hints", "gzip", "redirected", "a long header"],
)
def test_content_comes_whole_however_it_is_framed(said: bytes, content: bytes) -> None:
    packed = gzip.compress(b"hi ho")
    whole = said.replace(b"content-length: 24", b"content-length: %d" % len(packed))
    assert _run(whole + (packed if b"gzip" in said else b"")) == content


def test_headers_come_in_lower_case_and_the_bytes_as_they_were_packed() -> None:
    packed = gzip.compress(b"hi ho")

    async def asking(scene: Scene) -> tuple[int, dict[str, str], bytes]:
        response = await scene.pool.handle_async_request(scene.asked())
        content = b"".join([part async for part in response.stream])
        await response.aclose()
        await response.aclose()  # once is enough, twice is harmless
        return response.status_code, dict(response.headers), content

    said = b"HTTP/1.1 429 Slow Down\r\nContent-Encoding: gzip\r\nX-A: 1\r\nx-a: caf\xe9\r\nContent-Length: %d\r\n\r\n"
    status, headers, content = _run(said % len(packed) + packed, then=asking)
    assert (status, content) == (429, packed)
    assert headers == {"content-encoding": "gzip", "x-a": "1, caf\xe9", "content-length": str(len(packed))}


def test_a_response_without_length_ends_with_its_connection() -> None:
    assert _run(b"HTTP/1.1 200 OK\r\n\r\nhi", ends=True) == b"hi"


@pytest.mark.parametrize(
    ("said", "ends", "error", "message"),
    [
        (b"", True, http.RemoteProtocolError, "Server disconnected"),
        (b"", False, http.ReadTimeout, "Timeout on reading data from socket"),
        (ENDLESS, False, http.ReadTimeout, "Timeout on reading data from socket"),
        (b"nonsense\r\n\r\n", False, http.RemoteProtocolError, '400, message="'),
        (ENDLESS, True, http.RemoteProtocolError, "Response payload is not completed: <ContentLengthError: 400"),
    ],
    ids=["nothing and its end", "nothing", "not all", "no HTTP", "not all and its end"],
)
def test_what_goes_wrong_is_told_as_httpx_names_it(said: bytes, ends: bool, error: Any, message: str) -> None:
    async def asking(scene: Scene) -> str:
        with pytest.raises(error) as raised:
            await scene.whole(0.2)
        await scene.closed.wait()  # such a connection is not used again
        return str(raised.value)

    assert _run(said, ends=ends, then=asking).startswith(message)


def test_connections_are_used_again() -> None:
    async def often(scene: Scene) -> tuple[int, int]:
        for _ in range(5):
            await scene.whole()
        one = scene.connections
        await asyncio.gather(*(scene.whole() for _ in range(6)))
        return one, scene.connections

    assert _run(*(PLAIN,) * 20, then=often) == (1, 6)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    async def twice(scene: Scene) -> tuple[bytes, bytes, int]:
        first = await scene.whole()
        await scene.closed.wait()
        await asyncio.sleep(0.05)  # until the end of the connection is seen here
        return first, await scene.whole(), scene.connections

    assert _run(PLAIN, ends=True, then=twice) == (b"hi", b"hi", 2)


def _end_at_the_second(at_once_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Ask twice a server that ends each connection after one answer, and reads the second request before it does."""
    monkeypatch.setattr(pool, "AT_ONCE_S", at_once_s)

    async def twice(scene: Scene) -> tuple[str, int]:
        await scene.whole()
        try:
            return (await scene.whole()).decode(), scene.connections
        except http.RemoteProtocolError as error:
            return str(error), scene.connections

    told: tuple[str, int] = _run(PLAIN, then=twice)
    return told


def test_a_request_on_a_connection_that_was_just_closed_is_sent_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _end_at_the_second(10.0, monkeypatch) == ("hi", 2)


def test_a_request_that_a_model_may_have_worked_on_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _end_at_the_second(0.0, monkeypatch) == ("Server disconnected", 1)


def test_a_new_connection_that_ends_without_an_answer_is_not_tried_again() -> None:
    async def once(scene: Scene) -> int:
        with pytest.raises(http.RemoteProtocolError, match=r"^Server disconnected$"):
            await scene.whole()
        return scene.connections

    assert _run(b"", ends=True, then=once) == 1


def test_a_response_that_nobody_reads_to_its_end_is_cut_off() -> None:
    async def left(scene: Scene) -> int:
        response = await scene.pool.handle_async_request(scene.asked())
        assert await anext(response.stream) == b"hi"
        await response.aclose()
        await scene.closed.wait()
        return scene.connections

    assert _run(ENDLESS, then=left) == 1


@pytest.mark.parametrize("said", [b"", ENDLESS], ids=["before its head", "in its content"])
def test_a_call_that_is_cancelled_frees_its_connection(said: bytes) -> None:
    async def cancelled(scene: Scene) -> bool:
        task = asyncio.ensure_future(scene.whole())
        await scene.heard.wait()
        await asyncio.sleep(0.05)  # until what was answered is here
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await scene.closed.wait()
        return task.cancelled()

    assert _run(said, then=cancelled)


def test_much_content_waits_until_it_is_read() -> None:
    size = 20_000_000
    written: list[int] = []

    async def slowly(scene: Scene) -> int:
        response = await scene.pool.handle_async_request(scene.asked())
        await asyncio.sleep(0.2)
        written.append(response._response.content.total_bytes)
        taken = sum([len(part) async for part in response.stream])
        await response.aclose()
        return taken

    said = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    assert _run(said, then=slowly) == size
    assert 0 < written[0] < size / 4


def test_where_nobody_listens_nothing_is_connected() -> None:
    async def nobody(scene: Scene) -> None:
        with pytest.raises(http.ConnectError, match=r"^Cannot connect to host 127\.0\.0\.1:9 "):
            await scene.whole(url="http://127.0.0.1:9/v1")

    _run(then=nobody)


@pytest.mark.parametrize(
    ("url", "headers", "error"),
    [("ftp://127.0.0.1/v1", {}, http.UnsupportedProtocol), (None, {"x": "a\r\nb: c"}, http.LocalProtocolError)],
)
def test_what_cannot_be_sent_is_not(url: str | None, headers: dict[str, str], error: Any) -> None:
    async def asking(scene: Scene) -> list[bytes]:
        with pytest.raises(error):
            await scene.whole(url=url or scene.url, headers=headers)
        return scene.read

    assert _run(PLAIN, then=asking) == []


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine that it signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
    )
    made = made.add_extension(names, critical=False).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    plain = serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


def _tls(signed: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed)
    return context


def test_whoever_shows_a_known_certificate_is_spoken_to(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(signed))

    async def twice(scene: Scene) -> tuple[bytes, bytes, int]:
        return await scene.whole(), await scene.whole(), scene.connections

    assert _run(PLAIN, PLAIN, tls=_tls(signed), then=twice) == (b"hi", b"hi", 1)


def test_who_shows_an_unknown_certificate_is_not_spoken_to(signed: Path) -> None:
    async def asking(scene: Scene) -> list[bytes]:
        with pytest.raises(http.ConnectError, match=r"certificate verify failed: self.signed certificate"):
            await scene.whole()
        return scene.read

    assert _run(PLAIN, tls=_tls(signed), then=asking) == []


def test_who_does_not_speak_tls_is_not_spoken_to() -> None:
    async def asking(scene: Scene) -> None:
        with pytest.raises(http.ConnectError):
            await scene.whole(url=scene.url.replace("http://", "https://"))

    _run(PLAIN, ends=True, then=asking)


@pytest.mark.parametrize(
    ("no_proxy", "near", "first"),
    [
        ("", False, b"POST http://provider.test/v1 HTTP/1.1"),
        ("provider.test", False, None),
        ("", True, None),
    ],
    ids=["proxied", "excepted", "near"],
)
def test_a_proxy_of_the_environment_is_asked_but_for_this_machine(
    no_proxy: str, near: bool, first: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asking(scene: Scene) -> bytes | None:
        monkeypatch.setenv("http_proxy", scene.url.replace("127.0.0.1", "user:word@127.0.0.1"))
        monkeypatch.setenv("no_proxy", no_proxy)
        scene.pool, unused = Pool(http), scene.pool
        await unused.aclose()
        if first is None:
            with pytest.raises(http.ConnectError, match=r"provider\.test"):
                await scene.whole(url="http://provider.test/v1", is_near=near)
            return None
        assert await scene.whole(url="http://provider.test/v1", is_near=near) == b"hi"
        assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n" in scene.read[0]
        return scene.read[0].partition(b"\r\n")[0]

    assert _run(PLAIN, then=asking) == first
