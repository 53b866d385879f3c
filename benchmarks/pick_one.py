"""How often a small model that reads a request is sure which label of a list it means, and how often it is right.

    python benchmarks/pick_one.py FOLDER             SmolLM2-135M on this machine, about half an hour
    python benchmarks/pick_one.py FOLDER --model local/<file.gguf> --json result.json

FOLDER holds data sets with `rows.jsonl.gz`: snips2017, clinc150, banking77 and hwu64, of which lists of 3 to 8 intents
are drawn, mmlu_pro (letters of up to ten options) and metatool_need (yes or no). Each request is read as greenai reads
it, with and without contextual calibration. Intervals are 95%: Wilson's for shares, a bootstrap over requests for the
energy, which is measured as greenai measures local models, the two ways to answer in turns.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

from greenai import meters
from greenai.answerers.choosing import EMPTY, THRESHOLD, UNDECIDED, ClosedList, agreed, calibrated, spoken
from greenai.local import Engine, Engines, EngineSettings
from greenai.local.labels import Labels, Read, prepared
from greenai.values import Usage

SEED, LISTS, REQUESTS, TIMED = 20261122, 3, 40, 60
THRESHOLDS = (0.9, 0.95, 0.99, 0.995)
LETTERS = "ABCDEFGHIJ"
MOST_CHARS = 400
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One closed list, and requests with the label that is right."""

    name: str
    task: str
    labels: tuple[str, ...]
    requests: Sequence[tuple[str, str]]


@dataclass(kw_only=True)
class Scored:
    """What was said of the requests of one task: the likeliest label's probability, and whether it was right.

    `both` is of both wordings together, as greenai answers; `calibrated` and `plain` of the first one alone.
    """

    task: str
    both: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    calibrated: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    plain: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])


# --- requests -----------------------------------------------------------------------------


def rows(folder: Path, name: str) -> list[Row]:
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def intents(folder: Path, name: str, sizes: Sequence[int], rnd: random.Random) -> Iterator[Task]:
    by_intent: dict[str, list[str]] = {}
    for row in rows(folder, name):
        if row["intent"] != "oos" and len(row["prompt"]) <= MOST_CHARS:
            by_intent.setdefault(row["intent"], []).append(row["prompt"])
    for size in sizes:
        for draw in range(LISTS):
            labels = tuple(rnd.sample(sorted(by_intent), size))
            asked = [(rnd.choice(by_intent[label]), label) for label in rnd.choices(labels, k=REQUESTS)]
            title = f"{name}, {size} intents, {draw + 1}"
            yield Task(name=title, task="What is the message about?", labels=labels, requests=asked)


def tasks(folder: Path) -> Iterator[Task]:
    rnd = random.Random(SEED)
    for name, sizes in (("snips2017", (3, 7)), ("clinc150", (3, 5, 8)), ("banking77", (3, 5, 8)), ("hwu64", (3, 5))):
        yield from intents(folder, name, sizes, rnd)
    needs = [row for row in rows(folder, "metatool_need") if len(row["prompt"]) <= MOST_CHARS]
    asked = [(row["prompt"], "yes" if row["needs_tool"] else "no") for row in rnd.sample(needs, REQUESTS)]
    yield Task(name="metatool_need", task="Does answering need a tool?", labels=("yes", "no"), requests=asked)
    exams = [row for row in rows(folder, "mmlu_pro") if len(row["prompt"]) + len("".join(row["options"])) <= MOST_CHARS]
    asked = [lettered(row) for row in rnd.sample(exams, REQUESTS)]
    yield Task(name="mmlu_pro, letters", task="Which option is right?", labels=tuple(LETTERS), requests=asked)


def lettered(row: Row) -> tuple[str, str]:
    options = "\n".join(f"{LETTERS[n]}. {option}" for n, option in enumerate(row["options"]))
    right = row["answer"] if isinstance(row["answer"], str) else LETTERS[row["answer"]]
    return f"{row['prompt']}\n{options}", right


def listed(task: Task, text: str = "") -> ClosedList:
    return ClosedList(labels=task.labels, field="label", task=task.task, text=text)


# --- reading ------------------------------------------------------------------------------


def wordings(engine: Engine, task: Task) -> list[tuple[Labels, list[list[float]]]]:
    words = [spoken(label) for label in task.labels]
    made = [prepared(engine, system, words) for system in listed(task).systems]
    return [(labels, [labels.probabilities(text, Read()) for text in EMPTY]) for labels in made]


def scored(engine: Engine, task: Task) -> Scored:
    (first, of_first), (second, of_second) = wordings(engine, task)
    found = Scored(task=task.name)
    for text, right in task.requests:
        said = first.probabilities(text, Read())
        readings = [calibrated(said, of_first)]
        if max(readings[0]) >= UNDECIDED:
            readings.append(calibrated(second.probabilities(text, Read()), of_second))
        for kept, rows_ in ((found.plain, [said]), (found.calibrated, readings[:1]), (found.both, readings)):
            at, probability = agreed(rows_)
            kept.append((probability, task.labels[at] == right))
    return found


def wilson(hits: int, of: int) -> tuple[float, float]:
    if not of:
        return 0.0, 1.0
    z, p = 1.96, hits / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max((middle - half) / (1 + z * z / of), 0.0), (middle + half) / (1 + z * z / of)


def shares(pairs: Sequence[tuple[float, bool]], threshold: float) -> dict[str, Any]:
    sure = [right for probability, right in pairs if probability >= threshold]
    right = sum(sure)
    return {
        "requests": len(pairs),
        "answered": len(sure),
        "right": right,
        "share": len(sure) / len(pairs),
        "share_95": wilson(len(sure), len(pairs)),
        "accuracy": right / len(sure) if sure else None,
        "accuracy_95": wilson(right, len(sure)),
    }


