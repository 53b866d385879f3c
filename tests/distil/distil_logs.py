"""A small log of one template: three kinds of message to a shop, in words that vary."""

from __future__ import annotations

import json
import random

from greenai.answerers.skeleton import Part, Template
from greenai.audit.values import Logged
from greenai.distil.templates import reading

SYSTEM = "You sort the mail of a shop. Answer with one word: refund, delivery or thanks."
TEMPLATE = Template(parts=(Part(role="system", literals=(SYSTEM,)), Part(role="user", literals=("Mail: ", "\nKind:"))))
THINGS = [
    "shoes",
    "lamp",
    "kettle",
    "bicycle",
    "jacket",
    "phone",
    "table",
    "camera",
    "guitar",
    "tent",
    "mirror",
    "carpet",
]
SAYINGS = {
    "refund": (
        "I want my money back for the {}", "the {} is broken, please refund me", "please return what I paid for the {}",
        "I sent the {} back and wait for my refund", "give me a refund of the {} that I returned",
    ),
    "delivery": (
        "when does the {} arrive", "my {} has not been delivered yet", "where is the parcel with my {}",
        "the delivery of the {} is late", "can you track the shipment of the {}",
    ),
    "thanks": (
        "thank you for the lovely {}", "I am so happy with my {}, thanks", "the {} is wonderful, many thanks",
        "thanks a lot, the {} is great", "just to say thank you, I love the {}",
    ),
}  # fmt: skip
ENDINGS = ("", " please", " today", " since Monday", " for my mother", " in red", " and hello")


def asked(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Mail: {text}\nKind:"}]


def logged(count=400, slips=0.05, seed=0):
    """So many calls, each of another text, some of them answered with a wrong label."""
    draw = random.Random(seed)
    texts = [
        (saying.format(thing) + ending, label)
        for label, sayings in SAYINGS.items()
        for saying in sayings
        for thing in THINGS
        for ending in ENDINGS
    ]
    for at, (text, label) in enumerate(draw.sample(texts, count)):
        said = draw.choice([other for other in SAYINGS if other != label]) if draw.random() < slips else label
        yield Logged(
            where=f"log.jsonl:{at + 1}", created=1000.0 + at, messages=tuple(asked(text)), answer=said,
            finish_reason="stop", model="large",
        )  # fmt: skip


def _arguments(call):
    tools = [{"type": "function", "function": {"name": name}} for name in call.arguments.get("tools", ())]
    return {**call.arguments, **({"tools": tools} if tools else {})}


def written(calls, path):
    """Write calls as openai's requests and answers, a line each."""
    lines = (
        {
            "created": call.created,
            "request": {"model": call.model, "messages": list(call.messages), **_arguments(call)},
            "response": {
                "object": "chat.completion", "model": call.model,
                "choices": [
                    {"message": {"role": "assistant", "content": call.answer}, "finish_reason": call.finish_reason}
                ],
                "usage": {"prompt_tokens": call.input_tokens or 0, "completion_tokens": call.output_tokens or 0},
            },
        }
        for call in calls
    )  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def templates_of(calls, path, **told):
    """Return the templates of a log that holds these calls."""
    with reading([written(calls, path)]) as log:
        return log.templates(**told)
