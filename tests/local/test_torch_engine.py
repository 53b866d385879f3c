"""Task models that transformers runs: tiny ones with random weights, made here; skipped without torch."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from greenai import MissingExtra, ModelMissing
from greenai.local.torch_engine import KINDS, MOST_TOGETHER, Kind, TaskModel, _together
from greenai.local.torch_heads import fit
from greenai.testing import FakeProvider, ReplayMeter, offline

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch and transformers are not installed")
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "a",
    "is",
    "was",
    "good",
    "bad",
    "film",
    "great",
    "awful",
    "where",
    "ada",
    "born",
    "in",
    "london",
    ".",
    "?",
    "it",
]
TEXT = "Ada was born in London. It was a great film."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder per kind: a BERT (or a small encoder and decoder) of a few thousand parameters, at random."""
    import torch
    from transformers import (
        BertConfig,
        BertForQuestionAnswering,
        BertForSequenceClassification,
        BertForTokenClassification,
        BertTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    torch.manual_seed(3)
    root = tmp_path_factory.mktemp("models")
    (root / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizerFast(str(root / "vocab.txt"), model_max_length=64)
    small: dict[str, Any] = {
        "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 512,
    }  # fmt: skip
    made = {
        "classification": BertForSequenceClassification(BertConfig(**small, num_labels=2)),
        "extraction": BertForTokenClassification(BertConfig(**small, num_labels=3)),
        "question-answering": BertForQuestionAnswering(BertConfig(**small)),
        "summarisation": T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(WORDS),
                d_model=16,
                d_kv=8,
                d_ff=16,
                num_layers=1,
                num_heads=2,
                decoder_start_token_id=0,
                eos_token_id=3,
                pad_token_id=0,
            )
        ),
    }
    for kind, model in made.items():
        model.save_pretrained(root / kind)
        tokenizer.save_pretrained(root / kind)
    made["extraction"].base_model.save_pretrained(root / "encoder")
    tokenizer.save_pretrained(root / "encoder")
    fit(root / "encoder", {"good": ["the great film", "good"], "bad": ["awful", "a bad film"]}, root / "embedding-head")
    return {kind: root / kind for kind in KINDS}


@needs_torch
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_the_same_twice(models: dict[str, Path], kind: Kind) -> None:
    model = TaskModel(str(models[kind]), kind)
    first = model(TEXT, "where was ada born ?")
    assert model(TEXT, "where was ada born ?") == first
    assert first.confidence is None or 0 <= first.confidence <= 1
    if kind == "classification":
        assert first.label == first.text
        assert first.label in ("LABEL_0", "LABEL_1")
    if kind == "question-answering":
        assert first.text in TEXT
    if kind == "extraction":
        assert all(line.split(": ", 1)[1] in TEXT for line in first.text.splitlines())


