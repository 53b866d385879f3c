"""A server on loopback that answers each chat with its own words, and counts what it was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Answering = Callable[[str], tuple[int, dict[str, Any]]]

USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: Echoing


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        status, said = self.server.owner.answer(asked["messages"][-1]["content"], asked["model"])
        body = json.dumps(said).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client was killed

    def log_message(self, *args: object) -> None:
        pass


class Echoing:
    """Answers "Answer to ..."; `failing` gives the status of texts that fail."""

    def __init__(self) -> None:
        self.failing: dict[str, int] = {}
        self.asked: list[str] = []
        self.before: Callable[[str], None] | None = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Exchange)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def counts(self) -> Counter[str]:
        """Return how often each text was asked."""
        with self._lock:
            return Counter(self.asked)

    def answer(self, text: str, model: str) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self.asked.append(text)
        if self.before is not None:
            self.before(text)
        if text in self.failing:
            error = {"message": f"no answer to {text}", "type": "scripted_error", "code": f"code_{self.failing[text]}"}
            return self.failing[text], {"error": error}
        message = {"role": "assistant", "content": f"Answer to {text}", "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return 200, {
            "id": f"chatcmpl-{text}",
            "object": "chat.completion",
            "created": 1_800_000_000,
            "model": model,
            "choices": [choice],
            "usage": USAGE,
        }
