"""What the gateway takes beside a pass-through on the same transport: both in one run, in turns.

    python benchmarks/gateway.py [--rounds 8] [--json]      peak, delay at half the lower peak, per chunk
    python benchmarks/gateway.py --transport httpx          the same beside one that asks by httpx, as most apps do
    python benchmarks/gateway.py --soak 100000              flat memory and descriptors (`make soak`)

The pass-through is an app of forty lines that hands every request on and every answer back, with the same server
(uvicorn, h11), the same settings of it and the same connections to the provider (aiohttp). It reads the request's JSON,
and nothing of the answer. Delays are those at half the lower of both peaks: at half of the pass-through's, a gateway
that takes less at most would only queue, and then refuse.

All parts are processes of their own on loopback: the provider, which answers at once, the two gateways, and the
callers. Every call asks another question, so nothing comes from the cache.
On a machine with few cores the parts take time from each other: read ratios and differences, not single figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from greenai.shapes import http_library

PROVIDER = r"""
import asyncio, json, sys
BODY = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Paris is the capital of France.", "refusal": None}}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21}}).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
def event(choices, **more):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": choices, **more}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
CHUNK = event([{"index": 0, "delta": {"content": "word "}, "finish_reason": None}])
LAST = event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
USAGE = event([], usage={"prompt_tokens": 14, "completion_tokens": 100, "total_tokens": 114})
SHEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
def chunked(data): return b"%x\r\n%b\r\n" % (len(data), data)
class P(asyncio.Protocol):
    def connection_made(self, t): self.t, self.b = t, b""
    def data_received(self, d):
        self.b += d
        while (end := self.b.find(b"\r\n\r\n")) >= 0:
            head = self.b[:end].lower(); n = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self.b) < end + 4 + n: return
            body, self.b = self.b[end + 4:end + 4 + n], self.b[end + 4 + n:]
            if b'"stream":true' in body or b'"stream": true' in body: asyncio.ensure_future(self.stream())
            else: self.t.write(HEAD + BODY)
    async def stream(self):
        self.t.write(SHEAD)
        for n in range(CHUNKS):
            self.t.write(chunked(CHUNK))
            await asyncio.sleep(0)
        self.t.write(chunked(LAST) + chunked(USAGE) + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")
CHUNKS = int(sys.argv[1])
async def main():
    s = await asyncio.get_running_loop().create_server(P, "127.0.0.1", 0, backlog=2048)
    print(json.dumps({"url": "http://127.0.0.1:%d/v1" % s.sockets[0].getsockname()[1]}), flush=True)
    await s.serve_forever()
asyncio.run(main())
"""

PASS_THROUGH = r"""
import asyncio, importlib, json, sys, uvicorn
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from greenai.serve.pool import Outgoing, Pool
upstream, http, is_plain = sys.argv[1], importlib.import_module(sys.argv[2]), sys.argv[3] == "httpx"
HEADERS = {"content-type": "application/json", "authorization": "Bearer k"}
inner = None
def asking(url, content):
    if is_plain:
        return http.Request("POST", url, headers=HEADERS, content=content)
    return Outgoing(url=url, headers=HEADERS, content=content, connect_s=10.0, wait_s=None)
async def parts(came):
    try:
        async for part in came.aiter_bytes():
            yield part
    finally:
        await came.aclose()
async def call(request):
    content = await request.body()
    came = await inner.handle_async_request(asking(upstream + request.url.path.removeprefix("/v1"), content))
    kept = {"content-type": came.headers["content-type"]}
    if json.loads(content).get("stream"):
        return StreamingResponse(parts(came), came.status_code, kept)
    return Response(b"".join([part async for part in parts(came)]), came.status_code, kept)
@asynccontextmanager
async def lifespan(app):
    global inner
    if is_plain:
        limits = http.Limits(max_connections=None, max_keepalive_connections=1024, keepalive_expiry=30)  # as ours
        inner = http.AsyncHTTPTransport(limits=limits)
    else:
        inner = Pool(http)
    yield
app = Starlette(routes=[Route("/v1/{path:path}", call, methods=["POST"])], lifespan=lifespan)
server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", ws="none", log_level="warning", access_log=False,
                                       server_header=False, backlog=2048))
async def main():
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"url": "http://127.0.0.1:%d/v1" % server.servers[0].sockets[0].getsockname()[1]}), flush=True)
    await task
