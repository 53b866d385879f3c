"""The first call: one import changed, openai's response back, with a receipt on it."""

from __future__ import annotations

from greenai import Client  # instead of: from openai import OpenAI

with Client() as client:
    response = client.chat.completions.create(
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
    print(response.choices[0].message.content)

    receipt = response.greenai
    print(f"answered by {receipt.model} ({receipt.outcome})")
    print(f"{receipt.energy.energy_j} J, {receipt.energy.low_j} to {receipt.energy.high_j} ({receipt.energy.evidence})")
    for reason in receipt.decision.reasons:
        print(f"- {reason}")
