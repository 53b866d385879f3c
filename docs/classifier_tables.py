"""The tables of classifier.md, from what training/classify wrote: figures, intents, and its list of sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from greenai import embed
from greenai.classify import VERSION, Classifier, heads
from greenai.embed import vectors as vectors_module

DOCS = Path(__file__).parent
FIGURES = DOCS / "assets" / "classifier.json"
INTENTS = DOCS / "assets" / "intents.json"
SOURCES = DOCS.parent / "training" / "classify" / "sources.json"

Table = Callable[[Sequence[str], Iterable[Sequence[object]]], str]

THRESHOLDS = {
    "needs_generation": "below it, no language model has to write the answer",
    "large_gain": "from it on, a large model is expected to be worth its energy at the quality `standard`",
    "reasoning_gain": "from it on, a project that opted in to reasoning reasons",
    "volatile": "from it on, the answer is taken to change within a day",
}


def parts(table: Table) -> Mapping[str, Callable[[], str]]:
    """Return the generated parts of the page by name; `table` writes Markdown."""
    return {name: _measured(part) for name, part in _parts(table).items()}


def _measured(part: Callable[[], str]) -> Callable[[], str]:
    """Say which file is missing where a fit was made and not measured."""

    def written() -> str:
        try:
            return part()
        except FileNotFoundError as error:
            return f"Not measured yet: `{Path(error.filename).name}` is missing.\n"

    return written


def _parts(table: Table) -> Mapping[str, Callable[[], str]]:
    return {
        "classifier-files": file_sentence,
        "classifier-thresholds": lambda: threshold_table(table),
        "classifier-large": lambda: large_table(table),
        "classifier-reasoning": lambda: reasoning_table(table),
        "classifier-policy": policy_sentence,
        "classifier-all-ranked": lambda: ranked_table(table),
        "classifier-all-calibrated": lambda: calibrated_table(table),
        "classifier-all-reasoning": all_reasoning_sentence,
        "classifier-generation": lambda: generation_table(table),
        "classifier-sweep": lambda: sweep_table(table),
        "classifier-calibration": lambda: calibration_table(table),
        "classifier-tokens": lambda: token_table(table),
        "classifier-intents": lambda: intent_table(table),
        "classifier-sources": lambda: source_table(table),
    }


@cache
def read(path: Path) -> dict[str, Any]:
    """Return what a script of training/classify wrote."""
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def file_sentence() -> str:
    """Say how large the packaged files are."""
    vectors, packaged = embed.load(), heads.load()
    sizes = [path.stat().st_size / 1e6 for path in (vectors_module.FILE, heads.FILE)]
    total = max(at.stop for at in packaged.columns.values())
    dimensions = vectors.table.shape[1]
    return (
        f"`{VERSION}` with `{embed.VERSION}`: {len(vectors.vocabulary):,} words with {dimensions} dimensions "
        f"(`vectors.npz`, {sizes[0]:.1f} MB), and {len(packaged.columns)} heads with {total} outputs "
        f"(`heads.npz`, {sizes[1]:.1f} MB).\n"
    )


def threshold_table(table: Table) -> str:
    """The shipped operating thresholds."""
    rows = ((f"`{n}`", f"{v:.3g}", THRESHOLDS.get(n, "")) for n, v in sorted(Classifier.load().thresholds.items()))
    return table(("probability", "threshold", "what it decides"), rows)


def large_table(table: Table) -> str:
    """APGR of `large_gain` by set."""
    columns = ("rows of", "rows", "APGR", "95%", "prompt length", "above length, 95%")
    return table(columns, (_routed(name, row) for name, row in read(FIGURES)["large_gain"].items()))


def _routed(name: str, row: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        name,
        f"{row['rows']:,}",
        _three(row["apgr"]),
        _span(row["interval"]),
        _three(row["length"]),
        _span(row["above length"]),
    )


def reasoning_table(table: Table) -> str:
    """APGR of `reasoning_gain`."""
    found = {name: row for name, row in read(FIGURES)["reasoning_gain"].items() if name != "policy"}
    columns = (
        "rows of", "rows", "APGR", "95%", "prompt length", "above length, 95%", "mean gain of the task",
        "mean within tasks",
    )  # fmt: skip
    rows = (
        (*_routed(_named(name), row), _three(row["task's mean"]), _three(row["mean within tasks"]))
        for name, row in found.items()
    )
    return table(columns, rows)


def _named(name: str) -> str:
    return {"unseen rows": "known tasks, unseen rows", "unseen groups": "unseen tasks"}.get(name, name)


def policy_sentence() -> str:
    """Say what reasoning from the threshold on gives."""
    policy = read(FIGURES)["reasoning_gain"]["policy"]
    return (
        f"On unseen rows of known tasks, reasoning from the threshold on reasons on "
        f"{policy['share of prompts that reason']:.0%} of the prompts and keeps "
        f"{policy['share of the gain kept']:.0%} of what reasoning on all of them gains.\n"
    )


def ranked_table(table: Table) -> str:
    """APGR over all rows, each judged by a fit that left it or its group out."""
    columns = ("judged by a fit without", "rows", "APGR", "95%", "prompt length", "above length, 95%")
    return table(columns, (_routed(name, row) for name, row in read(FIGURES)["all rows"].items() if "apgr" in row))


def calibrated_table(table: Table) -> str:
    """Calibration over all rows, each judged by a fit that left it or its group out."""
    columns = ("judged by a fit without", "rows", "calibration error", "Brier", "base rate's Brier")
    found = {name: row for name, row in read(FIGURES)["all rows"].items() if "brier" in row}
    kept = ("calibration error", "brier", "brier of the base rate")
    rows = ((name, f"{row['rows']:,}", *(_three(row[key]) for key in kept)) for name, row in found.items())
    return table(columns, rows)


def all_reasoning_sentence() -> str:
    """Say how reasoning's score compares with a table of the tasks' means, and within tasks."""
    known, new = (read(FIGURES)["all rows"][f"reasoning, {left} left out"] for left in ("rows", "groups"))
    kept = next(value for name, value in known.items() if name.startswith("gain kept"))
    mean, above = (known[name] for name in ("task's mean", "above the task's mean"))
    return (
        f"A table of each task's mean gain, learnt on the same rows, reaches {mean:.3f}; the paired difference to it "
        f"is {_span(above)}. Where the 55% of prompts with the highest `reasoning_gain` reason, {kept:.0%} of the gain "
        f"is kept. Within the tasks of a family that was left out the mean APGR is {new['mean within tasks']:.3f}, and "
        f"that of the prompt's length {new['mean within tasks of length']:.3f}.\n"
    )


def generation_table(table: Table) -> str:
    """Who is taken for needing no generation, at the threshold of the measured fit."""
    found = read(FIGURES)["needs_generation"]
    chat = found["chat prompts taken for no generation"]
    rows = [
        ("chat prompts, wrongly", f"{chat['rows']:,}", f"{chat['share']:.2%}", _span(chat["interval"], "{:.2%}")),
        *(
            (f"{name}, rightly", f"{row['rows']:,}", f"{row['share']:.1%}", _span(row["interval"], "{:.1%}"))
            for name, row in found["recognised"].items()
        ),
    ]
    return f"At the threshold {found['threshold']:g}:\n\n" + table(
        ("taken for no generation", "rows", "share", "95%"), rows
    )


def sweep_table(table: Table) -> str:
    """What other thresholds would give."""
    rows = (
        (row["threshold"], f"{row['false']:.2%}", f"{row['least recall']:.1%}")
        for row in read(FIGURES)["needs_generation"]["sweep"]
    )
    return table(("threshold", "chat prompts, wrongly", "least share recognised of a source"), rows)


def calibration_table(table: Table) -> str:
    """Calibration and Brier score of every probability that has outcomes of yes or no."""
    columns = ("probability", "rows of", "rows", "calibration error", "Brier", "base rate's Brier")
    return table(columns, _calibrations())


def _calibrations() -> Iterable[Sequence[object]]:
    figures = read(FIGURES)
    found = [
        *(("large_gain", name, row) for name, row in figures["large_gain"].items() if row["brier of the base rate"]),
        *(("reasoning_gain", _named(n), row) for n, row in figures["reasoning_gain"].items() if n != "policy"),
        ("needs_generation", "chat, CLINC150 and SNIPS", figures["needs_generation"]["calibration"]),
        *(("small_suffices", name, row) for name, row in figures["small_suffices"].items()),
    ]
    for probability, name, row in found:
        yield (
            f"`{probability}`", name, f"{row['rows']:,}", _three(row["calibration error"]), _three(row["brier"]),
            _three(row["brier of the base rate"]),
        )  # fmt: skip


def token_table(table: Table) -> str:
    """How the lengths told fit the recorded ones."""
    rows = (
        (f"`{name}`", f"{row['rows']:,}", f"{row['share below the median told']:.0%}",
         f"{row['share below the 90th percentile told']:.0%}")
        for name, row in read(FIGURES)["tokens"].items()
    )  # fmt: skip
    return table(("set", "rows", "shorter than the median told", "shorter than the 90th percentile told"), rows)


def intent_table(table: Table) -> str:
    """Accuracy of a linear head on the features, and whether a tool is needed."""
    rows: list[Sequence[object]] = [
        (f"`{name}`", row["intents"], f"{row['rows']:,}", f"{row['accuracy']:.1%}", f"±{1.96 * row['error']:.1%}")
        for name, row in read(INTENTS).items()
    ]
    tool = read(FIGURES)["answer_source"]["MetaTool"]
    rows.append(("MetaTool, needs a tool (AUROC)", 2, tool["rows"], _three(tool["auroc"]), _span(tool["interval"])))
    return table(("set", "kinds", "rows left out", "right", "95%"), rows)


def source_table(table: Table) -> str:
    """The data sets with licence, commit and what they were used for."""
    rows = (
        (f"`{s['set']}`", s["source"], s["commit"], s["licence"], s["use"], s.get("attribution", ""))
        for s in read(SOURCES)["sets"]
    )
    return table(("set", "from", "commit", "licence", "use", "attribution"), rows)


def _three(value: float) -> str:
    return f"{value:.3f}"


def _span(ends: Sequence[float], form: str = "{:.3f}") -> str:
    low, high = (form.format(end) for end in ends)
    return f"{low} to {high}"
