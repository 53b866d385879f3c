"""Write what fits that left a row or its whole subject out said of it: P(a large model is right where a small is not).

    python training/classify/left_out.py FOLDER --out left_out.json

For benchmarks that must not judge rows by weights that were fitted on them. MMLU's rows are judged by a fit without
their subject, GSM8K's by one without the row; the curves from scores to probabilities are fitted on other fifths. Word
vectors are the packaged ones, which have seen all texts, though no outcome. The file holds digests of prompts, no text.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import bundle
import combine_fit as cf
import crossed
import data
import distil
import matrices
import numpy as np
from heads import Data
from rich.console import Console
from targets import folder_of

from greenai import embed

FIFTHS = 5
SETS = ("routellm_mmlu", "mmlu_pro", "routellm_gsm8k", "zeroeval_gsm8k", "zeroeval_crux", "zeroeval_math_l5")
"""What the fits of exams and of word problems are of, and what counts as known to them."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the routing data")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    console = Console()
    ready = prepared(folder_of(arguments.folder))
    left = predicted(_fold(ready), console)
    told = {
        "mmlu": _told(ready, left.exam["groups"], crossed._probabilities(left.exam, "groups", ready)),  # noqa: SLF001
        "gsm8k": _told(ready, left.problem, _problems(left.problem, ready)),
    }
    arguments.out.write_text(json.dumps(told), encoding="utf-8")
    console.print(f"{arguments.out}: {', '.join(f'{len(rows):,} rows of {name}' for name, rows in told.items())}")


def prepared(folder: Path) -> bundle.Prepared:
    """Return all texts, of which only those have features that the fits of exams and word problems are of."""
    texts = data.Texts(folder)
    wanted = {row["prompt"] for name in SETS for row in data.rows(folder, name)}
    wanted |= {data.with_options(row) for row in data.rows(folder, "mmlu_pro")}
    count = len(texts.texts)
    said = [text if text in wanted else "" for text in texts.texts]
    noisy = [matrices.misspelt(text, number) for number, text in enumerate(said) if number % 3 == 0]
    copies = np.full(count, -1)
    copies[::3] = np.arange(count, count + len(noisy))
    taught = np.array(texts.taught) & np.array([bool(text) for text in said])
    vocabulary = list(embed.load().spelled)
    return bundle.Prepared(
        texts, vocabulary, matrices.build(said + noisy, vocabulary), np.zeros((0, 0)), taught, copies,
        np.array([data.bucket(data.stem(folder, text)) for text in texts.texts]),
    )  # fmt: skip


def _fold(ready: bundle.Prepared) -> Any:
    own = np.flatnonzero(ready.has_teacher)
    packaged = embed.load()
    vectors = distil.encoded(ready.matrices.words, packaged.table.astype(np.float32) * packaged.scale[:, None])
    centre, spread = ready.matrices.signals[own].mean(0), ready.matrices.signals[own].std(0) + 1e-3
    x = matrices.features(ready.matrices, np.arange(ready.matrices.words.shape[0]), vectors, centre, spread)
    fold = Data(x, ready.copies, ready.texts)
    return bundle._Fold(  # noqa: SLF001
        fold, fold.targets(), vectors, ready.buckets, lambda t: np.ones(len(t.rows), bool), ready.matrices
    )


def predicted(fold: Any, console: Console) -> bundle.Left:
    """Return what folds predicted for what they left out."""
    exam = fold.both("exams", "mmlu", cf.EXAM, "exam", console.print)
    left = bundle.Left(cf.Scaling(), exam, fold.predict("gsm8k", {"gsm8k"}, "rows", "exam"), {}, {})
    bundle._exam(fold, left)  # noqa: SLF001
    bundle._word_problems(fold, left)  # noqa: SLF001
    return left


def _problems(p: cf.Predicted, ready: bundle.Prepared) -> np.ndarray:
    fifth, found, score = crossed._fifth(p, "rows", ready), np.zeros(len(p.rows)), p.scores["score"]  # noqa: SLF001
    for k in range(FIFTHS):
        a, b = cf.platt(score[fifth != k], cf.gained(p.y)[fifth != k])
        found[fifth == k] = 1 / (1 + np.exp(-(a + b * score[fifth == k])))
    return found


def _told(ready: bundle.Prepared, p: cf.Predicted, probability: np.ndarray) -> dict[str, float]:
    return {
        hashlib.sha256(ready.texts.texts[row].encode()).hexdigest()[:24]: round(float(chance), 5)
        for row, chance in zip(p.rows, probability, strict=True)
    }


if __name__ == "__main__":
    main()
