"""The cache's stores beside diskcache and plain SQLite, in one run: `python benchmarks/cache_store.py [--json]`.

    python benchmarks/cache_store.py [--entries 100000] [--seconds 4] [--redis URL] [--only NAME ...] [--json]

Every store holds the same entries: whole answers of about 1.2 kB of text. Latencies are of one process; `key and get`
has the exact key of a request and the decoding of the entry in it. Then four processes read nine times for each
write, on one folder; each write that a store said was kept is looked for afterwards. `core per op` is the processor's
time of one such step, which a busy machine does not stretch. On disk everything is in one temporary folder; a Redis is
used only where `--redis` names one, and keeps nothing that this made.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import secrets
import sqlite3
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import diskcache

from greenai.cache import Entry, ExactCache, exact_key, policy_fingerprint
from greenai.readings import Reading
from greenai.store.disk import JsonCache
from greenai.store.redis import RedisCache
from greenai.store.seal import Seal
from greenai.values import Options, Request, Rung, Transport, Usage

PROCESSES = 4
TIMED = 20_000
TTL_S = 86_400.0
LADDER = (Rung(model="openai/gpt-5.4-nano", tier="small"), Rung(model="openai/gpt-5.5"))
VERSIONS = {"classifier": "linear-1", "nudges": "1", "catalog": "1"}
ENERGY = Reading(energy_j=36.0, low_j=12.0, high_j=90.0, evidence="modelled_api", method="physics-1")
WORDS = (
    *("light", "water", "leaf", "answer", "question", "number", "city", "river", "small", "large", "begins", "ends"),
    *("reads", "writes", "energy", "heat", "sound", "because", "therefore", "however", "often", "never", "always"),
    *("between", "under", "over", "many", "few", "first", "last", "each", "other", "same", "new", "old", "between"),
)


class Peer(Protocol):
    """One store as the benchmark uses it."""

    def get(self, key: str) -> Any: ...
    def put(self, key: str, value: Any) -> bool: ...


class Ours:
    def __init__(self, store: Any) -> None:
        self.store = store
        self.get = store.get

    def put(self, key: str, value: Any) -> bool:
        return bool(self.store.put(key, value, TTL_S))


class DiskCache:
    def __init__(self, folder: Path, disk: Any) -> None:
        self.cache = diskcache.Cache(str(folder), disk=disk)
        self.get = self.cache.get

    def put(self, key: str, value: Any) -> bool:
        return bool(self.cache.set(key, value, expire=TTL_S))


class PlainSqlite:
    """One table in WAL mode, JSON and zlib: what no library can be much faster than."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.con = sqlite3.connect(folder / "plain.db", timeout=10, isolation_level=None)
        self.con.execute("PRAGMA journal_mode = wal")
        self.con.execute("PRAGMA synchronous = normal")
        self.con.execute("CREATE TABLE IF NOT EXISTS c (key TEXT PRIMARY KEY, ends REAL, value BLOB)")

    def get(self, key: str) -> Any:
        row = self.con.execute("SELECT value FROM c WHERE key = ? AND ends > ?", (key, time.time())).fetchone()
        return None if row is None else json.loads(zlib.decompress(row[0]))

    def put(self, key: str, value: Any) -> bool:
        data = zlib.compress(json.dumps(value).encode(), 1)
        self.con.execute("INSERT OR REPLACE INTO c VALUES (?, ?, ?)", (key, time.time() + TTL_S, data))
        return True


def stores(folder: Path, redis: str | None) -> dict[str, Callable[[], Peer]]:
    """Return how each store is opened, by its name."""
    seal = Seal(secrets.token_bytes(32))
    found: dict[str, Callable[[], Peer]] = {
        "greenai, disk": lambda: Ours(JsonCache(folder / "ours", size_limit=10**9)),
        "greenai, disk, encrypted": lambda: Ours(JsonCache(folder / "encrypted", size_limit=10**9, encrypt=True)),
        "sqlite3, JSON and zlib": lambda: PlainSqlite(folder / "plain"),
        "diskcache": lambda: DiskCache(folder / "default", diskcache.Disk),
        "diskcache, JSONDisk": lambda: DiskCache(folder / "json", diskcache.JSONDisk),
    }
    if redis is not None:
        found["greenai, Redis"] = lambda: Ours(RedisCache(redis, seal))
    return found


# --- what is stored -----------------------------------------------------------------------


def request(n: int) -> Request:
    return Request(
        call_id="c",
        entry="create",
        model="gpt-5.5",
        messages=(
            {"role": "system", "content": "You answer questions of a shop's customers, briefly and politely."},
            {"role": "user", "content": f"Where is my order {n}, and what does it cost to send it back? " * 4},
        ),
        arguments={"temperature": 0, "max_tokens": 200, "user": "u-17"},
        stream=False,
        transport=Transport(timeout_s=600.0),
        options=Options(),
        deadline=0.0,
        namespace="n",
    )


def key_of(n: int) -> str:
    key = exact_key(request(n), policy_fingerprint(LADDER, "standard", frozenset(), VERSIONS))
    assert key is not None
    return key


