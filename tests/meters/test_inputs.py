from __future__ import annotations

import pytest

from greenai.catalog import Range, find
from greenai.errors import UnknownModel
from greenai.meters import Deployment, ModelCard
from greenai.meters.inputs import engine_name, engines, gpu_name, gpus, model_card, span


def test_what_has_coefficients() -> None:
    assert {"A100", "B200", "H100", "H200", "L4", "L40S"} < set(gpus())
    assert engines() == ("vllm-0.11", "vllm-0.6", "vllm-0.5", "transformers", "tensorrt-llm")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("H100", "H100"),
        ("h100", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("A100-80GB", "A100-80GB"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("GB200", "B200"),
        ("H1000", None),
        ("", None),
    ],
)
def test_a_gpu_by_the_name_its_driver_gives(name: str, meant: str | None) -> None:
    assert gpu_name(name) == meant


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("vllm-0.11", "vllm-0.11"),
        ("vllm-0.11.1", "vllm-0.11"),
        ("vLLM 0.12", "vllm-0.11"),
        ("vllm==0.9.2", "vllm-0.6"),
        ("vllm-0.5.4", "vllm-0.5"),
        ("vllm-0.2", "vllm-0.5"),
        ("vllm", "vllm-0.11"),
        ("transformers", "transformers"),
        ("transformers-4.50", "transformers"),
        ("TensorRT-LLM", "tensorrt-llm"),
        ("tensorrt-llm-0.17", "tensorrt-llm"),
        ("sglang-0.5", None),
        ("", None),
        (None, None),
    ],
)
def test_the_row_that_stands_for_an_engine(name: str | None, row: str | None) -> None:
    assert engine_name(name) == row


def test_a_number_is_a_range_without_width() -> None:
    assert span(None) is None
    assert span(7.0) == Range(low=7.0, mid=7.0, high=7.0)
    assert span(Range(low=1, mid=2, high=3)) == Range(low=1, mid=2, high=3)


def test_a_catalog_name_and_its_card_are_the_same_model() -> None:
    card = find("gpt-5.5")
    assert card is not None
    found = model_card("gpt-5.5")
    assert found == model_card(card)
    assert (found.name, found.provider) == ("openai/gpt-5.5", "openai")
    assert (found.total_params_b, found.active_params_b) == (card.total_params_b, card.active_params_b)
    assert model_card(found) is found


def test_a_similar_name_never_lends_its_size() -> None:
    with pytest.raises(UnknownModel) as caught:
        model_card("gpt-5.55")
    assert str(caught.value).startswith("The catalog has no model gpt-5.55. Close names: openai/gpt-5.5")
    assert str(caught.value).endswith("Or give ModelCard(total_params_b=…, active_params_b=…).")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"total_params_b": 8, "active_params_b": 70},
            "x has 8e9 parameters, so 70e9 of them cannot be active. Give both in 1e9.",
        ),
        ({"total_params_b": 8, "layers": 0}, "layers of x must be above 0, not 0."),
        ({"total_params_b": 8, "kv_gb_per_1k_tokens": -1.0}, "kv_gb_per_1k_tokens of x must be above 0, not -1.0."),
        (
            {"total_params_b": float("nan")},
            "total_params_b of x must be above 0, in 1e9 parameters, not Range(low=nan, mid=nan, high=nan).",
        ),
        (
            {"total_params_b": Range(low=3, mid=2, high=1)},
            "total_params_b of x must be above 0, in 1e9 parameters, not Range(low=3, mid=2, high=1).",
        ),
    ],
)
def test_a_card_that_cannot_be(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ModelCard(name="x", **given)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"gpu": "P100"},
            (
                "gpu='P100' has no coefficients. Use one of H100, H200, B200, A100, A100-80GB, L40S, L4, A40, V100, MI300X, "
                "or leave gpu out: the API view's mix of GPUs is then taken."
            ),
        ),
        ({"batch": 0}, "batch of Deployment must be above 0, not 0."),
        ({"gpus": -1}, "gpus of Deployment must be above 0, not -1."),
        ({"bytes_per_weight": float("inf")}, "bytes_per_weight of Deployment must be above 0, not inf."),
    ],
)
def test_a_deployment_that_cannot_be(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Deployment(**given)  # type: ignore[arg-type]
    assert str(caught.value) == message
