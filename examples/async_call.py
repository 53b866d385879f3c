"""Async: several questions at once; each answer has a receipt of its own."""

from __future__ import annotations

import asyncio

from greenai import AsyncClient

QUESTIONS = ("What is the capital of France?", "What is the capital of Italy?", "What is 18% of 240?")


async def main() -> None:
    async with AsyncClient() as client:
        answers = await asyncio.gather(*(client.ask(question) for question in QUESTIONS))
    for question, answer in zip(QUESTIONS, answers, strict=True):
        print(f"{question} {answer.text} ({answer.greenai.outcome}, {answer.greenai.energy.energy_j} J)")


if __name__ == "__main__":
    asyncio.run(main())