def entry(n: int) -> Entry:
    rng = random.Random(n)
    message = {"role": "assistant", "content": " ".join(rng.choices(WORDS, k=190)), "refusal": None}
    body = {
        "id": f"chatcmpl-{rng.getrandbits(64):x}",
        "object": "chat.completion",
        "created": 1_780_000_000 + n,
        "model": "gpt-5.5",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 240, "total_tokens": 360},
    }
    return Entry(
        body=body,
        model="openai/gpt-5.5",
        tier="large",
        reasoning=False,
        energy=ENERGY,
        usage=Usage(input_tokens=120, output_tokens=240),
        created=1_780_000_000.5,
    )


# --- one process --------------------------------------------------------------------------


def quantiles(act: Callable[[int], object], numbers: list[int]) -> dict[str, float]:
    """Return the 50th and 99th percentile of one act, in microseconds."""
    taken = []
    for n in numbers:
        started = time.perf_counter()
        found = act(n)
        taken.append(time.perf_counter() - started)
        assert found, f"entry {n} is not there"
    taken.sort()
    return {"p50_us": taken[len(taken) // 2] * 1e6, "p99_us": taken[int(len(taken) * 0.99)] * 1e6}


def alone(open_store: Callable[[], Peer], keys: list[str], count: int) -> dict[str, Any]:
    store = open_store()
    fresh = [entry(n).to_json() for n in range(2000)]
    started = time.perf_counter()
    for n in range(count):
        store.put(keys[n], fresh[n % 2000])
    fill_s = time.perf_counter() - started
    rng = random.Random(1)
    numbers = [rng.randrange(count) for _ in range(TIMED)]
    told: dict[str, Any] = {
        "get": quantiles(lambda n: store.get(keys[n]), numbers),
        "put": quantiles(lambda n: store.put(f"put-{n}", fresh[n % 2000]), list(range(5000))),
        "fill_per_s": count / fill_s,
    }
    if isinstance(store, Ours):
        cache = ExactCache(store.store)
        told["key and get"] = quantiles(lambda n: cache.get(key_of(n)), numbers)
        told["bytes"] = store.store.stats().size_bytes
    return told


# --- four processes -----------------------------------------------------------------------


def mixed(open_store: Callable[[], Peer], keys: list[str], name: int, seconds: float, begin: Any, told: Any) -> None:
    store, rng = open_store(), random.Random(name)
    values = [entry(n).to_json() for n in range(200)]
    kept, errors, done, worst = [], 0, 0, 0.0
    store.get(keys[0])
    begin.wait()
    cpu, last = time.process_time(), time.perf_counter()
    started = last
    while last - started < seconds:
        try:
            if rng.random() < 0.1:
                key = f"{name}-{done}"
                if store.put(key, values[done % 200]):
                    kept.append((key, done % 200))
                else:
                    errors += 1
            elif store.get(keys[rng.randrange(len(keys))]) is None:
                errors += 1
        except Exception:
            errors += 1
        done += 1
        now = time.perf_counter()
        worst, last = max(worst, now - last), now
    told.put((done / (last - started), errors, worst, kept, (time.process_time() - cpu) / done))


def together(open_store: Callable[[], Peer], keys: list[str], seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("fork")
    begin, told = context.Barrier(PROCESSES), context.Queue()
    children = [
        context.Process(target=mixed, args=(open_store, keys, n, seconds, begin, told)) for n in range(PROCESSES)
    ]
    for child in children:
        child.start()
    rows = [told.get() for _ in children]
    for child in children:
        child.join()
    store = open_store()
    writes = [pair for row in rows for pair in row[3]]
    lost = sum((store.get(key) or {}).get("body") != entry(n).body for key, n in writes)
    return {
        "ops_per_s": sum(row[0] for row in rows),
        "errors": sum(row[1] for row in rows),
        "worst_ms": max(row[2] for row in rows) * 1e3,
        "cpu_us_per_op": sum(row[4] for row in rows) / len(rows) * 1e6,
        "writes": len(writes),
        "lost": lost,
    }


# --- the table ----------------------------------------------------------------------------


def table(results: dict[str, dict[str, Any]]) -> str:
    heads = ("get p50 / p99", "key and get", "put p50 / p99", "4 processes", "core per op", "errors", "lost", "worst")
    lines = ["| store | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    for name, told in results.items():
        pairs = [told.get(part) for part in ("get", "key and get", "put")]
        cells = ["" if pair is None else f"{pair['p50_us']:.0f} / {pair['p99_us']:.0f} µs" for pair in pairs]
        four = told["four"]
        lost = f"{four['lost']} of {four['writes']}"
        row = [*cells, f"{four['ops_per_s']:,.0f} ops/s", f"{four['cpu_us_per_op']:.0f} µs"]
        row += [str(four["errors"]), lost, f"{four['worst_ms']:.0f} ms"]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--redis", help="the address of a Redis that may be written to")
    parser.add_argument("--only", nargs="*", help="the names of the stores to measure; all where it is left out")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    keys = [key_of(n) for n in range(given.entries)]
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, open_store in stores(Path(folder), given.redis).items():
            if given.only and name not in given.only:
                continue
            if not given.as_json:
                print(f"{name} …", file=sys.stderr)
            results[name] = alone(open_store, keys, given.entries)
            results[name]["four"] = together(open_store, keys, given.seconds)
            if name == "greenai, Redis":
                open_store().store.clear()  # type: ignore[attr-defined]
    load = os.getloadavg()[0]
    if given.as_json:
        print(json.dumps({"entries": given.entries, "load": load, "stores": results}, indent=2))
    else:
        print(f"{given.entries:,} entries, {os.cpu_count()} cores, load {load:.1f}\n\n{table(results)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
