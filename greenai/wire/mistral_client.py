"""Clients of mistralai: a copy of one whose model calls pass the flow. One client has both colours."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import InvalidRequest
from greenai.wire import stainless
from greenai.wire.hanging import awaited, called

if TYPE_CHECKING:
    from greenai.session import Session
    from greenai.wire.exchange import Host

__all__ = ["address_of", "wrapped"]

C = TypeVar("C")

_CALLS: Mapping[str, tuple[str, ...]] = {
    "chat": ("complete", "stream", "parse", "parse_stream"),
    "embeddings": ("create",),
    "responses": ("create",),
}
"""The parts of a client whose calls answer with a receipt, and these calls; each has one that is awaited beside it."""


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
    for name, asynchronous in (("client", False), ("async_client", True)):
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
        if name in _CALLS:
            part_kind: Any = type(found)
            found.__class__ = _green(part_kind, _CALLS[name])
        return found

    return _subclass(kind, {"__getattr__": part})


@cache
def _green(kind: type[Any], names: tuple[str, ...]) -> type[Any]:
    both = (*names, *(f"{name}_async" for name in names))
    return _subclass(kind, {name: _answering(getattr(kind, name), kind) for name in both if hasattr(kind, name)})


def _subclass(kind: type[Any], own: dict[str, Any]) -> type[Any]:
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**named, **own})


def _answering(plain: Callable[..., Any], kind: type[Any]) -> Callable[..., Any]:
    """Return a method whose answers have their receipts. Within it the library's own class calls itself."""

    def of(self: Any) -> Any:
        twin = copy.copy(self)
        twin.__class__ = kind
        return twin

    if inspect.iscoroutinefunction(plain):

        @wraps(plain)
        async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await awaited(lambda: plain(of(self), *args, **kwargs))

        return method

    @wraps(plain)
    def called_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return called(lambda: plain(of(self), *args, **kwargs))

    return called_method
