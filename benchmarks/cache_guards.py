"""What the cache keeps back: questions that must not be stored, and pairs that one answer must not serve.

    python benchmarks/cache_guards.py FOLDER [--no-encoder] [--json OUT]

FOLDER holds one folder per data set, each with one tab-separated file, gzipped (guard_probes, checklist_qqp,
gptcache_mock, mqp, volatility_probes). Every set is told in two halves by a hash of its text: single failures were
looked for in the first while the rules were written, so a gap between the two tells of rules that are not general.
Beside the vetoes alone stands what is left when all-MiniLM-L6-v2 asks for a similarity of 0.85 as well, where the extra
`semantic` is installed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from greenai.cache import vetoes, volatility
from greenai.errors import MissingExtra

SIMILARITY = 0.85
WRONG = 0.01
NEVER = frozenset(("realtime", "personal", "nondeterministic", "action", "foreign"))
HALVES = ("dev", "test", "all")
PAIRS = ("guard_probes", "checklist_qqp", "gptcache_mock", "mqp")
OWN = Path(__file__).parents[1] / "tests" / "cache"

Row = dict[str, Any]


def read(folder: Path, name: str) -> list[Row]:
    with gzip.open(folder / name / f"{name}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def own(name: str, label: str) -> list[Row]:
    with (OWN / name).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [{**row, "label": label} for row in rows]


def half(text: str) -> str:
    return "dev" if hashlib.sha256(text.encode()).digest()[0] % 2 == 0 else "test"


def similarities(rows: Sequence[Row], encode: Callable[[Sequence[str]], Any]) -> list[float]:
    texts = sorted({row[side] for row in rows for side in ("q1", "q2")})
    vectors = dict(zip(texts, encode(texts), strict=True))
    return [float(vectors[row["q1"]] @ vectors[row["q2"]]) for row in rows]


def judged(rows: list[Row], encode: Callable[[Sequence[str]], Any] | None) -> None:
    """Add to each row what the vetoes say, and how alike the two texts are."""
    scores = similarities(rows, encode) if encode else [None] * len(rows)
    for row, score in zip(rows, scores, strict=True):
        row["half"] = half(row["q1"])
        row["free"] = not vetoes(row["q1"], row["q2"])
        row["similarity"] = score


def accepted(rows: Iterable[Row], *, gate: bool) -> float | None:
    kept = [row["free"] and (not gate or row["similarity"] >= SIMILARITY) for row in rows]
    return mean(kept) if kept else None


def recall(rows: Sequence[Row], *, guarded: bool) -> float:
    """Return the largest share of the true pairs that is found while at most 1% of what is found is wrong."""
    ranked = sorted((row for row in rows if row["free"] or not guarded), key=lambda row: -row["similarity"])
    true = sum(row["label"] == "1" for row in rows)
    best, right = 0, 0
    for count, row in enumerate(ranked, 1):
        right += row["label"] == "1"
        if count - right <= WRONG * count:
            best = right
    return best / true


def told(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def pair_figures(rows: Sequence[Row], groups: dict[str, Callable[[Row], bool]], *, gated: bool) -> list[Row]:
    figures = []
    for name, belongs in groups.items():
        for label in ("0", "1"):
            chosen = [row for row in rows if row["label"] == label and belongs(row)]
            if not chosen:
                continue
            figure: Row = {
                "group": name,
                "pairs": "same answer" if label == "1" else "another answer",
                "n": len(chosen),
            }
            for part in HALVES:
                inside = [row for row in chosen if part in (row["half"], "all")]
                figure[part] = accepted(inside, gate=False)
                figure[f"{part}, gated"] = accepted(inside, gate=True) if gated else None
            figures.append(figure)
    return figures


def groups_of(name: str) -> dict[str, Callable[[Row], bool]]:
    if name != "checklist_qqp":
        return {name: lambda _: True}
    named = ("Negation", "Temporal", "NER", "Coref", "SRL", "Logic", "Vocabulary", "Taxonomy", "Robustness")
    return {
        "checklist_qqp": lambda _: True,
        "  Negation, Temporal, NER": lambda row: row["capability"] in named[:3],
        **{f"  {part}": lambda row, part=part: row["capability"] == part for part in named},
    }


def volatility_figures(rows: Sequence[Row]) -> list[Row]:
    figures = []
    for name in dict.fromkeys(row["volatility"] for row in rows):
        chosen = [(half(row["text"]), volatility(row["text"])) for row in rows if row["volatility"] == name]
        figure: Row = {"class": name, "n": len(chosen)}
        for part in HALVES:
            found = [is_found for in_half, is_found in chosen if part in (in_half, "all")]
            figure[part] = mean(one not in NEVER for one in found) if found else None
        figure["recognised"] = mean(one == name for _, one in chosen)
        figures.append(figure)
    return figures


def latency_us(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the median time of a comparison and of a class, in microseconds of processor time."""
    taken: tuple[list[float], list[float]] = ([], [])
    for row in rows:
        for times, work in zip(
            taken, (lambda r=row: vetoes(r["q1"], r["q2"]), lambda r=row: volatility(r["q1"])), strict=True
        ):
            work()
            began = time.process_time()
            for _ in range(10):
                work()
            times.append((time.process_time() - began) / 10)
    return median(taken[0]) * 1e6, median(taken[1]) * 1e6


