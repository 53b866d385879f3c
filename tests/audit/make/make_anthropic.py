"""Write fixtures/anthropic_batch_requests.jsonl and _results.jsonl: a batch as anthropic's client sends and gets it.

In a venv of its own:

    pip install anthropic
    python tests/audit/make/make_anthropic.py

The server is of this script: it keeps what the client asks for, and answers as the workload says, in the API's shape.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from anthropic import Anthropic
from making import WORKLOAD, Ask, jsonl, versions, write

BATCH: dict[str, Any] = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "archived_at": None,
    "cancel_initiated_at": None, "created_at": "2026-11-22T08:00:00Z", "ended_at": "2026-11-22T08:10:00Z",
    "expires_at": "2026-11-23T08:00:00Z",
    "request_counts": {"canceled": 0, "errored": 0, "expired": 0, "processing": 0, "succeeded": len(WORKLOAD)},
}  # fmt: skip
ENDS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def block(message: Any) -> dict[str, Any]:
    """Return a message in Anthropic's shape."""
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
        return {"role": "user", "content": [result]}
    calls = message.get("tool_calls")
    return {"role": message["role"], "content": [used(call) for call in calls] if calls else message["content"]}


def used(call: Any) -> dict[str, Any]:
    function = call["function"]
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": json.loads(function["arguments"])}


def params(ask: Ask) -> dict[str, Any]:
    own = [message["content"] for message in ask.messages if message["role"] == "system"]
    told: dict[str, Any] = {"model": ask.model, "max_tokens": ask.arguments.get("max_tokens", 1024)}
    told["messages"] = [block(message) for message in ask.messages if message["role"] != "system"]
    if own:
        told["system"] = own[0]
    if "temperature" in ask.arguments:
        told["temperature"] = ask.arguments["temperature"]
    if "tools" in ask.arguments:
        functions = [tool["function"] for tool in ask.arguments["tools"]]
        told["tools"] = [
            {"name": one["name"], "description": one["description"], "input_schema": one["parameters"]}
            for one in functions
        ]
    return told


def result(ask: Ask, number: int) -> dict[str, Any]:
    if not ask.ok:
        error = {"type": "api_error" if ask.status >= 500 else "invalid_request_error", "message": "as scripted"}
        return {"type": "errored", "error": {"type": "error", "request_id": f"req_{number}", "error": error}}
    content: list[Any] = [{"type": "text", "text": ask.answer}]
    if ask.called is not None:
        content = [{"type": "tool_use", "id": "call_1", "name": "order_status", "input": json.loads(ask.called)}]
    usage = {
        "input_tokens": ask.input_tokens - ask.cached_tokens, "cache_read_input_tokens": ask.cached_tokens,
        "cache_creation_input_tokens": 0, "output_tokens": ask.output_tokens, "service_tier": "batch",
        "output_tokens_details": {"thinking_tokens": ask.reasoning_tokens},
    }  # fmt: skip
    message = {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": ask.model, "content": content,
        "stop_reason": ENDS[ask.finish_reason], "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    return {"type": "succeeded", "message": message}


class Batches(BaseHTTPRequestHandler):
    """Takes a batch, and gives its results as lines."""

    sent: list[Any]

    def do_POST(self) -> None:
        type(self).sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["requests"]
        self.give(json.dumps(self.told()).encode(), "application/json")

    def do_GET(self) -> None:
        if not self.path.endswith("/results"):
            self.give(json.dumps(self.told()).encode(), "application/json")
            return
        lines = [
            {"custom_id": one["custom_id"], "result": result(ask, number)}
            for number, (one, ask) in enumerate(zip(self.sent, WORKLOAD, strict=True))
        ]
        self.give(jsonl(lines).encode(), "application/x-jsonl")

    def told(self) -> dict[str, Any]:
        host = self.headers["Host"]
        return {**BATCH, "results_url": f"http://{host}/v1/messages/batches/msgbatch_1/results"}

    def give(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Batches)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = Anthropic(base_url=f"http://127.0.0.1:{server.server_address[1]}", api_key="none", max_retries=0)
    requests: Any = [{"custom_id": f"ask-{number:02d}", "params": params(ask)} for number, ask in enumerate(WORKLOAD)]
    batch = client.messages.batches.create(requests=requests)
    results = [json.loads(one.to_json()) for one in client.messages.batches.results(batch.id)]
    write("anthropic_batch_requests.jsonl", jsonl(Batches.sent))
    write("anthropic_batch_results.jsonl", jsonl(results))
    versions("anthropic", "anthropic")
    server.shutdown()


if __name__ == "__main__":
    main()
