"""Google's API in front of llama.cpp's server, which does not speak it: text, streams and errors, no more than cases need."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

REASONS = {"stop": "STOP", "length": "MAX_TOKENS"}


class Front:
    """A server on loopback that asks another one, and says what that says as Google would."""

    def __init__(self, origin: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"origin": origin}))
        self._server.daemon_threads = True
        self._server.block_on_close = False
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
        return f"http://127.0.0.1:{self._server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    origin = ""

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if "/models/nowhere:" in self.path:
            return self._whole(404, _error(404, "models/nowhere is not found", "NOT_FOUND"))
        if self.path.split("?")[0].endswith(":streamGenerateContent"):
            return self._streamed(body)
        try:
            return self._whole(200, _written(self._asked(body, stream=False)))
        except urllib.error.HTTPError as error:
            return self._whole(400, _error(400, json.load(error)["error"]["message"], "INVALID_ARGUMENT"))

    def _asked(self, body: dict[str, Any], *, stream: bool) -> dict[str, Any]:
        config = body.get("generationConfig") or {}
        system = "".join(part["text"] for part in (body.get("systemInstruction") or {"parts": []})["parts"])
        messages = [{"role": "system", "content": system}] if system else []
        for content in body["contents"]:
            role = "assistant" if content.get("role") == "model" else "user"
            messages.append({"role": role, "content": "".join(part.get("text", "") for part in content["parts"])})
        asked = {"model": "smollm2-135m", "messages": messages, "stream": stream, "seed": 1}
        for theirs, ours in (
            ("maxOutputTokens", "max_tokens"),
            ("temperature", "temperature"),
            ("stopSequences", "stop"),
        ):
            if theirs in config:
                asked[ours] = config[theirs]
        if config.get("responseMimeType") == "application/json":
            asked["grammar"] = 'root ::= "{\\"city\\": \\"Oslo\\"}"'
        if config.get("candidateCount", 1) > 1:
            asked["n"] = config["candidateCount"]
        request = urllib.request.Request(
            f"{self.origin}/v1/chat/completions", json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            loaded: dict[str, Any] = json.load(response) if not stream else {"lines": list(response)}
        return loaded

    def _streamed(self, body: dict[str, Any]) -> None:
        text = "".join(_deltas(self._asked(body, stream=True)["lines"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        half = len(text) // 2
        for piece, last in ((text[:half], False), (text[half:], True)):
            data = b"data: " + json.dumps(_said(piece, "MAX_TOKENS" if last else None, 7, 3)).encode() + b"\r\n\r\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _whole(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _deltas(lines: list[bytes]) -> list[str]:
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
    return [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]


def _written(body: dict[str, Any]) -> dict[str, Any]:
    choice, usage = body["choices"][0], body["usage"]
    reason = REASONS[choice["finish_reason"]]
    return _said(choice["message"]["content"], reason, usage["prompt_tokens"], usage["completion_tokens"])


def _said(text: str, reason: str | None, prompt: int, answer: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    if reason is not None:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": prompt + answer}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "smollm2-135m", "responseId": "r1"}


def _error(code: int, message: str, status: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}
