"""One child process that holds a local model: how it is started, told what to hold, and ended.

Who asks for it, and when it is ended, is decided in `engines` and `parker`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from greenai.errors import EngineError
from greenai.local.cpus import compute_threads
from greenai.local.names import KNOWN, parse
from greenai.local.parking import Stay
from greenai.local.profiles import Profile
from greenai.units import format_bytes

__all__ = ["Engine", "EngineSettings", "check_magic", "kind_of", "launch", "needs"]

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
        flash: Whether llama.cpp uses flash attention; None leaves it to llama.cpp.
        cache_type: Type of llama.cpp's key-value cache, such as "q8_0"; None is its own, f16.
        ubatch: Tokens of prompts that llama.cpp works on at once; None is its own, 512.
        torch: How torch runs a folder: fields of `torch_lm.TorchSetting`; what is left out is its own.
        window_s: How long torch's answers wait for company, in seconds; None is the worker's own.
    """

    slots: int = 4
    context_tokens: int = 4096
    threads: int | None = None
    weights_dir: Path | None = None
    start_timeout_s: float = 300.0
    flash: bool | None = None
    cache_type: str | None = None
    ubatch: int | None = None
    torch: Mapping[str, object] = field(default_factory=dict[str, object])
    window_s: float | None = None


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
        core_s: Core-seconds that starting took, if known.
        load_gpu_j: What starting took of its GPUs, in joules, as their counters showed.
        stay: Who uses it, and until when it stays in memory; None: until it is closed.
        profile: What `greenai tune` found for it, where it runs so.
    """

    stay: Stay | None = None
    profile: Profile | None = None
    load_gpu_j: float = 0.0
    _end: _End | None = None

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
        end: _End | None = None,
    ) -> None:
        known = KNOWN.get(model)
        self.model = model
        self.card_name = f"local/{model}"
        self.base_url = base_url
        self.api_key = api_key
        self.pid = process.pid
        self.load_s = load_s
        self.core_s = core_s
        self._start_core_s = deque(() if core_s is None else (core_s,))
        self.defaults: Mapping[str, Any] = known.defaults if known else {}
        self.default_system = known.default_system if known else None
        self._process = process
        self._log = log
        self._end = end
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

    def when_gone(self, tell: Callable[[], object]) -> None:
        """Have `tell` called, in a thread, once the process has ended, however that comes."""
        if self._end is not None:
            self._end.tell(tell)

    def alive(self) -> bool:
        """Return whether the process runs and belongs to this process (not to a parent that forked it)."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and free its memory; answers in progress are cut. A second call only waits for the first."""
        self._finalizer()
        self._process.wait()  # where another thread is at the line above

    def disown(self) -> None:
        """Forget the process without touching it: called in a forked child, whose parent still uses it."""
        self._finalizer.detach()
        # Popen takes a process with a return code for ended: it neither signals it nor waits for it.
        self._process.returncode = 0
        _close_pipes(self._process)


def kind_of(path: Path | None) -> Literal["llama", "torch"]:
    """Return what runs these weights: torch a folder, llama.cpp a file, and what is not here."""
    return "torch" if path is not None and path.is_dir() else "llama"


def needs(path: Path | None) -> tuple[str, tuple[str, ...]]:
    """Return the extra that brings what runs these weights, and the packages that it must have brought."""
    return ("torch", ("torch", "transformers")) if kind_of(path) == "torch" else ("local", ("xllamacpp",))


def launch(name: str, path: Path, settings: EngineSettings) -> Engine:
    """Start the worker on `path` and wait until it listens.

    Raises:
        EngineError: It ended or said an error before it listened, or took longer than `start_timeout_s`.
    """
    api_key = os.urandom(24).hex()
    process = _spawn()
    log: deque[str] = deque(maxlen=LOG_LINES)
    end = _End()
    drain = threading.Thread(target=_drain, args=(process, log, end), name="greenai-engine-log", daemon=True)
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
        end=end,
    )


class _End:
    """Tells once that a process has ended, whichever comes first: the end, or who wants to know of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tells: list[Callable[[], object]] | None = []

    def tell(self, tell: Callable[[], object]) -> None:
        with self._lock:
            if self._tells is not None:
                self._tells.append(tell)
                return
        tell()

    def come(self) -> None:
        with self._lock:
            tells, self._tells = self._tells or [], None
        for tell in tells:
            tell()


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
        "engine": kind_of(path),
        "path": str(path),
        "alias": name,
        "api_key": api_key,
        "slots": settings.slots,
        "context_tokens": settings.context_tokens,
        "threads": settings.threads or compute_threads(),
        "flash": settings.flash,
        "cache_type": settings.cache_type,
        "ubatch": settings.ubatch,
        "torch": dict(settings.torch),
        "window_s": settings.window_s,
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
    return json.loads(line) if line.endswith(b"\n") else {}  # killed in the middle of a word: as if it said none


def _drain(process: subprocess.Popen[bytes], log: deque[str], end: _End) -> None:
    """Keep the last lines that a process writes; an undrained pipe would stop it when full. Then see it out."""
    if process.stderr is not None:
        with process.stderr as stream:
            for line in stream:
                log.append(line.decode(errors="replace").rstrip())
    process.wait()  # one that was killed is left as no zombie
    end.come()


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


def check_magic(name: str, path: Path) -> None:
    """Refuse a file that is no GGUF file before anything starts.

    Raises:
        EngineError: it is none.
    """
    with path.open("rb") as file:
        magic = file.read(len(GGUF_MAGIC))
    if magic != GGUF_MAGIC:
        raise EngineError(
            f"local/{name} cannot be loaded: {path} begins with {magic!r}, not with {GGUF_MAGIC!r}, so it is not a "
            f"GGUF file. {_bring_again(name)}"
        )


def _why_not_started(name: str, path: Path, settings: EngineSettings, failure: _Failure, log: Sequence[str]) -> str:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    what = f"{path} ({format_bytes(sum(file.stat().st_size for file in files))})"
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
    found = parse(name)
    if isinstance(found, Path):
        return "Name another folder." if found.is_dir() else "Name another GGUF file."
    return f"Bring it again with: greenai models rm {name} && greenai models pull {name}"
