"""Language models that torch runs: small ones with random weights, made here; skipped without torch."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_models import llama

from greenai.errors import ModelMissing
from greenai.local.torch_lm import LanguageModel, Sampling, TorchSetting

ONE_THREAD = TorchSetting(precision="float32", threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return LanguageModel(folder, ONE_THREAD)


def prompts(count: int, seed: int = 5) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(4, 500) for _ in range(draw.randrange(1, 40))] for _ in range(count)]


@pytest.mark.parametrize(
    "setting",
    [ONE_THREAD, TorchSetting(precision="float32", attention="eager", threads=1),
     TorchSetting(precision="float32", cache="static", threads=1)],
    ids=["dynamic", "eager", "static"],
)  # fmt: skip
def test_rows_of_a_batch_write_what_they_write_alone(folder: Path, model: LanguageModel, setting: TorchSetting) -> None:
    asked = prompts(17)
    most = [3 + n % 9 for n in range(17)]
    together = LanguageModel(folder, setting).generate(asked, most_tokens=most)
    alone = [model.generate([p], most_tokens=[m])[0] for p, m in zip(asked, most, strict=True)]
    assert together == alone
    assert [len(row) for row in together] != [0] * 17
    assert len({tuple(row) for row in together}) > 12


def shapes() -> dict[str, Any]:
    """Positions that are learnt, windows that slide, and states in place of a cache: each with weights at random."""
    import transformers

    common: dict[str, Any] = {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "eos_token_id": 2,
        "bos_token_id": 1, "pad_token_id": 0, "initializer_range": 0.4,
    }  # fmt: skip
    plain = {"vocab_size": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "initializer_range": 0.3}
    return {
        "GPT2LMHeadModel": transformers.GPT2Config(n_embd=64, n_layer=3, n_head=4, n_positions=256, **plain),
        "MistralForCausalLM": transformers.MistralConfig(sliding_window=12, **common),
        "Gemma2ForCausalLM": transformers.Gemma2Config(head_dim=16, sliding_window=16, **common),
        "Gemma3ForCausalLM": transformers.Gemma3TextConfig(head_dim=16, sliding_window=16, **common),
        "MambaForCausalLM": transformers.MambaConfig(hidden_size=64, num_hidden_layers=2, **plain),
    }


@pytest.mark.parametrize(
    "shape",
    ["GPT2LMHeadModel", "MistralForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM", "MambaForCausalLM"],
)
def test_rows_of_other_shapes_write_what_they_write_alone(tmp_path: Path, shape: str) -> None:
    import torch
    import transformers

    torch.manual_seed(1)
    getattr(transformers, shape)(shapes()[shape]).save_pretrained(tmp_path)
    made = LanguageModel(tmp_path, ONE_THREAD)
    asked, most = prompts(9), [4 + n % 12 for n in range(9)]
    together = made.generate(asked, most_tokens=most)
    assert together == [made.generate([p], most_tokens=[m])[0] for p, m in zip(asked, most, strict=True)]
    assert len({tuple(row) for row in together}) > 6


def test_it_writes_what_transformers_generate_writes(model: LanguageModel) -> None:
    for prompt in prompts(5):
        made = model._model.generate(
            model.tensor([prompt]), attention_mask=model.tensor([[1] * len(prompt)]), max_new_tokens=12, do_sample=False
        )[0].tolist()[len(prompt) :]
        assert model.generate([prompt], most_tokens=[12])[0] == [token for token in made if token != 2]


def test_a_token_that_ends_an_answer_ends_its_row_alone(folder: Path, model: LanguageModel) -> None:
    asked = prompts(6)
    free = model.generate(asked, most_tokens=[10] * 6)
    model_stops, model.stops = model.stops, frozenset({free[2][4]})
    try:
        stopped = model.generate(asked, most_tokens=[10] * 6)
        ignored = model.generate(asked, most_tokens=[10] * 6, ignore_stops=True)
    finally:
        model.stops = model_stops
    assert stopped[2] == free[2][: free[2].index(free[2][4])]
    assert stopped[0] == free[0]
    assert ignored == free


def test_a_watcher_sees_every_token_in_order_and_may_end_a_row(model: LanguageModel) -> None:
    asked = prompts(4)
    whole = model.generate(asked, most_tokens=[8] * 4)
    seen: dict[int, list[int]] = {n: [] for n in range(4)}

    def watch(row: int, token: int) -> bool:
        seen[row].append(token)
        return row != 1 or len(seen[1]) < 3

    cut = model.generate(asked, most_tokens=[8] * 4, watch=watch)
    assert cut == [whole[0], whole[1][:3], whole[2], whole[3]]
    assert [seen[n] for n in range(4)] == cut


def test_sampling_is_repeated_by_its_seed_whoever_is_beside(model: LanguageModel) -> None:
    asked = prompts(5)
    warm = Sampling(temperature=1.0, top_p=0.9, seed=11)
    alone = model.generate([asked[3]], most_tokens=[9], sampling=[warm])[0]
    beside = model.generate(asked, most_tokens=[9] * 5, sampling=[Sampling()] * 3 + [warm, Sampling()])
    assert beside[3] == alone
    assert beside[0] == model.generate([asked[0]], most_tokens=[9])[0]
    others = {
        tuple(model.generate([asked[3]], most_tokens=[9], sampling=[Sampling(temperature=2.0, seed=n)])[0])
        for n in range(6)
    }
    assert len(others) > 3


def test_top_p_of_nothing_is_greedy(model: LanguageModel) -> None:
    (prompt,) = prompts(1)
    narrow = model.generate([prompt], most_tokens=[9], sampling=[Sampling(temperature=3.0, top_p=0.0, seed=1)])
    assert narrow == model.generate([prompt], most_tokens=[9])


def test_the_context_is_the_limit(model: LanguageModel) -> None:
    long = [5] * 250
    (written,) = model.generate([long], most_tokens=[50], ignore_stops=True)
    assert len(written) == 6
    with pytest.raises(ValueError, match="tokens") as refused:
        model.generate([[5], [5] * 256], most_tokens=[1, 1])
    assert str(refused.value) == (
        f"Prompt 1 has 256 tokens; {model.folder} takes 1 to 255, with its answer after it. Shorten it."
    )
    assert model.generate([[5]], most_tokens=[0]) == [[]]
    assert model.generate([], most_tokens=[]) == []


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "int8", "int4"])
def test_other_precisions_stay_near_and_take_less_memory(folder: Path, model: LanguageModel, precision: str) -> None:
    texts = prompts(6)
    less = LanguageModel(folder, TorchSetting(precision=precision, threads=1))  # type: ignore[arg-type]
    assert less.weight_bytes < 0.75 * model.weight_bytes
    for told, exact in zip(less.logits(texts), model.logits(texts), strict=True):
        closeness = float((told * exact).sum() / (told.norm() * exact.norm()))
        assert closeness > (0.8 if precision == "int4" else 0.99)
    assert all(len(row) <= 4 for row in less.generate(texts, most_tokens=[4] * 6))


def test_perplexity_of_what_it_writes_is_below_that_of_noise(model: LanguageModel) -> None:
    own = [[*p, *model.generate([p], most_tokens=[20], ignore_stops=True)[0]] for p in prompts(4)]
    assert model.perplexity([row[-20:] for row in own]) > 1.0
    assert model.perplexity(own) < model.perplexity(prompts(8, seed=9))
    assert math.isnan(model.perplexity([[5]]))


def test_threads_are_torchs_own(folder: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        LanguageModel(folder, TorchSetting(threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as refused:
        LanguageModel(tmp_path)
    assert str(refused.value).startswith(f"local/{tmp_path} could not be loaded: ")
    assert str(refused.value).endswith("Name a folder with config.json, its weights as safetensors and its tokenizer.")


def test_its_tokenizer_lies_beside_it(model: LanguageModel, tmp_path: Path) -> None:
    assert model.tokenizer.decode(model.tokenizer("the hat")["input_ids"]) == "the hat"
