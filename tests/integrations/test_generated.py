"""Generators that `@green` decorates: the whole protocol, and one receipt at their end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from greenai import BudgetExceeded, collecting, green
from greenai.background import background
from greenai.testing import offline
from tests.servers import USAGE, chunk_body

STORY = "Tell me a story about a dragon."


@green
def words(prompt: str, model: str = "gpt-5.5") -> Iterator[str]:
    yield "Once "
    yield "upon a time."


def test_text_is_counted_when_it_has_ended() -> None:
    with collecting() as receipts:
        running = words(STORY)
        assert next(running) == "Once "
        assert receipts == []
        assert list(running) == ["upon a time."]
    assert [(r.model, r.attempts[0].usage.output_tokens) for r in receipts] == [("openai/gpt-5.5", 4)]
    assert words.last_receipt() is receipts[0]  # type: ignore[attr-defined]


def test_chunks_bring_their_own_usage() -> None:
    @green
    def chunks(prompt: str) -> Iterator[ChatCompletionChunk]:
        bodies: list[Any] = [chunk_body({"content": "Hi "}), chunk_body({}, "stop"), chunk_body(usage=USAGE)]
        for body in bodies:
            yield ChatCompletionChunk.model_validate({**body, "model": "gpt-5.4-nano"})

    with collecting() as receipts:
        assert len(list(chunks(STORY))) == 3
    usage = receipts[0].attempts[0].usage
    assert (receipts[0].model, usage.input_tokens, usage.output_tokens) == ("openai/gpt-5.4-nano", 11, 5)


def test_what_is_sent_thrown_and_returned_goes_through() -> None:
    @green
    def echo(prompt: str) -> Generator[str, str, str]:
        said = yield prompt
        try:
            yield said
        except KeyError as error:
            yield f"caught {error}"
        return "the end"

    def outer() -> Generator[str, str, str]:
        return (yield from echo("Hi."))

    running = outer()
    assert next(running) == "Hi."
    assert running.send("you") == "you"
    assert running.throw(KeyError("k")) == "caught 'k'"
    with pytest.raises(StopIteration) as ended:
        next(running)
    assert ended.value.value == "the end"


def test_an_error_of_its_own_comes_through_and_it_is_settled_at_what_was_yielded() -> None:
    @green
    def breaks(prompt: str) -> Iterator[str]:
        yield "Once upon"
        raise ValueError("broken")

    with collecting() as receipts, pytest.raises(ValueError, match="broken"):
        list(breaks(STORY))
    assert [r.attempts[0].state for r in receipts] == ["cut"]


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_one_that_is_left_is_closed_and_settled(how: str) -> None:
    ended: list[str] = []

    @green
    def left(prompt: str) -> Iterator[str]:
        try:
            yield "Once upon"
            yield "a time"
        finally:
            ended.append("ended")

    with collecting() as receipts:
        running: Any = left(STORY)
        next(running)
        if how == "closed":
            running.close()
        del running
        gc.collect()
        background.drain()
    assert ended == ["ended"]
    assert [r.attempts[0].state for r in receipts] == ["cut"]


def test_one_that_is_never_begun_costs_nothing() -> None:
    with collecting() as receipts:
        running = words(STORY)
        del running
        gc.collect()
        background.drain()
    assert receipts == []


def test_a_spent_budget_refuses_at_the_first_item() -> None:
    tight = green(budget="0.001 mWh", when_spent="refuse")(words.__wrapped__)  # type: ignore[attr-defined]
    running = tight(STORY)
    with pytest.raises(BudgetExceeded, match=r"its budget of 0\.001 mWh"):
        next(running)


def test_what_passes_a_client_inside_is_booked_there_alone() -> None:
    with offline() as client:

        @green(project="bot")
        def streamed(prompt: str) -> Iterator[str]:
            yield from client.ask(prompt, stream=True)

        with collecting() as receipts:
            texts = ["".join(streamed(f"{STORY} {n}")) for n in range(2)]
    assert texts == ["A scripted answer."] * 2
    assert [r.project for r in receipts] == ["bot", "bot"]


def test_stored_pieces_are_given_again() -> None:
    runs: list[int] = []

    @green(cache=True)
    def pieces(prompt: str) -> Iterator[str]:
        runs.append(1)
        yield "Paris "
        yield "it is."

    question = "What is the capital of France?"
    assert [list(pieces(question)) for _ in range(2)] == [["Paris ", "it is."]] * 2
    assert len(runs) == 1


def test_awaited_ones_too() -> None:
    @green
    async def awaited(prompt: str, model: str = "gpt-5.5") -> AsyncIterator[str]:
        yield "Once "
        await asyncio.sleep(0)
        yield "upon a time."

    async def main() -> tuple[list[str], Any]:
        return [word async for word in awaited(STORY)], awaited.last_receipt()  # type: ignore[attr-defined]

    said, receipt = asyncio.run(main())
    assert said == ["Once ", "upon a time."]
    assert receipt.attempts[0].usage.output_tokens == 4


def test_an_awaited_one_that_is_left_is_settled() -> None:
    async def main() -> None:
        @green
        async def awaited(prompt: str) -> AsyncIterator[str]:
            yield "Once upon"
            yield "a time"

        running: Any = awaited(STORY)
        await anext(running)
        await running.aclose()

    with collecting() as receipts:
        asyncio.run(main())
        background.drain()
    assert [r.attempts[0].state for r in receipts] == ["cut"]


def test_what_is_sent_to_an_awaited_one_goes_through() -> None:
    async def main() -> list[str]:
        @green
        async def echo(prompt: str) -> Any:
            said = yield prompt
            try:
                yield said
            except KeyError as error:
                yield f"caught {error}"

        running: Any = echo("Hi.")
        said = [await anext(running), await running.asend("you"), await running.athrow(KeyError("k"))]
        return [*said, *[rest async for rest in running]]

    assert asyncio.run(main()) == ["Hi.", "you", "caught 'k'"]
