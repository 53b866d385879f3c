"""Clients of google-genai: a copy of one whose model calls pass the flow.

One client has both colours, and an HTTP client for each. Where aiohttp is installed its library prefers that; the copy
sends with httpx, as a client does that was given an HTTP client of the app's.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.wire import stainless
from greenai.wire.hanging import agenerated, awaited, called, generated
from greenai.wire.slot import Slot, held

if TYPE_CHECKING:
    from greenai.session import Session
    from greenai.wire.exchange import Host

__all__ = ["METHODS", "address_of", "restore", "rig", "slotted", "wrapped"]

logger = logging.getLogger("greenai")

C = TypeVar("C")

METHODS = ("generate_content", "generate_content_stream")
"""The calls of `Models` and `AsyncModels` that answer with a receipt."""


def address_of(client: Any) -> tuple[str, str]:
    """Return whose models a client, or its connection, asks, and where."""
    api = getattr(client, "_api_client", client)  # the library has no public name for it
    return ("vertex_ai" if client.vertexai else "gemini"), str(api._http_options.base_url or "")  # noqa: SLF001


def wrapped(client: C, session: Session, host: Host) -> C:
    """Return a copy of a client whose model calls pass a session's flow; the client itself is left as it is."""
    given: Any = client
    made: Any = copy.copy(given)
    api = _api(given._api_client, session, host)  # noqa: SLF001
    _rehung(made, api)
    made._aio = copy.copy(given._aio)  # noqa: SLF001
    _rehung(made._aio, api)  # noqa: SLF001
    made._greenai_of = made._aio._greenai_of = given  # noqa: SLF001  # which closes its connections when it is collected
    kind: Any = type(given)
    awaited_kind: Any = type(given._aio)  # noqa: SLF001
    made.__class__ = _closing(kind)
    made._aio.__class__ = _closing(awaited_kind)  # noqa: SLF001
    result: C = made
    return result


def _rehung(holder: Any, api: Any) -> None:
    """Give the parts of a client another connection; those that are made when they are first asked for are new."""
    for name, part in tuple(vars(holder).items()):
        if name == "_api_client":
            holder._api_client = api  # noqa: SLF001
        elif hasattr(part, "_api_client") and name != "_aio":
            setattr(holder, name, _part(part, api))


def _part(part: Any, api: Any) -> Any:
    made = copy.copy(part)
    made._api_client = api  # noqa: SLF001
    kind: Any = type(part)
    if hasattr(kind, "generate_content"):
        made.__class__ = _green(kind)
    return made


def _api(api: Any, session: Session, host: Host) -> Any:
    """Return a copy of a connection whose HTTP clients pass the flow: given ones, so that it closes none of them."""
    made = copy.copy(api)
    put = partial(stainless.rigged, session=session, host=host)
    made._httpx_client = put(api._httpx_client, asynchronous=False)  # noqa: SLF001
    made._aiohttp_sessions = {}  # noqa: SLF001
    given = {"httpx_client": made._httpx_client}  # noqa: SLF001
    if _has_awaited(api):
        made._async_httpx_client = given["httpx_async_client"] = _rigged(api._async_httpx_client, put)  # noqa: SLF001
    made._http_options = api._http_options.model_copy(update=given)  # noqa: SLF001
    return made


def rig(api: Any, put: Callable[..., Any]) -> list[Any]:
    """Have a connection's own HTTP clients pass the flow until `restore`; return those that were made for it."""
    made = [put(api._httpx_client, asynchronous=False)]  # noqa: SLF001
    api._httpx_client = made[0]  # noqa: SLF001
    api._use_google_auth_sync = lambda: False  # noqa: SLF001  # which has sessions of another library
    if _has_awaited(api):
        api._async_httpx_client = _rigged(api._async_httpx_client, put)  # noqa: SLF001
        api._use_aiohttp = lambda: False  # noqa: SLF001  # which it would prefer, where that is installed
        made.append(api._async_httpx_client)  # noqa: SLF001
    return made


