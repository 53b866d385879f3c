"""What is asked: a model of this machine, or an OpenAI-compatible server whose process can be measured."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from greenai.errors import EngineError
from greenai.local import Engine
from greenai.rate.prompts import Prompt

__all__ = ["ANSWER_TOKENS", "MOST_THINKING", "Answer", "ChatTarget", "LlamaTarget", "Target"]

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
        return Answer(len(ids), int(said["tokens_predicted"]))

    def close(self) -> None:
        """End the engine."""
        self.engine.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        base_url = self.engine.base_url.removesuffix("/v1")
        return posted(f"{base_url}{path}", body, self.engine.api_key)[1]


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

    def ready(self, prompts: Sequence[Prompt]) -> None:
        """Ask one of them: a server that refuses the fields says so before anything is measured."""
        self.ask(prompts[0])

    def ask(self, prompt: Prompt) -> Answer:
        """Answer one prompt; raises EngineError."""
        body = self._body(prompt)
        if self.forced:
            extra = {"ignore_eos": True, "min_tokens": self.most_tokens}
            status, said = posted(self._url(), {**body, **extra}, self.api_key, accepted=(200, 400, 422))
            if status == 200:
                return _counted(said)
            self.forced = False
        return _counted(posted(self._url(), body, self.api_key)[1])

    def close(self) -> None:
        """End the engine, if it is ours."""
        if self.engine is not None:
            self.engine.close()

    def _url(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        said = {"role": "user", "content": prompt.words(TOKENS_PER_WORD)}
        plain = {"model": self.model, "messages": [said], "max_tokens": self.most_tokens, "temperature": 0.0}
        extra = self.fields.get("extra_body", {})
        return {**plain, **{k: v for k, v in self.fields.items() if k != "extra_body"}, **extra}


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
    url: str, body: Mapping[str, Any], api_key: str, *, accepted: tuple[int, ...] = (200,)
) -> tuple[int, dict[str, Any]]:
    """Post JSON and return the status and what came back.

    Raises:
        EngineError: the server cannot be reached, or answers with another status or no JSON.
    """
    address = urlsplit(url)
    host = address.hostname or "127.0.0.1"
    if address.scheme == "https":
        context = ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, address.port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {api_key}"} if api_key else {})}
    try:
        connection.request("POST", address.path, json.dumps(body), headers)
        response = connection.getresponse()
        status, said = response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"{host}:{address.port} does not answer: {error!r}. Is the server running?") from None
    finally:
        connection.close()
    if status not in accepted:
        raise EngineError(f"{url} answered {status}: {said[:200].decode(errors='replace')}")
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        raise EngineError(f"{url} answered {status} without JSON: {said[:200].decode(errors='replace')}") from None
    return status, found
