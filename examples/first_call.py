"""The first call: one import changed, openai's response back, with a receipt on it."""

from __future__ import annotations

from greenai import Client  # instead of: from openai import OpenAI
from greenai.units import format_energy, format_interval

with Client() as client:
    response = client.chat.completions.create(
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
    print(response.choices[0].message.content)

    receipt = response.greenai
    print(f"answered by {receipt.model} ({receipt.outcome})")
    energy = receipt.energy
    print(f"{format_energy(energy.energy_j)}, {format_interval(energy.low_j, energy.high_j)} ({energy.evidence})")
    for reason in receipt.decision.reasons:
        print(f"- {reason}")
