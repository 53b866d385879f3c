"""A server on loopback that answers like OpenAI's chat completions, with what was recorded for each prompt.

It runs in a process of its own, so that its work is not taken for greenai's. Which rung is asked it reads from the
model's name and `reasoning_effort`. A right answer ends in the right answer, a wrong one in another, both after filler
of the recorded length: whether an answer is right is told from its text.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay_outcomes import Recorded, RungName

SMALL, LARGE = "replay-small", "replay-large"
MARK = "The answer is: "
FILLER = "first we take what is given then see which of the terms holds and work from it toward one that fits "


def digest(prompt: str) -> str:
    """Return the key of a prompt."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()


def rung_of(body: Mapping[str, Any]) -> RungName:
    """Return which rung a request asks."""
    if body["model"] == SMALL:
        return "small"
    return "reasoning" if body.get("reasoning_effort") not in (None, "none") else "large"


def text_of(recorded: Recorded, rung: RungName) -> str:
    """Return an answer of the recorded length, right or wrong as it was recorded."""
    said = recorded.said[rung]
    end = f"{MARK}{recorded.gold if said.right else recorded.wrong}"
    room = max(said.tokens * 4 - len(end) - 1, 0)
    filler = (FILLER * (room // len(FILLER) + 1))[:room]
    return f"{filler}\n{end}"


def answered(text: str) -> str:
    """Return what an answer says at its end."""
    return text.rpartition(MARK)[2].strip() if MARK in text else ""


def completion(recorded: Recorded, body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the body of a chat completion."""
    rung = rung_of(body)
    said = recorded.said[rung]
    prompt_tokens = sum(len(str(message.get("content"))) for message in body["messages"]) // 4 + 4
    output = said.tokens + said.thinking
    message = {"role": "assistant", "content": text_of(recorded, rung), "refusal": None}
    return {
        "id": f"chatcmpl-replay-{number}",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": output,
            "total_tokens": prompt_tokens + output,
            "completion_tokens_details": {"reasoning_tokens": said.thinking},
        },
    }


def _handler(answers: Mapping[str, Recorded]) -> type[BaseHTTPRequestHandler]:
    numbers = itertools.count()

    class Exchange(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one write for head and body

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            asked = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
            recorded = answers.get(digest(asked))
            status, said = 404, {"error": {"message": "This prompt is not in the mix.", "type": "replay"}}
            if recorded is not None:
                status, said = 200, completion(recorded, body, next(numbers))
            sent = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args: object) -> None:
            pass

    return Exchange


def _serve(answers: Mapping[str, Recorded], pipe: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    server.daemon_threads = True
    pipe.send(server.server_port)
    server.serve_forever()


@contextmanager
def serving(answers: Mapping[str, Recorded]) -> Iterator[str]:
    """Serve `answers`, by the digest of their prompts, while the block runs; gives the address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(dict(answers), theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.kill()
        process.join()
