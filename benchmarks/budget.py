"""What the budget ledger stands: `python benchmarks/budget.py [--redis] [--kills 1000]`, half a minute and more.

One unit is what one attempt does: reserve, then settle. All processes and threads work on one budget, which has room
for nine tenths of the reservations; each holds one call. Prints a table; nothing outside a temporary folder is touched.

    --redis    the same on a real Redis, and once more on one that is killed and restarted in the middle
    --kills N  N processes killed at random moments of their work, in a file (and on the Redis with --redis)
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from greenai.budget import Amount, Budget, Hold, open_ledger
from greenai.errors import BudgetExceeded, LedgerError

SCOPE = "project/shop"
ONE = Amount(calls=1, energy_j=1.5)
UNITS = 100_000


class Server:
    """A Redis of this machine that keeps its keys in a folder, so that it may be killed and started again."""

    def __init__(self, folder: Path, fsync: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SystemExit("redis-server is not here: apt-get install redis-server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder),
            "--appendonly", "no" if fsync == "no" else "yes", "--appendfsync", "everysec" if fsync == "no" else fsync,
        ]  # fmt: skip
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


# --- many at once -------------------------------------------------------------------------


class Worker:
    """One thread's reservations: what came of each, and how long each step took."""

    def __init__(self, ledger: Any, budget: Budget, name: str, count: int, *, patient: bool) -> None:
        self._ledger, self._budget, self._name, self._count, self._patient = ledger, budget, name, count, patient
        self.outcomes: Counter[str] = Counter()
        self.waits_s: list[float] = []

    def run(self) -> None:
        for n in range(self._count):
            hold = self._reserve(f"{self._name}-{n}")
            if hold is None:
                continue
            self.outcomes["held"] += 1
            self._settle(hold)

    def _reserve(self, attempt_id: str) -> Hold | None:
        while True:
            begun = time.perf_counter()
            try:
                hold = self._ledger.reserve(SCOPE, self._budget, ONE, attempt_id=attempt_id)
            except BudgetExceeded:
                self.waits_s.append(time.perf_counter() - begun)
                self.outcomes["refused"] += 1
                return None
            except LedgerError:
                self.outcomes["errors"] += 1
                if not self._patient:
                    return None
                time.sleep(0.02)  # a call that fails closed, and its app tries it again
            else:
                self.waits_s.append(time.perf_counter() - begun)
                return hold

    def _settle(self, hold: Hold) -> None:
        begun = time.perf_counter()
        try:
            hold.settle(ONE)
        except LedgerError:
            self.outcomes["settled later"] += 1
        else:
            self.outcomes["acknowledged"] += 1
            self.waits_s.append(time.perf_counter() - begun)