# --- energy -------------------------------------------------------------------------------


def metered(engine: Engine, work: Callable[[], Usage]) -> tuple[float, float]:
    window = meters.window(engine.pid)
    started = time.perf_counter()
    usage = work()
    elapsed_s = time.perf_counter() - started
    return window.stop(meters.work(usage)).energy_j or 0.0, elapsed_s


def energies(engine: Engine, chosen: Sequence[Task]) -> dict[str, Any]:
    """Measure reading a request and writing its answer with the same model, in turns, each first as often."""
    rnd, taken = random.Random(SEED), {"read": list[float](), "written": list[float]()}
    seconds = {"read": list[float](), "written": list[float]()}
    with openai.OpenAI(base_url=engine.base_url, api_key=engine.api_key, max_retries=0) as client:
        for n in range(TIMED):
            task = rnd.choice(chosen)
            text = rnd.choice(task.requests)[0]
            ways = {"read": reading(engine, task, text), "written": writing(client, engine, task, text)}
            for name in sorted(ways, reverse=bool(n % 2)):
                energy_j, elapsed_s = metered(engine, ways[name])
                taken[name].append(energy_j)
                seconds[name].append(elapsed_s)
    ratios = [r / w for r, w in zip(taken["read"], taken["written"], strict=True)]
    boots = sorted(statistics.median(rnd.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "requests": TIMED,
        "read_j": statistics.median(taken["read"]),
        "written_j": statistics.median(taken["written"]),
        "ratio": statistics.median(ratios),
        "ratio_95": (boots[50], boots[1949]),
        "read_s": statistics.median(seconds["read"]),
        "written_s": statistics.median(seconds["written"]),
    }


def reading(engine: Engine, task: Task, text: str) -> Callable[[], Usage]:
    (first, of_first), (second, _) = wordings(engine, task)

    def read() -> Usage:
        seen = Read()
        if max(calibrated(first.probabilities(text, seen), of_first)) >= UNDECIDED:
            second.probabilities(text, seen)
        return Usage(input_tokens=seen.input_tokens, cached_tokens=seen.cached_tokens, output_tokens=seen.output_tokens)

    return read


def writing(client: openai.OpenAI, engine: Engine, task: Task, text: str) -> Callable[[], Usage]:
    one = {"type": "string", "enum": list(task.labels)}
    schema = {"type": "object", "properties": {"label": one}, "required": ["label"], "additionalProperties": False}
    form: Any = {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": schema}}
    messages: Any = [{"role": "system", "content": listed(task).systems[0]}, {"role": "user", "content": text}]

    def write() -> Usage:
        made = client.chat.completions.create(
            model=engine.model, messages=messages, response_format=form, temperature=0.0, max_tokens=40
        )
        usage: Any = made.usage
        cached = getattr(usage.prompt_tokens_details, "cached_tokens", 0) or 0
        return Usage(input_tokens=usage.prompt_tokens, cached_tokens=cached, output_tokens=usage.completion_tokens)

    return write


# --- the table ----------------------------------------------------------------------------


def kind_of(task: str) -> str:
    return re.split(r", ", task)[0]


def told(name: str, found: Mapping[str, Any]) -> str:
    low, high = (f"{100 * end:.0f}" for end in found["share_95"])
    share = f"{100 * found['share']:.0f}% ({low} to {high})"
    if not found["answered"]:
        return f"| {name} | {found['requests']} | {share} | none |"
    low, high = (f"{100 * end:.0f}" for end in found["accuracy_95"])
    right = f"{100 * found['accuracy']:.0f}% ({low} to {high}) of {found['answered']}"
    return f"| {name} | {found['requests']} | {share} | {right} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="local/smollm2-135m")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    engines = Engines(EngineSettings(slots=1))
    try:
        engine = engines.get(given.model.removeprefix("local/"))
        chosen = list(tasks(given.folder))
        energy = energies(engine, [task for task in chosen if not task.name.startswith("mmlu")])
        print(json.dumps(energy, indent=2), flush=True)
        found = []
        for task in chosen:
            found.append(scored(engine, task))
            print(told(task.name, shares(found[-1].both, THRESHOLD)), flush=True)
    finally:
        engines.close()
    result = table(found)
    if given.json is not None:
        given.json.write_text(json.dumps({"model": given.model, "energy": energy, **result}, indent=1) + "\n")


def table(found: Sequence[Scored]) -> dict[str, Any]:
    by_kind: dict[str, list[tuple[float, bool]]] = {}
    for one in found:
        by_kind.setdefault(kind_of(one.task), []).extend(one.both)
    ways = {
        "both wordings": [pair for one in found for pair in one.both],
        "one wording": [pair for one in found for pair in one.calibrated],
        "one wording, not calibrated": [pair for one in found for pair in one.plain],
    }
    whole = {
        "of": {name: shares(pairs, THRESHOLD) for name, pairs in by_kind.items()},
        "ways": {way: {str(t): shares(pairs, t) for t in (*THRESHOLDS, 0.0)} for way, pairs in ways.items()},
    }
    print("\n| requests | number | answered | right of these |\n| --- | --- | --- | --- |")
    for name, one in whole["of"].items():
        print(told(f"{name}, from {THRESHOLD} on", one))
    for way, by_threshold in whole["ways"].items():
        for threshold, one in by_threshold.items():
            print(told(f"all, {way}, from {threshold} on", one))
    return whole


if __name__ == "__main__":
    main()
