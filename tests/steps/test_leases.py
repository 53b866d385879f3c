"""A model on this machine is held from before a call is sent until it is measured, and let go however the call ends."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import openai
import pytest
from parked import FakePower, client

from greenai import AsyncClient
from greenai.local import Engine, Engines, Parking
from greenai.local.parker import Parker
from greenai.testing import FakeEngine, FakeProvider, error
from greenai.values import Call, Reply

ASKED: list[Any] = [{"role": "user", "content": "Name a colour."}]


class Held(Engines):
    """One local model that is always loaded, and counts who holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = FakeEngine("smollm2-135m")
        self.books = Parker(Parking(power=FakePower()))
        self.engine.stay = self.books.started("smollm2-135m", self.engine, 1.0)

    def get(self, name: str, timeout_s: float | None = None) -> Engine:  # the real one's signature
        return self.engine

    @property
    def users(self) -> int:
        assert self.engine.stay is not None
        return self.engine.stay.users


@pytest.fixture
def held() -> Held:
    return Held()


def watching(held: Held, answer: Any = "Blue.") -> tuple[FakeProvider, list[int]]:
    seen: list[int] = []

    def answered(_: object) -> Any:
        seen.append(held.users)
        return answer

    return FakeProvider(default=answered), seen


def test_an_answer_holds_the_model_while_it_is_on_its_way(held: Held) -> None:
    provider, seen = watching(held)
    with client(held, provider=provider) as made:
        made.chat.completions.create(messages=ASKED)
    assert seen == [1]
    assert held.users == 0


def test_an_error_lets_it_go(held: Held) -> None:
    with client(held, provider=FakeProvider(default=error(500))) as made, pytest.raises(openai.InternalServerError):
        made.with_options(max_retries=0).chat.completions.create(messages=ASKED)
    assert held.users == 0


def test_a_stream_holds_it_until_it_is_read_closed_or_forgotten(held: Held) -> None:
    with client(held) as made:
        for ending in ("read", "closed", "forgotten"):
            stream = made.chat.completions.create(messages=ASKED, stream=True)
            next(stream)
            assert held.users == 1
            if ending == "read":
                list(stream)
            if ending == "closed":
                stream.close()
            del stream
            gc.collect()
            settled()
            assert held.users == 0, ending


def settled() -> None:
    from greenai.background import background

    assert background.drain()


class Slow(FakeProvider):
    """A provider that does not answer in time."""

    async def asend(self, call: Call) -> Reply:
        await asyncio.sleep(30)
        return await super().asend(call)


def test_a_cancelled_call_lets_it_go(held: Held) -> None:
    async def cancelled() -> None:
        async with client(held, AsyncClient, provider=Slow()) as made:
            asked = asyncio.ensure_future(made.chat.completions.create(messages=ASKED))
            for _ in range(500):
                await asyncio.sleep(0.01)
                if held.users:
                    break
            assert held.users == 1
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked

    asyncio.run(cancelled())
    assert held.users == 0
