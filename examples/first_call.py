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
    print(receipt.energy)
    for reason in receipt.decision.reasons:
        print(f"- {reason}")
