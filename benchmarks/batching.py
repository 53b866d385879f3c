"""What does bringing requests together save on this machine, and does every request still get its own answer?

    python benchmarks/batching.py [--requests 1000] [--batch 32] [--connections 64] [--blocks 5]
        [--parts process,http,wide,slots] [--json FILE]

Four parts, each of which prints core-seconds per token (the honest quantity on a processor that others use too) beside
the time on the wall. What is compared runs in turns, in blocks of the same requests, so that a clock that swings swings
for both.

- process: requests that come at once through `MicroBatcher`, against the same with batches of one. A Llama-shaped model
  with random weights, float32, greedy, one thread. Every answer is compared with the single run's, and the shares with
  what the process's clock says.
- http: the same through the HTTP worker in a child process, over 64 connections, and the child's clock from outside.
- wide: the shape of SmolLM2-135M, whose passes read half a gigabyte of weights; fewer requests.
- slots: llama.cpp with 1, 4, 8 and 16 slots, which does its own continuous batching (smollm2-135m, 4-bit weights).

Needs torch and transformers, and for `slots` the extra `local` and the weights. Exits with 1 where an answer is lost,
out of order or another than alone, where the shares miss the window by more than 1%, or where the batcher is not four
times as fast.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "local"))

from greenai.local import Engine, Engines, EngineSettings
from greenai.local.batcher import MicroBatcher
from greenai.meters.core_time import process_ns

SLOTS = (1, 4, 8, 16)
TIMES = 4.0
WITHIN = 0.01
WORDS = ["hat", "sea", "lot", "tin", "ale", "run", "net", "rosa", "idle", "stone"]


@dataclass(frozen=True)
class Way:
    """One way of doing the requests: medians over its blocks, and what all of them took."""

    part: str
    way: str
    requests: int
    tokens: int
    core_ms_per_token: float
    tokens_per_s: float
    core_s: float
    wall_s: float


@dataclass
class Clock:
    """Counts what each way takes, block by block."""

    part: str
    way: str
    core_ns: Callable[[], int]
    blocks: list[tuple[int, float, float]]
    requests: int = 0

    def time(self, do: Callable[[], Any], count: int, tokens: Callable[[Any], int]) -> Any:
        core, wall = self.core_ns(), time.perf_counter()
        done = do()
        self.blocks.append((tokens(done), (self.core_ns() - core) / 1e9, time.perf_counter() - wall))
        self.requests += count
        return done

    def way_(self) -> Way:
        return Way(
            part=self.part,
            way=self.way,
            requests=self.requests,
            tokens=sum(tokens for tokens, _, _ in self.blocks),
            core_ms_per_token=1000 * statistics.median(core / tokens for tokens, core, _ in self.blocks),
            tokens_per_s=statistics.median(tokens / wall for tokens, _, wall in self.blocks),
            core_s=sum(core for _, core, _ in self.blocks),
            wall_s=sum(wall for _, _, wall in self.blocks),
        )


def ratio(many: Clock, one: Clock) -> tuple[float, float, float, float]:
    """Return how many times less core time and more throughput, each with the least and most of the blocks."""
    core = [(b[1] / b[0]) / (a[1] / a[0]) for a, b in zip(many.blocks, one.blocks, strict=True)]
    wall = [(b[2] / b[0]) / (a[2] / a[0]) for a, b in zip(many.blocks, one.blocks, strict=True)]
    return statistics.median(core), min(core), max(core), statistics.median(wall)


def say(many: Clock, one: Clock) -> float:
    for clock in (one, many):
        way = clock.way_()
        each = f"{way.core_ms_per_token:8.3f} core-ms/token  {way.tokens_per_s:8.1f} tokens/s"
        print(
            f"  {way.way:<13} {way.requests:5} requests {way.tokens:7} tokens  {each}  {way.core_s:7.1f} core-s"
            f"  {way.wall_s:7.1f} s"
        )
    core, low, high, wall = ratio(many, one)
    print(
        f"  {many.way} against {one.way}: {core:.2f} times less core time per token (blocks {low:.2f} to {high:.2f}), "
        f"{wall:.2f} times the throughput"
    )
    return core


# --- in this process ------------------------------------------------------------------------


def drawn(count: int, vocabulary: int, most: int, seed: int = 3) -> list[tuple[list[int], int]]:
    draw = random.Random(seed)
    return [
        ([draw.randrange(4, vocabulary) for _ in range(draw.randrange(4, 28))], draw.randrange(most // 2, most + 1))
        for _ in range(count)
    ]


def in_process(
    part: str, folder: Path, requests: list[tuple[list[int], int]], batch: int, blocks: int
) -> tuple[list[Way], float, bool]:
    """Do the requests alone and together, in turns; return the ways, the ratio, and whether all was well."""
    from greenai.local.torch_lm import LanguageModel, TorchSetting

    model = LanguageModel(folder, TorchSetting(precision="float32", threads=1))

    def run(items: Sequence[tuple[list[int], int]]) -> list[list[int]]:
        return model.generate([p for p, _ in items], most_tokens=[most for _, most in items], ignore_stops=True)

    make = partial(
        MicroBatcher[tuple[list[int], int], list[int]],
        run,
        length=lambda item: len(item[0]),
        work=lambda item, done: 0.25 * len(item[0]) + len(done or ()),
        meter=time.process_time_ns,
        window_s=0.005,
    )
    run(requests[:2])
    one, many = (Clock(part, way, time.process_time_ns, []) for way in ("one by one", f"batches of {batch}"))
    fine, shared, windows = True, 0, 0
    alone, together = make(most=1), make(most=batch)
    size = -(-len(requests) // blocks)
    for begin in range(0, len(requests), size):
        block = requests[begin : begin + size]
        answers = {}
        turns = [(one, alone), (many, together)]
        for clock, batcher in turns if begin // size % 2 else turns[::-1]:
            answers[clock.way] = clock.time(
                lambda b=batcher, block=block: [f.result() for f in [b.submit(item) for item in block]],
                len(block),
                lambda done: sum(len(a.result) for a in done),
            )
        mine = answers[many.way]
        fine &= [a.result for a in mine] == [a.result for a in answers[one.way]]
        shared += sum(a.used or 0 for a in mine)
        windows += round(sum((a.batch_used or 0) / a.batch for a in mine))
    alone.close()
    together.close()
    outside = round(many.way_().core_s * 1e9)
    core = say(many, one)
    print(f"  answers equal to single runs, none lost, in order: {'yes' if fine else 'NO'}")
    print(f"  shares / their windows: {shared / windows:.6f}; windows / the process's clock: {windows / outside:.4f}")
    return [one.way_(), many.way_()], core, fine and abs(shared / windows - 1) <= WITHIN


# --- over HTTP ------------------------------------------------------------------------------


def ask(engine: Engine, text: str, most: int, **more: Any) -> dict[str, Any]:
    place = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
    body: dict[str, Any] = {"messages": [{"role": "user", "content": text}], "max_tokens": most, "temperature": 0.0}
    body |= more
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {engine.api_key}"}
    )  # fmt: skip
    said: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return said


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def written(answers: Sequence[dict[str, Any]]) -> int:
    return sum(answer["usage"]["completion_tokens"] for answer in answers)


def asked(engine: Engine, texts: Sequence[str], most: int, at_once: int, **more: Any) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda text: ask(engine, text, most, **more), texts))


def over_http(folder: Path, count: int, batch: int, connections: int, blocks: int) -> tuple[list[Way], float, bool]:
    draw = random.Random(5)
    texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 6))) + str(n) for n in range(count)]
    alone, together = (Engines(EngineSettings(slots=slots, context_tokens=256, threads=1)) for slots in (1, batch))
    one = clock_of(alone.get(str(folder)), "http", "one by one")
    many = clock_of(together.get(str(folder)), "http", f"batches of {batch}")
    fine, shared, windows = True, 0.0, 0.0
    try:
        for engines in (alone, together):
            asked(engines.get(str(folder)), texts[:8], 4, 8)
        size = -(-count // blocks)
        for begin in range(0, count, size):
            block = texts[begin : begin + size]
            answers = {}
            turns = [(one, alone), (many, together)]
            for clock, engines in turns if begin // size % 2 else turns[::-1]:
                answers[clock.way] = clock.time(
                    partial(asked, engines.get(str(folder)), block, 12, connections), len(block), written
                )
            mine = answers[many.way]
            fine &= [text_of(a) for a in mine] == [text_of(a) for a in answers[one.way]]
            shared += sum(a["timings"]["core_s"] for a in mine)
            windows += sum(a["timings"]["batch_core_s"] / a["timings"]["batch"] for a in mine)
    finally:
        alone.close()
        together.close()
    core = say(many, one)
    outside = many.way_().core_s
    print(f"  answers equal to single runs, none lost, in order: {'yes' if fine else 'NO'}")
    print(
        f"  shares / their windows: {shared / windows:.6f}; windows / the child's clock, HTTP included: "
        f"{windows / outside:.4f}"
    )
    return [one.way_(), many.way_()], core, fine and abs(shared / windows - 1) <= WITHIN


def clock_of(engine: Engine, part: str, way: str) -> Clock:
    return Clock(part, way, lambda: process_ns(engine.pid) or 0, [])


# --- llama.cpp's slots ----------------------------------------------------------------------


def slots(rounds: int) -> list[Way]:
    """Ask the same of llama.cpp with more and more slots, each as many at once as it has."""
    engines = {n: Engines(EngineSettings(slots=n, context_tokens=512, threads=1)) for n in SLOTS}
    started = {n: made.get("smollm2-135m") for n, made in engines.items()}
    clocks = {n: clock_of(engine, "slots", f"{n} slot{'s' * (n > 1)}") for n, engine in started.items()}
    texts = [f"Write a story about {', '.join(WORDS[n % 7 : n % 7 + 3])} and the number {n}." for n in range(16)]
    more = {"cache_prompt": False, "ignore_eos": True}
    try:
        for n, engine in started.items():
            asked(engine, texts[:2], 4, n, **more)
        for turn in range(rounds):
            for n in SLOTS if turn % 2 else SLOTS[::-1]:
                clocks[n].time(partial(asked, started[n], texts, 32, n, **more), len(texts), written)
    finally:
        for made in engines.values():
            made.close()
    for n in SLOTS[1:]:
        say(clocks[n], clocks[1])
    return [clock.way_() for clock in clocks.values()]


# --- all of it ------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--wide", type=int, default=32, help="requests to the model of SmolLM2-135M's shape")
    parser.add_argument("--rounds", type=int, default=5, help="of the llama.cpp part")
    parser.add_argument("--connections", type=int, default=64, help="of the http part, at once")
    parser.add_argument("--blocks", type=int, default=5, help="in which both ways take turns")
    parser.add_argument("--parts", default="process,http,wide,slots")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts, ways, failed = options.parts.split(","), [], []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        if {"process", "http"} & set(parts):
            small = made(root / "small", hidden=256, layers=4)
        if "process" in parts:
            print(f"{options.requests} requests at once, in this process (Llama shape, 256 wide, 4 layers, float32)")
            found, times, fine = in_process(
                "process", small, drawn(options.requests, 500, 16), options.batch, options.blocks
            )
            ways += found
            failed += [] if fine and times >= TIMES else ["process"]
        if "http" in parts:
            print(f"{options.requests} requests to the HTTP worker, {options.connections} at once (the same model)")
            found, times, fine = over_http(small, options.requests, options.batch, options.connections, options.blocks)
            ways += found
            failed += [] if fine and times >= TIMES else ["http"]
        if "wide" in parts:
            print(f"{options.wide} requests at once to a model of SmolLM2-135M's shape, float32")
            wide = made(root / "wide", hidden=576, layers=30)
            found, _, fine = in_process("wide", wide, drawn(options.wide, 500, 12), 16, 2)
            ways += found
            failed += [] if fine else ["wide"]
    if "slots" in parts:
        print("llama.cpp's slots: smollm2-135m, 16 prompts, answers of 32 tokens")
        ways += slots(options.rounds)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(way) for way in ways], indent=1) + "\n")
    if failed:
        sys.exit(f"Missed: {', '.join(failed)}.")


def made(folder: Path, *, hidden: int, layers: int) -> Path:
    from tiny_models import llama

    if hidden < 576:
        return llama(folder, hidden=hidden, layers=layers)
    return llama(folder, hidden=hidden, layers=layers, heads=9, inner=1536, vocabulary=49152)


if __name__ == "__main__":
    main()
