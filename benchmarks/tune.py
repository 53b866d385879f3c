"""Whether tuning finds the best point, and what it gives on this machine.

    python benchmarks/tune.py --synthetic [--seeds 100] [--json]
    python benchmarks/tune.py --model local/smollm2-135m [--tokens 64] [--most-batch 8] [--measurements 80]
    python benchmarks/tune.py --model FOLDER [...]       a folder of weights that torch runs

Synthetic: made-up devices with planted cliffs, noise of 3 to 8% and outliers. The search against random points and
against a grid, each with the same number of measurements (one repeat of one point), and without parts of itself. A
seed counts as found where the true energy of what was chosen is within 3% of the least and the latency bound holds.

Model: one tuning, then the chosen point against what runs without it, in turns and on fresh measurements: core-seconds
per token, and their ratio with its 95% interval. Exits with 1 where fewer than 95% of the seeds are found, or
where a chosen point does not take less.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from greenai.settings import load_settings
from greenai.tune.cells import Cell, Cells, ratio
from greenai.tune.run import Options, job, run
from greenai.tune.search import Plan, Search
from greenai.tune.space import Point
from greenai.tune.synthetic import Device, device

LIMIT = 1.03
FOUND = 0.95


# --- made-up devices ------------------------------------------------------------------------


def searched(made: Device, seed: int, **changes: Any) -> Point:
    return Search(space=made.space, bench=made, plan=Plan(seed=seed, **changes)).run().chosen


class Plain(Search):
    """The search without a part of itself, by name."""

    without: str = ""

    def _around_best(self) -> bool:
        return False if self.without == "around" else super()._around_best()

    def _look_twice(self, settings: Any) -> None:
        if self.without != "twice":
            super()._look_twice(settings)

    def _around_minima(self, settings: Any) -> None:
        if self.without != "minima":
            super()._around_minima(settings)

    def _round(self, turn: int) -> None:
        if self.without != "finals":
            super()._round(turn)


def ablated(part: str) -> Callable[[Device, int, int], Point]:
    def search(made: Device, seed: int, most: int) -> Point:
        del most
        plain = Plain(space=made.space, bench=made, plan=Plan(seed=seed))
        plain.without = part
        return plain.run().chosen

    return search


def best_of(made: Device, points: list[Point], most: int) -> Point:
    """Measure points in turns until the budget is used, and take the least mean; repeat the best tenth at the end."""
    cells = Cells(most_p95_s=made.space.most_p95_s)
    first = points[: int(most * 0.7)]
    for point in first:
        cells.add(point, made.measure(point))
    for _ in range(most - len(first)):
        ranked = sorted(cells.candidates(), key=lambda pair: pair[1].mean - cells.error(pair[1]))
        if not ranked:
            return made.space.default
        cells.add(ranked[0][0], made.measure(ranked[0][0]))
    return cells.best() or made.space.default


def at_random(made: Device, seed: int, most: int) -> Point:
    points = made.points()
    random.Random(seed).shuffle(points)
    return best_of(made, points, most)


def coarse_grid(made: Device, seed: int, most: int) -> Point:
    """Every setting at evenly spaced batches, as many as the budget allows."""
    del seed
    settings = list(made.space.settings())
    each = max(int(most * 0.7) // len(settings), 1)
    top = made.space.most_batch
    batches = sorted({max(round(top * (n + 1) / each), 1) for n in range(each)})
    return best_of(made, [Point(setting=s, batch=b) for s in settings for b in batches], most)


def once_each(made: Device, seed: int, most: int) -> Point:
    """The full grid, one repeat of each point: three times the measurements."""
    del seed, most
    cells = Cells(most_p95_s=made.space.most_p95_s)
    for point in made.points():
        cells.add(point, made.measure(point))
    return cells.best() or made.space.default


METHODS: dict[str, Callable[[Device, int, int], Point]] = {
    "search": lambda made, seed, _most: searched(made, seed),
    "random, as many": at_random,
    "coarse grid, as many": coarse_grid,
    "full grid, once each": once_each,
    "search without finals": ablated("finals"),
    "search without b-1, b+1 of the minima": ablated("minima"),
    "search without looking round the best again": ablated("around"),
    "search without second looks": ablated("twice"),
}


def synthetic(seeds: int) -> dict[str, dict[str, float]]:
    rows: dict[str, list[tuple[bool, float, float]]] = {name: [] for name in METHODS}
    for seed in range(seeds):
        used = 0
        for name, method in METHODS.items():
            made = device(seed)
            chosen = method(made, seed, used or made.space.size() // 3)
            used = used or made.measured
            off = made.energy_j(chosen) / made.energy_j(made.best())
            found = off <= LIMIT and made.allows(chosen, 1.02)
            rows[name].append((found, off, made.measured / made.space.size()))
    return {
        name: {
            "found": statistics.fmean(found for found, _, _ in row),
            "median_excess": statistics.median(off for _, off, _ in row) - 1,
            "worst_excess": max(off for _, off, _ in row) - 1,
            "mean_part_of_grid": statistics.fmean(part for _, _, part in row),
            "most_part_of_grid": max(part for _, _, part in row),
        }
        for name, row in rows.items()
    }


# --- this machine ---------------------------------------------------------------------------


def on_this_machine(model: str, options: Options, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings().model_copy(update={"state_dir": Path(folder)})
        made = job(model, settings, options)
        began = time.monotonic()
        outcome = run(made, told).outcome
        tuned_s = time.monotonic() - began
        print(file=sys.stderr)
        pair = (outcome.default, outcome.best or outcome.default)
        fresh = job(model, settings, options).bench
        cells = {point: Cell() for point in pair}
        try:
            for point in pair:
                fresh.measure(point, short=True)
            for turn in range(rounds):
                for point in pair if turn % 2 else pair[::-1]:
                    sample = fresh.measure(point, short=False)
                    cells[point].add(sample, outcome.cells.noise, turn)
        finally:
            fresh.close()
    cores = {p: statistics.median(s.core_s / s.tokens for s in cells[p].samples) for p in pair}
    held = ratio(cells[pair[1]], cells[pair[0]], outcome.cells.noise)
    if held is None:
        sys.exit("Fewer than four pairs of readings say nothing: give --rounds 4 at least.")
    rejected = {str(p.setting): c.samples[-1].why for p, c in outcome.cells.of.items() if c.status == "rejected"}
    return {
        "model": model,
        "tokens": options.tokens,
        "measurements": outcome.measurements,
        "grid": made.space.size(),
        "tuned_s": round(tuned_s),
        "verdict": "leave it as it is" if outcome.leave_it else "use the profile",
        "default": str(pair[0]),
        "best": str(pair[1]),
        "default_core_ms_per_token": cores[pair[0]] * 1e3,
        "best_core_ms_per_token": cores[pair[1]] * 1e3,
        "ratio": [held.value, held.low, held.high],
        "rounds": rounds,
        "in_search_ratio": None
        if outcome.ratio is None
        else [outcome.ratio.value, outcome.ratio.low, outcome.ratio.high],
        "noise": outcome.cells.noise,
        "rejected": rejected,
    }


def told(progress: Any) -> None:
    line = f"{progress.stage} {progress.done}/{progress.expected} {progress.point}"
    print(f"\r{line[:150]:150}", end="", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--model")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--most-batch", type=int, default=8)
    parser.add_argument("--measurements", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    fine = True
    if given.synthetic:
        table = synthetic(given.seeds)
        fine = table["search"]["found"] >= FOUND and table["search"]["most_part_of_grid"] <= 1 / 3 + 1e-9
        if given.json:
            print(json.dumps(table, indent=2))
        else:
            for name, row in table.items():
                print(f"{name:45}" + "".join(f" {key} {value:7.1%}" for key, value in row.items()))
    if given.model:
        options = Options(tokens=given.tokens, most_batch=given.most_batch, measurements=given.measurements)
        found = on_this_machine(given.model, options, given.rounds)
        print(json.dumps(found, indent=2))
        fine = fine and (found["verdict"] == "leave it as it is" or found["ratio"][2] < 1)
    if not fine:
        sys.exit(1)


if __name__ == "__main__":
    main()
