"""Start, find, restart and stop the child processes that hold local models.

One `Engines` belongs to one client. It starts a model's process at the first `get` of its name, hands the same
one to every later caller, starts a new one when that process has died, and ends all of them on `close`, at
interpreter exit, or when this process dies in any other way (the child watches). A forked child process of the app
neither uses nor ends its parent's engines: it starts its own.
"""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import threading
import time
import weakref
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import replace

from greenai.errors import EngineError, MissingExtra
from greenai.local.names import KNOWN, missing, parse, path_of
from greenai.local.parker import Book, Lease, Parker, Parking, Seat
from greenai.local.process import Engine, EngineSettings, check_magic, kind_of, launch, needs
from greenai.local.tuned import Tuned

__all__ = ["Engine", "EngineSettings", "Engines"]

logger = logging.getLogger("greenai")
_UNTUNED = (
    "local/%s could not be started as its profile of %s says, so it runs as without one: %s Measure again with "
    "greenai tune, or delete the profile with greenai tune --forget."
)


class Engines:
    """The running models of one client. Safe from any thread, and after a fork.

    With `parking`, a model is unloaded when its stay is over; without, it stays until `close`.
    """

    parker: Parker | None = None
    tuned: Tuned | None = None

    def __init__(self, settings: EngineSettings | None = None, parking: Parking | None = None) -> None:
        self.settings = settings or EngineSettings()
        self.parker = None if parking is None else Parker(parking)
        self._running: dict[str, Engine] = {}
        self._closed = False
        self._new_locks()
        _ALL.add(self)

    def get(self, name: str, timeout_s: float | None = None) -> Engine:
        """Return the running engine of model `name`, starting it if need be.

        Every caller waits for the one start of a model; a caller whose time is over leaves, and the start goes on.

        Args:
            name: What follows `local/`: a known name (`smollm2-135m`), the path of a GGUF file or of a folder with
                config.json and safetensors, or a hub id (`org/repo`, `org/repo:file.gguf`).
            timeout_s: How long this caller waits, in seconds; None waits until it is ready or has failed.

        Raises:
            TimeoutError: It was not ready in time.
            UnknownModel: `name` is none of these.
            MissingExtra: llama.cpp, or torch for a folder, is not installed.
            ModelMissing: The weights are not on this machine.
            EngineError: The process did not start, or these engines are closed.
        """
        engine = self._running.get(name)
        if engine is not None and engine.alive():
            return engine
        return self._loading_of(name).result(timeout_s)

    def lease(self, name: str, timeout_s: float | None = None) -> Lease:
        """Return the running engine of model `name` as `get` does; it is not unloaded before the lease is released."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            engine = self.get(name, None if deadline is None else max(deadline - time.monotonic(), 0.0))
            stay = engine.stay
            if stay is None or stay.begin():
                return Lease(engine, stay, self.parker)
            self._unload(name, engine)  # unless another thread does: who asks again waits for that, and a new start

    def seat(self, name: str, run_at: str | None = None) -> Seat | None:
        """Return a place in the next burst of model `name`, where the call or the settings say that it runs so."""
        return None if self.parker is None else self.parker.seat(name, run_at)

    def book_with(self, book: Book) -> None:
        """Book what idle models take with this function."""
        if self.parker is not None:
            self.parker.parking = replace(self.parker.parking, book=book)

    def park(self) -> None:
        """Unload the models whose stay is over. An answer in progress is never cut."""
        parker = self.parker
        if parker is None:
            return
        for stay, name, engine in parker.due():
            self._unload(name, engine)
            parker.unloaded(stay, name, engine.pid)
        parker.book_open()

    def _unload(self, name: str, engine: Engine) -> None:
        """End the process of an engine whose stay is over, and let nobody find it; a start waits until that is done."""
        gone: Future[None] = Future()
        with self._state:
            first = self._running.get(name) is engine
            if first:
                del self._running[name]
                self._unloading[name] = gone
        try:
            engine.close()
        finally:
            if first:
                with self._state:
                    self._unloading.pop(name, None)
                with suppress(InvalidStateError):  # these engines were closed meanwhile
                    gone.set_result(None)

    def running(self) -> tuple[Engine, ...]:
        """Return the engines that run now."""
        return tuple(engine for engine in list(self._running.values()) if engine.alive())

    def close(self) -> None:
        """End every engine. A later `get` raises EngineError; a second `close` does nothing."""
        with self._state:
            self._closed = True
            engines = list(self._running.values())
            self._running.clear()
            unloading = list(self._unloading.values())
        for gone in unloading:
            with suppress(InvalidStateError):  # it has ended
                gone.set_result(None)
        if self.parker is not None:
            self.parker.close()
        for engine in engines:
            engine.close()

    def _new_locks(self) -> None:
        self._state = threading.Lock()
        self._loading: dict[str, Future[Engine]] = {}
        self._unloading: dict[str, Future[None]] = {}

    def _loading_of(self, name: str) -> Future[Engine]:
        """Return the one start of this model that goes on, beginning it if there is none."""
        with self._state:
            self._refuse_if_closed()
            engine, loading = self._running.get(name), self._loading.get(name)
            if engine is not None and engine.alive():
                loading = Future()
                loading.set_result(engine)
            elif loading is None:
                loading = Future()
                # A thread of its own: a caller may leave, and the start belongs to all who wait for it.
                thread = threading.Thread(target=self._load, args=(name, loading), name="greenai-load", daemon=True)
                self._loading[name] = loading
                try:
                    thread.start()
                except RuntimeError:  # the system has no thread left: who asks next tries again
                    del self._loading[name]
                    raise
            return loading

    def _load(self, name: str, loading: Future[Engine]) -> None:
        try:
            engine = self._keep(name, self._started(name))
        except BaseException as error:  # noqa: BLE001  # handed to everyone who waits
            self._done_loading(name)
            loading.set_exception(error)
        else:
            self._done_loading(name)
            loading.set_result(engine)

    def _done_loading(self, name: str) -> None:
        with self._state:
            self._loading.pop(name, None)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise EngineError("The engines of this client are closed. Make a new Client to use local models again.")

    def _keep(self, name: str, engine: Engine) -> Engine:
        with self._state:
            if not self._closed:
                self._running[name] = engine
                return engine
        engine.close()
        self._refuse_if_closed()
        return engine

    def _started(self, name: str) -> Engine:
        """Start a model, never while it is still being unloaded: at no moment is it in memory twice."""
        gone, parker = self._unloading.get(name), self.parker
        if gone is not None:
            gone.result()
        if parker is None:
            return self._start(name)
        parker.watch(self)
        died = self._running.get(name)
        if died is not None:
            parker.forget(died)
        loading = parker.power.loading()
        engine = self._start(name)
        took_j = loading.done(engine.pid, engine.core_s or engine.load_s)
        engine.load_gpu_j = 0.0 if took_j is None else took_j[1]
        engine.stay = parker.started(name, engine, None if took_j is None else sum(took_j))
        return engine

    def _start(self, name: str) -> Engine:
        parse(name)
        path = path_of(name, self.settings.weights_dir)
        if path is None and name not in KNOWN:  # which engine it needs is not known before its files are here
            raise missing(name)
        extra, packages = needs(path)
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(extra, package, f"local/{name}")
        if path is None:
            raise missing(name)
        if kind_of(path) == "llama":
            check_magic(name, path)
        settings, profile = self.settings, None
        if self.tuned is not None:
            settings, profile = self.tuned(name, path, settings)
        try:
            engine = launch(name, path, settings)
        except EngineError as error:
            if profile is None:
                raise
            logger.warning(_UNTUNED, name, profile.measured[:10], error)
            return launch(name, path, self.settings)
        engine.profile = profile
        return engine

    def forget_parents_engines(self) -> None:
        """Start anew in a forked child; called there by Python."""
        for engine in self._running.values():
            engine.disown()
        self._running = {}
        self._new_locks()
        if self.parker is not None:
            self.parker = Parker(self.parker.parking)


# --- after a fork, and at the end -----------------------------------------------------------

_ALL: weakref.WeakSet[Engines] = weakref.WeakSet()


def _leave_the_parents_engines() -> None:
    for engines in list(_ALL):
        engines.forget_parents_engines()


def _book() -> None:
    """Book what is left of clients that nobody closed; their processes are ended by finalizers."""
    for engines in list(_ALL):
        if engines.parker is not None:
            engines.parker.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_the_parents_engines)
atexit.register(_book)
