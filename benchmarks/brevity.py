"""Output tokens of short questions with and without the request for a short answer, on the embedded model.

    python benchmarks/brevity.py [--each]

Each question is asked twice, once in a project that switched brevity on, and at temperature 0, so that one run can be
repeated. Only the length is measured here; whether an answer of
two sentences serves is for people to say, and so the switch is off until a project turns it on.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenai import Client
from greenai.nudges import brevity

MODEL = "local/smollm2-135m"
CONTEXT_TOKENS = 512
QUESTIONS = (
    "What should I bring to a picnic in the rain?",
    "Why do cats purr?",
    "Is it better to stretch before or after a run?",
    "What makes bread rise?",
    "How do I get a stain of red wine out of a shirt?",
    "Why is the sea salty?",
    "What is a good name for a small bakery?",
    "How can I fall asleep faster?",
    "What does a compass point to?",
    "Why do leaves turn red in autumn?",
    "Which plants need little light?",
    "What is the difference between a crow and a raven?",
    "How do I keep basil fresh?",
    "Why do onions make people cry?",
    "What is the purpose of a thermostat?",
    "How often should I water a cactus?",
    "Why does ice float on water?",
    "What can I cook with eggs and spinach?",
    "What is a polite way to decline an invitation?",
    "How do bees find their way home?",
    "What should I look for when I buy a used bicycle?",
    "Why do we yawn?",
    "What is a fair tip for a haircut?",
    "How do I calm a dog during a thunderstorm?",
    "What is the use of a semicolon?",
    "Why do some people sneeze in bright sun?",
    "How do I choose a ripe avocado?",
    "What is the quietest kind of keyboard?",
    "Why does metal feel colder than wood?",
    "How do I fix a squeaky door?",
)


def client(folder: str, *, on: bool) -> Client:
    """Return a client of the embedded model alone, with the nudge on or off."""
    return Client(
        settings={
            "ladder": [MODEL],
            "cache": "off",
            "ledger": ":memory:",
            "state_dir": str(Path(folder) / str(on)),
            # No other nudge may shorten an answer; what does not end is cut at the context's end, on both sides.
            "nudges": {"brevity": on, "output_length": False},
            "local": {"context_tokens": CONTEXT_TOKENS, "slots": 1},
        }
    )


def tokens(one: Client, question: str) -> tuple[int, bool, bool]:
    """Return the tokens of the answer, whether a short one was asked for, and whether the context cut it."""
    answer = one.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], temperature=0.0, seed=1
    )
    usage = answer.usage
    applied = any(note.nudge == "brevity" for note in answer.greenai.nudges)
    return (usage.completion_tokens if usage else 0), applied, answer.choices[0].finish_reason == "length"


@dataclass(frozen=True)
class Row:
    """One question's tokens without and with the nudge; `cut` where either answer ended with the context."""

    before: int
    after: int
    applied: bool
    cut: bool


def measured(folder: str) -> list[Row]:
    """Ask every question in both ways."""
    rows: list[Row] = []
    with client(folder, on=False) as without, client(folder, on=True) as with_it:
        for question in QUESTIONS:
            before, _, cut = tokens(without, question)
            after, applied, also_cut = tokens(with_it, question)
            rows.append(Row(before=before, after=after, applied=applied, cut=cut or also_cut))
    return rows


def told(rows: Sequence[Row]) -> None:
    """Print the totals."""
    applied = [row for row in rows if row.applied]
    print(f"{len(rows)} questions; a short answer was asked for in {len(applied)}")
    for name, some in (
        ("all", rows),
        ("asked for", applied),
        ("asked for, none cut", [row for row in applied if not row.cut]),
    ):
        if not some:
            continue
        before, after = sum(row.before for row in some), sum(row.after for row in some)
        middle = statistics.median(row.before for row in some), statistics.median(row.after for row in some)
        shorter = sum(row.after < row.before for row in some)
        print(
            f"{name:20} output tokens {before} without, {after} with ({after / before - 1:+.0%}); "
            f"median {middle[0]:.0f} and {middle[1]:.0f}; shorter in {shorter} of {len(some)}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true", help="print each question's figures")
    options: Any = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(folder)
    if options.each:
        for question, row in zip(QUESTIONS, rows, strict=True):
            said = f"{'asked' if row.applied else '':6} {'cut' if row.cut else '':4}"
            print(f"{row.before:5} {row.after:5} {said} {question}")
    print(f"{MODEL}: {brevity.SENTENCE!r}")
    told(rows)


if __name__ == "__main__":
    main()
