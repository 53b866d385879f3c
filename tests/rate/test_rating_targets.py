"""What is asked: exactly ten tokens where the server can, its own count of tokens, and refusals in words."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from greenai.errors import EngineError
from greenai.rate.prompts import prompts
from greenai.rate.target import ChatTarget, check_here, posted


class Server:
    """An OpenAI-compatible server: `refuses` the forced length, or answers without usage."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.refuses = False
        self.usage: dict[str, Any] | None = {"prompt_tokens": 30, "completion_tokens": 10}
        self.status = 200

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.bodies.append(body)
        if self.refuses and "ignore_eos" in body:
            return 400, {"error": {"message": "unknown field"}}
        return self.status, {"usage": self.usage}


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that a test cuts."""


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    held = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            status, said = held.answer(json.loads(self.rfile.read(size)))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    listening = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield held, f"http://127.0.0.1:{listening.server_port}/v1"
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_answers_of_exactly_ten_tokens_are_asked_for(server: tuple[Server, str]) -> None:
    held, url = server
    target = ChatTarget(base_url=url, model="m", pid=1, fields={"extra_body": {"think": False}, "effort": "none"})
    assert target.ask(prompts(1)[0]) == (30, 10)
    (body,) = held.bodies
    assert (body["max_tokens"], body["min_tokens"], body["ignore_eos"]) == (10, 10, True)
    assert (body["think"], body["effort"], body["temperature"]) == (False, "none", 0.0)
    assert "extra_body" not in body


def test_a_server_that_refuses_that_is_asked_without_and_only_once(server: tuple[Server, str]) -> None:
    held, url = server
    held.refuses = True
    target = ChatTarget(base_url=url, model="m", pid=1)
    target.ready(prompts(2))
    target.ask(prompts(2)[1])
    assert ["ignore_eos" in body for body in held.bodies] == [True, False, False]


def test_answers_with_reasoning_end_by_themselves(server: tuple[Server, str]) -> None:
    held, url = server
    ChatTarget(base_url=url, model="m", pid=1, most_tokens=8192, forced=False).ask(prompts(1)[0])
    assert (held.bodies[0]["max_tokens"], "ignore_eos" in held.bodies[0]) == (8192, False)


def test_a_server_that_does_not_count_cannot_be_rated(server: tuple[Server, str]) -> None:
    held, url = server
    held.usage = None
    with pytest.raises(EngineError) as caught:
        ChatTarget(base_url=url, model="m", pid=1).ask(prompts(1)[0])
    assert str(caught.value) == (
        "The server does not say how many tokens it used, so nothing can be rated by it. Rate a server that fills "
        "usage.prompt_tokens and usage.completion_tokens."
    )


def test_a_failure_is_told_with_its_status(server: tuple[Server, str]) -> None:
    held, url = server
    held.status = 503
    with pytest.raises(EngineError) as caught:
        posted(f"{url}/x", {}, "key")
    assert str(caught.value).startswith(f"{url}/x answered 503: {{")


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(EngineError, match=r"^127\.0\.0\.1:1 does not answer: .* Is the server running\?$"):
        posted("http://127.0.0.1:1/v1", {}, "")


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://192.0.2.7:8000/v1", "nonsense"])
def test_a_server_elsewhere_cannot_be_rated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """192.0.2.7 is of an address range for documentation."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("192.0.2.7", 0))])
    with pytest.raises(EngineError) as caught:
        check_here(url, 1)
    assert str(caught.value) == (
        f"{url} is not on this machine, so the energy of process 1 here is not that of its answers. Run greenai rate on "
        "the machine of the server."
    )


def test_a_process_that_is_not_there_cannot_be_rated() -> None:
    with pytest.raises(EngineError) as caught:
        check_here("http://localhost:8000/v1", 2**22 + 1)
    assert str(caught.value) == (
        "There is no process 4194305 on this machine. Name the one that serves http://localhost:8000/v1 with --pid: "
        "pgrep -f vllm, for example."
    )
    check_here("http://127.0.0.1:8000/v1", os.getpid())


def test_closing_cuts_what_is_being_answered(server: tuple[Server, str]) -> None:
    """A thread that waits for an answer keeps the process alive: after Ctrl-C, for half an hour at worst."""
    held, url = server
    asked, may_answer = threading.Event(), threading.Event()

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.set()
        may_answer.wait(30)
        return 200, {}

    held.answer = answer
    target, said = ChatTarget(base_url=url, model="m", pid=1), list[str]()

    def ask() -> None:
        with pytest.raises(EngineError) as caught:
            target.ask(prompts(1)[0])
        said.append(str(caught.value))

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(30)
    target.close()
    thread.join(10)
    may_answer.set()
    assert "does not answer" in said[0]
