"""Reasoning is off until somebody opts in, with a reason that the ledger keeps.

With OPENAI_API_KEY set, the calls are made; without it, this says what is missing.
"""

from __future__ import annotations

from greenai import Client, MissingKey
from greenai.units import format_energy

QUESTION = "Ava, Bo and Cy swap seats: first Ava and Bo, then Bo and Cy, then Ava and Cy. Who sits in the first seat?"

with Client() as client:
    careful = client.with_options(opt_in={"reasoning"}, reason="every swap is followed", substitute=False)
    try:
        for asked in (client.with_options(substitute=False), careful):
            receipt = asked.ask(QUESTION, model="gpt-5.5").greenai
            print(f"reasoning {receipt.reasoning}: {format_energy(receipt.energy.energy_j)}")
            for note in receipt.nudges:
                print(f"- {note.text}; to change it: {note.override}")
    except MissingKey as error:
        print(error)
