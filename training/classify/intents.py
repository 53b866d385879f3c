"""A linear head on greenai's own features for four public sets of intents: how much the features carry.

    python training/classify/intents.py FOLDER [--json FILE]

One linear support vector machine per intent on the public features (`Classifier.features`): vector, words, pairs,
signals. Counted is the fifth of the rows that train.py held out when it measured, with the weights of that fit
(measured.npz in the work folder): word vectors that were fitted on the very texts would flatter. CLINC150 is
without its out-of-scope rows, as is usual.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from data import bucket, rows, stem
from linear import hinge_fit
from rich.console import Console
from rich.table import Table
from targets import folder_of
from train import HELD_ROWS, loaded

from greenai.classify import Classifier
from greenai.classify.features import PAIRS

SETS = {"clinc150": 0.955, "banking77": 0.92, "hwu64": 0.89, "snips2017": 0.97}
COST = 0.3


def matrix(classifier: Classifier, texts: list[str]) -> sp.csr_matrix:
    """Return the features as one sparse matrix."""
    found = classifier.features(texts)

    def sparse(pairs: list[tuple[Any, Any]], width: int) -> sp.csr_matrix:
        ends = np.cumsum([0, *(len(ids) for ids, _ in pairs)])
        data = np.concatenate([weights for _, weights in pairs])
        return sp.csr_matrix((data, np.concatenate([ids for ids, _ in pairs]), ends), shape=(len(pairs), width))

    blocks = (sp.csr_matrix(found.vectors * 1.5), sparse(found.words, found.width), sparse(found.pairs, PAIRS))
    return sp.csr_matrix(sp.hstack([*blocks, sp.csr_matrix(found.signals.clip(-4, 4) * 0.02)])).astype(np.float32)


def measured(classifier: Classifier, folder: Path, name: str) -> dict[str, Any]:
    """Return the accuracy on the rows left out, and its standard error."""
    listed = [r for r in rows(folder, name) if r["intent"] != "oos"]
    texts = [r["prompt"] for r in listed]
    intents, y = np.unique([r["intent"] for r in listed], return_inverse=True)
    out = np.array([bucket(stem(folder, t)) >= 100 - HELD_ROWS for t in texts])
    x = matrix(classifier, texts)
    x = sp.csr_matrix(x[:, np.flatnonzero(np.asarray(abs(x[~out]).sum(0)).ravel())])  # what no row has, no fit moves
    table, bias = hinge_fit(x[~out], y[~out], COST)
    right = (np.asarray(x[out] @ table) + bias).argmax(1) == y[out]
    error = float((right.mean() * (1 - right.mean()) / len(right)) ** 0.5)
    return {
        "intents": len(intents), "rows": int(out.sum()), "accuracy": round(float(right.mean()), 4),
        "error": round(error, 4),
    }  # fmt: skip


def kept(work: Path) -> Classifier:
    """Return the classifier that train.py measured."""
    path = work / "measured.npz"
    if not path.exists():
        raise SystemExit(
            f"{path} is missing: train.py keeps the weights that it measured there. Run it, or pass --work."
        )
    with np.load(path, allow_pickle=False) as held:
        names = [name.partition(".") for name in held.files]
        return loaded(
            {part: {n: held[f"{part}.{n}"] for p, _, n in names if p == part} for part in ("vectors", "heads")}
        )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--work", type=Path, default=Path(".classify-work"), help="train.py's work folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    folder, classifier = folder_of(arguments.folder), kept(arguments.work)
    table = Table("set", "intents", "rows left out", "accuracy", "target")
    found = {}
    for name, target in SETS.items():
        found[name] = measured(classifier, folder, name)
        f = found[name]
        table.add_row(
            name, str(f["intents"]), str(f["rows"]), f"{f['accuracy']:.1%} ±{f['error']:.1%}", f"{target:.1%}"
        )
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
