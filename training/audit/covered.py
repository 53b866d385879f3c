"""Measure which share of a template's prompts a task model answers, and fit it to what a log tells of the template.

    python training/audit/covered.py FOLDER --measure 160 --work WORK     # adds rows to covered.csv
    python training/audit/covered.py [--out greenai/audit/covered.json]   # fits them, and tries the intervals

FOLDER holds public sets of utterances with their intents, one folder each (rows.jsonl.gz): CLINC150 (CC-BY-3.0),
BANKING77 (CC-BY-4.0), SNIPS (CC0) and HWU64 (CC-BY-4.0). A log is so many utterances of some intents, as often as each
other or not, and in some of them the answer is now and then another label at random. A task model is made of each as
`greenai distil` makes it, with 98% promised, and tested on the fifth that came last: `right` of `tested` it answers as
logged, and none where it is refused. WORK keeps vectors for the next run.

The fit is of two parts, whether it is refused and what it answers else, both by what the log tells
(`greenai.audit.covered.Task`). Each set is left out once: how far the others' fit is off from it is the spread that
ships, and the 90% intervals are tried on it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from greenai.answerers import kernel
from greenai.answerers.skeleton import Part, Template
from greenai.audit.covered import columns_of
from greenai.audit.sufficing import closed
from greenai.distil import train
from greenai.distil.pairs import Pairs
from greenai.embed import minilm

HERE = Path(__file__).parent
OUT, MEASURED = HERE.parents[1] / "greenai" / "audit" / "covered.json", HERE / "covered.csv"
SETS = ("clinc150", "banking77", "snips2017", "hwu64")
LEAST, MOST, PROMISE = 300, 6000, 0.98
SLIPS = (0.0, 0.0, 0.01, 0.03)
SAMPLES = (60, 200, 1000)
COLUMNS = (
    "set", "labels", "perplexity", "prompts", "slips", "sampled", "closed", "tested", "answered", "right", "refused"
)  # fmt: skip
PENALTY = {"refused": 0.3, "answered": 0.1}  # of coefficients, save the first, in log-odds
REFUSED = np.array([True, True, False, True, True, False])  # the columns that tell it; the others made it no better
SPREADS = (0.0, 0.5, 1.0, 1.5, 2.0)
DRAWS = 4000
TEMPLATE = Template(parts=(Part(role="system", literals=("Which intent?",)), Part(role="user", literals=("", ""))))


def known(folder: Path, name: str) -> dict[str, list[str]]:
    """Return the utterances of each intent, each once."""
    found: dict[str, dict[str, None]] = {}
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["intent"] != "oos":
                found.setdefault(row["intent"], {})[row["prompt"]] = None
    return {intent: [*texts] for intent, texts in found.items()}


def remember(texts: Sequence[str], kept: Path) -> None:
    """Have the kernel take MiniLM's vectors of texts from a file, which is made where it is missing."""
    if not kept.exists():
        np.savez(kept, texts=np.array(texts), minilm=minilm.load().encode(texts))
    with np.load(kept) as held:
        vectors = dict(zip(held["texts"].tolist(), held["minilm"], strict=True))
    see = kernel.see

    def remembered(text: str, skimmed: kernel.Skimmed | None = None) -> kernel.Seen:
        if text not in vectors:
            return see(text, skimmed)
        first = skimmed or kernel.skim(text)
        return kernel.Seen(first.static, first.words, first.letters, vectors[text])

    kernel.see = remembered


def log_of(by_intent: dict[str, list[str]], rng: np.random.Generator) -> tuple[list[str], list[str], float]:
    """Return the prompts of a log, their answers, and which share of these is another label at random."""
    labels = round(float(np.exp(rng.uniform(np.log(2), np.log(len(by_intent))))))
    intents = rng.choice(sorted(by_intent), labels, replace=False).tolist()
    pool = [(text, intent) for intent in intents for text in by_intent[intent]]
    if len(pool) < LEAST:
        return log_of(by_intent, rng)
    often = dict(zip(intents, rng.dirichlet(np.full(labels, rng.choice([1.0, 100.0]))) + 1e-6, strict=True))
    weights = np.array([often[intent] / len(by_intent[intent]) for _, intent in pool])
    count = round(float(np.exp(np.log(LEAST) + rng.uniform() ** 1.5 * np.log(min(len(pool), MOST) / LEAST))))
    at = rng.choice(len(pool), count, replace=False, p=weights / weights.sum())
    slips = float(rng.choice(SLIPS))
    said = [str(rng.choice(intents)) if rng.random() < slips else pool[i][1] for i in at]
    return [pool[i][0] for i in at], said, slips


def measured(by_intent: dict[str, list[str]], name: str, rng: np.random.Generator) -> list[Any]:
    """Return a row of the table."""
    texts, said, slips = log_of(by_intent, rng)
    count = np.array([*Counter(said).values()])
    share = count / count.sum()
    sampled = min(len(texts), int(rng.choice(SAMPLES)))
    gap = closed(dict(zip(texts[:sampled], said[:sampled], strict=True)))
    perplexity = round(float(np.exp(-(share * np.log(share)).sum())), 2)
    told = [
        name, int((count >= 5).sum()), perplexity, len(texts), slips, sampled, "" if gap is None else round(gap, 4)
    ]  # fmt: skip
    try:
        tested = train.train(
            Pairs(template=TEMPLATE, texts=tuple(texts), answers=tuple(said)), name="one", promise=PROMISE
        ).tested
    except train.NotWorthIt:
        return [*told, round(len(texts) * train.TESTED), 0, 0, 1]
    return [*told, tested.pairs, tested.answered, tested.agreed, 0]


