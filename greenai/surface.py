"""The rest of openai's surface: an openai client over greenai's session, made when something of it is first touched.

`create`, `ask` and what openai has not are the clients' own (client.py). Every other public name goes to openai's
client: its own code and types, whose model calls pass the same cache, budgets and ledger, as in `wrap` (wire/).

    a rung of this client's provider     the connection of this client, with openai's headers and retries
    another rung                         greenai's own provider, as from `create`
    no model at all                      the connection; a refusal without a key, and in a test's offline client

Without a key openai's constructor raises. Here the rest may be touched without one, since a call can be answered from
the cache or on this machine: what has to go to OpenAI raises MissingKey where a model is asked, as `create` does, and
openai's AuthenticationError, with the same way out, where none is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from greenai._params import MORE

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from greenai.session import Session

__all__ = ["SETTABLE", "Connections", "Rest", "Surface", "options_of_a_copy", "refuse_what_openai_does"]

SETTABLE = frozenset(("api_key", "base_url", "max_retries", "organization", "timeout"))
"""What an app may set on openai's clients later."""

_NO_KEY = "no-key"
_KEYLESS = (
    "This request goes to OpenAI, and no API key was found. Set one with: export OPENAI_API_KEY=... (in Python also: "
    "Client(api_key=...))."
)
_OFFLINE = (
    "An offline client answers calls of models only, and this request asks none. Test it against a server, or with a "
    "double of your own."
)


class Surface:
    """Has what openai's object has, by its own code: what a class over this one lacks is looked up there."""

    _rest: Callable[[], Any]

    def __getattr__(self, name: str) -> Any:
        # openai's own streams and resources, made by an app with this client, call private methods of it. Others that
        # only look what an object can do (copy, pickle, notebooks) shall not bring openai in.
        if not (name.startswith("__") or name.endswith("_") or name == "_rest"):
            try:
                return getattr(self._rest(), name)
            except AttributeError:
                pass
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Connections:
    """The HTTP client that a greenai client shares with its copies, made when needed; a forked child gets its own."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous
        self._http: Any = None
        self._pid = 0

    def http(self) -> Any:
        """Return the HTTP client: as openai makes its own."""
        if self._http is None or self._pid != os.getpid():
            self._http, self._pid = self._made(), os.getpid()
        return self._http

    def _made(self) -> Any:
        import openai

        if not self.asynchronous:
            return openai.DefaultHttpxClient()
        http: Any = openai.DefaultAsyncHttpxClient()
        http._transport = _OfEachLoop(http._transport, _another_transport)  # noqa: SLF001
        return http

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        http = self._taken()
        if http is not None:
            http.close()

    async def aclose(self) -> None:
        """Do what `close` does, awaited."""
        http = self._taken()
        if http is not None:
            await http.aclose()

    def _taken(self) -> Any:
        http, self._http = self._http, None
        return http if self._pid == os.getpid() else None


class Rest:
    """openai's client over a session, made when first called for.

    Args:
        session: whose settings, cache, budgets and ledger hold.
        connections: what the client shares with its copies.
    """

    def __init__(self, session: Session, connections: Connections) -> None:
        self.connections = connections
        self.session = session
        self._client: Any = None
        self._pid = 0

    def __call__(self) -> Any:
        """Return the client; a forked child gets one of its own."""
        if self._client is None or self._pid != os.getpid():
            self._client, self._pid = self._made(), os.getpid()
        return self._client

    def move(self, session: Session) -> None:
        """Stand on another session from now on."""
        self.session, self._client = session, None

    def close(self, *, owner: bool) -> None:
        """Close the app's own HTTP client, as openai does; as the owner also the connections."""
        if self._client is not None and self._given() is not None:
            self._given().close()
        if owner:
            self.connections.close()

    async def aclose(self, *, owner: bool) -> None:
        """Do what `close` does, awaited."""
        if self._client is not None and self._given() is not None:
            await self._given().aclose()
        if owner:
            await self.connections.aclose()

    def _given(self) -> Any:
        return self.session.config.connection.get("http_client")

    def chat(self) -> Any:
        """Return its `chat`."""
        return self().chat

    def completions(self) -> Any:
        """Return its `chat.completions`."""
        return self().chat.completions

    def _made(self) -> Any:
        import openai

        from greenai.wire import stainless
        from greenai.wire.exchange import Host

        kind: Any = openai.AsyncOpenAI if self.connections.asynchronous else openai.OpenAI
        config, refusal = self.session.config, self.refusal()
        client = kind(**self._arguments(), http_client=self._http(refusal))
        # Where a refusal stands in place of the connection, every rung is greenai's own provider's.
        host = Host(provider="openai", base_url=config.endpoint) if refusal is None else Host(provider="", base_url="")
        return stainless.dyed(client, self.session, host)

    def refusal(self) -> tuple[int, str] | None:
        """Return what a request gets that no model answers, where it cannot be sent: without a key, and offline."""
        from greenai.resources import LazyProvider

        if self.session.resources.outside.provider is not LazyProvider:
            return 404, _OFFLINE
        if self.session.config.endpoint is None and self._is_keyless():
            return 401, _KEYLESS
        return None

    def _arguments(self) -> dict[str, Any]:
        config = self.session.config
        own = config.connection
        names = ("organization", "base_url", "default_headers", "default_query")
        arguments = {**own.get("more", {}), **{name: own.get(name) for name in names}}
        arguments |= {"project": own.get("openai_project"), "max_retries": config.max_retries}
        if config.timeout != self.session.resources.settings.timeout_s:  # else openai's own default
            arguments["timeout"] = None if config.timeout in (None, float("inf")) else config.timeout
        if "provider" not in arguments:
            arguments["api_key"] = _NO_KEY if self._is_keyless() else own.get("api_key")
        return arguments

    def _is_keyless(self) -> bool:
        env, own = self.session.resources.outside.env, self.session.config.connection
        more = own.get("more", {})
        named = own.get("api_key") or any(more.get(n) for n in ("admin_api_key", "provider", "workload_identity"))
        return not (named or env.get("OPENAI_API_KEY") or env.get("OPENAI_ADMIN_KEY"))

    def _http(self, refusal: tuple[int, str] | None) -> Any:
        import openai

        asynchronous = self.connections.asynchronous
        if refusal is not None:
            kind: Any = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
            return kind(transport=_Refusing(*refusal))
        return self.connections.http() if self._given() is None else self._given()


