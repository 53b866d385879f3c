"""An OpenAI-shaped server on loopback that answers a workload; standard library only, as `audit_workload`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from audit_workload import OTHERS, WORKLOAD, Ask


def asked(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the words of a conversation's last message, by which its ask is found."""
    content = messages[-1]["content"]
    parts = [content] if isinstance(content, str) else [part.get("text") or "" for part in content or ()]
    return "".join(parts)


ECHOED = ("metadata", "temperature", "tools", "response_format")
"""What a stored completion says of its request besides the messages."""

BY_WORDS: Mapping[str, Ask] = {asked(ask.messages): ask for ask in (*WORKLOAD, *OTHERS)}


@contextmanager
def loopback() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve on a free port; yields the address and the other requests than the workload's: (path, body)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.daemon_threads = True
    _Answering.others = []
    _Answering.stored = {}
    _Answering.answered = 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", _Answering.others
    finally:
        server.shutdown()
        server.server_close()


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    others: ClassVar[list[tuple[str, bytes]]] = []
    stored: ClassVar[dict[str, dict[str, Any]]] = {}
    answered = 0

    def do_POST(self) -> None:
        raw = self._read()
        if self.path.endswith(("/responses", "/embeddings")):
            self._other(json.loads(raw))
            return
        if not self.path.endswith("/chat/completions"):
            self.others.append((self.path, raw))
            self._whole(200, {})
            return
        body = json.loads(raw)
        ask = BY_WORDS[asked(body["messages"])]
        type(self).answered += 1
        head = {"id": f"chatcmpl-{self.answered:04d}", "created": int(time.time()), "model": body["model"]}
        choice = {"index": 0, "message": ask.message(), "logprobs": None, "finish_reason": ask.finish_reason}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": ask.usage()}
        if body.get("store") and ask.ok:
            self.stored[head["id"]] = {**{name: value for name, value in body.items() if name in ECHOED}, **whole}
            self.stored[head["id"]]["messages"] = body["messages"]
        if not ask.ok:
            self._failed(ask)
        elif body.get("stream"):
            self._stream(ask, head)
        else:
            self._whole(200, whole)

    def _other(self, body: Mapping[str, Any]) -> None:
        """Answer a call of the Responses API, or one for a vector."""
        given = body["input"]
        ask = BY_WORDS[given if isinstance(given, str) else asked(given) if "role" in given[0] else given[0]]
        type(self).answered += 1
        if not ask.ok:
            self._failed(ask)
        elif ask.kind == "responses":
            self._whole(200, {"id": f"resp_{self.answered:04d}", "created_at": int(time.time()), **ask.response()})
        else:
            vector = {"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}
            usage = {"prompt_tokens": ask.input_tokens, "total_tokens": ask.input_tokens}
            self._whole(200, {"object": "list", "data": [vector], "model": ask.model, "usage": usage})

    def _failed(self, ask: Ask) -> None:
        error = {"message": f"The loopback says {ask.status}.", "type": "scripted", "param": None, "code": None}
        self._whole(ask.status, {"error": error})

    def do_PATCH(self) -> None:
        self.do_POST()

    def do_GET(self) -> None:
        """List stored completions, or the messages of one."""
        path = self.path.partition("?")[0]
        if path.endswith("/messages"):
            listed = [{"id": f"m{n}", **part} for n, part in enumerate(self.stored[path.split("/")[-2]]["messages"])]
        else:
            kept = self.stored.values() if path.endswith("/chat/completions") else ()
            listed = [{name: value for name, value in one.items() if name != "messages"} for one in kept]
        self._whole(200, {"object": "list", "data": listed, "has_more": False})

    def _read(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _whole(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, ask: Ask, head: Mapping[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": part} for part in (ask.answer[:3], ask.answer[3:]) if part]
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None} for delta in deltas
        ]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": ask.finish_reason}], "usage": None})
        chunks.append({"choices": [], "usage": ask.usage()})
        for chunk in chunks:
            line = json.dumps({**head, "object": "chat.completion.chunk", **chunk})
            self.wfile.write(f"data: {line}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *args: object) -> None:
        pass
