"""Does the risk that `greenai audit --check` measures, with its interval, cover the true one, with and without a judge?

    python benchmarks/audit_check.py FOLDER [--mixes 50] [--judge] [--json FILE]

FOLDER holds public routing data, one folder per set (rows.jsonl.gz). Each log is a random mix of exam questions of some
subjects of MMLU (GPT-4 and Mixtral 8x7B, RouteLLM's records), of which the log has GPT-4's letter, and word problems of
GSM8K (two random models of ZeroEval's records), whose answers are sentences. Both are asked of a server on loopback
that plays the recorded small model, through a client, a budget and the check as `greenai audit` calls it. Where a
record says only that a model was wrong, its letter is drawn among the wrong ones.

The true risk is that of all calls of the log that routing gives to the small model: letters that differ from the log's,
and sentences of a small model that was wrong where the large one was right. With `--judge` the server also plays a
judge that finds a worse answer in some cases (0.6 to 0.98), finds a good one worse in others (0.01 to 0.2), and always
prefers the first place in some (0 to 0.3), drawn anew for each mix. All calls are then given to the small model.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from greenai import Client
from greenai.audit.check_plan import planned
from greenai.audit.columns import columns
from greenai.audit.estimate import looked_at
from greenai.audit.judge import planted
from greenai.audit.matching import same
from greenai.audit.side_by_side import With, asked
from greenai.audit.values import Logged
from greenai.settings import Settings

LARGE, SMALL, JUDGE = "openai/gpt-5.5", "openai/played-small", "openai/played-judge"
LADDER = (SMALL, LARGE)
LETTERS = "ABCD"


class World:
    """What the server plays: the small model's answers by prompt, and what is known of both answers."""

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        self.logged: dict[str, str] = {}
        self.good: dict[str, bool] = {}  # of sentences: whether one is right
        self.errs = (1.0, 1.0, 0.0)
        self.draws: dict[tuple[str, str], np.ndarray] = {}
        self.rng = np.random.default_rng(0)

    def answer(self, model: str, messages: list[dict]) -> str:
        text = messages[-1]["content"]
        return self.verdict(text) if model == JUDGE.partition("/")[2] else self.says[text]

    def verdict(self, text: str) -> str:
        found = re.findall(r"<(request|first|second)-(\w{8})>\n(.*?)\n</\1-\2>", text, re.DOTALL)
        prompt, first, second = (inner for _, _, inner in found)
        prompt = prompt.removeprefix("user: ")
        logged = self.logged[prompt]
        log_first = first == logged
        other = second if log_first else first
        luck = self.draws.setdefault((prompt, other), self.rng.random(2))  # the same in both orders
        finds, errs, place = self.errs
        if luck[1] < place:
            return "FIRST"
        if luck[0] < (finds if self.is_worse(prompt, other) else errs):
            return "FIRST" if log_first else "SECOND"
        return "SAME"

    def is_worse(self, prompt: str, other: str) -> bool:
        logged = self.logged[prompt]
        if logged in self.good:
            return self.good[logged] and not self.good.get(other, False)
        return not same("letter", logged, other)


