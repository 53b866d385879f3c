from __future__ import annotations

import pytest

from greenai.thoughts import thinks


@pytest.mark.parametrize(
    "text",
    [
        "<think>It is red.</think>Red.",
        "\n<think>\nIt is red.\n</think>\n\nRed.",
        "<thinking>It is red.</thinking>Red.",
        "<mm:think>It is red.</mm:think>Red.",
        "<think>It is cut",
        "Okay, it is red.\n</think>\n\nRed.",
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
    ],
)
def test_text_about_it_is_none(text: str) -> None:
    assert not thinks(text)
