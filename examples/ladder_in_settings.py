"""A ladder: which models may answer, least energy first. The same lines may stand in greenai.toml.

`explain` says which one would answer, and what each would take. No model is called, so no key is needed.
"""

from __future__ import annotations

from greenai import Client

LADDER = ["openai/gpt-5.4-nano", "openai/gpt-5.5"]
QUESTIONS = ("What is the capital of France?", "Prove that sqrt(2) is irrational.")

with Client(settings={"ladder": LADDER}) as client:
    # Without a named model, a rung above the small one needs the opt-in "large".
    careful = client.with_options(quality="high", opt_in={"large"}, reason="proofs are published")
    for question in QUESTIONS:
        decision = careful.explain(question)
        print(f"{question} -> {decision.route[0]}")
        for rung in decision.estimates:
            print(f"    {rung.model}: {rung.energy}")
