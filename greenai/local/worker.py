"""The child process that holds one local model: llama.cpp with its own HTTP server on loopback, or torch with ours.

    parent                                       this process
    one JSON line on stdin: the config    ──►    load the model, listen on a free port
    one JSON line on stdout               ◄──    {"base_url": ..., "load_s": ...} or {"error": ...}
    stdin closed, or the parent gone      ──►    exit at once

A process of its own, because freeing a model inside a long-lived process leaves part of its memory behind, and
a crash in native code would take the app with it. For llama.cpp it imports nothing else of greenai, so it starts in
the time that Python and llama.cpp take. Run as a file or with `python -m greenai.local.worker`.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, TextIO

__all__ = ["main"]

# A connection that a caller's pool keeps open holds one of the server's HTTP threads until it idles out, so
# there must be far more of them than slots; a sleeping thread costs a few kB.
HTTP_THREADS_PER_SLOT = 16
# llama.cpp keeps finished prompts in host memory up to this size (its own default is 8192 MiB).
PROMPT_CACHE_MIB = 256
# llama.cpp's log level 1: errors, without which a failed start says nothing about why.
LOG_ERRORS = 1
# How often the parent is looked for where the system has no pidfd, in seconds.
PARENT_POLL_S = 1.0


def main() -> None:
    """Serve one model until stdin closes or the parent is gone."""
    answer = _take_over_stdout()
    config: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_when_parent_is_gone, args=(int(config["parent_pid"]),), daemon=True).start()
    sys.path[:] = config["sys_path"]
    started = time.perf_counter()
    try:
        server = _serve_torch(config) if config.get("engine") == "torch" else _serve(config)
    except (ImportError, RuntimeError, ValueError, TypeError, AttributeError, OSError) as error:
        _say(answer, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    load_s = time.perf_counter() - started
    address = f"{server.listening_address}/v1"
    _say(answer, {"base_url": address, "load_s": load_s, "core_s": time.process_time()})
    sys.stdin.read()
    # No destructors: they would wait for answers that nobody reads any more.
    os._exit(0)


def _take_over_stdout() -> TextIO:
    """Keep the real stdout for the protocol and send whatever native code prints there to stderr."""
    private = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(private, "w", encoding="utf-8")


def _say(stream: TextIO, message: Mapping[str, object]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def _serve(config: Mapping[str, Any]) -> Any:
    """Load the model and start the HTTP server; it answers from its own threads, without Python."""
    import xllamacpp as untyped

    xllamacpp: Any = untyped
    slots = int(config["slots"])
    params = xllamacpp.CommonParams()
    params.model.path = config["path"]
    params.model_alias = {config["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config["api_key"]]
    params.n_parallel = slots
    params.n_threads_http = slots * HTTP_THREADS_PER_SLOT
    params.n_ctx = slots * int(config["context_tokens"])
    params.cpuparams.n_threads = int(config["threads"])
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.use_jinja = True
    params.verbosity = LOG_ERRORS
    params.ui = False
    params.endpoint_slots = False
    _tune(xllamacpp, params, config)
    return xllamacpp.Server(params)


def _tune(xllamacpp: Any, params: Any, config: Mapping[str, Any]) -> None:
    """Set what `greenai tune` varies; what is not given stays llama.cpp's own."""
    if config.get("flash") is not None:
        kind = "ENABLED" if config["flash"] else "DISABLED"
        params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{kind}")
    if config.get("cache_type"):
        params.cache_type_k = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{config['cache_type'].upper()}")
        params.cache_type_v = params.cache_type_k
    if config.get("ubatch"):
        params.n_ubatch = int(config["ubatch"])


def _serve_torch(config: Mapping[str, Any]) -> Any:
    from greenai.errors import ModelError
    from greenai.local.torch_worker import serve

    try:
        return serve(config)
    except ModelError as error:
        raise RuntimeError(str(error)) from error


def _exit_when_parent_is_gone(parent_pid: int) -> None:
    """End this process when the parent ends, however it ends.

    Stdin alone does not tell: a process that the parent forked may hold the other end of the pipe open.
    Linux's PR_SET_PDEATHSIG does not either: it fires when the thread that started this process ends.
    """
    try:
        descriptor = os.pidfd_open(parent_pid)
    except (AttributeError, OSError):
        while os.getppid() == parent_pid:
            time.sleep(PARENT_POLL_S)
    else:
        # The pid may have been reused between the start and here, so the parent is asked for once more.
        if os.getppid() == parent_pid:
            select.select([descriptor], [], [])
    os._exit(0)


if __name__ == "__main__":
    main()
