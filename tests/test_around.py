"""What stands around calls: blocks that end in any order, in any context, however they end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from greenai import AsyncClient, Client, TextAnswer
from greenai.around import Around
from greenai.errors import BudgetExceeded, InvalidRequest
from greenai.testing import FakeProvider, offline

SETTINGS = {"cache": "off"}


def held(around: Around[str], name: str, steps: int = 2) -> Generator[tuple[str, ...]]:
    """A generator that reads what stands around it, inside a block of its own."""
    with around.within(name):
        for _ in range(steps):
            yield around.get()


def test_blocks_nest_and_end() -> None:
    around = Around[str]("test.nest")
    with around.within("outer"):
        with around.within("inner"):
            assert around.get() == ("outer", "inner")
        assert around.get() == ("outer",)
    assert around.get() == ()


def test_generators_that_end_out_of_order_take_out_themselves_alone() -> None:
    around = Around[str]("test.order")
    with around.within("outer"):
        first, second = held(around, "first"), held(around, "second")
        assert next(first) == ("outer", "first")
        assert next(second) == ("outer", "first", "second")
        first.close()
        assert next(second) == ("outer", "second")
        with pytest.raises(KeyError):
            second.throw(KeyError())
        assert around.get() == ("outer",)
    assert around.get() == ()


def test_the_same_value_twice_is_two_blocks() -> None:
    around = Around[str]("test.twice")
    first, second = held(around, "same"), held(around, "same")
    next(first)
    next(second)
    first.close()
    assert around.get() == ("same",)
    second.close()
    assert around.get() == ()


def test_a_block_that_another_context_ends_is_over_where_it_was_begun() -> None:
    around = Around[str]("test.elsewhere")
    one = held(around, "one")
    next(one)
    elsewhere = contextvars.copy_context()
    error = KeyError("its own")
    with pytest.raises(KeyError, match="its own") as raised:
        elsewhere.run(one.throw, error)
    assert raised.value is error
    assert elsewhere.run(around.get) == ()
    assert around.get() == ()


def test_what_another_context_has_besides_stays() -> None:
    around = Around[str]("test.besides")
    one = held(around, "one")
    contextvars.copy_context().run(next, one)
    with around.within("mine"):
        one.close()
        assert around.get() == ("mine",)


@pytest.mark.parametrize(("limits", "after"), [(False, ()), (True, ("one",))])
def test_what_was_begun_in_a_block_is_in_it_until_its_end_and_after_it_in_a_limit(
    limits: bool, after: tuple[str, ...]
) -> None:
    around = Around[str]("test.begun", limits=limits)
    with around.within("one"):
        begun = contextvars.copy_context()
        assert begun.run(around.get) == ("one",)
    assert (around.get(), begun.run(around.get)) == ((), after)


# --- the blocks of a client ---------------------------------------------------------------


def test_a_budget_holds_when_a_generator_that_began_before_it_ends() -> None:
    def asking(client: Client, limit: str) -> Generator[str]:
        with client.budget(limit, when_spent="refuse"):
            for n in range(9):
                yield client.ask(f"Say hello to my friend Ada, number {n}.").text

    with offline(settings=SETTINGS) as client:
        first, second = asking(client, "9 calls"), asking(client, "3 calls")
        next(first)
        next(second)
        first.close()
        next(second)
        next(second)
        with pytest.raises(BudgetExceeded):
            next(second)
        assert client.ask("Say hello to Bob.").greenai.budget is None


def of_options(client: AsyncClient) -> AbstractContextManager[Any]:
    return client.options(project="inside", opt_in={"large"}, reason="test")


def of_opt_in(client: AsyncClient) -> AbstractContextManager[Any]:
    return client.opt_in("large", reason="test")


def of_budget(client: AsyncClient) -> AbstractContextManager[Any]:
    return client.budget("1 call", when_spent="refuse")


@pytest.mark.parametrize("block", [of_options, of_opt_in, of_budget])
@pytest.mark.parametrize("how", ["closed elsewhere", "dropped", "raised elsewhere"])
def test_an_asynchronous_generator_that_ends_elsewhere_ends_its_block(block: Any, how: str) -> None:
    async def asking(client: AsyncClient) -> AsyncGenerator[str]:
        with block(client):
            yield (await client.ask("Say hello to Ada.")).text
            raise KeyError("its own")

    async def end(steps: AsyncGenerator[str]) -> None:
        if how == "closed elsewhere":
            await asyncio.create_task(steps.aclose())
        elif how == "raised elsewhere":
            with pytest.raises(KeyError, match="its own"):
                await asyncio.create_task(anext(steps))

    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:
            steps = asking(client)
            await anext(steps)
            await end(steps)
            del steps
            gc.collect()
            await asyncio.sleep(0)  # the loop closes in a task what was dropped
            await asyncio.sleep(0)
            receipt = (await client.ask("Say hello to Bob.")).greenai
            assert (receipt.project, receipt.opt_ins, receipt.budget) == ("default", (), None)

    asyncio.run(everything())


def test_a_refusal_is_raised_wherever_the_generator_is_read() -> None:
    async def asking(client: AsyncClient) -> AsyncGenerator[str]:
        with client.budget("1 call", when_spent="refuse"):
            yield (await client.ask("Say hello to Ada.")).text
            with client.budget("1 call", when_spent="refuse"):
                await asyncio.gather(*(client.ask(f"Say hello to Bob, {n}.") for n in range(2)))

    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:
            steps = asking(client)
            await anext(steps)

            async def on() -> str:
                return await anext(steps)

            with pytest.raises(BudgetExceeded, match="1 call"):
                await asyncio.create_task(on())

    asyncio.run(everything())


def test_an_opt_in_ends_with_its_block_also_in_a_task_that_was_begun_in_it() -> None:
    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:
            ended = asyncio.Event()

            async def later() -> Any:
                during = await client.ask("Say hello to Ada.")
                await ended.wait()
                return during.greenai, (await client.ask("Say hello to Bob.")).greenai

            with client.opt_in("large", reason="test"):
                begun = asyncio.create_task(later())
                await asyncio.sleep(0)
            ended.set()
            during, after = await begun
            assert ([grant.kind for grant in during.opt_ins], after.opt_ins) == (["large"], ())

    asyncio.run(everything())


def test_a_call_under_way_at_the_end_of_its_budget_is_counted_in_it() -> None:
    with offline(FakeProvider(default="Hello, my dear Ada."), settings=SETTINGS) as client:
        with client.budget("1 call", when_spent="refuse") as run:
            pieces = client.ask("Say hello to Ada.", stream=True)
        assert "".join(pieces)
        assert run.spent.calls == 1
        assert client.ask("Say hello to Bob.").greenai.budget is None


OPENED: list[tuple[str, Callable[[Any], Any]]] = [
    ("budget", lambda client: client.budget("1 call")),
    ("opt_in", lambda client: client.opt_in("large", reason="a test")),
    ("options", lambda client: client.options(cache="off")),
]


@pytest.mark.parametrize(("name", "opened"), OPENED)
def test_blocks_are_plain_also_of_an_async_client(name: str, opened: Callable[[Any], Any]) -> None:
    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:
            with pytest.raises(InvalidRequest) as caught:
                async with opened(client):
                    pass
            assert str(caught.value) == (
                f"{name}() is a plain block, also of an AsyncClient. Write: with client.{name}(...):"
            )
            with opened(client):
                await client.ask("Say hello to Ada.")

    asyncio.run(everything())


def test_a_block_decorates_a_function_anew_for_each_call() -> None:
    with offline(settings=SETTINGS) as client:

        @client.budget("1 call", when_spent="refuse")
        def greet(depth: int) -> int:
            client.ask(f"Say hello to Ada, {depth}.")
            return depth

        assert [greet(n) for n in range(3)] == [0, 1, 2]


def test_a_block_decorates_a_coroutine_function_anew_for_each_call() -> None:
    class Greeter:
        def __init__(self, client: AsyncClient) -> None:
            self.client = client

        async def __call__(self, name: str) -> str:
            await self.client.ask(f"Say hello to {name}.")
            return (await self.client.ask(f"Say goodbye to {name}.")).text

    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:

            @client.budget("1 call", when_spent="refuse")
            async def greet(name: str, calls: int) -> str:
                """Greet."""
                for n in range(calls):
                    await client.ask(f"Say hello to {name}, {n}.")
                return name

            assert inspect.iscoroutinefunction(greet)
            assert (greet.__name__, greet.__doc__) == ("greet", "Greet.")
            assert list(await asyncio.gather(greet("Ada", 1), greet("Bob", 1))) == ["Ada", "Bob"]
            with pytest.raises(BudgetExceeded):
                await greet("Ada", 2)
            with pytest.raises(BudgetExceeded):
                await client.budget("1 call", when_spent="refuse")(Greeter(client))("Ada")
            assert (await client.ask("Say hello to Bob.")).greenai.budget is None

    asyncio.run(everything())


def steps() -> Generator[int]:
    yield 1


async def awaited_steps() -> AsyncGenerator[int]:
    yield 1


@pytest.mark.parametrize("generator", [steps, awaited_steps])
@pytest.mark.parametrize(("name", "opened"), OPENED)
def test_a_block_decorates_no_generator(name: str, opened: Callable[[Any], Any], generator: Any) -> None:
    with offline(settings=SETTINGS) as client, pytest.raises(InvalidRequest) as caught:
        opened(client)(generator)
    assert str(caught.value) == (
        f"{name}() cannot decorate the generator {generator.__name__}: the block would end before it runs. "
        f"Write inside it: with client.{name}(...):"
    )


def message(name: str) -> str:
    return (
        f"This block of {name}() was entered before, and one block is for one with. "
        f"Make another: with client.{name}(...):"
    )


@pytest.mark.parametrize(("name", "opened"), OPENED)
def test_a_block_is_entered_once(name: str, opened: Callable[[Any], Any]) -> None:
    with offline(settings=SETTINGS) as client:
        block = opened(client)
        with block:
            with pytest.raises(InvalidRequest) as caught, block:
                pass
            assert str(caught.value) == message(name)
            inside = client.ask("Say hello to Ada.").greenai
            assert (inside.budget is not None) == (name == "budget")
            assert bool(inside.opt_ins) == (name == "opt_in")
        with pytest.raises(InvalidRequest) as caught, block:
            pass
        assert str(caught.value) == message(name)
        after = client.ask("Say hello to Bob.").greenai
        assert (after.budget, after.opt_ins) == (None, ())


def test_one_block_is_not_for_two_tasks() -> None:
    async def everything() -> None:
        async with offline(settings=SETTINGS, client=AsyncClient) as client:
            shared = client.budget("1 call", when_spent="refuse")

            async def asking(name: str) -> str:
                with shared:
                    return (await client.ask(f"Say hello to {name}.")).text

            one, other = await asyncio.gather(asking("Ada"), asking("Bob"), return_exceptions=True)
            assert isinstance(one, str)
            assert str(other) == message("budget")

    asyncio.run(everything())


# --- asked again after the block ----------------------------------------------------------

HARD = "Prove that sqrt(2) is irrational."


def kinds(answer: TextAnswer) -> list[str]:
    return [grant.kind for grant in answer.greenai.opt_ins]


def test_an_answer_escalated_after_its_block_has_the_opt_ins_that_hold_then() -> None:
    with offline(FakeProvider(default="A proof."), settings=SETTINGS) as client:
        with client.opt_in("reasoning", reason="in the block"):
            answers = [client.ask(f"{HARD} {n}") for n in range(2)]
            assert kinds(client.escalate(answers[0])) == ["reasoning", "large"]
        again = client.escalate(answers[1])
        assert [(g.kind, g.by, g.reason) for g in again.greenai.opt_ins] == [("large", "escalate", "escalate")]


def test_an_opt_in_of_the_call_alone_ends_with_it() -> None:
    with offline(FakeProvider(default="A proof."), settings=SETTINGS) as client:
        answer = client.ask(HARD, greenai={"opt_in": {"reasoning"}, "reason": "once", "project": "theorems"})
        again = client.escalate(answer)
        assert (kinds(answer), kinds(again), again.greenai.project) == (["reasoning"], ["large"], "theorems")


def test_an_answer_escalated_after_its_block_is_still_its_tenants() -> None:
    with offline(FakeProvider(default="A proof.")) as client:
        with client.options(tenant="acme", cache="off"):
            answer = client.ask(HARD)
        asked, again = client._session._recent.find(answer.greenai.call_id), client.escalate(answer)
        found = client._session._recent.find(again.greenai.call_id)
        assert (found.options.tenant, found.options.cache, found.namespace) == ("acme", "off", asked.namespace)


def test_another_clients_answer_is_not_escalated() -> None:
    with offline(settings=SETTINGS) as one, offline(settings=SETTINGS) as other:
        answer = one.with_options(opt_in={"reasoning"}, reason="its own").ask(HARD)
        with pytest.raises(InvalidRequest) as caught:
            other.escalate(answer)
        assert str(caught.value) == (
            f"The call {answer.greenai.call_id} is not among the latest 128 of this client, so it cannot be asked "
            "again. Escalate soon after the answer and with the client that gave it, or ask anew with a larger model."
        )
        assert kinds(one.escalate(answer)) == ["large"]


# --- stretches ----------------------------------------------------------------------------


def test_a_value_holds_in_its_stretches_and_what_was_opened_inside_waits_with_it() -> None:
    around: Around[str] = Around("stretches")
    body = around.stretches("body")
    body.begin()
    inner = around.within("inner")
    inner.__enter__()
    assert around.get() == ("body", "inner")
    body.pause()
    assert around.get() == ()
    with around.within("caller"):
        body.begin()
        assert around.get() == ("caller", "body", "inner")
        inner.__exit__(None, None, None)
        body.pause()
        assert around.get() == ("caller",)
    body.end()
    assert around.get() == ()


@pytest.mark.parametrize(("limits", "left"), [(False, ()), (True, ("body",))])
def test_after_its_end_a_limit_holds_where_it_was_begun_and_what_is_allowed_is_over(
    *, limits: bool, left: tuple[str, ...]
) -> None:
    around: Around[str] = Around("stretches", limits=limits)
    body = around.stretches("body")
    body.begin()
    context = contextvars.copy_context()
    body.pause()
    body.end()
    assert context.run(around.get) == left
    assert around.get() == ()
