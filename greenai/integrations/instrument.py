"""`instrument`: the clients of this process that other code makes and holds pass greenai, until that is undone.

A library is touched once it is imported: one method of its classes that makes calls, or a few, and at a client's first
use the transport of its HTTP client. What is specific to each is in libraries.py.

Nothing else is touched: who patches methods above these, as tracers do, goes on seeing every call, whether it came
first or second. Clients that are wrapped, and greenai's own, are left as they are.
"""

from __future__ import annotations

import importlib.util
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from greenai.around import is_ours
from greenai.errors import InvalidRequest
from greenai.integrations.imported import Watch
from greenai.integrations.libraries import LIBRARIES, Library
from greenai.session import Session
from greenai.wire import transport
from greenai.wire.stainless import Ready, rigged

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType, TracebackType

    from greenai.hooks import Observer
    from greenai.settings import Settings

__all__ = ["Instrumented", "instrument", "uninstrument"]

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
    """Have the model calls of every client of openai, anthropic, google-genai and mistralai here pass greenai.

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
        InvalidRequest: it was called before with other options, or none of the libraries is installed.
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
        found = [library for library in LIBRARIES if _is_there(library.name)]
        if not found:
            raise InvalidRequest(
                "greenai.instrument() found none of openai, anthropic, google-genai and mistralai, so there is nothing "
                "to instrument. Install the library that the app uses: pip install openai"
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
        # By the library and their id, as some have no hash.
        self._touched: weakref.WeakValueDictionary[tuple[str, int], Any] = weakref.WeakValueDictionary()
        self._green: weakref.WeakSet[Any] = weakref.WeakSet()
        self._sessions: dict[str | None, Session] = {}
        self._patches: list[_Patch] = []
        by_module = {module: library for library in found for module in library.methods}
        self._watch = Watch(by_module, lambda module: self._patch(by_module[module.__name__], module))

    def undo(self) -> None:
        """Have no call pass greenai any more; again: nothing."""
        with _changing:
            session, self._session = self._session, None
            if session is None:
                return
            _present.remove(self)
            self._watch.end()
            for patch in self._patches:
                patch.remove()
            for green in tuple(self._green):
                green.greenai_session = None  # also in copies of a client that were never used
            for (name, _), holder in tuple(self._touched.items()):
                next(library for library in LIBRARIES if library.name == name).restore(holder)
            for shared in self._sessions.values():
                shared.close(owner=False)
            session.close(owner=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()

    def _patch(self, library: Library, module: ModuleType) -> None:
        for kind, names in library.methods[module.__name__].items():
            found = getattr(module, kind, None)
            self._patches += [
                _Patch(found, name, library, partial(self._ready, library)) for name in names if hasattr(found, name)
            ]

    def _ready(self, library: Library, owner: Any) -> bool:
        """Have an owner's HTTP clients pass greenai, at its first use; return whether they do by this."""
        if self._session is None or is_ours():
            return False
        sending = library.sending(library.holder(owner))
        if sending is None:
            return False
        if transport.is_green(sending) and sending.greenai_session is not None:
            return sending in self._green
        with _changing:
            return self._rig(library, owner)

    def _rig(self, library: Library, owner: Any) -> bool:
        if self._session is None:
            return False
        holder = library.holder(owner)
        sending = library.sending(holder)
        if transport.is_green(sending) and sending.greenai_session is not None:
            return True  # another thread's first use of it came before
        host = library.host(owner)
        made = library.rig(holder, partial(rigged, session=self._of(host.base_url), host=host))
        self._touched[library.name, id(holder)] = holder
        for http in made:
            for sending in (http._transport, *http._mounts.values()):  # noqa: SLF001
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
    """One method of a class, that opens a slot for each request, and hangs the receipt on what comes of it."""

    def __init__(self, kind: Any, name: str, library: Library, ready: Ready) -> None:
        self._kind = kind
        self._name = name
        self._before: Any = vars(kind).get(name)  # None where it is inherited
        self._made = library.slotted(kind, getattr(kind, name), ready)
        setattr(kind, name, self._made)

    def remove(self) -> None:
        """Take it back; where somebody patched the method since, theirs stays, and calls what was there before ours."""
        if vars(self._kind).get(self._name) is not self._made:
            return
        if self._before is None:
            delattr(self._kind, self._name)
        else:
            setattr(self._kind, self._name, self._before)


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package above it
        return False
