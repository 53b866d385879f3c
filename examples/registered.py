"""An app's own function answers the questions it was registered for, and no model is asked."""

from __future__ import annotations

from greenai import Client

HOURS = {"sunday": "10 to 16", "saturday": "9 to 18"}

with Client() as client:

    @client.answerer(
        examples=["when do you open on sunday", "what are your opening hours", "are you open on saturday"],
        counterexamples=["how do i open a bank account"],
    )
    def opening_hours(question: str) -> str | None:
        day = next((day for day in HOURS if day in question.lower()), None)
        return None if day is None else f"On {day.title()} we are open from {HOURS[day]}."

    for question in ("When do you open on Sunday?", "What is the capital of France?"):
        answer = client.ask(question)
        print(answer.text, f"({answer.greenai.model})")
