"""Write what fits that left a row or its whole subject out said of it: P(a large model is right where a small is not).

    python training/classify/left_out.py FOLDER --work WORK --out left_out.json

For benchmarks that must not judge rows by weights that were fitted on them. MMLU's rows are judged by a fit without
their subject, GSM8K's by one without the row; the curves from scores to probabilities are fitted on other fifths. Word
vectors have seen all texts, though no outcome. Takes about 3 minutes on two cores once WORK holds MiniLM's vectors (see
train.py). The file holds digests of prompts, no prompt.
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
import distil
import matrices
import numpy as np
import train
from heads import Data
from rich.console import Console
from targets import folder_of

FIFTHS = 5


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the routing data")
    parser.add_argument("--work", type=Path, default=Path(".classify-work"), help="what is kept for the next run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    console = Console()
    ready = train.prepare(folder_of(arguments.folder), arguments.work, console)
    left = predicted(_fold(ready), console)
    told = {
        "mmlu": _told(ready, left.exam["groups"], crossed._probabilities(left.exam, "groups", ready)),  # noqa: SLF001
        "gsm8k": _told(ready, left.problem, _problems(left.problem, ready)),
    }
    arguments.out.write_text(json.dumps(told), encoding="utf-8")
    console.print(f"{arguments.out}: {', '.join(f'{len(rows):,} rows of {name}' for name, rows in told.items())}")


def _fold(ready: bundle.Prepared) -> Any:
    own = np.flatnonzero(ready.has_teacher)
    noisy = ready.copies[own]
    both = np.concatenate([own, noisy[noisy >= 0]])
    table, scale = distil.in_eight_bits(
        distil.fit(ready.matrices.words[both], np.concatenate([ready.teacher[own], ready.teacher[own[noisy >= 0]]]))
    )
    vectors = distil.encoded(ready.matrices.words, table.astype(np.float32) * scale.astype(np.float32)[:, None])
    centre, spread = ready.matrices.signals[own].mean(0), ready.matrices.signals[own].std(0) + 1e-3
    x = matrices.features(ready.matrices, np.arange(ready.matrices.words.shape[0]), vectors, centre, spread)
    data = Data(x, ready.copies, ready.texts)
    return bundle._Fold(  # noqa: SLF001
        data, data.targets(), vectors, ready.buckets, lambda t: np.ones(len(t.rows), bool), ready.matrices
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
