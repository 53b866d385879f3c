"""How near the split of one engine's use among its callers comes to what each call caused, on a simulated engine.

    python benchmarks/shares.py [--seeds 4] [--json]

The engine generates for 4 callers at a time: a step costs 1 unit and 0.3 for each answer in it, which its answers share
equally; a prompt token costs 0.25. Callers wait for a place with their window open. The rule of `meters/shares.py` is
run on it beside equal parts by time. Errors are factors; both rules add up to what the engine used.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from greenai.meters.shares import Claim, Pots

SLOTS, STEP, ANSWER, PROMPT, UNIT = 4, 1.0, 0.3, 0.25, 1_000_000
Sizes = Callable[[random.Random, int], tuple[int, int]]


def mixed(rnd: random.Random, _caller: int) -> tuple[int, int]:
    return rnd.randint(20, 1000), int(rnd.lognormvariate(4, 1)) + 1


SCENES: dict[str, tuple[int, int, float, Sizes]] = {  # callers, calls of each, pause between them, prompt and answer
    "32 callers, mixed lengths": (32, 20, 0, lambda rnd, _: (rnd.randint(20, 400), rnd.randint(5, 200))),
    "32 callers, 5 calls each": (32, 5, 0, lambda rnd, _: (rnd.randint(20, 400), rnd.randint(5, 200))),
    "32 callers, equal lengths": (32, 20, 0, lambda _rnd, _caller: (50, 100)),
    "2 callers, answers 10 to 1": (2, 100, 0, lambda _, caller: (20, 20 if caller else 200)),
    "4 callers, mixed lengths": (4, 60, 0, mixed),
    "8 callers who pause, mixed lengths": (8, 60, 2000, mixed),
    "1 long answer, 3 short ones": (4, 60, 0, lambda _, caller: (50, 20 if caller else 1000)),
}


@dataclass(eq=False)
class Call:
    caller: int
    prompt: int
    answer: int
    claim: Claim
    left: int
    caused: float = 0.0
    prefilled: bool = False
    charged: float = 0.0


@dataclass
class Engine:
    calls: int
    pause: float
    sizes: Sizes
    rnd: random.Random
    tokens: bool
    pots: Pots = field(default_factory=Pots)
    now: float = 0.0
    waiting: list[Call] = field(default_factory=list)
    active: list[Call] = field(default_factory=list)
    done: list[Call] = field(default_factory=list)

    def spend(self, units: float) -> None:
        self.now += units
        self.pots.charge((round(units * UNIT),))

    def run(self, callers: int) -> list[Call]:
        todo = dict.fromkeys(range(callers), self.calls)
        ready = [(self.rnd.random() * self.pause, caller) for caller in todo]
        while ready or self.waiting or self.active:
            for start in [r for r in ready if r[0] <= self.now]:
                ready.remove(start)
                prompt, answer = self.sizes(self.rnd, start[1])
                self.waiting.append(Call(start[1], prompt, answer, self.pots.open(), answer))
            while self.waiting and len(self.active) < SLOTS:
                self.active.append(self.waiting.pop(0))
            if not self.active:
                self.now = min(r[0] for r in ready)
                continue
            for call in self.step():
                todo[call.caller] -= 1
                if todo[call.caller]:
                    ready.append((self.now + self.rnd.random() * self.pause, call.caller))
        return self.done

    def step(self) -> list[Call]:
        for call in self.active:
            if not call.prefilled:
                self.spend(PROMPT * call.prompt)
                call.caused, call.prefilled = PROMPT * call.prompt, True
        cost = STEP + ANSWER * len(self.active)
        self.spend(cost)
        for call in self.active:
            call.caused += cost / len(self.active)
            call.left -= 1
        ended = [call for call in self.active if not call.left]
        for call in ended:
            self.active.remove(call)
            work = call.answer + call.prompt * PROMPT / (STEP / SLOTS + ANSWER)
            call.charged = self.pots.close(call.claim, work if self.tokens else None)[0] / UNIT
        self.done += ended
        return ended


def errors(scene: str, seeds: int, *, tokens: bool) -> dict[str, float]:
    callers, calls, pause, sizes = SCENES[scene]
    done = [c for n in range(seeds) for c in Engine(calls, pause, sizes, random.Random(n), tokens).run(callers)]
    factors = sorted(math.exp(abs(math.log(max(call.charged, 1e-9) / call.caused))) for call in done)
    return {
        "median": factors[len(factors) // 2],
        "p90": factors[int(0.9 * len(factors))],
        "p99": factors[int(0.99 * len(factors))],
        "charged": sum(c.charged for c in done) / sum(c.caused for c in done),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = {s: {r: errors(s, options.seeds, tokens=r == "tokens") for r in ("tokens", "time")} for s in SCENES}
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'error factor of a call':36}{'by tokens':>24}{'by time':>24}")
    print(f"{'':36}" + f"{'median':>8}{'p90':>8}{'p99':>8}" * 2)
    for scene, by in rows.items():
        print(f"{scene:36}" + "".join(f"{by[r][k]:8.2f}" for r in by for k in ("median", "p90", "p99")))


if __name__ == "__main__":
    main()
