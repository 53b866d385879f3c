"""Pairs of models: a smaller, an older, an unknown one, and what the interval makes of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from greenai.audit.pairs import LAST, Pair, able, loaded, log_odds, shipped

LARGE = "openai/gpt-5.5"


def of(small: str, large: str = LARGE) -> Pair:
    return shipped().pair(small, large)


def drawn(pair: Pair, gain: float = 0.2, draws: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return pair.drawn(np.array([log_odds(gain)]), pair.hardness(np.zeros(1, np.int64), draws, rng), rng)


def test_the_smallest_model_fails_and_a_small_one_of_today_seldom_does() -> None:
    tiny, today = (float(np.median(drawn(of(name))[0])) for name in ("local/smollm2-135m", "openai/gpt-5.4-nano"))
    assert tiny > 0.85
    assert today < 0.15


def test_a_small_model_is_taken_for_what_was_recorded_of_it() -> None:
    known = able("local/smollm2-135m", shipped().models)
    assert known.recorded == "smollm2-135m-instruct"
    assert known.why == "its recorded answers to exam questions and word problems"


def test_one_that_nobody_recorded_is_known_by_size_and_date() -> None:
    known = able("mistral/ministral-8b-latest", shipped().models)
    assert (known.recorded, known.stated) == ("", True)
    assert known.size == pytest.approx(math.log10(8.02), abs=0.01)
    assert known.why == "its size (8.02 billion active parameters), and its date (2025)"
    assert known.beyond == pytest.approx(0.5 * (known.year - LAST))


def test_of_one_that_nobody_knows_less_is_said() -> None:
    unknown = of("somebody/their-own-model")
    assert unknown.why == "no size that anybody states, and no date"
    assert unknown.fails_sd > of("mistral/ministral-8b-latest").fails_sd


def test_less_is_said_of_a_size_that_is_assumed() -> None:
    assert able("openai/gpt-4.1-nano", shipped().models).size_sd > 0
    assert able("mistral/ministral-8b-latest", shipped().models).size_sd == 0


def test_below_the_range_fitted_on_less_is_said() -> None:
    tiny, small = of("hosted_vllm/google/gemma-3-270m-it"), of("hosted_vllm/google/gemma-3-4b-it")
    assert tiny.fails > small.fails
    assert tiny.fails_sd > small.fails_sd


def test_a_mixture_of_experts_lies_between_what_is_used_and_all() -> None:
    known = able("hosted_vllm/Qwen/Qwen3-Coder-30B-A3B-Instruct", shipped().models)
    assert math.log10(3.3) < known.size < math.log10(30.5)


def test_a_large_model_that_is_small_is_less_often_right() -> None:
    weak, strong = (drawn(of("local/smollm2-135m", name))[1] for name in ("mistral/ministral-3b-latest", LARGE))
    assert np.median(weak) < np.median(strong) - 0.1


def test_a_harder_text_is_harder_for_both() -> None:
    easy, hard = (drawn(of("openai/gpt-5.4-nano"), gain) for gain in (0.05, 0.4))
    assert np.median(easy[0]) < np.median(hard[0])
    assert np.median(easy[1]) > np.median(hard[1])


def test_texts_of_one_template_are_off_together() -> None:
    hard = of("openai/gpt-5.4-nano").hardness(np.array([3, 3, 8]), 500, np.random.default_rng(0))[0]
    assert (hard[:, 0] == hard[:, 1]).all()
    apart = np.corrcoef(hard[:, 0], hard[:, 2])[0, 1]
    assert 0.05 < apart < 0.7


def test_what_is_written_is_read() -> None:
    assert loaded(shipped().to_dict()) == shipped()


def test_the_date_of_a_snapshot_is_that_of_its_model() -> None:
    assert able("openai/gpt-4o-mini", {}).year == pytest.approx(2024.54, abs=0.01)
    assert able("openai/gpt-4o-mini-2024-07-18", {}).year == pytest.approx(2024.54, abs=0.01)


def test_a_text_is_harder_for_both_though_not_by_the_same() -> None:
    pair = of("openai/gpt-5.4-nano")
    small, large = pair.hardness(np.arange(1), 20_000, np.random.default_rng(0))[:, :, 0]
    assert np.corrcoef(small, large)[0, 1] == pytest.approx(shipped().correlation, abs=0.03)
    assert pair.apart > 0


def test_sets_lie_further_apart_than_a_normal_distribution_has_it() -> None:
    pair = of("openai/gpt-5.4-nano")
    small = pair.hardness(np.arange(1), 50_000, np.random.default_rng(0))[0, :, 0]
    assert (abs(small) > 4 * small.std()).mean() > 2 * 0.00006
