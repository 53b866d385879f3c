"""Templates that are one to a reader stand as one row; those that are not have names that tell them apart."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from greenai.audit.advice import finding_of
from greenai.audit.columns import stored, texts_of
from greenai.audit.estimate import Looked, looked_at
from greenai.audit.finding import Group
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.store import working
from greenai.audit.wording import group

SHOP = "You are the assistant of a shop. Answer only from the context, in two sentences."
BANK = "You are the friendly help desk of a bank and help customers with their cards and transfers."
WORDS = [f"{begin}{end}" for begin in ("ship", "pay", "card", "tax", "log", "del") for end in ("ing", "er", "ed", "ly")]


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


DOCUMENTS = [
    f"{name} policy. {words(random.Random(name), 120)}" for name in ("Returns", "Payment", "Warranty", "Delivery")
]


def told(number: int, *messages: tuple[str, str], answer: str = "") -> dict[str, Any]:
    body = {"model": "gpt-5.5", "messages": [{"role": role, "content": said} for role, said in messages]}
    reply = {
        "id": f"c{number}",
        "choices": [{"message": {"role": "assistant", "content": answer or f"answer {number} it is"}}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20},
    }
    return {"created": 1_763_800_000 + number, "request": {**body, "temperature": 0}, "response": reply}


def looked(folder: Path, calls: list[dict[str, Any]]) -> Looked:
    log = folder / "a.jsonl"
    log.write_text("".join(json.dumps(call) + "\n" for call in calls))
    with working() as store:
        ingest(opened(log), store)
        return looked_at(stored(store), texts_of(store), in_a_row=0)


def templates(folder: Path, calls: list[dict[str, Any]]) -> tuple[Group, ...]:
    return finding_of(looked(folder, calls)).templates


def test_a_prompt_around_retrieved_texts_is_one_row(tmp_path: Path) -> None:
    rng = random.Random(1)
    asks = [f"Context:\n{DOCUMENTS[n % 4]}\n\nQuestion: {words(rng, 8)}?" for n in range(400)]
    log = [told(n, ("system", SHOP), ("user", ask)) for n, ask in enumerate(asks)]
    seen = looked(tmp_path, log)
    assert len(seen.calls.template.names) == 4  # what a task model is matched by stays as it was
    (row,) = finding_of(seen).templates
    assert (row.calls, row.templates, row.id) == (400, 4, None)
    assert group(row, 90).startswith(f"#1 and 3 more: {SHOP[:40]}")
    assert not any(word in row.name for word in ("Returns", "Payment", "Warranty", "Delivery"))


def test_turns_of_a_chat_are_one_row(tmp_path: Path) -> None:
    rng = random.Random(2)
    log: list[dict[str, Any]] = []
    for _ in range(120):
        messages = [("system", BANK)]
        for _ in range(3):
            messages.append(("user", words(rng, 10)))
            log.append(told(len(log), *messages))
            messages.append(("assistant", words(rng, 30)))
    seen = looked(tmp_path, log)
    assert len(seen.calls.template.names) == 2  # the first turn, and those that have an answer before them
    (row,) = finding_of(seen).templates
    assert (row.calls, row.templates) == (360, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Translate this into French: {text}", "Classify the sentiment of this review: {text}"),
        ("Translate into French: {text}", "Translate into German: {text}"),
        (
            "{text}\nAnswer with one word, the language of the text above.",
            "{text}\nAnswer with one number, how many mistakes stand above.",
        ),
    ],
)
@pytest.mark.parametrize("system", [None, BANK])
def test_two_tasks_are_two_rows_whatever_the_system_prompt(
    tmp_path: Path, first: str, second: str, system: str | None
) -> None:
    rng = random.Random(3)
    own = () if system is None else (("system", system),)
    asks = [(first, second)[n % 2].format(text=words(rng, 12)) for n in range(300)]
    rows = templates(tmp_path, [told(n, *own, ("user", ask)) for n, ask in enumerate(asks)])
    assert [(row.calls, row.templates) for row in rows] == [(150, 1), (150, 1)]
    shown = [group(row, 60) for row in rows]
    assert len({name.partition(" ")[2][7:] for name in shown}) == 2  # apart also without number and id


def test_documents_in_system_prompts_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    rng = random.Random(4)
    head = "Use this document to answer the question of the employee as well as you can."
    log = [told(n, ("system", f"{head}\n{DOCUMENTS[n % 4]}"), ("user", f"{words(rng, 9)}?")) for n in range(240)]
    shown = sorted(group(row, 60)[10:] for row in templates(tmp_path, log))
    begins = "Use this document to \N{HORIZONTAL ELLIPSIS} "
    assert [name.removeprefix(begins).partition(" ")[0] for name in shown] == [
        "Delivery",
        "Payment",
        "Returns",
        "Warranty",
    ]


def test_a_template_with_labels_stands_for_itself(tmp_path: Path) -> None:
    rng = random.Random(5)
    kinds = [f"Context:\n{DOCUMENTS[n % 2]}\n\nQuestion: " for n in range(2)]
    log = []
    for n in range(1_400):
        good = rng.random() < 0.5
        ask = f"{kinds[n % 2]}{'fine good nice' if good else 'bad poor sad'} {words(rng, 6)}?"
        answer = ("yes" if good else "no") if n % 2 else words(rng, 20)
        log.append(told(n, ("system", SHOP), ("user", ask), answer=answer))
    rows = templates(tmp_path, log)
    labelled = [row for row in rows if any(one.by == "task_model" and one.calls.mid > 50 for one in row.sufficed)]
    assert [(row.templates, row.id is None) for row in labelled] == [(1, False)]
    assert len(rows) == 2
