"""Servers on loopback for the tests: a scripted one that fails on request, llama.cpp's own, and a real Redis."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "scripted-model"
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came over the wire; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.raw)
        return loaded


class Exchange(BaseHTTPRequestHandler):
    """One connection. A scene gets it and writes whatever it likes, whole or broken."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        scene = self.server.next_scene(Received(path=self.path, headers=headers, raw=raw))
        try:
            scene(self)
        except OSError:
            self.close_connection = True  # the client went away first

    def do_GET(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        pass

    def whole(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        given = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def reset(self) -> None:
        """Close with RST, as a crashed server does, instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        if self.server.stopping.wait(seconds):
            self.close_connection = True
            raise ConnectionAbortedError


Scene: TypeAlias = Callable[[Exchange], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.stopping = threading.Event()
        self.scenes: list[Scene] = [answer()]
        self.received: list[Received] = []
        self._lock = threading.Lock()

    def next_scene(self, request: Received) -> Scene:
        with self._lock:
            self.received.append(request)
            return self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up in the middle is part of the script


class Scripted:
    """Plays scenes in turn, the last one for ever, and records every request."""

    def __init__(self) -> None:
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def requests(self) -> list[Received]:
        return self._server.received

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [r.body for r in self.requests]

    def play(self, *scenes: Scene) -> None:
        self._server.scenes = list(scenes)
        self._server.received.clear()


def closed_port_url() -> str:
    """Return an address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


# --- bodies -------------------------------------------------------------------------------


def completion_body(text: str | None = "Hello there.", usage: Any = USAGE, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
    }
    if usage is not None:
        body["usage"] = usage
    return {**body, **changes}


def chunk_body(delta: Mapping[str, Any] | None = None, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": None}]
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": MODEL,
        "choices": choices,
        **changes,
    }


def event(body: object) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


# --- scenes -------------------------------------------------------------------------------


def answer(text: str | None = "Hello there.", *, headers: Mapping[str, str] | None = None, **changes: Any) -> Scene:
    """A proper answer; a stream where the request asks for one."""
    body = json.dumps(completion_body(text, **changes)).encode()

    def play(exchange: Exchange) -> None:
        if exchange.server.received[-1].body.get("stream"):
            stream(3)(exchange)
        else:
            exchange.whole(200, body, headers)

    return play


def raw(body: bytes, *, status: int = 200, content_type: str = "application/json") -> Scene:
    return lambda exchange: exchange.whole(status, body, {"content-type": content_type})


def status(code: int, *, headers: Mapping[str, str] | None = None, message: str = "scripted failure") -> Scene:
    error = {"message": message, "type": "scripted_error", "param": None, "code": f"scripted_{code}"}
    body = json.dumps({"error": error}).encode()
    return lambda exchange: exchange.whole(code, body, headers)


def malformed() -> Scene:
    return raw(b'{"id": "chatcmpl-scripted", "choices": [{"index": 0, "mess')


def truncated() -> Scene:
    """Fewer bytes than announced, then the end of the connection."""

    def play(exchange: Exchange) -> None:
        exchange.whole(200, b'{"id": "chatcmpl-scr', {"content-length": "500"})
        exchange.close_connection = True

    return play


def html() -> Scene:
    page = b"<!doctype html><html><body><h1>Please sign in to the network</h1></body></html>"
    return raw(page, content_type="text/html; charset=utf-8")


def reset() -> Scene:
    return lambda exchange: exchange.reset()


def sleeps(seconds: float, then: Scene | None = None) -> Scene:
    def play(exchange: Exchange) -> None:
        exchange.pause(seconds)
        (then or answer())(exchange)

    return play


def drips(every_s: float, *, pieces: int = 1000) -> Scene:
    """A whole answer that arrives a byte at a time: every single read is quick, the answer is not."""

    def play(exchange: Exchange) -> None:
        body = json.dumps(completion_body("x" * pieces)).encode()
        exchange.whole(200, b"", {"content-length": str(len(body))})
        for byte in body:
            exchange.pause(every_s)
            exchange.wfile.write(bytes((byte,)))

    return play


def headers_drip(every_s: float) -> Scene:
    """The same in the header, before there is any response."""

    def play(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        for _ in range(1000):
            exchange.pause(every_s)
            exchange.wfile.write(b"x")

    return play


def stream(
    chunks: int,
    *,
    usage: Any = USAGE,
    cut_after: int | None = None,
    how: str = "close",
    every_s: float = 0.0,
    bodies: list[Any] | None = None,
) -> Scene:
    """A stream of `chunks` words; cut after `cut_after` of them by closing, resetting, stalling or a clean end.

    The usage comes in a chunk of its own where the request asks for it, as OpenAI sends it; `how="usage"` cuts
    after the usage of a stream that reports it in every chunk.
    """

    def play(exchange: Exchange) -> None:
        asked = (exchange.server.received[-1].body.get("stream_options") or {}).get("include_usage")
        every = {"usage": usage} if how == "usage" else {}
        exchange.begin_stream()
        for n in range(chunks if bodies is None else len(bodies)):
            if n == cut_after:
                return _cut(exchange, how)
            exchange.pause(every_s)
            exchange.chunk(event(bodies[n] if bodies else chunk_body({"content": f"word{n} "}, **every)))
        if cut_after is not None:
            return _cut(exchange, how)
        if bodies is None:
            exchange.chunk(event(chunk_body({}, "stop")))
            if asked and usage is not None:
                exchange.chunk(event(chunk_body(usage=usage)))
        exchange.chunk(b"data: [DONE]\n\n")
        exchange.end_stream()
        return None

    return play


def _cut(exchange: Exchange, how: str) -> None:
    if how == "reset":
        exchange.reset()
    elif how == "stall":
        exchange.pause(60)
    elif how == "clean":
        exchange.end_stream()
    elif how == "garbage":
        exchange.chunk(b'data: {"id": "chatcmpl-scr\n\n')
        exchange.end_stream()
    elif how == "error":
        exchange.chunk(event({"error": {"message": "the engine failed", "type": "server_error", "code": 500}}))
        exchange.end_stream()
    exchange.close_connection = True


# --- llama.cpp's own server ---------------------------------------------------------------

_LLAMA = """
import json, sys, xllamacpp
config = json.loads(sys.stdin.readline())
p = xllamacpp.CommonParams()
p.model.path = config["path"]
p.model_alias = {"smollm2-135m"}
p.hostnames = ["127.0.0.1"]
p.port = 0
p.n_parallel = 1
p.n_ctx = 2048
p.cpuparams.n_threads = 1
p.cpuparams_batch.n_threads = 1
p.chat_template = config["template"]
p.cache_prompt = False
p.cache_ram_mib = 0
p.use_jinja = True
p.verbosity = 0
server = xllamacpp.Server(p)
print("\\n" + json.dumps({"url": server.listening_address}), flush=True)
sys.stdin.read()
import os; os._exit(0)
"""


@dataclass
class LlamaServer:
    """llama.cpp's HTTP server in a child process: one slot, one thread and no prompt cache, so that it repeats itself.

    A `template` other than the model's own makes of messages a prompt of fewer tokens.
    """

    weights: Path
    url: str = ""
    template: str = ""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LLAMA],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(self.weights), "template": self.template}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith('{"url"'):
                self.url = json.loads(line)["url"] + "/v1"
                return self
        raise RuntimeError(f"llama.cpp's server did not start (exit code {self._process.wait()})")

    def __exit__(self, *_: object) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


# --- a real Redis -------------------------------------------------------------------------


@dataclass
class RedisServer:
    """A Redis or Valkey of this machine in a child process: nothing on disk, on a port of its own that it keeps."""

    program: str
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--appendonly": "no"}
        arguments = [text for pair in options.items() for text in pair]
        self._process = subprocess.Popen(
            [self.program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.say(b"PING")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"{self.program} did not start (exit code {self._process.poll()})")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def say(self, *words: bytes) -> bytes:
        """Send one command by hand, and return the beginning of what it answers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
            return connection.recv(65536)
