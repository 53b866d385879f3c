"""A short answer is asked for where the task is short and the project switched that on."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.nudges.brevity import SENTENCE
from greenai.testing import FakeProvider, offline
from greenai.values import Note

ON = {"nudges": {"brevity": True}}
QUESTION = "What makes bread rise?"


def sent(settings: dict[str, Any], messages: list[dict[str, Any]] | str = QUESTION, **arguments: Any) -> Any:
    """Return the messages that reached the provider, and the notes of the receipt."""
    provider = FakeProvider("Its yeast.")
    asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    with offline(provider, settings=settings) as client:
        response = client.chat.completions.create(model="gpt-5.5", messages=asked, **arguments)
    return list(provider.calls[0].draft.messages), [n for n in response.greenai.nudges if n.nudge == "brevity"]


def test_messages_are_as_the_app_wrote_them_unless_somebody_switched_it_on() -> None:
    for settings in ({}, {"nudges": {"brevity": False}}, {"nudges": True}, {"nudges": False}):
        assert sent(settings) == ([{"role": "user", "content": QUESTION}], [])


def test_one_sentence_is_added_and_said() -> None:
    messages, [note] = sent(ON)
    assert messages == [{"role": "system", "content": SENTENCE}, {"role": "user", "content": QUESTION}]
    expected = note.data["expected_tokens"]
    assert note == Note(
        nudge="brevity",
        text=f"a short answer was asked for: about {expected} tokens are expected",
        override="nudges = { brevity = false }",
        id="brevity.asked",
        data={"expected_tokens": expected},
    )


def test_it_stands_after_the_apps_own_system_prompt() -> None:
    own = {"role": "system", "content": "You are a guide."}
    question = {"role": "user", "content": QUESTION}
    messages, _ = sent(ON, [own, question])
    assert messages == [{"role": "system", "content": f"You are a guide.\n\n{SENTENCE}"}, question]
    assert own["content"] == "You are a guide."
    parts = {"role": "developer", "content": [{"type": "text", "text": "You are a guide."}]}
    messages, _ = sent(ON, [parts, question])
    assert messages == [parts, {"role": "developer", "content": SENTENCE}, question]


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        (QUESTION, {"max_tokens": 400}),
        (QUESTION, {"response_format": {"type": "json_object"}}),
        (QUESTION, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
        (QUESTION, {"greenai": {"opt_in": {"long_output"}, "reason": "a guide is printed"}}),
        ("Write a story of a picnic in the rain.", {}),
        ("What should I bring to a picnic? Give 12 examples.", {}),
        (f"{QUESTION} " + "It is far away. " * 60, {}),
    ],
)
def test_what_asks_for_more_or_for_a_form_is_left_alone(question: str, arguments: dict[str, Any]) -> None:
    messages, notes = sent(ON, question, **arguments)
    assert (messages, notes) == ([{"role": "user", "content": question}], [])


def test_a_project_decides_for_itself() -> None:
    own = {"nudges": {"brevity": True}, "projects": {"law": {"nudges": {"brevity": False}}}}
    assert sent({**own, "project": "law"})[1] == []
    assert len(sent({**own, "project": "shop"})[1]) == 1


def test_it_speaks_the_projects_language() -> None:
    _, [note] = sent({"nudges": {"brevity": True, "language": "de"}})
    assert note.text.startswith("um eine kurze Antwort wurde gebeten: erwartet werden etwa ")


def test_answers_are_stored_apart() -> None:
    keys: list[str | None] = []
    for settings in ({}, ON):
        with offline(FakeProvider(), settings=settings) as client:
            keys.append(client.ask(QUESTION).greenai.cache_key)
    assert keys[0] != keys[1]
