from __future__ import annotations

import pytest

from greenai.thoughts import shown, thinks


@pytest.mark.parametrize(
    "text",
    [
        "<think>It is red.</think>Red.",
        "\n<think>\nIt is red.\n</think>\n\nRed.",
        "<thinking>It is red.</thinking>Red.",
        "<mm:think>It is red.</mm:think>Red.",
        "<think>It is cut",
    ],
)
def test_reasoning_that_a_server_left_in_the_text(text: str) -> None:
    assert thinks(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Red.",
        "I think it is red.",
        "<think>\n\n</think>\n\nRed.",
        "Write <think> and </think> around it.",
        "The tags are:\n\n`<think>` and `</think>`",
        "Okay, it is red.\n</think>\n\nRed.",
        "Sure:\n```\n<think>\nplan\n</think>\n```",
        "<think>",
    ],
)
def test_text_about_it_is_none(text: str) -> None:
    assert not thinks(text)


def test_it_is_read_in_one_pass() -> None:
    """Backtracking made this take minutes."""
    for text in ("I think" + "\n" * 4_000_000 + "x", "\n" * 4_000_000 + "<think", "<think>" + "\n" * 4_000_000):
        assert not thinks(text)


@pytest.mark.parametrize(
    ("text", "holds"), [("Write <think>hi</think>.", True), ("</ THINK>", False), ("think", False)]
)
def test_a_text_that_shows_the_tags(text: str, holds: bool) -> None:
    assert shown(text) is holds
