"""`instrument`: the clients of this process that other code makes and holds pass greenai, until that is undone.

library       classes                      what of them
──────────    ─────────────────────────    ──────────────────────────────────────────────────
openai        OpenAI, AsyncOpenAI,         the public method `request`, and at a client's first
              Azure's                      use the transport of its HTTP client
anthropic     Anthropic, AsyncAnthropic    the same

Nothing else is touched: who patches methods of resources, as tracers do, goes on seeing every call, whether it came
first or second. Clients that are wrapped, and greenai's own, are left as they are.
"""

from __future__ import annotations

import importlib.util
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from greenai.around import is_ours
from greenai.errors import InvalidRequest
from greenai.integrations.wrap import host_at
from greenai.session import Session
from greenai.wire import transport
from greenai.wire.stainless import is_asynchronous, rigged, slotted

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from greenai.hooks import Observer
    from greenai.settings import Settings

__all__ = ["Instrumented", "instrument", "uninstrument"]

_CLASSES: Mapping[str, Sequence[str]] = {
    "openai": ("OpenAI", "AsyncOpenAI"),
    "anthropic": ("Anthropic", "AsyncAnthropic"),
}

_changing = threading.RLock()
_present: list[Instrumented] = []


def instrument(
    *,
    project: str | None = None,
    settings: Settings | Mapping[str, Any] | Path | str | None = None,
    opt_in: str | Iterable[str] | None = None,
    reason: str | None = None,
    observe: bool | None = None,
    observers: Sequence[Observer] = (),
) -> Instrumented:
    """Have the model calls of every openai and anthropic client of this process pass greenai.

    It holds for clients that are there already and for those to come. Called again with the same options it changes
    nothing. The model that a call names is the one that answers, unless the settings name a ladder for it.

    Args:
        project: the project that calls are booked on.
        settings: as in `Client`.
        opt_in: expensive modes that every call may use; needs a `reason`.
        reason: why, for the ledger.
        observe: change nothing, and record what would have been saved.
        observers: callables that take every receipt.

    Returns:
        What undoes it, with `undo()` or as a `with` block.

    Raises:
        InvalidRequest: it was called before with other options, or neither library is installed.
        SettingsError: a setting is wrong.
    """
    options: dict[str, Any] = {
        "project": project, "settings": settings, "opt_in": opt_in, "reason": reason, "observe": observe,
        "observers": tuple(observers),
    }  # fmt: skip
    with _changing:
        if _present:
            if _present[0].options != options:
                raise InvalidRequest(
                    "greenai.instrument() was called before with other options, and they hold for the whole process. "
                    "Undo it first: greenai.uninstrument()."
                )
            return _present[0]
        made = Instrumented(options)
        _present.append(made)
        return made


def uninstrument() -> None:
    """Take back what `instrument` did; nothing where nothing was done."""
    with _changing:
        for made in tuple(_present):
            made.undo()


class Instrumented:
    """What `instrument` did, and what takes it back, also from clients that were used meanwhile."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        names = [name for name in _CLASSES if importlib.util.find_spec(name) is not None]
        if not names:
            raise InvalidRequest(
                "greenai.instrument() found neither openai nor anthropic, so there is nothing to instrument. "
                "Install the library that the app uses: pip install openai"
            )
        self.options = options
        self._session: Session | None = Session.open(
            options["settings"],
            {"base_url": None},
            project=options["project"],
            observe=options["observe"],
            opt_in=options["opt_in"],
            reason=options["reason"],
            timeout=None,
            max_retries=None,
            observers=options["observers"],
            pinned=True,
        )
        self._touched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._green: weakref.WeakSet[Any] = weakref.WeakSet()
        self._sessions: dict[str | None, Session] = {}
        self._patches = [
            _Patch(getattr(import_module(name), kind), partial(self._ready, name))
            for name in names
            for kind in _CLASSES[name]
        ]

    def undo(self) -> None:
        """Have no call pass greenai any more; again: nothing."""
        with _changing:
            session, self._session = self._session, None
            if session is None:
                return
            _present.remove(self)
            for patch in self._patches:
                patch.remove()
            for green in tuple(self._green):
                green.greenai_session = None  # also in copies of a client that were never used
            for client in tuple(self._touched):
                _restore(client)
            for shared in self._sessions.values():
                shared.close(owner=False)
            session.close(owner=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()

    def _ready(self, provider: str, client: Any) -> bool:
        """Have a client's HTTP client pass greenai, at its first use; return whether it does by this."""
        if self._session is None or is_ours():
            return False
        sending = client._client._transport  # noqa: SLF001  # where both libraries have kept it since httpx 0.13
        if transport.is_green(sending) and sending.greenai_session is not None:
            return sending in self._green
        with _changing:
            return self._rig(provider, client)

    def _rig(self, provider: str, client: Any) -> bool:
        if self._session is None:
            return False
        sending = client._client._transport  # noqa: SLF001
        if transport.is_green(sending) and sending.greenai_session is not None:
            return True  # another thread's first use of it came before
        host = host_at(provider, str(client.base_url))
        session = self._of(host.base_url)
        made = rigged(client._client, session, host, asynchronous=is_asynchronous(client))  # noqa: SLF001
        client._client = made  # noqa: SLF001
        self._touched.add(client)
        for sending in (made._transport, *made._mounts.values()):  # noqa: SLF001
            if sending is not None:
                self._green.add(sending)
        return True

    def _of(self, base_url: str | None) -> Session:
        """Return the session of clients of one address: all share what they remember, store and book."""
        if self._session is None or base_url is None:
            return self._session or next(iter(self._sessions.values()))
        found = self._sessions.get(base_url)
        if found is None:
            found = self._sessions[base_url] = self._session.with_options({"base_url": base_url})
        return found


class _Patch:
    """One class whose clients open a slot for each request, and hang the receipt on what comes of it."""

    def __init__(self, kind: Any, ready: Callable[[Any], bool]) -> None:
        self._kind = kind
        self._before: Any = vars(kind).get("request")  # None where it is inherited
        self._made = slotted(kind.request, ready, asynchronous=kind.__name__.startswith("Async"))
        kind.request = self._made

    def remove(self) -> None:
        """Take it back; where somebody patched the method since, theirs stays, and calls what was there before ours."""
        if vars(self._kind).get("request") is not self._made:
            return
        if self._before is None:
            del self._kind.request
        else:
            self._kind.request = self._before


def _restore(client: Any) -> None:
    """Give a client back the HTTP client that it had, closed where the app has closed it meanwhile."""
    ours = client._client  # noqa: SLF001
    theirs = getattr(ours, "_greenai_of", None)
    if theirs is None:
        return
    theirs._state = ours._state  # noqa: SLF001  # opened, or closed, with the connections that both share
    client._client = theirs  # noqa: SLF001
