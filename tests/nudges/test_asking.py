"""How an app asks for reasoning, or against it, in the words of the library that it calls."""

from __future__ import annotations

import pytest

from greenai.catalog import find, switch_of
from greenai.nudges import NudgeContext, apply
from greenai.nudges.asking import ask_for_it, leave_it
from greenai.values import Assessment, Draft, Options, Rung


@pytest.mark.parametrize(
    ("api", "model", "ask", "leave"),
    [
        ("chat", "openai/gpt-5.5", 'reasoning_effort="medium"', 'reasoning_effort="none"'),
        ("chat", "openai/o3", 'reasoning_effort="medium"', 'reasoning_effort="low"'),
        ("responses", "openai/gpt-5.5", 'reasoning={"effort": "medium"}', 'reasoning={"effort": "none"}'),
        ("responses", "openai/o3", 'reasoning={"effort": "medium"}', 'reasoning={"effort": "low"}'),
        ("messages", "anthropic/claude-sonnet-5", 'thinking={"type": "adaptive"}', 'thinking={"type": "disabled"}'),
        ("messages", "anthropic/claude-opus-4-8", 'thinking={"type": "adaptive"}', 'thinking={"type": "disabled"}'),
        (
            "messages",
            "anthropic/claude-haiku-4-5",
            'thinking={"type": "enabled", "budget_tokens": 1024}',
            'thinking={"type": "disabled"}',
        ),
        (
            "messages",
            "anthropic/claude-sonnet-4-20250514",
            'thinking={"type": "enabled", "budget_tokens": 1024}',
            'thinking={"type": "disabled"}',
        ),
        (
            "messages",
            "anthropic/claude-sonnet-5-5",
            'thinking={"type": "adaptive"}',
            'thinking={"type": "between_tools"}',
        ),
        ("messages", "anthropic/claude-opus-5-5", 'thinking={"type": "adaptive"}', 'output_config={"effort": "low"}'),
        (
            "gemini",
            "gemini/gemini-2.5-flash",
            'config={"thinking_config": {"thinking_budget": 8192}}',
            'config={"thinking_config": {"thinking_budget": 0}}',
        ),
        (
            "gemini",
            "gemini/gemini-2.5-pro",
            'config={"thinking_config": {"thinking_budget": 8192}}',
            'config={"thinking_config": {"thinking_budget": 128}}',
        ),
        (
            "gemini",
            "gemini/gemini-3-flash-preview",
            'config={"thinking_config": {"thinking_level": "medium"}}',
            'config={"thinking_config": {"thinking_level": "minimal"}}',
        ),
        ("mistral", "mistral/mistral-small-latest", 'reasoning_effort="high"', 'reasoning_effort="none"'),
    ],
)
def test_each_librarys_own_argument(api: str, model: str, ask: str, leave: str) -> None:
    assert ask_for_it(api, model) == ask
    assert leave_it(api, model, switch_of(model).off) == leave


@pytest.mark.parametrize(("gain", "override"), [(0.9, "disabled"), (0.1, "adaptive")])
def test_the_note_of_a_call_that_was_decided_says_it(gain: float, override: str) -> None:
    model = "anthropic/claude-sonnet-5"
    assessment = Assessment(
        task="chat", needs_generation=1.0, large_gain=0.0, reasoning_gain=gain, volatile=0.0,
        expected_output_tokens=(10, 20), why=(), method="by hand", suffices=None,
    )  # fmt: skip
    context = NudgeContext(
        card=find(model), assessment=assessment, thresholds={"reasoning_gain": 0.3}, api="messages",
        options=Options(opt_in=frozenset({"reasoning"}), reason="checked by a person"),
    )  # fmt: skip
    draft = Draft(rung=Rung(model=model), messages=({"role": "user", "content": "hi"},), arguments={})
    (note,) = apply(draft, context).notes
    assert note.override == f'thinking={{"type": "{override}"}}'
