"""Clients of mistralai: a copy of one whose model calls pass the flow. One client has both colours."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import InvalidRequest
from greenai.wire import stainless
from greenai.wire.hanging import awaited, called

if TYPE_CHECKING:
    from greenai.session import Session
    from greenai.wire.exchange import Host

__all__ = ["METHODS", "address_of", "restore", "rig", "slotted", "wrapped"]

C = TypeVar("C")

_CALLS: Mapping[str, tuple[str, ...]] = {
    "chat": ("complete", "stream", "parse", "parse_stream"),
    "embeddings": ("create",),
    "responses": ("create",),
}
_PLACES = (("client", False), ("async_client", True))

METHODS: Mapping[str, tuple[str, ...]] = {
    part: (*names, *(f"{name}_async" for name in names)) for part, names in _CALLS.items()
}
"""The parts of a client whose calls answer with a receipt, and these calls; each has one that is awaited beside it."""

_calling: ContextVar[object] = ContextVar("greenai.mistral", default=None)
"""The part whose call this is within: its helpers are made of its other calls."""


def address_of(client: Any) -> str:
    """Return where a client sends its requests."""
    address, _ = client.sdk_configuration.get_server_details()
    return str(address)


def wrapped(client: C, session: Session, host: Host) -> C:
    """Return a copy of a client whose model calls pass a session's flow; the client itself is left as it is.

    Raises:
        InvalidRequest: its HTTP client is none of httpx's.
    """
    given: Any = client
    config = copy.copy(given.sdk_configuration)
    for name, asynchronous in _PLACES:
        http = getattr(config, name)
        if not hasattr(http, "_transport"):
            raise InvalidRequest(
                f"wrap() needs an HTTP client of httpx in {name}= of this Mistral client, which has a "
                f"{type(http).__module__}.{type(http).__qualname__}. Leave {name}= out, or pass one of httpx's."
            )
        setattr(config, name, stainless.rigged(http, session, host, asynchronous=asynchronous))
    made: Any = copy.copy(given)
    for name in given._sub_sdk_map:  # noqa: SLF001  # made when they are first asked for, over the other connections
        vars(made).pop(name, None)
    made.sdk_configuration, made.parent_ref = config, made
    made._greenai_of = given  # noqa: SLF001  # which closes its connections when it is collected
    kind: Any = type(given)
    made.__class__ = _green_client(kind)
    result: C = made
    return result


@cache
def _green_client(kind: type[Any]) -> type[Any]:
    plain = kind.__getattr__

    def part(self: Any, name: str) -> Any:
        found = plain(self, name)
        if name in METHODS:
            part_kind: Any = type(found)
            found.__class__ = _green(part_kind, METHODS[name])
        return found

    return _subclass(kind, {"__getattr__": part})


@cache
def _green(kind: type[Any], names: tuple[str, ...]) -> type[Any]:
    return _subclass(kind, {name: slotted(getattr(kind, name)) for name in names if hasattr(kind, name)})


def _subclass(kind: type[Any], own: dict[str, Any]) -> type[Any]:
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**named, **own})


# --- for clients that other code holds ----------------------------------------------------


def rig(config: Any, put: Callable[..., Any]) -> list[Any]:
    """Have a configuration's own HTTP clients pass the flow until `restore`; return those that were made for it."""
    made: list[Any] = []
    for name, asynchronous in _PLACES:
        http = getattr(config, name)
        if hasattr(http, "_transport"):  # None once it was closed; an app may pass one of no library that we know
            setattr(config, name, put(http, asynchronous=asynchronous))
            made.append(getattr(config, name))
    return made


def restore(config: Any) -> None:
    """Give a configuration back the HTTP clients that it had, closed where the app has closed them meanwhile."""
    for name, _ in _PLACES:
        setattr(config, name, stainless.unrigged(getattr(config, name)))


# --- methods ------------------------------------------------------------------------------


def slotted(plain: Callable[..., Any], ready: stainless.Ready = lambda _: True) -> Callable[..., Any]:
    """Return one of `METHODS` with a slot around it, and the receipt on what it returns, if its object is `ready`."""
    if inspect.iscoroutinefunction(plain):

        @wraps(plain)
        async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if _calling.get() is self or not ready(self):
                return await plain(self, *args, **kwargs)
            with _within(self):
                return await awaited(lambda: plain(self, *args, **kwargs))

        return method

    @wraps(plain)
    def called_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _calling.get() is self or not ready(self):
            return plain(self, *args, **kwargs)
        with _within(self):
            return called(lambda: plain(self, *args, **kwargs))

    return called_method


@contextmanager
def _within(part: object) -> Generator[None]:
    token = _calling.set(part)
    try:
        yield
    finally:
        _calling.reset(token)