@needs_torch
@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_are_done_as_each_alone_and_in_order(models: dict[str, Path], kind: Kind) -> None:
    model = TaskModel(str(models[kind]), kind)
    texts = [("ada was in london . " * (n % 7) + f"{WORDS[5 + n % 15]} film")[: 40 * (1 + n % 5)] for n in range(41)]
    together, alone = model.many(texts, "where ?"), [model(text, "where ?") for text in texts]
    assert [(done.text, done.label) for done in together] == [(done.text, done.label) for done in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    assert model.many([]) == []


def test_texts_of_about_one_length_go_together() -> None:
    texts = ["x" * n for n in (100, 3, 250, 64, 20, 120, 199, 500)] + ["y" * 64] * 70
    batches = _together(texts)
    assert sorted(place for batch in batches for place in batch) == list(range(len(texts)))
    assert all(0 < len(batch) <= MOST_TOGETHER for batch in batches)
    for batch in batches:
        lengths = [len(texts[place]) for place in batch]
        assert max(lengths) <= max(2 * min(lengths), 64)


@needs_torch
def test_answer_may_stand_anywhere_in_a_long_text(models: dict[str, Path]) -> None:
    long = "the film was good . " * 300
    assert TaskModel(str(models["question-answering"]), "question-answering")(long, "where ?").text in long


@needs_torch
def test_task_names_the_models_labels_and_measures_its_energy(models: dict[str, Path]) -> None:
    provider = FakeProvider()
    with offline(provider, meters=[ReplayMeter(0.25, 0.5)]) as client:
        mood = client.task(
            "mood", model=str(models["classification"]), labels=["bad", "good"], threshold=0.0,
            examples_of_requests=["is this review positive or negative"],
        )  # fmt: skip
        answer = mood(TEXT)
        asked = client.ask('Is this review positive or negative? "the film was great"')
    receipt = answer.receipt
    assert answer.label in ("bad", "good")
    assert (receipt.outcome, receipt.energy.energy_j, receipt.energy.evidence) == ("task_model", 0.25, "measured")
    assert receipt.model == f"local/{models['classification']}"
    assert receipt.cost_usd == 0.0
    (attempt,) = receipt.attempts
    assert (attempt.state, attempt.model) == ("answered", receipt.model)
    assert (asked.greenai.outcome, asked.greenai.energy.energy_j) == ("task_model", 0.5)
    assert provider.calls == []


@needs_torch
def test_task_that_is_not_sure_is_counted_and_a_model_answers(models: dict[str, Path]) -> None:
    with offline(FakeProvider("Good."), meters=[ReplayMeter(0.25)]) as client:
        client.task(
            "mood", model=str(models["classification"]), threshold=1.0, examples_of_requests=["is this review positive"]
        )
        receipt = client.ask("Is this review positive: the film was great").greenai
    assert next((a.state, a.energy.energy_j) for a in receipt.attempts) == ("discarded", 0.25)
    assert receipt.outcome == "small"


@needs_torch
def test_weights_that_are_pickles_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    import torch

    (tmp_path / "config.json").write_text((models["classification"] / "config.json").read_text())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((models["classification"] / name).read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelMissing):
        TaskModel(str(tmp_path), "classification")(TEXT)


@needs_torch
def test_missing_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with offline() as client:
        task = client.task("mood", model=str(tmp_path))
        with pytest.raises(ModelMissing) as refused:
            task(TEXT)
    assert str(refused.value).startswith(f"The task model {tmp_path} could not be loaded: ")
    assert str(refused.value).endswith(
        f"Name a folder with its weights (safetensors), or bring it with: hf download {tmp_path}"
    )


@needs_torch
def test_a_model_of_another_kind_is_refused_and_answers_nothing_by_chance(models: dict[str, Path]) -> None:
    with pytest.raises(ModelMissing) as refused:
        TaskModel(str(models["classification"]), "extraction")(TEXT)
    assert str(refused.value) == (
        f"The task model {models['classification']} is a BertForSequenceClassification, which was not made for the kind "
        'extraction: its answers would be chance. Pass kind="classification", or name a model that was made '
        "ForTokenClassification."
    )
    with pytest.raises(ModelMissing, match="Pass the name of a model that was made ForQuestionAnswering"):
        TaskModel(str(models["embedding-head"].parent / "encoder"), "question-answering")(TEXT)


@needs_torch
def test_a_folder_that_is_not_there_is_told_without_asking_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("models/nope", "./nope", str(tmp_path / "nope")):
        with pytest.raises(ModelMissing) as refused:
            TaskModel(name, "classification")(TEXT)
        assert str(refused.value) == (
            f"The task model {name} is not here: there is no folder {(tmp_path / name).absolute()}. Name a folder with "
            f"its weights (safetensors), or bring it with: hf download {name}"
        )


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed")
def test_missing_extra_is_told() -> None:
    with offline() as client:
        task = client.task("mood", model="acme/mood")
        with pytest.raises(MissingExtra) as refused:
            task(TEXT)
        assert str(refused.value) == (
            "The task model acme/mood needs the package transformers, which is not installed. "
            'Install it with: pip install "greenai[torch]"'
        )
        client.task("tone", model="acme/tone", examples_of_requests=["is this review positive or negative"])
        receipt = client.ask('Is this review positive or negative? "great film"').greenai
    assert receipt.warnings == ("local/acme/tone failed (MissingExtra) and was passed over.",)
