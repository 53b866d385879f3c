"""What does a model made for a task take, against a language model that is asked to do the same task?

    python benchmarks/tasks.py ROWS.jsonl.gz --encoder FOLDER [--rows 140] [--examples 60] [--json FILE]

The task: which of seven intents a sentence has. ROWS has objects with `intent`, `prompt` and `split`, such as those of
SNIPS 2017 (sonos/nlu-benchmark, CC0). Both do the same unseen rows on one thread of this machine:

- the task model: a small encoder (all-MiniLM-L6-v2, 22 million parameters, float32) with a head fitted on the examples,
  one text at a time, and in batches;
- a language model asked for the label in words (SmolLM2-135M, 4-bit, llama.cpp): the labels and one example of each
  stand before, which llama.cpp keeps from request to request; greedy, at most eight tokens.

What is measured is core time per row: all of this process's for the task model, the model's process alone for the
language model, whose caller is not counted. Loading and fitting are apart. The ratio's interval is a bootstrap over the
rows, which are done by all in turns. Accuracy is counted on the same rows. Needs torch, transformers, and the extra
`local` with its weights.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from batching import ask, text_of

from greenai.local import Engine, Engines, EngineSettings
from greenai.local.torch_engine import TaskModel
from greenai.local.torch_heads import fit
from greenai.meters.core_time import process_ns

DRAWS = 4000
BLOCK = 10
Rows = Sequence[tuple[str, str]]


@dataclass
class Way:
    """One way of doing the rows: what each took in core-milliseconds, and whether it was right."""

    way: str
    core_ms: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def line(self) -> str:
        low, high = wilson(sum(self.right), len(self.right))
        return (
            f"  {self.way:<34} {statistics.fmean(self.core_ms):9.2f} core-ms a row, right "
            f"{100 * statistics.fmean(self.right):5.1f}% ({100 * low:.1f} to {100 * high:.1f})"
        )


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * ((share * (1 - share) + spread / 4) / count) ** 0.5 / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def ratio(one: Way, other: Way) -> tuple[float, float, float]:
    """Return how many times more `other` takes than `one`, with a 95% interval over the rows."""
    draw, count = random.Random(1), len(one.core_ms)

    def of(rows: Sequence[int]) -> float:
        return sum(other.core_ms[n] for n in rows) / sum(one.core_ms[n] for n in rows)

    drawn = sorted(of(draw.choices(range(count), k=count)) for _ in range(DRAWS))
    return of(range(count)), drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)]


def read(path: Path) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Return the training texts by label, and the other rows, shuffled."""
    examples: dict[str, list[str]] = defaultdict(list)
    unseen: list[tuple[str, str]] = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    random.Random(7).shuffle(rows)
    for row in rows:
        if row["split"] == "train":
            examples[row["intent"]].append(row["prompt"])
        else:
            unseen.append((row["prompt"], row["intent"]))
    return dict(examples), unseen


def instructions(examples: dict[str, list[str]]) -> list[dict[str, str]]:
    """Return the labels and one example of each, as the conversation so far."""
    told = f"Say which kind of request it is. Answer with one of: {', '.join(sorted(examples))}."
    shown = [(text, label) for label, texts in sorted(examples.items()) for text in texts[:1]]
    turns = [[{"role": "user", "content": text}, {"role": "assistant", "content": label}] for text, label in shown]
    return [{"role": "system", "content": told}, *(message for turn in turns for message in turn)]


def label_in(said: str, labels: Sequence[str]) -> str | None:
    """Return the label that is named first, however it is written."""
    plain = "".join(said.lower().split())
    found = [(plain.find(label.lower()), label) for label in labels]
    return min(((at, label) for at, label in found if at >= 0), default=(0, None))[1]


def timed(core_ns: Callable[[], int], way: Way, rows: Rows, do: Callable[[list[str]], list[Any]]) -> None:
    before = core_ns()
    said = do([text for text, _ in rows])
    each = (core_ns() - before) / 1e6 / len(rows)
    way.core_ms += [each] * len(rows)
    way.right += [one == label for one, (_, label) in zip(said, rows, strict=True)]


def compared(task: TaskModel, engine: Engine, examples: dict[str, list[str]], rows: Rows) -> tuple[Way, Way, Way]:
    """Do the rows all three ways, in turns of a few rows."""
    before, labels = instructions(examples), sorted(examples)
    one, many, asked = Way("task model, one at a time"), Way("task model, in batches"), Way("language model")

    def in_words(text: str) -> str | None:
        messages = [*before, {"role": "user", "content": text}]
        return label_in(text_of(ask(engine, "", 8, messages=messages, cache_prompt=True)), labels)

    task.many([text for text, _ in rows[:4]])
    in_words(rows[0][0])
    own, models = time.process_time_ns, lambda: process_ns(engine.pid) or 0

    def singly(block: Rows) -> None:
        for row in block:
            timed(own, one, [row], lambda text: [task(text[0]).label])

    def together(block: Rows) -> None:
        timed(own, many, block, lambda texts: [done.label for done in task.many(texts)])

    def words(block: Rows) -> None:
        for row in block:
            timed(models, asked, [row], lambda text: [in_words(text[0])])

    turns = [singly, together, words]
    for at in range(0, len(rows), BLOCK):
        for do in turns if at // BLOCK % 2 else turns[::-1]:
            do(rows[at : at + BLOCK])
    return one, many, asked


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows_file", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=140)
    parser.add_argument("--examples", type=int, default=60, help="labelled texts of each kind for the head")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    examples, unseen = read(options.rows_file)
    engines = Engines(EngineSettings(slots=1, context_tokens=1024, threads=1))
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        fit(options.encoder, {label: texts[: options.examples] for label, texts in examples.items()}, folder)
        fitted_s = time.process_time() - before
        try:
            engine = engines.get("smollm2-135m")
            one, many, asked = compared(
                TaskModel(folder, "embedding-head"), engine, examples, unseen[: options.rows]
            )  # fmt: skip
        finally:
            engines.close()
    print(f"{len(one.right)} unseen rows, {len(examples)} labels, {options.examples} examples of each for the head "
          f"(fitted once in {fitted_s:.1f} core-s)")  # fmt: skip
    found = {}
    for way in (one, many, asked):
        print(way.line())
    for way in (one, many):
        found[way.way] = ratio(way, asked)
        times, low, high = found[way.way]
        print(f"  the language model takes {times:.1f} times ({low:.1f} to {high:.1f}) the core time of the {way.way}")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(way) for way in (one, many, asked)]) + "\n")


if __name__ == "__main__":
    main()
