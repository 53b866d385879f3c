"""Whatever way a call ends, it is charged for what was seen of it, and nothing stays held."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from purse import STREAMED, ending, limited, messages, used

from greenai.background import background
from greenai.budget import Amount, open_ledger
from greenai.client import AsyncClient, Client
from greenai.errors import BudgetExceeded, LedgerError, SettingsError
from greenai.spending.held import Charge
from greenai.testing import FakeProvider, FakeReply, offline

if TYPE_CHECKING:
    from servers import RedisServer

    from greenai.values import Call

# --- every way to end ---------------------------------------------------------------------


@pytest.mark.parametrize("read", range(14))
@pytest.mark.parametrize("how", ["close", "drop", "break"])
def test_a_stream_that_ends_anywhere_is_charged_for_what_was_seen(read: int, how: str) -> None:
    provider = FakeProvider(FakeReply(text=STREAMED, cut_after=read if how == "break" else None))
    with offline(provider, settings=limited(calls="9/hour")) as client:
        stream = client.chat.completions.create(messages=messages(), stream=True)
        if how == "break":
            with contextlib.suppress(openai.APIConnectionError):  # twelve chunks are all of them
                list(stream)
        else:
            for _, _ in zip(range(read), stream, strict=False):
                pass
        if how == "close":
            stream.close()
        receipt = stream.greenai
        del stream
        gc.collect()
        spent = used(client)
        assert spent.calls == 1
        if receipt is not None:
            usage = receipt.attempts[0].usage
            assert spent.tokens == (usage.input_tokens or 0) + (usage.output_tokens or 0)
            assert receipt.budget is not None


@pytest.mark.parametrize("how", ["cancel", "close", "drop"])
def test_an_asynchronous_stream_that_ends_anywhere_is_charged_for_what_was_seen(how: str) -> None:
    async def read(client: AsyncClient, count: int) -> Any:
        stream = await client.chat.completions.create(messages=messages(count), stream=True)
        for _ in range(count):
            if await anext(stream, None) is None:
                break
        if how == "close":
            await stream.close()
        elif how == "cancel":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.001):
                    await anext(stream, None)
        return stream.greenai

    async def everything() -> None:
        slow = FakeProvider(default=FakeReply(text=STREAMED, pause_s=0.01 if how == "cancel" else 0.0))
        async with offline(slow, settings=limited(calls="99/hour"), client=AsyncClient) as client:
            receipts = [await read(client, count) for count in range(15)]
            gc.collect()
            spent = await asyncio.to_thread(used, client)
            assert spent.calls == 15
            usages = [r.attempts[0].usage for r in receipts if r is not None]
            if len(usages) == 15:
                assert spent.tokens == sum((u.input_tokens or 0) + (u.output_tokens or 0) for u in usages)

    asyncio.run(everything())


def test_randomly_cancelled_calls_leave_nothing_held() -> None:
    rng = random.Random(5)
    provider = FakeProvider(default=lambda _: FakeReply(text=STREAMED, delay_s=rng.random() * 0.004, pause_s=0.0003))

    async def call(client: AsyncClient, n: int) -> None:
        if n % 2:
            async with await client.ask(f"Greet guest {n}.", stream=True) as stream:
                async for _ in stream:
                    pass
        else:
            await client.ask(f"Greet guest {n}.")

    async def everything() -> None:
        async with offline(provider, settings=limited(calls="1000000/hour"), client=AsyncClient) as client:
            await call(client, 1)
            for start in range(0, 300, 30):
                tasks = [asyncio.create_task(call(client, start + n)) for n in range(30)]
                await asyncio.sleep(rng.random() * 0.03)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            spent = await asyncio.to_thread(used, client)
            ledger = client._session.resources.ledger
            ends = [a["state"] for row in ledger.recent(1000) for a in ledger.attempts(row["call_id"])]
            assert 1 <= spent.calls == sum(end in ("answered", "cut") for end in ends) <= len(provider.calls)

    asyncio.run(everything())


def test_a_long_stream_renews_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.streams.RENEW_EVERY_S", 0.0)
    with offline(FakeProvider(" ".join("x" * 200)), settings=limited(calls="9/hour"), timeout=60.0) as client:
        ledger = client._session.resources.spending.ledger
        stream = client.chat.completions.create(messages=messages(), stream=True)
        (before,) = ledger.unsettled()
        for _, _ in zip(range(50), stream, strict=False):
            pass
        assert background.drain()
        (after,) = ledger.unsettled()
        assert after.expires_at > before.expires_at
        stream.close()
        assert used(client).calls == 1


class Slow:
    """A step of a provider that answers once what is held for its call was renewed, and that says whether it was."""

    def __init__(self) -> None:
        self.client: Any = None
        self.renewed = False

    def __call__(self, call: Call) -> FakeReply:
        ledger = self.client._session.resources.spending.ledger
        (first,) = ledger.unsettled()
        end = time.monotonic() + 30
        while not self.renewed and time.monotonic() < end:
            time.sleep(0.01)
            self.renewed = any(hold.expires_at > first.expires_at for hold in ledger.unsettled())
        return FakeReply(output_tokens=5)


@pytest.fixture
def short_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds that last for seconds where they otherwise last for minutes."""
    monkeypatch.setattr("greenai.steps.attempt.HOLD_LONGEST_S", 0.5)
    monkeypatch.setattr("greenai.steps.attempt.HOLD_GRACE_S", 0.1)


