"""How well registered answerers are matched: questions found, questions of others answered, and the time it takes.

    python benchmarks/registered.py FOLDER [--repeats 6] [--json OUT]

FOLDER holds one folder per data set, each with rows.jsonl.gz. Intents of CLINC150, BANKING77 and HWU64 stand for an
app's routes: a few of an intent's rows are the examples, others are asked. Told are the share of these that reaches
their own route (found) and another's (wrong), and the share that reaches any route of chat prompts (the promise is at
most 1%), of factual questions, of out-of-scope requests to an assistant, and of the intents that nobody registered:
these last are an app's nearest neighbours. Every figure is the mean over the repeats, with its 95% interval by a
bootstrap over them; routes, examples and questions are drawn from seeds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from registered_probes import report
from rich.console import Console
from rich.table import Table

from greenai.answerers.matching import Route, Routes

ROUTES = (1, 5, 20)
EXAMPLES = (3, 5, 10)
ASKED = 30
NEIGHBOURS = 6
SETS = ("clinc150", "banking77", "hwu64")
CHAT = ("alpaca_eval", "arena_hard", "self_instruct")
FIGURES = ("found", "wrong", "chat", "facts", "out of scope", "unregistered")


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def by_intent(folder: Path, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows(folder, name):
        found.setdefault(str(row["intent"]), []).append(row["prompt"])
    return found


def reached(routes: Routes, questions: Iterable[str]) -> list[str | None]:
    matches = [routes.best(question) for question in questions]
    return [match.route if match is not None and match.fires else None for match in matches]


def share(found: Sequence[str | None]) -> float:
    return mean(route is not None for route in found) if found else 0.0


def run(intents: dict[str, list[str]], routes: int, examples: int, others: dict[str, list[str]], seed: int) -> Any:
    draw = random.Random(seed)
    names = draw.sample(sorted(intents), len(intents))
    drawn = {name: draw.sample(intents[name], min(len(intents[name]), examples + ASKED)) for name in names}
    index = Routes([Route(name=name, examples=tuple(drawn[name][:examples])) for name in names[:routes]])
    own = [(name, route) for name in names[:routes] for route in reached(index, drawn[name][examples:])]
    strangers = [text for name in names[routes:] for text in drawn[name][:NEIGHBOURS]]
    return {
        "found": mean(name == route for name, route in own),
        "wrong": mean(route not in (None, name) for name, route in own),
        **{name: share(reached(index, texts)) for name, texts in others.items()},
        "unregistered": share(reached(index, strangers)),
        "threshold": mean(index.thresholds.values()),
    }


def told(values: Sequence[float]) -> str:
    """Return the mean in percent, with its interval by a bootstrap over the draws."""
    draw = random.Random(0)
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(2000))
    return f"{mean(values) * 100:.1f} ({means[50] * 100:.1f}-{means[1949] * 100:.1f})"


def latency_ms(intents: dict[str, list[str]]) -> float:
    index = Routes([Route(name=name, examples=tuple(texts[:5])) for name, texts in list(intents.items())[:20]])
    took = []
    for question in [text for texts in intents.values() for text in texts[:3]][:300]:
        began = time.perf_counter()
        index.best(question)
        took.append(time.perf_counter() - began)
    return median(took) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    sets = {name: by_intent(folder, name) for name in SETS}
    others = {
        "chat": [row["prompt"] for name in CHAT for row in rows(folder, name)],
        "facts": [row["prompt"] for row in rows(folder, "nq_open")],
        "out of scope": sets["clinc150"].pop("oos"),
    }
    table = Table("set", "routes", "examples", *FIGURES, "threshold", title="Registered answerers, %")
    results = []
    for name, intents in sets.items():
        for routes in ROUTES:
            for examples in EXAMPLES:
                runs = [run(intents, routes, examples, others, seed) for seed in range(arguments.repeats)]
                figures = [told([r[f] for r in runs]) for f in FIGURES]
                table.add_row(name, str(routes), str(examples), *figures, f"{mean(r['threshold'] for r in runs):.2f}")
                results.append({"set": name, "routes": routes, "examples": examples, "runs": runs})
    console = Console(width=160)
    console.print(table)
    console.print(f"Most chat prompts in any draw: {max(r['chat'] for s in results for r in s['runs']):.2%}")
    for line in report():
        console.print(line)
    console.print(f"Matching one question against 20 routes: {latency_ms(sets['clinc150']):.3f} ms (median)")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