asyncio.run(main())
"""

QUESTION = "Write a short friendly reply to a customer who asks when order {n} will arrive."
CONNECTIONS = 32
CHUNKS = 200


class Process:
    """One part, and the address that it says first."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=env)
        assert self._process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = self._process.stdout.readline()
            if not line:
                raise SystemExit(f"{arguments[:3]} did not start")
            said += line
        self.url: str = json.loads(said)["url"]
        self.pid = self._process.pid

    def cpu_s(self) -> float:
        """Return the processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


class Caller:
    """A connection that asks, one question after the other."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
        self._port = int(port)

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def ask(self, n: int, *, stream: bool = False) -> float:
        """Ask once, and return the seconds until the whole answer was there."""
        body = json.dumps(
            {"model": "stub", "messages": [{"role": "user", "content": QUESTION.format(n=n)}], "stream": stream}
        ).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\nauthorization: Bearer x\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        self._writer.write(head.encode() + body)
        came = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert came.startswith(b"http/1.1 200"), came
        if b"transfer-encoding: chunked" in came:
            while size := int(await self._reader.readline(), 16):
                await self._reader.readexactly(size + 2)
            await self._reader.readline()
        else:
            await self._reader.readexactly(int(came.partition(b"content-length:")[2].split(b"\r\n")[0]))
        return time.perf_counter() - started

    def close(self) -> None:
        self._writer.close()


_asked = iter(range(10**12))


async def opened(url: str, many: int) -> list[Caller]:
    callers = [Caller(url) for _ in range(many)]
    for caller in callers:
        await caller.open()
    return callers


async def peak(url: str, seconds: float) -> float:
    """Return calls per second of callers who ask as fast as they are answered."""
    callers, done, end = await opened(url, CONNECTIONS), 0, time.perf_counter() + seconds

    async def asking(caller: Caller) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await caller.ask(next(_asked))
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*map(asking, callers))
    for caller in callers:
        caller.close()
    return done / (time.perf_counter() - started)