def serve(world: World) -> ThreadingHTTPServer:
    class Playing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = world.answer(body["model"], body["messages"])
            reply = {
                "id": "c", "object": "chat.completion", "created": 1, "model": body["model"],
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
                ],
                "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
            }  # fmt: skip
            data = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Playing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def rows(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def mix(mmlu: dict, gsm8k: list, models: int, count: int, rng: np.random.Generator, world: World) -> list[Logged]:
    """Return a log, and have the world play its small model."""
    calls: list[Logged] = []
    world.says, world.logged, world.good, world.draws, world.rng = {}, {}, {}, {}, rng

    def add(prompt: str, logged: str, said: str) -> None:
        number = len(calls)
        world.says[prompt], world.logged[prompt] = said, logged
        calls.append(
            Logged(
                where=f"mix:{number}", created=1.79e9 + number, model=LARGE, answer=logged, finish_reason="stop",
                messages=({"role": "user", "content": prompt},), arguments={"temperature": 0},
                input_tokens=len(prompt) // 4, output_tokens=len(logged) // 4 + 1,
            )
        )  # fmt: skip

    subjects = rng.choice(sorted(mmlu), rng.integers(2, 12), replace=False)
    pool = [row for subject in subjects for row in mmlu[subject]]
    exact = min(len(pool), int(count * rng.uniform(0.4, 0.8)))
    for at in rng.permutation(len(pool))[:exact].tolist():
        row, right = pool[at], LETTERS[rng.integers(4)]
        wrong = [letter for letter in LETTERS if letter != right]
        strong, weak = (right if row[ok] else wrong[rng.integers(3)] for ok in ("strong_ok", "weak_ok"))
        add(row["prompt"], strong, weak)
    pair = rng.choice(models, 2, replace=False).tolist()
    for at in rng.permutation(len(gsm8k))[: count - exact].tolist():
        ok = [bool(gsm8k[at]["ok"][model]) for model in pair]
        strong, weak = (
            f"Step by step, that makes {who} number {at}." for who in ("the large one's", "the small one's")
        )
        world.good |= {strong: ok[0], weak: ok[1]}
        add(gsm8k[at]["prompt"], strong, weak)
    return calls


def one(world: World, client: Client, calls: list[Logged], most: int, seed: int, *, judged: bool) -> dict:
    """Return the true risk of one log, and the one that a check measured."""
    read = lambda wanted: [calls[at] for at in wanted]  # noqa: E731
    gain = (lambda _: 0.0) if judged else None  # hardly any word problem would be given to a small model otherwise
    looked = looked_at(
        columns(calls), read, ladder=LADDER, sample=4 * len(calls), in_a_row=0, seed=seed, draws=50, large_gain=gain
    )
    every = planned(looked, read, 10**9, ladder=LADDER, free=judged)
    asks = [pair.call.messages[0]["content"] for pair in every.pairs]
    worse = [world.is_worse(prompt, world.says[prompt]) for prompt in asks]
    plan = planned(looked, read, most, ladder=LADDER, free=judged, seed=seed)
    if judged:
        plan = replace(plan, known=planted(plan.pairs))
    check = asked(plan, client, "100000 calls", free=With(judge=JUDGE) if judged else None)
    said = check.verdicts
    told = {"true": float(np.mean(worse)), "believed": bool(said and said.why_not is None), "compared": check.compared}
    if check.risk is not None and (not judged or told["believed"]):
        told |= {"mid": check.risk.share.mid, "low": check.risk.share.low, "high": check.risk.share.high}
    if said is not None and said.seen is not None and said.share is not None:
        free = [bad for bad, pair in zip(worse, every.pairs, strict=True) if pair.form is None]
        told["free"] = float(np.mean(free))
        told |= {name: [span.low, span.high] for name, span in (("raw", said.seen), ("share", said.share))}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mixes", type=int, default=50)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--check", type=int, default=60)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = "none"
    world, mmlu = World(), dict[str, list]()
    server = serve(world)
    for row in rows(arguments.folder, "routellm_mmlu"):
        mmlu.setdefault(row["subject"], []).append(row)
    gsm8k = [row for row in rows(arguments.folder, "zeroeval_gsm8k") if None not in row["ok"]]
    models, url = len(gsm8k[0]["ok"]), f"http://127.0.0.1:{server.server_port}/v1"
    ladder = [{"model": name, "base_url": url, "tier": tier} for name, tier in ((SMALL, "small"), (JUDGE, "large"))]
    told, began = [], time.process_time()
    with Client(settings=Settings(ladder=ladder, max_retries=0)) as client:
        for number in range(arguments.mixes):
            rng = np.random.default_rng((arguments.seed, number))
            calls = mix(mmlu, gsm8k, models, arguments.calls, rng, world)
            world.errs = (rng.uniform(0.6, 0.98), rng.uniform(0.01, 0.2), rng.uniform(0, 0.3))
            found = one(world, client, calls, arguments.check, number, judged=arguments.judge)
            told.append(found | {"errs": [round(float(rate), 3) for rate in world.errs]})
            print(number, json.dumps(told[-1], default=float), flush=True)
    kept = [one for one in told if "low" in one]
    covered = [one["low"] <= one["true"] <= one["high"] for one in kept]
    widths = [one["high"] - one["low"] for one in kept]
    print(f"the risk: covered {sum(covered)} of {len(kept)}; width: {np.median(widths):.2f}, at most {max(widths):.2f}")
    if judges := [one for one in told if "share" in one]:
        inside = {name: sum(one[name][0] <= one["free"] <= one[name][1] for one in judges) for name in ("share", "raw")}
        print(
            f"sentences: {inside['share']} of {len(judges)} covered where corrected, {inside['raw']} where not; "
            f"{sum(one['believed'] for one in told)} of {len(told)} judges were believed"
        )
    print(f"{time.process_time() - began:.0f} s of processor")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    server.shutdown()


if __name__ == "__main__":
    main()
