"""Fit the classifier and the word vectors that ship with greenai, from the public routing data.

    python training/classify/train.py FOLDER              measure on held-out data, then fit on all of it and write
    python training/classify/train.py FOLDER --no-ship    measure only

Takes about 25 minutes on two cores, most of it MiniLM's vectors, which are kept in the work folder for the next run.
Needs `pip install -e ".[dev,train]"`. FOLDER holds one folder per set (rows.jsonl.gz, meta.json); sources.json lists
the sets with their licences. Prompts never leave FOLDER: what is written are weights, words that occur in at least four
prompts or in MiniLM's own word list, and figures.

First a fifth of the rows, and whole subjects and tasks, are held out, everything is fitted on the rest, and the figures
of the model card are measured on what was held out, through `Classifier.assess` itself. Then the same is fitted on all
rows.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import bundle
import crossed
import data
import distil
import evaluate
import minilm
import numpy as np
from rich.console import Console
from targets import Target, folder_of

from greenai.classify import Classifier
from greenai.classify.heads import Heads
from greenai.embed.vectors import Vectors

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"vectors": ROOT / "greenai" / "embed" / "vectors.npz", "heads": ROOT / "greenai" / "classify" / "heads.npz"}
RESULTS = ROOT / "docs" / "assets" / "classifier.json"
HELD_ROWS = 20  # percent

HELD_GROUPS = frozenset((
    # Subjects that have relatives among the rest, as the subjects of a new field would.
    "anatomy", "high_school_biology", "abstract_algebra", "clinical_knowledge", "college_physics", "machine_learning",
    "logical_fallacies", "high_school_microeconomics", "human_sexuality", "jurisprudence", "management", "virology",
    # Whole families of tasks.
    "bbh:tracking_shuffled_objects_three_objects", "bbh:tracking_shuffled_objects_five_objects", "zer:shuffled_objects",
    "bbh:logical_deduction_three_objects", "bbh:logical_deduction_seven_objects",
    "bbh:multistep_arithmetic_two", "bbh:ruin_names", "bbh:navigate",
))  # fmt: skip


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the routing data")
    parser.add_argument("--work", type=Path, default=Path(".classify-work"), help="what is kept for the next run")
    parser.add_argument("--no-ship", action="store_true", help="measure only; write no weights")
    parser.add_argument("--no-measure", action="store_true", help="write the weights only")
    arguments = parser.parse_args()
    folder = folder_of(arguments.folder)
    arguments.work.mkdir(exist_ok=True)
    console = Console()
    ready = prepare(folder, arguments.work, console)
    if not arguments.no_measure:
        measure(ready, folder, arguments.work, console)
    if not arguments.no_ship:
        with console.status("fit on all rows") as status:
            built, left = bundle.build(
                ready, lambda t: np.ones(len(t.rows), bool), np.ones(ready.count, bool), status.update
            )
        write(built, console)
        note(crossed.figures(left, ready), console)


def prepare(folder: Path, work: Path, console: Console) -> bundle.Prepared:
    """Read the data and turn it into matrices."""
    texts = data.Texts(folder)
    console.print(f"{len(texts.texts):,} prompts, {sum(texts.trainable):,} of them for training")
    files = minilm.fetch(work)
    trainable = [t for t, ok in zip(texts.texts, texts.trainable, strict=True) if ok]
    vocabulary = distil.vocabulary(trainable, files["tokenizer.json"])
    console.print(f"{len(vocabulary):,} words")
    return bundle.prepare(texts, vocabulary, lambda t: minilm.vectors(t, work))


def measure(ready: bundle.Prepared, folder: Path, work: Path, console: Console) -> None:
    """Fit without the held-out rows and groups, and write what is reached on them."""
    seen = (ready.buckets < 100 - HELD_ROWS) & ~evaluate.in_groups(ready, HELD_GROUPS)

    def keep(target: Target) -> np.ndarray:
        fitted: np.ndarray = seen[target.rows] & ~np.isin(target.groups, list(HELD_GROUPS))
        return fitted

    with console.status("fit without the held-out rows") as status:
        built, _ = bundle.build(ready, keep, seen, status.update)
    held = (ready.buckets >= 100 - HELD_ROWS) & np.array([not data.is_replayed(folder, t) for t in ready.texts.texts])
    save(built, work / "measured.npz")
    figures = evaluate.figures(loaded(built), ready, held, HELD_GROUPS)
    note(figures, console)


def note(figures: dict[str, Any], console: Console) -> None:
    """Add figures to the file of the model card, and print them."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, **figures}, indent=1) + "\n", encoding="utf-8")
    evaluate.show(figures, console)


def loaded(built: dict[str, dict[str, np.ndarray]]) -> Classifier:
    """Return a classifier on arrays that are not written yet."""
    held = built["vectors"]
    words = held["words"].tobytes().decode().split("\n")
    vectors = Vectors(words, held["table"], held["scale"].astype("float32"), held["keys"], held["numbers"])
    return Classifier(Heads(built["heads"], vectors))


def save(built: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Keep the weights that were measured, to look into them; they are not shipped."""
    arrays: dict[str, Any] = {f"{part}.{name}": a for part, held in built.items() for name, a in held.items()}
    np.savez(path, **arrays)


def write(built: dict[str, dict[str, np.ndarray]], console: Console) -> None:
    """Write both files and their hashes."""
    for name, path in TARGETS.items():
        held, arrays = io.BytesIO(), dict[str, Any](built[name])
        np.savez(held, **arrays)
        path.write_bytes(held.getvalue())
        path.with_suffix(".sha256").write_text(hashlib.sha256(held.getvalue()).hexdigest() + "\n", encoding="ascii")
        console.print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
