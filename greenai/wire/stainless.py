"""Clients of openai and anthropic, whose libraries are made alike: a copy of one whose model calls pass the flow.

The copy is of a subclass with the same name, which does two things only. It opens the slot that the transport fills,
and hangs the receipt on what its own library made of the response. All else is the library's own code.
"""

from __future__ import annotations

import copy
import inspect
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property, partial, wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from greenai.request import OPTION_NAMES
from greenai.wire import transport
from greenai.wire.slot import open_slot

if TYPE_CHECKING:
    from greenai.session import Session
    from greenai.values import Receipt
    from greenai.wire.exchange import Host

__all__ = ["Ready", "attach", "dyed", "is_asynchronous", "is_awaited", "rigged", "slotted", "unrigged", "wrapped"]

C = TypeVar("C")
Ready: TypeAlias = Callable[[Any], bool]


def wrapped(client: C, session: Session, host: Host) -> C:
    """Return a copy of a client whose model calls pass a session's flow; the client itself is left as it is."""
    given: Any = client
    http = rigged(given._client, session, host, asynchronous=is_asynchronous(given))  # noqa: SLF001  # the library's own place for it
    try:
        made = given.copy(http_client=http)
    except TypeError:  # a class of the app's own, whose `__init__` takes other arguments
        made = _shallow(given, http)
    strict = getattr(given, "_strict_response_validation", None)
    if strict is not None:  # the library's own copies forget it
        made._strict_response_validation = strict  # noqa: SLF001
    kind: Any = type(given)
    made.__class__ = _green(kind)
    _rebind(made)
    result: C = made
    return result


def _rebind(client: Any) -> None:
    """Make the resources anew that a client has from the start, as those of clouds do: they hold its old methods."""
    for name, part in tuple(vars(client).items()):
        if hasattr(part, "_post") and getattr(part, "_client", None) is client:
            setattr(client, name, type(part)(client))


def _shallow(client: Any, http: Any) -> Any:
    """Return a copy of a client over another HTTP client, whose resources are made anew."""
    made = copy.copy(client)
    cached = [name for name in vars(made) if isinstance(getattr(type(made), name, None), cached_property)]
    for name in cached:
        del vars(made)[name]
    made._client = http  # noqa: SLF001
    return made


def dyed(client: C, session: Session, host: Host) -> C:
    """Make the calls of a client that nobody else has pass a session's flow, and return it."""
    made: Any = client
    kind: Any = type(made)
    made._client = rigged(made._client, session, host, asynchronous=is_asynchronous(made))  # noqa: SLF001
    made.__class__ = _green(kind)
    return client


def is_asynchronous(client: object) -> bool:
    """Say whether a client of these libraries is awaited."""
    return is_awaited(type(client))


def is_awaited(kind: type[Any]) -> bool:
    """Say whether clients of a class are awaited."""
    return any(cls.__name__ == "AsyncAPIClient" for cls in kind.__mro__)


def rigged(http: Any, session: Session, host: Host, *, asynchronous: bool) -> Any:
    """Return a copy of an HTTP client that shares its connections, and whose requests pass the flow."""
    kinds: list[Any] = [kind for kind in type(http).__mro__ if kind.__name__ in ("Client", "AsyncClient")]
    library = kinds[-1].__module__.partition(".")[0]
    put = partial(transport.green, session=session, host=host, asynchronous=asynchronous, library=library)
    made = copy.copy(http)
    # Both share connections. The library closes them where its HTTP client is collected, so that one must outlive this
    # copy, and this copy must not close what the app's own client goes on using.
    made._greenai_of = http  # noqa: SLF001
    kind: Any = type(http)
    made.__class__ = _uncollected(kind)
    made._transport = put(transport.bare(http._transport))  # noqa: SLF001  # both libraries have had it since 0.13
    made._mounts = {  # noqa: SLF001
        pattern: None if mounted is None else put(transport.bare(mounted))
        for pattern, mounted in http._mounts.items()  # noqa: SLF001
    }
    return made


