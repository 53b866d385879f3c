"""The models whose recorded answers are fitted on: size and date, as their makers state them.

A size is log10 of parameters in 1e9: of a mixture of experts the geometric mean of those used for a token and all of
them, which explains the recorded answers better than either. Where the maker states none (`stated` False) it is the
middle that EcoLogits 0.11.3 assumes, as in the catalog. A date is the year of the release of the weights, or of the
model's announcement, as their model cards and the makers' blogs have it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EVALUATED", "MODELS", "PAIRS", "Model"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: log10 of its size in 1e9 parameters, and the year of its release."""

    size: float
    year: float
    stated: bool = True


def _model(active_b: float, year: float, total_b: float | None = None, *, stated: bool = True) -> Model:
    size = math.log10(math.sqrt(active_b * (active_b if total_b is None else total_b)))
    return Model(size=size, year=year, stated=stated)


MODELS = {
    "SmolLM2-135M-Instruct": _model(0.1345, 2024.84),
    "Llama-2-7b-hf": _model(6.7, 2023.55),
    "Llama-2-13b-hf": _model(13, 2023.55),
    "Llama-2-70b-hf": _model(69, 2023.55),
    "Meta-Llama-3-8B": _model(8, 2024.3),
    "Meta-Llama-3-70B": _model(70.6, 2024.3),
    "Meta-Llama-3-8B-Instruct": _model(8, 2024.3),
    "Meta-Llama-3-70B-Instruct": _model(70.6, 2024.3),
    "Meta-Llama-3_1-8B": _model(8, 2024.56),
    "Meta-Llama-3_1-70B": _model(70.6, 2024.56),
    "Meta-Llama-3_1-8B-Instruct": _model(8, 2024.56),
    "Meta-Llama-3_1-70B-Instruct": _model(70.6, 2024.56),
    "Meta-Llama-3.1-8B-Instruct": _model(8, 2024.56),
    "Meta-Llama-3.1-70B-Instruct": _model(70.6, 2024.56),
    "Llama-3.1-405B-Instruct-Turbo": _model(405, 2024.56),
    "Llama-3.1-405B-Inst-fp8": _model(405, 2024.56),
    "Athene-70B": _model(70.6, 2024.54),
    "Mistral-7B-v0.1": _model(7.2, 2023.74),
    "Mistral-7B-Instruct-v0.1": _model(7.2, 2023.74),
    "Mistral-7B-v0.2-hf": _model(7.2, 2024.23),
    "Mistral-7B-Instruct-v0.2": _model(7.2, 2023.95),
    "Mixtral-8x7B-v0.1": _model(12.9, 2023.94, 46.7),
    "Mixtral-8x7B-Instruct-v0.1": _model(12.9, 2023.94, 46.7),
    "Mistral-Nemo-Instruct-2407": _model(12.2, 2024.55),
    "Mistral-Large-2": _model(123, 2024.56),
    "mathstral-7B": _model(7.2, 2024.54),
    "Phi-3-mini-4k-instruct": _model(3.8, 2024.31),
    "Phi-3.5-mini-instruct": _model(3.8, 2024.64),
    "Qwen1.5-7B-Chat": _model(7.7, 2024.1),
    "Qwen1.5-72B-Chat": _model(72, 2024.1),
    "Qwen1.5-110B": _model(111, 2024.32),
    "Qwen2-7B-Instruct": _model(7.6, 2024.43),
    "Qwen2-72B-Instruct": _model(72.7, 2024.43),
    "Qwen2.5-3B-Instruct": _model(3.1, 2024.72),
    "Qwen2.5-7B-Instruct": _model(7.6, 2024.72),
    "Qwen2.5-32B-Instruct": _model(32.8, 2024.72),
    "Qwen2.5-72B-Instruct": _model(72.7, 2024.72),
    "Yi-6B": _model(6, 2023.84),
    "Yi-6b-Chat": _model(6, 2023.9),
    "Yi-34B": _model(34, 2023.84),
    "Yi-1.5-9B-Chat": _model(8.8, 2024.36),
    "Yi-1.5-34B-Chat": _model(34, 2024.36),
    "c4ai-command-r-v01": _model(35, 2024.19),
    "command-r": _model(35, 2024.19),
    "command-r-plus": _model(104, 2024.26),
    "gemma-7b": _model(8.5, 2024.14),
    "gemma-2-2b-it": _model(2.6, 2024.58),
    "gemma-2-9b-it": _model(9.2, 2024.49),
    "gemma-2-27b-it": _model(27.2, 2024.49),
    "gemma-2-27b-it@together": _model(27.2, 2024.49),
    "jamba-1.5-large": _model(94, 2024.64, 398),
    "DeepSeek-Coder-V2": _model(21, 2024.46, 236),
    "DeepSeek-Coder-V2-0724": _model(21, 2024.56, 236),
    "deepseek-v2-chat-0628": _model(21, 2024.49, 236),
    "deepseek-v2-coder-0724": _model(21, 2024.56, 236),
    "deepseek-v2.5-0908": _model(21, 2024.68, 236),
    "gpt-3.5-turbo-0125": _model(37.4, 2024.07, stated=False),
    "gpt-4-1106-preview": _model(152, 2023.85, 880, stated=False),
    "gpt-4-turbo-2024-04-09": _model(152, 2024.27, 880, stated=False),
    "gpt-4o-2024-05-13": _model(76, 2024.36, 440, stated=False),
    "gpt-4o-2024-08-06": _model(76, 2024.6, 440, stated=False),
    "gpt-4o-mini-2024-07-18": _model(15, 2024.55, stated=False),
}

