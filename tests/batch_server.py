"""OpenAI's files and batches on loopback, with a state: what was uploaded, made, answered, cancelled and deleted."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenai.wire.batches import _parts
from tests.servers import Exchange, Scripted, completion_body

MODEL = "gpt-4.1-mini"
ANSWER_TOKENS = 20

Fault = tuple[str, str, Callable[[Exchange], None], bool]


@dataclass
class Made:
    """One batch: `name` is its id, `lines` what it asks, `cancelled` whether somebody cancelled it."""

    name: str
    file: str
    metadata: dict[str, str]
    lines: list[dict[str, Any]]
    looks: int = 0
    created: int = field(default_factory=lambda: int(time.time()))
    status: str = ""
    content: bytes = b""
    errors: bytes = b""
    refused: list[dict[str, Any]] = field(default_factory=list)


class BatchServer:
    """Answers as the batch API does, and as chat completions do.

    Attributes:
        looks: how often a batch is asked after before it is over.
        ends: how it ends.
        sums: whether a batch says what its requests took together, and with which model.
        answered: what comes of one asked line: a line of the output, of the errors (with an `error`), or nothing.
        faults: (method, end of the path, what is done instead, whether the request counts all the same); each once.
        asked: how often each custom_id was asked by a batch that answered it.
        done: called with method and path of what was done, before the response is sent.
    """

    def __init__(self, server: Scripted) -> None:
        self.server = server
        self.looks = 2
        self.ends = "completed"
        self.sums = False
        self.oldest_first = False
        self.answered: Callable[[dict[str, Any]], dict[str, Any] | None] = answered
        self.refused: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: list[Made] = []
        self.asked: Counter[str] = Counter()
        self.most_files = 0
        self.chats: list[dict[str, Any]] = []
        self.done: Callable[[str, str], None] = lambda _method, _path: None
        self.log: list[str] = []
        self._made = 0
        server.play(self)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [line for batch in self.batches for line in batch.lines]

    def fail(self, method: str, path: str, scene: Callable[[Exchange], None], *, after: bool = False) -> None:
        """Have the next request of this kind answered by `scene`; `after` it was done all the same."""
        self.faults.append((method, path, scene, after))

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0]
        for fault in self.faults:
            method, form, scene, after = fault
            if exchange.command == method and re.search(f"{form}$", path):
                self.faults.remove(fault)
                if after:
                    self._done(exchange.command, path, exchange)
                return scene(exchange)
        said = self._done(exchange.command, path, exchange)
        self.done(exchange.command, path)
        if said is None:
            error = {"error": {"message": f"No {path}.", "type": "invalid_request_error", "code": "not_found"}}
            return exchange.whole(404, json.dumps(error).encode())
        return exchange.whole(200, said if isinstance(said, bytes) else json.dumps(said).encode())

    def _done(self, method: str, path: str, exchange: Exchange) -> Any:
        raw = exchange.server.received[-1].raw
        self.log.append(f"{method} {path}")
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "chat":
            self.chats.append(json.loads(raw))
            return completion_body("From a call.", model=MODEL)
        if parts[0] == "files":
            return self._file(method, parts[1:], raw, exchange)
        if method == "POST" and len(parts) == 1:
            return self._create(json.loads(raw))
        if len(parts) == 1:
            shown = [self._shown(one) for one in self.batches]
            return {"object": "list", "data": shown if self.oldest_first else shown[::-1], "has_more": False}
        made = next((one for one in self.batches if one.name == parts[1]), None)
        if made is None:
            return None
        if parts[2:] == ["cancel"]:
            made.status = "cancelled"
        else:
            self._look(made)
        return self._shown(made)

    def _file(self, method: str, parts: list[str], raw: bytes, exchange: Exchange) -> Any:
        if method == "POST":
            form = dict(_parts(raw, exchange.headers["content-type"]))
            found = re.search(rb'filename="([^"]*)"', raw)
            assert found is not None
            assert form["purpose"] == b"batch"
            name = f"file-{self._next()}"
            self.files[name] = (found[1].decode(), form["file"])
            self.most_files = max(self.most_files, len(self.files))
            return self._file_shown(name)
        if not parts:
            return {"object": "list", "data": [self._file_shown(name) for name in self.files], "has_more": False}
        if parts[1:] == ["content"]:
            return next((c for one in self.batches for n, c in self._outputs(one) if n == parts[0]), None)
        if self.files.pop(parts[0], None) is None:
            return None
        return {"id": parts[0], "object": "file", "deleted": True}

    def _create(self, asked: dict[str, Any]) -> Any:
        if asked["input_file_id"] not in self.files:
            return None
        content = self.files[asked["input_file_id"]][1]
        lines = [json.loads(line) for line in content.splitlines()]
        made = Made(f"batch_{self._next()}", asked["input_file_id"], asked["metadata"], lines)
        self.batches.append(made)
        return self._shown(made)

    def _look(self, made: Made) -> None:
        made.looks += 1
        if made.status or made.looks < self.looks:
            return
        made.status = self.ends
        if self.refused:
            made.status, made.refused = "failed", self.refused
            return
        said = [line for asked in made.lines if (line := self.answered(asked)) is not None]
        good = [line for line in said if not line.get("error") and line["response"]["status_code"] == 200]
        bad = [line for line in said if line not in good]
        self.asked.update(line["custom_id"] for line in good)
        made.content = b"".join(json.dumps(line).encode() + b"\n" for line in reversed(good))
        made.errors = b"".join(json.dumps(line).encode() + b"\n" for line in bad)

    def _outputs(self, made: Made) -> list[tuple[str, bytes]]:
        number = made.name.removeprefix("batch_")
        return [(f"file-{number}-out", made.content), (f"file-{number}-err", made.errors)]

    def _shown(self, made: Made) -> dict[str, Any]:
        (out, content), (err, errors) = self._outputs(made)
        good, bad = content.count(b"\n"), errors.count(b"\n")
        said: dict[str, Any] = {}
        if self.sums and made.status:
            used = [json.loads(line)["response"]["body"]["usage"] for line in content.splitlines()]
            names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
            said = {"usage": {ours: sum(one[theirs] for one in used) for ours, theirs in names.items()}, "model": MODEL}
        return {
            **said,
            "id": made.name,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": made.file,
            "completion_window": "24h",
            "created_at": made.created,
            "status": made.status or "in_progress",
            "metadata": made.metadata,
            "output_file_id": out if content else None,
            "error_file_id": err if errors else None,
            "errors": {"object": "list", "data": made.refused} if made.refused else None,
            "request_counts": {"total": len(made.lines), "completed": good, "failed": bad},
        }

    def _file_shown(self, name: str) -> dict[str, Any]:
        filename, content = self.files[name]
        shown = {"id": name, "object": "file", "bytes": len(content), "created_at": int(time.time())}
        return {**shown, "filename": filename, "purpose": "batch", "status": "processed"}

    def _next(self) -> int:
        self._made += 1
        return self._made


def answered(asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the line that answers an asked one with its question."""
    question = asked["body"]["messages"][-1]["content"]
    read = 10 + len(question)
    usage = {"prompt_tokens": read, "completion_tokens": ANSWER_TOKENS, "total_tokens": read + ANSWER_TOKENS}
    body = completion_body(f"Re: {question}", usage, model=f"{asked['body']['model']}-2025-04-14")
    response = {"status_code": 200, "request_id": "req", "body": body}
    return {"id": "batch_req", "custom_id": asked["custom_id"], "response": response, "error": None, **changes}


def refused(asked: dict[str, Any], status: int, code: str) -> dict[str, Any]:
    """Return the line that says that a request was refused."""
    response = {"status_code": status, "request_id": "req", "body": {"error": {"message": "No.", "code": code}}}
    return {"id": "batch_req", "custom_id": asked["custom_id"], "response": response, "error": None}
