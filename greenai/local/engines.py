"""Start, find, restart and stop the child processes that hold local models.

One `Engines` belongs to one client. It starts a model's process at the first `get` of its name, hands the same
one to every later caller, starts a new one when that process has died, and ends all of them on `close`, at
interpreter exit, or when this process dies in any other way (the child watches). A forked child process of the app
neither uses nor ends its parent's engines: it starts its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from greenai.errors import EngineError, MissingExtra, ModelMissing
from greenai.local.cpus import compute_threads
from greenai.local.names import KNOWN, parse, path_of
from greenai.units import format_bytes

__all__ = ["Engine", "EngineSettings", "Engines"]

WORKER = Path(__file__).with_name("worker.py")
# Threads that wait for each other sleep instead of spinning, unless the user's environment speaks of it. See `cpus`.
CALM_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
LOG_LINES = 40
LOG_LINES_SHOWN = 3
LOG_PREFIX = re.compile(r"^[\d.]+ [A-Z] \w* *")  # llama.cpp's time, level and component
GGUF_MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How local models are run.

    Args:
        slots: How many answers one model generates at the same time; further callers wait.
        context_tokens: Prompt and answer of one slot together, in tokens. Memory grows with both.
        threads: CPU threads that compute; None leaves one of the physical cores to the app (see `cpus`).
        weights_dir: Where weights are kept; None is the user's cache folder.
        start_timeout_s: How long loading may take, in seconds.
    """

    slots: int = 4
    context_tokens: int = 4096
    threads: int | None = None
    weights_dir: Path | None = None
    start_timeout_s: float = 300.0


class Engine:
    """One running model: an OpenAI-compatible server on loopback, in a process of its own.

    Attributes:
        model: The name it was asked for by, without `local/`; the server answers to it too.
        card_name: The name of its catalog card, if it has one: `local/` and the model.
        base_url: Where it listens, `http://127.0.0.1:PORT/v1`.
        api_key: The key it asks for; random, new at every start.
        pid: Its process, for the meters.
        load_s: How long loading took, in seconds.
        defaults: Arguments to send when the caller gives none.
        default_system: System prompt to send when the caller gives none; None leaves the template's own.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: deque[str],
        *,
        model: str,
        api_key: str,
        base_url: str,
        load_s: float,
        core_s: float | None = None,
    ) -> None:
        known = KNOWN.get(model)
        self.model = model
        self.card_name = f"local/{model}"
        self.base_url = base_url
        self.api_key = api_key
        self.pid = process.pid
        self.load_s = load_s
        self._start_core_s = deque(() if core_s is None else (core_s,))
        self.defaults: Mapping[str, Any] = known.defaults if known else {}
        self.default_system = known.default_system if known else None
        self._process = process
        self._log = log
        self._finalizer = weakref.finalize(self, _stop, process)

    def __repr__(self) -> str:
        return f"Engine(model={self.model!r}, pid={self.pid}, base_url={self.base_url!r}, alive={self.alive()})"

    @property
    def log_tail(self) -> tuple[str, ...]:
        """The last lines that the engine wrote, for error messages."""
        return tuple(self._log)

    def take_start(self) -> float | None:
        """Return the core-seconds that starting took, once: whoever asks first is charged for it; None afterwards."""
        try:
            return self._start_core_s.pop()
        except IndexError:
            return None

    def alive(self) -> bool:
        """Return whether the process runs and belongs to this process (not to a parent that forked it)."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and free its memory; answers in progress are cut. A second call does nothing."""
        self._finalizer()

    def disown(self) -> None:
        """Forget the process without touching it: called in a forked child, whose parent still uses it."""
        self._finalizer.detach()
        # Popen takes a process with a return code for ended: it neither signals it nor waits for it.
        self._process.returncode = 0
        _close_pipes(self._process)