def unrigged(http: Any) -> Any:
    """Return the HTTP client that one was a copy of, closed where the copy was meanwhile; or itself."""
    theirs = getattr(http, "_greenai_of", None)
    if theirs is None:
        return http
    theirs._state = http._state  # noqa: SLF001  # opened, or closed, with the connections that both share
    return theirs


@cache
def _uncollected(kind: type[Any]) -> type[Any]:
    own = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__del__": lambda _: None}
    return type(kind.__name__, (kind,), own)


@cache
def _green(kind: type[Any]) -> type[Any]:
    """Return the subclass of a client's class, with its name.

    It has one base and no slots, so that its objects have the layout of the library's, and a copy can become one.
    """
    post = slotted(kind.post, asynchronous=is_awaited(kind))
    get = slotted(kind.get, asynchronous=is_awaited(kind), always=False)  # a batch, and its answers
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    own = {**named, "post": post, "get": get}
    copying = _copying(kind.copy)
    return type(kind.__name__, (kind,), {**own, "copy": copying, "with_options": copying})


def _copying(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a client's `copy` that keeps greenai, and takes its options besides, as the receipts' lines say."""
    theirs = inspect.signature(plain).parameters.keys()

    @wraps(plain)
    def copying(self: Any, *args: Any, **kwargs: Any) -> Any:
        sending = self._client._transport  # noqa: SLF001
        ours = {name: kwargs.pop(name) for name in (OPTION_NAMES - theirs) & kwargs.keys()}
        made = plain(self, *args, **kwargs)
        if "greenai" in vars(self):
            made.greenai = self.greenai.with_options(**ours) if ours else self.greenai
        if transport.is_green(sending) and (ours or not transport.is_green(made._client._transport)):  # noqa: SLF001
            session = sending.greenai_session.with_options(ours) if ours else sending.greenai_session
            host, asynchronous = sending.greenai_host, is_asynchronous(made)
            made._client = rigged(made._client, session, host, asynchronous=asynchronous)  # noqa: SLF001
        return made

    return copying


def slotted(
    plain: Callable[..., Any], ready: Ready = lambda _: True, *, asynchronous: bool, always: bool = True
) -> Callable[..., Any]:
    """Return a client's method with a slot around it, and the receipt on what it returns, if the client is `ready`.

    With `always` False only what is expected to have a receipt gets the attribute.
    """
    return (_awaited if asynchronous else _plain)(plain, ready, always=always)


def _plain(plain: Callable[..., Any], ready: Ready, *, always: bool) -> Callable[..., Any]:
    @wraps(plain)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not ready(self):
            return plain(self, *args, **kwargs)
        with open_slot() as slot:
            try:
                response = plain(self, *args, **kwargs)
            except Exception:
                if slot.error is not None:
                    raise slot.error from None
                raise
        if always or slot.expected:
            slot.then(partial(attach, _target(response, pending=slot.receipt is None)))
        return response

    return method


def _awaited(plain: Callable[..., Any], ready: Ready, *, always: bool) -> Callable[..., Any]:
    @wraps(plain)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not ready(self):
            return await plain(self, *args, **kwargs)
        with open_slot() as slot:
            try:
                response = await plain(self, *args, **kwargs)
            except Exception:
                if slot.error is not None:
                    raise slot.error from None
                raise
        if always or slot.expected:
            slot.then(partial(attach, _target(response, pending=slot.receipt is None)))
        return response

    return method


def _target(response: Any, *, pending: bool) -> Any:
    """Return what gives the response, without keeping a stream alive that nobody reads any more.

    Until a `pending` receipt is there, the response says None.
    """
    with suppress(Exception):
        if pending and getattr(response, "greenai", None) is None:  # of a client that is wrapped twice it may be there
            response.greenai = None
    try:
        return weakref.ref(response)
    except TypeError:
        return lambda: response


def attach(target: Any, receipt: Receipt) -> None:
    """Hang a receipt on a response, if that is still there and takes one."""
    response = target()
    with suppress(Exception):  # an object of somebody else's may take no attribute; `last_receipt()` has it
        response.greenai = receipt
