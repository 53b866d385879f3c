"""P(a model answers well): by record, by public score, by size, by tier; never out of range."""

from __future__ import annotations

import pytest

from greenai.classify.ability import Known, ability_of, short, suffices

PARAMS = {
    "slope": 1.0,
    "recorded": {"gpt-4o-2024-08-06": 2.0, "llama-3-1-8b-instruct": 0.5},
    "by_size": [-1.0, 0.5],
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Meta-Llama-3.1-8B-Instruct", "llama-3-1-8b-instruct"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3-1-8b-instruct"),
        ("Meta-Llama-3_1-8B-Instruct", "llama-3-1-8b-instruct"),
        ("Llama-3.1-405B-Inst@sambanova", "llama-3-1-405b-inst"),
        ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    ],
)
def test_spellings_of_one_model_agree(name: str, expected: str) -> None:
    assert short(name) == expected


def test_record_comes_first() -> None:
    assert ability_of("hosted_vllm/meta-llama/Llama-3.1-8B-Instruct", Known(PARAMS)) == 0.5


def test_public_score_without_reasoning_comes_next() -> None:
    known = Known(PARAMS)
    # LiveBench 50.4 without reasoning: 5.4 points above the anchor, 0.05 each
    assert ability_of("openai/gpt-5.2", known) == pytest.approx(2.0 + 0.05 * 5.4, abs=1e-6)
    assert ability_of("openai/gpt-5.5", known) > ability_of("openai/gpt-5-nano", known)


def test_size_comes_last() -> None:
    known = Known(PARAMS)
    small, large = ability_of("local/smollm2-135m", known), ability_of("hosted_vllm/Qwen/Qwen2-72B-Instruct", known)
    assert small < -1.0 < large


def test_unknown_name_counts_as_large() -> None:
    assert ability_of("nobody/heard-of-it", Known(PARAMS)) > 1.0


def test_harder_text_is_answered_less_often_and_illegible_text_evenly() -> None:
    kinds = {"choice": PARAMS}
    model = "meta-llama/Llama-3.1-8B-Instruct"
    easy = suffices(kinds, (("choice", 1.0, -2.0),), 1.0, model)
    hard = suffices(kinds, (("choice", 1.0, 3.0),), 1.0, model)
    assert 0 < hard < 0.1 < 0.9 < easy < 1
    assert suffices(kinds, (("choice", 1.0, 3.0),), 0.0, model) == 0.5


def test_kinds_of_text_are_mixed_by_their_share() -> None:
    kinds = {"choice": PARAMS}
    parts = (("choice", 0.25, -50.0), ("choice", 0.75, 50.0))
    assert suffices(kinds, parts, 1.0, "meta-llama/Llama-3.1-8B-Instruct") == pytest.approx(0.25, abs=1e-6)
