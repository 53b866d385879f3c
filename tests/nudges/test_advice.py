"""Advice: seldom, bounded, switched, and never at the price of the answer."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import FunctionType, ModuleType
from typing import Any

import pytest
from advised_calls import seen

from greenai import AsyncClient, nudges
from greenai.hours import Hour
from greenai.nudges.advice import Advice, Given, Recent, advised
from greenai.nudges.batching import LOOP, NOT_URGENT
from greenai.testing import FakeProvider, FakeReply, offline
from greenai.values import Note, Receipt, Usage

NONE: frozenset[str] = frozenset()


class Talker:
    """Always has something to say."""

    def __init__(self, name: str = "timing", about: object = None) -> None:
        self.name = name
        self.about = about

    def __call__(self, call: nudges.Seen, /) -> Advice:
        data = {"defer_until": "then", "now_g": 2.0, "then_g": 1.0, "change": -0.5}
        return Advice(id="timing.later", data=data, about=self.about)


def test_the_same_is_said_once_a_day_to_each_project() -> None:
    now = [0.0]
    given = Given(clock=lambda: now[0])

    def said(project: str = "shop", about: object = None) -> int:
        return len(advised(seen(options={"project": project}), [Talker(about=about)], given, NONE, "en"))

    assert [said(), said(), said("law"), said(about=3), said(about=3)] == [1, 0, 1, 1, 0]
    now[0] = 86_399.0
    assert said() == 0
    now[0] = 86_400.0
    assert [said(), said()] == [1, 0]


def test_the_note_has_text_data_and_the_line_that_switches_it_off() -> None:
    [note] = advised(seen(), [Talker()], Given(), NONE, "de")
    assert note == Note(
        nudge="timing",
        text="Dieser Aufruf ist nicht eilig: Eine kWh verursacht jetzt etwa 2 g CO2e, ab then 1 g (-50%).",
        override="nudges = { timing = false }",
        id="timing.later",
        data={"defer_until": "then", "now_g": 2.0, "then_g": 1.0, "change": -0.5},
    )


def test_what_is_switched_off_is_not_even_asked() -> None:
    class Broken(Talker):
        def __call__(self, call: nudges.Seen, /) -> Advice:
            raise AssertionError

    assert advised(seen(), [Broken("batching"), Talker()], Given(), frozenset(("batching",)), "en")


def test_what_is_remembered_is_bounded() -> None:
    held: Recent[int, list[int]] = Recent(3)
    for n in (1, 2, 3, 1, 4):
        held.take(n, list).append(n)
    assert len(held) == 3
    assert held.take(1, list) == [1, 1]
    assert held.take(2, list) == []  # the one used longest ago went


def test_threads_may_ask_at_once() -> None:
    advisors, given, notes = nudges.advisors(), Given(), []

    def ask() -> None:
        for n in range(300):
            call = seen(f"Sort this: {n}", reply=("a", "b")[n % 2], thread=threading.get_ident())
            notes.extend(advised(call, advisors, given, NONE, "en"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [note.id for note in notes] == ["right_sizing.labels"]


def test_the_order_is_that_of_the_settings() -> None:
    assert [one.name for one in nudges.advisors()] == ["batching", "caching", "right_sizing", "timing"]
    assert [one.name for one in nudges.advisors(("timing", "caching"))][:2] == ["timing", "caching"]
    assert nudges.ordered(("brevity",))[0] is nudges.BUILT_IN["brevity"]
    assert set(nudges.ordered()) == set(nudges.BUILT_IN.values())


# --- in a call ----------------------------------------------------------------------------


def advice(receipt: Receipt) -> list[Note]:
    return [note for note in receipt.nudges if note.nudge in ("batching", "caching", "right_sizing", "timing")]


def loop(settings: dict[str, Any], count: int = NOT_URGENT, **arguments: Any) -> list[tuple[str, ...]]:
    """Return the ids of the advice on each of many calls in a row."""
    with offline(FakeProvider(), settings=settings, **arguments) as client:
        later = client.with_options(urgent=False)
        answers = [
            later.chat.completions.create(
                model="gpt-5.4-nano", messages=[{"role": "user", "content": f"Retell this in lively words: fox {n}"}]
            )
            for n in range(count)
        ]
    return [tuple(note.id for note in advice(answer.greenai)) for answer in answers]


def test_a_loop_of_calls_is_told_on_the_last_receipt_and_changes_none() -> None:
    told = loop({})
    assert told[:-1] == [()] * (NOT_URGENT - 1)
    assert told[-1] == ("batching.not_urgent",)


@pytest.mark.parametrize(
    "settings",
    [
        {"nudges": False},
        {"nudges": {"batching": False}},
        {"projects": {"default": {"nudges": {"batching": False}}}},
        {"projects": {"default": {"nudges": False}}},
    ],
)
def test_a_line_switches_it_off(settings: dict[str, Any]) -> None:
    assert loop(settings) == [()] * NOT_URGENT


def test_an_advisor_that_fails_costs_nobody_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Talker):
        def __call__(self, call: nudges.Seen, /) -> Advice:
            raise ZeroDivisionError

    with offline(FakeProvider("Fine.")) as client:
        resources = client._session.resources
        resources.steps = replace(resources.steps, advisors=[Broken()])
        answer = client.ask("Tell me something lively about foxes.")
    assert answer.text == "Fine."
    assert "A nudge failed; the answer is as it was." in caplog.text


def test_what_is_not_urgent_learns_of_a_cleaner_hour() -> None:
    now = datetime.now(UTC)

    def forecast(zone: str) -> list[Hour]:
        assert zone == "FRA"
        return [
            Hour(start=now - timedelta(minutes=5), g_per_kwh=300.0),
            Hour(start=now + timedelta(hours=3), g_per_kwh=100.0),
        ]

    with offline(FakeProvider(), settings={"provider_zones": {"openai": "FRA"}}, forecast=forecast) as client:
        urgent = client.ask("Tell me something lively about foxes.")
        answer = client.with_options(urgent=False).ask("Tell me something lively about dogs.")
        hour = client.when_clean("6h", zone="FRA")
        assert client.when_clean("1h", zone="FRA").delay_s == 0.0
    assert advice(urgent.greenai) == []
    [note] = advice(answer.greenai)
    assert note.data["defer_until"] == (now + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%MZ")
    assert (hour.start, hour.g_per_kwh, hour.now_g_per_kwh) == (now + timedelta(hours=3), 100.0, 300.0)
    assert hour.share == pytest.approx(1 / 3)


def test_a_request_goes_out_as_written_where_effort_is_off_and_no_thinking_counts_as_avoided() -> None:
    sent, avoided = [], []
    for settings in ({}, {"nudges": {"effort": False}}):
        provider = FakeProvider()
        with offline(provider, settings=settings) as client:
            answer = client.ask("Tell me something lively about foxes.", model="openai/gpt-5.5-2026-04-23")
        sent.append("reasoning_effort" in provider.calls[0].draft.arguments)
        avoided.append(answer.greenai.avoided)
    assert sent == [True, False]
    assert avoided[0] is not None
    assert avoided[1] is None


def test_strict_opt_in_holds_whatever_the_switch_says() -> None:
    provider = FakeProvider()
    with offline(provider, settings={"nudges": False, "strict_opt_in": True}) as client:
        client.ask("Tell me something lively about foxes.", model="gpt-5.5", reasoning_effort="high")
    assert provider.calls[0].draft.arguments.get("reasoning_effort") != "high"


def test_awaited_and_streamed_calls_are_seen_too() -> None:
    async def ask() -> list[Note]:
        provider = FakeProvider(default="A fox.")
        async with offline(provider, client=AsyncClient) as client:
            later = client.with_options(urgent=False)
            for n in range(NOT_URGENT):
                stream = await later.chat.completions.create(
                    model="gpt-5.4-nano",
                    messages=[{"role": "user", "content": f"Retell this in lively words: fox {n}"}],
                    stream=True,
                )
                async for _ in stream:
                    pass
        assert stream.greenai is not None
        return advice(stream.greenai)

    assert [note.id for note in asyncio.run(ask())] == ["batching.not_urgent"]


def test_calls_that_overlap_are_no_loop() -> None:
    async def ask() -> list[Note]:
        provider = FakeProvider(default=FakeReply(text="A fox.", delay_s=0.01))
        async with offline(provider, client=AsyncClient) as client:
            answers = await asyncio.gather(
                *(client.ask(f"Retell this in lively words: fox {n}", model="gpt-5.4-nano") for n in range(2 * LOOP))
            )
        return [note for answer in answers for note in advice(answer.greenai)]

    assert asyncio.run(ask()) == []


def held(root: object) -> list[object]:
    """Return all that an object holds, however deep, classes and modules left out."""
    found: dict[int, object] = {}
    left = [root]
    while left:
        one = left.pop()
        if id(one) not in found and not isinstance(one, (type, ModuleType, FunctionType)):
            found[id(one)] = one
            left.extend(gc.get_referents(one))
    return list(found.values())


def test_what_advisors_keep_is_bounded_and_holds_no_text() -> None:
    advisors, given = nudges.advisors(), Given()
    for n in range(3000):
        text = f"ZORBLE {n}: request 3f2504e0-4f89-11d3-9a0c-{n:012x} " + "zorble " * 200
        usage = Usage(input_tokens=2000, output_tokens=2)
        advised(seen(text, reply=f"zorble {n % 3}", usage=usage, thread=n), advisors, given, NONE, "en")
    kept = held([vars(one) for one in advisors]) + held(vars(given))
    assert not [one for one in kept if isinstance(one, (str, bytes)) and "zorble" in str(one).lower()]
    assert max(len(one) for one in kept if isinstance(one, Recent)) <= 1024
    assert sum(isinstance(one, (int, float)) for one in kept) > 1000  # something was looked at