def restore(api: Any) -> None:
    """Give a connection back the HTTP clients that it had, closed where the app has closed them meanwhile."""
    api._httpx_client = stainless.unrigged(api._httpx_client)  # noqa: SLF001
    ours = api._async_httpx_client  # noqa: SLF001
    for name in ("_use_google_auth_sync", "_use_aiohttp"):
        vars(api).pop(name, None)
    if ours is not None:
        theirs = api._async_httpx_client = stainless.unrigged(ours)  # noqa: SLF001
        if hasattr(ours, "_loop_clients"):
            theirs._loop_clients = ours._loop_clients  # noqa: SLF001


def _has_awaited(api: Any) -> bool:
    """Say whether a connection has an awaited HTTP client; with certificates for Vertex AI google-auth has sessions."""
    if api._async_httpx_client is None:  # noqa: SLF001
        logger.warning(
            "Awaited calls of this google-genai client go through sessions of google-auth, which greenai does not see: "
            "they are sent as they are, and not metered. Pass http_options with a httpx_async_client to have them seen."
        )
        return False
    return True


def _rigged(http: Any, put: Callable[..., Any]) -> Any:
    """Return a copy of an awaited HTTP client; the library's own kind has one inside for each loop that is running."""
    made = put(http, asynchronous=True)
    if getattr(http, "_per_loop", False):
        made._client_for_running_loop = lambda: put(http._client_for_running_loop(), asynchronous=True)  # noqa: SLF001
    return made


# --- classes ------------------------------------------------------------------------------


@cache
def _closing(kind: type[Any]) -> type[Any]:
    """Return the subclass of a client's class, with its name, that closes the client it is a copy of."""
    own: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    if hasattr(kind, "aclose"):
        own["aclose"] = wraps(kind.aclose)(lambda self: self._greenai_of.aio.aclose())
    else:
        own["close"] = wraps(kind.close)(lambda self: self._greenai_of.close())
    return type(kind.__name__, (kind,), {**own, "__del__": lambda _: None})


@cache
def _green(kind: type[Any]) -> type[Any]:
    """Return the subclass of `Models` or `AsyncModels`, with its name, whose answers have their receipts."""
    own = {name: slotted(getattr(kind, name)) for name in METHODS}
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**named, **own})


# --- methods ------------------------------------------------------------------------------


def slotted(plain: Callable[..., Any], ready: stainless.Ready = lambda _: True) -> Callable[..., Any]:
    """Return one of `METHODS` with a slot around it, and the receipt on what it returns, if its object is `ready`."""
    awaited_too = inspect.iscoroutinefunction(plain)
    if plain.__name__ == "generate_content":
        return _awaited_whole(plain, ready) if awaited_too else _whole(plain, ready)
    return _awaited_stream(plain, ready) if awaited_too else _stream(plain, ready)


def _whole(plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
    @wraps(plain)
    def generate_content(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not ready(self):
            return plain(self, *args, **kwargs)
        return called(lambda: plain(self, *args, **kwargs))

    return generate_content


def _stream(plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
    @wraps(plain)
    def generate_content_stream(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        parts = plain(self, *args, **kwargs)
        yield from generated(parts) if ready(self) else parts

    return generate_content_stream


def _awaited_whole(plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
    @wraps(plain)
    async def generate_content(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not ready(self):
            return await plain(self, *args, **kwargs)
        return await awaited(lambda: plain(self, *args, **kwargs))

    return generate_content


def _awaited_stream(plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
    @wraps(plain)
    async def generate_content_stream(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        if not ready(self):
            parts: AsyncIterator[Any] = await plain(self, *args, **kwargs)
            return parts
        slot = Slot()
        try:
            with held(slot):
                parts = await plain(self, *args, **kwargs)
        except Exception:
            if slot.error is not None:
                raise slot.error from None
            raise
        return agenerated(parts, slot)

    return generate_content_stream