class _OfEachLoop:
    """A transport for each event loop: a connection belongs to the one that opened it, and an app may run several."""

    def __init__(self, first: Any, another: Callable[[], Any]) -> None:
        self._first = first
        self._another = another
        self._made: WeakKeyDictionary[AbstractEventLoop, Any] = WeakKeyDictionary()

    async def handle_async_request(self, request: Any) -> Any:
        return await self._own().handle_async_request(request)

    async def aclose(self) -> None:
        await self._own().aclose()

    def _own(self) -> Any:
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._another() if self._made else self._first
        return self._made[loop]


def _another_transport() -> Any:
    import openai

    made: Any = openai.DefaultAsyncHttpxClient()
    return made._transport  # noqa: SLF001


class _Refusing:
    """A transport that sends nothing."""

    def __init__(self, status: int, message: str) -> None:
        self._status = status
        self._content = json.dumps({"error": {"message": message, "type": "greenai_refused"}}).encode()

    def handle_request(self, _request: Any) -> Any:
        from greenai.shapes import http_library

        headers = {"content-type": "application/json", "x-should-retry": "false"}
        return http_library().Response(self._status, headers=headers, content=self._content)

    async def handle_async_request(self, request: Any) -> Any:
        return self.handle_request(request)

    def close(self) -> None:
        """Close nothing."""

    async def aclose(self) -> None:
        """Close nothing."""


def options_of_a_copy(connection: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy's options as a session takes them: headers and query join those there are, as in openai's copies.

    Raises:
        ValueError: one thing is both added to and replaced, as openai raises it.
    """
    changes = dict(changes)
    for name in ("default_headers", "default_query"):
        added, whole = changes.get(name), changes.pop(f"set_{name}", None)
        if added is not None and whole is not None:
            raise ValueError(f"The `{name}` and `set_{name}` arguments are mutually exclusive")
        if added is not None:
            changes[name] = {**(connection.get(name) or {}), **added}
        elif whole is not None:
            changes[name] = dict(whole)
    named = {name: changes.pop(name) for name in MORE & changes.keys()}
    if named:
        changes["more"] = {**connection.get("more", {}), **named}
    return changes


def refuse_what_openai_does(
    more: Mapping[str, Any], api_key: object, http_client: object, *, asynchronous: bool
) -> None:
    """Raise at once what openai's constructor would, where a client's arguments contradict each other.

    Raises:
        TypeError: the HTTP client has the other colour.
        openai.OpenAIError: both a key and a workload's identity are given.
    """
    wanted, other = ("AsyncClient", "Client") if asynchronous else ("Client", "AsyncClient")
    if other in [kind.__name__ for kind in type(http_client).__mro__ if kind.__module__.startswith("httpx")]:
        raise TypeError(
            f"Invalid `http_client` argument; Expected an instance of `httpx.{wanted}` or `httpx2.{wanted}` but got "
            f"{type(http_client)}"
        )
    if api_key is not None and more.get("workload_identity") is not None:
        import openai

        raise openai.OpenAIError("The `api_key` and `workload_identity` arguments are mutually exclusive")
