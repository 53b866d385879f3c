"""A task model made from a few examples sorts tickets in place of a language model, and abstains when unsure."""

from __future__ import annotations

from greenai import Client

THINGS = ("bill", "invoice", "payment", "refund", "fee", "receipt", "discount", "price", "card", "transfer")
FAULTS = ("crash", "error", "bug", "screen", "login", "password", "button", "page", "app", "update")

with Client() as client:
    topic = client.task(
        "topic",
        examples={
            "money": [f"I have a question about the {thing} I was charged" for thing in THINGS],
            "technology": [f"The {fault} does not work on my phone" for fault in FAULTS],
        },
        examples_of_requests=["which department is this message for"],
    )
    print(topic("The login page shows an error on my phone").label)
    answer = client.ask('Which department is this message for? "I was charged a fee on my invoice"')
    print(answer.text, f"({answer.greenai.outcome})")
