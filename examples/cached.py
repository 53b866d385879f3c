"""Equal calls share one answer, at the same time and later, until it is forgotten; tenants share nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from greenai import Client

QUESTION = "What is the capital of France?"

with Client() as client:
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(client.ask, [QUESTION] * 3))
    print("at the same time:", sorted(answer.greenai.outcome for answer in answers))
    print("later:", client.ask(QUESTION).greenai.outcome)
    print("of another tenant:", client.with_options(tenant="acme").ask(QUESTION).greenai.outcome)
    client.forget(answers[0])
    print("once forgotten:", client.ask(QUESTION).greenai.outcome)
