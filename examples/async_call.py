"""Async: several questions at once; each answer has a receipt of its own."""

from __future__ import annotations

import asyncio

from greenai import AsyncClient
from greenai.units import format_energy

QUESTIONS = ("What is the capital of France?", "What is the capital of Italy?", "What is 18% of 240?")


async def main() -> None:
    async with AsyncClient() as client:
        answers = await asyncio.gather(*(client.ask(question) for question in QUESTIONS))
    for question, answer in zip(QUESTIONS, answers, strict=True):
        energy = format_energy(answer.greenai.energy.energy_j)
        print(f"{question} {answer.text} ({answer.greenai.outcome}, {energy})")


if __name__ == "__main__":
    asyncio.run(main())