@pytest.mark.usefixtures("short_holds")
@pytest.mark.parametrize(("stream", "timeout"), [(False, 3600.0), (False, None), (True, 3600.0)])
def test_a_long_call_renews_what_it_holds(stream: bool, timeout: float | None) -> None:
    slow = Slow()
    with offline(FakeProvider(default=slow), settings=limited(calls="9/hour"), timeout=timeout) as client:
        slow.client = client
        answer = client.chat.completions.create(messages=messages(), stream=stream)
        assert slow.renewed
        if stream:
            answer.close()
        assert used(client).calls == 1


@pytest.mark.usefixtures("short_holds")
def test_a_long_awaited_call_renews_what_it_holds() -> None:
    async def everything() -> None:
        slow = Slow()
        async with offline(
            FakeProvider(default=slow), settings=limited(calls="9/hour"), timeout=3600.0, client=AsyncClient
        ) as client:
            slow.client = client
            await client.chat.completions.create(messages=messages())
            assert slow.renewed
            assert (await asyncio.to_thread(used, client)).calls == 1

    asyncio.run(everything())


@pytest.mark.usefixtures("short_holds")
@pytest.mark.parametrize("failure", [None, ConnectionError()])
def test_nothing_is_renewed_once_a_call_has_ended(monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> None:
    stopped: list[bool] = []
    every = background.every

    def noted(*given: Any, **more: Any) -> Any:
        stop = every(*given, **more)

        def stop_and_note() -> None:
            stopped.append(True)
            stop()

        return stop_and_note

    monkeypatch.setattr(background, "every", noted)
    provider = FakeProvider(failure or "Hi.", default="Hello.")
    with offline(provider, settings=limited(calls="9/hour"), timeout=3600.0) as client:
        with contextlib.suppress(ConnectionError):
            client.ask("Say hello to Ada.")
        assert stopped == [True]
        stream = client.with_options(timeout=None).chat.completions.create(messages=messages(), stream=True)
        stream.close()
        client.with_options(timeout=0.4).ask("Say hello to Bob.")
        # A hold that outlives its call needs none, and a stream without a deadline renews as it is read.
        assert stopped == [True]


def test_a_keyboard_interrupt_releases_and_is_raised() -> None:
    with offline(FakeProvider(KeyboardInterrupt()), settings=limited(calls="9/hour")) as client:
        with pytest.raises(KeyboardInterrupt):
            client.ask("Say hello to Ada.")
        assert used(client) == Amount()


def test_a_model_that_cannot_be_loaded_holds_nothing() -> None:
    settings = {**limited(calls="9/hour"), "ladder": ["local/missing"]}
    with offline(settings=settings) as client:
        client._session.resources.engines.get = _fails  # type: ignore[method-assign]
        with pytest.raises(RuntimeError, match="no engine"):
            client.ask("Say hello to Ada.")
        assert used(client).calls == 0


def _fails(*_: object) -> Any:
    raise RuntimeError("no engine")


def test_sixty_four_threads_race_for_one_unit(tmp_path: Path) -> None:
    for repeat in range(3):
        settings = {**limited(calls="1/hour", timezone="UTC"), "state_dir": str(tmp_path / str(repeat))}
        provider = FakeProvider(default=FakeReply(delay_s=0.01))
        with offline(provider, settings=settings, project=f"new-{repeat}") as client:
            settings["projects"] = {}
            barrier, won, lost = threading.Barrier(64), [], []

            def race(
                client: Client = client,
                barrier: threading.Barrier = barrier,
                won: list[Any] = won,
                lost: list[Any] = lost,
            ) -> None:
                barrier.wait()
                try:
                    won.append(client.with_options(project="default").ask("Say hello to Ada."))
                except BudgetExceeded as refusal:
                    lost.append(refusal)

            threads = [threading.Thread(target=race) for _ in range(64)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(won), len(lost), len(provider.calls)) == (1, 63, 1)
            assert used(client).calls == 1


def test_a_fleet_shares_its_budgets(redis_server: RedisServer) -> None:
    project = f"fleet-{time.time_ns()}"
    tables = {project: {"budget": {"calls": "10/hour"}}}
    settings = {"projects": tables, "budget_url": redis_server.url, "cache": "off", "without_opt_in": "downgrade"}
    machines = [offline(settings=settings, project=project) for _ in range(3)]
    ends: list[str] = []

    def work(client: Client) -> None:
        ends.extend(ending(lambda n=n: client.ask(f"Say hello to Ada, {n}.")) for n in range(8))

    threads = [threading.Thread(target=work, args=(client,)) for client in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends.count("answered") == 10
    assert used(machines[0], scope=f"project/{project}").calls == 10
    for client in machines:
        client.close()


VICTIM = """
import sys, time
from greenai.testing import FakeProvider, FakeReply, offline
settings = {"projects": {"default": {"budget": {"calls": "1/hour"}}}, "state_dir": sys.argv[1], "cache": "off"}
def told(_):
    print("asked", flush=True)
    time.sleep(60)
offline(FakeProvider(told), settings=settings).ask("Say hello to Ada.")
"""


def test_a_killed_process_s_hold_expires(tmp_path: Path) -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "asked\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    settings = {**limited(calls="1/hour"), "state_dir": str(tmp_path)}
    with offline(settings=settings) as client:
        with pytest.raises(BudgetExceeded, match="1 call held"):
            client.ask("Say hello to Ada.")
        spending = client._session.resources.spending
        spending._ledger = open_ledger(spending.address, clock=lambda: time.time() + 700)
        assert client.ask("Say hello to Ada.").greenai.budget is not None


# --- a ledger that is away ----------------------------------------------------------------

METHODS = ("reserve_all", "spent_all", "end", "renew")


def take_away(client: Client) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise LedgerError("The disk is full. Make room.")

    for name in METHODS:
        setattr(client._session.resources.spending.ledger, name, fails)


def give_back(client: Client) -> None:
    for name in METHODS:
        delattr(client._session.resources.spending.ledger, name)


@pytest.mark.parametrize("when_spent", ["downgrade", "observe"])
def test_what_went_out_unchecked_is_counted_at_its_end_if_the_ledger_is_back(when_spent: str) -> None:
    settings = limited(calls="9/hour", open_when_broken=True, when_spent=when_spent)
    with offline(settings=settings) as client:

        def back(_: object) -> FakeReply:
            give_back(client)
            return FakeReply(input_tokens=10, output_tokens=5)

        client._session._provider._script.append(back)  # type: ignore[attr-defined]
        take_away(client)
        assert "A budget could not be reached" in str(client.ask("Say hello to Ada.").greenai.warnings)
        spent = used(client)
        assert (spent.calls, spent.tokens) == (1, 15)


def test_a_call_that_is_settled_again_while_the_ledger_is_away_is_added_once() -> None:
    with offline(settings=limited(calls="9/hour")) as client, client.budget("9 calls") as run:
        spending = client._session.resources.spending
        charges: list[Charge] = []
        reserve = spending.reserve

        def noted(*given: Any, **more: Any) -> Charge:
            charges.append(reserve(*given, **more))
            return charges[-1]

        spending.reserve = noted  # type: ignore[method-assign]
        (attempt,) = client.ask("Say hello to Ada.").greenai.attempts
        take_away(client)
        for _ in range(3):
            charges[0].settle(attempt)
        give_back(client)
        assert run.spent.calls == 1
        assert used(client).calls == 1
        assert [len(known) for known in spending.tariff.history._taken.values()] == [1]


@pytest.mark.parametrize(
    ("key", "text", "takes"), [("tokens", "5/hour", "9 tokens"), ("carbon", "0.0000001 g/hour", "0.000")]
)
def test_a_limit_below_one_call_is_an_error(key: str, text: str, takes: str) -> None:
    with pytest.raises(SettingsError) as error, offline(settings=limited(**{key: text})):
        pass
    assert str(error.value).startswith(
        f'argument: projects.default.budget.{key} is not valid: "{text}" is below one call: a short answer of '
        f"openai/gpt-5.4-nano, the least of the ladder, takes about {takes}"
    )


# --- together with others -----------------------------------------------------------------


def test_equal_calls_that_share_an_answer_are_charged_once() -> None:
    provider = FakeProvider(default=FakeReply(text="The sky scatters blue light most.", delay_s=0.05))

    async def everything() -> None:
        async with offline(
            provider, settings={**limited(calls="1/hour"), "cache": "auto"}, client=AsyncClient
        ) as client:
            answers = await asyncio.gather(*(client.ask("Why is the sky blue?") for _ in range(8)))
            assert len({answer.text for answer in answers}) == 1
            assert (await asyncio.to_thread(used, client)).calls == len(provider.calls) == 1

    asyncio.run(everything())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_children_share_what_is_left(tmp_path: Path) -> None:
    settings = {**limited(calls="6/hour"), "state_dir": str(tmp_path), "ledger": str(tmp_path / "ledger.db")}
    with offline(settings=settings) as client:
        client.ask("Say hello to Ada.")
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                answered = sum(ending(lambda: client.ask("Say hello to Bob.")) == "answered" for _ in range(4))
                os._exit(answered)
            children.append(child)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert sum(ends) == 5
        assert used(client).calls == 6