def measure(folder: Path, work: Path, count: int) -> None:
    """Add rows to the table, each set in its turn, where it left off."""
    work.mkdir(parents=True, exist_ok=True)
    sets = {name: known(folder, name) for name in SETS}
    for name, by_intent in sets.items():
        remember(sorted({text for texts in by_intent.values() for text in texts}), work / f"{name}.npz")
    done = len(rows()) if MEASURED.exists() else 0
    with MEASURED.open("a", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        if not done:
            table.writerow(COLUMNS)
        for number in range(done, count):
            name = SETS[number % len(SETS)]
            table.writerow(measured(sets[name], name, np.random.default_rng((0, number))))
            lines.flush()


def rows() -> list[dict[str, str]]:
    """Return the table."""
    with MEASURED.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# --- fit -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Logs:
    """The table as arrays, and what is told of each log as columns."""

    name: np.ndarray
    x: np.ndarray
    tested: np.ndarray
    right: np.ndarray
    refused: np.ndarray

    def only(self, of: np.ndarray) -> Logs:
        """Return some of them."""
        return Logs(
            name=self.name[of], x=self.x[of], tested=self.tested[of], right=self.right[of], refused=self.refused[of]
        )

    @property
    def log_odds(self) -> tuple[np.ndarray, np.ndarray]:
        """Of being answered rightly, with half an outcome on either side, and their variance."""
        share = (self.right + 0.5) / (self.tested + 1)
        return np.log(share / (1 - share)), 1 / (self.tested * share * (1 - share))


def logs() -> Logs:
    """Return the table, without the few rows whose labels were too few to try the quick fit."""
    read = [row for row in rows() if row["closed"]]
    number = {name: np.array([float(row[name]) for row in read]) for name in COLUMNS[2:]}
    x = columns_of(number["prompts"], number["perplexity"], number["slips"], number["closed"], number["sampled"])
    return Logs(
        name=np.array([row["set"] for row in read]), x=x, tested=number["tested"], right=number["right"],
        refused=number["refused"] > 0,
    )  # fmt: skip


def lines(known: Logs) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the coefficients of being refused, of what is answered else, and the spread of that."""

    def refusing(b: np.ndarray) -> float:
        at = known.x[:, REFUSED] @ b
        return float((np.logaddexp(0, at) - known.refused * at).sum() + PENALTY["refused"] * (b[1:] ** 2).sum() / 2)

    made = known.only(~known.refused)
    y, noise = made.log_odds

    def answering(t: np.ndarray) -> float:
        variance = noise + np.exp(2 * t[-1])
        off = (y - made.x @ t[:-1]) ** 2 / variance + np.log(variance)
        return float(off.sum() / 2 + PENALTY["answered"] * (t[1:-1] ** 2).sum())

    refused = np.zeros(len(REFUSED))
    refused[REFUSED] = minimize(refusing, np.zeros(REFUSED.sum()), method="BFGS").x
    answered = minimize(answering, np.r_[np.zeros(known.x.shape[1]), -0.5], method="BFGS").x
    return refused, answered[:-1], float(np.exp(answered[-1]))


def fit() -> dict[str, Any]:
    """Return what ships, and print how the intervals do on sets that were left out."""
    every = logs()
    left = {name: lines(every.only(every.name != name)) for name in SETS}
    refused, answered, spread = lines(every)
    off, chance = [], np.zeros(len(every.name))
    for name, (no, yes, _) in left.items():
        one = every.only((every.name == name) & ~every.refused)
        y, noise = one.log_odds
        off.extend(((y - one.x @ yes) ** 2 - noise).tolist())
        chance[every.name == name] = every.x[every.name == name] @ no
    spread = max(spread, float(np.sqrt(max(np.mean(off), 0))))
    normal = np.random.default_rng(0).standard_normal((DRAWS, 1))

    def loss(sd: float) -> float:
        p = (1 / (1 + np.exp(-(chance + sd * normal)))).mean(0)
        return float(-np.log(np.where(every.refused, p, 1 - p)).mean())

    unsure = min(SPREADS, key=loss)
    told = {
        "refused": refused.round(3).tolist(), "refused_sd": unsure, "answered": answered.round(3).tolist(),
        "answered_sd": round(spread, 3), "logs": len(every.name), "sets": list(SETS), "promise": PROMISE,
    }  # fmt: skip
    for name in SETS:
        held(every.only(every.name == name), name, left[name], told)
    return told


def held(known: Logs, name: str, by: tuple[np.ndarray, np.ndarray, float], told: dict[str, Any]) -> None:
    """Print how many of a set's shares the intervals of a fit without it hold, and those of one guess for all."""
    rng, shape = np.random.default_rng(0), (DRAWS, len(known.name))
    refused = 1 / (1 + np.exp(-(known.x @ by[0] + told["refused_sd"] * rng.standard_normal(shape))))
    kept = 1 / (1 + np.exp(-(known.x @ by[1] + told["answered_sd"] * rng.standard_normal(shape))))
    low, mid, high = np.quantile(np.where(rng.random(shape) < refused, 0.0, kept), (0.05, 0.5, 0.95), axis=0)
    true = known.right / known.tested
    inside = (low <= true) & (true <= high)
    print(
        f"{name:10} {inside.sum():3} of {len(true):3}, {known.refused.sum():2} refused; width: median "
        f"{np.median(high - low):.2f}; the middle is off by {np.mean(mid - true):+.2f}"
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the routing data, to measure")
    parser.add_argument("--measure", type=int, default=0, help="so many rows the table is to have")
    parser.add_argument("--work", type=Path, default=Path(".covered-work"), help="what is kept for the next run")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder, arguments.work, arguments.measure)
        return
    arguments.out.write_text(json.dumps(fit(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
