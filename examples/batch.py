"""Many questions that can wait: each asked once, in the order given, and resumable after a crash."""

from __future__ import annotations

from greenai import Client

QUESTIONS = ["What is the capital of France?", "What is 18% of 240?", "What is the capital of France?"]


def main() -> None:
    with Client() as client:
        job = client.batch(QUESTIONS, by="tonight", name="questions")
        print(f"to be asked: {job.plan.left}; {job.plan.window.reason}")
        for answer in job:
            print(answer.text, f"({answer.greenai.outcome})" if answer.greenai else answer.error)
        print(f"{job.receipt.answered} answered, repeats {job.receipt.repeats}")
        job.forget()


if __name__ == "__main__":
    main()
