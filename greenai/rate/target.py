"""What is asked: a model of this machine, or an OpenAI-compatible server whose process can be measured."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from greenai.errors import EngineError
from greenai.local import Engine
from greenai.meters.processes import visible
from greenai.rate.prompts import Prompt

__all__ = ["ANSWER_TOKENS", "MOST_THINKING", "Answer", "ChatTarget", "LlamaTarget", "Target", "check_here"]

ANSWER_TOKENS = 10
"""Tokens of an answer, exactly (huggingface/optimum-benchmark energy_star/text_generation.yaml, read 2026-11-21)."""

MOST_THINKING = 8192
"""Tokens that an answer with reasoning may have. Assumption, 2026-11-22: the answer is to end by itself."""

TOKENS_PER_WORD = 1.3
"""For servers that take text only: how many tokens a word makes. Assumption; what was sent is counted by the server."""

TIMEOUT_S = 1800.0


class Answer(NamedTuple):
    """What one request took, in tokens."""

    prompt_tokens: int
    output_tokens: int


class Target(Protocol):
    """Something that answers, in a process that meters can watch."""

    @property
    def pid(self) -> int:
        """The process that works."""
        ...

    def ready(self, prompts: Sequence[Prompt]) -> None:
        """Do beforehand what is no part of a query, such as cutting prompts to length."""

    def ask(self, prompt: Prompt) -> Answer:
        """Answer one prompt; raises EngineError."""
        ...

    def close(self) -> None:
        """End what was started."""


@dataclass(slots=True, kw_only=True)
class LlamaTarget:
    """llama.cpp's own interface: prompts of an exact length, answers of exactly ten tokens, no cache between them."""

    engine: Engine
    ids: dict[int, list[int]] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The engine's process."""
        return self.engine.pid

    def ready(self, prompts: Sequence[Prompt]) -> None:
        """Let the model's tokenizer cut each prompt to its length."""
        for prompt in prompts:
            if prompt.number not in self.ids:
                said = self._post("/tokenize", {"content": prompt.text})
                self.ids[prompt.number] = list(said["tokens"])[: prompt.tokens]

    def ask(self, prompt: Prompt) -> Answer:
        """Answer one prompt; raises EngineError."""
        ids = self.ids[prompt.number]
        body = {
            "prompt": ids,
            "n_predict": ANSWER_TOKENS,
            "ignore_eos": True,
            "temperature": 0.0,
            "cache_prompt": False,  # every run pays for its prompts
        }
        said = self._post("/completion", body)
        if int(said["tokens_predicted"]) != ANSWER_TOKENS or said.get("truncated"):
            raise EngineError(
                f"llama.cpp wrote {said['tokens_predicted']} tokens of {ANSWER_TOKENS} after a prompt of {len(ids)}, "
                "so the figures would not be those of the public method. Has this model room for that?"
            )
        return Answer(len(ids), ANSWER_TOKENS)

    def close(self) -> None:
        """End the engine."""
        self.engine.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        base_url = self.engine.base_url.removesuffix("/v1")
        return posted(f"{base_url}{path}", body, self.engine.api_key)[1]


@dataclass(slots=True)
class Line:
    """The connections in use. Whoever goes cuts them: threads that wait for answers would keep the process alive."""

    used: set[http.client.HTTPConnection] = field(default_factory=set[http.client.HTTPConnection])

    def cut(self) -> None:
        """End them, and with them what the server still writes."""
        for connection in tuple(self.used):
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True, kw_only=True)
class ChatTarget:
    """An OpenAI-compatible server, of an engine of ours or somebody else's on this machine.

    `fields` go into every request: how reasoning is switched. `forced` asks for answers of exactly `most_tokens`, in
    the words that vLLM, SGLang and llama.cpp know; a server that refuses them is asked without.
    """

    base_url: str
    model: str
    pid: int
    api_key: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    most_tokens: int = ANSWER_TOKENS
    forced: bool = True
    engine: Engine | None = None
    line: Line = field(default_factory=Line)

    def ready(self, prompts: Sequence[Prompt]) -> None:
        """Ask one of them: a server that refuses the fields says so before anything is measured."""
        self.ask(prompts[0])

    def ask(self, prompt: Prompt) -> Answer:
        """Answer one prompt; raises EngineError."""
        body = self._body(prompt)
        if self.forced:
            extra = {"ignore_eos": True, "min_tokens": self.most_tokens}
            status, said = posted(
                self._url(), {**body, **extra}, self.api_key, accepted=(200, 400, 422), line=self.line
            )
            if status == 200:
                return _counted(said)
            self.forced = False
        return _counted(posted(self._url(), body, self.api_key, line=self.line)[1])

    def close(self) -> None:
        """Cut what is being answered, and end the engine if it is ours."""
        self.line.cut()
        if self.engine is not None:
            self.engine.close()

    def _url(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        said = {"role": "user", "content": prompt.words(TOKENS_PER_WORD)}
        plain = {"model": self.model, "messages": [said], "max_tokens": self.most_tokens, "temperature": 0.0}
        extra = self.fields.get("extra_body", {})
        return {**plain, **{k: v for k, v in self.fields.items() if k != "extra_body"}, **extra}


def check_here(base_url: str, pid: int) -> None:
    """Refuse a server elsewhere and a process that is not there: the meters would see something else than the work.

    Raises:
        EngineError: it is one.
    """
    host = urlsplit(base_url).hostname or ""
    if not _is_here(host):
        raise EngineError(
            f"{base_url} is not on this machine, so the energy of process {pid} here is not that of its answers. Run "
            "greenai rate on the machine of the server."
        )
    if not visible(pid):
        raise EngineError(
            f"There is no process {pid} on this machine. Name the one that serves {base_url} with --pid: pgrep -f "
            "vllm, for example."
        )


def _is_here(host: str) -> bool:
    """Say whether a name is of this machine: a socket can only be bound to an address of one's own."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.bind(address)
        except OSError:
            continue
        return True
    return False


def _counted(said: Mapping[str, Any]) -> Answer:
    usage = said.get("usage") or {}
    try:
        return Answer(int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
    except (KeyError, TypeError, ValueError):
        raise EngineError(
            "The server does not say how many tokens it used, so nothing can be rated by it. Rate a server that fills "
            "usage.prompt_tokens and usage.completion_tokens."
        ) from None


def posted(
    url: str, body: Mapping[str, Any], api_key: str, *, accepted: tuple[int, ...] = (200,), line: Line | None = None
) -> tuple[int, dict[str, Any]]:
    """Post JSON and return the status and what came back.

    Raises:
        EngineError: the server cannot be reached, or answers with another status or no JSON.
    """
    held = line or Line()
    connection = _connection(url)
    host, port = connection.host, connection.port
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}
    held.used.add(connection)
    try:
        connection.request("POST", urlsplit(url).path, json.dumps(body), headers)
        response = connection.getresponse()
        status, said = response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"{host}:{port} does not answer: {error!r}. Is the server running?") from None
    finally:
        held.used.discard(connection)
        connection.close()
    if status not in accepted:
        raise EngineError(f"{url} answered {status}: {said[:200].decode(errors='replace')}")
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"{url} answered {status} without a JSON object: {said[:200].decode(errors='replace')}")
    return status, found


def _connection(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    host = address.hostname or "127.0.0.1"
    if address.scheme == "https":
        return http.client.HTTPSConnection(host, address.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_S)
