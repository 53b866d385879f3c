"""Do the receipts of many callers at once on one local model add up to what the model's process used?

    python benchmarks/concurrency.py [--threads 32] [--calls 4] [--tokens 48] [--json]

Every thread asks smollm2-135m through one `greenai.Client`, cache off, with prompts and answers of different lengths;
each fourth answer is streamed, and each eighth stream is closed after a few chunks. What the receipts of the attempts
say is summed. The independent reading is the operating system's own accounting of the model's process, utime + stime of
/proc/PID/stat before the first call and after the last, in steps of 10 ms, times the same watts per core. Starting the
engine is not in it: its receipt says it apart. Exits with 1 where the two differ by more than 5%. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenai import Client
from greenai.meters import cpu

MODEL = "local/smollm2-135m"
WATTS_PER_CORE = 5.0
WITHIN = 0.05
QUESTION = "Here are some words: {words}. Write a story of {n} sentences about them."


@dataclass
class Tally:
    """What one call's receipt says."""

    kind: str
    tokens: int | None
    energy_j: float
    evidence: str
    method: str


def outside_s(pid: int) -> float:
    """Return the core-seconds of a process as /proc tells them to anybody."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def ask(client: Client, thread: int, n: int, most: int) -> Tally:
    """Make one call, plain, streamed, or streamed and closed early."""
    words = ", ".join(f"word{(thread * 31 + i * 17) % 97}" for i in range(3 + (thread * 7 + n * 13) % 60))
    arguments: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": QUESTION.format(words=words, n=2 + n % 5)}],
        "max_tokens": max(most * (1 + (thread + n) % 8) // 8, 1),
    }
    number = thread + n
    if number % 4:
        receipt = client.chat.completions.create(**arguments).greenai
        return tally("plain", receipt)
    stream = client.chat.completions.create(**arguments, stream=True)
    for count, _chunk in enumerate(stream):
        if number % 8 == 0 and count == 3:
            stream.close()
            break
    return tally("closed early" if number % 8 == 0 else "streamed", stream.greenai)


def tally(kind: str, receipt: Any) -> Tally:
    attempt = receipt.attempts[-1]
    energy = attempt.energy
    return Tally(kind, attempt.usage.output_tokens, energy.energy_j or 0.0, energy.evidence, energy.method)


def run(threads: int, calls: int, most: int, state: str) -> dict[str, Any]:
    """Return both readings in joules, and what the calls said."""
    settings = {"cache": "off", "ledger": ":memory:", "state_dir": state, "watts_per_core": WATTS_PER_CORE}
    done: list[Tally] = []
    with Client(settings=settings) as client:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi."}], max_tokens=1)
        (engine,) = client._session.resources.engines.running()

        def work(thread: int) -> None:
            done.extend(ask(client, thread, n, most) for n in range(calls))

        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        before_s, began = outside_s(engine.pid), time.perf_counter()
        uncharged_s = cpu.uncharged_s(engine.pid)
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        after_s, wall_s = outside_s(engine.pid), time.perf_counter() - began
        uncharged_s = cpu.uncharged_s(engine.pid) - uncharged_s
    receipts_j, outside_j = sum(t.energy_j for t in done), (after_s - before_s) * WATTS_PER_CORE
    return {
        "threads": threads,
        "calls": len(done),
        "wall_s": wall_s,
        "receipts_j": receipts_j,
        "outside_j": outside_j,
        "difference": receipts_j / outside_j - 1,
        "uncharged_j": uncharged_s * WATTS_PER_CORE,
        "methods": sorted({t.method for t in done}),
        "kinds": {kind: per_kind([t for t in done if t.kind == kind]) for kind in sorted({t.kind for t in done})},
    }


def per_kind(tallies: list[Tally]) -> dict[str, Any]:
    per_token = [t.energy_j / t.tokens for t in tallies if t.tokens]
    return {
        "calls": len(tallies),
        "median_j_per_output_token": statistics.median(per_token) if per_token else None,
        "without_energy": sum(not t.energy_j for t in tallies),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        found = run(options.threads, options.calls, options.tokens, state)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    sys.exit(abs(found["difference"]) > WITHIN)


def show(found: dict[str, Any]) -> None:
    print(f"{found['threads']} threads, {found['calls']} calls, {found['wall_s']:.1f} s, {', '.join(found['methods'])}")
    print(f"  receipts   {found['receipts_j']:10.2f} J")
    print(f"  outside    {found['outside_j']:10.2f} J   /proc/PID/stat x {WATTS_PER_CORE:g} W")
    print(f"  difference {found['difference']:+10.2%}     at most {WITHIN:.0%}")
    print(f"  of it used while no call was open: {found['uncharged_j']:.3f} J")
    for kind, row in found["kinds"].items():
        per_token = row["median_j_per_output_token"]
        print(f"  {kind:14}{row['calls']:4} calls, median {per_token or 0:.3f} J per output token")


if __name__ == "__main__":
    main()
