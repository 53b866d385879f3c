"""`@green` leaves a function what it was, and its context holds where it runs and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import inspect
import pickle
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from greenai import AsyncClient, BudgetExceeded, Client, InvalidRequest, OptInRequired, collecting, green, last_receipt
from greenai.integrations.decorated import session_of
from greenai.testing import FakeProvider, FakeReply, offline

STORY = "Tell me a story about a dragon."


@green(project="module")
def at_module_level(prompt: str, *, times: int = 1) -> str:
    """Say it again."""
    return prompt * times


@green
async def awaited_at_module_level(prompt: str) -> str:
    return prompt


# --- what it was --------------------------------------------------------------------------


def test_it_keeps_name_docstring_and_signature() -> None:
    assert at_module_level.__name__ == "at_module_level"
    assert at_module_level.__doc__ == "Say it again."
    assert str(inspect.signature(at_module_level)) == "(prompt: 'str', *, times: 'int' = 1) -> 'str'"


def test_it_keeps_its_kind() -> None:
    @green
    def items() -> Iterator[str]:
        yield "a"

    @green
    async def awaited_items() -> AsyncIterator[str]:
        yield "a"

    assert inspect.isfunction(at_module_level)
    assert inspect.iscoroutinefunction(awaited_at_module_level)
    assert inspect.isgeneratorfunction(items)
    assert inspect.isasyncgenfunction(awaited_items)
    assert not inspect.iscoroutinefunction(at_module_level)


def test_it_is_pickled_and_copied_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level
    assert copy.deepcopy(awaited_at_module_level) is awaited_at_module_level


def test_nothing_keeps_it_alive() -> None:
    @green
    def short_lived(prompt: str) -> str:
        return prompt

    assert short_lived("Hi.") == "Hi."
    dead = weakref.ref(short_lived)
    del short_lived
    gc.collect()
    assert dead() is None


class Bot:
    name = "bot"

    @green
    def method(self, prompt: str) -> str:
        return f"{self.name}: {prompt}"

    @green
    @classmethod
    def outer_class(cls, prompt: str) -> str:
        return f"{cls.name}: {prompt}"

    @classmethod
    @green
    def inner_class(cls, prompt: str) -> str:
        return f"{cls.name}: {prompt}"

    @green
    @staticmethod
    def outer_static(prompt: str) -> str:
        return prompt

    @staticmethod
    @green
    def inner_static(prompt: str) -> str:
        return prompt

    @green
    async def awaited(self, prompt: str) -> str:
        return f"{self.name}: {prompt}"


def test_methods_of_every_kind_are_bound_as_before() -> None:
    bot = Bot()
    assert [bot.method("Hi."), Bot.method(bot, "Hi."), Bot.outer_class("Hi."), bot.inner_class("Hi.")] == [
        "bot: Hi."
    ] * 4
    assert [Bot.outer_static("Hi."), bot.outer_static("Hi."), Bot.inner_static("Hi.")] == ["Hi."] * 3
    assert asyncio.run(bot.awaited("Hi.")) == "bot: Hi."
    receipt = bot.method.last_receipt()
    assert receipt is not None
    assert last_receipt(bot.method) is receipt
    assert receipt.model.endswith("Bot.method")


def test_an_object_that_is_called_may_be_decorated() -> None:
    class Asking:
        async def __call__(self, prompt: str) -> str:
            return prompt.upper()

    asking = green(Asking())
    assert inspect.iscoroutinefunction(asking)
    assert asyncio.run(asking("hi")) == "HI"


def test_wrong_arguments_raise_what_the_function_raises() -> None:
    with pytest.raises(TypeError, match=r"at_module_level\(\) missing 1 required positional argument: 'prompt'"):
        at_module_level()  # type: ignore[call-arg]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        green(3)  # type: ignore[call-overload]
    assert str(refused.value) == "@green decorates a function, not int. Write @green above a def, or green(f)."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opt_in": "large"}, "The opt-in 'large' needs a reason, which the ledger keeps: pass reason="),
        ({"opt_in": "huge", "reason": "why"}, "Unknown opt-in 'huge'. Known opt-ins: "),
        ({"budget": "plenty"}, "plenty"),
        ({"budget": ()}, "budget() needs a limit."),
        ({"budget": "1 Wh", "when_spent": "never"}, "when_spent='never' is unknown."),
        ({"cache": "always"}, "cache='always' is no cache."),
        ({"project": ""}, "project='' is no project."),
    ],
)
def test_wrong_options_are_refused_when_it_is_decorated(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        green(**options)
    assert message in str(refused.value)


# --- its context --------------------------------------------------------------------------


def test_calls_of_a_client_inside_belong_to_its_project_and_are_booked_once() -> None:
    with offline() as client:

        @green(project="support-bot", feature="reply")
        def reply(prompt: str) -> str:
            return client.ask(prompt).text

        with collecting() as receipts:
            assert [reply(STORY), reply(f"{STORY} Another one.")] == ["A scripted answer."] * 2
        assert [(r.project, r.feature) for r in receipts] == [("support-bot", "reply")] * 2
        assert reply.last_receipt() is receipts[-1]
        own = client.ask(STORY).greenai
        assert own.project == "default"
        assert (last_receipt(reply), last_receipt()) == (receipts[-1], own)


def test_a_function_without_the_decorator_has_no_receipts() -> None:
    def reply(prompt: str) -> str:
        return prompt

    with pytest.raises(InvalidRequest) as refused:
        last_receipt(reply)
    assert str(refused.value) == (
        "test_a_function_without_the_decorator_has_no_receipts.<locals>.reply has no receipts, since it is not "
        "decorated. Write @green above it, or ask for the latest call of any: last_receipt()."
    )


def test_its_opt_ins_hold_inside_and_not_after() -> None:
    with offline(settings={"strict_opt_in": True, "without_opt_in": "refuse"}) as client:

        def ask() -> Any:
            return client.ask("Prove that 97 is prime.", model="gpt-5.5", reasoning_effort="high", max_tokens=99)

        allowed = green(opt_in=("reasoning", "large"), reason="proofs need it")(ask)()
        assert [(g.kind, g.by, g.reason) for g in allowed.greenai.opt_ins] == [
            ("large", "block", "proofs need it"),
            ("reasoning", "block", "proofs need it"),
        ]
        with pytest.raises(OptInRequired):
            ask()


def test_a_call_s_own_options_come_before_the_functions_and_the_inner_functions_before_the_outer_ones() -> None:
    with offline() as client:

        @green(project="inner")
        def inner(prompt: str, **options: Any) -> str:
            return client.ask(prompt, greenai=options).greenai.project

        @green(project="outer")
        def outer(prompt: str) -> list[str]:
            before = client.ask(prompt).greenai.project
            return [before, inner(prompt), inner(prompt, project="own"), client.ask(prompt).greenai.project]

        assert outer(STORY) == ["outer", "inner", "own", "outer"]
        with client.options(project="around"):
            assert inner(STORY) == "inner"


def test_one_budget_holds_for_each_call_of_it_and_for_every_client_inside() -> None:
    with offline() as one, offline() as other:

        @green(budget="2 calls", when_spent="refuse")
        def twice(times: int) -> int:
            for n in range(times):
                (one, other)[n % 2].ask(f"{STORY} {n}")
            return times

        assert [twice(2), twice(2)] == [2, 2]
        with pytest.raises(BudgetExceeded, match=r"its budget of 2 calls"):
            twice(6)


def test_budgets_of_nested_functions_hold_together() -> None:
    with offline() as client:

        @green(budget="1000 Wh")
        def inner(prompt: str) -> str:
            return client.ask(prompt).text

        @green(budget="0.001 mWh", when_spent="refuse")
        def outer(prompt: str) -> str:
            return inner(prompt)

        assert inner(STORY) == "A scripted answer."
        with pytest.raises(BudgetExceeded, match=r"its budget of 0\.001 mWh"):
            outer(STORY)


def projects_of(client: Client) -> Any:
    def ask(n: int = 0) -> str:
        return client.ask(f"{STORY} {n}").greenai.project

    return ask


def test_threads_and_executors_belong_to_it_where_they_run_in_its_context() -> None:
    with offline() as client, ThreadPoolExecutor(max_workers=2) as pool:
        ask = projects_of(client)

        @green(project="bot")
        def fan_out() -> list[str]:
            copied = [contextvars.copy_context() for _ in range(2)]
            carried = [pool.submit(context.run, ask, n).result() for n, context in enumerate(copied)]
            return [*carried, pool.submit(ask, 9).result()]

        assert fan_out() == ["bot", "bot", "default"]

        @green(project="bot")
        async def to_thread() -> str:
            return await asyncio.to_thread(ask, 3)

        assert asyncio.run(to_thread()) == "bot"


def test_tasks_are_apart() -> None:
    async def main() -> list[str]:
        async with offline(FakeProvider(default=FakeReply(delay_s=0.001)), client=AsyncClient) as client:

            async def ask(prompt: str) -> str:
                await asyncio.sleep(0)
                return (await client.ask(prompt)).greenai.project

            functions = [green(project=f"p{n}")(ask) for n in range(8)]
            inside = await asyncio.gather(*(f(f"{STORY} {n}") for n, f in enumerate(functions)))
            return [*inside, await ask(STORY)]

    assert asyncio.run(main()) == [*(f"p{n}" for n in range(8)), "default"]


def test_a_task_that_it_leaves_behind_keeps_no_opt_in_of_it() -> None:
    async def main() -> tuple[str, ...]:
        async with offline(client=AsyncClient) as client:
            left: list[asyncio.Task[Any]] = []

            async def late() -> str:
                await asyncio.sleep(0.01)
                return (await client.ask(STORY)).greenai.project

            @green(project="bot")
            async def begin() -> None:
                left.append(asyncio.create_task(late()))

            await begin()
            return tuple(await asyncio.gather(*left))

    assert asyncio.run(main()) == ("default",)


def test_a_generators_context_is_not_its_callers() -> None:
    with offline() as client:
        ask = projects_of(client)

        @green(project="bot")
        def items() -> Iterator[str]:
            yield ask(1)
            with client.options(project="deeper"):
                yield ask(2)
                yield ask(3)
            yield ask(4)

        seen = []
        for n, project in enumerate(items()):
            with client.options(feature="caller"):
                seen.append((project, ask(10 + n)))
        assert seen == [("bot", "default"), ("deeper", "default"), ("deeper", "default"), ("bot", "default")]


def test_an_async_generators_context_is_not_its_callers() -> None:
    async def main() -> list[tuple[str, str]]:
        async with offline(client=AsyncClient) as client:

            @green(project="bot")
            async def items() -> AsyncIterator[str]:
                yield (await client.ask(STORY)).greenai.project
                await asyncio.sleep(0)
                yield (await client.ask(STORY)).greenai.project

            return [(project, (await client.ask(STORY)).greenai.project) async for project in items()]

    assert asyncio.run(main()) == [("bot", "default")] * 2


def test_two_generators_read_in_turn_keep_apart() -> None:
    with offline() as client:
        ask = projects_of(client)

        def items() -> Iterator[str]:
            yield ask(1)
            yield ask(2)

        pairs = zip(green(project="a")(items)(), green(project="b")(items)(), strict=True)
        assert list(pairs) == [("a", "b"), ("a", "b")]


def test_the_last_receipt_is_of_the_context_that_called() -> None:
    async def main() -> tuple[Any, Any]:
        async def other() -> Any:
            await awaited_at_module_level("Hi there.")
            return awaited_at_module_level.last_receipt()

        inside = await asyncio.create_task(other())
        return inside, awaited_at_module_level.last_receipt()

    inside, outside = asyncio.run(main())
    assert inside is not None
    assert outside is None


def test_settings_that_are_gone_give_nobody_their_session(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(8)]
    found = [session_of({"state_dir": str(folder)}).resources.settings.state_dir for folder in folders]
    assert found == folders  # the mapping of each is gone before the next is made, and its address is free
