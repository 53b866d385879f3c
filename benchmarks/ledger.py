"""What the ledger and the exact cache cost: `python benchmarks/ledger.py`, about 20 s.

One unit is what one call does: reserve in one transaction, settle and record in another. Every process works on
the same file. Prints a table; nothing outside a temporary folder is touched.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.cache import Entry, ExactCache, exact_key, policy_fingerprint
from greenai.ledger import Ledger
from greenai.readings import Reading
from greenai.store.disk import JsonCache
from greenai.store.ledger_db import LedgerDb
from greenai.values import Attempt, Decision, Options, Overhead, Receipt, Request, Rung, Stars, Transport, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 3.0
ESTIMATE = Reading(energy_j=36.0, low_j=12.0, high_j=90.0, evidence="modelled_api", method="physics-1")
USAGE = Usage(input_tokens=120, output_tokens=80)


def attempt(attempt_id: str) -> Attempt:
    return Attempt(
        attempt_id=attempt_id, model="openai/gpt-5.5", state="answered", energy=ESTIMATE, usage=USAGE, latency_s=0.4
    )


def receipt(call_id: str, last: Attempt) -> Receipt:
    return Receipt(
        call_id=call_id,
        created=time.time(),
        project="default",
        outcome="large",
        reasoning=False,
        model=last.model,
        energy=last.energy,
        carbon_g=0.004,
        carbon_source="WORLD 2024",
        water_ml=None,
        cost_usd=0.0003,
        stars=Stars(grade=4, worst=4, best=5, scale="greenai-stars-1"),
        attempts=(last,),
        decision=Decision(outcome="large", route=(last.model,), reasons=()),
        avoided=None,
        nudges=(),
        budget=None,
        overhead=Overhead(duration_ms=0.4, energy=ESTIMATE),
    )


class Unit:
    """One call's work on a ledger; `acts` are timed apart."""

    def __init__(self, db: LedgerDb) -> None:
        self.ledger = Ledger(db)
        self.reserve_s: list[float] = []
        self.settle_s: list[float] = []

    def __call__(self, call_id: str) -> None:
        last = attempt(f"{call_id}-1")
        done = receipt(call_id, last)
        started = time.perf_counter()
        self.ledger.reserve(call_id, last.attempt_id, "default", last.model, ESTIMATE, 600.0)
        held = time.perf_counter()
        self.ledger.settle_and_record(done)
        self.reserve_s.append(held - started)
        self.settle_s.append(time.perf_counter() - held)


def work(path: Path, name: int, begin: Any, results: Any) -> None:
    unit = Unit(LedgerDb(path, timeout_s=30.0))
    begin.wait()
    deadline = time.perf_counter() + SECONDS
    count = 0
    while time.perf_counter() < deadline:
        unit(f"{name:02d}-{count:08d}")
        count += 1
    results.put((count, max((*unit.reserve_s, *unit.settle_s)), unit.ledger.problem))


def processes(count: int) -> None:
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        begin, results = context.Barrier(count), context.Queue()
        children = [context.Process(target=work, args=(path, n, begin, results)) for n in range(count)]
        for child in children:
            child.start()
        rows = [results.get() for _ in children]
        for child in children:
            child.join()
        db = LedgerDb(path)
        found = db.check()
        db.close()
    units = sum(row[0] for row in rows)
    errors = sum(row[2] is not None for row in rows)
    lost = units - found["calls"]
    print(
        f"{count:2d} processes  {units / SECONDS:8.0f} units/s   worst wait {max(row[1] for row in rows):.3f} s   "
        f"lock errors {errors}   lost {lost}   holds left {found['holds']}"
    )


def threads(count: int, *, shared: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        one = LedgerDb(path)
        units = [Unit(one if shared else LedgerDb(path)) for _ in range(count)]
        counts = [0] * count

        def run(n: int) -> None:
            deadline = time.perf_counter() + SECONDS
            while time.perf_counter() < deadline:
                units[n](f"{n:02d}-{counts[n]:08d}")
                counts[n] += 1

        running = [threading.Thread(target=run, args=(n,)) for n in range(count)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        for unit in units:
            unit.ledger.close()
    name = "one connection" if shared else "one each"
    print(f"{count:2d} threads, {name:<15} {sum(counts) / SECONDS:8.0f} units/s")


def quantiles(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(f"{name:<34} p50 {p50 * 1e3:.4f} ms   p99 {p99 * 1e3:.4f} ms")


def timed(act: Callable[[int], object], count: int = 5000) -> list[float]:
    seconds = []
    for n in range(count):
        started = time.perf_counter()
        act(n)
        seconds.append(time.perf_counter() - started)
    return seconds


def ledger_latency(path: Path) -> None:
    unit = Unit(LedgerDb(path))
    for n in range(5000):
        unit(f"call-{n:08d}")
    quantiles("reserve", unit.reserve_s)
    quantiles("settle and record", unit.settle_s)
    unit.ledger.close()


def cache_latency(folder: Path) -> None:
    store = JsonCache(folder)
    cache = ExactCache(store)
    ladder = (Rung(model="openai/gpt-5.4-nano", tier="small"), Rung(model="openai/gpt-5.5"))
    versions = {"classifier": "linear-1", "nudges": "1", "catalog": "1"}

    def key(n: int) -> str:
        request = Request(
            call_id="c",
            entry="create",
            model="gpt-5.5",
            messages=({"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {n}? " * 30}),
            arguments={"temperature": 0, "max_tokens": 200},
            stream=False,
            transport=Transport(timeout_s=600.0),
            options=Options(),
            deadline=0.0,
            namespace="n",
        )
        found = exact_key(request, policy_fingerprint(ladder, "standard", frozenset(), versions))
        assert found is not None
        return found

    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_780_000_000,
        "model": "gpt-5.5",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "An answer. " * 60}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200},
    }
    entry = Entry(
        body=body, model="openai/gpt-5.5", tier="large", reasoning=False, energy=ESTIMATE, usage=USAGE, created=1.0
    )
    quantiles("cache key", timed(key))
    quantiles("cache put", timed(lambda n: cache.put(key(n), entry, 3600.0), 2000))
    quantiles("cache key and get (hit)", timed(lambda n: cache.get(key(n % 2000))))
    quantiles("cache key and get (miss)", timed(lambda n: cache.get(key(10_000 + n))))
    store.close()


def locks(folder: Path) -> None:
    fd = os.open(folder / "a.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def flock(_: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.flock(fd, fcntl.LOCK_UN)

    quantiles("fcntl.flock, lock and unlock", timed(flock))
    os.close(fd)
    try:
        import filelock
    except ImportError:
        return
    lock = filelock.FileLock(folder / "b.lock")

    def library(_: int) -> None:
        with lock:
            pass

    quantiles("filelock, lock and unlock", timed(library))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        ledger_latency(Path(folder) / "ledger.db")
        cache_latency(Path(folder) / "cache")
        locks(Path(folder))
    threads(4, shared=True)
    threads(4, shared=False)
    for count in (1, 4, 16):
        processes(count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
