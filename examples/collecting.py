"""What a piece of work took, whoever made its calls: a block collects their receipts."""

from __future__ import annotations

import greenai
from greenai import Client


def summarise(client: Client, places: list[str]) -> list[str]:
    return [client.ask(f"What is the capital of {place}?").text for place in places]


with Client() as client, greenai.collecting() as receipts:
    print(*summarise(client, ["France", "Italy", "France"]), sep="\n")

energy = sum(receipt.energy for receipt in receipts)
print(f"{len(receipts)} calls ({', '.join(receipt.outcome for receipt in receipts)}): {energy}")
