"""What of a conversation is judged: the last user turn, its short follow-ups, and what stands around it."""

from __future__ import annotations

import pytest

from greenai import InvalidRequest
from greenai.classify.view import SHORT_CHARS, WINDOW_CHARS, asked, ruled


def user(text: object) -> dict[str, object]:
    return {"role": "user", "content": text}


def test_text_stands_alone() -> None:
    found = asked("hello")
    assert (found.text, found.own, found.turns, found.context_chars) == ("hello", "hello", 1, 0)
    assert not found.has_results
    assert not found.attachments


def test_short_follow_up_brings_the_turn_before_it() -> None:
    found = asked([user("How warm is it in Oslo in July?"), {"role": "assistant", "content": "20."}, user("and Rome?")])
    assert found.text == "How warm is it in Oslo in July?\nand Rome?"
    assert (found.own, found.turns) == ("and Rome?", 2)


def test_long_turn_stands_alone() -> None:
    text = "x" * SHORT_CHARS
    assert asked([user("before"), user(text)]).text == text


def test_everything_else_is_context() -> None:
    found = asked([{"role": "system", "content": "abc"}, user("hello"), {"role": "tool", "content": "12"}])
    assert (found.own, found.context_chars, found.has_results) == ("hello", 5, True)


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_attachments_of_the_last_turn_count(kind: str) -> None:
    part = {"type": kind}
    assert asked([user([{"type": "text", "text": "what is this"}, part])]).attachments
    assert not asked([user([part]), {"role": "assistant", "content": "a cat"}, user("thanks")]).attachments


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [user(None)]])
def test_nothing_asked(messages: list[dict[str, object]]) -> None:
    assert asked(messages).text == ""


def test_rules_see_the_ends_of_a_long_turn() -> None:
    view = ruled(asked("Start " + "x" * 5000 + " END"))
    assert len(view.text) == 2 * WINDOW_CHARS + 1
    assert (view.text[:5], view.text[-3:], view.chars) == ("start", "end", 5010)


@pytest.mark.parametrize("given", [None, 5, b"hi", {"role": "user"}, ["hi"]])
def test_neither_text_nor_messages_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequest) as error:
        asked(given)  # type: ignore[arg-type]
    assert str(error.value) == (
        f"assess takes a text or a list of chat messages, and {type(given).__name__} was given. "
        'Pass "..." or [{"role": "user", "content": "..."}].'
    )
