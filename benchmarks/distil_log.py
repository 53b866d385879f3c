"""A made-up log for `greenai distil`: messages to three departments, of whose answers 2% are drawn at random.

    python benchmarks/distil_log.py calls.jsonl
    greenai distil calls.jsonl --template 76dc7d --out department.greenai

The figures in docs/distil.md are of this log.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

MESSAGES, SLIPS = 3000, 0.02
PROMPT = "Which department is this message for? Answer with one word.\nMessage: {}\nDepartment:"
SAID = {
    "refund": (
        "I want my money back for the {}", "please refund the {} that I sent back", "I was charged twice for the {}",
        "the {} came broken, can I get a refund", "when do you return what I paid for the {}",
    ),
    "delivery": (
        "where is my {}", "the {} has not arrived", "the courier says that nobody was there to take the {}",
        "can you send the {} to another address", "the tracking of the {} has not changed",
    ),
    "password": (
        "I cannot log in to pay for the {}", "I forgot my password and cannot see the order of the {}",
        "the page says wrong password when I look for the {}", "how do I reset my login to track the {}",
        "my account was locked after I ordered the {}",
    ),
}  # fmt: skip
THINGS = ("lamp", "bicycle", "jacket", "kettle", "tent", "guitar", "mirror", "camera", "carpet", "desk", "phone", "hat")
BEFORE = ("", "Hello, ", "Good morning. ", "Sorry to ask again: ", "Hi team, ", "To whom it may concern: ")
AFTER = ("", " since Monday", ", and it is urgent", ". Thanks", ". My order is {}", " for weeks now", ". Regards, {}")
NAMES = ("Ann", "Bo", "Cem", "Dora", "Emil", "Fay", "Gil", "Hana")


def text(draw: random.Random) -> tuple[str, str]:
    """Return a message and its department."""
    label = draw.choice([*SAID])
    end = draw.choice(AFTER)
    end = end.format(draw.choice(NAMES) if "Regards" in end else draw.randint(1000, 9999))
    return draw.choice(BEFORE) + draw.choice(SAID[label]).format(draw.choice(THINGS)) + end, label


def main() -> None:
    """Write the log."""
    draw, lines = random.Random(0), dict[str, str]()
    while len(lines) < MESSAGES:
        message, label = text(draw)
        said = draw.choice([*SAID]) if draw.random() < SLIPS else label
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        asked = {"model": "gpt-5.5", "messages": [{"role": "user", "content": PROMPT.format(message)}]}
        body = {
            "object": "chat.completion", "created": 1_760_000_000 + 60 * len(lines), "model": "gpt-5.5",
            "choices": [choice], "usage": {"prompt_tokens": len(PROMPT.format(message)) // 4, "completion_tokens": 2},
        }  # fmt: skip
        lines.setdefault(message.casefold(), json.dumps({"request": asked, "response": body}))
    Path(sys.argv[1]).write_text("\n".join(lines.values()) + "\n")


if __name__ == "__main__":
    main()