class Engines:
    """The running models of one client. Safe from any thread, and after a fork."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        self._running: dict[str, Engine] = {}
        self._closed = False
        self._new_locks()
        _ALL.add(self)

    def get(self, name: str, timeout_s: float | None = None) -> Engine:
        """Return the running engine of model `name`, starting it if need be.

        Every caller waits for the one start of a model; a caller whose time is over leaves, and the start goes on.

        Args:
            name: What follows `local/`: a known name (`smollm2-135m`), the path of a GGUF file, or a hub id
                (`org/repo`, `org/repo:file.gguf`).
            timeout_s: How long this caller waits, in seconds; None waits until it is ready or has failed.

        Raises:
            TimeoutError: It was not ready in time.
            UnknownModel: `name` is none of these.
            MissingExtra: llama.cpp is not installed.
            ModelMissing: The weights are not on this machine.
            EngineError: The process did not start, or these engines are closed.
        """
        engine = self._running.get(name)
        if engine is not None and engine.alive():
            return engine
        return self._loading_of(name).result(timeout_s)

    def running(self) -> tuple[Engine, ...]:
        """Return the engines that run now."""
        return tuple(engine for engine in list(self._running.values()) if engine.alive())

    def close(self) -> None:
        """End every engine. A later `get` raises EngineError; a second `close` does nothing."""
        with self._state:
            self._closed = True
            engines = list(self._running.values())
            self._running.clear()
        for engine in engines:
            engine.close()

    def _new_locks(self) -> None:
        self._state = threading.Lock()
        self._loading: dict[str, Future[Engine]] = {}

    def _loading_of(self, name: str) -> Future[Engine]:
        """Return the one start of this model that goes on, beginning it if there is none."""
        with self._state:
            self._refuse_if_closed()
            engine, loading = self._running.get(name), self._loading.get(name)
            if engine is not None and engine.alive():
                loading = Future()
                loading.set_result(engine)
            elif loading is None:
                loading = self._loading[name] = Future()
                # A thread of its own: a caller may leave, and the start belongs to all who wait for it.
                threading.Thread(target=self._load, args=(name, loading), name="greenai-load", daemon=True).start()
            return loading

    def _load(self, name: str, loading: Future[Engine]) -> None:
        try:
            engine = self._keep(name, self._start(name))
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

    def _start(self, name: str) -> Engine:
        parse(name)
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtra("local", "xllamacpp", f"local/{name}")
        path = path_of(name, self.settings.weights_dir)
        if path is None:
            raise ModelMissing(
                f"The weights of local/{name} are not on this machine. Bring them with: greenai models pull {name}",
                model=f"local/{name}",
            )
        _check_magic(name, path)
        return _launch(name, path, self.settings)

    def forget_parents_engines(self) -> None:
        """Start anew in a forked child; called there by Python."""
        for engine in self._running.values():
            engine.disown()
        self._running = {}
        self._new_locks()


# --- after a fork ---------------------------------------------------------------------------

_ALL: weakref.WeakSet[Engines] = weakref.WeakSet()


def _leave_the_parents_engines() -> None:
    for engines in list(_ALL):
        engines.forget_parents_engines()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_the_parents_engines)


# --- one process ----------------------------------------------------------------------------


def _launch(name: str, path: Path, settings: EngineSettings) -> Engine:
    """Start the worker on `path` and wait until it listens.

    Raises:
        EngineError: It ended or said an error before it listened, or took longer than `start_timeout_s`.
    """
    api_key = os.urandom(24).hex()
    process = _spawn()
    log: deque[str] = deque(maxlen=LOG_LINES)
    drain = threading.Thread(target=_drain, args=(process.stderr, log), name="greenai-engine-log", daemon=True)
    drain.start()
    deadline = _Deadline(process, settings.start_timeout_s)
    ready: dict[str, Any] = {}
    try:
        ready = _handshake(process, _config(name, path, settings, api_key))
    finally:
        deadline.cancel()
        if "base_url" not in ready:
            _stop(process)
    if "base_url" not in ready:
        drain.join(timeout=1.0)
        failure = _Failure(timed_out=deadline.passed, said=ready.get("error"), code=process.returncode)
        raise EngineError(_why_not_started(name, path, settings, failure, list(log)))
    return Engine(
        process,
        log,
        model=name,
        api_key=api_key,
        base_url=ready["base_url"],
        load_s=ready["load_s"],
        core_s=ready.get("core_s"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """How a start failed: too late, with words of the worker, or with an exit code."""

    timed_out: bool
    said: str | None
    code: int | None


class _Deadline:
    """Kill `process` after `limit_s` seconds unless cancelled; `passed` says that it did."""

    def __init__(self, process: subprocess.Popen[bytes], limit_s: float) -> None:
        self.limit_s = limit_s
        self.passed = False
        self._process = process
        self._timer = threading.Timer(limit_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.passed = True
        self._process.kill()


def _spawn() -> subprocess.Popen[bytes]:
    """Start Python on the worker's file: nothing of greenai is imported, and `-P` keeps the working folder out.

    The session is its own, so that Ctrl-C at a terminal reaches the app only, which then decides.
    """
    if not sys.executable:
        raise EngineError(
            "This Python is embedded and does not say where its interpreter is (sys.executable is empty), so no "
            "engine can be started. Set sys.executable, or name an OpenAI-compatible server with base_url=."
        )
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-P", str(WORKER)],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        bufsize=0,
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    calm = {} if CALM_THREADS.keys() & os.environ.keys() else CALM_THREADS
    return {**os.environ, **calm}


def _config(name: str, path: Path, settings: EngineSettings, api_key: str) -> Mapping[str, object]:
    return {
        "path": str(path),
        "alias": name,
        "api_key": api_key,
        "slots": settings.slots,
        "context_tokens": settings.context_tokens,
        "threads": settings.threads or compute_threads(),
        "parent_pid": os.getpid(),
        "sys_path": [entry for entry in sys.path if entry],
    }


def _handshake(process: subprocess.Popen[bytes], config: Mapping[str, object]) -> dict[str, Any]:
    """Send the config and return what the worker answers; empty if it ended without a word."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        return {}
    try:
        stdin.write((json.dumps(config) + "\n").encode())
    except BrokenPipeError:
        return {}
    line = stdout.readline()
    return json.loads(line) if line else {}