def encoder() -> Callable[[Sequence[str]], Any] | None:
    try:
        from greenai.embed.minilm import load

        return load().encode
    except (ImportError, MissingExtra):
        return None


def pair_table(figures: Sequence[Row]) -> Table:
    table = Table(
        "set", "pairs", "n", *HALVES, *(f"{part}, gated" for part in HALVES), title="Let through by the vetoes"
    )
    for figure in figures:
        cells = [told(figure[column]) for column in (*HALVES, *(f"{part}, gated" for part in HALVES))]
        table.add_row(figure["group"], figure["pairs"], str(figure["n"]), *cells)
    return table


def volatility_table(figures: Sequence[Row], title: str) -> Table:
    table = Table("class", "n", *HALVES, "recognised", title=title)
    for figure in figures:
        table.add_row(figure["class"], str(figure["n"]), *(told(figure[part]) for part in (*HALVES, "recognised")))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-encoder", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    encode = None if arguments.no_encoder else encoder()
    sets = {name: read(arguments.folder, name) for name in PAIRS}
    sets["own rewordings"] = own("paraphrases.tsv", "1")
    sets["own differences"] = own("differences.tsv", "0")
    figures: list[Row] = []
    for name, rows in sets.items():
        judged(rows, encode)
        figures += pair_figures(rows, groups_of(name), gated=encode is not None)
    probes = volatility_figures(read(arguments.folder, "volatility_probes"))
    own_probes = volatility_figures(own("volatility.tsv", ""))
    console = Console(width=140)
    console.print(pair_table(figures))
    results: Row = {"pairs": figures, "volatility": probes, "own volatility": own_probes}
    if encode is not None:
        for part in HALVES:
            chosen = [row for row in sets["mqp"] if part in (row["half"], "all")]
            results[f"mqp recall, {part}"] = [recall(chosen, guarded=guarded) for guarded in (False, True)]
            alone, guarded = map(told, results[f"mqp recall, {part}"])
            console.print(f"mqp, {part}: recall at 1% wrong by similarity alone {alone}, with the vetoes {guarded}")
    console.print(volatility_table(probes, "volatility_probes: stored at all, and put in the very class"))
    console.print(volatility_table(own_probes, "Own questions: stored at all, and put in the very class"))
    results["vetoes_us"], results["volatility_us"] = latency_us(sets["own rewordings"])
    console.print(f"One comparison {results['vetoes_us']:.0f} µs, one class {results['volatility_us']:.0f} µs (median)")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
