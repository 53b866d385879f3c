"""Three questions, three receipts: one is calculated, one a model answers, one comes from the cache.

The model runs on this machine: no key is needed. A fresh folder keeps the state, so that every run shows the same.
"""

from __future__ import annotations

import sys
import tempfile

from rich.console import Console

from greenai import Client, TextAnswer

QUESTIONS = ("What is 18% of 240?", "What is the capital of France?", "What is the capital of France?")
EXPECTED = (("answerer", "43.2"), ("small", "Paris"), ("cache", "Paris"))


def as_expected(answers: list[TextAnswer]) -> bool:
    got = [(answer.greenai.outcome, text in answer.text) for answer, (_, text) in zip(answers, EXPECTED, strict=True)]
    return got == [(outcome, True) for outcome, _ in EXPECTED]


def main() -> int:
    console, answers = Console(), list[TextAnswer]()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"state_dir": folder, "ladder": ["local/smollm2-135m"]}
        with Client(settings=settings) as client:
            for question in QUESTIONS:
                answers.append(client.ask(question))
                console.print(f"\n[bold]{question}[/bold]\n{answers[-1].text}\n", answers[-1].greenai)
    return 0 if as_expected(answers) else 1


if __name__ == "__main__":
    sys.exit(main())