def _drain(stream: IO[bytes], log: deque[str]) -> None:
    """Keep the last lines of `stream` until it ends; an undrained pipe would stop the engine when full."""
    with stream:
        for line in stream:
            log.append(line.decode(errors="replace").rstrip())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process at once: it has no state to save."""
    process.kill()
    process.wait()
    _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


# --- error messages -------------------------------------------------------------------------


def _check_magic(name: str, path: Path) -> None:
    with path.open("rb") as file:
        magic = file.read(len(GGUF_MAGIC))
    if magic != GGUF_MAGIC:
        raise EngineError(
            f"local/{name} cannot be loaded: {path} begins with {magic!r}, not with {GGUF_MAGIC!r}, so it is not a "
            f"GGUF file. {_bring_again(name)}"
        )


def _why_not_started(name: str, path: Path, settings: EngineSettings, failure: _Failure, log: Sequence[str]) -> str:
    what = f"{path} ({format_bytes(path.stat().st_size)})"
    if failure.timed_out:
        return (
            f"The engine of local/{name} did not finish loading {what} within {settings.start_timeout_s:g} s. End what "
            "else uses this machine, or name a smaller model."
        )
    how = failure.said or _ending(failure.code)
    words = "; ".join(LOG_PREFIX.sub("", line) for line in log[-LOG_LINES_SHOWN:])
    return (
        f"The engine of local/{name} could not load {what}: {how}{f' [{words}]' if words else ''}. If memory ran out, "
        f"lower slots (now {settings.slots}) or context_tokens (now {settings.context_tokens}) of [local] in "
        f"greenai.toml. If the file is damaged: {_bring_again(name)}"
    )


def _ending(code: int | None) -> str:
    """Say how a process ended that said nothing itself."""
    if code is not None and code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _bring_again(name: str) -> str:
    if isinstance(parse(name), Path):
        return "Name another GGUF file."
    return f"Bring it again with: greenai models rm {name} && greenai models pull {name}"
