"""Observe mode: nothing is changed, and the receipt says what would have been done. The way an existing app starts."""

from __future__ import annotations

from greenai import Client, Receipt
from greenai.units import format_energy


def note(receipt: Receipt) -> None:
    would = receipt.decision.route[0] if receipt.decision.route else "no model"
    saved = "nothing" if receipt.avoided is None else format_energy(receipt.avoided.energy.energy_j)
    print(f"{receipt.model} answered, {would} would have; that would have avoided {saved}")


with Client(observe=True, observers=[note]) as client:
    for question in ("What is the capital of France?", "What is 18% of 240?"):
        client.chat.completions.create(messages=[{"role": "user", "content": question}])
