"""A small log whose answers are copied out of the messages: the number of an order, or none."""

from __future__ import annotations

import random

from greenai.answerers.skeleton import Part, Template
from greenai.audit.values import Logged

SYSTEM = "Give the number of the order that the message names, as it stands there, or none."
TEMPLATE = Template(
    parts=(
        Part(role="system", literals=(SYSTEM,)),
        Part(role="user", literals=("Message: ", "")),
    )
)
SAYINGS = (
    "where is order {} that I made on the {}", "my order {} came broken on the {}", "order no {} of the {} is late",
    "cancel {}, my order of the {}", "I want my money back for order {}, paid on the {}",
    "on the {1} I made order {0}, and nothing came", "it is the {1} and order {0} is not here",
)  # fmt: skip
NOTHING = ("thank you, it came on the {1}", "do you open on the {1}", "I forgot my password on the {1}")
MONTHS = ("March", "April", "May", "June", "July")


def asked(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Message: {text}"}]


def pairs_of(count, seed=0, slips=0.03):
    """So many different messages with their answers, some of them a wrong stretch of the message."""
    draw = random.Random(seed)
    for _ in range(count):
        number = f"{draw.choice('ABC')}-{draw.randrange(1000, 99999)}"
        saying = draw.choice(SAYINGS + NOTHING)
        text = saying.format(number, f"{draw.randrange(1, 29)} {draw.choice(MONTHS)}")
        answer = "none" if saying in NOTHING else number
        yield text, draw.choice(text.split()) if draw.random() < slips else answer


def logged(count=500, seed=0, slips=0.03, form=str):
    for at, (text, answer) in enumerate(pairs_of(count, seed, slips)):
        yield Logged(
            where=f"log.jsonl:{at + 1}", created=1000.0 + at, messages=tuple(asked(text)), answer=form(answer),
            finish_reason="stop", model="large",
        )  # fmt: skip
