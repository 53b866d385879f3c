"""Features that generate when a person asks, in both colours, and what the ledger keeps of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from greenai import AsyncClient, Client
from greenai.background import background
from greenai.errors import InvalidRequest
from greenai.testing import FakeProvider, offline

HITS = ["Kiwis are green.", "Kiwis have seeds."]
MESSAGES: Any = [{"role": "user", "content": "Summarise in a few lively words: kiwis are green and have seeds."}]


def rows(client: Client | AsyncClient) -> list[tuple[Any, ...]]:
    background.drain()
    ledger = client._session.resources.ledger
    return ledger._db._read(lambda con: con.execute("SELECT project, feature, offered, used FROM offers").fetchall())


def calls(client: Client | AsyncClient) -> list[tuple[Any, ...]]:
    return [(row["feature"], row["used"]) for row in client._session.resources.ledger.recent()]


def test_nothing_is_generated_until_a_person_asks() -> None:
    provider = FakeProvider("Green and seedy.")
    with offline(provider, project="search") as client:
        summary = client.feature("search_summary")
        result = summary(retrieved=HITS, messages=MESSAGES)
        assert (result.text, result.generated, result.greenai) == ("Kiwis are green.\nKiwis have seeds.", False, None)
        assert provider.calls == []
        assert rows(client) == [("search", "search_summary", 1, 0)]
        assert calls(client) == []

        assert result.generate() is result
        assert (str(result), result.generated) == ("Green and seedy.", True)
        assert result.greenai is not None
        assert result.greenai.feature == "search_summary"
        assert result.retrieved == "Kiwis are green.\nKiwis have seeds."
        assert calls(client) == [("search_summary", None)]


def test_asking_twice_generates_once_and_use_counts_once() -> None:
    provider = FakeProvider()
    with offline(provider) as client:
        result = client.feature("search_summary")(retrieved="Kiwis.", messages=MESSAGES)
        result.used()  # the retrieved text was enough, for now
        result.used()
        assert rows(client) == [("default", "search_summary", 1, 1)]
        result.generate().generate()
        assert len(provider.calls) == 1
        assert calls(client) == [("search_summary", None)]
        result.used()
        result.used()
        assert calls(client) == [("search_summary", True)]
        assert rows(client) == [("default", "search_summary", 1, 1)]


def test_it_is_booked_on_the_project_of_the_block_in_which_it_was_given() -> None:
    with offline(FakeProvider(), project="search") as client:
        summary = client.feature("search_summary")
        with client.options(project="shop"):
            result = summary(retrieved="Kiwis.", messages=MESSAGES)
        result.used()
        assert rows(client) == [("shop", "search_summary", 1, 1)]


def test_a_person_who_has_asked_already_is_not_asked_again() -> None:
    provider = FakeProvider("Green.")
    with offline(provider) as client:
        summary = client.feature("search_summary")
        result = summary(retrieved="Kiwis.", messages=MESSAGES, user_requested=True)
    assert (result.text, len(provider.calls)) == ("Green.", 1)


def test_what_has_to_generate_always_does() -> None:
    provider = FakeProvider()
    with offline(provider) as client:
        digest = client.feature("daily", generate="always", model="gpt-5.5")
        for _ in range(2):
            assert digest(retrieved="", prompt="Write a lively greeting for today's readers.").generated
        assert rows(client) == [("default", "daily", 2, 0)]
    assert repr(digest) == "Feature('daily', generate='always')"
    assert {call.draft.rung.model for call in provider.calls} <= {"openai/gpt-5.5", "openai/gpt-5.4-nano"}


def test_a_decorated_function_makes_the_prompt_only_when_asked() -> None:
    made: list[str] = []
    provider = FakeProvider("Green.")
    with offline(provider) as client:

        @client.feature("search_summary")
        def summary(query: str, *, words: int) -> str:
            made.append(query)
            return f"Summarise for the query {query!r} in {words} lively words: {HITS}"

        result = summary(HITS, "kiwi", words=5)
        assert (result.text, made) == ("\n".join(HITS), [])
        assert result.generate().text == "Green."
    assert made == ["kiwi"]
    assert "in 5 lively words" in provider.calls[0].draft.messages[0]["content"]


def test_a_decorated_method_is_one_of_its_instance() -> None:
    provider = FakeProvider("Green.")
    with offline(provider) as client:

        class Page:
            def __init__(self, style: str) -> None:
                self.style = style

            @client.feature("search_summary")
            def summary(self, query: str) -> str:
                return f"Summarise for {query!r} in {self.style} words."

        assert Page("lively").summary(HITS, "kiwi").generate().text == "Green."
        assert repr(Page.summary.feature) == "Feature('search_summary', generate='on_request')"
    assert provider.calls[0].draft.messages[0]["content"] == "Summarise for 'kiwi' in lively words."


def test_it_gives_no_stream() -> None:
    with offline(FakeProvider()) as client:
        summary = client.feature("search_summary")
        with pytest.raises(InvalidRequest) as refused:
            summary(retrieved=HITS, messages=MESSAGES, stream=True)  # type: ignore[call-overload]
        assert summary(retrieved=HITS, messages=MESSAGES, stream=False).generate().generated  # type: ignore[call-overload]
    assert str(refused.value) == (
        "The feature search_summary gives its text as a whole, so it takes no stream=True. Leave that out, or stream a "
        "call that carries its name: client.with_options(feature='search_summary').chat.completions.create("
        "messages=..., stream=True)."
    )


def test_what_was_to_be_asked_does_not_change_with_the_apps_messages() -> None:
    provider = FakeProvider()
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Some lively words on kiwis."}]}]
    with offline(provider) as client:
        result = client.feature("search_summary")(retrieved=HITS, messages=messages)
        messages[0]["content"][0]["text"] = "Something else."
        result.generate()
    assert provider.calls[0].draft.messages[0]["content"][0]["text"] == "Some lively words on kiwis."


ITSELF = (
    "generate() was called on a result by the function that makes its prompt, which would wait for itself for ever. "
    "Use result.retrieved there, which is what retrieval gave."
)


def test_a_prompt_is_not_made_of_what_it_generates() -> None:
    with offline(FakeProvider()) as client:
        made: list[Any] = []
        made.append(client.feature("loop").give(HITS, lambda: str(made[0].generate())))
        with pytest.raises(InvalidRequest) as refused:
            made[0].generate()
    assert str(refused.value) == ITSELF


def test_a_prompt_is_not_made_of_what_it_generates_awaited() -> None:
    async def run() -> None:
        async with offline(FakeProvider(), client=AsyncClient) as client:
            made: list[Any] = []

            async def make() -> str:
                return str(await made[0].generate())

            made.append(await client.feature("loop").give(HITS, make))
            with pytest.raises(InvalidRequest) as refused:
                await made[0].generate()
            assert str(refused.value) == ITSELF

    asyncio.run(run())


def test_a_feature_that_fails_leaves_what_retrieval_gave() -> None:
    with offline(FakeProvider(ValueError("broken"))) as client:
        result = client.feature("search_summary")(retrieved="Kiwis.", messages=MESSAGES)
        with pytest.raises(ValueError, match="broken"):
            result.generate()
        assert (result.text, result.generated) == ("Kiwis.", False)
        assert result.generate().text == "A scripted answer."


def test_awaited() -> None:
    provider = FakeProvider("Green.", "Seedy.")

    async def run() -> None:
        async with offline(provider, client=AsyncClient) as client:
            summary = client.feature("search_summary")
            result = await summary(retrieved=HITS, messages=MESSAGES)
            assert (result.text, provider.calls) == ("\n".join(HITS), [])
            both = await asyncio.gather(result.generate(), result.generate())
            assert [one.text for one in both] == ["Green.", "Green."]
            await result.used()

            @client.feature("seeds")
            async def seeds(query: str) -> str:
                return f"Write some lively words on the seeds of {query}."

            assert (await (await seeds("Kiwis.", "kiwis")).generate()).text == "Seedy."
            assert await asyncio.to_thread(rows, client) == [
                ("default", "search_summary", 1, 1),
                ("default", "seeds", 1, 0),
            ]
            assert calls(client) == [("seeds", None), ("search_summary", True)]

    asyncio.run(run())
    assert len(provider.calls) == 2


def test_a_plain_call_may_carry_a_feature_and_be_used() -> None:
    with offline(FakeProvider()) as client:
        answer = client.with_options(feature="chat").ask("Write some lively words on kiwis.")
        client.used(answer)
        client.used(answer.greenai.call_id[:8])
        assert calls(client) == [("chat", True)]
        with pytest.raises(InvalidRequest) as raised:
            client.used("no-such-call")
    assert str(raised.value) == (
        "The ledger has no call 'no-such-call', so nothing can be noted of it. Pass the response itself, or the "
        "call_id of its receipt, on the machine that made the call."
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda client: client.feature("two words"),
            "'two words' is no name for a feature. Pass up to 100 letters, digits and _ - . /, such as \"search_summary\".",
        ),
        (
            lambda client: client.feature("s", generate="never"),
            'generate=\'never\' is no rule. Pass "on_request" or "always".',
        ),
        (
            lambda client: client.feature("s")(retrieved="x"),
            "The feature s takes either messages= or prompt=, which say what to generate when asked.",
        ),
        (
            lambda client: client.feature("s")(retrieved="x", prompt="y", messages=MESSAGES),
            "The feature s takes either messages= or prompt=, which say what to generate when asked.",
        ),
        (
            lambda client: client.feature("s")(retrieved=[1], prompt="y"),
            "retrieved must be a text or a list of texts: what is shown until somebody asks for more.",
        ),
        (
            lambda client: client.with_options(feature=""),
            "feature='' is no feature. Pass a name of up to 100 letters, digits and _ - . /, such as \"search_summary\", or None.",
        ),
    ],
)
def test_mistakes_are_told_with_their_fix(wrong: Callable[[Client], Any], said: str) -> None:
    with offline() as client, pytest.raises(InvalidRequest) as raised:
        wrong(client)
    assert str(raised.value) == said
