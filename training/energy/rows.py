"""Measured rows as the estimator sees them: a `ModelCard`, a `Deployment`, token counts and accelerator joules.

Reads the CSV files of a folder that is not part of the project: ML.ENERGY v2 and v3, AI Energy Score (February 2025)
and `arch_features.csv` (layers and key-value cache per family, from public configurations).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from greenai.meters.inputs import Deployment, ModelCard

PROMPT_TOKENS = {"lm-arena-chat": 300, "gpqa": 300, "sourcegraph-fim": 2000, "image-chat": 300}
"""Not in the files: assumed, as mean lengths of the prompts of these sets."""

PROMPT_TOKENS_V2 = {"llm_text_generation/chat": 300, "llm_text_generation/code": 200}

BYTES = {"bfloat16": 2.0, "fp8": 1.0, "mxfp4": 0.53}

# Parameters in 1e9 that every token uses: all of them less the routed experts, layers x experts x 3 x width x width of
# an expert, from the models' public config.json (DeepSeek V3: 58 x 256 x 3 x 7168 x 2048 = 653.9e9 of 671e9, ...).
SHARED_B = {
    "deepseek-v3": 17.1,
    "gptoss-120b": 2.1,
    "l4-mav": 13.5,
    "qwen3-235b": 7.9,
    "qwen3-30b": 1.5,
    "qwen3-480b": 12.0,
}

# Dense models of up to 34e9 parameters in AI Energy Score's text generation, with parameters in 1e9 and layers, from
# their public config.json; larger ones ran on several GPUs in ways that the source does not state.
LOCAL: dict[str, tuple[float, int]] = {
    "01-ai/Yi-1.5-34B": (34.4, 60),
    "01-ai/Yi-1.5-9B": (8.83, 48),
    "CohereForAI/aya-23-8B": (8.03, 32),
    "HuggingFaceTB/SmolLM-1.7B": (1.71, 24),
    "HuggingFaceTB/SmolLM-135M": (0.135, 30),
    "HuggingFaceTB/SmolLM-360M": (0.362, 32),
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": (1.71, 24),
    "Qwen/QwQ-32B-Preview": (32.8, 64),
    "Salesforce/xLAM-7b-r": (7.24, 32),
    "allenai/OLMo-1.7-7B-hf": (6.89, 32),
    "allenai/OLMo-1B-hf": (1.18, 16),
    "berkeley-nest/Starling-LM-7B-alpha": (7.24, 32),
    "distilbert/distilgpt2": (0.082, 6),
    "facebook/opt-125m": (0.125, 12),
    "facebook/opt-2.7b": (2.65, 32),
    "google/gemma-2-2b-it": (2.61, 26),
    "google/gemma-2b": (2.51, 18),
    "google/gemma-7b": (8.54, 28),
    "meta-llama/Llama-2-13b-hf": (13.02, 40),
    "meta-llama/Llama-2-7b-hf": (6.74, 32),
    "meta-llama/Meta-Llama-3-8B": (8.03, 32),
    "meta-llama/Meta-Llama-3.1-8B": (8.03, 32),
    "microsoft/phi-1": (1.42, 24),
    "microsoft/phi-1_5": (1.42, 24),
    "microsoft/phi-2": (2.78, 32),
    "microsoft/phi-4": (14.7, 40),
    "mistralai/Ministral-8B-Instruct-2410": (8.02, 36),
    "mistralai/Mistral-7B-v0.1": (7.24, 32),
    "openai-community/gpt2": (0.124, 12),
    "openai-community/gpt2-large": (0.774, 36),
    "openai-community/gpt2-medium": (0.355, 24),
    "openai-community/gpt2-xl": (1.56, 48),
    "openai-community/openai-gpt": (0.117, 12),
    "tiiuae/falcon-7b": (7.22, 32),
}
LOCAL_INPUT, LOCAL_OUTPUT = 369, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured configuration. `joules` is the accelerators' energy of one request; `group` is held out as one."""

    group: str
    model: str
    task: str
    card: ModelCard
    place: Deployment
    input_tokens: int
    output_tokens: int
    joules: float
    batch: float