EVALUATED = {
    # RouterBench
    "WizardLM/WizardLM-13B-V1.2": _model(13, 2023.56),
    "meta/code-llama-instruct-34b-chat": _model(34, 2023.65),
    "meta/llama-2-70b-chat": _model(69, 2023.55),
    "mistralai/mistral-7b-chat": _model(7.2, 2023.74),
    "mistralai/mixtral-8x7b-chat": _model(12.9, 2023.94, 46.7),
    "zero-one-ai/Yi-34B-Chat": _model(34, 2023.9),
    "gpt-3.5-turbo-1106": _model(37.4, 2023.85, stated=False),
    # RouterDC
    "mistralai/Mistral-7B-v0.1": _model(7.2, 2023.74),
    "meta-math/MetaMath-Mistral-7B": _model(7.2, 2023.8),
    "itpossible/Chinese-Mistral-7B-v0.1": _model(7.2, 2024.25),
    "HuggingFaceH4/zephyr-7b-beta": _model(7.2, 2023.82),
    "cognitivecomputations/dolphin-2.6-mistral-7b": _model(7.2, 2023.99),
    "meta-llama/Meta-Llama-3-8B": _model(8, 2024.3),
    "cognitivecomputations/dolphin-2.9-llama3-8b": _model(8, 2024.31),
    # reasoning-gym
    "google_gemma-3-27b-it": _model(27.4, 2025.19),
    "meta-llama_llama-3.3-70b-instruct": _model(70.6, 2024.93),
    "meta-llama_llama-4-maverick": _model(17, 2025.26, 400),
    "meta-llama_llama-4-scout": _model(17, 2025.26, 109),
    "mistralai_mistral-small-3.1-24b-instruct": _model(24, 2025.21),
}
"""Models of sets that nothing is fitted on."""

PAIRS = (
    ("Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"),
    ("Llama-2-7b-hf", "Meta-Llama-3_1-70B-Instruct"),
    ("Mistral-7B-Instruct-v0.1", "Qwen1.5-110B"),
    ("Phi-3-mini-4k-instruct", "Meta-Llama-3_1-70B-Instruct"),
    ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct"),
    ("Yi-6B", "Yi-34B"),
    ("gemma-2-2b-it", "gpt-4o-2024-08-06"),
    ("gemma-2-2b-it", "Qwen2.5-72B-Instruct"),
    ("Meta-Llama-3-8B-Instruct", "gpt-4o-2024-08-06"),
    ("gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"),
    ("SmolLM2-135M-Instruct", "gpt-4o-2024-08-06"),
)
"""Pairs of the mixes in benchmarks/audit_truth.py: of MMLU and RouterBench, of MMLU-Pro, and of ZeroEval."""
