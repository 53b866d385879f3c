"""The packaged vectors: unit length, near for what means the same, and never read when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from greenai import WeightsDamaged, embed
from greenai.embed.vectors import FILE, read_arrays


def test_shape_and_length() -> None:
    found = embed.encode(["what is the weather in Paris", "", "..."])
    assert (found.shape, found.dtype) == ((3, embed.DIMENSIONS), np.float32)
    assert np.linalg.norm(found[0]) == pytest.approx(1.0, abs=1e-5)
    assert not found[1].any()


def test_no_texts() -> None:
    assert embed.encode([]).shape == (0, embed.DIMENSIONS)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("when do you open on sunday", "what are your opening hours", "write a poem about the sea"),
        ("is it going to rain tomorrow", "what is the weather forecast", "translate this into French"),
        ("my card was declined", "why was my payment refused", "prove that there are infinitely many primes"),
        ("what is the wether in paris", "weather in Paris", "cancel my order"),
    ],
)
def test_what_means_the_same_is_nearer(text: str, near: str, far: str) -> None:
    a, b, c = embed.encode([text, near, far])
    assert a @ b > a @ c + 0.15


def test_case_and_space_do_not_count() -> None:
    a, b = embed.encode(["What is the weather?", "  WHAT is\nthe   weather ?"])
    assert a @ b == pytest.approx(1.0, abs=1e-5)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / FILE.name
    copy.write_bytes(FILE.read_bytes()[:-1] + b"?")
    copy.with_suffix(".sha256").write_text(FILE.with_suffix(".sha256").read_text())
    with pytest.raises(
        WeightsDamaged, match=r"^The packaged weights vectors\.npz have the SHA-256 [0-9a-f]{12}…, and "
    ):
        read_arrays(copy)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsDamaged) as error:
        read_arrays(tmp_path / "gone.npz")
    assert str(error.value) == (
        "The packaged weights gone.npz could not be read (No such file or directory). "
        "Install again: pip install --force-reinstall --no-deps greenai"
    )


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    held = tmp_path / "bad.npz"
    np.savez(held, words=np.array([{"a": 1}], dtype=object))
    import hashlib

    held.with_suffix(".sha256").write_text(hashlib.sha256(held.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match="allow_pickle"):
        read_arrays(held)


def test_vectors_are_read_without_network_or_torch() -> None:
    code = (
        "import sys, json, greenai.embed as e; e.encode(['hello']);"
        "print(json.dumps([m for m in ('torch', 'onnxruntime', 'tokenizers', 'httpx', 'openai') if m in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert json.loads(out) == []
