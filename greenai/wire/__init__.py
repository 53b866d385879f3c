"""The HTTP APIs of model providers: what a request asks, what a reply says, and how a stored one is given again.

    dialect      API                                            who speaks it
    ─────────    ──────────────────────────────────────────     ─────────────────────────────────────────
    chat         POST …/chat/completions                        openai, mistral, every compatible server
    messages     POST …/messages                                anthropic
    clouds       POST …/model/{name}/invoke, …:rawPredict       anthropic's models on Bedrock and Vertex AI
    gemini       POST …/models/{name}:generateContent           google, its Vertex AI too
    responses    POST …/responses                               openai, and some compatible servers
    embeddings   POST …/embeddings                              openai, mistral, every compatible server
    decisions    POST …/decisions                               openai
    …            one module each, entered in `_TABLE`

A dialect reads JSON into what the flow knows (openai's chat messages and arguments) and writes back only what the flow
changed: a field that it does not know travels as the app wrote it. It decides nothing and does no I/O; exchange.py
takes a request through the flow, transport.py stands in a host library's HTTP client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from greenai.values import Draft, Reply
    from greenai.wire.sse import Event

__all__ = ["Asked", "Dialect", "Seen", "dialect_of"]

_TABLE: tuple[tuple[str, str], ...] = (
    ("/chat/completions", "chat"),
    ("/v1/messages", "messages"),
    ("/invoke", "clouds.BEDROCK"),
    ("/invoke-with-response-stream", "clouds.BEDROCK"),
    (":rawPredict", "clouds.VERTEX"),
    (":streamRawPredict", "clouds.VERTEX"),
    (":generateContent", "gemini"),
    (":streamGenerateContent", "gemini"),
    ("/responses", "responses"),
    ("/embeddings", "embeddings"),
    ("/decisions", "decisions"),
)
"""How the path of a request ends, and the module of its dialect, with its name there where that is not `DIALECT`."""

_OF_PROVIDERS = {("mistral", "chat"): "mistral"}
"""Whose API differs from the one that has its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request's JSON asks, in openai's chat shape.

    Attributes:
        model: the model that it names.
        messages: role and content; of what is no text, whatever says how much it is.
        arguments: openai's chat arguments; a field that these do not have is under `extra_body`.
        stream: whether the answer shall come as a stream of events.
        exact: whether no other model may stand in for the one that it names.
        framed: whether its stream comes in frames of AWS's, not as events sent by a server.
    """

    model: str | None
    messages: list[dict[str, Any]] = field(repr=False)
    arguments: dict[str, Any] = field(repr=False)
    stream: bool = False
    exact: bool = False
    framed: bool = False


class Seen(Protocol):
    """What has been seen of a stream so far."""

    def add(self, event: Event) -> bool:
        """Take one event in; return False where the app, which did not ask for it, shall not get it."""
        ...

    def reply(self, latency_s: float, *, complete: bool) -> Reply:
        """Return what was seen as a reply; `complete` says that the stream ended by itself."""
        ...


class Dialect(Protocol):
    """One HTTP API. Its functions raise nothing of their own; what they cannot read goes to the provider as it is."""

    @property
    def name(self) -> str:
        """What the cache and the ledger call it."""
        ...

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:
        """Read a request's JSON."""
        ...

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it: what it did not change is as it was."""
        ...

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a whole response's JSON. Its `body` is a completion; another API's own JSON lies in it under `wire`."""
        ...

    def seen(self, model: str, asked: Asked) -> Seen:
        """Return what takes in the events of a stream."""
        ...

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return the response's JSON for a reply that did not come from this API just now."""
        ...

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:
        """Return such a reply as the events of a stream."""
        ...

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return the JSON of an error as this API has it."""
        ...


def dialect_of(method: str, path: str, provider: str = "") -> Dialect | None:
    """Return the dialect of a request to a provider, None where it asks no model for anything."""
    if method != "POST":
        return None
    path = path.rstrip("/")
    for ending, module in _TABLE:
        if path.endswith(ending):
            return _loaded(_OF_PROVIDERS.get((provider, module), module))
    return None


@cache
def _loaded(module: str) -> Dialect:
    name, _, dialect = module.partition(".")
    found: Dialect = getattr(import_module(f"greenai.wire.{name}"), dialect or "DIALECT")
    return found
