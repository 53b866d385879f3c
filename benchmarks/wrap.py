"""What wrap(), instrument() and @green add to a call of openai's own client, in one run against one loopback server.

    python benchmarks/wrap.py [--calls 400] [--cpu] [--json]

The paths take turns in blocks of 20 calls, so that a change of the machine's speed falls on all of them alike. Read the
differences, not single figures; on a machine that does other work meanwhile, `--cpu` counts this process's own seconds
instead of the clock's. The bare client is of a subclass with openai's own `request`, which no patch reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from overhead import BLOCK, QUESTION, SERVER, differences, percentile

# What is added: the path, and the one that it is held against.
PAIRS = {
    "wrap(), a call": ("wrapped", "bare", 1),
    "instrument(), a call": ("instrumented", "bare", 1),
    "@green without a client of greenai's, a call": ("decorated, bare inside", "bare", 1),
    "wrap(), a chunk of a stream": ("wrapped, stream of 100", "bare, stream of 100", 100),
    "instrument(), a chunk of a stream": ("instrumented, stream of 100", "bare, stream of 100", 100),
    "@green around a client's cache hit": ("decorated, wrapped inside, hit", "wrapped, hit", 1),
    "@green's own cache hit, against a client's": ("decorated, hit", "client, hit", 1),
}


def paths(url: str) -> dict[str, Callable[[int], Any]]:
    """Return every path as a function of the call's number."""
    import openai

    import greenai

    class Bare(openai.OpenAI):
        request = openai.OpenAI.request

    bare, patched = (kind(base_url=url, api_key="k", max_retries=0) for kind in (Bare, openai.OpenAI))
    wrapped = greenai.wrap(openai.OpenAI(base_url=url, api_key="k", max_retries=0))
    client = greenai.Client(base_url=url, api_key="k")
    greenai.instrument()

    def messages(n: int) -> list[Any]:
        return [{"role": "user", "content": QUESTION.format(n=n)}]

    def drain(stream: Any) -> None:
        for _ in stream:
            pass

    def ask(of: Any, n: int, **more: Any) -> Any:
        return of.chat.completions.create(model="stub", messages=messages(n), **more)

    @greenai.green
    def decorated(messages: list[Any], model: str = "stub") -> Any:
        return bare.chat.completions.create(model=model, messages=messages)

    @greenai.green
    def around(messages: list[Any]) -> Any:
        return wrapped.chat.completions.create(model="stub", messages=messages, temperature=0)

    @greenai.green(cache="auto")
    def stored(messages: list[Any], model: str = "stub", temperature: float = 0) -> Any:
        return bare.chat.completions.create(model=model, messages=messages, temperature=temperature)

    return {
        "bare": lambda n: ask(bare, n),
        "wrapped": lambda n: ask(wrapped, n),
        "instrumented": lambda n: ask(patched, n),
        "decorated, bare inside": lambda n: decorated(messages(n)),
        "client, hit": lambda _: ask(client, -1, temperature=0),
        "decorated, hit": lambda _: stored(messages(-1)),
        "wrapped, hit": lambda _: ask(wrapped, -1, temperature=0),
        "decorated, wrapped inside, hit": lambda _: around(messages(-1)),
        "bare, stream of 100": lambda n: drain(ask(bare, n, stream=True)),
        "wrapped, stream of 100": lambda n: drain(ask(wrapped, n + 10**6, stream=True)),
        "instrumented, stream of 100": lambda n: drain(ask(patched, n + 10**6, stream=True)),
    }


def timed(call: Callable[[int], Any], n: int, clock: Callable[[], float]) -> float:
    """Return milliseconds of one call."""
    started = clock()
    call(n)
    return (clock() - started) * 1e3


def measure(calls: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Call every path in turn and return milliseconds by path."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        every = paths(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1")
        for path in every.values():
            for n in range(20):
                path(-1000 - n)
        results: dict[str, list[float]] = {name: [] for name in every}
        for first in range(0, calls, BLOCK):
            for name, path in every.items():
                time.sleep(0.02)
                path(-5000 - first)
                results[name] += [timed(path, first + n, clock) for n in range(BLOCK)]
        return results
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GREENAI_STATE_DIR"] = folder
        calls = measure(arguments.calls, time.process_time if arguments.cpu else time.perf_counter)
    rows = {name: {"p50_ms": percentile(v, 0.5), "p99_ms": percentile(v, 0.99)} for name, v in calls.items()}
    added = {
        name: statistics.median(differences(calls[ours], calls[theirs])) / parts
        for name, (ours, theirs, parts) in PAIRS.items()
    }
    if arguments.json:
        print(json.dumps({"calls": rows, "added_p50_ms": added}, indent=2))
        return
    print(f"{'path':46} {'p50 ms':>9} {'p99 ms':>9}")
    for name, row in rows.items():
        print(f"{name:46} {row['p50_ms']:9.3f} {row['p99_ms']:9.3f}")
    print(f"\n{'added':46} {'p50 ms':>9}")
    for name, value in added.items():
        print(f"{name:46} {value:9.3f}")


if __name__ == "__main__":
    main()