def v3(folder: Path, tasks: tuple[str, ...] = ("lm-arena-chat", "gpqa", "sourcegraph-fim")) -> list[Row]:
    """Return ML.ENERGY v3: vLLM 0.11, H100 and B200, steady state; grouped by model family."""
    shapes = {row["family"]: row for row in _read(folder / "arch_features.csv")}
    return [
        _v3(row, shapes.get(row["family"])) for row in _read(folder / "mlenergy_v3_llm.csv") if row["task"] in tasks
    ]


def _v3(row: dict[str, str], shape: dict[str, str] | None) -> Row:
    total, active = float(row["total_params_billions"]), float(row["activated_params_billions"])
    card = ModelCard(
        total_params_b=total,
        active_params_b=active,
        layers=int(shape["layers"]) if shape else None,
        kv_gb_per_1k_tokens=float(shape["kv_gb_per_1k_tokens_bf16"]) if shape else None,
        hybrid=bool(shape) and shape["hybrid_ssm"] == "1",
        moe=row["architecture"] == "MoE",
        shared_params_b=SHARED_B.get(row["family"]),
        name=row["model_id"],
    )
    batch, output = float(row["avg_batch_size"]), round(float(row["avg_output_len"]))
    place = Deployment(
        gpu=row["gpu_model"],
        gpus=int(row["num_gpus"]),
        batch=batch,
        engine="vllm-0.11",
        bytes_per_weight=BYTES[row["weight_precision"]],
    )
    return Row(
        group=row["family"],
        model=row["model_id"],
        task=row["task"],
        card=card,
        place=place,
        input_tokens=PROMPT_TOKENS[row["task"]],
        output_tokens=output,
        joules=float(row["energy_per_token_joules"]) * output,
        batch=batch,
    )


def v2(folder: Path, gpu: str) -> list[Row]:
    """Return ML.ENERGY v2's text rows on "A100" or "H100": an older vLLM; grouped by model."""
    rows = _read(folder / "mlenergy_v2_llm.csv")
    return [_v2(row, gpu) for row in rows if row["task"] in PROMPT_TOKENS_V2 and gpu in row["gpu"]]


def _v2(row: dict[str, str], gpu: str) -> Row:
    # 16 bits fit in every row: the file has Llama-3.1-405B (810 GB) on 8 x 2 GPUs of 80 GB.
    gpus = int(row["tensor_parallel"]) * int(row["pipeline_parallel"])
    output = round(float(row["avg_output_tokens"]))
    return Row(
        group=row["model"],
        model=row["model"],
        task=row["task"],
        card=ModelCard(
            total_params_b=float(row["total_params_billions"]),
            active_params_b=float(row["active_params_billions"]),
            name=row["model"],
        ),
        place=Deployment(gpu=gpu, gpus=gpus, batch=float(row["avg_batch"]), engine="vllm-0.5", bytes_per_weight=2.0),
        input_tokens=PROMPT_TOKENS_V2[row["task"]],
        output_tokens=output,
        joules=float(row["energy_per_output_token_joules"]) * output,
        batch=float(row["avg_batch"]),
    )


def local(folder: Path) -> list[Row]:
    """Return AI Energy Score's dense text generation: transformers on one H100, batch 1, 369 tokens in, 10 out."""
    return [
        Row(
            group=row["model"],
            model=row["model"],
            task="text_generation",
            card=ModelCard(total_params_b=LOCAL[row["model"]][0], layers=LOCAL[row["model"]][1], name=row["model"]),
            place=Deployment(gpu="H100", gpus=1, batch=1, engine="transformers", bytes_per_weight=2.0),
            input_tokens=LOCAL_INPUT,
            output_tokens=LOCAL_OUTPUT,
            joules=float(row["gpu_energy_kwh_per_1000_queries"]) * 3600,
            batch=1,
        )
        for row in _read(folder / "aienergyscore_2025-02.csv")
        if row["task"] == "text_generation" and row["model"] in LOCAL
    ]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
