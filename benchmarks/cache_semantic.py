"""The semantic tier and its peers on streams of questions: how many each answers, and how many of these wrongly.

    python benchmarks/cache_semantic.py FOLDER [--seeds 0 1 2] [--share 1.0] [--json OUT] [--plot OUT.svg] [--fast]

FOLDER holds one folder per data set, each with one tab-separated file, gzipped: banking77 and clinc150 (text, intent),
gptcache_mock (q1, q2). A stream asks all questions in an order drawn by the seed, of `--share` of them. A system looks
each up; what it does not answer is answered by its intent and stored. A hit is wrong where the stored question has
another intent. Of clinc150 only those intents count whose answer is the same for everyone who asks (`SAME_FOR_ALL`).

Then what is asked changes: 4,000 questions of banking77, and in the same scope the pairs of qqp, or of mqp (q1, q2,
label); both questions of a pair have one answer where the label says so, and no other pair has it.

Every system has the same vectors, all-MiniLM-L6-v2 in int8 (the extra `semantic`). "plain" gives the nearest stored
answer from a similarity on: 0.8 is the rule of GPTCache's and litellm's examples, the best one in hindsight gives most
hits at a share of wrong ones of 1% at most. The oracle answers whatever it has an answer to. vCache is not run: its
package is on no index, and its licence (CC BY-NC-ND) allows no adapted copy.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from greenai.cache import SemanticTier, vetoes, volatility
from greenai.cache.scope import Change
from greenai.cache.semantic import STORED
from greenai.embed import minilm

LIMIT = 0.01
DELTAS = (0.005, 0.01, 0.02, 0.05)
SIMILARITIES = (0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
ENTRIES = 100_000
BEFORE_CHANGE, PAIRS = 4_000, 1_200

# An answer to these holds for everyone who asks an assistant, and needs nothing that the question names.
SAME_FOR_ALL = frozenset(
    (
        "are_you_a_bot", "damaged_card", "direct_deposit", "do_you_have_pets", "goodbye", "greeting",
        "how_old_are_you", "improve_credit_score", "insurance_change", "jump_start", "lost_luggage",
        "meaning_of_life", "new_card", "oil_change_how", "oil_change_when", "order_checks", "redeem_rewards",
        "replacement_card_duration", "report_fraud", "report_lost_card", "rollover_401k", "thank_you", "tire_change",
        "w2", "what_are_your_hobbies", "what_can_i_ask_you", "what_is_your_name", "where_are_you_from",
        "who_do_you_work_for", "who_made_you",
    )
)  # fmt: skip

# Five wordings of one answer, as a help desk might give it.
WORDINGS = (
    "To deal with {0}, open the app, choose Support and follow the steps that are listed under {0}.",
    "You can sort out {0} yourself: go to the Support page of our app, then pick {0} and do what it says there.",
    "Please have a look at Support in the app. Below the heading {0} you will find what to do next.",
    "For anything about {0}, we keep a page of help; it explains each of the steps and whom to call.",
    "Thanks for asking! Our guide on {0} has the answer, and an agent can help you further in the chat.",
)

Stream = tuple[list[str], list[str]]
Vectors = dict[str, Any]


class Known:
    """MiniLM, each text once."""

    name = "known"
    serves = True

    def __init__(self) -> None:
        self.vectors: Vectors = {}

    def encode(self, texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        self.vectors.update(zip(new, minilm.load().encode(new), strict=True))
        return np.stack([self.vectors[text] for text in texts])


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / name / f"{name}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def drawn(rows: Sequence[Mapping[str, str]], seed: int, share: float) -> Stream:
    order = np.random.default_rng(seed).permutation(len(rows))[: round(share * len(rows))]
    return [rows[i]["text"] for i in order], [rows[i]["intent"] for i in order]


def worded(intents: Iterable[str], seed: int) -> tuple[list[str], dict[str, str]]:
    """Return one of five wordings for each intent, and the intent of each wording."""
    chosen = np.random.default_rng(100 + seed)
    said = [WORDINGS[int(chosen.integers(len(WORDINGS)))].format(i.replace("_", " ").lower()) for i in intents]
    return said, dict(zip(said, intents, strict=True))


# --- systems ------------------------------------------------------------------------------


def result(system: str, hits: int, wrong: int, count: int) -> dict[str, Any]:
    return {"system": system, "hits": hits, "wrong": wrong, "requests": count}


def ours(stream: Stream, known: Known, seed: int, *, free: bool = False, **given: Any) -> dict[str, Any]:
    texts, intents = stream
    answers, meant = worded(intents, seed) if free else (intents, {intent: intent for intent in intents})
    tier = SemanticTier(encoder=known, seed=seed, **given)
    hits = wrong = 0
    for text, intent, answer in zip(texts, intents, answers, strict=True):
        hit = tier.lookup("stream", text)
        if hit is None:
            tier.admit("stream", text, answer)
        else:
            hits, wrong = hits + 1, wrong + (meant[hit.answer] != intent)
    return result("greenai", hits, wrong, len(texts))


def plain(stream: Stream, near: Any, similarity: float) -> dict[str, Any]:
    """Give the nearest stored answer from a similarity on; store what is not answered."""
    intents = stream[1]
    stored = np.full(len(intents), -2.0, np.float32)
    hits = wrong = 0
    for number, intent in enumerate(intents):
        ranked = near[number, :number] + stored[:number]
        best = int(ranked.argmax()) if number else -1
        if number and ranked[best] >= similarity:
            hits, wrong = hits + 1, wrong + (intents[best] != intent)
        else:
            stored[number] = 0.0
    return result(f"plain {similarity:.2f}", hits, wrong, len(intents))


def oracle(stream: Stream) -> dict[str, Any]:
    return result("oracle", len(stream[1]) - len(set(stream[1])), 0, len(stream[1]))


def on_stream(rows: Sequence[Mapping[str, str]], known: Known, seed: int, share: float, *, curve: bool) -> list[Any]:
    stream = drawn(rows, seed, share)
    vectors = known.encode(stream[0])
    near = vectors @ vectors.T
    plains = [plain(stream, near, similarity) for similarity in SIMILARITIES]
    passing = [row for row in plains if row["wrong"] <= LIMIT * row["hits"]]
    best = max(passing, key=lambda row: row["hits"], default=result("none", 0, 0, len(stream[0])))
    found = [
        ours(stream, known, seed),
        ours(stream, known, seed, free=True) | {"system": "greenai, five wordings an answer"},
        ours(stream, known, seed, classes=STORED) | {"system": "greenai, questions a client stores"},
        best | {"system": "plain, best in hindsight"},
        next(row for row in plains if row["system"] == "plain 0.80") | {"system": "plain 0.80 (GPTCache, litellm)"},
        oracle(stream),
    ]
    more = [ours(stream, known, seed, delta=d) | {"system": f"greenai at {d:.1%}"} for d in DELTAS] if curve else []
    return [row | {"seed": seed} for row in (*found, *more, *plains)]


def on_change(folder: Path, name: str, known: Known, seed: int) -> list[dict[str, Any]]:
    """Ask what the scope knows, then pairs that are new to it."""
    texts, intents = drawn(read(folder, "banking77"), seed, 1.0)
    asked = list(zip(texts, intents, strict=True))[:BEFORE_CHANGE]
    pairs = read(folder, name)
    for i in np.random.default_rng(seed).permutation(len(pairs))[:PAIRS]:
        same = pairs[i]["label"] in ("1", "1.0", "True")
        asked += [(pairs[i]["q1"], f"answer {i}"), (pairs[i]["q2"], f"answer {i}" if same else f"other answer {i}")]
    tier, counts = SemanticTier(encoder=known, seed=seed), [[0, 0], [0, 0]]
    for number, (text, answer) in enumerate(asked):
        hit = tier.lookup("stream", text)
        if hit is None:
            tier.admit("stream", text, answer)
        else:
            count = counts[number >= BEFORE_CHANGE]
            count[0], count[1] = count[0] + 1, count[1] + (hit.answer != answer)
    sizes = (BEFORE_CHANGE, len(asked) - BEFORE_CHANGE)
    return [
        result(said, hits, wrong, size) | {"seed": seed}
        for said, (hits, wrong), size in zip(("before the change", "after it"), counts, sizes, strict=True)
    ]


def on_mock(folder: Path, known: Known) -> list[dict[str, Any]]:
    """Store every q1, ask every q2: GPTCache's own benchmark. Nothing is stored twice, so nothing can be learned."""
    rows = read(folder, "gptcache_mock")
    found = []
    for said, given in (("greenai from 0.75, no vetoes", None), ("greenai from 0.75", vetoes)):
        tier = SemanticTier(encoder=known, before=0.75, audits=0.0, vetoes=given)
        for number, row in enumerate(rows):
            tier.admit("mock", row["q1"], f"answer {number}")
        hits = [tier.lookup("mock", row["q2"]) for row in rows]
        wrong = sum(h is not None and h.question != r["q1"] for h, r in zip(hits, rows, strict=True))
        found.append(result(said, sum(h is not None for h in hits), wrong, len(rows)))
    return found


