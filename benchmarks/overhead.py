"""What greenai adds to a call, beside its peers, all in one run against one loopback server.

    python benchmarks/overhead.py [--calls 400] [--json]

The paths take turns in blocks of 20 calls, so that a change of the machine's speed falls on all of them alike, and
that no path is timed while another's threads are still at work (litellm logs on one). Read the differences and ratios,
not single figures. The server is a child process that answers at once.
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

SERVER = r"""
import socketserver, sys, json
BODY = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Paris is the capital of France.", "refusal": None}}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21}}).encode()
HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n"
        % len(BODY))
def event(choices, **more):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": choices, **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
CHUNK = event([{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
LAST = event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = event([], usage={"prompt_tokens": 14, "completion_tokens": 100, "total_tokens": 114})
STREAM = CHUNK * 100 + LAST + USAGE + b"data: [DONE]\n\n"
SHEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n"
         % len(STREAM))
class H(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    def handle(self):
        while True:
            line = self.rfile.readline()
            if not line: return
            length = 0
            while (h := self.rfile.readline()) not in (b"\r\n", b""):
                if h.lower().startswith(b"content-length:"): length = int(h.split(b":")[1])
            body = self.rfile.read(length)
            self.wfile.write(SHEAD + STREAM if b'"stream":true' in body or b'"stream": true' in body else HEAD + BODY)
class S(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
s = S(("127.0.0.1", 0), H)
print(s.server_address[1], flush=True)
s.serve_forever()
"""

QUESTION = "Write a short friendly reply to a customer who asks when order {n} will arrive."


BLOCK = 20


def percentile(values: list[float], share: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def differences(ours: list[float], theirs: list[float]) -> list[float]:
    """Return the difference of the medians, block by block."""
    return [
        statistics.median(ours[n : n + BLOCK]) - statistics.median(theirs[n : n + BLOCK])
        for n in range(0, len(ours), BLOCK)
    ]


def timed(call: Callable[[int], Any], n: int) -> float:
    """Return milliseconds of one call."""
    started = time.perf_counter()
    call(n)
    return (time.perf_counter() - started) * 1e3


def import_ms(statement: str, runs: int = 5) -> list[float]:
    """Return milliseconds of an import in fresh processes."""
    code = f"import time; t = time.perf_counter(); {statement}; print((time.perf_counter() - t) * 1e3)"
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout)
        for _ in range(runs)
    ]


def paths(url: str) -> dict[str, Callable[[int], Any]]:
    """Return every path as a function of the call's number."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm fetches a price list while it is imported
    import litellm
    import openai

    from greenai import Client

    litellm.suppress_debug_info = True
    bare = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    green = Client(base_url=url, api_key="k")

    def messages(n: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": QUESTION.format(n=n)}]

    def drain(stream: Any) -> None:
        for _ in stream:
            pass

    green.chat.completions.create(model="stub", messages=messages(-1))
    return {
        "openai, bare": lambda n: bare.chat.completions.create(model="stub", messages=messages(n)),
        "greenai, remote": lambda n: green.chat.completions.create(model="stub", messages=messages(n)),
        "litellm.completion": lambda n: litellm.completion(
            model="openai/stub", messages=messages(n), api_base=url, api_key="k", num_retries=0
        ),
        "greenai, exact-cache hit": lambda _: green.chat.completions.create(
            model="stub", messages=messages(-1), temperature=0
        ),
        "greenai, exact-cache hit through ask": lambda _: green.ask(QUESTION.format(n=-2), model="stub", temperature=0),
        "greenai, calculated": lambda n: green.ask(f"What is {n % 90 + 3}% of 240?", greenai={"cache": "off"}),
        "openai, bare, stream of 100": lambda n: drain(
            bare.chat.completions.create(model="stub", messages=messages(n), stream=True)
        ),
        "greenai, stream of 100": lambda n: drain(
            green.chat.completions.create(model="stub", messages=messages(n + 10**6), stream=True)
        ),
    }


def measure(calls: int) -> dict[str, list[float]]:
    """Call every path in turn and return milliseconds by path."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        every = paths(url)
        for path in every.values():
            for n in range(20):
                path(-1000 - n)
        results: dict[str, list[float]] = {name: [] for name in every}
        for first in range(0, calls, BLOCK):
            for name, path in every.items():
                if "stream" in name and first % (5 * BLOCK):
                    continue
                time.sleep(0.05)  # for the threads of the path before
                path(-5000 - first)
                results[name] += [timed(path, first + n) for n in range(BLOCK)]
        return results
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GREENAI_STATE_DIR"] = folder
        calls = measure(arguments.calls)
    imports = {
        name: import_ms(f"import {name}{'; greenai.Client' if name == 'greenai' else ''}")
        for name in ("greenai", "openai", "litellm")
    }
    rows = {name: {"p50_ms": percentile(v, 0.5), "p99_ms": percentile(v, 0.99)} for name, v in calls.items()}
    pairs = differences(calls["greenai, remote"], calls["openai, bare"])
    streams = differences(calls["greenai, stream of 100"], calls["openai, bare, stream of 100"])
    added = {
        "added to the bare client, p50, ms": statistics.median(pairs),
        "added per streamed chunk, p50, ms": statistics.median(streams) / 100,
    }
    import_rows = {f"import {name}": statistics.median(v) for name, v in imports.items()}
    if arguments.json:
        print(json.dumps({"calls": rows, "added": added, "import_ms": import_rows}, indent=2))
        return
    print(f"{'path':42} {'p50 ms':>9} {'p99 ms':>9}")
    for name, row in rows.items():
        print(f"{name:42} {row['p50_ms']:9.3f} {row['p99_ms']:9.3f}")
    for name, value in {**added, **import_rows}.items():
        print(f"{name:42} {value:9.3f}")


if __name__ == "__main__":
    main()
