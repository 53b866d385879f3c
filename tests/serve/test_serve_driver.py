"""Short works done together on one thread: cancelled calls leave no hold, however late the cancellation comes."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
import time
from typing import Any

import pytest

from greenai import AsyncClient
from greenai.background import background
from greenai.errors import BudgetExceeded
from greenai.serve.driver import Driver, Hops
from greenai.testing import FakeProvider, FakeReply, offline

TEXT = "one two three four five"


def driven(client: AsyncClient, hops: Hops) -> None:
    """Have a client's flows driven as the gateway's are."""
    session = client._session
    session._driver = Driver(session._provider, session.resources.threads, hops)


def slowed(client: AsyncClient, rng: random.Random) -> None:
    resources = client._session.resources
    for target, names in ((resources.ledger, ("reserve", "settle_and_record")), (resources._store, ("get", "put"))):
        for name in names:
            setattr(target, name, _slow(getattr(target, name), rng))


def _slow(work: Any, rng: random.Random) -> Any:
    def run(*args: Any, **kwargs: Any) -> Any:
        time.sleep(rng.random() * 0.001)
        return work(*args, **kwargs)

    return run


async def whole(client: AsyncClient, n: int) -> str:
    asked: list[Any] = [{"role": "user", "content": f"Greet guest {n}."}]
    return (await client.chat.completions.create(messages=asked)).choices[0].message.content or ""


async def streamed(client: AsyncClient, n: int) -> str:
    async with await client.ask(f"Greet guest {n}.", stream=True) as stream:
        return "".join([piece async for piece in stream])


def test_five_hundred_randomly_cancelled_calls_leave_no_hold_and_disturb_nobody() -> None:
    rng = random.Random(3)
    provider = FakeProvider(default=lambda _: FakeReply(text=TEXT, delay_s=rng.random() * 0.006, pause_s=0.0003))
    faults: list[dict[str, Any]] = []

    async def cancelled(client: AsyncClient, n: int, within_s: float) -> bool:
        task = asyncio.create_task((whole, streamed)[n % 2](client, n))
        await asyncio.sleep(rng.random() * within_s)
        task.cancel()
        if n % 7 == 0:
            await asyncio.sleep(0)
            task.cancel()
        try:
            assert await task == TEXT
        except asyncio.CancelledError:
            return True
        return False

    async def everything() -> tuple[int, int]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        hops = Hops()
        async with offline(provider, client=AsyncClient) as client:
            driven(client, hops)
            slowed(client, rng)
            await asyncio.gather(whole(client, 30_000), streamed(client, 30_001))
            began = time.perf_counter()
            await asyncio.gather(*((whole, streamed)[n % 2](client, 20_000 + n) for n in range(50)))
            within_s = 1.2 * (time.perf_counter() - began)
            broken = 0
            for start in range(0, 500, 50):
                steady = [asyncio.create_task(whole(client, 10_000 + start + n)) for n in range(3)]
                broken += sum(await asyncio.gather(*(cancelled(client, start + n, within_s) for n in range(50))))
                assert await asyncio.gather(*steady) == [TEXT] * 3
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert await asyncio.to_thread(background.drain)
            left: int = client._session.resources.ledger.check()["holds"]
        hops.close()
        return broken, left

    broken, left = asyncio.run(everything())
    assert (left, faults) == (0, [])
    assert broken > 50


def test_what_a_flow_raises_reaches_its_caller() -> None:
    async def everything() -> None:
        hops = Hops()
        budget = {"projects": {"default": {"budget": {"calls": "1/day", "timezone": "UTC", "when_spent": "refuse"}}}}
        async with offline(FakeProvider(default=TEXT), client=AsyncClient, settings=budget) as client:
            driven(client, hops)
            assert await whole(client, 1) == TEXT
            with pytest.raises(BudgetExceeded):
                await whole(client, 2)
        hops.close()

    asyncio.run(everything())


def test_threads_run_in_the_context_and_end() -> None:
    asked = contextvars.ContextVar("asked", default="no")

    async def everything() -> tuple[str, str]:
        hops = Hops(1)
        context = contextvars.copy_context()
        context.run(asked.set, "yes")
        said = await hops.submit(context, asked.get)
        where = await hops.submit(context, lambda: threading.current_thread().name)
        with pytest.raises(ZeroDivisionError):
            await hops.submit(context, lambda: 1 // 0)
        hops.close()
        for thread in hops._threads:
            thread.join(10)
            assert not thread.is_alive()
        return said, where

    assert asyncio.run(everything()) == ("yes", "greenai-hops-0")