async def at_rate(url: str, rate: float, seconds: float) -> list[float]:
    """Return the delays of calls that come at a rate, whoever is still waiting: from when each was due."""
    free = await opened(url, 4 * CONNECTIONS)
    every, delays, tasks = list(free), list[float](), set[asyncio.Task[None]]()

    async def one(due: float) -> None:
        caller = free.pop() if free else (await opened(url, 1))[0]
        await caller.ask(next(_asked))
        delays.append(time.perf_counter() - due)
        free.append(caller)

    started = time.perf_counter()
    for n in range(int(rate * seconds)):
        due = started + n / rate
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.ensure_future(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for caller in {*every, *free}:
        caller.close()
    return delays


async def streams(url: str, many: int) -> float:
    """Return the seconds of one stream, as the median of some."""
    (caller,) = await opened(url, 1)
    taken = [await caller.ask(next(_asked), stream=True) for _ in range(many)]
    caller.close()
    return statistics.median(taken)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def started(stack: ExitStack, *, chunks: int = CHUNKS, transport: str = "aiohttp") -> tuple[Process, Process]:
    """Start everything; return the gateway and the pass-through."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    env = {**os.environ, "GREENAI_STATE_DIR": folder, "OPENAI_API_KEY": "k"}
    python = sys.executable
    provider = stack.enter_context(closing(Process([python, "-c", PROVIDER, str(chunks)], env)))
    command = [python, "-m", "greenai", "serve", "--port", "0", "--upstream", provider.url, "--json"]
    gateway = stack.enter_context(closing(Process(command, env)))
    library = http_library().__name__  # told, since looking it up would load openai there too
    plain = stack.enter_context(closing(Process([python, "-c", PASS_THROUGH, provider.url, library, transport], env)))
    return gateway, plain


async def compared(rounds: int, seconds: float, transport: str) -> dict[str, float]:
    """Measure both in turns."""
    with ExitStack() as stack:
        gateway, plain = started(stack, transport=transport)
        both = {"gateway": gateway, "pass-through": plain}
        for part in both.values():
            await peak(part.url, 2.0)
            await streams(part.url, 3)
        peaks: dict[str, list[float]] = {name: [] for name in both}
        cpu: dict[str, list[float]] = {name: [] for name in both}
        for n in range(rounds):
            for name in (list(both), list(both)[::-1])[n % 2]:
                before = both[name].cpu_s()
                rate = await peak(both[name].url, seconds)
                peaks[name].append(rate)
                cpu[name].append(1e3 * (both[name].cpu_s() - before) / (rate * seconds))
        lower = min(map(statistics.median, peaks.values()))
        added = await _added(both, lower / 2, rounds, seconds)
        chunk = [(await streams(gateway.url, 5) - await streams(plain.url, 5)) / CHUNKS for _ in range(rounds)]
    return {
        "peak, pass-through (calls/s)": statistics.median(peaks["pass-through"]),
        "peak, gateway (calls/s)": statistics.median(peaks["gateway"]),
        "peak, gateway / pass-through": _ratio(peaks["gateway"], peaks["pass-through"]),
        "processor time, pass-through (ms/call)": statistics.median(cpu["pass-through"]),
        "processor time, gateway (ms/call)": statistics.median(cpu["gateway"]),
        "processor time, pass-through / gateway": _ratio(cpu["pass-through"], cpu["gateway"]),
        **added,
        "added per chunk of a stream (ms)": 1e3 * statistics.median(chunk),
    }


async def _added(both: dict[str, Process], rate: float, rounds: int, seconds: float) -> dict[str, float]:
    """Return what the gateway adds to a call's delay, with calls that come at a rate."""
    delays: dict[str, list[float]] = {name: [] for name in both}
    added: list[float] = []
    for n in range(rounds):
        tails = {}
        for name in (list(both), list(both)[::-1])[n % 2]:
            one = await at_rate(both[name].url, rate, seconds)
            delays[name] += one
            tails[name] = percentile(one, 0.99)
        added.append(tails["gateway"] - tails["pass-through"])
    middle = {name: statistics.median(values) for name, values in delays.items()}
    return {
        "half the lower peak (calls/s)": rate,
        "added there, p50 (ms)": 1e3 * (middle["gateway"] - middle["pass-through"]),
        "added there, p99, median of rounds (ms)": 1e3 * statistics.median(added),
    }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median([a / b for a, b in zip(ours, theirs, strict=True)])


async def soak(calls: int) -> dict[str, Any]:
    """Make many calls, a tenth of them streams, and look at memory and descriptors on the way."""
    with ExitStack() as stack:
        gateway, _ = started(stack, chunks=10)
        seen: list[tuple[int, float, int]] = []
        await peak(gateway.url, 2.0)
        begun = time.perf_counter()
        for step in range(10):
            callers, left = await opened(gateway.url, CONNECTIONS), iter(range(calls // 10))

            async def asking(caller: Caller, left: Any = left) -> None:
                for n in left:
                    await caller.ask(next(_asked), stream=n % 10 == 0)

            await asyncio.gather(*map(asking, callers))
            for caller in callers:
                caller.close()
            await asyncio.sleep(0.5)
            seen.append(((step + 1) * calls // 10, gateway.memory_mb(), gateway.descriptors()))
            print(f"{seen[-1][0]:>8} calls  {seen[-1][1]:7.1f} MB  {seen[-1][2]:4} descriptors", flush=True)
        taken = time.perf_counter() - begun
    half = [memory for _, memory, _ in seen[5:]]
    return {
        "calls": calls,
        "calls/s": calls / taken,
        "memory after half (MB)": half[0],
        "memory at the end (MB)": half[-1],
        "growth in the second half (MB)": half[-1] - half[0],
        "growth that is allowed (MB)": 4.0 + calls / 1000 * 0.04,
        "descriptors after the first tenth": seen[0][2],
        "descriptors at the end": seen[-1][2],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--transport", choices=("aiohttp", "httpx"), default="aiohttp", help="of the pass-through")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.soak:
        found = asyncio.run(soak(arguments.soak))
        flat = (
            found["growth in the second half (MB)"] < found["growth that is allowed (MB)"]
            and found["descriptors at the end"] <= found["descriptors after the first tenth"] + 8
        )
    else:
        found, flat = asyncio.run(compared(arguments.rounds, arguments.seconds, arguments.transport)), True
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:<52} {value:>10.2f}")
    if not flat:
        raise SystemExit("Memory or descriptors grew.")


if __name__ == "__main__":
    main()
