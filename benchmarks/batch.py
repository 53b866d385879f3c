"""What a batch costs besides its calls, and what a crash in the middle of one costs.

    python benchmarks/batch.py [--items 10000] [--kills 5] [--at-once 8] [--json]
    python benchmarks/batch.py --rounds 8            the cost alone

Cost: blocks of 200 requests to a server on loopback, in turns: `create` from as many threads, and `client.batch`. The
CPU time of this process for each request (the server is another one), and the commit of one answer. Medians.

Crash: a process that runs a batch is killed (SIGKILL) at random moments; then the job is run to its end. Counted by the
server: answers that were in the journal at a kill and were asked again (there must be none), requests that were under
way and asked again (at most `at_once` for each kill). Exits with 1 where one is lost, or asked again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenai import Client
from greenai.bulk.journal import Journal
from greenai.bulk.values import Answered

MODEL, BLOCK = "m", 200

SERVER = """
import asyncio, collections, json
counts, END = collections.Counter(), b"\\r\\n\\r\\n"
head = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d" + END

async def serve(reader, writer):
    try:
        while True:
            top = (await reader.readuntil(END)).decode().lower()
            length = int(top.partition("content-length:")[2].partition("\\r")[0] or 0)
            body = await reader.readexactly(length)
            if top.startswith("get"):
                said = json.dumps(counts)
            else:
                text = json.loads(body)["messages"][-1]["content"]
                counts[text] += 1
                message = {"role": "assistant", "content": "Answer to " + text, "refusal": None}
                choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
                usage = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
                said = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                                   "choices": [choice], "usage": usage})
            data = said.encode()
            writer.write(head % len(data) + data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
        child.terminate()


def counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/counts") as answer:
        found: dict[str, int] = json.load(answer)
    return found


def opened(url: str, folder: Path) -> Client:
    settings = {"state_dir": folder, "cache": "off"}
    return Client(base_url=f"{url}/v1", api_key="sk-bench", settings=settings)


def requests(count: int, what: str) -> list[dict[str, Any]]:
    return [{"model": MODEL, "messages": [{"role": "user", "content": f"{what} {n}"}]} for n in range(count)]


# --- what it costs --------------------------------------------------------------------------


def cost(url: str, rounds: int, at_once: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, opened(url, Path(folder)) as client:
        taken: dict[str, list[float]] = {"create": [], "batch": []}
        rates: dict[str, list[float]] = {"create": [], "batch": []}
        for number in range(-1, rounds):  # the first round warms up
            for way in random.sample(list(taken), 2):
                asked = requests(BLOCK, f"{way} {number}")
                begun, wall = time.process_time(), time.perf_counter()
                if way == "batch":
                    client.batch(asked, at_once=at_once, progress=False).run()
                else:
                    with ThreadPoolExecutor(at_once) as pool:
                        list(pool.map(lambda one: client.chat.completions.create(**one), asked))
                if number >= 0:
                    taken[way].append((time.process_time() - begun) / BLOCK * 1e3)
                    rates[way].append(BLOCK / (time.perf_counter() - wall))
        answered = _one(client)
    more = [b - c for b, c in zip(taken["batch"], taken["create"], strict=True)]
    return {
        "create_cpu_ms": statistics.median(taken["create"]),
        "batch_cpu_ms": statistics.median(taken["batch"]),
        "more_cpu_ms": statistics.median(more),
        "create_per_s": statistics.median(rates["create"]),
        "batch_per_s": statistics.median(rates["batch"]),
        "commit_us": commits(answered),
    }


def _one(client: Client) -> Answered:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "One"}])
    body = answer.model_dump(mode="json", exclude_unset=True, exclude={"greenai"})
    return Answered(response=body, receipt=answer.greenai.to_dict())


def commits(answered: Answered) -> float:
    """Return what keeping one answer takes of a thread, in microseconds: its JSON, and the commit."""
    from greenai.bulk.items import read

    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), "cost")
        given = read([f"Keep {n}" for n in range(2000)])
        journal.begin(given, "calls")
        taken = []
        for key in given.items:
            begun = time.thread_time()
            journal.keep(key, answered)
            taken.append(time.thread_time() - begun)
        journal.close()
    return statistics.median(taken) * 1e6


# --- what a crash costs ---------------------------------------------------------------------


def answered_in(folder: Path) -> set[int]:
    if not (folder / "batches" / "crash.db").exists():
        return set()
    journal = Journal(folder / "batches", "crash")
    found = journal.counts().answered if journal.exists() else 0
    keys = {a.index for a in journal.answers() if a.error is None} if found else set()
    journal.close()
    return keys


def kept_in(folder: Path) -> int:
    path = folder / "batches" / "crash.db"
    if not path.exists():
        return 0
    journal = Journal(folder / "batches", "crash")
    found = journal.counts().answered if journal.exists() else 0
    journal.close()
    return found


def crash(url: str, items: int, kills: int, at_once: int) -> dict[str, Any]:
    rng, asked = random.Random(8), requests(items, "Item")
    lost = again = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept: list[tuple[set[int], dict[str, int]]] = []
        begun = time.perf_counter()
        for at in sorted(rng.sample(range(items // 20, items * 19 // 20), kills)):
            pid = os.fork()
            if pid == 0:
                try:
                    opened(url, folder).batch(asked, name="crash", at_once=at_once, progress=False).run()
                finally:
                    os._exit(1)
            while kept_in(folder) < at:
                time.sleep(0.1)
            time.sleep(rng.uniform(0, 0.05))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kept.append((answered_in(folder), counts(url)))
        with opened(url, folder) as client:
            job = client.batch(asked, name="crash", at_once=at_once, progress=False)
            texts = [answer.text for answer in job]
            receipt = job.receipt
        wall_s = time.perf_counter() - begun
    last = counts(url)
    for known, then in kept:
        lost += sum(texts[n] != f"Answer to Item {n}" for n in known)
        again += sum(last[f"Item {n}"] > then[f"Item {n}"] for n in known)
    under_way = sum(last[f"Item {n}"] - 1 for n in range(items))
    return {
        "items": items,
        "kills": kills,
        "kept_at_kills": [len(known) for known, _ in kept],
        "answered": receipt.answered,
        "in_order": texts == [f"Answer to Item {n}" for n in range(items)],
        "lost": lost,
        "asked_again_though_kept": again,
        "asked_again_under_way": under_way,
        "at_most": kills * at_once,
        "wall_s": wall_s,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with server() as url:
        if given.rounds:
            found = cost(url, given.rounds, given.at_once)
        else:
            with tempfile.TemporaryDirectory() as folder, opened(url, Path(folder)) as client:
                _one(client)  # loads what a call needs, once for all that are killed
            found = crash(url, given.items, given.kills, given.at_once)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for key, value in found.items():
            print(f"{key.replace('_', ' ')}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}")
    return int(bool(found.get("lost") or found.get("asked_again_though_kept") or found.get("in_order") is False))


if __name__ == "__main__":
    sys.exit(main())
