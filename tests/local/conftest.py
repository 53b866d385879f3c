"""Doubles of this folder: a stand-in for llama.cpp that starts at once, a hub on loopback, and the real weights."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from greenai.local import weights

# What the child imports instead of llama.cpp. The text after the file's magic says how it behaves.
FAKE_LLAMA = """
import http.server, json, os, sys, threading, time

class Bag:
    pass

class CommonParams:
    def __init__(self):
        self.model, self.cpuparams = Bag(), Bag()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.2)
        authorized = self.headers["Authorization"] == "Bearer " + self.server.key
        body = json.dumps({"pid": os.getpid(), "ctx": self.server.ctx}).encode()
        self.send_response(200 if authorized else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

class Http(http.server.ThreadingHTTPServer):
    request_queue_size = 64

class Server:
    def __init__(self, params):
        mode = open(params.model.path).read()[4:]
        os.write(1, b"noise on stdout\\n")
        os.write(2, b"0.00.000.001 E cmn  noise on stderr\\n")
        if mode == "raise":
            raise RuntimeError("bad tensor")
        if mode == "crash":
            os.kill(os.getpid(), 9)
        if mode == "hang":
            time.sleep(60)
        server = Http(("127.0.0.1", 0), Handler)
        server.key, server.ctx = params.api_keys[0], params.n_ctx
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"
"""


@pytest.fixture
def fake_llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that makes a GGUF file of the given behaviour and returns its path."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "xllamacpp.py").write_text(FAKE_LLAMA)
    monkeypatch.syspath_prepend(packages)

    def make(mode: str = "serve") -> str:
        path = tmp_path / f"{mode}.gguf"
        path.write_text("GGUF" + mode)
        return str(path)

    return make


@pytest.fixture
def weights_dir() -> Path:
    """Return where the real weights lie; without them the test is skipped, and fails in CI."""
    root = Path(os.environ["GREENAI_WEIGHTS_DIR"]) if "GREENAI_WEIGHTS_DIR" in os.environ else weights.default_dir()
    if weights.path_of("smollm2-135m", root) is None:
        message = f"no SmolLM2 weights in {root}; bring them with: greenai models pull smollm2-135m"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return root


@dataclass
class FakeHub:
    """What the loopback hub serves, how it misbehaves, and which ranges it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ignore_range: bool = False
    with_hashes: bool = True
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Serve a hub on loopback and point HF_ENDPOINT at it."""
    hub = FakeHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/"):
                self._send(200, json.dumps([_entry(hub, p) for p in hub.files]).encode())
                return
            body = hub.files.get(self.path.rpartition("/")[2])
            if body is None:
                self.send_error(404)
                return
            wanted = self.headers["Range"]
            hub.ranges.append(wanted)
            start = 0 if wanted is None or hub.ignore_range else int(wanted[6:-1])
            self._send(206 if start else 200, body[start:], hub.cut_after.pop(0) if hub.cut_after else None)

        def _send(self, status: int, body: bytes, cut: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield hub
    server.shutdown()
    server.server_close()


def _entry(hub: FakeHub, path: str) -> dict[str, object]:
    body = hub.files[path]
    lfs = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body)} if hub.with_hashes else None
    return {"type": "file", "path": path, "size": len(body), "lfs": lfs}
