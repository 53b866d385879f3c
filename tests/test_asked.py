"""The digest by which asking again is seen."""

from __future__ import annotations

from typing import Any

import pytest

from greenai import asked
from greenai.testing import FakeProvider, offline


def digests(*texts: str, client: dict[str, Any] | None = None, **arguments: Any) -> list[str | None]:
    with offline(FakeProvider(), **(client or {})) as one:
        session = one._session
        return [
            asked.digest(
                session.request("ask", session.ask_messages(text, None), None, stream=False, arguments=arguments)
            )
            for text in texts
        ]


def test_case_spacing_and_end_marks_make_no_other_question() -> None:
    first, second, other = digests(
        "How do I reset my password?", "  how do i   reset my PASSWORD ", "How do I set my password?"
    )
    assert first == second
    assert first != other
    assert first is not None
    assert len(first) == 16


def test_people_have_digests_of_their_own() -> None:
    question = "How do I reset my password?"
    [mine], [theirs] = digests(question, user="anna"), digests(question, user="ben")
    [tenant] = digests(question, greenai={"tenant": "north"})
    assert len({mine, theirs, tenant}) == 3


@pytest.mark.parametrize("text", ["yes", "Go on.", "?"])
def test_what_comes_twice_in_any_conversation_has_none(text: str) -> None:
    assert digests(text) == [None]


def test_a_turn_in_which_a_tool_answered_has_none() -> None:
    with offline(FakeProvider()) as client:
        messages = [{"role": "user", "content": "What is the weather in Paris?"}, {"role": "tool", "content": "17 C"}]
        request = client._session.request("create", messages, None, stream=False, arguments={})
    assert asked.digest(request) is None


def test_the_ledger_keeps_the_digest_and_the_feature() -> None:
    with offline(FakeProvider()) as client:
        client.with_options(feature="help").ask("How do I reset my password, please?")
        client.ask("How do I reset my password, please?")
        second, first = client._session.resources.ledger.recent()
    assert first["feature"] == "help"
    assert second["feature"] is None
    assert first["asked"] == second["asked"] is not None
    assert second["used"] is None
