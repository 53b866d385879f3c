"""Read the routing data: one `Row` per prompt and label, with the group that it may be held out by.

The sets and their licences are listed in sources.json. Sets whose licence or purpose rules training out are read for
measuring only. Prompts of the frozen replay mix (benchmarks/replay_mix.py) are never trained on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from phrases import phrases

MEASURE_ONLY = frozenset(("alpaca_eval", "routerbench_part", "routerdc_7b"))
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@cache
def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of one set."""
    with gzip.open(folder / name / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@cache
def models(folder: Path, name: str) -> list[str]:
    """Return the models that the list columns of a set are aligned with."""
    found: list[str] = json.loads((folder / name / "meta.json").read_text(encoding="utf-8"))["models"]
    return found


def names(folder: Path) -> list[str]:
    """Return the names of all sets."""
    return sorted(p.name for p in folder.iterdir() if (p / "rows.jsonl.gz").exists())


def bucket(text: str, salt: str = "held out") -> int:
    """Return a number from 0 to 99 that depends on the text alone."""
    return int(hashlib.sha256((salt + text).encode()).hexdigest()[:8], 16) % 100


def with_options(row: dict[str, Any]) -> str:
    """Return an MMLU-Pro question with its options, as MMLU's prompts are written."""
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", row["options"], strict=False))
    return f"{row['prompt']}\n{listed}\nAnswer:"


@cache
def _mix(folder: Path) -> tuple[Any, frozenset[str]]:
    sys.path.insert(0, str(BENCHMARKS))
    import replay_mix

    return replay_mix, frozenset(replay_mix.stems(folder))


def stem(folder: Path, text: str) -> str:
    """Return the question without its options: MMLU's and MMLU-Pro's wordings of one question have the same stem."""
    found: str = _mix(folder)[0].stem(text)
    return found


def is_replayed(folder: Path, text: str) -> bool:
    """Say whether the replay is measured on this question."""
    return stem(folder, text) in _mix(folder)[1]


class Texts:
    """Every distinct prompt once, with the number that names its row in each matrix."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: list[str] = []
        self.number: dict[str, int] = {}
        self.trainable: list[bool] = []
        self.taught: list[bool] = []  # by MiniLM; a question with its options says what it says without them
        for name in names(folder):
            for row in rows(folder, name):
                self._add(row["prompt"], trainable=name not in MEASURE_ONLY)
        for row in rows(folder, "mmlu_pro"):
            self._add(with_options(row), trainable=True, like=row["prompt"])
        for row in rows(folder, "routellm_mtbench"):  # 72 questions: measured on, never trained on
            self.trainable[self.number[row["prompt"]]] = self.taught[self.number[row["prompt"]]] = False

        for text, _task in phrases():
            self._add(text, trainable=True)

    def _add(self, text: str, *, trainable: bool, like: str | None = None) -> None:
        allowed = trainable and not is_replayed(self.folder, text)
        if text in self.number:
            self.trainable[self.number[text]] |= allowed
            self.taught[self.number[text]] |= allowed and like is None
            return
        self.number[text] = len(self.texts)
        self.texts.append(text)
        self.trainable.append(allowed)
        self.taught.append(allowed and like is None)

    def of(self, name: str) -> list[int]:
        """Return the numbers of the prompts of a set, in its order."""
        return [self.number[row["prompt"]] for row in rows(self.folder, name)]
