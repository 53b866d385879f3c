"""The direct path: `openai/…`, every `base_url` and the engine on this machine, through the openai package."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import openai
from openai.resources.chat.completions import Completions

from greenai._locks import Lock
from greenai.errors import MissingKey
from greenai.provider import deadline
from greenai.shapes import ChatCompletion, http_library
from greenai.values import Call, Rung

_NO_KEY_NEEDED = "no-key"

_Client = TypeVar("_Client", openai.OpenAI, openai.AsyncOpenAI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What `openai.OpenAI` takes and greenai passes on."""

    api_key: Any = field(default=None, repr=False)
    base_url: str | None = None
    organization: str | None = None
    openai_project: str | None = None
    default_headers: Mapping[str, str] | None = field(default=None, repr=False)
    default_query: Mapping[str, object] | None = None
    http_client: Any = None
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@cache
def parameters() -> frozenset[str]:
    """Return the arguments that the installed openai's `create` knows."""
    return frozenset(inspect.signature(Completions.create).parameters) - {"self"}


def wire(call: Call) -> dict[str, Any]:
    """Return the keyword arguments for openai's `create`; fields it does not know travel in `extra_body`."""
    known = parameters()
    arguments = dict(call.draft.arguments)
    extra = {name: arguments.pop(name) for name in list(arguments) if name not in known}
    extra |= dict(arguments.pop("extra_body", None) or {})
    extra |= call.draft.extra
    arguments |= {"model": call.draft.rung.name, "messages": list(call.draft.messages)}
    if extra:
        arguments["extra_body"] = extra
    if call.stream:
        arguments["stream"] = True
        arguments["stream_options"] = {**(arguments.get("stream_options") or {}), "include_usage": True}
    if call.transport.extra_headers:
        arguments["extra_headers"] = call.transport.extra_headers
    if call.transport.extra_query:
        arguments["extra_query"] = call.transport.extra_query
    return arguments


def remaining(call: Call) -> Any:
    """Return this attempt's time-out: the app's own `httpx.Timeout`, else the seconds left to the deadline."""
    left_s = call.deadline - time.monotonic()
    if left_s <= 0:
        raise openai.APITimeoutError(request=http_library().Request("POST", "greenai://deadline-passed"))
    if call.transport.timeout is not None:
        return call.transport.timeout
    return None if math.isinf(left_s) else left_s


def checked(native: object) -> ChatCompletion:
    """Return the completion, or raise where the server sent something that is none (an HTML page, a string)."""
    if isinstance(native, ChatCompletion):
        return native
    http = http_library()
    excerpt = str(native)[:200]
    raise openai.APIResponseValidationError(
        response=http.Response(200, request=http.Request("POST", "greenai://not-a-completion")),
        body=excerpt,
        message=f"The server answered 200 with something that is no chat completion: {excerpt!r}",
    )


class OpenAIPath:
    """openai clients by address, made when first used: one per address, and per event loop for the async ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clients: dict[tuple[str | None, str | None], openai.OpenAI] = {}
        self._aclients: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[tuple[str | None, str | None], openai.AsyncOpenAI]
        ] = weakref.WeakKeyDictionary()
        self._lock = Lock()

    def client(self, rung: Rung) -> openai.OpenAI:
        """Return the synchronous client for this rung's address."""
        key = (rung.base_url, rung.api_key)
        found = self._clients.get(key)
        if found is None:
            with self._lock:
                found = self._clients.get(key)
                if found is None:
                    found = self._clients[key] = self._unnamed(
                        rung, openai.OpenAI(**self._arguments(rung, openai.DefaultHttpxClient))
                    )
        return found

    def aclient(self, rung: Rung) -> openai.AsyncOpenAI:
        """Return the asynchronous client for this rung's address on the running loop."""
        # A connection pool belongs to the loop that opened it: an app may run several loops, one after another.
        clients = self._aclients.setdefault(asyncio.get_running_loop(), {})
        key = (rung.base_url, rung.api_key)
        if key not in clients:
            clients[key] = self._unnamed(
                rung, openai.AsyncOpenAI(**self._arguments(rung, openai.DefaultAsyncHttpxClient))
            )
        return clients[key]

    def _unnamed(self, rung: Rung, client: _Client) -> _Client:
        """Keep OPENAI_ORG_ID and OPENAI_PROJECT_ID, which openai reads itself, from foreign addresses."""
        if self._elsewhere(rung):
            client.organization = client.project = None
        return client

    def _elsewhere(self, rung: Rung) -> bool:
        return rung.base_url is not None and rung.base_url != self._connection.base_url

    def _arguments(self, rung: Rung, http_client: type[Any]) -> dict[str, Any]:
        own = self._connection
        elsewhere = self._elsewhere(rung)
        arguments: dict[str, Any] = {
            "api_key": rung.api_key or (None if elsewhere else own.api_key),
            "base_url": rung.base_url or own.base_url,
            "max_retries": 0,
        }
        if elsewhere:
            arguments["api_key"] = arguments["api_key"] or _NO_KEY_NEEDED
        else:
            arguments |= {
                "organization": own.organization,
                "project": own.openai_project,
                "default_headers": own.default_headers,
                "default_query": own.default_query,
                **own.more,
            }
        if own.http_client is not None and not elsewhere:
            arguments["http_client"] = own.http_client
        else:
            hooks = deadline.hooks() if http_client is openai.DefaultHttpxClient else {}
            # The engine on this machine is never behind a proxy, whatever HTTP_PROXY says.
            arguments["http_client"] = http_client(event_hooks=hooks, trust_env=rung.provider != "local")
        return self._with_key(arguments)

    def _with_key(self, arguments: dict[str, Any]) -> dict[str, Any]:
        import os

        named = any(arguments.get(name) for name in ("provider", "workload_identity"))
        if arguments["api_key"] is None and not named and "OPENAI_API_KEY" not in os.environ:
            if arguments["base_url"] is None and "OPENAI_BASE_URL" not in os.environ:
                raise MissingKey(
                    "This call goes to OpenAI, and no API key was found. Set one with: export OPENAI_API_KEY=... "
                    "(in Python also: Client(api_key=...)), or use the model on this machine: "
                    '--model local/smollm2-135m (in Python: model="local/smollm2-135m").'
                )
            arguments["api_key"] = _NO_KEY_NEEDED
        return arguments

    def close(self) -> None:
        """Close every synchronous client; an app's own `http_client` is closed with them, as openai does."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    async def aclose(self) -> None:
        """Close the asynchronous clients of the running loop."""
        for client in self._aclients.pop(asyncio.get_running_loop(), {}).values():
            await client.close()
