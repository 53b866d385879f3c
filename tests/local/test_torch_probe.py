"""Whether a model can be run as this engine runs models; skipped without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from greenai.errors import EngineError
from greenai.local.torch_lm import LanguageModel, TorchSetting

PROMPTS = [[7, 8, 9], [5, 100, 33, 20, 11, 9, 8, 7, 44], [12]]
SIZE: dict[str, Any] = {"vocab_size": 128, "eos_token_id": 2}
GPT: dict[str, Any] = {**SIZE, "n_layer": 2, "n_head": 4}
DEEP: dict[str, Any] = {**SIZE, "hidden_size": 64, "num_hidden_layers": 2}
GROUPED: dict[str, Any] = {**DEEP, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}

MODELS: dict[str, Any] = {
    "absolute positions": transformers.GPT2Config(**GPT, n_embd=64, n_positions=64),
    "positions by distance": transformers.BloomConfig(**GPT, hidden_size=64),
    "positions by distance, otherwise": transformers.FalconConfig(
        **DEEP, num_attention_heads=4, alibi=True, new_decoder_architecture=False
    ),
    "a sliding window": transformers.MistralConfig(**GROUPED, sliding_window=4),
    "windows now and then": transformers.Gemma2Config(**GROUPED, head_dim=16, sliding_window=4),
    "experts": transformers.MixtralConfig(**GROUPED, num_local_experts=4),
    "states instead of attention": transformers.MambaConfig(**DEEP, state_size=8),
    "states of another kind": transformers.Mamba2Config(**DEEP, state_size=8, num_heads=8, head_dim=16, n_groups=1),
    "states and attention in turns": transformers.Lfm2Config(**GROUPED, layer_types=["conv", "full_attention"]),
    "states beside attention": transformers.FalconH1Config(
        **GROUPED, mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=8
    ),
}


def made(config: Any, folder: Path) -> Any:
    torch.manual_seed(5)
    config.initializer_range = 0.3
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    return model.eval()


@pytest.mark.parametrize("kind", MODELS)
def test_rows_of_a_batch_are_what_the_model_says_without_any_cache(kind: str, tmp_path: Path) -> None:
    model = made(MODELS[kind], tmp_path)
    expected = []
    for prompt, most in zip(PROMPTS, (6, 4, 9), strict=True):
        row = list(prompt)
        with torch.inference_mode():
            for _ in range(most):
                row.append(int(model(torch.tensor([row]), use_cache=False).logits[0, -1].argmax()))
        expected.append(row[len(prompt) :])
    ours = LanguageModel(tmp_path, TorchSetting(threads=1))
    assert ours.generate(PROMPTS, most_tokens=[6, 4, 9], ignore_stops=True) == expected


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("positions by distance", "RuntimeError: The expanded size of the tensor (5) must match the existing size (3)"),
        ("states beside attention", "transformers has none for it. "),
    ],
)
def test_a_static_cache_that_a_model_cannot_take_is_told_at_once(kind: str, why: str, tmp_path: Path) -> None:
    made(MODELS[kind], tmp_path)
    with pytest.raises(EngineError) as refused:
        LanguageModel(tmp_path, TorchSetting(threads=1, cache="static"))
    name = "BloomForCausalLM" if "distance" in kind else "FalconH1ForCausalLM"
    assert str(refused.value).startswith(f"local/{tmp_path} cannot be run by torch with a static cache ({name}): {why}")
    assert str(refused.value).endswith('. Use cache="dynamic", or make a new profile with: greenai tune.')


def test_a_model_that_leaves_the_cache_aside_is_refused_and_writes_nothing_wrong(tmp_path: Path) -> None:
    made(transformers.RwkvConfig(**DEEP, attention_hidden_size=64), tmp_path)
    with pytest.raises(EngineError) as refused:
        LanguageModel(tmp_path, TorchSetting(threads=1))
    assert str(refused.value) == (
        f"local/{tmp_path} cannot be run by torch here: a RwkvForCausalLM keeps what it has read where this engine does "
        "not reach it. Name a GGUF of the model, which llama.cpp runs, or serve it elsewhere and name base_url=."
    )


def test_a_precision_that_no_layer_can_be_stored_in_is_refused(tmp_path: Path) -> None:
    made(MODELS["absolute positions"], tmp_path)  # its matrices are of a kind of their own
    with pytest.raises(EngineError) as refused:
        LanguageModel(tmp_path, TorchSetting(threads=1, precision="int8"))
    assert str(refused.value) == (
        f"local/{tmp_path} cannot be run in int8: a GPT2LMHeadModel has no layer of a kind and shape that can be stored "
        'so. Use precision="bfloat16", or name a GGUF of the model.'
    )


def test_scores_that_are_others_with_the_cache_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(MODELS["absolute positions"], tmp_path)
    ours = LanguageModel(tmp_path, TorchSetting(threads=1))
    step = LanguageModel.step
    monkeypatch.setattr(LanguageModel, "step", lambda *a: step(*a).flip(-1))
    with pytest.raises(EngineError, match=r"with a dynamic cache \(GPT2LMHeadModel\): its scores are off by \d+%\. "):
        LanguageModel(tmp_path, TorchSetting(threads=1))
    assert ours.rows_leave
