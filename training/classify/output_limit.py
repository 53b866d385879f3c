"""What share of recorded answers the limit on an answer's length would cut: the table of docs/opt-ins.md.

    python training/classify/output_limit.py DATA

An answer counts four characters as one token; what a model thought and did not show is not in the records.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from data import rows
from rich.console import Console
from rich.table import Table

from greenai.classify import Classifier
from greenai.nudges.output_length import limit_of

CHARS_PER_TOKEN = 4
SETS = (
    "alpaca_eval", "mmlu_pro", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux", "bbh_reasoning_onoff",
    "zeroshot_cot_onoff", "reasoning_gym", "misguided_attention",
)  # fmt: skip


def lengths(row: dict[str, Any]) -> list[int]:
    """Return the characters of each recorded answer to a prompt."""
    listed = [*(row.get("chars") or ()), row.get("gpt4_turbo_chars"), row.get("direct_chars"), row.get("cot_chars")]
    return [chars for chars in listed if chars]


def counted(folder: Path, name: str, classifier: Classifier) -> tuple[int, int]:
    """Return how many answers a set has, and how many the limit would cut."""
    answers = cut = 0
    for row in rows(folder, name):
        limit = limit_of(classifier.assess(row["prompt"]))
        found = lengths(row)
        answers += len(found)
        cut += 0 if limit is None else sum(chars > limit * CHARS_PER_TOKEN for chars in found)
    return answers, cut


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with one folder per set")
    folder = parser.parse_args().data
    classifier, table = Classifier.load(), Table("answers to", "recorded", "cut")
    total = [0, 0]
    for name in SETS:
        answers, cut = counted(folder, name, classifier)
        total = [total[0] + answers, total[1] + cut]
        table.add_row(name, f"{answers:,}", f"{cut / answers:.3%}")
    table.add_row("all", f"{total[0]:,}", f"{total[1] / total[0]:.3%}")
    Console().print(table)


if __name__ == "__main__":
    main()