# --- latency ------------------------------------------------------------------------------


def latency(texts: Sequence[str], known: Known, exact_rows: int, asked: int = 400) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds of lookups, embedding included, in a scope of 100,000 questions."""
    chosen = np.random.default_rng(0)
    near = known.encode(list(texts))
    tier = SemanticTier(encoder=minilm.load(), exact_rows=exact_rows)
    filled = tier._opened("filled", near.shape[1])
    for number in range(ENTRIES):
        vector = near[number % len(near)] + chosen.normal(0, 0.03, near.shape[1])
        answer, unit = f"answer {number // 5}", (vector / np.linalg.norm(vector)).astype(np.float32)
        change = Change(
            question=f"{texts[number % len(texts)]} {number}",
            answer=answer,
            vector=unit,
            answer_vector=None,
            created=time.time(),
        )
        filled.apply(change, filled.worded(answer))
    times = []
    for number in range(asked):
        begun = time.perf_counter()
        tier.lookup("filled", texts[number])
        times.append(1000 * (time.perf_counter() - begun))
    times = times[20:]  # the first builds usearch's graph
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


# --- out ----------------------------------------------------------------------------------


def shares(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    hits, wrong = sum(r["hits"] for r in rows), sum(r["wrong"] for r in rows)
    return hits / sum(r["requests"] for r in rows), wrong / max(hits, 1)


def show(console: Console, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=name, title_justify="left")
    for heading in ("system", "seed", "requests", "answered", "wrong among these"):
        table.add_column(heading, justify="left" if heading == "system" else "right")
    for row in rows:
        if not row["system"].startswith(("plain 0.7", "plain 0.8", "plain 0.9")) or "(" in row["system"]:
            answered, wrong = shares([row])
            seed = str(row.get("seed", "-"))
            table.add_row(row["system"], seed, str(row["requests"]), f"{answered:.1%}", f"{wrong:.2%}")
    console.print(table)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the share of wrong answers against the share of answered questions, a panel per set."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink, card, green, orange = "#222a33", "#fbfbf9", "#1b7f4d", "#c2571a"
    with mpl.rc_context({"svg.hashsalt": "greenai", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(8.4, 3.9), facecolor=card)
        for axes, (name, rows) in zip(figure.subplots(1, 2), found["streams"].items(), strict=True):
            axes.set_facecolor(card)
            for start, colour, said in (("plain 0", orange, "plain threshold"), ("greenai at", green, "greenai")):
                systems = dict.fromkeys(
                    r["system"] for r in rows if r["system"].startswith(start) and "(" not in r["system"]
                )
                points = [shares([r for r in rows if r["system"] == s]) for s in systems]
                axes.plot(
                    [100 * x for x, _ in points],
                    [100 * y for _, y in points],
                    "o-",
                    color=colour,
                    label=said,
                    markersize=4,
                )
            axes.axhline(1, color=ink, linewidth=0.8, linestyle=":")
            axes.axvline(100 * shares([r for r in rows if r["system"] == "oracle"])[0], color="#8a939c", label="oracle")
            axes.set(title=name, xlabel="questions answered from the cache, %", xlim=(0, 100), ylim=(0, 12))
            axes.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set_ylabel("wrong among these, %")
        figure.axes[0].legend(frameon=False)
        figure.tight_layout()
        figure.savefig(path, format="svg", facecolor=card, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=1.0, help="of each set's questions, drawn by the seed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an SVG file; needs the extra `plot`")
    parser.add_argument("--fast", action="store_true", help="leave out the latency at 100,000 entries")
    given = parser.parse_args()
    console, known = Console(width=110), Known()
    banking = read(given.folder, "banking77")
    clinc = [row for row in read(given.folder, "clinc150") if row["intent"] in SAME_FOR_ALL]
    found: dict[str, Any] = {"streams": {}}
    for name, rows in (("BANKING77", banking), (f"CLINC150, {len(SAME_FOR_ALL)} intents", clinc)):
        curve = given.plot is not None
        runs = [
            on_stream(rows, known, seed, given.share, curve=curve and seed == given.seeds[0]) for seed in given.seeds
        ]
        found["streams"][name] = [row for run in runs for row in run]
        show(console, name, sorted(found["streams"][name], key=lambda row: row["system"]))
    found["changes"] = {}
    for name in ("qqp", "mqp"):
        found["changes"][name] = [row for seed in given.seeds for row in on_change(given.folder, name, known, seed)]
        show(console, f"4,000 questions of banking77, then pairs of {name}", found["changes"][name])
    found["stored"] = sum(volatility(row["text"]) in STORED for row in banking) / len(banking)
    console.print(f"Of BANKING77's questions, {found['stored']:.0%} are of a class that a client stores.")
    found["gptcache_mock"] = on_mock(given.folder, known)
    show(console, "gptcache_mock: every q1 stored, every q2 asked", found["gptcache_mock"])
    if not given.fast:
        texts = [row["text"] for row in banking]
        found["latency_ms"] = {
            name: latency(texts, known, rows) for name, rows in (("numpy", 2**40), ("usearch", 90_000))
        }
        for name, (p50, p99) in found["latency_ms"].items():
            console.print(f"lookup among {ENTRIES:,} with embedding, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.plot:
        draw(found, given.plot)


if __name__ == "__main__":
    main()
