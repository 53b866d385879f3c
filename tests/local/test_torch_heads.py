"""A linear layer on an encoder with random weights; skipped without torch."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from greenai.errors import ModelMissing
from greenai.local.torch_engine import TaskModel
from greenai.local.torch_heads import HEAD_FILE, fit
from greenai.testing import FakeProvider, ReplayMeter, offline

WORDS = {"food": ["bread", "soup", "rice", "cake"], "sport": ["ball", "goal", "race", "team"], "sky": ["star", "moon"]}
OTHERS = ["the", "a", "is", "was", "good", "bad"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *OTHERS, *(w for group in WORDS.values() for w in group)]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(3)
    torch.set_num_threads(1)
    BertModel(BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    )).save_pretrained(folder)  # fmt: skip
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def texts(seed: int, count: int) -> dict[str, list[str]]:
    draw = random.Random(seed)
    return {
        label: [" ".join([*draw.choices(OTHERS, k=3), draw.choice(words)]) for _ in range(count)]
        for label, words in WORDS.items()
    }


def test_a_head_learns_what_its_examples_say(encoder: Path, tmp_path: Path) -> None:
    head = TaskModel(str(fit(encoder, texts(1, 40), tmp_path / "head")), "embedding-head")
    unseen = [(label, text) for label, some in texts(2, 20).items() for text in some]
    done = head.many([text for _, text in unseen])
    right = [one.label == label for one, (label, _) in zip(done, unseen, strict=True)]
    assert sum(right) / len(right) > 0.95
    assert all(one.text == one.label and 1 / 3 < (one.confidence or 0) <= 1 for one in done)


def test_a_task_takes_it_as_any_other_model(encoder: Path, tmp_path: Path) -> None:
    fit(encoder, texts(1, 40), tmp_path)
    with offline(FakeProvider(), meters=[ReplayMeter(0.25)]) as client:
        task = client.task("topic", model=str(tmp_path), kind="embedding-head", threshold=0.0)
        answer = task("the soup was good")
    assert answer.label == "food"
    assert (answer.receipt.outcome, answer.receipt.energy.energy_j) == ("task_model", 0.25)


def test_labels_without_texts_are_refused(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two labels") as refused:
        fit(encoder, {"food": ["soup"]}, tmp_path)
    assert str(refused.value) == "A head needs two labels or more, each with a text; there are 1."
    with pytest.raises(ValueError, match="two labels"):
        fit(encoder, {"food": ["soup"], "sky": []}, tmp_path)


def test_a_damaged_head_is_told(encoder: Path, tmp_path: Path) -> None:
    fit(encoder, texts(1, 3), tmp_path)
    head = json.loads((tmp_path / HEAD_FILE).read_text())
    (tmp_path / HEAD_FILE).write_text(json.dumps({**head, "labels": ["food"]}))
    with pytest.raises(ModelMissing) as refused:
        TaskModel(str(tmp_path), "embedding-head")("soup")
    assert str(refused.value) == (
        f"The task model {tmp_path} could not be loaded: head.json has 1 labels and a layer of (3, 32). Name a folder "
        f"with its weights (safetensors), or bring it with: hf download {tmp_path}"
    )