def process(
    address: str, limit: int, count: int, threads: int, name: int, patient: bool, begin: Any, results: Any
) -> None:
    ledger, budget = open_ledger(address), Budget.parse(f"{limit} calls")
    workers = [Worker(ledger, budget, f"{name}-{n}", count, patient=patient) for n in range(threads)]
    running = [threading.Thread(target=worker.run) for worker in workers]
    begin.wait()
    begun = time.time()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    ended = time.time()
    for _ in range(200):  # settlements that could not be told are told with the next step
        try:
            ledger.spent(SCOPE, budget)
            break
        except LedgerError:
            time.sleep(0.05)
    ledger.close()
    waits = sorted(wait for worker in workers for wait in worker.waits_s)
    results.put((sum((w.outcomes for w in workers), Counter()), waits[-1], waits[len(waits) * 99 // 100], begun, ended))


def load(title: str, address: str, *, share: float = 0.9, restart: Server | None = None) -> None:
    count, threads = 16, 4
    each = UNITS // (count * threads)
    total = each * count * threads
    limit = int(total * share)
    context = multiprocessing.get_context("fork")
    begin, results = context.Barrier(count + 1), context.Queue()
    arguments = (address, limit, each, threads)
    children = [
        context.Process(target=process, args=(*arguments, n, restart is not None, begin, results)) for n in range(count)
    ]
    for child in children:
        child.start()
    begin.wait()
    down_s = 0.0
    if restart is not None:
        time.sleep(5)
        restart.kill()
        begun = time.perf_counter()
        time.sleep(0.5)
        restart.start()
        down_s = time.perf_counter() - begun
    rows = [results.get() for _ in children]
    for child in children:
        child.join()
    done: Counter[str] = sum((row[0] for row in rows), Counter())
    seconds = max(row[4] for row in rows) - min(row[3] for row in rows)
    ledger = open_ledger(address)
    state = ledger.spent(SCOPE, Budget.parse(f"{limit} calls"))
    open_holds = len(ledger.unsettled())
    ledger.close()
    settled = done["acknowledged"] + done["settled later"]
    print(f"{title}: {count} processes x {threads} threads, {total} reservations, limit {limit}")
    print(f"  {settled / seconds:8.0f} units/s   ({total / seconds:.0f} reservations/s, {seconds:.1f} s)")
    worst, usual = max(row[1] for row in rows), statistics.median(row[2] for row in rows)
    print(f"  worst wait {worst:.3f} s   99% wait less than {usual:.3f} s (the middle process)")
    print(f"  held {done['held']}   refused {done['refused']}   errors {done['errors']}", end="   ")
    print(f"settled later {done['settled later']}")
    print(f"  overspend {max(done['held'] - limit, 0)} (as the callers counted), {state.debt:.0f} (as the ledger did)")
    print(f"  settled in the ledger {state.settled:.0f}, lost {settled - state.settled:.0f}   still held {open_holds}")
    if restart is not None:
        print(f"  the server was away for {down_s:.2f} s")


# --- kills --------------------------------------------------------------------------------


def victim(address: str, first: int, ttl_s: float, pipe: int) -> None:
    ledger, budget, n = open_ledger(address), Budget.parse("1000000000 calls"), first
    while True:
        ledger.reserve(SCOPE, budget, ONE, attempt_id=f"a{n}", ttl_s=ttl_s).settle(ONE)
        os.write(pipe, f"{n}\n".encode())
        n += 1


def kills(title: str, address: str, count: int) -> None:
    rng = random.Random(20)
    ttl_s, acknowledged, budget = 600.0, 0, Budget.parse("1000000000 calls")
    warm = open_ledger(address)  # what is loaded here is loaded in every victim
    warm.reserve("s", budget, ONE, attempt_id="warm").settle(ONE)
    warm.close()
    begun = time.perf_counter()
    for kill in range(count):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                victim(address, kill * 1_000_000, ttl_s, writing)
            finally:
                os._exit(1)
        os.close(writing)
        seen = os.read(reading, 65536)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while chunk := os.read(reading, 65536):
            seen += chunk
        os.close(reading)
        acknowledged += seen.count(b"\n")
    seconds = time.perf_counter() - begun
    reopened = time.perf_counter()
    ledger = open_ledger(address)
    state = ledger.spent(SCOPE, budget)
    reopened = time.perf_counter() - reopened
    left_over = len(ledger.unsettled())
    ledger.close()
    later = open_ledger(address, clock=lambda: time.time() + ttl_s + 1)
    after = later.spent(SCOPE, budget)
    refusals = 0
    try:
        later.reserve(SCOPE, budget, Amount(calls=int(budget.limit - after.settled)), attempt_id="the rest").release()
    except BudgetExceeded:
        refusals += 1
    later.close()
    beyond = state.settled - acknowledged
    print(f"{title}: {count} kills in {seconds:.0f} s, {acknowledged} settlements acknowledged")
    print(f"  acknowledged and lost {max(-beyond, 0):.0f}   done but not acknowledged {max(beyond, 0):.0f}")
    print(f"  holds left over {left_over}, after their expiry {after.held:.0f}   refusals of what is left {refusals}")
    print(f"  first use after the last kill {reopened * 1e3:.1f} ms")


# --- one at a time ------------------------------------------------------------------------


def latency(title: str, address: str) -> None:
    ledger = open_ledger(address)
    day = Budget.parse("1000000000 calls/day", timezone="Europe/Paris")
    pairs = [("organisation", day), (SCOPE, day), (SCOPE, Budget.parse("1 MWh/month")), ("user/1", day)]
    rolling = [(SCOPE, Budget.parse("1000000000 calls/30d rolling"))]
    for name, budgets in (("one budget", pairs[1:2]), ("four budgets", pairs), ("one that rolls", rolling)):
        reserve_s, settle_s = [], []
        for n in range(3000):
            begun = time.perf_counter()
            hold = ledger.reserve_all(budgets, ONE, attempt_id=f"{name}-{n}")
            held = time.perf_counter()
            hold.settle(ONE)
            settle_s.append(time.perf_counter() - held)
            reserve_s.append(held - begun)
        figures = [
            f"{statistics.median(x) * 1e3:.3f} / {sorted(x)[len(x) * 99 // 100] * 1e3:.3f}"
            for x in (reserve_s, settle_s)
        ]
        print(f"{title}, {name:<15} reserve p50 / p99 {figures[0]} ms   settle {figures[1]} ms")
    ledger.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--only", choices=("latency", "load", "kills"))
    given = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "load": [round(x, 1) for x in os.getloadavg()]}))
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), given)
    return 0


def run(folder: Path, given: argparse.Namespace) -> None:
    server = Server(folder / "redis", "no") if given.redis else None
    places = [("file", str(folder / "budgets.db"))] + ([("Redis", server.url)] if server else [])
    for title, address in places:
        if given.only in (None, "latency"):
            latency(title, address)
        if given.only in (None, "kills") and given.kills:
            kills(title, address.replace("budgets", "kills"), given.kills)
        if given.only in (None, "load"):
            load(title, address.replace("budgets", "load"))
    if server is not None:
        server.kill()
        for fsync in ("everysec", "always") if given.only in (None, "load") else ():
            kept = Server(folder / fsync, fsync)
            load(f"Redis killed and restarted (appendfsync {fsync})", kept.url, share=0.9, restart=kept)
            kept.kill()


if __name__ == "__main__":
    sys.exit(main())
