from __future__ import annotations

from collections.abc import Callable

import pytest

from greenai.catalog import Range, find
from greenai.errors import UnknownModel
from greenai.meters import Deployment, ModelCard, estimate
from greenai.meters.inputs import engine_name, engines, fitted_gpu, gpu_name, gpus, model_card, span


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
        ("NVIDIA H100 PCIe", "H100"),
        ("A100 80 GB", "A100-80GB"),
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
        ("vllm/0.11.0", "vllm-0.11"),
        ("vllm_0.5", "vllm-0.5"),
        ("vllm-openai:v0.11.0", "vllm-0.11"),
        ("tensorrt_llm", "tensorrt-llm"),
        ("trtllm", "tensorrt-llm"),
        ("TRT-LLM 1.0", "tensorrt-llm"),
        ("vllmx", None),
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


def test_numbers_of_numpy_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    card = ModelCard(total_params_b=np.int64(70), active_params_b=np.float32(70), layers=np.int64(80))
    place = Deployment(
        gpu="H100", gpus=np.int64(4), batch=np.float64(64), engine="vllm-0.11", bytes_per_weight=np.int8(2)
    )
    found = estimate(card, input_tokens=np.int64(300), output_tokens=np.float64(300.5), deployment=place)
    plain = estimate(
        ModelCard(total_params_b=70, active_params_b=70, layers=80),
        input_tokens=300,
        output_tokens=300.5,  # type: ignore[arg-type]
        deployment=Deployment(gpu="H100", gpus=4, batch=64, engine="vllm-0.11", bytes_per_weight=2),
    )
    assert found.gpu_energy_j == pytest.approx(plain.gpu_energy_j)


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
        ({"total_params_b": 8, "layers": 0}, "layers of x must be above 0 and at most 10,000, not 0."),
        (
            {"total_params_b": 8, "kv_gb_per_1k_tokens": -1.0},
            "kv_gb_per_1k_tokens of x must be above 0 and at most 100, not -1.0.",
        ),
        (
            {"total_params_b": float("nan")},
            "total_params_b of x must be above 0 and at most 100,000, in 1e9 parameters (70 means 70e9), not nan, nan, nan.",
        ),
        (
            {"total_params_b": Range(low=3, mid=2, high=1)},
            "total_params_b of x must be above 0 and at most 100,000, in 1e9 parameters (70 means 70e9), not 3, 2, 1.",
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
        ({"batch": 0}, "batch of Deployment must be above 0 and at most 1,000,000, not 0."),
        ({"gpus": -1}, "gpus of Deployment must be above 0 and at most 100,000, not -1."),
        (
            {"bytes_per_weight": float("inf")},
            "bytes_per_weight of Deployment must be above 0 and at most 8, not inf; 16-bit weights are 2 bytes.",
        ),
    ],
)
def test_a_deployment_that_cannot_be(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Deployment(**given)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ModelCard(total_params_b=70e9),
            "total_params_b of this model must be above 0 and at most 100,000, in 1e9 parameters (70 means 70e9), not 7e+10.",
        ),
        (
            lambda: Deployment(bytes_per_weight=16),
            "bytes_per_weight of Deployment must be above 0 and at most 8, not 16; 16-bit weights are 2 bytes.",
        ),
    ],
)
def test_a_mistaken_unit_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Deployment(gpus="2"), "gpus of Deployment must be a number, not '2'."),  # type: ignore[arg-type]
        (lambda: Deployment(gpu=5), "gpu of Deployment must be a name, not 5."),  # type: ignore[arg-type]
        (lambda: Deployment(engine=11), "engine of Deployment must be a name, not 11."),  # type: ignore[arg-type]
        (
            lambda: ModelCard(total_params_b=[30, 60]),  # type: ignore[arg-type]
            "A size must be a number in 1e9 parameters, or Range(low=, mid=, high=), not [30, 60].",
        ),
        (
            lambda: model_card(5),  # type: ignore[arg-type]
            "model must be a name of the catalog, a Card or a ModelCard, not int.",
        ),
    ],
)
def test_another_type_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "seen"),
    [("H100", True), ("NVIDIA B200", True), ("NVIDIA H100 PCIe", False), ("H200", False), ("GB200", False)],
)
def test_the_fit_saw_h100_and_b200_only(name: str, seen: bool) -> None:
    assert fitted_gpu(name) is seen
