"""Calls that an app has logged become a task model of its own, which answers the prompts of their template."""

from __future__ import annotations

import json
from pathlib import Path

from greenai import Client
from greenai.distil import file, templates, train

WHAT = {"refund": "I want {} euros back", "delivery": "where is parcel {}", "password": "user {} cannot log in"}
PROMPT = "Which department is this message for? Answer with one word.\nMessage: {}\nDepartment:"


def logged(number: int) -> dict[str, object]:
    """Return one call as a provider's log has it; an app has its own log."""
    label = [*WHAT][number % 3]
    messages = [{"role": "user", "content": PROMPT.format(WHAT[label].format(1000 + number))}]
    said = {"message": {"role": "assistant", "content": label}, "finish_reason": "stop"}
    return {
        "request": {"model": "gpt-5.5", "messages": messages},
        "response": {"object": "chat.completion", "created": number, "model": "gpt-5.5", "choices": [said]},
    }


Path("calls.jsonl").write_text("\n".join(json.dumps(logged(number)) for number in range(400)))

with templates.reading(["calls.jsonl"]) as log:
    pairs = log.pairs(log.templates()[0])
made = train.train(pairs, name="department", promise=0.9, teacher="gpt-5.5")
file.write(made, Path("department.greenai"))

with Client() as client:
    client.distilled("department.greenai", mode="on")
    for text in ("where is parcel 1090", "Is it raining on the moon?"):
        decision = client.explain(PROMPT.format(text))
        print(f"{text} ({decision.outcome})")
